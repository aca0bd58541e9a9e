"""Cells and rows as Parquet: typed columns, compressed with zstd, written and read in row groups, so in constant memory.

    cells   filename kind label: text (dictionary)    onset offset: double, seconds    score: float
    rows    filename scene: text (dictionary)         onset offset: double, seconds    events: list of text

With clock times, two more columns: `time`, the wall clock at the onset (timestamp in milliseconds, no zone), and `utc_offset`,
its minutes east of UTC, empty where the zone is not known; UTC is time - utc_offset. So `hour(time)` is the local hour, and the
ISO text of TSV can be restored. Times and scores are rounded as in TSV: the rows are the same in every format. A recording that
failed is a row of kind `error` whose label is the message; the ends of recordings are in the file's metadata (`audiolog.ends`).

Needs pyarrow, the extra `parquet`.
"""

import json
import sys
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, BinaryIO

from audiolog_cli import terminal
from audiolog_cli.errors import RecordError, UsageError
from audiolog_cli.host import extra
from audiolog_cli.moments import check_time
from audiolog_cli.records import (
    CELL_COLUMNS,
    EVENTS_SEPARATOR,
    LATEST,
    ROW_COLUMNS,
    Cell,
    End,
    Failure,
    Record,
    Remark,
    Row,
    row_of,
)

MAGIC = b"PAR1"
GROUP = 1 << 16  # rows of a row group: about 5 hours of cells
ENDS = b"audiolog.ends"


def pyarrow() -> Any:
    """The pyarrow library with its Parquet module; UsageError where it is not installed."""
    with extra("parquet", "Parquet"):
        import pyarrow
        import pyarrow.parquet
    return pyarrow


def schema(kind: type[Cell] | type[Row], with_time: bool) -> Any:
    """The columns of cells or of rows."""
    pa = pyarrow()
    text, label = pa.string(), pa.dictionary(pa.int32(), pa.string())
    common = [("filename", label), ("onset", pa.float64()), ("offset", pa.float64())]
    own = [("kind", label), ("label", label), ("score", pa.float32())]
    if kind is Row:
        own = [("scene", label), ("events", pa.list_(text))]
    return pa.schema(common + own + [("time", pa.timestamp("ms")), ("utc_offset", pa.int16())] * with_time)


# Writing


def write_parquet(records: Iterable[Record], sink: BinaryIO, kind: type[Cell] | type[Row], with_time: bool = False) -> None:
    """Write the records of one kind as they come, a row group at a time, with the ends; failures only with cells.

    A file cut short by an interrupt can be read up to there. RecordError for text or a time that Parquet cannot hold.
    """
    pa = pyarrow()
    columns = schema(kind, with_time)
    ends: list[End] = []
    with pa.parquet.ParquetWriter(sink, columns, compression="zstd") as writer:
        group: list[tuple[Any, ...]] = []
        try:
            for row in _table_rows(records, kind, ends):
                group.append(row)
                if len(group) == GROUP:
                    full, group = group, []
                    writer.write_batch(_batch(full, columns, with_time))
        finally:  # an interrupt loses no row
            if group:
                writer.write_batch(_batch(group, columns, with_time))
        writer.add_key_value_metadata({ENDS.decode(): json.dumps(ends)})


def write_stdout(records: Iterable[Record], kind: type[Cell] | type[Row], with_time: bool = False) -> None:
    """`write_parquet` to stdout, to a readable end also after SIGTERM; UsageError if that is a terminal."""
    if sys.stdout.isatty():
        raise UsageError("--format parquet: these bytes are not for a terminal; redirect them into a file")
    with terminal.naming(terminal.STDOUT), terminal.ended_as_by_an_error():
        write_parquet(records, sys.stdout.buffer, kind, with_time)


def _table_rows(records: Iterable[Record], kind: type[Cell] | type[Row], ends: list[End]) -> Iterator[tuple[Any, ...]]:
    """The fields of each record, rounded; ends are collected in `ends`."""
    for record in records:
        if isinstance(record, Cell) and kind is Cell:
            filename, onset, offset, what, label, score, time = record
            yield filename, round(onset, 3), round(offset, 3), what, label, round(score, 3), time
        elif isinstance(record, Row) and kind is Row:
            filename, onset, offset, scene, events, time = record
            yield filename, round(onset, 3), round(offset, 3), scene, list(events), time
        elif isinstance(record, Failure) and kind is Cell:
            filename, message = (text.encode("utf-8", "backslashreplace").decode() for text in record)
            yield filename, None, None, "error", message, None, None
        elif isinstance(record, Remark) and kind is Cell:
            message = f"{record.cause}: {record.message}"
            yield record.filename, round(record.onset, 3), round(record.offset, 3), record.kind, message, None, None
        elif isinstance(record, End):
            ends.append(record)


def _batch(group: list[tuple[Any, ...]], columns: Any, with_time: bool) -> Any:
    """A record batch of the rows' fields."""
    pa = pyarrow()
    *fields, times = zip(*group, strict=True)
    if with_time:
        fields += zip(*(_clock(time) for time in times), strict=True)
    try:
        arrays = [_array(values, field.type) for values, field in zip(fields, columns, strict=True)]
    except UnicodeEncodeError as error:
        raise RecordError(f"{error.object!r}: not UTF-8, Parquet cannot hold it; rename it, or write tsv") from None
    return pa.record_batch(arrays, schema=columns)


