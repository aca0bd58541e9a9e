"""`audiolog table` on tables and streams as people make them with other tools, and what is reported."""

import re
from pathlib import Path

import pytest

from tests.shell import audiolog

HEADER = "filename\tonset\toffset\tkind\tlabel\tscore\n"
ROW_HEADER = "filename\tonset\toffset\tscene\tevents\n"
CELLS = (
    "a.wav\t0.000\t1.000\tscene\tpark\t0.900\na.wav\t0.000\t1.000\tevent\tbird\t0.800\na.wav\t1.000\t2.000\tscene\tpark\t0.900\n"
)
ROWS = "a.wav\t0.000\t1.000\tpark\tbird\na.wav\t1.000\t2.000\tpark\t\n"


def test_clock_times_are_kept_where_the_first_record_is_not_a_cell() -> None:
    lines = (
        '{"kind":"error","filename":"a.wav","message":"a.wav: empty file"}\n'
        '{"filename":"b.wav","onset":0.0,"offset":1.0,"kind":"scene","label":"park","score":0.9,"time":"2026-11-22T06:00:00+01:00"}\n'
    )
    assert audiolog("table", stdin=lines.encode()) == (
        3,
        "filename\tonset\toffset\tscene\tevents\ttime\nb.wav\t0.000\t1.000\tpark\t\t2026-11-22T06:00:00+01:00\n",
        "audiolog: not in the table: a.wav: empty file\n",
    )


def test_clock_times_that_come_after_cells_without_are_not_left_out_in_silence(tmp_path: Path) -> None:
    (tmp_path / "without.tsv").write_text(HEADER + CELLS)
    timed = CELLS.replace("a.wav", "b.wav").replace("\n", "\t2026-11-22T06:00:00Z\n")
    (tmp_path / "with.tsv").write_text(HEADER.replace("score", "score\ttime") + timed)
    done = audiolog("table without.tsv with.tsv", tmp_path)
    assert done.stdout == ROW_HEADER + ROWS + ROWS.replace("a.wav", "b.wav")
    assert done.stderr == "audiolog: b.wav: its clock times are left out, as what comes first has none; give it first\n"
    assert audiolog("table with.tsv without.tsv", tmp_path).stderr == ""


def test_a_stream_without_its_header_is_known_by_its_columns() -> None:
    """grep bird cells.tsv | audiolog table"""
    line = "a.wav\t0.000\t1.000\tevent\tbird\t0.800"
    assert audiolog("table", stdin=f"{line}\n".encode()) == (0, ROW_HEADER + "a.wav\t0.000\t1.000\t\tbird\n", "")
    timed = audiolog("table", stdin=f"{line}\t2026-11-22T06:00:00Z\n".encode())
    assert timed.stdout.endswith("\ttime\na.wav\t0.000\t1.000\t\tbird\t2026-11-22T06:00:00Z\n")


def test_a_sorted_table_has_its_header_anywhere() -> None:
    """sort cells.tsv | audiolog table"""
    assert audiolog("table", stdin="".join(sorted((HEADER + CELLS).splitlines(keepends=True))).encode()) == (
        0,
        ROW_HEADER + ROWS,
        "",
    )


def test_a_table_sorted_as_text_says_how_to_sort_it() -> None:
    lines = [f"a.wav\t{i}.000\t{i + 1}.000\tscene\tpark\t0.9\n" for i in (0, 10, 2)]
    assert audiolog("table", stdin="".join(lines).encode()).stderr == (
        "audiolog: a.wav: out of order, 2.000 s follows 10.000 s; sort by file and then by onset as a number: "
        "sort -s -t $'\\t' -k1,1 -k2,2n\n"
    )


