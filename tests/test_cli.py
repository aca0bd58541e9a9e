"""The program around the commands: real pipes of the light commands, exact messages and exit codes."""

import fcntl
import os
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from audiolog_cli import __version__, terminal
from tests.shell import ROOT, audiolog, sh

CELLS = (
    b"filename\tonset\toffset\tkind\tlabel\tscore\n"
    b"a.wav\t0.000\t1.000\tscene\tpark\t0.900\n"
    b"a.wav\t0.000\t1.000\tevent\tbird\t0.800\n"
    b"a.wav\t1.000\t2.000\tscene\tpark\t0.900\n"
    b"a.wav\t1.000\t2.000\tevent\tbird\t0.700\n"
    b"a.wav\t2.000\t2.500\tscene\tstreet\t0.600\n"
)
ROWS = "filename\tonset\toffset\tscene\tevents\na.wav\t0.000\t2.000\tpark\tbird\na.wav\t2.000\t2.500\tstreet\t\n"


def test_version() -> None:
    assert audiolog("--version", ROOT) == (0, f"audiolog {__version__}\n", "")
    assert sh("python -m audiolog_cli --version", ROOT).stdout == f"audiolog {__version__}\n"


def test_commands_are_listed_in_the_order_of_the_pipeline() -> None:
    help_text = audiolog("--help", ROOT).stdout
    listed = [line.split()[0] for line in help_text.split("Commands:\n")[1].splitlines()]
    wanted = ["segment", "tag", "table", "summarize"]
    assert [command for command in listed if command in wanted] == wanted


def test_table_through_a_pipe_and_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "cells.tsv").write_bytes(CELLS)
    assert audiolog("table", tmp_path, CELLS) == (0, ROWS, "")
    assert audiolog("table -", tmp_path, CELLS) == (0, ROWS, "")
    assert audiolog("table cells.tsv", tmp_path) == (0, ROWS, "")
    assert sh("(cat cells.tsv; sed s/a.wav/b.wav/ cells.tsv) | audiolog table | wc -l", tmp_path).stdout == "5\n"


def test_unix_tools_work_on_cells() -> None:
    assert sh("grep event | cut -f 5 | sort | uniq -c", ROOT, CELLS).stdout.split() == ["2", "bird"]


def test_json_lines_through_a_pipe_are_the_same_table() -> None:
    as_json = audiolog("table --format jsonl", ROOT, CELLS)
    assert as_json.stdout == (
        '{"filename":"a.wav","onset":0.0,"offset":2.0,"scene":"park","events":["bird"]}\n'
        '{"filename":"a.wav","onset":2.0,"offset":2.5,"scene":"street","events":[]}\n'
    )
    from_tsv = sh("audiolog table | audiolog summarize --quiet", ROOT, CELLS)
    assert from_tsv.code == 0 and from_tsv == audiolog("summarize --quiet", ROOT, as_json.stdout.encode())


def test_a_table_with_clock_times_keeps_them() -> None:
    cells = b"filename\tonset\toffset\tkind\tlabel\tscore\ttime\na.wav\t0\t1\tscene\tpark\t0.9\t2026-11-22T06:00:00+01:00\n"
    assert audiolog("table", ROOT, cells).stdout == (
        "filename\tonset\toffset\tscene\tevents\ttime\na.wav\t0.000\t1.000\tpark\t\t2026-11-22T06:00:00+01:00\n"
    )


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ("audiolog tabel", 2, "No such command 'tabel'. Did you mean 'table'?; see `audiolog --help`"),
        ("audiolog table --foo", 2, "No such option: --foo (Possible options: --format); see `audiolog table --help`"),
        (
            "audiolog table --max-gap x",
            2,
            "Invalid value for '--max-gap' (env var: 'AUDIOLOG_MAX_GAP'): 'x' is not a valid float range; see `audiolog table "
            "--help`",
        ),
        ("audiolog table missing.tsv", 1, "missing.tsv: no such file"),
        ("audiolog table .", 1, ".: is a directory, expected a file"),
        ("audiolog table < /dev/null", 1, "stdin: empty, expected a table with a header line or JSON Lines"),
        (
            "printf 'filename\\tonset\\toffset\\tkind\\tlabel\\tscore\\na\\tb\\n' | audiolog table -q",
            1,
            "stdin:2: expected 6 columns, got 2",
        ),
        ("printf '\\200\\201\\n' | audiolog table | head -n 0", 1, None),
    ],
)
def test_an_error_is_one_line_with_the_way_out(line: str, code: int, message: str | None, tmp_path: Path) -> None:
    result = sh(line, tmp_path)
    assert (result.code, result.stderr.count("\n")) == (code, 1)
    assert result.stderr.startswith("audiolog: ")
    assert message is None or result.stderr == f"audiolog: {message}\n"


