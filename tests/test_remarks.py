"""Damage and notes in JSON Lines: what programs are told of a recording beside its cells, and who passes it on."""

import io
import json
from pathlib import Path

import pytest

from audiolog_cli.evaluation.references import Annotations, read_lines
from audiolog_cli.reading import read_records
from audiolog_cli.records import CELL_COLUMNS, Cell, End, Failure, Record, Remark, jsonl_lines, tsv_lines
from tests.shell import audiolog

CELLS = [Cell("a.wav", float(k), k + 1.0, "scene", "street", 0.5) for k in range(3)]
CUT = Remark("a.wav", 3.0, 9.5, "damage", "broken_off", "the file breaks off before the end that its header declares")
QUIET = Remark("a.wav", 0.0, 3.0, "note", "digital_silence", "digital silence throughout, nothing was recorded")
ALL: list[Record] = [CELLS[0], QUIET, CELLS[1], CUT, CELLS[2], End("a.wav", 3.0, 3, "w", "0")]


def test_json_lines_say_what_and_when() -> None:
    line = (
        '{"filename":"a.wav","onset":3.0,"offset":9.5,"kind":"damage","cause":"broken_off",'
        '"message":"the file breaks off before the end that its header declares"}\n'
    )
    assert list(jsonl_lines([CUT])) == [line]
    assert list(read_records(jsonl_lines(ALL), "-")) == ALL


def test_a_table_has_no_place_for_them() -> None:
    assert list(tsv_lines(ALL, CELL_COLUMNS)) == list(tsv_lines(CELLS, CELL_COLUMNS))
    assert list(tsv_lines([CUT, Failure("a.wav", "gone")], CELL_COLUMNS)) == []


def test_rows_run_on_over_them_and_json_lines_keep_them(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("".join(jsonl_lines(ALL)))
    rows = "filename\tonset\toffset\tscene\tevents\na.wav\t0.000\t3.000\tstreet\t\n"
    said = (
        "audiolog: a.wav: 0.000-3.000 s: digital silence throughout, nothing was recorded\n"
        "audiolog: a.wav: 3.000-9.500 s: the file breaks off before the end that its header declares\n"
    )
    assert audiolog("table a.jsonl", tmp_path) == (0, rows, said)
    code, out, err = audiolog("table --format jsonl a.jsonl", tmp_path)
    assert (code, err) == (0, "")
    kinds = [json.loads(line).get("cause") or json.loads(line).get("kind", "row") for line in out.splitlines()]
    assert sorted(kinds) == ["broken_off", "digital_silence", "end", "row"]


def test_a_log_is_written_and_they_are_said(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("".join(jsonl_lines(ALL)))
    code, out, err = audiolog("summarize a.jsonl", tmp_path)
    assert code == 0
    assert out.startswith("Log of a.wav")
    assert "a.wav: 3.000-9.500 s: the file breaks off before the end that its header declares\n" in err


def test_an_evaluation_passes_over_them() -> None:
    annotations = Annotations()
    read_lines(jsonl_lines(ALL), "a.jsonl", annotations)
    assert annotations.failures == []


def test_parquet_keeps_them(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    from audiolog_cli.parquet import read_parquet, write_parquet

    buffer = io.BytesIO()
    write_parquet(ALL, buffer, Cell)
    (tmp_path / "a.parquet").write_bytes(buffer.getvalue())
    assert list(read_parquet(str(tmp_path / "a.parquet"))) == ALL
