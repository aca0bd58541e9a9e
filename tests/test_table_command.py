"""`audiolog table` on files: tables and streams as people make them with other tools, and what is said of them."""

from pathlib import Path

import pytest

from tests.in_process import Audiolog

HEADER = "filename\tonset\toffset\tkind\tlabel\tscore\n"
ROW_HEADER = "filename\tonset\toffset\tscene\tevents\n"


@pytest.fixture
def audiolog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Audiolog:
    return Audiolog(tmp_path, monkeypatch, capsys)


def test_clock_times_are_kept_where_the_first_record_is_no_cell(audiolog: Audiolog) -> None:
    Path("cells.jsonl").write_text(
        '{"kind":"error","filename":"a.wav","message":"a.wav: empty file"}\n'
        '{"filename":"b.wav","onset":0.0,"offset":1.0,"kind":"scene","label":"park","score":0.9,"time":"2026-11-22T06:00:00+01:00"}\n'
    )
    assert audiolog("table", "cells.jsonl") == (
        3,
        "filename\tonset\toffset\tscene\tevents\ttime\nb.wav\t0.000\t1.000\tpark\t\t2026-11-22T06:00:00+01:00\n",
        "audiolog: not in the table: a.wav: empty file\n",
    )
