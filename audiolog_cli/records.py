"""The records that flow between the commands, and their two formats: TSV with a header, and JSON Lines.

    segment   filename onset offset                         written by `segment`, read by `tag`
    cell      filename onset offset kind label score        written by `tag`, read by `table`, `summarize`, `eval`, `report`
    row       filename onset offset scene events            written by `table`, read by `summarize` and by people

Times are seconds from the start of the recording, intervals half-open [onset, offset), three decimals. A last column `time`
(ISO 8601 with offset) is there when the recording's absolute start is known. JSON Lines also carry an `end` after each file and
an `error` for a file that failed, so that a reader knows whether it saw everything; TSV has no place for them.

Readers tell the formats apart by the first character and find columns by name; they also read DCASE lists
(`filename onset offset event_label`) as event cells of score 1. Records are named tuples, not dataclasses: a day of cells is
half a million records, and a frozen dataclass costs four times as much to make.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from math import isfinite
from operator import itemgetter
from typing import Any, NamedTuple

from audiolog_cli.errors import RecordError

EVENTS_SEPARATOR = ";"  # published labels contain commas


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


Record = Segment | Cell | Row | End | Failure

SEGMENT_COLUMNS = ("filename", "onset", "offset")
CELL_COLUMNS = ("filename", "onset", "offset", "kind", "label", "score")
ROW_COLUMNS = ("filename", "onset", "offset", "scene", "events")
DCASE_COLUMNS = ("filename", "onset", "offset", "event_label")


def check_text(text: str, what: str) -> str:
    """Return a file name or label that fits in one TSV field; RecordError if a tab or line break is in it."""
    for character, name in (("\t", "a tab"), ("\n", "a line break"), ("\r", "a carriage return")):
        if character in text:
            raise RecordError(f"{what} {text!r} contains {name}: a table cannot hold it, rename it")
    return text


def check_event(label: str) -> str:
    """Return the label of an event that can stand beside others in one field of a row; RecordError otherwise."""
    if EVENTS_SEPARATOR in label:
        raise RecordError(f"label {label!r} contains {EVENTS_SEPARATOR!r}, which separates the events of a row: rename it")
    return check_text(label, "label")


def milliseconds(seconds: float) -> float:
    """The nearest whole number of milliseconds; infinity as it is.

    >>> milliseconds(0.3), milliseconds(1.4) - milliseconds(1.1)
    (300, 300)
    """
    return round(seconds * 1000) if isfinite(seconds) else seconds


# Writing


def tsv_lines(records: Iterable[Record], columns: tuple[str, ...], with_time: bool = False) -> Iterator[str]:
    """Header, then one line per record; the header waits for the first record or `End`, and failures alone leave nothing.

    `columns` is SEGMENT_COLUMNS, CELL_COLUMNS or ROW_COLUMNS, and says which records are written; others are passed over.
    """
    lines_of = {SEGMENT_COLUMNS: _segment_lines, CELL_COLUMNS: _cell_lines, ROW_COLUMNS: _row_lines}[columns]
    header = "\t".join(columns + ("time",) * with_time) + "\n"
    stream = iter(records)
    has_failed = False
    for record in stream:
        if not isinstance(record, Failure):
            yield header
            yield from lines_of(chain([record], stream), with_time)
            return
        has_failed = True
    if not has_failed:  # nothing to write is an empty table, not a broken one
        yield header


class _Checked(dict[str, str]):
    """Texts that fit in a TSV field, each checked once."""

    def __init__(self, what: str) -> None:
        self.what = what

    def __missing__(self, text: str) -> str:
        self[text] = check_text(text, self.what)
        return text


def _segment_lines(records: Iterable[Record], with_time: bool) -> Iterator[str]:
    names = _Checked("file name")
    for record in records:
        if type(record) is Segment:
            yield f"{names[record.filename]}\t{record.onset:.3f}\t{record.offset:.3f}\n"


def _cell_lines(records: Iterable[Record], with_time: bool) -> Iterator[str]:
    names, labels = _Checked("file name"), _Checked("label")
    head = end = ""  # what the cells of one second share
    last_name, last_onset, last_offset, last_time = "", -1.0, -1.0, None
    for record in records:
        if type(record) is not Cell:
            continue
        filename, onset, offset, kind, label, score, time = record
        if onset != last_onset or offset != last_offset or filename != last_name or time != last_time:
            last_name, last_onset, last_offset, last_time = filename, onset, offset, time
            head = f"{names[filename]}\t{onset:.3f}\t{offset:.3f}\t"
            end = f"\t{time or ''}\n" if with_time else "\n"
        yield f"{head}{kind}\t{labels[label]}\t{score:.3f}{end}"


def _row_lines(records: Iterable[Record], with_time: bool) -> Iterator[str]:
    names, scenes, events_of = _Checked("file name"), _Checked("label"), _Joined()
    last_offset, end = -1.0, ""  # where the row before ended, in seconds and as text: usually this one's onset
    for record in records:
        if type(record) is Row:
            filename, onset, offset, scene, events, time = record
            start = end if onset == last_offset else f"{onset:.3f}"
            last_offset, end = offset, f"{offset:.3f}"
            clock = f"\t{time or ''}" if with_time else ""
            yield f"{names[filename]}\t{start}\t{end}\t{scenes[scene]}\t{events_of[events]}{clock}\n"


class _Joined(dict[tuple[str, ...], str]):
    """Sets of events as they stand in one TSV field."""

    def __missing__(self, events: tuple[str, ...]) -> str:
        if len(self) >= MAX_KEPT:
            self.clear()
        self[events] = joined = EVENTS_SEPARATOR.join([check_event(event) for event in events])
        return joined


def jsonl_lines(records: Iterable[Record]) -> Iterator[str]:
    """One JSON object per record and line; times and scores rounded to three decimals as in TSV."""
    quoted, short = _Quoted(), _Short()
    head = end = ""  # what the cells of one second share
    last_name, last_onset, last_offset, last_time = "", -1.0, -1.0, None
    for record in records:
        if type(record) is not Cell:
            yield json.dumps(as_json(record), ensure_ascii=False, separators=(",", ":")) + "\n"
            continue
        # Most lines of most streams: written out, five times as fast as by `as_json`.
        filename, onset, offset, kind, label, score, time = record
        if onset != last_onset or offset != last_offset or filename != last_name or time != last_time:
            last_name, last_onset, last_offset, last_time = filename, onset, offset, time
            head = f'{{"filename":{quoted[filename]},"onset":{round(onset, 3)},"offset":{round(offset, 3)},"kind":'
            end = "}\n" if time is None else f',"time":{json.dumps(time, ensure_ascii=False)}}}\n'
        yield f'{head}"{kind}","label":{quoted[label]},"score":{short[f"{score:.3f}"]}{end}'


class _Short(dict[str, str]):
    """Numbers with three decimals as JSON writes them, `0.500` as `0.5`; twice as fast as rounding each."""

    def __missing__(self, number: str) -> str:
        if len(self) >= MAX_KEPT:
            self.clear()
        self[number] = short = repr(float(number))
        return short


MAX_KEPT = 4096  # texts and numbers kept at a time; all scores of three decimals fit


class _Quoted(dict[str, str]):
    """Texts as JSON strings, each made once."""

    def __missing__(self, text: str) -> str:
        self[text] = quoted = json.dumps(text, ensure_ascii=False)
        return quoted


def as_json(record: Record) -> dict[str, Any]:
    """The record as the object that JSON Lines hold: `time` only where it is known, `kind` on ends and errors."""
    fields: dict[str, Any] = record._asdict()
    if isinstance(record, End | Failure):
        fields = {"kind": "end" if isinstance(record, End) else "error", **fields}
    if fields.get("time", "") is None:
        del fields["time"]
    for name in ("onset", "offset", "duration", "score"):
        if name in fields:
            fields[name] = round(fields[name], 3)
    return fields


# Reading


def read(lines: Iterable[str], name: str) -> Iterator[Record]:
    """Records from the lines of a TSV with header, JSON Lines, or a DCASE list; `name` stands in messages (`rec.tsv:12: ...`).

    A stream holds one kind of record (and ends and errors); streams written one after the other, header and all, are read as
    one. Raises RecordError with name and line for anything else.
    """
    return _read(lines, name, accept=lambda record: record)


def read_cells(lines: Iterable[str], name: str) -> Iterator[Cell | End | Failure]:
    """`read`, for commands that take cells only."""
    return _read(lines, name, accept=lambda record: check_cell(record, name))


def check_cell(record: Record, name: str) -> Cell | End | Failure:
    """Return what is no segment and no row; RecordError, with the name of the table, for those."""
    if isinstance(record, Segment | Row):
        found = "segments" if isinstance(record, Segment) else "rows"
        raise RecordError(f"{name}: expected cells ({' '.join(CELL_COLUMNS)}), got {found}; `audiolog tag` writes cells")
    return record


Accept = Callable[[Record], Record]  # gives the record back, or raises RecordError; cells are accepted unasked


def _read(lines: Iterable[str], name: str, accept: Accept) -> Iterator[Any]:
    numbered = enumerate(lines, 1)
    for number, line in numbered:
        line = line.removeprefix("\ufeff") if number == 1 else line
        if line.strip():
            reader = _read_jsonl if line.lstrip().startswith("{") else _read_tsv
            return reader(chain([(number, line)], numbered), name, accept)
    raise RecordError(f"{name}: empty, expected a table with a header line or JSON Lines")


def _read_tsv(numbered: Iterator[tuple[int, str]], name: str, accept: Accept) -> Iterator[Record]:
    number, header = next(numbered)
    header = header.rstrip("\r\n")
    names = header.split("\t")
    parse, pick = _parser_for(names, f"{name}:{number}")

    def record_of(number: int, line: str) -> Record | None:
        fields = line.rstrip("\r\n").split("\t")
        if len(fields) != len(names):
            if line.isspace():
                return None
            if {"filename", "onset"} <= set(fields):
                raise RecordError(
                    f"{name}:{number}: another table begins, with the columns {' '.join(fields)}; expected {' '.join(names)}, "
                    "as in the first: tables of one kind can follow one another"
                )
            raise RecordError(f"{name}:{number}: expected {len(names)} columns, got {len(fields)}")
        try:
            return accept(parse(*pick(fields)))
        except ValueError as error:
            if fields != names:  # a second table follows the first: cat a.tsv b.tsv
                raise RecordError(f"{name}:{number}: {error}") from None
            return None

    if tuple(names) == CELL_COLUMNS:
        return _plain_cells(numbered, record_of)
    return (record for number, line in numbered if (record := record_of(number, line)) is not None)


def _plain_cells(numbered: Iterator[tuple[int, str]], record_of: Callable[[int, str], Record | None]) -> Iterator[Record]:
    """Cells from lines whose columns are in `tag`'s own order, at twice the speed of `record_of`, which gets all other lines."""
    scores = _Scores()
    last_onset = last_offset = "\t"  # the cells of one second share their times; no field is a tab, not even in the first line
    start = end = 0.0
    for number, line in numbered:
        try:
            filename, onset, offset, kind, label, score = line.split("\t")  # the score keeps its line end, float() strips it
            if onset != last_onset or offset != last_offset:
                start, end = float(onset), float(offset)
                if not 0 <= start <= end < _INFINITY:
                    raise ValueError
                last_onset, last_offset = onset, offset
            if kind != "scene" and (kind != "event" or not label):
                raise ValueError
            cell = _new(Cell, (filename, start, end, kind, label, scores[score], None))
        except ValueError:
            record = record_of(number, line)
            if record is not None:
                yield record
        else:
            yield cell


