"""Lines of text in, records out: TSV, JSON Lines, DCASE lists, and the files of annotation editors (see `editors.py`).

The first line decides the format; columns are found by name. Lines without a header (`grep bird cells.tsv`) are recognised by
their fields. A DCASE list is read as event cells of score 1; a line that names only a recording, as DESED writes those without
events, is the end of that recording.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from operator import itemgetter
from typing import Any

from audiolog_cli import editors
from audiolog_cli.columns import finite_number, is_number, parse_times
from audiolog_cli.editors import Numbered
from audiolog_cli.errors import RecordError
from audiolog_cli.moments import check_time
from audiolog_cli.records import (
    CELL_COLUMNS,
    EVENTS_SEPARATOR,
    LATEST,
    ROW_COLUMNS,
    SEGMENT_COLUMNS,
    Cell,
    End,
    Failure,
    Record,
    Remark,
    Row,
    Segment,
    row_of,
)

DCASE_COLUMNS = ("filename", "onset", "offset", "event_label")
NOT_TEXT = ("PAR1", "RIFF", "RF64", "FORM", "fLaC", "OggS", "ID3", "caff")  # binary files that may have no NUL at first
OTHERWISE = (  # how files begin that hold a table in another form, and what makes text of them
    (("\udcff\udcfe", "\udcfe\udcff"), "UTF-16", "iconv -f UTF-16 -t UTF-8"),
    ("\x1f\udc8b", "gzip", "gunzip -c"),
    ("(\udcb5/\udcfd", "zstd", "zstdcat"),
)


def read_records(lines: Iterable[str], name: str) -> Iterator[Record]:
    """Records of any kind; `name` is the table's name in messages (`rec.tsv:12: ...`).

    A stream holds one kind of record (and ends and errors); concatenated tables, headers included, are read as one. Raises
    RecordError with name and line for anything else.
    """
    numbered = enumerate(lines, 1)
    for number, line in numbered:
        if line.strip():
            return _reader_of(line, name)(chain([(number, line)], numbered), name)
    raise RecordError(f"{name}: empty, expected a table with a header line or JSON Lines")


def cells_of(records: Iterable[Record], name: str) -> Iterator[Cell | End | Failure]:
    """The same records; RecordError, with the name of the table, for segments and rows."""
    for record in records:
        if type(record) is Segment or type(record) is Row:
            found = "rows" if type(record) is Row else f"segments (a list of events has the columns {' '.join(DCASE_COLUMNS)})"
            raise RecordError(f"{name}: expected cells ({' '.join(CELL_COLUMNS)}), got {found}; `audiolog tag` writes cells")
        yield record  # type: ignore[misc]  # mypy does not narrow by `type(...) is`


def has_segments(line: str) -> bool:
    """Whether a table that begins with this line holds segments without their header (`grep a.wav segments.tsv`)."""
    return _columns_of(line.rstrip("\r\n").split("\t")) == SEGMENT_COLUMNS


def is_list(line: str) -> bool:
    """Whether a table that begins with this line lists whole events, not cut into cells."""
    fields = line.rstrip("\r\n").split("\t")
    if line.lstrip().startswith("{"):
        return '"event_label"' in line and '"kind"' not in line
    columns = _columns_of(fields) or fields
    return is_annotation(line) or ("event_label" in columns and "kind" not in columns)


def is_annotation(line: str) -> bool:
    """Whether a file that begins with this line is of an annotation editor."""
    return editors.reader_of(line) is not None


def _reader_of(line: str, name: str) -> Callable[[Numbered, str], Iterator[Record]]:
    for beginnings, form, remedy in OTHERWISE:
        if line.startswith(beginnings):
            raise RecordError(f"{name}: {form}, expected text in UTF-8; `{remedy}` makes it so")
    if line.lstrip().startswith("{"):
        return _read_jsonl
    if reader := editors.reader_of(line):
        return reader
    if "\0" in line or line.startswith(NOT_TEXT):
        raise RecordError(
            f"{name}: no text, expected a table; `audiolog tag` turns recordings into tables, and Parquet is read from files"
        )
    return _read_tsv


# TSV


def _read_tsv(numbered: Numbered, name: str) -> Iterator[Record]:
    number, first = next(numbered)
    names = first.rstrip("\r\n").split("\t")
    if columns := _columns_of(names):  # no header: the first line is a record
        numbered, names = chain([(number, first)], numbered), list(columns)
    parse, pick = _parser_for(names, f"{name}:{number}")
    if tuple(names) == CELL_COLUMNS:
        return _plain_cells(numbered, name)
    return _table(numbered, names, parse, pick, name)


def _plain_cells(numbered: Numbered, name: str) -> Iterator[Record]:
    """The fast path for cells with columns in `tag`'s order, which most tables are; other lines are read by column name."""
    last_onset = last_offset = "\t"  # the cells of one second share their times; no field is a tab, not even in the first line
    start = end = 0.0
    for number, line in numbered:
        try:
            filename, onset, offset, kind, label, score = line.split("\t")  # the score keeps its line end, float() strips it
            if onset != last_onset or offset != last_offset:
                start, end, last_onset, last_offset = float(onset), float(offset), onset, offset
            probability = float(score)
            is_cell = 0 <= start <= end < LATEST and 0 <= probability <= 1 and (kind == "scene" or (kind == "event" and label))
        except ValueError:
            is_cell = False
        if is_cell:
            yield _new(Cell, (filename, start, end, kind, label, probability, None))
        else:
            yield from _table([(number, line)], list(CELL_COLUMNS), _parse_cell, list, name)


