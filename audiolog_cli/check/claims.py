"""The check of a finished log: every time and label that it claims, against the table.

Deterministic, no model. In come a text and the rows; out comes a report: each claim with a verdict, the share of claims that the table
bears out, and how much of the table the log speaks of. A time may be TOLERANCE off; `about` and whole minutes may be more.

What it cannot see: how often and how long (`three times`, `for 5 s`), loudness, distance, causes, moods and anything else that is
not a label at a time; a claim whose label it cannot read (unknown words, `it` across lines) is not counted.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from audiolog_cli.check.sentences import MISSING, QUIET, Statement, statements
from audiolog_cli.check.times import Time
from audiolog_cli.check.words import Lexicon, Mention, lexicon
from audiolog_cli.records import Row
from audiolog_cli.table import occurrences
from audiolog_cli.wording import clock

TOLERANCE = 1.0  # seconds that a time may be off before it is wrong
Spans = list[tuple[float, float]]  # disjoint intervals in seconds, in order


@dataclass(frozen=True, slots=True)
class Table:
    """What the rows say, ready to be asked."""

    heard: dict[str, Spans]  # label -> when; QUIET and MISSING too
    scenes: frozenset[str]
    changes: Sequence[float]  # seconds at which the scene changes
    onset: float  # seconds at which the table begins: 0 for a whole recording, its own onset for a section
    end: float  # seconds
    start_of_day: float | None  # seconds after midnight at which the recording starts, where that is known
    rows: Sequence[Row]
    known: Lexicon

    @property
    def labels(self) -> list[str]:
        """Scenes and events, without the pseudo-labels."""
        return sorted(self.heard.keys() - {QUIET, MISSING})


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim of a log and what the table says to it."""

    start: int  # in the log's text
    end: int
    text: str  # the words
    onset: float | None
    offset: float | None
    labels: tuple[str, ...]
    problem: str = ""  # "" if the table bears it out
    denied: bool = False  # the log says that the labels are not there


@dataclass(frozen=True, slots=True)
class Report:
    """A checked log."""

    claims: list[Claim]
    rows_covered: float  # share of the table's rows that a borne-out claim speaks of, 0..1
    labels_covered: float  # share of its labels that the log names, 0..1
    labels_missing: list[str] = field(default_factory=list)

    @property
    def wrong(self) -> list[Claim]:
        """The claims that the table does not bear out."""
        return [claim for claim in self.claims if claim.problem]

    @property
    def precision(self) -> float | None:
        """The share of claims that the table bears out; None for a log without claims."""
        return 1 - len(self.wrong) / len(self.claims) if self.claims else None


def table_of(rows: Sequence[Row], duration: float | None = None, onset: float = 0.0) -> Table:
    """The table of rows in order of time; `duration` in seconds if it is known to be longer than the last row.

    With an `onset` in seconds it is the table of a section: a log of it speaks of nothing before. Times stay the recording's own.
    """
    heard: dict[str, Spans] = {}
    for cell in occurrences(rows):
        _add(heard.setdefault(cell.label, []), cell.onset, cell.offset)
    for spans in heard.values():
        spans.sort()
    reached = onset
    for row in rows:
        if row.onset > reached:
            _add(heard.setdefault(MISSING, []), reached, row.onset)
        if not row.events:
            _add(heard.setdefault(QUIET, []), row.onset, row.offset)
        reached = row.offset
    end = max(duration or 0.0, reached)
    if end > reached:
        _add(heard.setdefault(MISSING, []), reached, end)
    scenes = frozenset(row.scene for row in rows if row.scene)
    changes = [row.onset for before, row in pairwise(rows) if row.scene != before.scene]
    return Table(heard, scenes, changes, onset, end, _start_of_day(rows), rows, lexicon(heard.keys() - {QUIET, MISSING}))


def _add(spans: Spans, onset: float, offset: float) -> None:
    if spans and spans[-1][1] == onset:
        spans[-1] = (spans[-1][0], offset)
    else:
        spans.append((onset, offset))


def _start_of_day(rows: Sequence[Row]) -> float | None:
    first = next((row for row in rows if row.time), None)
    match = re.search(r"[T ](\d{2}):(\d{2}):(\d{2}(?:\.\d+)?)", first.time or "") if first else None
    if first is None or match is None:
        return None
    return (int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3]) - first.onset) % 86400