class _Scores(dict[str, float]):
    """Scores by their text; ValueError for what is not a number from 0 to 1."""

    def __missing__(self, text: str) -> float:
        score = float(text)
        if not 0 <= score <= 1:
            raise ValueError
        if len(self) >= MAX_KEPT:
            self.clear()
        self[text] = score
        return score


def _parser_for(names: list[str], place: str) -> tuple[Callable[..., Record], Callable[[list[str]], Any]]:
    """The record parser for a header, and the picker that brings a line's fields into the parser's order."""
    kinds: tuple[tuple[tuple[str, ...], Callable[..., Record]], ...] = (
        (CELL_COLUMNS, _parse_cell),
        (ROW_COLUMNS, _parse_row),
        (DCASE_COLUMNS, _parse_dcase),
        (SEGMENT_COLUMNS, _parse_segment),
    )
    for columns, parse in kinds:
        if set(columns) <= set(names):
            has_time = "time" in names and columns in (CELL_COLUMNS, ROW_COLUMNS)
            return parse, itemgetter(*(names.index(column) for column in (*columns, *["time"] * has_time)))
    wanted = " | ".join(" ".join(columns) for columns, _ in kinds)
    raise RecordError(f"{place}: expected a header with the columns {wanted}, got {' '.join(names)[:200]!r}")