def _table(numbered: Iterable[tuple[int, str]], names: list[str], parse: Any, pick: Any, name: str) -> Iterator[Record]:
    for number, line in numbered:
        fields = line.rstrip("\r\n").split("\t")
        # A second table follows the first (cat a.tsv b.tsv), perhaps with a byte order mark of its own.
        if fields == names or fields[0] == f"\ufeff{names[0]}" or line.isspace():
            continue
        if len(fields) != len(names):
            if {"filename", "onset"} <= set(fields):
                raise RecordError(
                    f"{name}:{number}: another table begins, with the columns {' '.join(fields)}; expected {' '.join(names)}, "
                    "as in the first: tables of one kind can follow one another"
                )
            raise RecordError(f"{name}:{number}: expected {len(names)} columns, got {len(fields)}")
        try:
            record: Record = parse(*pick(fields))
        except ValueError as error:
            raise RecordError(f"{name}:{number}: {error}") from None
        yield record


def _parser_for(names: list[str], place: str) -> tuple[Callable[..., Record], Callable[[list[str]], Any]]:
    """The record parser for a header, and a function that puts a line's fields in the parser's order."""
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
    raise RecordError(f"{place}: expected a header with the columns {wanted}, between tabs, got {' '.join(names)[:200]!r}")


def _columns_of(fields: list[str]) -> tuple[str, ...]:
    """The columns that a line of values must have, for a table without a header; () if it may be a header or anything else.

    >>> _columns_of(["a.wav", "0.000", "1.000", "event", "bird", "0.900"])
    ('filename', 'onset', 'offset', 'kind', 'label', 'score')
    >>> _columns_of(["filename", "onset", "offset"])
    ()
    """
    n = len(fields)
    if not 3 <= n <= 7 or not (is_number(fields[1]) and is_number(fields[2])):
        return ()
    if n in (6, 7) and fields[3] in _KINDS and is_number(fields[5]):
        return (*CELL_COLUMNS, "time")[:n]
    if n in (5, 6) and not is_number(fields[4]):
        return (*ROW_COLUMNS, "time")[:n]
    return {3: SEGMENT_COLUMNS, 4: DCASE_COLUMNS}.get(n, ()) if not is_number(fields[0]) else ()


def _parse_cell(filename: str, onset: str, offset: str, kind: str, label: str, score: str, time: str = "") -> Cell:
    try:
        start, end, probability = float(onset), float(offset), float(score)
    except ValueError:
        raise ValueError(_what_is_wrong_with(onset, offset, kind, label, score)) from None
    if 0 <= start <= end < LATEST and 0 <= probability <= 1 and kind in _KINDS and (label or kind == "scene"):
        return _new(Cell, (filename, start, end, kind, label, probability, check_time(time) if time else None))
    raise ValueError(_what_is_wrong_with(onset, offset, kind, label, score))


_new = tuple.__new__  # half the cost of Cell(...), which goes through a Python function
_KINDS = ("scene", "event")


def _what_is_wrong_with(onset: str, offset: str, kind: str, label: str, score: str) -> str:
    parse_times(onset, offset)
    if kind not in _KINDS:
        return f"expected kind scene or event, got {kind!r}"
    if not 0 <= finite_number(score, "score") <= 1:
        return f"expected a score between 0 and 1, got {score!r}"
    return "expected a label, got an empty field"


def _parse_row(filename: str, onset: str, offset: str, scene: str, events: str, time: str = "") -> Row:
    labels = events.split(EVENTS_SEPARATOR) if events else []
    return row_of(filename, *parse_times(onset, offset), scene, labels, time)


