"""What a table says, ready for queries: when each label is heard, and how often and how long in any part of the recording.

In: rows in order of time. `Table` answers in logarithmic time, so that a log of thousands of claims is checked in linear time.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

from audiolog_cli.check.words import MISSING, QUIET, Lexicon, lexicon
from audiolog_cli.records import Row
from audiolog_cli.rows import occurrences

DAY = 86400.0  # seconds


@dataclass(frozen=True)
class Spans:
    """Disjoint intervals [onset, offset) in seconds, in order."""

    onsets: Sequence[float]
    offsets: Sequence[float]
    seconds: float  # in all

    def __len__(self) -> int:
        return len(self.onsets)

    def pairs(self) -> Iterable[tuple[float, float]]:
        """The intervals."""
        return zip(self.onsets, self.offsets, strict=True)

    @cached_property
    def lengths(self) -> list[float]:
        """Their lengths in seconds, shortest first."""
        return sorted(offset - onset for onset, offset in self.pairs())

    @cached_property
    def pauses(self) -> list[float]:
        """The gaps between one and the next, in seconds, shortest first."""
        return sorted(onset - offset for onset, offset in zip(self.onsets[1:], self.offsets, strict=False))

    def meets(self, onset: float, offset: float) -> bool:
        """Whether one of them overlaps (onset, offset)."""
        index = bisect_right(self.offsets, onset)
        return index < len(self.onsets) and self.onsets[index] < offset

    def meeting(self, onset: float, offset: float) -> list[tuple[float, float]]:
        """Those that overlap (onset, offset), uncut."""
        first, last = bisect_right(self.offsets, onset), bisect_left(self.onsets, offset)
        return [(self.onsets[index], self.offsets[index]) for index in range(first, last)]

    def covers(self, onset: float, offset: float, tolerance: float) -> bool:
        """Whether a single one of them lasts from `onset` to `offset`."""
        index = bisect_right(self.onsets, onset + tolerance) - 1
        return index >= 0 and offset <= self.offsets[index] + tolerance

    def begins_and_ends(self, onset: float, offset: float, tolerance: float) -> bool:
        """Whether one of them begins at `onset`, and one, perhaps another, ends at `offset`."""
        return _is_near(self.onsets, onset, tolerance) and _is_near(self.offsets, offset, tolerance)

    def within(self, region: "Spans") -> "Spans":
        """The parts of them that lie in a region."""
        found = []
        for since, until in region.pairs():
            found += [(max(onset, since), min(offset, until)) for onset, offset in self.meeting(since, until)]
        return spans_of(found)


def _is_near(positions: Sequence[float], position: float, tolerance: float) -> bool:
    index = bisect_left(positions, position - tolerance)
    return index < len(positions) and positions[index] <= position + tolerance


def spans_of(pairs: Iterable[tuple[float, float]]) -> Spans:
    """Intervals in any order, as `Spans`; those that overlap or touch are merged.

    >>> list(spans_of([(5, 7), (0, 2), (2, 3), (6, 8)]).pairs())
    [(0, 3), (5, 8)]
    """
    onsets: list[float] = []
    offsets: list[float] = []
    for onset, offset in sorted(pairs):
        if offsets and onset <= offsets[-1]:
            offsets[-1] = max(offset, offsets[-1])
        else:
            onsets.append(onset)
            offsets.append(offset)
    return Spans(onsets, offsets, sum(offsets) - sum(onsets))


def holds(spans: Spans, onset: float, offset: float, tolerance: float, edge: str = "") -> bool:
    """Whether it is correct that something heard in `spans` is there from `onset` to `offset` seconds.

    A range is correct inside one span, or from the start of one span to the end of one; a point is correct inside a span, or at
    its start or end if `edge` ("onset", "offset") says so.

    >>> spans = spans_of([(5.0, 7.0), (12.0, 20.0)])
    >>> [holds(spans, *times, tolerance=1.0) for times in ((5, 7), (5, 20), (13, 15), (6, 6), (9, 9), (9, 14))]
    [True, True, True, True, False, False]
    """
    if onset == offset and edge:
        return _is_near(spans.onsets if edge == "onset" else spans.offsets, onset, tolerance)
    if spans.covers(onset, offset, tolerance):
        return True
    return onset < offset and spans.begins_and_ends(onset, offset, tolerance)


@dataclass(frozen=True, slots=True)
class Table:
    """What the rows say, ready for queries."""

    heard: dict[str, Spans]  # label -> when; including QUIET and MISSING
    scenes: frozenset[str]
    events: frozenset[str]
    scene_concepts: frozenset[str]  # words of a log that can only mean scenes of the table
    doubles: frozenset[str]  # words that mean a scene in a section's heading and an event elsewhere: rain
    changes: Sequence[float]  # seconds at which the scene changes
    onset: float  # seconds at which the table begins: 0 for a whole recording, its own onset for a section
    end: float  # seconds
    clocks: Sequence[tuple[float, float]]  # (position, second of the day there) wherever the clock is reset; empty if unknown
    rows: Sequence[Row]
    known: Lexicon
    kept: dict[object, Spans] = field(default_factory=dict)  # cached answers

    @property
    def labels(self) -> list[str]:
        """Scenes and events, without the pseudo-labels."""
        return sorted(self.scenes | self.events)

    def variants(self, label: str) -> list[str]:
        """A label, plus its scene and event variants if it is both: rain."""
        return [label, *(name for name in (_as("scene", label), _as("event", label)) if name in self.heard)]

    @property
    def whole(self) -> Spans:
        """All of the table's time."""
        return spans_of([(self.onset, self.end)])

    def when(self, labels: frozenset[str]) -> Spans:
        """When any of these labels is heard."""
        if len(labels) == 1:
            return self.heard[next(iter(labels))]
        if labels not in self.kept:
            self.kept[labels] = spans_of(pair for label in labels for pair in self.heard[label].pairs())
        return self.kept[labels]

    def when_cut(self, labels: frozenset[str]) -> Spans:
        """The same, cut at scene changes: a sound that goes on into the next scene counts once in each."""
        key = ("cut", labels)
        if key not in self.kept:
            pieces: list[float] = []
            ends: list[float] = []
            for onset, offset in self.when(labels).pairs():
                inside = self.changes[bisect_right(self.changes, onset) : bisect_left(self.changes, offset)]
                pieces += [onset, *inside]
                ends += [*inside, offset]
            self.kept[key] = Spans(pieces, ends, self.when(labels).seconds)
        return self.kept[key]

    def when_within(self, labels: frozenset[str], region: Spans, key: object = None) -> Spans:
        """When they are heard inside a region; cached under the region's key if it has one."""
        if key is None:
            return self.when(labels).within(region)
        whole_key = ("within", key, labels)
        if whole_key not in self.kept:
            self.kept[whole_key] = self.when(labels).within(region)
        return self.kept[whole_key]

    def positions(self, second_of_day: float) -> list[float]:
        """Where in the recording it is that time of day, once per day; a position past the end if nowhere."""
        found: list[float] = []
        ends = [position for position, _ in self.clocks[1:]] + [self.end]
        for (position, at), end in zip(self.clocks, ends, strict=True):
            first = position + (second_of_day - at + 60) % DAY - 60  # up to a minute before the start is not a day later
            found += [
                first + DAY * day for day in range(int(max(0.0, end + 60 - first) // DAY) + 1) if first + DAY * day <= end + 60
            ]
        return found or [self.end + DAY]


def table_of(rows: Sequence[Row], duration: float | None = None, onset: float = 0.0) -> Table:
    """The table of rows in order of time; `duration` in seconds, if it is known to go past the last row.

    With an `onset` in seconds it is the table of a section: a log of it covers nothing earlier. Times stay the recording's own.
    """
    heard: dict[str, list[tuple[float, float]]] = {}
    scenes = frozenset(row.scene for row in rows if row.scene)
    events = frozenset(event for row in rows for event in row.events)
    for cell in occurrences(rows):
        for name in (cell.label, _as(cell.kind, cell.label)) if cell.label in scenes & events else (cell.label,):
            heard.setdefault(name, []).append((cell.onset, cell.offset))
    reached = onset
    for row in rows:
        if row.onset > reached:
            heard.setdefault(MISSING, []).append((reached, row.onset))
        if not row.events:
            heard.setdefault(QUIET, []).append((row.onset, row.offset))
        reached = row.offset
    end = max(duration or 0.0, reached)
    if end > reached:
        heard.setdefault(MISSING, []).append((reached, end))
    known = lexicon(scenes | events)
    concepts = frozenset(word for word, labels in known.labels.items() if labels and (known.named[word] or labels) <= scenes)
    doubles = frozenset(word for word in concepts if known.labels[word] & events)
    return Table(
        heard={label: spans_of(pairs) for label, pairs in heard.items()},
        scenes=scenes,
        events=events,
        scene_concepts=concepts - doubles,
        doubles=doubles,
        changes=[row.onset for before, row in pairwise(rows) if row.scene != before.scene],
        onset=onset,
        end=end,
        clocks=_clocks(rows),
        rows=rows,
        known=known,
    )


def _as(kind: str, label: str) -> str:
    """The key in `heard` of a label that is both a scene and an event, for one of the two."""
    return f"\x02{kind} {label}"


def _clocks(rows: Sequence[Row]) -> list[tuple[float, float]]:
    """Where the rows' clock is set: at the first, and wherever it departs from the recording's own time."""
    found: list[tuple[float, float]] = []
    for row in rows:
        match = re.search(r"[T ](\d{2}):(\d{2}):(\d{2}(?:\.\d+)?)", row.time or "")
        if match is None:
            continue
        at = int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3])
        if not found or abs((at - found[-1][1] - (row.onset - found[-1][0]) + DAY / 2) % DAY - DAY / 2) > 1:
            found.append((row.onset if found else 0.0, at if found else (at - row.onset) % DAY))
    return found
