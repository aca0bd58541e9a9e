"""`tag --out`: each recording in a file of its own, complete or absent, and not made again; at paths and URLs."""

import json
import os
import signal
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from audiolog_cli.errors import InputError, UsageError
from audiolog_cli.records import Cell, End
from audiolog_cli.tagging.parts import Parts, key_of
from tests.conftest import write_wav
from tests.shell import audiolog

RECORDS = [Cell("a.wav", 0.0, 1.0, "scene", "park", 0.9), End("a.wav", 1.0, 1, "w", "0.1.0")]


@pytest.fixture
def folder(tmp_path: Path, tiny_weights: Path) -> Path:
    (tmp_path / "w.safetensors").write_bytes(tiny_weights.read_bytes())
    write_wav(tmp_path / "a.wav", 12.5)
    write_wav(tmp_path / "b.wav", 7.0, seed=1)
    return tmp_path


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_parts_hold_what_stdout_would(folder: Path) -> None:
    guano = b"Timestamp: 2026-11-22T06:00:00+01:00\n"
    for name in ("a.wav", "b.wav"):
        with (folder / name).open("ab") as file:
            file.write(b"guan" + struct.pack("<I", len(guano)) + guano + bytes(len(guano) % 2))
    tag = "tag --weights w.safetensors --header-time"
    failures = {}
    for format in ("tsv", "jsonl", "parquet"):
        done = audiolog(f"{tag} a.wav b.wav none.wav --out {format} --format {format}", folder)
        assert (done.code, done.stdout) == (3, "")
        assert done.stderr.splitlines()[-1].startswith("audiolog: 2 recordings tagged, 1 failed, 0.01 hours of sound, ")
        found = names(folder / format)
        assert [name.split("-")[0] for name in found] == ["a", "b", "failed/none", "parameters.json"]
        for part, recording in zip(found, ("a.wav", "b.wav"), strict=False):
            alone = audiolog(f"{tag} {recording} --format {format}", folder)
            assert alone.stdout.encode("utf-8", "surrogateescape") == (folder / format / part).read_bytes()
            assert (alone.code, alone.stderr) == (0, "")
        failures[format] = (folder / format / found[2]).read_bytes()
    assert failures["tsv"] == b"filename\tmessage\nnone.wav\tnone.wav: no such file\n"
    assert failures["jsonl"] == b'{"kind":"error","filename":"none.wav","message":"none.wav: no such file"}\n'


def test_what_is_there_is_not_tagged_again_unless_it_changed(folder: Path) -> None:
    line = "tag a.wav b.wav none.wav --weights w.safetensors --out o"
    audiolog(line, folder)
    before = {name: (folder / "o" / name).stat().st_mtime_ns for name in names(folder / "o")}
    write_wav(folder / "b.wav", 3.0, seed=2)
    write_wav(folder / "none.wav", 2.0)
    again = audiolog(line, folder)
    assert again.code == 0
    assert again.stderr.startswith("audiolog: 2 recordings tagged, 1 already there, 0 failed, ")
    after = names(folder / "o")
    assert [name.split("-")[0] for name in after] == ["a", "b", "none", "parameters.json"]  # the failure is forgotten
    assert [name for name in after if name in before] == [after[0], "parameters.json"]  # b's part is another, the old one gone
    assert (folder / "o" / after[0]).stat().st_mtime_ns == before[after[0]]


def test_a_missing_disk_removes_no_finished_part(folder: Path) -> None:
    (folder / "card").mkdir()
    write_wav(folder / "card" / "1.wav", 2.0)
    write_wav(folder / "card" / "2.wav", 2.0, seed=1)
    line = "tag card/1.wav card/2.wav --weights w.safetensors --quiet --out kept"
    assert audiolog(line, folder).code == 0
    before = names(folder / "kept")
    (folder / "card").rename(folder / "away")
    missing = "audiolog: card/1.wav: no such file\naudiolog: card/2.wav: no such file\n"
    assert audiolog(line, folder) == (1, "", missing)
    assert names(folder / "kept") == before
    (folder / "away").rename(folder / "card")
    assert audiolog(line, folder) == (0, "", "")


def test_what_is_recorded_meanwhile_is_for_the_next_run(folder: Path) -> None:
    """A recording is read ahead, perhaps long before its part is written."""
    parts = Parts(str(folder / "o"), "tsv", with_time=False)
    with parts.opened({}) as there:
        assert not parts.finished(str(folder / "a.wav"), None, ())
        with (folder / "a.wav").open("ab") as file:
            file.write(bytes(64_000))
        assert parts.write(str(folder / "a.wav"), None, (), RECORDS).state == "done"
    with parts.opened({}) as there:
        (names,) = there.values()
        assert not parts.finished(str(folder / "a.wav"), None, names)


def test_other_parameters_are_refused(folder: Path) -> None:
    line = "tag a.wav --weights w.safetensors --out o"
    assert audiolog(line, folder).code == 0
    result = audiolog(f"{line} --threshold 0.7 --cell 2", folder)
    assert (result.code, result.stdout) == (2, "")
    assert result.stderr == (
        "audiolog: --out o: made with other parameters: cell was 1.0, is 2.0; "
        "thresholds was {}, is {'car': 0.7, 'dog': 0.7, 'siren': 0.7}; name another folder\n"
    )