def _parse_cell(filename: str, onset: str, offset: str, kind: str, label: str, score: str, time: str = "") -> Cell:
    start, end, probability = float(onset), float(offset), float(score)
    if 0 <= start <= end < _INFINITY and 0 <= probability <= 1 and kind in _KINDS and (label or kind == "scene"):
        return _new(Cell, (filename, start, end, kind, label, probability, time or None))
    raise ValueError(_what_is_wrong_with(onset, offset, kind, label, score))


_new = tuple.__new__  # half the cost of Cell(...), which goes through a Python function
_INFINITY = float("inf")
_KINDS = ("scene", "event")


def _what_is_wrong_with(onset: str, offset: str, kind: str, label: str, score: str) -> str:
    _parse_times(onset, offset)
    if kind not in _KINDS:
        return f"expected kind scene or event, got {kind!r}"
    if not 0 <= float(score) <= 1:
        return f"expected a score between 0 and 1, got {score!r}"
    return "expected a label, got an empty field"


def _parse_times(onset: str, offset: str) -> tuple[float, float]:
    start, end = float(onset), float(offset)
    if not 0 <= start <= end < _INFINITY:
        raise ValueError(f"expected 0 <= onset <= offset in seconds, got onset {onset!r}, offset {offset!r}")
    return start, end


