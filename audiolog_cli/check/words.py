"""Labels in running text: which words of a log mean which labels of the table.

`labels.tsv` lists concepts with their aliases in several languages (inflected forms are found by stem) and a few umbrella words
(`vehicle`) with their members. A label of the table that no alias fits is matched by its own words. A concept that a log names
but the table lacks is an invented label, which is why the list is wider than any one table.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

from audiolog_cli.check.language import CJK

QUIET = "\x02quiet"  # stands for "no event recognised", a concept of its own
MISSING = "\x02missing"  # stands for "not analysed"
DOUBTFUL = "?"  # follows a member of an umbrella that not everybody would count as one, and an alias that need not mean the label
NOTHING = "-"  # the concept of phrases that hold a label's word but name no sound: phone call, way home
CONCEPTS = Path(__file__).parent / "labels.tsv"
TOKENS = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
GENERIC = frozenset(  # what may be said of a sound that labels.tsv does not know
    {"speech", "voice", "people", "crowd", "shouting", "whispering", "person_singing", "animal", "machine"}
    | {"clock_tick", "bell", "engine", "vehicle", "traffic"}
)
MANY = frozenset({"animal", "people", "voice", "crowd", "children_playing", "speech"})
SKIPPED = frozenset({"a", "an", "the", "of"})  # inside a phrase: knocking on a door
FOREIGN = re.compile(r"([^\W\d_])\1e$")  # Welle is not a form of `well`: an ending foreign to English is kept
GENERAL = frozenset(  # words of labels that say little by themselves, as stems
    {
        "nois",
        "sound",
        "loud",
        "heavi",
        "light",
        "male",
        "femal",
        "small",
        "larg",
        "open",
        "clos",
        "start",
        "stop",
        "pass",
        "approach",
    }
    | {"leav", "run", "long", "short", "room", "area", "deck", "old", "new", "single", "other", "distant", "near"}
)
SHORT = 3  # letters of an alias that is not taken for a form of another word: tos, tossed
SHORT_WORD = 4  # letters of a word that keeps its `e`: care is no form of car, nor type of typing
LONGEST_PHRASE = 5  # words


@dataclass(frozen=True, slots=True)
class Mention:
    """Words of a text that mean a concept, at [start, end) characters."""

    start: int
    end: int
    concept: str
    has_verb: bool = False  # `birds sing`, not `singing birds`: several words, not all of them in the label's own form
    is_of_many: bool = False  # `dogs`, `voices`: two of them need not be heard twice
    may_be: bool = False  # `child`, `house`: words that mean the label if it is there, and need not mean a sound if not


@cache
def stem(word: str) -> str:
    """A word without its English endings, so that barks, barked and barking are one; other languages mostly stay unchanged.

    >>> [stem(word) for word in ("barks", "Barking", "drilling", "buses", "glass", "leaves")]
    ['bark', 'bark', 'dril', 'bus', 'glas', 'leav']
    """
    word = word.lower().removesuffix("'s")
    if word.endswith("ies") and len(word) > 4:
        word = word[:-3] + "y"
    elif word.endswith("es") and len(word) > 4 and word[-3] in "sxzh":
        word = word[:-2]
    elif word.endswith("s") and len(word) > 3 and not word.endswith(("ss", "us")):
        word = word[:-1]
    for ending in ("ing", "ed"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)]
            break
    word = word.removesuffix("e") if len(word) > SHORT_WORD else word
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] else word


def phrase(text: str) -> tuple[str, ...]:
    """A label or alias as stems, without articles."""
    return tuple(stem(word) for word in _words(text))


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.lower() for word in TOKENS.findall(text.replace("_", " ")) if word.lower() not in SKIPPED)


class Vocabulary(NamedTuple):
    """What labels.tsv says."""

    phrases: dict[tuple[str, ...], str]  # words or stems -> concept
    characters: dict[str, str]  # the same for Chinese
    umbrellas: dict[str, frozenset[str]]  # umbrella concept -> its members
    doubtful: frozenset[tuple[str, ...]]  # phrases that need not mean their label


@cache
def vocabulary() -> Vocabulary:
    """The words of labels.tsv. Each phrase is a key as written and as stems: `crowing` means a rooster, `crows` means crows."""
    exact: dict[tuple[str, ...], str] = {}
    stems: dict[tuple[str, ...], str] = {}
    reversed_: dict[tuple[str, ...], str] = {}
    characters: dict[str, str] = {}
    umbrellas: dict[str, frozenset[str]] = {}
    doubtful: set[tuple[str, ...]] = set()
    for line in CONCEPTS.read_text(encoding="utf-8").splitlines()[1:]:
        concept, members, aliases = line.split("\t")
        if members:
            umbrellas[concept] = frozenset(members.split())
        for entry in [concept, *filter(None, aliases.split(", "))]:
            alias = entry.removesuffix(DOUBTFUL)
            doubtful |= {_words(alias), phrase(alias)} if alias != entry else set()
            if CJK.search(alias):
                characters.setdefault(alias, concept)
            else:
                exact.setdefault(_words(alias), concept)
                if not FOREIGN.search(alias) and len(alias) > SHORT:
                    stems.setdefault(phrase(alias), concept)
                if len(_words(alias)) == 2:  # barking dog, dog barking
                    reversed_.setdefault(phrase(alias)[::-1], concept)
    return Vocabulary(reversed_ | stems | exact, characters, umbrellas, frozenset(doubtful))


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The words for the labels of one table, and for labels that it does not have."""

    phrases: dict[tuple[str, ...], str]  # words or stems -> concept
    labels: dict[str, frozenset[str]]  # concept -> labels of the table that it may mean; empty if the table lacks it
    firm: dict[str, frozenset[str]]  # the same without doubtful members: `no vehicles` is not wrong about a siren
    strange: frozenset[str]  # labels of the table that labels.tsv does not know
    umbrellas: frozenset[str]  # concepts that mean any of several labels, or of one by chance
    doubtful: frozenset[tuple[str, ...]]  # phrases that need not mean their label
    named: dict[str, frozenset[str]]  # the same without the members of an umbrella: `birds` names `bird`, not `crow`


