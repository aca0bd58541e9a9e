"""Forms of sentences that say something about labels beyond their presence: `A lasts longer than any other sound`.

The forms stand in the word tables (`languages/`, `[forms]`), by the quality that they state. In a form, `A` and `B` are
labels joined by `and` and commas, `S` is a scene, `Q` and `Z` silence, `T` a time, `D` a duration, `W` the recording or a part of
it, `N` a number, `P` a share, `L` an amount of time. Up to three words may stand before each label, but only articles after `=`.
`~` stands for up to five words, `^` for the beginning of the sentence, `W>` for words for the recording as the subject, `<kind>`
for the phrases of a kind; the rest is a regular expression.

In: a `Sentence`. Out: statements with a `Quality`.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from audiolog_cli.check.language import compiled, numbers, tables, value
from audiolog_cli.check.sentences import Quality, Sentence, Statement
from audiolog_cli.check.statements import DENIED
from audiolog_cli.check.times import AMOUNT, NUMBER, bound_of, seconds
from audiolog_cli.check.words import MISSING, QUIET, Mention

WORD = r"(?:\s+(?!<stop>)[^\W\d_]+(?:['’-][^\W\d_]+)*)"
MARK = r"[^\w\x01-\x07]"  # \W, but for placeholders
NEXT_TO = r"[\s,:–-]*"
LABELS = ("A", "B", "S", "Q", "Z", "[AS]")
SLOTS = {  # what a form's signs stand for
    **{f" ~ {label}": rf"{WORD}{{0,8}}?{NEXT_TO}{label}" for label in LABELS},
    " ~": rf"{WORD}{{0,5}}?",
    **{f" ={label}": rf"(?:[\s:]|<joining>)*{label}" for label in ("A", "B", "S")},
    **{f" {label}": rf"{WORD}{{0,3}}?{NEXT_TO}{label}" for label in LABELS},
    " ": r"\s+",
    "^": rf"\A{MARK}*",
    "[AS]": "(?:A|S)",
    "W": r"(?:<whole|recording|scene_word>|\x07|\b(?:the|this)(?: [\w'’-]+){1,3}?)",
    "A": "(?<!\x06)(?P<a>\x06+)(?!\x06)",
    "B": "(?<!\x06)(?P<b>\x06+)(?!\x06)",
    "S": "(?<!\x07)(?P<s>\x07+)(?!\x07)",
    "Q": "\x05+",
    "T": "\x01+",
    "Z": "(?P<a>\x05+)",
    "N": f"(?P<n>{NUMBER})",
    "D": "(?<!\x04)(?P<d>\x04+)",
    "P": r"(?<!first\s)(?<!second\s)(?<!last\s)(?<!final\s)(?<!other\s)"
    r"(?P<p>\d+(?:[.,]\d+)?\s?(?:%|<percent>)|<fractions>)(?!\s+(?:of\s+)?(?:an?\s+)?<hours|minutes|seconds>)",
    "L": f"(?P<l>{AMOUNT})",
}
SLOT = re.compile(
    "|".join(
        ("" if slot[0] == " " else r"(?<![\\A-Za-z\[])") + re.escape(slot) + "(?![A-Za-z<])" * slot[-1].isalpha()
        for slot in SLOTS
    )
)
FOR_NOW = compiled("<restricting|for_now>")  # `from then on only rain`
FOR_NOW_KINDS = frozenset({"only", "mostly", "foremost"})  # qualities that a sentence may state of a while
SUBJECT = "W> "
MARKS = {"A": "\x06", "B": "\x06", "S": "\x07", "Q": "\x05", "Z": "\x05", "T": "\x01", "D": "\x04"}
IT = re.compile(r"it\b", re.IGNORECASE)  # the recording, if that is what the sentence before speaks of
FIRST_OF = frozenset({"opens", "closes", "longer", "oftener"})  # qualities of the first of several labels


class Form(NamedTuple):
    """One form, ready to be searched for."""

    kind: str  # of quality
    pattern: re.Pattern[str]
    denies: bool  # whether the form itself denies something
    of_all: bool  # whether it must follow words for the recording, its subject
    needs: frozenset[str]  # placeholders without which it cannot match


@cache
def forms() -> tuple[Form, ...]:
    """All forms."""
    return tuple(
        _form(kind, said) for table in tables() for kind, all_said in table.get("forms", {}).items() for said in all_said
    )


def _form(kind: str, said: str) -> Form:
    form = said.removeprefix(SUBJECT)
    needs = frozenset(mark for slot, mark in MARKS.items() if re.search(rf"(?<![\\A-Za-z\[]){slot}(?![A-Za-z<])", form))
    pattern = compiled(rf"(?<![^\W\d_])(?:{_expanded(form)})(?![^\W\d_])")
    return Form(kind, pattern, DENIED.search(form) is not None, form != said, needs)


def _expanded(form: str) -> str:
    """A form as a regular expression with `<kind>`."""
    pattern = form.replace(r"\W", MARK)
    while (written := SLOT.sub(lambda match: SLOTS[match.group()], pattern)) != pattern:
        pattern = written
    return pattern


OF_ALL_BEFORE = compiled(
    r"(?<![^\W\d_])" + _expanded(r"W(?:[^.;]*?(?:,|<and|then|before>|until it|until the recording))? ~") + r"\s*\Z"
)


def formed(sentence: Sentence) -> Iterator[Statement]:
    """The statements of all forms that a sentence has."""
    shape = _shape(sentence)
    has = frozenset(shape)
    for form in forms():
        for match in form.pattern.finditer(shape) if form.needs <= has else ():
            if form.kind in FOR_NOW_KINDS and _is_for_now(sentence, shape, match.start()):
                continue
            if form.of_all and not _is_of_recording(sentence, shape, match.start()):
                continue
            if form.denies or not DENIED.search(shape, match.start(), match.end()):
                yield _statement(form.kind, match, sentence)


def _is_for_now(sentence: Sentence, shape: str, position: int) -> bool:
    """Whether `only` is about a time named before: `from then on only rain`, `it is silent at 0:05; only a dog barks`."""
    follows = sentence.masked[sentence.start - 1 : sentence.start] == ";" and not sentence.times
    return follows or FOR_NOW.search(shape) is not None


def _is_of_recording(sentence: Sentence, shape: str, position: int) -> bool:
    """Whether words for the recording come before a form; `it` is the recording only if the last sentence speaks of that."""
    match = OF_ALL_BEFORE.search(shape[:position])
    return match is not None and (sentence.follows_recording or not IT.match(match.group()))


def _statement(kind: str, match: re.Match[str], sentence: Sentence) -> Statement:
    """What a sentence states by a form of some kind that it has."""
    named = {name: _within(sentence, *match.span(name)) for name in ("a", "b", "s") if _has(match, name)}
    events = tuple(each for each in sentence.mentions if each.concept not in sentence.scenes)
    subject = events if kind == "in_order" else named.get("a") or named.get("s") or ()
    others = named.get("b") or (named.get("s") if "a" in named else None) or ()
    if kind in FIRST_OF:
        subject, others = subject[:1], others[:1]
    start, end = (sentence.start + at for at in match.span())
    number, slack = _value(match, sentence)
    bound = bound_of(sentence.masked[max(sentence.start, start - 24) : start]) if kind == "share" else ""
    quality = Quality(kind, start, end, number, slack, bound, others=events if kind == "only" else others)
    wide = [time for time in sentence.times if not time.side] if kind == "only" else []
    earlier = [time for time in wide if time.end <= start] or wide
    times = earlier or (sentence.clause_at(start).times if sentence.clauses else ())
    return Statement(subject, None, denied=False, supposed=False, quality=quality, times=tuple(times))


def _value(match: re.Match[str], sentence: Sentence) -> tuple[float, float]:
    """The number, share or length in seconds that a form names, and how far it may be off."""
    if _has(match, "p"):
        digits, said = re.match(r"[\d.,]+", match["p"]), " ".join(match["p"].lower().split())
        return float(digits.group().replace(",", ".")) / 100 if digits else numbers("fractions")[said], 0.0
    if _has(match, "l"):
        return (length := seconds(match["l"])), max(30.0 if length > 60 else 2.0, 0.1 * length)
    if _has(match, "d"):
        duration = next(each for each in sentence.durations if each.start - sentence.start == match.start("d"))
        return duration.seconds, duration.slack
    return (value(match["n"]) if _has(match, "n") else 0.0), 0.0


def _has(match: re.Match[str], name: str) -> bool:
    return match.re.groupindex.get(name) is not None and match[name] is not None


def _within(sentence: Sentence, start: int, end: int) -> tuple[Mention, ...]:
    """The mentions in a stretch of the sentence's own text; `someone` only if there is nothing else."""
    found = tuple(each for each in sentence.mentions if start <= each.start - sentence.start < end)
    return tuple(each for each in found if not each.may_be) or found


def _shape(sentence: Sentence) -> str:
    """The text of a sentence with placeholders: `\\x06` labels joined by `and` and commas, `\\x07` scenes, `\\x05` silence."""
    shape = list(sentence.line)
    for run in sentence.runs:
        last, reached = "", 0
        for mention in run:
            kind = "\x05" if mention.concept in (QUIET, MISSING) else "\x07" if mention.concept in sentence.scenes else "\x06"
            start, end = mention.start - sentence.start, mention.end - sentence.start
            start = reached if kind == last else start
            shape[start:end] = kind * (end - start)
            last, reached = kind, end
    return "".join(shape)
