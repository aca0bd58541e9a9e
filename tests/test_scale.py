"""`tag --engine ray` on a real cluster of two nodes: the parts are those of `tag --out` here, also when a node is lost."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

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
    on_cluster = ["--engine", "ray", "--address", cluster.address, "--out", "cluster"]
    process = subprocess.Popen(
        [sys.executable, *line, *on_cluster], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    both_at_work_by = monotonic() + 200
    while len(list((folder / "cluster" / "unfinished").glob("*"))) < 2:
        assert process.poll() is None and monotonic() < both_at_work_by
        sleep(0.02)
    cluster.remove_node(cluster.second, allow_graceful=False)
    stdout, stderr = process.communicate(timeout=300)

    assert (process.returncode, stdout) == (3, ""), stderr
    assert "its worker was lost, another one tagged it\n" in stderr
    assert "audiolog: missing.wav: no such file\n" in stderr
    assert "audiolog: 6 recordings tagged, 1 failed, " in stderr
    assert sh(f"audiolog {' '.join(line[2:])} --out here", folder).code == 3
    assert parts(folder / "cluster") == parts(folder / "here")


def test_a_second_run_tags_what_is_missing_and_sound_comes_from_other_processes(cluster: Any, folder: Path) -> None:
    write_wav(folder / "night2.wav", 33.0, seed=9)  # replaced: its part is too
    (folder / "cut.mp3").write_bytes(b"not a sound file at all")
    line = "audiolog tag --files-from list cut.mp3 --weights w.safetensors --format jsonl"
    done = sh(
        f"{line} --out cluster --engine ray --address {cluster.address} --gpus-per-worker 0.5 --device cpu", folder, timeout=400
    )
    assert (done.code, done.stdout) == (3, "")
    assert sorted(done.stderr.splitlines()[:-1]) == [
        "audiolog: cut.mp3: not a sound file that can be read",
        "audiolog: missing.wav: no such file",
    ]
    assert done.stderr.splitlines()[-1].startswith("audiolog: 1 recordings tagged, 5 were there, 2 failed, 0.01 hours of sound")
    sh(f"{line} --out here", folder)
    assert parts(folder / "cluster") == parts(folder / "here")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--engine ray", "--engine ray: its workers write files; say where with --out DIR|URL"),
        (
            "--engine ray --out o --resume j",
            "--resume: --engine ray has no need of it, what is in --out is not tagged again; leave it out",
        ),
        ("--address auto", "--address is for --engine ray"),
        ("--gpus-per-worker 1", "--gpus-per-worker is for --engine ray"),
        (
            "--out o --split-files --name-time auto",
            "--split-files is not for --out: there, each file is a recording of its own",
        ),
    ],
)
def test_options_that_do_not_go_together(folder: Path, options: str, message: str) -> None:
    result = sh(f"audiolog tag night0.wav --weights w.safetensors {options}", folder)
    assert (result.code, result.stdout, result.stderr) == (2, "", f"audiolog: {message}\n")


@pytest.mark.parametrize(
    ("module", "options", "message"),
    [
        ("ray", "--engine ray --out o", "--engine ray needs Ray (ray is not installed): pip install 'audiolog[scale]'"),
        ("pyarrow", "--format parquet", "Parquet needs pyarrow, which is not installed: pip install 'audiolog[parquet]'"),
    ],
)
def test_what_is_not_installed_is_named(folder: Path, module: str, options: str, message: str) -> None:
    program = f"import sys; sys.modules[{module!r}] = None; from audiolog_cli.cli import main; sys.exit(main())"
    result = sh(f'{sys.executable} -c "{program}" tag night0.wav --weights w.safetensors {options}', folder)
    assert (result.code, result.stdout, result.stderr) == (2, "", f"audiolog: {message}\n")


def test_a_recording_that_kills_its_workers_is_given_up() -> None:
    from audiolog_cli.errors import InputError
    from audiolog_cli.scale.worker import Ledger, _given_up

    ledger = Ledger()
    assert [ledger.begin(7) for _ in range(4)] == [1, 2, 3, 4]
    ledger.note(7, 60.0)
    ledger.note(8, 30.0)
    assert ledger.seconds() == 90.0
    with pytest.raises(InputError, match=r"^a.wav: 3 workers died while they tagged it; too little memory there, or a damaged"):
        next(_given_up("a.wav"))


def test_blocks_are_what_decoding_gives(tmp_path: Path) -> None:
    """A GPU's worker gets the same samples, damage and errors from a CPU task as from its own decoder."""
    import numpy as np

    from audiolog_cli.audio import DecodeOptions, decode
    from audiolog_cli.scale.worker import blocks

    path = write_wav(tmp_path / "a.wav", 71.3, rate=44_100)
    found = list(blocks(str(path), DecodeOptions(), os.getcwd()))
    assert [len(block) / 32_000 for block in found[:2]] == pytest.approx([30, 30], abs=1.5)  # whole chunks of the decoder
    assert np.array_equal(np.concatenate(found), np.concatenate(list(decode(str(path)))))  # type: ignore[arg-type]
    path.write_bytes(path.read_bytes()[:-1_000_000])
    assert "breaks off" in str(
        [block for block in blocks(str(path), DecodeOptions(), os.getcwd()) if not isinstance(block, np.ndarray)][0]
    )
    assert str(list(blocks("no.wav", DecodeOptions(), os.getcwd()))[0]) == "no.wav: no such file"