def lexicon(labels: Iterable[str]) -> Lexicon:
    """The lexicon of a table with these labels (scenes and events)."""
    phrases, _, umbrellas, doubtful = vocabulary()
    labels = sorted(labels)  # of two with the same words, the last is meant
    own = dict(phrases)
    meant: dict[str, set[str]] = {concept: set() for concept in phrases.values()}
    for label in labels:
        words = phrase(label)
        concept = phrases.get(words, label)
        meant.setdefault(concept, set()).add(label)
        for first in range(1, len(words) if words in phrases else 0):  # "horn" may be meant for ship_horn
            meant.get(phrases.get(words[first:], ""), set()).add(label)
        if words and words not in phrases:
            own[words] = own[words[::-1]] = label
            for inner in {phrases[words[first:last]] for first, last in _slices(len(words)) if words[first:last] in phrases}:
                meant[inner].add(label)  # "car" may be meant for passing_car
    for label in (label for found in list(meant.values()) if len(found) > 1 for label in sorted(found)):
        if phrases.get(phrase(label), label) != label:  # `announcement` means the label of that name, not any speech
            own[phrase(label)] = label
            meant[label] = {label}
    named = _frozen(meant)
    firm = {concept: set(found) for concept, found in meant.items()}
    for umbrella in umbrellas:
        for member, is_firm in _members(umbrella, umbrellas):
            if is_firm or not named[umbrella]:  # `kitchen` may be said of a home if there is no scene of that name
                meant[umbrella] |= named.get(member, frozenset())
            firm[umbrella] |= named.get(member, frozenset()) if is_firm else frozenset()
        own_labels = {label for label in labels if own.get(phrase(label)) == umbrella}
        for member, is_firm in _members(umbrella, umbrellas):
            if is_firm and not meant.get(member, own_labels):
                meant[member] |= own_labels  # `street` may be said of a built-up area, `music` of a guitar
    lacking = {concept for concept, found in meant.items() if not found}
    for label in labels:  # "ship" may be meant for ship_horn
        for first, last in _slices(len(words := phrase(label))):
            if (inner := phrases.get(words[first:last], "")) in lacking:
                meant[inner].add(label)
    strange = frozenset(label for label in labels if phrase(label) not in phrases)
    if strange:  # `someone speaks` may be said of a presenter
        doubtful |= {words for words, concept in own.items() if concept in GENERIC and not meant.get(concept)}
    parts = _own_words(sorted(strange), own)
    return Lexicon(
        parts | own, _frozen(meant), _frozen(firm), strange, frozenset(umbrellas), doubtful | parts.keys() - own.keys(), named
    )


