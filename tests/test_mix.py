"""`audiolog mix`: recordings with their lists, pools in parts, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

from audiolog_cli.mixing import pool
from audiolog_cli.mixing.composing import write_flac
from audiolog_cli.sound import audio
from tests.shell import audiolog
from tests.sounds import made_clips

HEADER = "path\tsource_id\tkind\tlabel\tonset\toffset\tduration\tsplit\n"


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The made sounds as a folder of FLAC files with their table."""
    folder = tmp_path_factory.mktemp("clips")
    lines = []
    made, cache = made_clips()
    for clip in made:
        name = clip.path.with_suffix(".flac").name
        write_flac(cache.read(clip.path), folder / name)
        lines.append(f"{name}\t{clip.source_id}\t{clip.kind}\t{clip.label}\t0\t{clip.offset}\t{clip.duration}\ttrain\n")
    (folder / "clips.tsv").write_text(HEADER + "".join(lines))
    return folder


def test_recordings_come_with_lists_of_what_is_in_them(clips: Path, tmp_path: Path) -> None:
    result = audiolog(f"mix -q {clips} --all-labels --recordings 2 --seconds 20 --seed 4 --out out", tmp_path)
    assert (result.code, result.stdout, result.stderr) == (0, "out/train_000.flac\nout/train_001.flac\n", "")
    events = (tmp_path / "out" / "events.tsv").read_text().splitlines()
    scenes = (tmp_path / "out" / "scenes.tsv").read_text().splitlines()
    assert events[0] == "filename\tonset\toffset\tevent_label"
    assert scenes[0] == "filename\tonset\toffset\tscene_label"
    assert {line.split("\t")[3] for line in events[1:]} <= {"low", "high"}
    assert scenes[1].split("\t")[:2] == ["train_000.flac", "0.000"]
    assert scenes[-1].split("\t")[2] == "20.000"
    assert audio.exact_duration(str(tmp_path / "out" / "train_001.flac")) == 20.0


def test_the_same_seed_makes_the_same_bytes(clips: Path, tmp_path: Path) -> None:
    for out, seed in (("a", 1), ("b", 1), ("c", 2)):
        command = f"mix -q {clips} --all-labels --recordings 1 --seconds 15 --cache cache --seed {seed} --out {out}"
        assert audiolog(command, tmp_path).code == 0
    first, again, other = ((tmp_path / name / "train_000.flac").read_bytes() for name in "abc")
    assert first == again
    assert first != other


def test_two_processes_fill_one_pool(clips: Path, tmp_path: Path) -> None:
    command = f"mix -q {clips} --all-labels --windows 5 --style plain --cache cache --out pool"
    assert audiolog(f"{command} --part 1/2", tmp_path).code == 0
    assert pool.open_pool(tmp_path / "pool").state.tolist() == [0, 1, 0, 1, 0]
    assert audiolog(f"{command} --part 0/2", tmp_path).code == 0
    filled = pool.open_pool(tmp_path / "pool")
    assert filled.state.tolist() == [1] * 5
    assert (filled.facts.events, filled.facts.scenes) == (("high", "low"), ("hiss", "rumble"))
    assert np.isfinite(filled.log_mel).all()


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ("", 2, "give --recordings or --windows, and how many"),
        ("--recordings 1 --split val", 2, "--split val: none of the 6 clips is in it"),
        ("--windows 4 --style spicy", 2, "--style spicy: expected train, plain, validation"),
        (
            "--recordings 1 --licences (",
            2,
            "--licences (: not a regular expression: missing ), unterminated subpattern at position 0",
        ),
        ("--windows 4 --part 2/2", 2, "--part 2/2: expected K/N with K from 0 to N - 1"),
    ],
)
def test_what_cannot_be_made_is_refused_in_one_line(clips: Path, tmp_path: Path, options: str, code: int, message: str) -> None:
    result = audiolog(f"mix -q {clips} --all-labels --out out --cache cache {options}", tmp_path)
    assert (result.code, result.stdout, result.stderr) == (code, "", f"audiolog: {message}\n")


def test_a_folder_without_a_table_is_named(tmp_path: Path) -> None:
    result = audiolog("mix . --recordings 1 --out out", tmp_path)
    assert result.code == 1
    assert result.stderr.startswith("audiolog: clips.tsv: no such file; a folder of clips needs one")
