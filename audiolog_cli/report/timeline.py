"""Cells in, one `Timeline` per file out: a track per scene and per event label, times in whole milliseconds.

This is what the page and the picture draw. Everything is held in arrays of numbers, because a day of cells is half a million
records. Nothing here deals with HTML or audio.
"""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath

from audiolog_cli.errors import RecordError
from audiolog_cli.moments import wall_clock
from audiolog_cli.records import Cell, End, Failure, milliseconds
from audiolog_cli.rows import went_back

WEEK = 604_800_000  # milliseconds


@dataclass(slots=True)
class LabelTrack:
    """When one label was heard: cells [onset, offset) in order, without overlap."""

    kind: str  # "scene" or "event"
    label: str  # "" for the scene that the model cannot name
    onsets: "array[int]" = field(default_factory=lambda: array("q"))  # milliseconds
    offsets: "array[int]" = field(default_factory=lambda: array("q"))  # milliseconds
    scores: bytearray = field(default_factory=bytearray)  # hundredths

    @property
    def heard(self) -> int:
        """Milliseconds in which the label was heard."""
        return sum(self.offsets) - sum(self.onsets)

    def stretches(self) -> Iterator[tuple[int, int, int]]:
        """(onset, offset, highest score) of every run of cells without a pause."""
        start = end = best = -1
        for onset, offset, score in zip(self.onsets, self.offsets, self.scores, strict=True):
            if onset != end:
                if end >= 0:
                    yield start, end, best
                start, best = onset, -1
            end, best = offset, max(best, score)
        if end >= 0:
            yield start, end, best


@dataclass(frozen=True, slots=True)
class ClockPoint:
    """From `onset` on, the clock shows `wall` plus the time since `onset`; a new point where its offset from UTC changes."""

    onset: int  # milliseconds from the start of the recording
    wall: int  # the clock's local date and time, as milliseconds since 1970 as if it were UTC
    zone: str  # "+01:00", "" if the recording does not say


@dataclass(slots=True)
class Timeline:
    """What was heard in one file."""

    filename: str
    duration: int = 0  # milliseconds: from `tag`'s `end` record, or the last offset
    cell: int = 1000  # milliseconds of most cells
    clock: list[ClockPoint] = field(default_factory=list)
    scenes: list[LabelTrack] = field(default_factory=list)  # most time first
    events: list[LabelTrack] = field(default_factory=list)  # most time first
    failure: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether no cell was read."""
        return not (self.scenes or self.events)

    def clock_stretches(self) -> Iterator[tuple[int, int, int, str]]:
        """(begin, end, shift, zone) of each stretch [begin, end) without a change of zone; positions in milliseconds.

        `shift` is what the clock shows minus the position, 0 if there is no clock.
        """
        begins = [0, *(point.onset for point in self.clock[1:])]
        points = self.clock or [ClockPoint(0, 0, "")]
        for point, begin, end in zip(points, begins, [*begins[1:], self.duration + 1], strict=True):
            yield begin, end, point.wall - point.onset, point.zone

    def round_positions(self, step: int) -> list[int]:
        """Where in [0, duration] the clock, or the time from the start, shows a multiple of `step` milliseconds."""
        return [
            position
            for begin, end, shift, _ in self.clock_stretches()
            for position in range(begin + -(begin + shift) % step, end, step)
        ]


def round_step(duration: int, steps: Iterable[int], most: int) -> int:
    """The first of these steps that fits into `duration` at most `most` times, or as many weeks as it takes; milliseconds.

    >>> round_step(100_000, (1_000, 30_000), 10), round_step(15_000_000_000, (1_000, 30_000), 10) // WEEK
    (30000, 3)
    """
    return next((step for step in steps if duration <= step * most), -(-duration // (most * WEEK)) * WEEK)


def recordings(records: Iterable[Cell | End | Failure]) -> list[Timeline]:
    """Every recording of a stream of cells, in the order in which they first appear.

    Event lists may overlap or be out of order; where two cells of one label overlap, the later one begins at the end of the
    earlier. RecordError for a recording that begins again.
    """
    found: dict[str, Timeline] = {}
    tracks: dict[tuple[str, str, str], LabelTrack] = {}
    lengths: dict[str, Counter[int]] = {}
    scenes: dict[str, tuple[int, int]] = {}  # milliseconds at which the first and the latest scene of a recording begin
    for record in records:
        filename = record.filename
        recording = found.get(filename)
        if recording is None:
            recording = found[filename] = Timeline(filename)
            lengths[filename] = Counter()
        if isinstance(record, Cell):
            onset, offset = milliseconds(record.onset), milliseconds(record.offset)
            if record.kind == "scene":
                first, latest = scenes.get(filename, (onset, onset))
                if onset == first < latest:
                    raise RecordError(went_back(filename, record.onset, latest / 1000, record.onset))
                scenes[filename] = first, max(onset, latest)
            if offset > onset:
                track = tracks.get((filename, record.kind, record.label))
                if track is None:
                    track = tracks[filename, record.kind, record.label] = LabelTrack(record.kind, record.label)
                    (recording.scenes if record.kind == "scene" else recording.events).append(track)
                track.onsets.append(onset)
                track.offsets.append(offset)
                track.scores.append(round(record.score * 100))
                lengths[filename][offset - onset] += 1
                recording.duration = max(recording.duration, offset)
            if record.time is not None:
                _note_clock(recording.clock, onset, record.time)
        elif isinstance(record, End):
            recording.duration = max(recording.duration, round(record.duration * 1000))
        else:
            recording.failure = record.message
    for filename, recording in found.items():
        _finish(recording, lengths[filename])
    return list(found.values())


def headings(filenames: Sequence[str]) -> list[str]:
    """The names of recordings in headings: the last parts of their paths, or the whole paths where two end alike.

    >>> headings(["a/x.wav", "a/y.wav", "b/y.wav"])
    ['x.wav', 'a/y.wav', 'b/y.wav']
    """
    last = [PurePath(filename).name or filename for filename in filenames]
    times = Counter(last)
    return [name if times[name] == 1 else filename for name, filename in zip(last, filenames, strict=True)]


def _note_clock(clock: list[ClockPoint], onset: int, time: str) -> None:
    """Note what the clock shows, at first and whenever its offset from UTC changes."""
    wall, zone = wall_clock(time)
    if not clock or clock[-1].zone != zone:
        clock.append(ClockPoint(onset, wall, zone))


def _finish(recording: Timeline, lengths: "Counter[int]") -> None:
    """Sort tracks and their cells."""
    recording.cell = lengths.most_common(1)[0][0] if lengths else 1000
    recording.clock.sort(key=lambda point: point.onset)
    for tracks in (recording.scenes, recording.events):
        for track in tracks:
            _settle(track)
        tracks.sort(key=lambda track: (-track.heard, track.label))


def _settle(track: LabelTrack) -> None:
    """Sort a track's cells by time and cut overlaps; most tracks need neither."""
    onsets, offsets = track.onsets, track.offsets
    if all(onsets[i] >= offsets[i - 1] for i in range(1, len(onsets))):
        return
    cells = sorted(zip(onsets, offsets, track.scores, strict=True))
    track.onsets, track.offsets, track.scores = array("q"), array("q"), bytearray()
    end = 0
    for onset, offset, score in cells:
        if offset > end:
            track.onsets.append(max(onset, end))
            track.offsets.append(offset)
            track.scores.append(score)
            end = offset
