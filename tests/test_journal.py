"""`tag --resume`: killed at any moment, the second run gives the bytes of an uninterrupted one."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiolog_cli.cells import WindowScores
from audiolog_cli.errors import UsageError
from audiolog_cli.sound.audio import Window
from audiolog_cli.tagging.journal import Kept, block, blocks, ended, open_journal, pack, unpack
from audiolog_cli.tagging.parameters import Parameters
from tests.conftest import write_wav
from tests.shell import audiolog

PARAMETERS: Parameters = {"weights": "abc", "hop": 10.0}


def scores(index: int) -> WindowScores:
    values = np.random.default_rng(index).random((32, 3), np.float32)
    return WindowScores(index * 320_000, 320_000, 320_000, (index + 1) * 320_000, values[0, :2], values)


def windows(n: int) -> Iterator[Window]:
    return (Window(i, i * 320_000, i * 10.0, 320_000, np.zeros(1, np.float32)) for i in range(n))


def same(found: list[WindowScores], expected: list[WindowScores]) -> bool:
    return [pack(one) for one in found] == [pack(one) for one in expected]


def test_scores_are_kept_to_the_bit() -> None:
    assert same([unpack(pack(scores(3)))], [scores(3)])
    without_scenes = WindowScores(0, 1, 2, 3, np.zeros(0, np.float32), np.zeros((2, 5), np.float32))
    assert same([unpack(pack(without_scenes))], [without_scenes])


@given(st.integers(0, 6), st.data())
def test_any_cut_and_any_flipped_byte_leave_only_what_is_right(n: int, data: st.DataObject) -> None:
    """Whatever happened to the end of a journal, a second run gives all windows and scores only those that are not there."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "j"
        whole = b"".join(block(pack(scores(i))) for i in range(n)) + block(ended([]))
        damaged = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
        if damaged and data.draw(st.booleans()):
            damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        path.write_bytes(bytes(damaged))
        kept = Kept.at(path)
        missing = [window.index for window in kept.missing(windows(n))]
        assert missing == list(range(n - len(missing), n))
        assert same(list(kept.continued(map(scores, missing))), [scores(i) for i in range(n)])
        assert path.read_bytes() == whole
        assert Kept.at(path) == Kept(path, len(whole), n, is_complete=True)


@pytest.mark.parametrize("n_before", [0, 2])
def test_a_recording_that_is_named_twice_is_noted_once(n_before: int, tmp_path: Path) -> None:
    """Both are heard at the same time, perhaps in two processes; the next run finds each window once."""
    path = tmp_path / "j"
    path.write_bytes(b"".join(block(pack(scores(i))) for i in range(n_before)))
    twins = [Kept.at(path), Kept.at(path)]
    heard = [kept.continued(map(scores, range(n_before, 5))) for kept in twins]
    for found in zip(*heard, strict=True):
        assert same([found[0]], [found[1]])
    kept = Kept.at(path)
    assert (kept.n_windows, kept.is_complete) == (5, True)
    assert same(list(kept.continued(iter(()))), [scores(i) for i in range(5)])


def test_windows_that_an_earlier_version_noted_twice_are_heard_again(tmp_path: Path) -> None:
    (tmp_path / "j").write_bytes(b"".join(block(pack(scores(i))) for i in (0, 1, 0, 2, 1, 2)) + 2 * block(ended([])))
    assert Kept.at(tmp_path / "j").n_windows == 2
    (tmp_path / "j").write_bytes(2 * (block(pack(scores(0))) + block(ended([]))))
    kept = Kept.at(tmp_path / "j")
    assert (kept.n_windows, kept.is_complete) == (1, True)


def test_a_run_that_fails_keeps_what_it_had(tmp_path: Path) -> None:
    def score() -> Iterator[WindowScores]:
        yield from map(scores, range(2))
        raise OSError("no more memory")

    stream = Kept.at(tmp_path / "j").continued(score())
    assert same([next(stream), next(stream)], [scores(0), scores(1)])
    with pytest.raises(OSError, match="no more memory"):
        next(stream)
    assert (Kept.at(tmp_path / "j").n_windows, Kept.at(tmp_path / "j").is_complete) == (2, False)


