"""A model's answer about a unit in; the lines of a log that the table confirms out, for `--check repair`.

Every sentence is checked against the unit's rows. A sentence is kept if it claims something, claims nothing wrong, and does not
say much more than it claims. Wrong ones are asked for again once, with their mistakes; what no kept sentence covers is added in
the outline's own lines. So a log is complete and true whichever model wrote it; how much of it is the model's is counted.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from audiolog_cli.check.claims import TOLERANCE, Claim, wrong_claims
from audiolog_cli.check.facts import Table, holds, table_of
from audiolog_cli.check.verdicts import Verdict, reason, section_table, sentence_claims, unspoken
from audiolog_cli.check.words import MISSING, QUIET, mentions
from audiolog_cli.llm.outline import SHOWN
from audiolog_cli.llm.units import Unit
from audiolog_cli.wording import capital

MOST_WORDS = 15  # for each claim of a sentence: anything longer is chatter, or not language
ENDED = re.compile(r"[.!?。！？][)\"'”»_]*$")
BULLET = re.compile(r"^(?:[-*•#]+|\d+[.)])\s+")
SUMMARY = "In summary:"  # begins the closing paragraph: what follows is about all of the recording
FROM_TABLE = "From the table:"  # above what is added to a log written in one piece


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a finished log, or the lines that a model wrote in one piece."""

    text: str
    by: str  # "model" or "table"
    labels: tuple[str, ...]  # that it is about
    n_sentences: int = 1


AskAgain = Callable[[Sequence[Verdict]], str]  # wrong sentences -> the model's second answer


def by_table(unit: Unit) -> list[Line]:
    """The outline's lines about a unit."""
    return [Line(fact.line, "table", fact.labels) for fact in unit.facts]


def repaired(unit: Unit, answer: str, ask_again: AskAgain) -> list[Line]:
    """The lines of a unit: the model's sentences that the rows bear out, then the outline's lines on what these leave out."""
    table = unit_table(unit)
    candidates, wrong = _sorted(unit, answer, table)
    kept = _joined(unit, [], candidates, table)
    if wrong:
        kept = _joined(unit, kept, _sorted(unit, ask_again(wrong), table)[0], table)
    if not kept:
        return by_table(unit)
    left = untold(kept, table, unit.form)
    text = _paragraph(unit, kept).removeprefix(f"{unit.title}\n")
    needed = [fact for fact in unit.facts if left & set(fact.labels) or (unit.form == "closing" and not fact.labels)]
    rest = [Line(capital(fact.line.removeprefix(f"{SUMMARY} ")), "table", fact.labels) for fact in needed]
    return [Line(text, "model", _labels(kept), len(kept)), *rest]


def _joined(unit: Unit, kept: list[Verdict], candidates: Iterable[Verdict], table: Table) -> list[Verdict]:
    """The sentences of `kept`, plus those candidates that add something and are still correct when placed after the others."""
    for sentence in candidates:
        more = [*kept, sentence]
        is_news = unit.form == "closing" or untold(more, table, unit.form) < untold(kept, table, unit.form)
        if (is_news or not kept) and not wrong_claims(_paragraph(unit, more), table):
            kept = more
    return kept


def _paragraph(unit: Unit, kept: Sequence[Verdict]) -> str:
    """A unit's title and its sentences, as printed."""
    prose = " ".join(_prose(sentence.text) for sentence in kept)
    if unit.form == "closing":
        return f"{SUMMARY} {prose}"
    return f"{unit.title}\n{prose}" if unit.title else prose


def repaired_whole(unit: Unit, answer: str, ask_again: AskAgain, is_own_question: bool) -> list[Line]:
    """The same for an answer about a whole recording: its layout stays, and wrong sentences are cut out.

    Sentences without a claim stay, unless hardly any has one. An answer to a user's own question need not cover everything: the
    table only supplies what it got wrong.
    """
    table = unit_table(unit)
    sentences = sentence_claims(answer, table)
    if not is_dense(answer, sum(len(sentence.claims) for sentence in sentences)):
        answer = "\n".join(sentence.text for sentence in sentences if sentence.claims)
    answer, wrong = _without_wrong(answer, table)
    for sentence in _sorted(unit, ask_again(wrong), table)[0] if wrong else ():
        longer = f"{answer} {_prose(sentence.text)}".strip()
        if sentence.text not in answer and not wrong_claims(longer, table):
            answer = longer
    kept = sentence_claims(answer, table)
    left = untold(kept, table, unit.form)
    if is_own_question and answer:
        left &= {label for sentence in wrong for claim in sentence.claims for label in claim.labels}
    added = [Line(fact.line, "table", fact.labels) for fact in unit.facts if left & set(fact.labels)]
    lines = [Line(answer, "model", _labels(kept), len(kept))] if answer else []
    lines += [Line(f"\n{FROM_TABLE}" if answer else FROM_TABLE, "table", (), 0), *added] if added else []
    is_right = not wrong_claims("\n".join(line.text for line in lines), table)
    return lines if is_right else [Line(FROM_TABLE, "table", (), 0), *by_table(unit)]


def _without_wrong(answer: str, table: Table) -> tuple[str, list[Verdict]]:
    """An answer without its wrong sentences or those that become wrong without them; and all the sentences removed."""
    gone: list[Verdict] = []
    while wrong := [sentence for sentence in sentence_claims(answer, table) if sentence.reasons]:
        for sentence in reversed(wrong):
            answer = answer[: sentence.start] + answer[sentence.end :]
        gone += wrong
    return re.sub(r"[ \t]{2,}", " ", re.sub(r"\s*\n(?:[ \t]*\n)+", "\n\n", answer)).strip() if gone else answer, gone