def check(text: str, table: Table) -> Report:
    """Hold every claim of a log against its table."""
    scene_concepts = frozenset(concept for concept, labels in table.known.labels.items() if labels and labels <= table.scenes)
    claims: list[Claim] = []
    named: set[str] = set()
    seen: set[tuple[int, int, str]] = set()
    for statement in statements(text, table.known, scene_concepts):
        for claim in _claims(statement, text, table):
            key = (claim.start, claim.end, claim.problem)
            if key not in seen:
                seen.add(key)
                claims.append(claim)
            named |= set(claim.labels)
    labels = table.labels
    missing = [label for label in labels if label not in named]
    return Report(claims, _rows_covered(claims, table), 1 - len(missing) / len(labels) if labels else 1.0, missing)


def _claims(statement: Statement, text: str, table: Table) -> Iterable[Claim]:
    """The claims of one statement: one for each of its labels, or one for a bare time."""
    onset, offset = _position(statement.time, table)
    if not statement.mentions:
        if statement.time:
            problem = _outside(statement.time, onset, offset, table)
            yield Claim(
                statement.time.start,
                statement.time.end,
                text[statement.time.start : statement.time.end],
                onset,
                offset,
                (),
                problem,
            )
        return
    loosely = _loosely(statement, onset, offset, table)
    for mention in statement.mentions:
        is_pseudo = mention.concept in (QUIET, MISSING)
        if statement.time is None and (is_pseudo or (statement.supposed and not table.known.labels.get(mention.concept))):
            continue
        labels = _labels(mention, table)
        problem = _problem(statement, labels, (onset, offset), table, mention in loosely)
        start = min(mention.start, statement.time.start) if statement.time else mention.start
        end = max(mention.end, statement.time.end) if statement.time else mention.end
        yield Claim(
            start, end, " ".join(text[start:end].split()), onset, offset, tuple(sorted(labels)), problem, statement.denied
        )


def _loosely(statement: Statement, onset: float | None, offset: float | None, table: Table) -> Sequence[Mention]:
    """The labels of a statement that need only be heard somewhere in its time.

    `From 0 to 16 s in the city center cars are heard`: the time is the scene's, the cars are somewhere in it. `Cars pass in the street
    from 0:05`: the time is the cars', the street is around it. In a row of a table the time is the scene's.
    """
    if statement.time is None or onset is None or offset is None:
        return ()
    scenes = [mention for mention in statement.mentions if _labels(mention, table) and _labels(mention, table) <= table.scenes]
    events = [mention for mention in statement.mentions if mention not in scenes]
    if statement.time.in_row:
        return events
    if not scenes or not events:
        return ()
    spans = _union([table.heard[label] for scene in scenes for label in _labels(scene, table)])
    return events if onset < offset and holds(spans, onset, offset, TOLERANCE + statement.time.slack) else scenes


def _labels(mention: Mention, table: Table) -> frozenset[str]:
    if mention.concept in (QUIET, MISSING):
        return frozenset({mention.concept} & table.heard.keys())
    return table.known.labels.get(mention.concept, frozenset())


def _position(time: Time | None, table: Table) -> tuple[float | None, float | None]:
    """A time in seconds of the recording; a time of day is turned into one where the recording's own start is known."""
    if time is None:
        return None, None
    if time.clock_of_day and table.start_of_day is not None:
        return (time.onset - table.start_of_day) % 86400, (time.offset - table.start_of_day) % 86400
    return time.onset, time.offset


def _outside(time: Time, onset: float | None, offset: float | None, table: Table) -> str:
    if offset is not None and offset > table.end + TOLERANCE + time.slack:
        return f"past the end of the {'section' if table.onset else 'recording'}, {clock(table.end)}"
    if onset is not None and onset < table.onset - TOLERANCE - time.slack:
        return f"before the beginning of the section, {clock(table.onset)}"
    return ""


def _problem(
    statement: Statement, labels: frozenset[str], when: tuple[float | None, float | None], table: Table, loosely: bool
) -> str:
    """What is wrong with the claim that one of `labels` is there at `when`, "" if nothing is."""
    time, (onset, offset) = statement.time, when
    if time is not None and (outside := _outside(time, onset, offset, table)):
        return outside
    if not labels:
        return "" if statement.denied else "not in the table"
    spans = _union([table.heard[label] for label in labels])
    if time is None or onset is None or offset is None:
        return _untimed_problem(statement, spans, table)
    tolerance = TOLERANCE + time.slack
    if statement.denied:
        return "heard then, says the table" if _is_heard(spans, onset, offset, tolerance) else ""
    if loosely:
        is_there = any(start - tolerance < offset and onset < end + tolerance for start, end in spans)
        return "" if is_there else "not at that time"
    alternatives = [spans, *(table.heard[label] for label in labels)]
    alternatives.append(_cut(spans, table.changes))  # a sound that goes on into the next scene ends, for this one, with the scene
    return "" if any(holds(each, onset, offset, tolerance, time.edge) for each in alternatives) else "not at that time"