def test_rows_before_a_broken_line_are_written() -> None:
    result = audiolog("table", ROOT, CELLS + b"broken\n")
    assert result == (1, ROWS, "audiolog: stdin:7: expected 6 columns, got 1\n")


def test_recordings_that_failed_upstream_end_with_three() -> None:
    stream = (
        b'{"filename":"a.wav","onset":0,"offset":1,"kind":"scene","label":"park","score":0.9}\n'
        b'{"kind":"end","filename":"a.wav","duration":1.0,"cells":1,"weights":"w","version":"0"}\n'
        b'{"kind":"error","filename":"b.wav","message":"b.wav: empty file"}\n'
    )
    result = audiolog("table", ROOT, stream)
    assert result == (
        3,
        "filename\tonset\toffset\tscene\tevents\na.wav\t0.000\t1.000\tpark\t\n",
        "audiolog: not in the table: b.wav: empty file\n",
    )
    assert sh("audiolog table --format jsonl | tail -n 1", ROOT, stream).stdout.encode() == stream.splitlines(keepends=True)[-1]
    alone = audiolog("table", ROOT, stream.splitlines(keepends=True)[-1])
    assert alone == (1, "", "audiolog: not in the table: b.wav: empty file\n")


def test_a_full_disk_is_reported() -> None:
    for format in ("tsv", "parquet"):
        result = sh(f"audiolog table --format {format} > /dev/full", ROOT, CELLS)
        assert (result.code, result.stderr) == (1, "audiolog: standard output: no space left on device\n")


def test_a_closed_pipe_is_silent(tmp_path: Path) -> None:
    many = CELLS + b"".join(b"a.wav\t%d\t%d\tscene\tpark\t0.9\n" % (i, i + 1) for i in range(3, 50_000))
    result = sh("audiolog table --cells | head -n 1; echo ${PIPESTATUS[0]}", tmp_path, many)
    assert result == (0, "filename\tonset\toffset\tscene\tevents\n141\n", "")


def test_rows_come_as_cells_do(tmp_path: Path) -> None:
    """A live pipe: the row of a scene that ended is out while the next is still going on."""
    (tmp_path / "cells.tsv").write_bytes(CELLS + b"a.wav\t2.5\t3\tscene\tstreet\t0.9\na.wav\t3\t4\tscene\tstreet\t0.9\n")
    line = ["bash", "-c", f"(cat cells.tsv; sleep 60) | {sys.executable} -m audiolog_cli table"]
    with subprocess.Popen(line, cwd=tmp_path, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout
        assert [process.stdout.readline() for _ in range(2)] == ROWS.splitlines(keepends=True)[:2]
        assert process.poll() is None  # the cells are not at their end
        os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("milliseconds", [20, 50, 100, 200])
def test_an_interrupt_while_the_program_starts_is_silent(milliseconds: int) -> None:
    program = (
        "import os, signal, sys, threading; from audiolog_cli.__main__ import main; sys.argv = ['audiolog', 'table'];"
        f"threading.Timer({milliseconds / 1000}, os.kill, (os.getpid(), signal.SIGINT)).start(); sys.exit(main())"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as process:
        assert process.wait() in (-signal.SIGINT, 130)  # by the signal itself, or as main ends
        assert process.stderr and process.stderr.read() == b""


def test_progress_is_one_line_however_long_a_name_is(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.openpty()
    fcntl.ioctl(writing, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 21, 0, 0))
    with os.fdopen(writing, "w", encoding="utf-8") as screen:
        monkeypatch.setattr(sys, "stderr", screen)
        for text in ("recordings/\x1b[2J/2026/dawn.wav  35 s", "dawn.wav  35 s"):
            monkeypatch.setattr(terminal, "_progress_shown", 0.0)
            terminal.show_progress(text)
            assert os.read(reading, 100).decode() == f"\r\x1b[K{'recording….wav  35 s' if len(text) > 20 else text}"
    os.close(reading)