def is_dense(answer: str, n_claims: int) -> bool:
    """Whether an answer claims enough for its length to be a log: half as much as a sentence of a unit must."""
    return len(answer.split()) <= 2 * MOST_WORDS * n_claims


def unit_table(unit: Unit) -> Table:
    """What a unit's sentences are checked against."""
    if unit.form in ("whole", "closing"):
        return table_of(unit.rows, unit.duration)
    table = section_table(unit.rows)
    table.heard.pop(MISSING, None)  # between two visits to a scene
    return table


def _sorted(unit: Unit, answer: str, table: Table) -> tuple[list[Verdict], list[Verdict]]:
    """The sentences of an answer, read below the unit's title, each once: those fit for a log, also alone, and the wrong ones."""
    found = {sentence.text.casefold(): sentence for sentence in reversed(_read(unit, answer, table))}
    each = sorted(found.values(), key=lambda sentence: sentence.start)
    kept = [
        sentence
        for sentence in each
        if _is_kept(sentence, unit) and all(_is_kept(alone, unit) for alone in _read(unit, sentence.text, table))
    ]
    return kept, [sentence for sentence in each if sentence.reasons]


def _read(unit: Unit, answer: str, table: Table) -> list[Verdict]:
    title = f"{SUMMARY} " if unit.form == "closing" else f"{unit.title}\n" if unit.title else ""
    sentences = [sentence for sentence in sentence_claims(title + answer, table) if sentence.end > len(title)]
    for sentence in sentences:
        sentence.reasons.extend(each for each in _loose(sentence, table) if each not in sentence.reasons)
    return sentences


def _loose(sentence: Verdict, table: Table) -> Iterator[str]:
    """Mistakes that the check lets pass as a free log may mean something else by them.

    A unit's scene is always there: in a log, the range of `in the street, birds from 0:06 to 0:11` may be the scene's, with the
    birds somewhere in it; in a unit it is the sound's own, or the whole scene. Nor is there a reason in a unit for other sounds
    and places than its labels, or for calling `indoors` a bathroom.
    """
    for mention in mentions(sentence.text, table.known):
        if mention.concept not in (QUIET, MISSING) and not table.known.firm.get(mention.concept):
            yield f'"{sentence.text[mention.start : mention.end]}": not in the table.'
    for claim in sentence.claims:
        if claim.problem or claim.denied or claim.onset is None or claim.offset is None or claim.onset == claim.offset:
            continue
        sounds = [table.heard[label] for label in claim.labels if label in table.heard and label not in table.scenes]
        is_all = abs(claim.onset - table.onset) <= TOLERANCE and abs(claim.offset - table.end) <= TOLERANCE
        if sounds and not is_all and not any(holds(spans, claim.onset, claim.offset, TOLERANCE) for spans in sounds):
            yield reason(replace(claim, problem="not at that time"), table)


def _is_kept(sentence: Verdict, unit: Unit) -> bool:
    """Whether a sentence may stand alone in a log: it makes claims about a sound, all correct, and says little else.

    In `timing` it says when each sound was heard, in `overview` when one was; in `brief`, without a heading, it says where. It
    denies nothing, as only the whole log can tell.
    """
    said = len(re.findall(r"\w+", sentence.text))
    labels = {label for claim in sentence.claims for label in claim.labels}
    if sentence.reasons or not labels - {unit.scene} or any(claim.denied for claim in sentence.claims):
        return False
    untimed = [claim.onset is None for claim in sentence.claims if claim.labels != (unit.scene,)]
    if (unit.form == "timing" and any(untimed)) or (unit.form == "overview" and all(untimed)):
        return False
    return (unit.form != "brief" or unit.scene in labels) and said <= MOST_WORDS * len(sentence.claims)


def untold(sentences: Sequence[Verdict], table: Table, form: str) -> set[str]:
    """The labels of the table that no sentence covers; in `timing`, a sound is covered once its first SHOWN times are told."""
    left = set(unspoken(sentences, table))
    if form == "timing":
        claims = [claim for sentence in sentences for claim in sentence.claims if claim.onset is not None and not claim.denied]
        left |= {label for label in table.labels if label not in table.scenes and not _is_timed(label, claims, table)}
        left -= table.scenes  # the title names it
    return left


def _is_timed(label: str, claims: Sequence[Claim], table: Table) -> bool:
    said = [
        (claim.onset, claim.offset)
        for claim in claims
        if claim.labels == (label,) and claim.onset is not None and claim.offset is not None
    ]
    spans = table.heard[label]
    told = sum(
        any(onset <= until + TOLERANCE and since - TOLERANCE <= offset for onset, offset in said)
        for since, until in spans.pairs()
    )
    return told >= min(len(spans), SHOWN)


def _labels(kept: Sequence[Verdict]) -> tuple[str, ...]:
    labels = (label for sentence in kept for claim in sentence.claims for label in claim.labels)
    return tuple(dict.fromkeys(label for label in labels if label not in (QUIET, MISSING)))


def _prose(sentence: str) -> str:
    """A sentence, or an item of a list, as part of a paragraph."""
    plain = " ".join(BULLET.sub("", sentence.removeprefix(SUMMARY).strip()).replace("*", "").split())
    return plain if ENDED.search(plain) else plain + "."
