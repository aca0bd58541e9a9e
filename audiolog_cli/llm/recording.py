"""A stream of cells or rows, split into recordings: one `Recording` per file, its rows still a stream.

In: the records of `reading.read_records` (cells, rows, ends, failures; several files one after another). Out: recordings, each to
be used up before the next. What only cells hold (scores) or only JSON Lines hold (duration, failure) is noted as it passes. Only
one row is held.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import accumulate, chain, groupby
from operator import itemgetter
from pathlib import PurePath

from audiolog_cli.errors import InputError, RecordError
from audiolog_cli.moments import in_utc
from audiolog_cli.records import Cell, End, Failure, Record, Remark, Row, Segment, milliseconds
from audiolog_cli.rows import SORT, TableOptions, bridge_gaps, drop_short, merge, table, went_back
from audiolog_cli.terminal import visible

PLAIN = TableOptions()
OVERLAP = 0.5  # seconds: a recorder that writes 60.02 s every minute has one recording; the same as `tag --split-files` allows


@dataclass(slots=True)
class Recording:
    """One file's rows, and what is known about it once they have been read to the end."""

    filename: str
    rows: Iterator[Row]  # run-length encoded, in order of time; to be read once
    duration: float | None = None  # seconds, from an `end` record
    failure: str | None = None  # the message of an `error` record
    surest: dict[str, tuple[float, float]] = field(default_factory=dict)  # event -> (highest score, its onset in s), if known
    title: str = ""  # the heading of its log: the file's own name, or its whole path if an earlier recording has that name

    def __post_init__(self) -> None:
        self.title = visible(self.title or self.filename)


def recordings(records: Iterable[Record], options: TableOptions = PLAIN) -> Iterator[Recording]:
    """The recordings of a stream, in order. RecordError for segments, rows that go back in time, and recordings in pieces.

    `options` says which pauses are bridged and which short events dropped.
    """
    titles: set[str] = set()
    spans: dict[str, tuple[float, float]] = {}  # filename -> the onset of its first row and that of its last, in seconds
    for filename, group in groupby(records, key=itemgetter(0)):  # by filename, the first field of every record
        rest = iter(group)
        head = next(rest)
        if filename in spans and isinstance(head, Cell | Row):
            raise RecordError(_in_pieces(head, *spans[filename]))
        own = PurePath(filename).name
        recording = Recording(filename, iter(()), title=filename if own in titles else own)
        titles.add(own)
        recording.rows = _spanned(_rows(head, rest, recording, options), spans)
        yield recording


def _in_pieces(record: Cell | Row, first: float, latest: float) -> str:
    """The message for a recording that comes again after others; its rows had begun at `first` and at `latest` seconds."""
    if record.onset <= first:
        return went_back(record.filename, record.onset, latest, first)
    return f"{record.filename}: goes on at {record.onset:.3f} s after another recording; {SORT}"


def _spanned(rows: Iterator[Row], spans: dict[str, tuple[float, float]]) -> Iterator[Row]:
    """The rows as they are; the onsets of the first and the latest are noted in `spans`."""
    for row in rows:
        spans[row.filename] = spans.get(row.filename, (row.onset, 0.0))[0], row.onset
        yield row


def _rows(first: Record, rest: Iterator[Record], recording: Recording, options: TableOptions) -> Iterator[Row]:
    """The merged rows of one file; ends and failures are noted in `recording`."""
    stream = chain([first], rest)
    if isinstance(first, Segment):
        raise RecordError(f"{first.filename}: expected cells or rows, got segments; `audiolog tag` turns segments into cells")
    if isinstance(first, Row):
        yield from merge(drop_short(bridge_gaps(_in_order(_noted(stream, recording)), options.max_gap), options.min_duration))
        return
    kept: dict[str, tuple[float, float]] = {}  # as in `surest`, of the events that were not dropped
    for record in table(_scored(stream, recording), options):
        if isinstance(record, Row):
            for event in record.events:
                best = recording.surest[event]
                kept[event] = best if record.onset - 0.001 < best[1] < record.offset else kept.get(event, (0.0, -1.0))
            yield record
        else:
            _note(record, recording)
    is_known = all(kept[event] == recording.surest[event] for event in kept)  # else the highest score was of a sound too short
    recording.surest = kept if is_known else {}


def _scored(records: Iterator[Record], recording: Recording) -> Iterator[Cell | End | Failure]:
    """Cells unchanged, with the best score of each event noted."""
    surest = recording.surest
    for record in records:
        if isinstance(record, Cell):
            _, onset, _, kind, label, score, _ = record
            if kind == "event" and (label not in surest or score > surest[label][0]):
                surest[label] = (score, onset)
        elif isinstance(record, Segment | Row):
            raise RecordError(f"{record.filename}: cells and {type(record).__name__.lower()}s in one table; give one kind")
        if not isinstance(record, Remark):
            yield record