def _parse_dcase(filename: str, onset: str, offset: str, label: str) -> Cell | End:
    if {onset, offset, label} <= _NOTHING:
        return End(filename, 0.0, 0, "", "")
    if not label:
        raise ValueError("expected an event_label, got an empty field")
    return Cell(filename, *parse_times(onset, offset), "event", label, 1.0)


_NOTHING = {"", "nan", "NaN", "NA"}  # how tables mark a missing value


def _parse_segment(filename: str, onset: str, offset: str) -> Segment:
    return Segment(filename, *parse_times(onset, offset))


# JSON Lines

_JSON_TEXT = r'"([^"\\\x00-\x1f]*)"'  # without escapes: the text is what is between the quotes
_JSON_NUMBER = r"((?:0|[1-9][0-9]*)\.[0-9]+)"
_JSON_CELL = re.compile(
    rf'\{{"filename":{_JSON_TEXT},"onset":{_JSON_NUMBER},"offset":{_JSON_NUMBER},'
    rf'"kind":{_JSON_TEXT},"label":{_JSON_TEXT},"score":{_JSON_NUMBER}(?:,"time":{_JSON_TEXT})?\}}\n?'
)


def _read_jsonl(numbered: Numbered, name: str) -> Iterator[Record]:
    """Cells as `jsonl_lines` writes them are matched by one pattern, in half of a JSON parser's time; the rest is parsed."""
    match = _JSON_CELL.fullmatch
    for number, line in numbered:
        try:
            cell = _parse_cell(*plain.groups("")) if (plain := match(line)) else None
        except ValueError:
            cell = None
        if cell is not None:
            yield cell
        elif not line.isspace():
            yield _parse_json(line, f"{name}:{number}")


def _parse_json(line: str, place: str) -> Record:
    try:
        return _from_json(json.loads(line.lstrip("\ufeff")))
    except json.JSONDecodeError as error:
        raise RecordError(f"{place}: not a complete JSON object, at character {error.pos + 1}: {error.msg}") from None
    except RecursionError:
        raise RecordError(f"{place}: JSON nested too deep, expected one flat object a line") from None
    except (ValueError, TypeError, RecordError) as error:
        raise RecordError(f"{place}: {error}") from None
    except KeyError as error:
        raise RecordError(f"{place}: expected the key {error}, it is missing") from None


def _from_json(fields: Any) -> Record:
    """The record that a parsed line of JSON holds; ValueError, TypeError or KeyError if it holds none."""
    if not isinstance(fields, dict):
        raise ValueError(f"expected a JSON object, got {json.dumps(fields)[:60]}")
    kind, filename = fields.get("kind"), _text(fields, "filename")
    if kind == "end":
        names = _text(fields, "weights"), _text(fields, "version")
        return End(filename, _number(fields, "duration"), int(_number(fields, "cells")), *names)
    if kind == "error":
        return Failure(filename, _text(fields, "message"))
    onset, offset = str(_number(fields, "onset")), str(_number(fields, "offset"))
    if kind in ("damage", "note"):
        return Remark(filename, *parse_times(onset, offset), kind, _text(fields, "cause"), _text(fields, "message"))
    time = _text(fields, "time") if fields.get("time") else ""
    if kind is not None:
        return _parse_cell(filename, onset, offset, kind, _text(fields, "label"), str(_number(fields, "score")), time)
    if "scene" in fields:
        if not isinstance(fields["events"], list) or not all(isinstance(event, str) for event in fields["events"]):
            raise ValueError("expected events to be a list of labels")
        whole_characters("".join(fields["events"]), "events")
        return row_of(filename, *parse_times(onset, offset), _text(fields, "scene"), fields["events"], time)
    if "event_label" in fields:
        return _parse_dcase(filename, onset, offset, _text(fields, "event_label"))
    return _parse_segment(filename, onset, offset)


def _number(fields: dict[str, Any], key: str) -> float:
    value = fields[key]
    if type(value) not in (int, float) or not 0 <= value < LATEST:
        raise ValueError(f"expected {key} to be a number from 0 to {LATEST:.0f}, got {json.dumps(value)[:60]}")
    return float(value)


def _text(fields: dict[str, Any], key: str) -> str:
    value = fields[key]
    if not isinstance(value, str):
        raise ValueError(f"expected {key} to be a string, got {json.dumps(value)[:60]}")
    return whole_characters(value, key)


def whole_characters(text: str, what: str) -> str:
    """The text unchanged; ValueError if it holds half a surrogate pair that is no byte of a name (`surrogateescape`)."""
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise ValueError(f"expected {what} to be text, got half a character in {json.dumps(text)[:60]}") from None
    return text