def test_a_recording_without_its_scores_is_not_finished(folder: Path) -> None:
    for scores in ("s1", "s2"):
        assert audiolog(f"tag a.wav --weights w.safetensors --out o --scores-dir {scores}", folder).code == 0
    assert (folder / "s1" / "a.tsv").read_bytes() == (folder / "s2" / "a.tsv").read_bytes()


def test_standard_input_has_no_part(folder: Path) -> None:
    result = audiolog("tag --weights w.safetensors --out o", folder, (folder / "a.wav").read_bytes())
    assert (result.code, result.stdout) == (1, "")
    assert result.stderr == "audiolog: -: standard input cannot be read again, --out needs files\n"


def test_segments_have_parts_too(folder: Path) -> None:
    lines = audiolog("segment a.wav --window 2 --quiet", folder).stdout.splitlines(keepends=True)
    segments = "".join(lines[:2] + lines[3:]).encode()
    line = "tag --weights w.safetensors"
    whole = audiolog(line, folder, stdin=segments).stdout
    assert audiolog(f"{line} --out o", folder, stdin=segments).code == 0
    (part,) = (folder / "o").glob("a-*")
    assert part.read_text(encoding="utf-8") == whole != ""


def test_after_an_interrupt_no_half_part_is_left(folder: Path) -> None:
    write_wav(folder / "long.wav", 300.0)
    line = [sys.executable, "-m", "audiolog_cli", "tag", "b.wav", "long.wav", "--weights", "w.safetensors", "--out", "o"]
    with subprocess.Popen(line, cwd=folder, stderr=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"}) as process:
        while not (list((folder / "o").glob("b-*")) and list((folder / "o" / "unfinished").glob("*"))):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
        assert process.stderr and process.stderr.read().decode() == (
            "audiolog: interrupted; the same command continues: audiolog tag b.wav long.wav --weights w.safetensors --out o\n"
        )
    assert not list((folder / "o").glob("long-*"))
    write_wav(folder / "long.wav", 3.0)
    assert audiolog("tag b.wav long.wav --weights w.safetensors --out o", folder).stderr.startswith(
        "audiolog: 1 recording tagged, 1 already there, 0 failed"
    )
    assert not (folder / "o" / "unfinished").exists()


def test_a_second_run_in_the_same_folder_is_refused(folder: Path) -> None:
    line = f"tag a.wav --weights w.safetensors --out {folder / 'o'}"
    with Parts(str(folder / "o"), "tsv", with_time=False).opened({}):
        done = audiolog(line, folder)
    assert done == (2, "", f"audiolog: --out {folder / 'o'}: another run is using it; wait for it, or name another folder\n")


def test_parts_in_an_object_store(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """fsspec's memory:// stands in for object stores."""
    monkeypatch.chdir(folder)
    parts = Parts("memory://season/2026", "jsonl", with_time=False)
    with parts.opened({"hop": 10.0}) as there:
        assert there == {}
        assert parts.write("a.wav", None, (), RECORDS) == ("a.wav", "done", 1.0, "", (), False)

        def failing() -> object:
            yield RECORDS[0]
            raise InputError("b.wav: reading it broke off")

        assert parts.write("b.wav", None, (), failing()).message == "b.wav: reading it broke off"  # type: ignore[arg-type]
    with parts.opened({"hop": 10.0}) as there:
        assert sorted(there) == [key_of("a.wav", None), key_of("b.wav", None)]
        assert parts.finished("a.wav", None, there[key_of("a.wav", None)])
        assert not parts.finished("b.wav", None, there[key_of("b.wav", None)])
    with pytest.raises(
        UsageError, match="--out memory://season/2026: made with other parameters: hop was 10.0, is 5.0; name anoth"
    ):
        parts.opened({"hop": 5.0}).__enter__()

    import fsspec

    system = fsspec.filesystem("memory")
    (part,) = system.glob("/season/2026/a-*.jsonl")
    assert json.loads(system.cat_file(part).splitlines()[0])["label"] == "park"
    (failed,) = system.glob("/season/2026/failed/b-*.jsonl")
    assert [json.loads(line)["kind"] for line in system.cat_file(failed).splitlines()] == ["scene", "error"]
    assert not system.exists("/season/2026/unfinished")


def test_places_that_cannot_be_written_to(folder: Path) -> None:
    line = "tag a.wav --weights w.safetensors --out"
    (folder / "file").write_text("")
    assert audiolog(f"{line} file/o", folder)[::2] == (2, "audiolog: --out file/o: not a directory\n")
    assert audiolog(f"{line} nope://x", folder)[::2] == (
        2,
        "audiolog: nope://x: protocol not known: nope; expected a path or a URL such as s3://bucket/name\n",
    )


def test_names_are_safe_everywhere_and_differ() -> None:
    assert key_of("/nights/Süd 1?.wav", None).startswith("S_d_1_-")
    assert key_of("/a/x.wav", None) != key_of("/b/x.wav", None)
    assert key_of("/a/x.wav", None) != key_of("/a/x.wav", [(0.0, 1.0)])
    assert key_of("/a/../a/x.wav", None) == key_of("/a/x.wav", None)
    assert key_of("s3://bucket/x.wav", None).startswith("x-")
