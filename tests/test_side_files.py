"""Notes, indexes and parameters beside larger files: damage is one line, and processes do not destroy each other's."""

import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest

from audiolog_cli.errors import UsageError
from audiolog_cli.mixing import pool
from audiolog_cli.mixing.composing import write_flac
from audiolog_cli.side_files import alone, write_whole
from audiolog_cli.tagging.journal import open_journal
from audiolog_cli.tagging.parts import Parts
from tests.shell import Result, audiolog
from tests.sounds import made_clips

HEADER = "path\tsource_id\tkind\tlabel\tonset\toffset\tduration\tsplit\n"
MIX = "mix -q clips --all-labels --windows 6 --style plain --cache cache --out pool"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with clips in it: six in the split `train`, one with a label of its own in `val`."""
    (tmp_path / "clips").mkdir()
    lines = [HEADER, "gong.flac\tg\tevent\tgong\t0\t1\t1\tval\n"]
    made, cache = made_clips()
    for clip in made:
        name = clip.path.with_suffix(".flac").name
        write_flac(cache.read(clip.path), tmp_path / "clips" / name)
        lines.append(f"{name}\t{clip.source_id}\t{clip.kind}\t{clip.label}\t0\t{clip.offset}\t{clip.duration}\ttrain\n")
    (tmp_path / "clips" / "clips.tsv").write_text("".join(lines))
    return tmp_path


def test_processes_that_start_together_fill_one_pool_from_one_cache(folder: Path) -> None:
    """Without a lock each truncates what the other has decoded, and most clips are silence."""
    command = [sys.executable, "-m", "audiolog_cli", *MIX.split(), "--part"]
    together = [subprocess.Popen([*command, part], cwd=folder) for part in ("0/2", "1/2")]
    assert [process.wait(timeout=600) for process in together] == [0, 0]
    assert audiolog(MIX.replace("cache cache --out pool", "cache other --out alone"), folder).code == 0
    both, one = (pool.open_pool(folder / name) for name in ("pool", "alone"))
    for name in ("log_mel", "events", "scene", "state"):
        assert np.array_equal(getattr(both, name), getattr(one, name)), name
    assert both.facts == one.facts and both.state.all()


def test_all_labels_are_those_of_all_splits(folder: Path) -> None:
    """Otherwise a validation pool would not have the labels of the training pool."""
    assert audiolog(MIX.replace("6", "1"), folder).code == 0
    assert pool.read_facts(folder / "pool").events == ("gong", "high", "low")


def refused(done: Result, message: str, code: int = 2) -> None:
    assert (done.code, done.stdout) == (code, "")
    assert done.stderr == f"audiolog: {message}\n"


@pytest.mark.parametrize("content", [b"", b"[]", b'{"a.flac": [0]}', b"\xff\xfe", b"[" * 5000])
def test_a_damaged_index_of_clips_is_one_line(folder: Path, content: bytes) -> None:
    (folder / "cache").mkdir()
    (folder / "cache" / "index.json").write_bytes(content)
    refused(audiolog(MIX, folder), "cache/index.json: damaged, expected an index of clips; delete cache, it is made again")


def test_samples_that_are_gone_are_one_line(folder: Path) -> None:
    assert audiolog(MIX, folder).code == 0
    (folder / "cache" / "samples.i16").write_bytes(b"\0\0")
    done = audiolog(MIX, folder)
    assert done.code == 2 and done.stderr.startswith("audiolog: cache/samples.i16: damaged, expected ")


@pytest.mark.parametrize("content", [b"", b"[]", b'{"events": 3}', b"{}", b"\xff\xfe"])
def test_a_damaged_note_of_a_pool_is_one_line(folder: Path, content: bytes) -> None:
    (folder / "pool").mkdir()
    (folder / "pool" / "pool.json").write_bytes(content)
    refused(
        audiolog("train pool --validation pool --out run", folder),
        "pool/pool.json: damaged, expected the note of a pool; make the pool again",
    )


def test_a_table_of_clips_that_is_not_utf8_is_one_line(folder: Path) -> None:
    table = folder / "clips" / "clips.tsv"
    table.write_bytes(table.read_bytes().replace(b"gong", "göng".encode("latin-1")))
    done = audiolog(MIX, folder)
    assert done.code == 1 and done.stderr.startswith("audiolog: clips/clips.tsv: not a table in UTF-8: ")
    assert done.stderr.count("\n") == 1


def test_a_table_of_clips_with_a_byte_order_mark_is_read(folder: Path) -> None:
    table = folder / "clips" / "clips.tsv"
    table.write_bytes(b"\xef\xbb\xbf" + table.read_bytes())
    assert audiolog(MIX.replace("6", "1"), folder).code == 0


def test_a_line_that_is_too_short_is_named(folder: Path) -> None:
    with (folder / "clips" / "clips.tsv").open("a") as table:
        table.write("a.flac\tx\tevent\n")
    refused(audiolog(MIX, folder), "clips/clips.tsv:9: expected 8 columns, got 3", code=1)


@pytest.mark.parametrize("content", [b"", b"[1]", b"3", b"{", b"\xff\xfe"])
def test_damaged_parameters_are_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "parameters.json").write_bytes(content)
    opening: list[AbstractContextManager[object]] = [
        open_journal(tmp_path, {"hop": 10.0}),
        Parts(str(tmp_path), "tsv", False).opened({"hop": 10.0}),
    ]
    for opened in opening:
        with (
            pytest.raises(UsageError, match=r"parameters.json: damaged, expected a run's parameters; name another folder"),
            opened,
        ):
            pass


TRAIN = (
    "train pool --validation pool --out run --device cpu -q "
    "--set model=crnn --set preset=tiny --set steps=1 --set batch_size=2 --set epochs="
)


def test_the_state_of_a_run_that_is_empty_or_cut_is_one_line(folder: Path) -> None:
    assert audiolog(MIX, folder).code == 0
    assert audiolog(f"{TRAIN}1", folder).code == 0
    last = folder / "run" / "last.pt"
    whole = last.read_bytes()
    for content in (b"", whole[:1000], whole[:-1000], b"text"):
        last.write_bytes(content)
        refused(
            audiolog(f"{TRAIN}2 --resume", folder),
            "run/last.pt: damaged, expected the state of a run; start the run again in another --out",
        )
    last.write_bytes(whole)
    with alone(folder / "run" / "lock"):
        message = "run: another run is using this folder; wait for it, or give another --out"
        refused(audiolog(f"{TRAIN}2 --resume", folder), message)
    assert audiolog(f"{TRAIN}2 --resume", folder).code == 0


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    write_whole(tmp_path / "note", "old")
    (tmp_path / "note.unfinished").mkdir()  # nothing can be written there
    with pytest.raises(IsADirectoryError):
        write_whole(tmp_path / "note", "new")
    assert (tmp_path / "note").read_text() == "old"
