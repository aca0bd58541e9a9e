"""The records that flow between the commands, and their two formats: TSV with a header, and JSON Lines.

    segment   filename onset offset                         written by `segment`, read by `tag`
    cell      filename onset offset kind label score        written by `tag`, read by `table`, `summarize`, `eval`, `report`
    row       filename onset offset scene events            written by `table`, read by `summarize`, `eval` and people

Times are seconds from the start of the recording, intervals half-open [onset, offset), three decimals. The last column `time`
(ISO 8601 with offset) is present when the recording's absolute start is known. JSON Lines also carry an `end` after each file, an
`error` for a file that failed, and a `damage` or a `note` for stretches of it, so that a reader knows whether it saw everything;
TSV has no place for them.

`reading.py` reads them. Records are named tuples, not dataclasses: a day of cells is half a million records, and a frozen
dataclass costs four times as much to make.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple
from unicodedata import normalize

from audiolog_cli.errors import RecordError
from audiolog_cli.moments import check_time

EVENTS_SEPARATOR = ";"  # published labels contain commas
LATEST = 1e10  # seconds, 317 years: times are below this, so that every millisecond is a float of its own


class Segment(NamedTuple):
    """A stretch of a recording to analyse: [onset, offset) in seconds."""

    filename: str
    onset: float
    offset: float


class Cell(NamedTuple):
    """One label heard in [onset, offset) seconds: the scene, or one active event, with its probability."""

    filename: str
    onset: float
    offset: float
    kind: str  # "scene" or "event"
    label: str  # "" only for a scene that the model cannot name
    score: float  # probability, 0..1
    time: str | None = None  # ISO 8601 with offset, when the absolute start is known


class Row(NamedTuple):
    """A stretch of [onset, offset) seconds with one scene and one set of events: the paper's table (section 2.3)."""

    filename: str
    onset: float
    offset: float
    scene: str
    events: tuple[str, ...]  # alphabetical
    time: str | None = None


class End(NamedTuple):
    """A recording was analysed to its end (JSON Lines only)."""

    filename: str
    duration: float  # seconds
    cells: int
    weights: str
    version: str


class Failure(NamedTuple):
    """A recording could not be analysed (JSON Lines only; on stderr otherwise)."""

    filename: str
    message: str


class Remark(NamedTuple):
    """What cells do not say of [onset, offset) seconds (JSON Lines and Parquet only; on stderr otherwise)."""

    filename: str
    onset: float
    offset: float
    kind: str  # "damage": not what was recorded; "note": as it was recorded, but it tells little
    cause: str  # one word, for programs: broken_off, digital_silence, ...; docs/records.md lists them
    message: str  # the same for people


Record = Segment | Cell | Row | End | Failure | Remark

SEGMENT_COLUMNS = ("filename", "onset", "offset")
CELL_COLUMNS = ("filename", "onset", "offset", "kind", "label", "score")
ROW_COLUMNS = ("filename", "onset", "offset", "scene", "events")


@lru_cache(maxsize=4096)
def check_text(text: str, what: str) -> str:
    """Return a file name or label unchanged if it fits in one TSV field; RecordError if it contains a tab or line break."""
    for character, name in (("\t", "a tab"), ("\n", "a line break"), ("\r", "a carriage return")):
        if character in text:
            raise RecordError(f"{what} {text!r} contains {name}: a table cannot hold it, rename it")
    return text


@lru_cache(maxsize=4096)
def check_event(label: str) -> str:
    """Return an event's label unchanged if it can share a field of a row with others; RecordError otherwise."""
    if EVENTS_SEPARATOR in label:
        raise RecordError(f"label {label!r} contains {EVENTS_SEPARATOR!r}, which separates the events of a row: rename it")
    return check_text(label, "label")


def composed(text: str) -> str:
    """A name or label as Unicode NFC: `ö` is one character, however a file system or an editor wrote it."""
    return text if text.isascii() else normalize("NFC", text)


def milliseconds(seconds: float) -> int:
    """The nearest whole number of milliseconds.

    >>> milliseconds(0.3), milliseconds(1.4) - milliseconds(1.1)
    (300, 300)
    """
    return round(seconds * 1000)