def test_several_tables_are_one_after_the_other(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text(HEADER + CELLS)
    (tmp_path / "b.tsv").write_text(HEADER + CELLS.replace("a.wav", "b.wav"))
    assert audiolog("table a.tsv b.tsv", tmp_path) == (0, ROW_HEADER + ROWS + ROWS.replace("a.wav", "b.wav"), "")
    assert audiolog("table a.tsv missing.tsv", tmp_path) == (1, ROW_HEADER + ROWS, "audiolog: missing.tsv: no such file\n")
    assert audiolog("table a.tsv a.tsv", tmp_path) == (2, "", "audiolog: a.tsv: named twice; give each table once\n")
    assert audiolog("summarize -q --prompt brief a.tsv b.tsv", tmp_path).stdout == (
        "Log of a.wav\n\nThe recording is one scene, park.\nPark: bird much of the time; in between, no event was recognised.\n\n"
        "Log of b.wav\n\nThe recording is one scene, park.\nPark: bird much of the time; in between, no event was recognised.\n"
    )


@pytest.mark.parametrize("command", ["table", "summarize", "report"])
def test_a_recording_in_place_of_a_table_is_to_be_tagged_first(command: str, tmp_path: Path) -> None:
    sound = b"RIFF\x24\x00\x00\x00WAVEfmt \x10"
    (tmp_path / "rec.wav").write_bytes(sound)
    assert audiolog(f"{command} -q rec.wav", tmp_path) == (
        1,
        "",
        f"audiolog: rec.wav: a recording, not a table; tag it first: audiolog tag rec.wav | audiolog {command}\n",
    )
    assert audiolog(f"{command} -q", tmp_path, sound).stderr == (
        "audiolog: stdin: no text, expected a table; `audiolog tag` turns recordings into tables, and Parquet is read from "
        "files\n"
    )


def test_a_list_may_name_recordings_without_events() -> None:
    """As DESED does."""
    listed = b"filename\tonset\toffset\tevent_label\na.wav\t0.5\t1\tdog\nb.wav\t\t\t\n"
    assert audiolog("table", stdin=listed) == (0, ROW_HEADER + "a.wav\t0.500\t1.000\t\tdog\n", "")


def test_a_byte_order_mark_is_no_part_of_a_table(tmp_path: Path) -> None:
    """Spreadsheets and Windows write one; a label track without a header then began with no number."""
    (tmp_path / "rec.txt").write_bytes(b"\xef\xbb\xbf0.0\t1.0\tdog\n")
    expected = "filename\tonset\toffset\tscene\tevents\nrec\t0.000\t1.000\t\tdog\n"
    assert audiolog("table rec.txt", tmp_path).stdout == expected
    cells = "\ufefffilename\tonset\toffset\tkind\tlabel\tscore\nrec\t0\t1\tevent\tdog\t1\n"
    assert audiolog("table", tmp_path, cells.encode()).stdout == expected


def test_a_message_is_one_line_without_control_characters_whatever_a_name_holds(tmp_path: Path) -> None:
    done = audiolog("table 'a\n\x1b[2J.tsv'", tmp_path)
    assert done == (1, "", "audiolog: a\\n\\x1b[2J.tsv: no such file\n")


@pytest.mark.parametrize("command", ["table --format github", "table --format plain", "table --format vtt", "summarize", "eval"])
def test_what_people_read_shows_control_characters_of_names_and_labels(command: str, tmp_path: Path) -> None:
    """A recorder, or whoever sent the table, may write anything into a name; a terminal would do what it says."""
    (tmp_path / "cells.tsv").write_text(
        "filename\tonset\toffset\tkind\tlabel\tscore\n"
        "a\x1b]0;title\x07.wav\t0\t1\tscene\tpa\x1b[31mrk\t1\na\x1b]0;title\x07.wav\t0\t1\tevent\td\u202eog\t1\n"
    )
    options = " --reference cells.tsv --by-class --by-file --format github" if command == "eval" else ""
    done = audiolog(f"{command} cells.tsv{options}", tmp_path)
    assert done.code == 0 and not re.search("[\x00-\x09\x0b-\x1f\u202e]", done.stdout + done.stderr)
    assert "d\\u202eog" in done.stdout and "pa\\x1b[31mrk" in done.stdout


def test_a_log_of_a_name_with_control_characters_still_finds_its_recording(tmp_path: Path) -> None:
    cells = b"filename\tonset\toffset\tkind\tlabel\tscore\na\x1b.wav\t0\t1\tevent\tdog\t1\n"
    (tmp_path / "log.md").write_text(audiolog("summarize", tmp_path, cells).stdout)
    page = audiolog("report --log log.md", tmp_path, cells)
    assert page.code == 0 and "The table holds events alone" in page.stdout


def test_events_of_a_row_written_with_spaces_are_the_same_events(tmp_path: Path) -> None:
    """As people write lists; ` cat` was a kind of its own in the log."""
    rows = ROW_HEADER + "a.wav\t0\t1\tpark\tdog; cat\na.wav\t1\t2\tpark\tcat;dog\n"
    log = audiolog("summarize --prompt timing -q", tmp_path, rows.encode()).stdout
    assert "  cat: throughout\n  dog: throughout\n" in log
