"""Cells and rows as Parquet: what goes in comes out, typed, and the commands read it like TSV."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiolog_cli import parquet
from audiolog_cli.errors import RecordError
from audiolog_cli.records import CELL_COLUMNS, Cell, End, Failure, Row, tsv_lines
from tests.conftest import write_wav
from tests.shell import audiolog, sh

pyarrow = pytest.importorskip("pyarrow", reason="pip install 'audiolog[parquet]'")
pytest.importorskip("pyarrow.parquet")

CELLS = [
    Cell("a.wav", 0.0, 1.0, "scene", "park", 0.9, "2026-10-25T02:59:59.500+02:00"),
    Cell("a.wav", 0.0, 1.0, "event", "dog", 0.12345, "2026-10-25T02:59:59.500+02:00"),
    Cell("a.wav", 1.0, 1.75, "scene", "", 0.0, "2026-10-25T02:00:00.500+01:00"),
    End("a.wav", 1.75, 3, "everyday", "0.1.0"),
    Failure("b.wav", "b.wav: no such file"),
]


def written(path: Path, records: list[Cell | End | Failure] | list[Row], kind: type[Cell] | type[Row], with_time: bool) -> Path:
    with path.open("wb") as file:
        parquet.write_parquet(records, file, kind, with_time)
    return path


def test_columns_are_typed_and_compressed(tmp_path: Path) -> None:
    file = pyarrow.parquet.ParquetFile(written(tmp_path / "c.parquet", CELLS, Cell, True))
    label = "dictionary<values=string, indices=int32, ordered=0>"
    assert [(field.name, str(field.type)) for field in file.schema_arrow] == [
        ("filename", label),
        ("onset", "double"),
        ("offset", "double"),
        ("kind", label),
        ("label", label),
        ("score", "float"),
        ("time", "timestamp[ms]"),
        ("utc_offset", "int16"),
    ]
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"
    rows = file.read().to_pylist()
    assert [(str(row["time"]), row["utc_offset"]) for row in rows] == [
        ("2026-10-25 02:59:59.500000", 120),
        ("2026-10-25 02:59:59.500000", 120),
        ("2026-10-25 02:00:00.500000", 60),  # the clock went back
        ("None", None),
    ]
    assert rows[3] == dict.fromkeys(rows[3]) | {"filename": "b.wav", "kind": "error", "label": "b.wav: no such file"}


def test_an_interrupt_loses_no_row(tmp_path: Path) -> None:
    def interrupted() -> Iterator[Cell]:
        yield from (record for record in CELLS if isinstance(record, Cell))
        raise KeyboardInterrupt

    with (tmp_path / "c.parquet").open("wb") as file, pytest.raises(KeyboardInterrupt):
        parquet.write_parquet(interrupted(), file, Cell, True)
    assert [record.label for record in parquet.read_parquet(str(tmp_path / "c.parquet")) if isinstance(record, Cell)] == [
        "park",
        "dog",
        "",
    ]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_run_that_is_ended_loses_no_row(number: signal.Signals, tmp_path: Path, tiny_weights: Path) -> None:
    """By `timeout`, by a batch system, by a closed terminal; the ninth file and those after it are with other processes."""
    for i in range(30):
        write_wav(tmp_path / f"{i:02d}.wav", 1.0)
    line = [sys.executable, "-m", "audiolog_cli", "tag", *(f"{i:02d}.wav" for i in range(20)), "none.wav", "no.pipe"]
    options = ["--weights", str(tiny_weights), "--format", "parquet"]
    os.mkfifo(tmp_path / "no.pipe")
    with (
        (tmp_path / "c.parquet").open("wb") as out,
        subprocess.Popen([*line, *options], cwd=tmp_path, stdout=out, stderr=subprocess.PIPE) as process,
    ):
        assert process.stderr
        assert process.stderr.readline() == b"audiolog: none.wav: no such file\n"
        process.send_signal(number)
        assert process.wait(timeout=30) == -number
    names = pyarrow.parquet.read_table(tmp_path / "c.parquet")["filename"].to_pylist()
    assert {name for name in names if name != "none.wav"} == {f"{i:02d}.wav" for i in range(20)}


def test_a_name_that_parquet_cannot_hold_costs_only_itself(tmp_path: Path, tiny_weights: Path) -> None:
    for name in (b"a.wav", b"\xff.wav", b"b.wav"):
        write_wav(tmp_path / os.fsdecode(name), 1.0)
    done = sh(f"audiolog tag *.wav --weights {tiny_weights} --format parquet > c.parquet", tmp_path)
    assert done.code == 3
    assert done.stderr.startswith("audiolog: '\\udcff.wav': not UTF-8, Parquet cannot hold it; rename it, or write tsv\n")
    records = list(parquet.read_parquet(str(tmp_path / "c.parquet")))
    assert {record.filename for record in records if isinstance(record, Cell)} == {"a.wav", "b.wav"}
    assert [record.filename for record in records if isinstance(record, Failure)] == ["\\udcff.wav"]


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    rounded = [CELLS[0], CELLS[1]._replace(score=0.123), *CELLS[2:]]  # type: ignore[union-attr,call-arg]
    assert list(parquet.read_parquet(str(written(tmp_path / "c.parquet", CELLS, Cell, True)))) == rounded
    rows = [Row("a.wav", 0.0, 1.5, "park", ("bird", "dog"), "2026-11-22T06:00:00.000"), Row("a.wav", 1.5, 2.0, "", ())]
    assert list(parquet.read_parquet(str(written(tmp_path / "r.parquet", rows, Row, True)))) == rows
    assert list(parquet.read_parquet(str(written(tmp_path / "0.parquet", [], Cell, False)))) == []


scores = st.floats(0, 1, allow_subnormal=False)
cells = st.builds(
    lambda number, start, length, label, score: Cell(f"{number}.wav", start, start + length, "event", label, score),
    st.integers(0, 2),
    st.floats(0, 1e6),
    st.floats(0, 60),
    st.text("abcé;", min_size=1),
    scores,
)


@settings(max_examples=50, deadline=None)
@given(st.lists(cells, max_size=30))
def test_parquet_holds_the_rows_of_tsv(tmp_path_factory: pytest.TempPathFactory, records: list[Cell]) -> None:
    path = written(tmp_path_factory.mktemp("p") / "c.parquet", list(records), Cell, False)
    assert list(tsv_lines(parquet.read_parquet(str(path)), CELL_COLUMNS)) == list(tsv_lines(records, CELL_COLUMNS))


def test_long_tables_are_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "GROUP", 100)
    path = written(tmp_path / "c.parquet", [CELLS[0]] * 250, Cell, True)
    metadata = pyarrow.parquet.ParquetFile(path).metadata
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [100, 100, 50]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            {"onset": [0.0]},
            "expected the columns filename onset offset kind label score | filename onset offset scene events, got",
        ),
        (
            {"filename": ["a"], "onset": [2.0], "offset": [1.0], "kind": ["scene"], "label": ["x"], "score": [0.5]},
            r"row 1: expected filename onset offset kind label score, got \['a', 2.0, 1.0, 'scene', 'x', 0.5\]",
        ),
        (
            {"filename": ["a"], "onset": [None], "offset": [1.0], "kind": ["scene"], "label": ["x"], "score": [0.5]},
            "row 1: expected",
        ),
    ],
)
def test_foreign_tables_are_refused(tmp_path: Path, table: dict[str, list[object]], message: str) -> None:
    pyarrow.parquet.write_table(pyarrow.table(table), tmp_path / "x.parquet")
    with pytest.raises(RecordError, match=message.replace("|", r"\|")):
        list(parquet.read_parquet(str(tmp_path / "x.parquet")))


def test_what_other_programs_write_is_read(tmp_path: Path) -> None:
    """DuckDB, given a TSV, writes null for an empty text, the events of a row as one text, and times with their zone."""
    zoned = pyarrow.array([datetime(2026, 1, 1, 5, tzinfo=UTC)] * 2, pyarrow.timestamp("us", "Europe/Berlin"))
    columns: dict[str, Any] = {"filename": ["a"] * 2, "onset": [0, 1], "offset": [1, 2], "scene": ["park", None], "time": zoned}
    pyarrow.parquet.write_table(pyarrow.table(columns | {"events": ["dog;bird", None]}), tmp_path / "x.parquet")
    assert list(parquet.read_parquet(str(tmp_path / "x.parquet"))) == [
        Row("a", 0.0, 1.0, "park", ("bird", "dog"), "2026-01-01T06:00:00.000+01:00"),
        Row("a", 1.0, 2.0, "", (), "2026-01-01T06:00:00.000+01:00"),
    ]


@pytest.mark.parametrize("wrong", [{"filename": [None]}, {"filename": [b"a"]}, {"label": [1]}, {"time": ["noon"]}])
def test_columns_of_other_types_are_refused(wrong: dict[str, list[object]], tmp_path: Path) -> None:
    table = {"filename": ["a"], "onset": [0.0], "offset": [1.0], "kind": ["event"], "label": ["x"], "score": [0.5]} | wrong
    pyarrow.parquet.write_table(pyarrow.table(table), tmp_path / "x.parquet")
    with pytest.raises(RecordError, match="x.parquet: row 1: expected filename onset offset kind label score"):
        list(parquet.read_parquet(str(tmp_path / "x.parquet")))


def test_a_damaged_page_and_damaged_metadata_are_one_line(tmp_path: Path) -> None:
    path = written(tmp_path / "c.parquet", CELLS, Cell, True)
    whole = path.read_bytes()
    path.write_bytes(whole[:100] + bytes(200) + whole[300:])
    with pytest.raises(RecordError, match="c.parquet: not readable as Parquet: "):
        list(parquet.read_parquet(str(path)))
    table = pyarrow.parquet.read_table(written(path, CELLS, Cell, True)).replace_schema_metadata({"audiolog.ends": "[[1]]"})
    pyarrow.parquet.write_table(table, path)
    with pytest.raises(RecordError, match="c.parquet: expected the ends of recordings as audiolog.ends in its metadata, got "):
        list(parquet.read_parquet(str(path)))


def test_a_damaged_file_is_one_line(tmp_path: Path) -> None:
    path = written(tmp_path / "c.parquet", CELLS, Cell, True)
    path.write_bytes(path.read_bytes()[:-20])
    result = audiolog("table c.parquet", tmp_path)
    assert (result.code, result.stdout) == (1, "")
    assert result.stderr.startswith("audiolog: c.parquet: not readable as Parquet: ") and result.stderr.count("\n") == 1


def test_names_that_are_not_utf_8_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="not UTF-8, Parquet cannot hold it; rename it, or write tsv"):
        written(tmp_path / "c.parquet", [Cell("a\udcff.wav", 0.0, 1.0, "scene", "park", 0.5)], Cell, False)


def test_table_reads_and_writes_parquet(tmp_path: Path) -> None:
    written(tmp_path / "c.parquet", CELLS, Cell, True)
    line = (
        "a.wav\t0.000\t1.000\tpark\tdog\t2026-10-25T02:59:59.500+02:00\na.wav\t1.000\t1.750\t\t\t2026-10-25T02:00:00.500+01:00\n"
    )
    result = audiolog("table c.parquet", tmp_path)
    assert result == (
        3,
        f"filename\tonset\toffset\tscene\tevents\ttime\n{line}",
        "audiolog: not in the table: b.wav: no such file\n",
    )
    assert sh("audiolog table c.parquet --format parquet > r.parquet", tmp_path).code == 3
    assert [row.events for row in parquet.read_parquet(str(tmp_path / "r.parquet")) if isinstance(row, Row)] == [("dog",), ()]
    wrong = audiolog("table r.parquet", tmp_path)
    assert wrong.stderr == (
        "audiolog: r.parquet: expected cells (filename onset offset kind label score), got rows; `audiolog tag` writes cells\n"
    )
    assert "dog" in audiolog("summarize r.parquet --quiet", tmp_path).stdout


def test_eval_scores_parquet_as_it_scores_tsv(tmp_path: Path) -> None:
    records = [
        Cell("a.wav", float(second), second + 1.0, kind, label, 0.9)
        for second in range(4)
        for kind, label in (("scene", "park"), *([("event", "dog")] if second % 2 else []))
    ]
    written(tmp_path / "c.parquet", records, Cell, False)
    (tmp_path / "c.tsv").write_text("".join(tsv_lines(records, CELL_COLUMNS)))
    (tmp_path / "ref.tsv").write_text("filename\tonset\toffset\tevent_label\na.wav\t1.0\t4.0\tdog\n")
    scored = audiolog("eval c.parquet --reference ref.tsv", tmp_path)
    assert scored == audiolog("eval c.tsv --reference ref.tsv", tmp_path)
    assert "pooled\t\tsegment_f1\t0.8\t" in scored.stdout  # 2 of 3 seconds found, nothing else
    assert "pooled\t\tsegment_f1\t1.0\t" in audiolog("eval c.tsv --reference c.parquet", tmp_path).stdout
    written(tmp_path / "failed.parquet", [*records, CELLS[-1]], Cell, False)  # type: ignore[list-item]
    assert audiolog("eval failed.parquet --reference ref.tsv", tmp_path).code == 3


def test_parquet_goes_to_no_terminal(tmp_path: Path) -> None:
    written(tmp_path / "c.parquet", CELLS, Cell, True)
    result = sh("script -qec 'audiolog table c.parquet --format parquet' /dev/null", tmp_path)
    said = result.stdout.removeprefix("\r\x1b[K")  # the progress line, taken away
    assert said == "audiolog: --format parquet: these bytes are not for a terminal; redirect them into a file\r\n"