def _parse_row(filename: str, onset: str, offset: str, scene: str, events: str, time: str = "") -> Row:
    labels = tuple(events.split(EVENTS_SEPARATOR)) if events else ()
    start, end = _parse_times(onset, offset)
    return Row(filename, round(start, 3), round(end, 3), scene, labels, time or None)


def _parse_dcase(filename: str, onset: str, offset: str, label: str) -> Cell:
    if not label:
        raise ValueError("expected an event_label, got an empty field")
    return Cell(filename, *_parse_times(onset, offset), "event", label, 1.0)


def _parse_segment(filename: str, onset: str, offset: str) -> Segment:
    return Segment(filename, *_parse_times(onset, offset))


_JSON_TEXT = r'"([^"\\\x00-\x1f]*)"'  # without escapes: between the quotes stands the text itself
_JSON_NUMBER = r"((?:0|[1-9][0-9]*)\.[0-9]+)"
_JSON_CELL = re.compile(
    rf'\{{"filename":{_JSON_TEXT},"onset":{_JSON_NUMBER},"offset":{_JSON_NUMBER},'
    rf'"kind":{_JSON_TEXT},"label":{_JSON_TEXT},"score":{_JSON_NUMBER}(?:,"time":{_JSON_TEXT})?\}}\n?'
)