def _noted(records: Iterator[Record], recording: Recording) -> Iterator[Row]:
    for record in records:
        if isinstance(record, Row):
            yield record
        elif isinstance(record, End | Failure):
            _note(record, recording)
        elif not isinstance(record, Remark):
            raise RecordError(f"{record.filename}: rows and {type(record).__name__.lower()}s in one table; give one kind")


def _note(record: End | Failure, recording: Recording) -> None:
    if isinstance(record, End):
        recording.duration = record.duration
    else:
        recording.failure = record.message


def _in_order(rows: Iterator[Row]) -> Iterator[Row]:
    first, reached = -1.0, 0.0
    for row in rows:
        if row.onset < reached:
            raise RecordError(went_back(row.filename, row.onset, reached, first))
        first, reached = (row.onset if first < 0 else first), row.offset
        yield row


# Several recordings as one


def together(each: Iterable[Recording], say: Callable[[str], None] = lambda _: None) -> Recording:
    """Recordings on one time line, ordered by their absolute times if all have them, else in the order given, end to end.

    Times count from the start of the first. Holds all rows in memory. Where two overlap by up to OVERLAP, the first ends earlier.
    InputError if they overlap more, or if some times have a zone and others do not: how far apart they are is then unknown.
    End to end, where a recording begins is only known if the one before it was analysed to its end: `say` is told if it was not.
    """
    read = [(recording, list(recording.rows)) for recording in each]
    held = [(recording, rows) for recording, rows in read if rows]
    starts = [_start(rows) for _, rows in held]
    if {None, UTC} <= {start.tzinfo for start in starts if start is not None}:
        raise InputError("clock times with and without a zone (+00:00) in one log; tag with --tz, or give them one log each")
    known = [round(start.replace(tzinfo=UTC).timestamp(), 3) for start in starts if start is not None]
    if len(known) == len(held):
        held = [pair for _, pair in sorted(zip(known, held, strict=True), key=lambda item: item[0])]
        shifts = [start - min(known) for start in sorted(known)]
    else:
        lengths = [max(recording.duration or 0.0, rows[-1].offset) for recording, rows in held]
        if open_end := next((one.filename for one, rows in held[:-1] if one.duration is None and not _tells_all(rows)), ""):
            say(f"times after {open_end} may be too early: the table does not say how long it is (no scenes and no end record)")
        shifts = list(accumulate(lengths, initial=0.0))[:-1]
    names, titles = (joined([getattr(one, name) for one, _ in held]) for name in ("filename", "title"))
    whole = Recording(names or "no recording", iter(()), title=titles)
    whole.failure = next((recording.failure for recording, _ in read if recording.failure is not None), None)
    rows: list[Row] = []
    for (recording, own), shift in zip(held, shifts, strict=True):
        begins = round(own[0].onset + shift, 3)
        if rows and begins < rows[-1].offset:
            if rows[-1].offset - begins > OVERLAP or begins <= rows[-1].onset:
                raise InputError(
                    f"{recording.filename} begins before the recording before it has ended; give them one log each, without "
                    f"--together"
                )
            rows[-1] = rows[-1]._replace(offset=begins)
        for row in own:
            onset, offset = round(row.onset + shift, 3), round(row.offset + shift, 3)
            rows.append(row._replace(filename=whole.filename, onset=onset, offset=offset))
        whole.duration = max(recording.duration or 0.0, own[-1].offset) + shift
        for label, (score, onset) in recording.surest.items():
            if score > whole.surest.get(label, (-1.0, 0.0))[0]:
                whole.surest[label] = (score, onset + shift)
    whole.rows = merge(rows)
    return whole


def joined(names: Sequence[str]) -> str:
    """Recordings in a heading: all of a few, the first and the last of many.

    >>> joined(["a.wav", "b.wav"]), joined(["1.wav", "2.wav", "3.wav", "4.wav"])
    ('a.wav + b.wav', '1.wav + 2 more + 4.wav')
    """
    return " + ".join(names if len(names) < 4 else [names[0], f"{len(names) - 2} more", names[-1]])


def _tells_all(rows: Sequence[Row]) -> bool:
    """Whether there are rows of what was analysed, not of events alone."""
    return any(row.scene or not row.events for row in rows)


def _start(rows: Sequence[Row]) -> datetime | None:
    """When the recording itself began, in UTC or without a zone; None if no row has a time."""
    row = next((row for row in rows if row.time), None)
    if row is None or row.time is None:
        return None
    return in_utc(datetime.fromisoformat(row.time)) - timedelta(milliseconds=milliseconds(row.onset))
