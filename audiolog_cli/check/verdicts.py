"""A section's text, sentence by sentence: which sentences are wrong, why, and what of the section no sentence covers.

This is what a repair needs. In: a text about a section, and the section's rows. Out: one `Verdict` for each of its sentences,
with its claims and, for each wrong one, the reason in plain English, to be shown to the writer. Deterministic; nothing is
rewritten here.

    table = section_table(rows)
    sentences = sentence_claims(answer, table)
    wrong = [sentence for sentence in sentences if sentence.reasons]
    left_out = unspoken(sentences, table)
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from audiolog_cli.check.claims import Claim, claims_of
from audiolog_cli.check.facts import Table, table_of
from audiolog_cli.check.words import MISSING, QUIET
from audiolog_cli.records import Row
from audiolog_cli.wording import span

SENTENCE_END = re.compile(r"[.!?]+[)\"'”»*_]*(?=\s|$)|[。！？]+[”」]?|\n+")
NO_END = re.compile(
    r"(?:^|\n)\W*(?:\d{1,3}|[A-Za-z])$|(?:^|[\s(])(?:e\.g|i\.e|approx|ca|vs|Mr|Mrs|Dr)$"
)  # `1. Home`, `approx. 5 s`
SHOWN = 4  # times of a label that a reason lists


@dataclass(frozen=True, slots=True)
class Verdict:
    """One sentence, or one line of a list, with its verdict."""

    start: int  # in the text, in characters; text[start:end] is `text`
    end: int
    text: str  # without surrounding whitespace; with its full stop
    claims: list[Claim] = field(default_factory=list)  # empty if it says nothing that a table could confirm
    reasons: list[str] = field(default_factory=list)  # for each wrong claim, a whole English sentence


def section_table(rows: Sequence[Row]) -> Table:
    """The table of a section's rows, one or more, in order of time; their times stay those of the recording.

    Claims without a time are checked against these rows alone: `no dog`, `three times` and `throughout` mean this section. A time
    before its first row or after its last is wrong.
    """
    return table_of(rows, onset=rows[0].onset)


def sentence_claims(text: str, table: Table) -> list[Verdict]:
    """Every sentence of `text`, in order, with its claims and the reasons why any of them are wrong.

    Sentences are read together: a heading gives the sentences below it their scene, and `it` is the label before. A claim belongs
    to the sentence that it ends in. Every language of the word tables is read, even several in one text. A text without words has
    no sentences.
    """
    sentences = [Verdict(start, end, text[start:end]) for start, end in _bounds(text)]
    starts = [sentence.start for sentence in sentences]
    for claim in claims_of(text, table):
        sentence = sentences[max(bisect_right(starts, claim.end - 1) - 1, 0)]
        sentence.claims.append(claim)
        if claim.problem:
            sentence.reasons.append(reason(claim, table))
    return sentences


def unspoken(sentences: Sequence[Verdict], table: Table) -> list[str]:
    """The labels of the table that no correct claim of these sentences covers, scenes first, each kind in alphabetical order.

    A hypernym (`vehicles`) covers a label only if it can mean no other label of the table; a denial covers none.
    """
    spoken = {
        label
        for sentence in sentences
        for claim in sentence.claims
        if not claim.problem and not claim.denied
        for label in claim.named
    }
    return sorted((label for label in table.labels if label not in spoken), key=lambda label: label not in table.scenes)


def reason(claim: Claim, table: Table) -> str:
    """Why a wrong claim is wrong, as one English sentence that names the words and what the table says instead.

    >>> rows = [Row("a.wav", 0.0, 5.0, "park", ("dog_bark",)), Row("a.wav", 5.0, 60.0, "park", ())]
    >>> table = section_table(rows)
    >>> [reason(claim, table) for claim in claims_of("A dog barks at 0:45. A siren wails.", table) if claim.problem]
    ['"dog barks at 0:45": not at that time; dog bark is there at 0:00–0:05.', '"siren": not in the table.']
    """
    facts = [_when(label, table) for label in claim.labels if label not in (QUIET, MISSING)]
    return f'"{claim.text}": {"; ".join([claim.problem, *facts])}.'


def _when(label: str, table: Table) -> str:
    spans = list(table.heard[label].pairs())
    shown = ", ".join(span(*each) for each in spans[:SHOWN])
    more = f" and {len(spans) - SHOWN} more times" if len(spans) > SHOWN else ""
    return f"{label.replace('_', ' ')} is there at {shown}{more}"


def _bounds(text: str) -> Iterator[tuple[int, int]]:
    """The (start, end) of each sentence of a text, without surrounding whitespace."""
    start = 0
    for match in SENTENCE_END.finditer(text):
        if match.group().startswith(".") and NO_END.search(text[start : match.start()]):
            continue
        yield from _stripped(text, start, match.end())
        start = match.end()
    yield from _stripped(text, start, len(text))


def _stripped(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    inside = text[start:end]
    if re.search(r"\w", inside):
        yield start + len(inside) - len(inside.lstrip()), start + len(inside.rstrip())
