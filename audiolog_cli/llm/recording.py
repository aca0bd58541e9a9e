"""A stream of cells or rows, cut into recordings: one `Recording` per file, its rows still a stream.

In come the records of `records.read` (cells, rows, ends, failures; several files one after the other); out come recordings, each to
be used up before the next. What only cells know (scores) and only JSON Lines know (duration, failure) is noted on the way past.
Nothing is held but one row.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, groupby

from audiolog_cli.errors import RecordError
from audiolog_cli.records import Cell, End, Failure, Record, Row, Segment
from audiolog_cli.table import TableOptions, merge, table


@dataclass(slots=True)
class Recording:
    """One file's rows, and what is known about it once they have been read to the end."""

    filename: str
    rows: Iterator[Row]  # run-length encoded, in order of time; to be read once
    duration: float | None = None  # seconds, from an `end` record
    failure: str | None = None  # the message of an `error` record
    surest: dict[str, tuple[float, float]] = field(default_factory=dict)  # event -> (highest score, its onset in seconds)


def recordings(records: Iterable[Record]) -> Iterator[Recording]:
    """The recordings of a stream, in its order. RecordError for segments, and for rows that go back in time."""
    for filename, group in groupby(records, key=lambda record: record.filename):
        recording = Recording(filename, iter(()))
        recording.rows = _rows(group, recording)
        yield recording


def _rows(group: Iterator[Record], recording: Recording) -> Iterator[Row]:
    """The merged rows of one file; ends and failures are noted in `recording`."""
    first = next(group)
    stream = chain([first], group)
    if isinstance(first, Segment):
        raise RecordError(f"{first.filename}: expected cells or rows, got segments; `audiolog tag` turns segments into cells")
    if isinstance(first, Row):
        yield from merge(_in_order(_noted(stream, recording)))
        return
    for record in table(_scored(stream, recording), TableOptions()):
        if isinstance(record, Row):
            yield record
        else:
            _note(record, recording)


def _scored(records: Iterator[Record], recording: Recording) -> Iterator[Cell | End | Failure]:
    """Cells as they are, with the best score of each event noted."""
    surest = recording.surest
    for record in records:
        if isinstance(record, Segment | Row):
            raise RecordError(f"{record.filename}: cells and {type(record).__name__.lower()}s in one table; give one kind")
        if isinstance(record, Cell) and record.kind == "event" and record.score > surest.get(record.label, (-1.0, 0.0))[0]:
            surest[record.label] = (record.score, record.onset)
        yield record


def _noted(records: Iterator[Record], recording: Recording) -> Iterator[Row]:
    for record in records:
        if isinstance(record, Row):
            yield record
        elif isinstance(record, End | Failure):
            _note(record, recording)
        else:
            raise RecordError(f"{record.filename}: rows and {type(record).__name__.lower()}s in one table; give one kind")


def _note(record: End | Failure, recording: Recording) -> None:
    if isinstance(record, End):
        recording.duration = record.duration
    else:
        recording.failure = record.message


def _in_order(rows: Iterator[Row]) -> Iterator[Row]:
    reached = 0.0
    for row in rows:
        if row.onset < reached:
            raise RecordError(
                f"{row.filename}: rows out of order, {row.onset:.3f} s follows {reached:.3f} s; sort them by file and onset"
            )
        reached = row.offset
        yield row
