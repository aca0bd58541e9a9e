"""Many short recordings, tagged by worker processes: the same bytes as by one thread, and what dies costs only itself."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterable
from pathlib import Path

import pytest

from audiolog_cli.errors import AudiologError, InputError
from audiolog_cli.tagging import processes
from audiolog_cli.tagging.options import Job
from audiolog_cli.tagging.processes import FEW, LIST_SIZE, can_fork, spread
from tests.conftest import write_wav
from tests.shell import audiolog, sh

pytestmark = pytest.mark.skipif(not can_fork(), reason="workers are made by fork")

N = FEW + 2 * LIST_SIZE + 5  # some for this process, then two lists and a short one


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny_weights: Path) -> Path:
    """N recordings of one second each, of which one is no recording, one is damaged and one is not there."""
    folder = tmp_path_factory.mktemp("short")
    shutil.copy(tiny_weights, folder / "w.safetensors")
    for i in range(N):
        write_wav(folder / f"{i:02}.wav", 1.0, seed=i)
    (folder / "20.wav").write_bytes(b"RIFF and no more")
    whole = (folder / "30.wav").read_bytes()
    (folder / "30.wav").write_bytes(whole[: len(whole) // 2])
    (folder / "40.wav").unlink()
    (folder / "list").write_text("".join(f"{i:02}.wav\n" for i in range(N)))
    return folder


def test_without_shared_locks_threads_do_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container without /dev/shm."""

    class Context:
        def Lock(self) -> None:
            raise OSError(30, "Read-only file system")

    monkeypatch.setattr(processes, "get_context", lambda kind: Context())
    assert not can_fork()


def test_workers_write_what_one_thread_does(folder: Path) -> None:
    line = "tag --files-from list --weights w.safetensors"
    alone, spread_out = (sh(f"audiolog {line} --jobs {jobs}", folder) for jobs in (1, 3))
    assert alone.code == spread_out.code == 3
    assert alone.stdout == spread_out.stdout
    assert alone.stdout.count("\tscene\t") == N - 2
    assert alone.stderr.splitlines()[:-1] == spread_out.stderr.splitlines()[:-1]  # the last one tells how long it took
    assert [message.split(":")[1] for message in spread_out.stderr.splitlines()[:3]] == [" 20.wav", " 30.wav", " 40.wav"]
    first = audiolog(f"{line} --jobs 3 --fail-fast", folder)
    assert (first.code, first.stdout) == (3, alone.stdout[: alone.stdout.index("21.wav")])


def test_workers_write_parts_and_a_journal(folder: Path) -> None:
    line = "tag --files-from list --weights w.safetensors"
    assert audiolog(f"{line} --jobs 1 --out one", folder).code == audiolog(f"{line} --jobs 2 --out two", folder).code == 3
    parts = sorted(path.relative_to(folder / "one") for path in (folder / "one").rglob("*.tsv"))
    assert parts == sorted(path.relative_to(folder / "two") for path in (folder / "two").rglob("*.tsv"))
    assert len(parts) == N
    for part in parts:
        assert (folder / "one" / part).read_bytes() == (folder / "two" / part).read_bytes()
    again = audiolog(f"{line} --jobs 2 --out two", folder)
    assert again.stderr.splitlines()[-1].startswith(f"audiolog: 0 recordings tagged, {N - 2} already there, 2 failed")
    kept = audiolog(f"{line} --jobs 2 --resume journal", folder)
    assert len(list((folder / "journal").glob("*.windows"))) == N - 1  # not the missing one's
    assert audiolog(f"{line} --jobs 1 --resume journal", folder).stdout == kept.stdout


def running(folder: Path, *more: str) -> "subprocess.Popen[bytes]":
    """A run of two workers that has begun to write what they found."""
    line = [sys.executable, "-m", "audiolog_cli", "tag", "--files-from", "long", "--weights", "w.safetensors", "--jobs", "2"]
    (folder / "long").write_text((folder / "list").read_text() * 40)
    process = subprocess.Popen([*line, *more], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    assert process.stdout
    for _ in range(3 * FEW):
        process.stdout.readline()
    return process


def group_is_gone(group: int) -> bool:
    """Whether no process of a group is left, within ten seconds."""
    for _ in range(100):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL, signal.SIGTERM])
def test_workers_end_with_the_run_however_it_ends(number: signal.Signals, folder: Path) -> None:
    with running(folder) as process:
        (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
        _, stderr = process.communicate(timeout=20)
    assert process.returncode == (130 if number == signal.SIGINT else -number)
    assert group_is_gone(process.pid)
    assert b"Traceback" not in stderr


def test_workers_end_when_the_reader_goes(folder: Path) -> None:
    with running(folder) as process:
        assert process.stdout
        process.stdout.close()
        assert process.wait(20) == 141
    assert group_is_gone(process.pid)


# With other work than tagging


def job(i: int) -> Job:
    return Job(f"{i}.wav")


def spread_over(
    n: int, work: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Generator[Job], list[str]]:
    """`n` recordings through two workers; what `work` says of a name is said, and the job comes out."""
    monkeypatch.chdir(tmp_path)
    jobs: list[Job | InputError] = [job(i) for i in range(n)]
    for i in range(n):
        Path(f"{i}.wav").touch()
    said: list[str] = []

    def done(jobs: Iterable[Job | InputError], say: Callable[[str], None]) -> Generator[Job]:
        for one in jobs:
            if isinstance(one, InputError):
                say(str(one))
            else:
                say(work(one.path))
                yield one

    return spread(jobs, 2, done, done, lambda text: said.append(text)), said


def test_what_kills_its_worker_costs_only_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = os.getpid()

    def work(path: str) -> str:
        if path in ("9.wav", "50.wav", "51.wav") and os.getpid() != here:
            os.kill(os.getpid(), signal.SIGKILL)
        return f"heard {path}"

    found, said = spread_over(70, work, tmp_path, monkeypatch)
    killed = {9, 50, 51}
    assert list(found) == [job(i) for i in range(70) if i not in killed]
    why = "the process that tagged it died; too little memory, or a file that crashes its decoder"
    assert said == [f"{i}.wav: {why}" if i in killed else f"heard {i}.wav" for i in range(70)]


def test_an_error_of_the_run_comes_after_what_was_found_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def work(path: str) -> str:
        if path == "40.wav":
            raise AudiologError("the journal cannot be written: no space left on device")
        return ""

    found, _ = spread_over(70, work, tmp_path, monkeypatch)
    came: list[Job] = []
    with pytest.raises(AudiologError, match="no space left"):  # noqa: PT012
        for one in found:
            came.append(one)  # noqa: PERF402
    assert came == [job(i) for i in range(40)]


def test_only_short_files_in_a_row_go_to_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "FEW", 2)
    monkeypatch.chdir(tmp_path)
    names = ["a", "b", "c", "long", "d", "e", "f", "g", "-", "h"]
    for name in names[:-2]:
        Path(name).touch()
    os.truncate("long", processes.SHORT + 1)
    here = os.getpid()

    def where(jobs: Iterable[Job | InputError], say: Callable[[str], None]) -> Generator[tuple[str, bool]]:
        for one in jobs:
            assert isinstance(one, Job)
            yield one.path, os.getpid() == here

    given: list[Job | InputError] = [*map(Job, names), Job("g", [(0.0, 1.0)])]
    away = [name for name, is_here in spread(given, 2, where, where, print) if not is_here]
    assert away == ["c", "f", "g"]