def test_a_journal_in_use_is_refused(tmp_path: Path) -> None:
    with open_journal(tmp_path, PARAMETERS), pytest.raises(UsageError, match="another run is using it"):
        open_journal(tmp_path, PARAMETERS).__enter__()
    with open_journal(tmp_path, PARAMETERS):
        pass  # free again


def test_a_journal_of_other_parameters_is_refused_and_the_difference_shown(tmp_path: Path) -> None:
    with open_journal(tmp_path, PARAMETERS):
        pass
    with pytest.raises(UsageError, match=r"made with other parameters: hop was 10.0, is 5.0; name another folder$"):
        open_journal(tmp_path, {**PARAMETERS, "hop": 5.0}).__enter__()


def test_a_changed_recording_is_another_recording(tmp_path: Path) -> None:
    recording = write_wav(tmp_path / "a.wav", 1.0)
    with open_journal(tmp_path / "j", PARAMETERS) as journal:
        before = journal.file_of(str(recording), None)
        assert before == journal.file_of(str(recording), None) != journal.file_of(str(recording), [(0.0, 1.0)])
        write_wav(recording, 1.5)
        assert journal.file_of(str(recording), None) != before


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny_weights: Path) -> Path:
    folder = tmp_path_factory.mktemp("resume")
    (folder / "w.safetensors").write_bytes(tiny_weights.read_bytes())
    write_wav(folder / "a.wav", 64.5)
    write_wav(folder / "b.wav", 31.0, seed=1)
    return folder


COMMAND = ["tag", "a.wav", "b.wav", "--weights", "w.safetensors", "--hop", "5", "--quiet"]


def test_scores_of_a_resumed_run_are_the_same_to_the_bit_in_batches_too(folder: Path) -> None:
    """What is left is analysed in other batches than it would have been without the interruption."""
    command = "tag a.wav --weights w.safetensors --hop 5 -q --resume batches"
    whole = audiolog(command, folder)
    [kept] = (folder / "batches").glob("*.windows")
    finished = kept.read_bytes()
    for n_windows in (5, 6, 8):  # in and after the second batch
        with kept.open("rb") as file:
            cut = sum(len(block(payload)) for payload in islice(blocks(file), n_windows))
        kept.write_bytes(finished[:cut])
        assert audiolog(command, folder) == whole
        assert kept.read_bytes() == finished


def test_a_folder_that_cannot_be_made_is_wrong_usage(folder: Path) -> None:
    (folder / "taken").touch()
    for option, reason in (("--resume", "file exists"), ("--out", "file exists"), ("--scores-dir", "file exists")):
        done = audiolog(f"tag a.wav --weights w.safetensors {option} taken", folder)
        assert done == (2, "", f"audiolog: {option} taken: {reason}\n")
    below = audiolog("tag a.wav --weights w.safetensors --resume taken/j", folder)
    assert below == (2, "", "audiolog: --resume taken/j: not a directory\n")


def test_formats_and_thresholds_may_differ_from_run_to_run(folder: Path) -> None:
    whole = audiolog(" ".join(COMMAND), folder)
    resumed = f"{' '.join(COMMAND)} --resume journal"
    assert audiolog(resumed, folder) == whole
    as_json = audiolog(f"{resumed} --format jsonl", folder).stdout
    assert audiolog("table", folder, as_json.encode()) == audiolog("table", folder, whole.stdout.encode())
    assert "event" not in audiolog(f"{resumed} --threshold 1", folder).stdout


def test_an_interrupt_prints_the_command_that_resumes(folder: Path) -> None:
    line = [sys.executable, "-m", "audiolog_cli", *COMMAND, "--resume", "interrupted"]
    with subprocess.Popen(line, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout and process.stderr
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        assert process.wait(timeout=60) == 130
        message = process.stderr.read().decode()
    assert message == (
        "audiolog: interrupted; the same command continues: "
        "audiolog tag a.wav b.wav --weights w.safetensors --hop 5 --quiet --resume interrupted\n"
    )


def test_standard_input_cannot_be_resumed(folder: Path) -> None:
    result = audiolog("tag - --weights w.safetensors --resume stdin", folder, (folder / "b.wav").read_bytes())
    assert (result.code, result.stdout) == (1, "")
    assert result.stderr == "audiolog: -: standard input cannot be read again, --resume needs files\n"