def _untimed_problem(statement: Statement, spans: Spans, table: Table) -> str:
    """Of a claim without a time: whether it is denied wrongly, or not heard in the scene that it stands under."""
    scene_labels = _labels(statement.scene, table) if statement.scene else frozenset()
    if not scene_labels or statement.scene in statement.mentions:
        return "heard, says the table" if statement.denied and not scene_labels else ""
    within = _union([table.heard[label] for label in scene_labels])
    onset, offset = _position(statement.scene_time, table)
    if onset is not None and offset is not None:
        within = _both(within, [(onset - TOLERANCE, offset + TOLERANCE)])
    together = bool(_both(spans, within))
    if statement.denied:
        return "heard in that scene, says the table" if together else ""
    return "" if together else "not in that scene"


def _both(spans: Spans, others: Spans) -> Spans:
    """Where both are."""
    return [
        (max(onset, since), min(offset, until))
        for onset, offset in spans
        for since, until in others
        if onset < until and since < offset
    ]


def _cut(spans: Spans, positions: Sequence[float]) -> Spans:
    """Spans cut at the given positions."""
    pieces: Spans = []
    for onset, offset in spans:
        bounds = [onset, *positions[bisect_right(positions, onset) : bisect_left(positions, offset)], offset]
        pieces += zip(bounds, bounds[1:], strict=False)
    return pieces


def _union(groups: Sequence[Spans]) -> Spans:
    if not groups:
        return []
    if len(groups) == 1:
        return groups[0]
    joined: Spans = []
    for onset, offset in sorted(span for group in groups for span in group):
        if joined and onset <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(offset, joined[-1][1]))
        else:
            joined.append((onset, offset))
    return joined


def holds(spans: Spans, onset: float, offset: float, tolerance: float, edge: str = "") -> bool:
    """Whether something that sounds in `spans` is rightly said to be there from `onset` to `offset` seconds.

    A range is right inside one span, or from the beginning of one to the end of one; a point inside a span, or at its beginning or end
    where `edge` ("onset", "offset") says so.

    >>> spans = [(5.0, 7.0), (12.0, 20.0)]
    >>> [holds(spans, *times, tolerance=1.0) for times in ((5, 7), (5, 20), (13, 15), (6, 6), (9, 9), (9, 14))]
    [True, True, True, True, False, False]
    """
    if onset == offset:
        if edge == "onset":
            return any(abs(start - onset) <= tolerance for start, _ in spans)
        if edge == "offset":
            return any(abs(end - offset) <= tolerance for _, end in spans)
        return any(start - tolerance <= onset <= end + tolerance for start, end in spans)
    if any(start - tolerance <= onset and offset <= end + tolerance for start, end in spans):
        return True
    return any(abs(start - onset) <= tolerance for start, _ in spans) and any(abs(end - offset) <= tolerance for _, end in spans)


def _is_heard(spans: Spans, onset: float, offset: float, tolerance: float) -> bool:
    """Whether something sounds in the middle of a time in which it is denied."""
    if onset == offset:
        return any(start + tolerance < onset < end - tolerance for start, end in spans)
    return any(start < offset - tolerance and end > onset + tolerance for start, end in spans)


def _rows_covered(claims: Sequence[Claim], table: Table) -> float:
    """The share of rows whose scene or an event is named at a time that overlaps them."""
    spans: dict[str, Spans] = {}
    for claim in claims:
        if not claim.problem and claim.onset is not None and claim.offset is not None:
            for label in claim.labels:
                spans.setdefault(label, []).append((claim.onset - 0.001, claim.offset + 0.001))
    joined = {label: _union([sorted(each), []]) for label, each in spans.items()}
    covered = sum(
        any(_overlaps(joined.get(label, []), row) for label in (row.scene, *row.events, *([] if row.events else [QUIET])))
        for row in table.rows
    )
    return covered / len(table.rows) if table.rows else 1.0


def _overlaps(spans: Spans, row: Row) -> bool:
    return any(onset < row.offset and row.onset < offset for onset, offset in spans)


def marked(text: str, report: Report) -> str:
    """The log with every wrong claim marked behind its words.

    >>> marked("A dog at 0:45.", Report([Claim(2, 13, "dog at 0:45", 45.0, 45.0, ("dog",), "not at that time")], 0.0, 1.0))
    'A dog at 0:45 [dog: not at that time].'
    """
    for end, marking in sorted({(claim.end, _marking(claim)) for claim in report.wrong}, reverse=True):
        text = f"{text[:end]} [{marking}]{text[end:]}"
    return text


def _marking(claim: Claim) -> str:
    label = ", ".join(label for label in claim.labels if label not in (QUIET, MISSING))
    return f"{label}: {claim.problem}" if label and claim.problem != "not in the table" else claim.problem
