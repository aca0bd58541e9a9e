"""What goes wrong on real machines, provoked: no traceback, nothing invented, and the right exit code.

`make faults` runs the same with more rounds (AUDIOLOG_TEST_KILLS).
"""

import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import write_wav
from tests.shell import audiolog, sh

KILLS = int(os.environ.get("AUDIOLOG_TEST_KILLS", "3"))
CELLS = b"filename\tonset\toffset\tkind\tlabel\tscore\na.wav\t0\t1\tscene\tpark\t0.9\n"
COMMAND = ["tag", "a.wav", "b.wav", "--weights", "w.safetensors", "--hop", "5", "--quiet"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny_weights: Path) -> Path:
    folder = tmp_path_factory.mktemp("faults")
    shutil.copy(tiny_weights, folder / "w.safetensors")
    write_wav(folder / "a.wav", 64.5)
    write_wav(folder / "b.wav", 31.0, seed=1)
    return folder


@pytest.fixture(scope="module")
def whole(folder: Path) -> str:
    result = audiolog(" ".join(COMMAND), folder)
    assert result.code == 0
    return result.stdout


def test_killed_at_any_moment_the_next_run_gives_the_same_bytes(folder: Path, whole: str) -> None:
    moments = random.Random(0)
    for _ in range(KILLS):
        if moments.random() < 0.1:
            shutil.rmtree(folder / "journal", ignore_errors=True)
        line = [sys.executable, "-m", "audiolog_cli", *COMMAND, "--resume", "journal"]
        with subprocess.Popen(line, cwd=folder, stdout=subprocess.PIPE) as process:
            assert process.stdout
            for _ in range(moments.randrange(whole.count("\n"))):
                process.stdout.readline()
            process.send_signal(signal.SIGKILL)
    assert sh(f"audiolog {' '.join(COMMAND)} --resume journal", folder) == (0, whole, "")


def test_a_full_journal_stops_the_run_which_resumes_when_there_is_room(folder: Path, whole: str) -> None:
    """A limit on the size of files, as a quota sets it: the run ends with one line, the next one finishes the work."""
    command = f"audiolog {' '.join(COMMAND)} --resume cramped"
    stopped = sh(f"ulimit -f 2; {command}", folder)  # 2 KiB: some windows of a.wav
    assert stopped.code == 1
    assert stopped.stderr.startswith("audiolog: cramped/") and stopped.stderr.count("\n") == 1
    assert stopped.stderr.endswith(
        ": the journal cannot be written: file too large; make room, and the same command goes on\n"
    ) or ("no space left" in stopped.stderr)
    assert whole.startswith(stopped.stdout)
    assert sh(command, folder) == (0, whole, "")


def test_a_full_disk_is_reported(folder: Path) -> None:
    full = (1, "", "audiolog: standard output: no space left on device\n")
    assert sh("audiolog tag b.wav --weights w.safetensors > /dev/full", folder) == full
    assert sh("audiolog report > /dev/full", folder, CELLS) == full
    parts = sh("ulimit -f 1; audiolog tag a.wav --weights w.safetensors --cell 0.1 --out p", folder)
    assert (parts.code, parts.stdout, parts.stderr) == (1, "", "audiolog: --out p: file too large\n")
    scores = sh("ulimit -f 1; audiolog tag a.wav --weights w.safetensors --cell 0.1 --scores-dir s", folder)
    assert (scores.code, scores.stderr) == (1, "audiolog: s/a.tsv.unfinished: file too large\n")
    assert not list((folder / "s").iterdir())
    journal = sh("ulimit -f 0; audiolog tag a.wav --weights w.safetensors --resume j", folder)
    assert (journal.code, journal.stdout, journal.stderr) == (1, "", "audiolog: --resume j: file too large\n")


def test_messages_that_nobody_can_read_cost_no_row(folder: Path) -> None:
    line = "audiolog tag none.wav b.wav --weights w.safetensors"
    expected = (3, audiolog("tag b.wav --weights w.safetensors", folder).stdout, "")
    assert sh(f"{line} 2> /dev/full", folder) == expected


def test_too_little_memory_to_load_torch_is_one_line(folder: Path) -> None:
    done = sh("ulimit -v 1500000; audiolog tag a.wav --weights w.safetensors", folder)
    assert (done.code, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith("audiolog: not enough memory (lib")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("audiolog table <&-", "stdin: closed, expected a table"),
        ("audiolog tag --weights w.safetensors <&-", "-: standard input is closed"),
        ("audiolog table >&-", "standard output is closed, there is nowhere to write to"),
    ],
)
def test_closed_streams_are_reported(line: str, message: str, folder: Path) -> None:
    assert sh(line, folder, CELLS) == (1, "", f"audiolog: {message}\n")