@cache
def places() -> frozenset[str]:
    """The concepts that are places."""
    return frozenset(
        member for group in ("indoors", "outdoors", "built_up_area") for member, _ in _members(group, vocabulary().umbrellas)
    )


def _own_words(labels: Iterable[str], own: dict[tuple[str, ...], str]) -> dict[tuple[str, ...], str]:
    """Single words that may be meant for the one label which holds them: `dryer` for dryer_tumble."""
    holders: dict[str, list[str]] = {}
    for label in labels:
        words = phrase(label)
        for word in set(words) if len(words) > 1 else ():
            holders.setdefault(word, []).append(label)
    return {
        (word,): own.get(phrase(found[0]), found[0])
        for word, found in holders.items()
        if len(found) == 1 and len(word) > SHORT and (word,) not in own and word not in GENERAL
    }


def _frozen(found: dict[str, set[str]]) -> dict[str, frozenset[str]]:
    return {concept: frozenset(labels) for concept, labels in found.items()}


def _members(umbrella: str, umbrellas: dict[str, frozenset[str]], is_firm: bool = True) -> Iterator[tuple[str, bool]]:
    """The members of an umbrella, their own members, and whether each is one beyond doubt."""
    for member in umbrellas.get(umbrella, ()):
        name, firm = member.removesuffix(DOUBTFUL), is_firm and not member.endswith(DOUBTFUL)
        yield name, firm
        yield from _members(name, umbrellas, firm)


def _slices(n_words: int) -> Iterator[tuple[int, int]]:
    return ((first, last) for first in range(n_words) for last in range(first + 1, n_words + 1))


def mentions(text: str, known: Lexicon) -> list[Mention]:
    """Where `text` names a concept; of overlapping phrases the longest, `metro station` before `metro`."""
    words = [
        (match.start(), match.end(), match.group().lower(), stem(match.group()))
        for match in TOKENS.finditer(text.replace("_", " "))
        if match.group().lower() not in SKIPPED
    ]
    found: list[Mention] = []
    doubtful, many = known.doubtful, _many()
    index = 0
    while index < len(words):
        for size in range(min(LONGEST_PHRASE, len(words) - index), 0, -1):
            part = words[index : index + size]
            start, end = part[0][0], part[-1][1]
            written, stems = tuple(word[2] for word in part), tuple(word[3] for word in part)
            exact = known.phrases.get(written)
            concept = exact or known.phrases.get(stems)
            following = tuple(word[2] for word in words[index + size - 1 : index + size + 1])
            is_cut = size > 1 and not exact and len(following) > 1 and following in known.phrases  # leaves the [metro station]
            if concept and not is_cut and not re.search(r"[.,;:!?()\n|]", text[start:end]):
                if concept != NOTHING and not text.startswith("-like", end):  # as in `a seagull-like cry`
                    may_be = (written if exact else stems) in doubtful
                    is_compound = size > 1 and written[-1][-1] == "s" != written[0][-1]  # dog barks
                    has_verb = size > 1 and exact is None and not written[0].endswith("ing")
                    found.append(Mention(start, end, concept, has_verb, concept in many and not is_compound, may_be))
                index += size
                break
        else:
            index += 1
    return sorted(found + list(_cjk_mentions(text)), key=lambda mention: mention.start)


@cache
def _many() -> frozenset[str]:
    return MANY | {member for member, _ in _members("animal", vocabulary().umbrellas)}


def _cjk_mentions(text: str) -> Iterator[Mention]:
    """Mentions in Chinese, which has no spaces: aliases match anywhere, longest first."""
    if not CJK.search(text):
        return
    characters = vocabulary().characters
    for match in re.finditer("|".join(sorted(map(re.escape, characters), key=len, reverse=True)), text):
        yield Mention(match.start(), match.end(), characters[match.group()])