def whole(seconds: float) -> float:
    """Seconds to the nearest millisecond, in a quarter of the time of `round(seconds, 3)`.

    >>> whole(0.1 + 0.2)
    0.3
    """
    return round(seconds * 1000) / 1000


def row_of(filename: str, onset: float, offset: float, scene: str, events: Iterable[str], time: str | None) -> Row:
    """A row with each event once, in alphabetical order, and times in whole milliseconds; `dog; cat` is `cat;dog`.

    ValueError for an event without a name or a time that is not in ISO 8601, RecordError for a label with a `;` in it.
    """
    labels = tuple(sorted({check_event(event.strip(" ")) for event in events}))
    if "" in labels:
        raise ValueError("expected every event to have a label, got an empty one")
    return Row(filename, whole(onset), whole(offset), scene, labels, check_time(time) if time else None)


# Writing


def tsv_lines(records: Iterable[Record], columns: tuple[str, ...], with_time: bool = False) -> Iterator[str]:
    """Header, then one line per record; the header comes with the first record or `End`, so failures alone write nothing.

    `columns` is SEGMENT_COLUMNS, CELL_COLUMNS or ROW_COLUMNS, and decides which records are written; others are skipped.
    """
    kind, fields_of = _WRITTEN[columns]
    header = "\t".join(columns + ("time",) * with_time) + "\n"
    has_begun = has_failed = False
    for record in records:
        if not has_begun:
            if isinstance(record, Failure | Remark):
                has_failed |= isinstance(record, Failure)
                continue
            has_begun = True
            yield header
        if type(record) is kind:
            time = f"\t{record.time or ''}" if with_time else ""  # type: ignore[union-attr]
            yield f"{fields_of(record)}{time}\n"
    if not has_begun and not has_failed:  # no records make an empty table, not a broken one
        yield header


def _segment_fields(segment: Segment) -> str:
    return f"{check_text(segment.filename, 'file name')}\t{segment.onset:.3f}\t{segment.offset:.3f}"


def _cell_fields(cell: Cell) -> str:
    filename, onset, offset, kind, label, score, _ = cell
    return f"{check_text(filename, 'file name')}\t{onset:.3f}\t{offset:.3f}\t{kind}\t{check_text(label, 'label')}\t{score:.3f}"


def _row_fields(row: Row) -> str:
    filename, onset, offset, scene, events, _ = row
    joined = EVENTS_SEPARATOR.join([check_event(event) for event in events])
    return f"{check_text(filename, 'file name')}\t{onset:.3f}\t{offset:.3f}\t{check_text(scene, 'label')}\t{joined}"


_WRITTEN: dict[tuple[str, ...], tuple[type, Callable[[Any], str]]] = {
    SEGMENT_COLUMNS: (Segment, _segment_fields),
    CELL_COLUMNS: (Cell, _cell_fields),
    ROW_COLUMNS: (Row, _row_fields),
}


def jsonl_lines(records: Iterable[Record]) -> Iterator[str]:
    """One JSON object per record and line; times and scores rounded to three decimals as in TSV."""
    for record in records:
        if type(record) is not Cell:
            yield json.dumps(as_json(record), ensure_ascii=False, separators=(",", ":")) + "\n"
            continue
        # Most lines are cells: formatting them here is three times as fast as `as_json`.
        filename, onset, offset, kind, label, score, time = record
        clock = "" if time is None else f',"time":{_quoted(time)}'
        yield (
            f'{{"filename":{_quoted(filename)},"onset":{round(onset, 3)},"offset":{round(offset, 3)},"kind":"{kind}",'
            f'"label":{_quoted(label)},"score":{round(score, 3)}{clock}}}\n'
        )


@lru_cache(maxsize=4096)
def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def as_json(record: Record) -> dict[str, Any]:
    """The record as its JSON Lines object: `time` only where it is known, `kind` on ends and errors."""
    fields: dict[str, Any] = record._asdict()
    if isinstance(record, End | Failure):
        fields = {"kind": "end" if isinstance(record, End) else "error", **fields}
    if fields.get("time", "") is None:
        del fields["time"]
    for name in ("onset", "offset", "duration", "score"):
        if name in fields:
            fields[name] = round(fields[name], 3)
    return fields