def _array(values: Iterable[Any], type: Any) -> Any:
    pa = pyarrow()
    if pa.types.is_dictionary(type):
        return pa.array(values, type.value_type).dictionary_encode()
    return pa.array(values, type)


def _clock(time: str | None) -> tuple[datetime | None, int | None]:
    """ISO 8601 as wall clock and minutes east of UTC.

    >>> _clock("2026-11-22T06:00:00.500+01:00")
    (datetime.datetime(2026, 11, 22, 6, 0, 0, 500000), 60)
    """
    if time is None:
        return None, None
    moment = datetime.fromisoformat(time)
    offset = moment.utcoffset()
    return moment.replace(tzinfo=None), None if offset is None else int(offset.total_seconds()) // 60


# Reading


def is_parquet(path: str) -> bool:
    """Whether a file begins like Parquet; False if there is no such file."""
    if not Path(path).is_file():
        return False
    with open(path, "rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def read_parquet(path: str) -> Iterator[Record]:
    """The cells or rows of a Parquet file with their columns, and the ends and failures that `write_parquet` stored.

    RecordError, naming the row, for a file that is damaged or holds something else.
    """
    pa = pyarrow()
    try:
        with pa.parquet.ParquetFile(path) as file:
            names = file.schema_arrow.names
            columns = next((wanted for wanted in (CELL_COLUMNS, ROW_COLUMNS) if set(wanted) <= set(names)), None)
            if columns is None:
                wanted = f"{' '.join(CELL_COLUMNS)} | {' '.join(ROW_COLUMNS)}"
                raise RecordError(f"{path}: expected the columns {wanted}, got {' '.join(names)[:200]!r}")
            ends = _ends((file.metadata.metadata or {}).get(ENDS, b"[]"), path)
            yield from _with_ends(_read_rows(file, columns, path), ends)
    except (pa.ArrowException, OSError) as error:  # a damaged page is an OSError
        raise RecordError(f"{path}: not readable as Parquet: {' '.join(str(error).split())}") from None


def _ends(text: bytes, path: str) -> list[End]:
    """The ends of recordings in a file's metadata."""
    try:
        return [
            End(filename, float(duration), int(cells), weights, version)
            for filename, duration, cells, weights, version in json.loads(text)
        ]
    except (ValueError, TypeError):
        raise RecordError(
            f"{path}: expected the ends of recordings as {ENDS.decode()} in its metadata, got {text[:60]!r}"
        ) from None


def _read_rows(file: Any, columns: tuple[str, ...], path: str) -> Iterator[Record]:
    clock = [name for name in ("time", "utc_offset") if name in file.schema_arrow.names]
    number = 0
    for batch in file.iter_batches(batch_size=8192, columns=[*columns, *clock]):
        values = batch.to_pydict()
        times = values.get("time", [None] * len(batch))
        offsets = values.get("utc_offset", [None] * len(batch))
        fields = [values[name] for name in columns]
        for *row, time, offset in zip(*fields, times, offsets, strict=True):
            number += 1
            try:
                yield _record(row, columns, _iso(time, offset))
            except (ValueError, TypeError, RecordError):
                got = [*row, time] if "time" in clock else row
                raise RecordError(f"{path}: row {number}: expected {' '.join([*columns, *clock[:1]])}, got {got}") from None


def _record(row: list[Any], columns: tuple[str, ...], time: str | None) -> Record:
    """The record in a row; ValueError, TypeError or RecordError if it holds none.

    Other programs write an empty text as null (DuckDB, from a TSV), and the events of a row as the text that TSV has.
    """
    filename, onset, offset = row[:3]
    label = (row[4] if columns == CELL_COLUMNS else row[3]) or ""
    if not (isinstance(filename, str) and isinstance(label, str)):
        raise TypeError
    if columns == CELL_COLUMNS and row[3] == "error":
        return Failure(filename, label)
    if not 0 <= onset <= offset < LATEST:
        raise ValueError
    if columns == ROW_COLUMNS:
        events = row[4].split(EVENTS_SEPARATOR) if row[4] and isinstance(row[4], str) else row[4] or ()
        return row_of(filename, float(onset), float(offset), label, events, time)
    kind, _, score = row[3:]
    if kind in ("damage", "note"):
        cause, _, message = label.partition(": ")
        return Remark(filename, onset, offset, kind, cause, message)
    if kind not in ("scene", "event") or not 0 <= score <= 1 or not (label or kind == "scene"):
        raise ValueError
    return Cell(filename, float(onset), float(offset), kind, label, round(float(score), 3), time)


def _iso(time: datetime | str | None, utc_offset: int | None) -> str | None:
    """The inverse of `_clock`; a time that other programs wrote with its zone, or as text, keeps it.

    >>> _iso(datetime(2026, 11, 22, 6), 60), _iso(datetime(2026, 11, 22, 6), None)
    ('2026-11-22T06:00:00.000+01:00', '2026-11-22T06:00:00.000')
    """
    if not time or isinstance(time, str):
        return check_time(time) if time else None
    if utc_offset is not None:
        time = time.replace(tzinfo=timezone(timedelta(minutes=utc_offset)))
    return time.isoformat(timespec="milliseconds")


def _with_ends(records: Iterator[Record], ends: list[End]) -> Iterator[Record]:
    """The records with each recording's end after its last one."""
    waiting = {end.filename: end for end in ends}
    previous = ""
    for record in records:
        if record.filename != previous and previous in waiting:
            yield waiting.pop(previous)
        previous = record.filename
        yield record
    yield from waiting.values()
