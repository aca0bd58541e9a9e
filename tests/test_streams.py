"""The fast paths of the readers and writers agree with the slow ones; test_speed.py has how fast they are."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from audiolog_cli.errors import RecordError
from audiolog_cli.reading import read_records
from audiolog_cli.records import CELL_COLUMNS, ROW_COLUMNS, Cell, End, Record, Row, as_json, jsonl_lines, tsv_lines
from tests.shell import sh


def outcome(lines: list[str]) -> tuple[list[Record], str]:
    """The records that were read, and the error that ended it."""
    records: list[Record] = []
    try:
        for record in read_records(lines, "t"):
            records.append(record)
    except RecordError as error:
        return records, str(error)
    return records, ""


times = st.sampled_from(["0", "0.000", "1.000", "1", "2.5", " 3 ", "1e3", "1_0", "inf", "nan", "-1", "x", "", "9" * 400])
kinds = st.sampled_from(["scene", "event", "event", "scene", "Scene", ""])
labels = st.sampled_from(["dog", "car, passing by", "", "schön", "\x0b", '"', "\\"])
scores = st.sampled_from(["0.5", "1", "0.000", "1.000", "1.001", "-0.1", "nan", "", " 0.25", "5e-1", "1_0"])
fields = st.tuples(st.sampled_from(["a.wav", "b.wav", ""]), times, times, kinds, labels, scores)
right = st.tuples(
    st.just("a.wav"), st.just("1.000"), st.sampled_from(["1.000", "2.500"]), st.just("event"), st.just("dog"), st.just("0.5")
)
header = "\t".join(CELL_COLUMNS) + "\n"


@given(st.lists(st.one_of(right, right, fields), max_size=6), st.sampled_from(["\n", "\r\n"]))
@example([("a.wav", "", "", "scene", "dog", "0.5")], "\n")  # times that are missing in the very first line
def test_a_table_in_the_usual_order_reads_as_one_in_any_other(table: list[tuple[str, ...]], end: str) -> None:
    usual = [header] + ["\t".join(line) + end for line in table]
    turned = ["\t".join(reversed(CELL_COLUMNS)) + "\n"] + ["\t".join(reversed(line)) + end for line in table]
    assert outcome(usual) == outcome(turned)


def test_blank_lines_a_second_header_and_short_lines_between_usual_ones() -> None:
    line = "a.wav\t0.000\t1.000\tscene\tpark\t0.5\n"
    cell = Cell("a.wav", 0.0, 1.0, "scene", "park", 0.5)
    assert outcome([header, line, "\n", line, header, line, "a.wav\t0\n", line]) == (
        [cell] * 3,
        "t:7: expected 6 columns, got 2",
    )


values = st.one_of(
    st.floats(0, 3),
    st.integers(-1, 2),
    st.sampled_from(
        [0.5, 1.0, 0.25, "dog", "scene", "event", "a\tb", 'a"b', "a\\b", "", "ü", None, True, [1], float("nan"), 1e22]
    ),
)
objects = st.fixed_dictionaries(
    {"filename": st.sampled_from(["a.wav", 'a",b.wav', 3]), "onset": st.just(0.5), "offset": values},
    optional={"kind": st.sampled_from(["event", "scene", "x"]), "label": values, "score": values, "time": values},
)
plain = st.fixed_dictionaries(
    {
        "filename": st.sampled_from(["a.wav", "ä,:.wav"]),
        "onset": st.sampled_from([0.0, 1.0, 100.25]),
        "offset": st.sampled_from([1.0, 100.25, 200.0]),
        "kind": st.sampled_from(["event", "scene"]),
        "label": st.sampled_from(["dog", ""]),
        "score": st.sampled_from([0.0, 0.5, 1.0, 1.5]),
    },
    optional={"time": st.sampled_from(["2026-11-22T06:00:00+01:00", ""])},
)


@given(st.lists(st.one_of(plain, plain, objects), min_size=1, max_size=5), st.booleans())
def test_json_as_it_is_written_reads_as_json_with_a_space_in_it(objects: list[dict[str, object]], is_ascii: bool) -> None:
    """The space sends a line through the JSON parser."""
    lines = [json.dumps(fields, ensure_ascii=is_ascii, separators=(",", ":")) + "\n" for fields in objects]
    assert outcome(lines) == outcome(["{ " + line[1:] for line in lines])


numbers = st.one_of(st.floats(0, 1), st.floats(0, 1e17), st.sampled_from([0.0005, 0.0015, 0.9995, 1e-5, 123456.7895]))
clocks = st.sampled_from([None, "2026-11-22T06:00:00+01:00", "2026-11-22T06:00:01+01:00"])
names = st.sampled_from(["a.wav", 'b"\\ü.wav'])
cells = st.builds(
    Cell, names, numbers, numbers, st.sampled_from(["scene", "event"]), st.sampled_from(["dog", 'x"y']), numbers, clocks
)
cells_of_one_second = st.builds(Cell, names, st.just(1.0), st.just(2.0), st.just("event"), st.just("dog"), numbers, clocks)


@given(st.lists(st.one_of(cells, cells_of_one_second)), st.booleans())
def test_cells_are_written_as_if_each_stood_alone(cells: list[Cell], with_time: bool) -> None:
    records = [*cells, End("a.wav", 2.0, 2, "everyday", "1")]
    assert list(tsv_lines(records, CELL_COLUMNS, with_time))[1:] == [
        f"{c.filename}\t{c.onset:.3f}\t{c.offset:.3f}\t{c.kind}\t{c.label}\t{c.score:.3f}"
        + f"\t{c.time or ''}" * with_time
        + "\n"
        for c in cells
    ]
    assert list(jsonl_lines(records)) == [
        json.dumps(as_json(record), ensure_ascii=False, separators=(",", ":")) + "\n" for record in records
    ]


rows = st.builds(
    Row, names, numbers, numbers, st.sampled_from(["park", ""]), st.sampled_from([(), ("dog",), ("car", "dog")]), clocks
)


@given(st.lists(rows), st.booleans())
def test_rows_are_written_as_if_each_stood_alone(rows: list[Row], with_time: bool) -> None:
    assert list(tsv_lines(rows, ROW_COLUMNS, with_time))[1:] == [
        f"{r.filename}\t{r.onset:.3f}\t{r.offset:.3f}\t{r.scene}\t{';'.join(r.events)}" + f"\t{r.time or ''}" * with_time + "\n"
        for r in rows
    ]


def cells_of(n_seconds: int) -> Iterator[str]:
    """Lines of a table whose rows are one second each."""
    yield header
    for second in range(n_seconds):
        yield f"a.wav\t{second}.000\t{second + 1}.000\tscene\t{('park', 'street')[second % 2]}\t0.900\n"


def test_a_long_table_is_written_in_few_whole_pieces(tmp_path: Path) -> None:
    """A reader is woken some thirty times for 900 rows, and gets whole lines, no more than a pipe takes at once."""
    (tmp_path / "cells.tsv").write_text("".join(cells_of(900)))
    reader, writer = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)  # keeps apart what was written apart
    with reader, subprocess.Popen([sys.executable, "-m", "audiolog_cli", "table", "cells.tsv"], cwd=tmp_path, stdout=writer):
        writer.close()
        pieces = list(iter(lambda: reader.recv(1 << 16), b""))
    text = b"".join(pieces).decode()
    assert text.count("\n") == 901
    assert text.splitlines()[-1] == "a.wav\t899.000\t900.000\tstreet\t"
    assert all(piece.endswith(b"\n") and len(piece) <= 4096 for piece in pieces)
    assert len(pieces) < 50


def test_messages_come_after_the_rows_before_them(tmp_path: Path) -> None:
    (tmp_path / "cells.tsv").write_text("".join(cells_of(3)) + "broken\n")
    assert sh("audiolog table cells.tsv 2>&1", cwd=tmp_path).stdout == (
        "filename\tonset\toffset\tscene\tevents\n"
        "a.wav\t0.000\t1.000\tpark\t\na.wav\t1.000\t2.000\tstreet\t\na.wav\t2.000\t3.000\tpark\t\n"
        "audiolog: cells.tsv:5: expected 6 columns, got 1\n"
    )
