"""`tag --engine ray` on a real cluster of two nodes: the parts are those of a local `tag --out`, even when a node is lost."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

from audiolog_cli.sound.audio import DecodeOptions, decode
from tests.audio_files import wav_bytes
from tests.conftest import write_wav
from tests.shell import sh

NODE = {"num_cpus": 1, "num_gpus": 1, "object_store_memory": 100 << 20}
SETTINGS = {  # of the cluster: a lost node is noticed within seconds, a full machine kills no worker, no /dev/shm is needed
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_failure_threshold": "4",
    "RAY_memory_monitor_refresh_ms": "0",
    "RAY_OBJECT_STORE_ALLOW_SLOW_STORAGE": "1",
    "RAY_raylet_start_wait_time_s": "120",  # a busy machine
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "disabled",  # without it, `auto` takes a token for granted and a cluster of this kind has none
    "RAY_worker_niceness": "0",  # Ray's own 15 starves its workers where the machine has other work
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A cluster of two nodes; each says that it has a core and a GPU."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SETTINGS.items():  # before Ray is imported: some are read then
            patch.setenv(name, value)
        utils = pytest.importorskip("ray.cluster_utils", reason="Ray is not installed: pip install 'audiolog[scale]'")
        try:
            made = utils.Cluster(initialize_head=True, head_node_args=NODE | {"include_dashboard": False})
            made.second = made.add_node(**NODE)
        except Exception as error:  # plain ones, where Ray's processes do not answer within its own 15 s
            pytest.skip(f"Ray does not start here: {error}")
        yield made
        made.shutdown()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny_weights: Path) -> Path:
    folder = tmp_path_factory.mktemp("scale")
    (folder / "w.safetensors").write_bytes(tiny_weights.read_bytes())
    names = [write_wav(folder / f"night{number}.wav", 40.5 + number, seed=number).name for number in range(6)]
    (folder / "list").write_text("\n".join([*names, "missing.wav"]) + "\n")
    return folder


def parts(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_node_is_killed_and_the_parts_are_those_of_one_machine(cluster: Any, folder: Path) -> None:
    line = ["-m", "audiolog_cli", "tag", "--files-from", "list", "--weights", "w.safetensors", "--format", "jsonl"]
    on_cluster = ["--engine", f"ray:{cluster.address}", "--out", "cluster"]
    process = subprocess.Popen(
        [sys.executable, *line, *on_cluster], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    at_work_by = monotonic() + 200
    while (worker := stopped_at_work(cluster.second, folder)) is None:
        assert process.poll() is None and monotonic() < at_work_by
        sleep(0.02)
    cluster.remove_node(cluster.second, allow_graceful=False)
    with suppress(ProcessLookupError):
        os.kill(worker, signal.SIGKILL)
    stdout, stderr = process.communicate(timeout=300)

    assert (process.returncode, stdout) == (3, ""), stderr
    assert "its worker was lost, another one tagged it\n" in stderr
    assert "audiolog: missing.wav: no such file\n" in stderr
    assert "audiolog: 6 recordings tagged, 1 failed, " in stderr
    assert sh(f"audiolog {' '.join(line[2:])} --out here", folder).code == 3
    assert parts(folder / "cluster") == parts(folder / "here")


def test_a_run_begun_on_one_machine_goes_on_where_sound_comes_from_other_processes(cluster: Any, folder: Path) -> None:
    line = "audiolog tag --files-from list --weights w.safetensors --format jsonl"
    assert sh(f"{line} --out begun", folder).code == 3
    write_wav(folder / "night2.wav", 33.0, seed=9)  # replaced: its part is too
    (folder / "cut.mp3").write_bytes(b"not a sound file at all")
    done = sh(f"{line} cut.mp3 --out begun --engine ray:{cluster.address},gpus=0.5 --device cpu", folder, timeout=400)
    assert (done.code, done.stdout) == (3, "")
    assert sorted(done.stderr.splitlines()[:-1]) == [
        "audiolog: cut.mp3: not a readable audio file",
        "audiolog: missing.wav: no such file",
    ]
    assert done.stderr.splitlines()[-1].startswith("audiolog: 1 recording tagged, 5 already there, 2 failed, 0.01 hours of sound")
    sh(f"{line} cut.mp3 --out anew", folder)
    assert parts(folder / "begun") == parts(folder / "anew")


def test_a_running_cluster_is_found_and_a_terminal_shows_how_far_it_is(cluster: Any, folder: Path) -> None:
    """By `auto`, by its address in RAY_ADDRESS, and not with a token that it does not ask for."""
    line = "audiolog tag night0.wav night1.wav --weights w.safetensors --device cpu"
    shown = sh(f"script -qec '{line} --engine ray:auto,gpus=1 --out named' /dev/null", folder, timeout=400)
    assert shown.code == 0, shown.stdout
    lines = shown.stdout.split("\r\x1b[K")
    assert lines[-1].startswith("audiolog: 2 recordings tagged, 0 failed, 0.02 hours of sound, ")
    progress = re.compile(r"(\d recordings done, 0 failed; 0\.0\d hours tagged by \d workers)?")
    assert len(lines) > 1 and all(progress.fullmatch(each) for each in lines[:-1]), lines
    piped = sh(f"{line} --engine ray,gpus=1 --out variable", folder, timeout=400, RAY_ADDRESS=cluster.address)
    assert piped.code == 0 and piped.stderr.startswith("audiolog: 2 recordings tagged, ") and piped.stderr.count("\n") == 1
    assert parts(folder / "named") == parts(folder / "variable")
    token = sh(
        f"{line} --engine ray:auto,gpus=1 --out token", folder, timeout=400, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN="0" * 64
    )
    assert (token.code, token.stdout, token.stderr.count("\n")) == (1, "", 1), token.stderr
    assert token.stderr.startswith("audiolog: --engine ray: Ray stopped the run: The actor died unexpectedly before finishing")
    assert "; a cluster with RAY_AUTH_MODE token or disabled needs the same here); what is done stays in --out" in token.stderr


def test_a_decoder_waits_for_a_slow_network(cluster: Any, tmp_path: Path) -> None:
    """It reads an hour from a named pipe, and is never further ahead than the blocks it may hold."""
    import ray

    from audiolog_cli.tagging.worker import BLOCK_SECONDS, BLOCKS_AHEAD, decoded_elsewhere

    os.mkfifo(tmp_path / "hour.wav")
    taken: list[int] = []  # seconds

    def record() -> None:
        hour = wav_bytes(bytes(3600 * 64_000), 32_000, 1, 16)
        with suppress(BrokenPipeError), open(tmp_path / "hour.wav", "wb", buffering=0) as pipe:
            for second in range(3600):
                pipe.write(hour[second * 64_000 : (second + 1) * 64_000])
                taken.append(second)

    threading.Thread(target=record, daemon=True).start()
    ray.init(cluster.address, log_to_driver=False, logging_level="ERROR")
    try:
        samples = decoded_elsewhere(str(tmp_path / "hour.wav"), DecodeOptions(32_000), print)
        for used in range(1, 5):
            next(samples)
            until = monotonic() + 60
            while len(taken) < (used + BLOCKS_AHEAD) * BLOCK_SECONDS and monotonic() < until:
                sleep(0.1)
            sleep(1)  # it would go on now
            assert (used + BLOCKS_AHEAD) * BLOCK_SECONDS <= len(taken) < (used + BLOCKS_AHEAD + 1) * BLOCK_SECONDS
    finally:
        ray.shutdown()


@pytest.mark.parametrize(
    ("module", "options", "message"),
    [
        ("ray", "--engine ray --out o", "--engine ray: ray is not installed; pip install 'audiolog[scale]' brings it"),
        ("pyarrow", "--format parquet", "Parquet: pyarrow is not installed; pip install 'audiolog[parquet]' brings it"),
    ],
)
def test_what_is_not_installed_is_named(folder: Path, module: str, options: str, message: str) -> None:
    program = f"import sys; sys.modules[{module!r}] = None; from audiolog_cli.cli import main; sys.exit(main())"
    result = sh(f'{sys.executable} -c "{program}" tag night0.wav --weights w.safetensors {options}', folder)
    assert (result.code, result.stdout, result.stderr) == (2, "", f"audiolog: {message}\n")


def _command(folder: Path) -> bytes:
    try:
        return (folder / "cmdline").read_bytes()
    except OSError:  # gone by now
        return b""


def stopped_at_work(node: Any, recordings: Path) -> int | None:
    """A process of a node that has a recording of a folder open, stopped (SIGSTOP) so that it stays there; None if none has."""
    raylet = node.all_processes["raylet"][0].process.pid
    readers = {reader for path in recordings.glob("night*.wav") for reader in readers_of(path)}
    for reader in (reader for reader in readers if parent_of(reader) == raylet):
        os.kill(reader, signal.SIGSTOP)
        if any(reader in readers_of(path) for path in recordings.glob("night*.wav")):
            return reader
        os.kill(reader, signal.SIGCONT)
    return None


def parent_of(process: int) -> int:
    """The process that started it; 0 if it is gone."""
    with suppress(OSError):
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def readers_of(path: Path) -> set[int]:
    """The processes of Ray that have a file open."""
    found = set()
    ours = [folder for folder in Path("/proc").glob("[0-9]*") if b"ray::" in _command(folder)]
    for link in (link for folder in ours for link in folder.glob("fd/*")):
        with suppress(OSError):  # gone by now
            if link.readlink() == path:
                found.add(int(link.parts[2]))
    return found


@pytest.mark.parametrize("workers", ["", ",gpus=1 --device cpu"], ids=["cores", "a GPU and its decoder"])
def test_a_recording_that_kills_its_workers_is_given_up(cluster: Any, folder: Path, tmp_path: Path, workers: str) -> None:
    """Whoever opens it is killed with SIGKILL, as the kernel does when memory ends."""
    for name in ("w.safetensors", "night0.wav", "night1.wav"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    deadly = write_wav(tmp_path / "deadly.wav", 900.0)
    line = "-m audiolog_cli tag night0.wav deadly.wav night1.wav --weights w.safetensors --out o --format jsonl"
    on_cluster = f"--engine ray:{cluster.address}{workers}"
    process = subprocess.Popen(
        [sys.executable, *line.split(), *on_cluster.split()],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    killed = set[int]()
    while process.poll() is None:
        for reader in readers_of(deadly) - killed:
            os.kill(reader, signal.SIGKILL)
            killed.add(reader)
        sleep(0.1)
    stdout, stderr = process.communicate()

    message = "deadly.wav: 3 workers died while they tagged it; too little memory there, or a damaged recording"
    assert (process.returncode, stdout, len(killed)) == (3, "", 3), stderr
    assert f"audiolog: {message}\n" in stderr and "audiolog: 2 recordings tagged, 1 failed, " in stderr
    (failed,) = (tmp_path / "o" / "failed").iterdir()
    assert json.loads(failed.read_text().splitlines()[-1]) == {"kind": "error", "filename": "deadly.wav", "message": message}
    for name in ("night0", "night1"):
        (part,) = (tmp_path / "o").glob(f"{name}-*.jsonl")
        assert part.read_text() == sh(f"audiolog tag {name}.wav --weights w.safetensors --format jsonl", tmp_path).stdout


def test_the_ledger_counts_beginnings_and_seconds() -> None:
    from audiolog_cli.tagging.worker import Ledger

    ledger = Ledger()
    assert [ledger.begin(7) for _ in range(4)] == [1, 2, 3, 4]
    ledger.note(7, 60.0)
    ledger.note(8, 30.0)
    assert ledger.seconds() == 90.0


def test_blocks_are_what_decoding_gives(tmp_path: Path) -> None:
    """A GPU's worker gets the same samples, damage and errors from a CPU task as from its own decoder."""
    import numpy as np

    from audiolog_cli.tagging.worker import blocks

    path = write_wav(tmp_path / "a.wav", 71.3, rate=44_100)
    found = list(blocks(str(path), DecodeOptions(), os.getcwd()))
    assert [len(block) / 32_000 for block in found[:2]] == pytest.approx([30, 30], abs=1.5)  # whole chunks of the decoder
    assert np.array_equal(np.concatenate(found), np.concatenate(list(decode(str(path)))))  # type: ignore[arg-type]
    path.write_bytes(path.read_bytes()[:-1_000_000])
    assert "breaks off" in str(
        [block for block in blocks(str(path), DecodeOptions(), os.getcwd()) if not isinstance(block, np.ndarray)][0]
    )
    assert str(list(blocks("no.wav", DecodeOptions(), os.getcwd()))[0]) == "no.wav: no such file"