def _read_jsonl(numbered: Iterator[tuple[int, str]], name: str, accept: Accept) -> Iterator[Record]:
    """Cells as `jsonl_lines` writes them are taken apart by one pattern, in a third of a JSON parser's time; the rest is parsed."""
    match = _JSON_CELL.fullmatch
    scores = _Scores()
    last_onset = last_offset = ""  # the cells of one second share their times
    start = end = 0.0
    for number, line in numbered:
        try:
            if (plain := match(line)) is None:
                raise ValueError
            filename, onset, offset, kind, label, score, time = plain.groups()
            if onset != last_onset or offset != last_offset:
                start, end = float(onset), float(offset)
                if not 0 <= start <= end < _INFINITY:
                    raise ValueError
                last_onset, last_offset = onset, offset
            if kind != "scene" and (kind != "event" or not label):
                raise ValueError
            cell = _new(Cell, (filename, start, end, kind, label, scores[score], time or None))
        except ValueError:
            if not line.isspace():
                yield accept(_parse_json(line, f"{name}:{number}"))
        else:
            yield cell


def _parse_json(line: str, place: str) -> Record:
    try:
        return _from_json(json.loads(line))
    except json.JSONDecodeError as error:
        raise RecordError(f"{place}: no whole JSON object, at character {error.pos + 1}: {error.msg}") from None
    except (ValueError, TypeError) as error:
        raise RecordError(f"{place}: {error}") from None
    except KeyError as error:
        raise RecordError(f"{place}: expected the key {error}, it is missing") from None


def _from_json(fields: Any) -> Record:
    """The record that a parsed line of JSON holds; ValueError, TypeError or KeyError if it holds none."""
    if not isinstance(fields, dict):
        raise ValueError(f"expected a JSON object, got {json.dumps(fields)[:60]}")
    kind = fields.get("kind")
    filename = _text(fields, "filename")
    if kind == "end":
        return End(
            filename,
            _number(fields, "duration"),
            int(_number(fields, "cells")),
            _text(fields, "weights"),
            _text(fields, "version"),
        )
    if kind == "error":
        return Failure(filename, _text(fields, "message"))
    onset, offset = _number(fields, "onset"), _number(fields, "offset")
    if not 0 <= onset <= offset < _INFINITY:
        _parse_times(str(onset), str(offset))  # says what is wrong
    time = _text(fields, "time") if fields.get("time") else None
    if kind is not None:
        label, score = _text(fields, "label"), _number(fields, "score")
        if kind not in _KINDS or not 0 <= score <= 1 or not (label or kind == "scene"):
            raise ValueError(_what_is_wrong_with(str(onset), str(offset), kind, label, str(score)))
        return _new(Cell, (filename, onset, offset, kind, label, score, time))
    if "scene" in fields:
        if not isinstance(fields["events"], list) or not all(isinstance(event, str) for event in fields["events"]):
            raise ValueError("expected events to be a list of labels")
        return Row(filename, round(onset, 3), round(offset, 3), _text(fields, "scene"), tuple(fields["events"]), time)
    if "event_label" in fields:
        return _parse_dcase(filename, str(onset), str(offset), _text(fields, "event_label"))
    return Segment(filename, onset, offset)


def _number(fields: dict[str, Any], key: str) -> float:
    value = fields[key]
    if type(value) is float:
        return value
    if type(value) is not int:
        raise ValueError(f"expected {key} to be a number, got {json.dumps(value)[:60]}")
    return float(value)


def _text(fields: dict[str, Any], key: str) -> str:
    value = fields[key]
    if not isinstance(value, str):
        raise ValueError(f"expected {key} to be a string, got {json.dumps(value)[:60]}")
    return value
