"""Public data sets in their published layouts -> clips.tsv; and `make weights` from nothing but such sets, made small."""

from pathlib import Path

import numpy as np
import pytest

from audiolog_cli.mixing.clips import read_clips
from experiments.open_clips import OPEN
from experiments.public_clips import Found, divide, event
from tests.audio_files import sine, write_wav
from tests.shell import ROOT, sh

RATE = 32000
PROGRAM = f"python {ROOT}/experiments/public_clips.py"


def burst(path: Path, start: float, seconds: float, of: float = 5.0) -> None:
    """A tone in digital silence, as ESC-50 pads its clips."""
    wave = np.zeros(round(of * RATE), np.float32)
    wave[round(start * RATE) : round((start + seconds) * RATE)] = sine(seconds, RATE)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_wav(path, wave, RATE)


def write(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))


def public_sets(data: Path) -> None:
    """Two clips of ESC-50, two of UrbanSound8K (one from the recording of an ESC-50 clip), two voices, three scene recordings."""
    write(data / "ESC-50-master/meta/esc50.csv", "filename,fold,target,category,esc10,src_file,take",
          "1-100-A-0.wav,1,0,dog,True,100,A", "5-200-A-14.wav,5,14,chirping_birds,False,200,A")  # fmt: skip
    burst(data / "ESC-50-master/audio/1-100-A-0.wav", 1.0, 0.5)
    burst(data / "ESC-50-master/audio/5-200-A-14.wav", 0.0, 5.0)
    write(data / "UrbanSound8K/metadata/UrbanSound8K.csv", "slice_file_name,fsID,start,end,salience,fold,classID,class",
          "200-3-0-0.wav,200,0,4,1,1,3,dog_bark", "300-9-0-0.wav,300,0,4,1,2,9,street_music")  # fmt: skip
    burst(data / "UrbanSound8K/audio/fold1/200-3-0-0.wav", 0.0, 4.0, 4.0)
    burst(data / "UrbanSound8K/audio/fold2/300-9-0-0.wav", 0.0, 4.0, 4.0)
    for speaker in ("84", "174"):
        burst(data / f"LibriSpeech/dev-clean/{speaker}/1/{speaker}-1-0000.flac", 0.25, 1.5, 2.0)
    write(data / "TUT-acoustic-scenes-2017-development/meta.txt", "audio/b020_90_100.wav\tbeach\tb020",
          "audio/b021_0_10.wav\tbus\tb021", "audio/b022_0_10.wav\tforest_path\tb022")  # fmt: skip
    for name in ("b020_90_100", "b021_0_10", "b022_0_10"):
        burst(data / f"TUT-acoustic-scenes-2017-development/audio/{name}.wav", 0.0, 10.0, 10.0)


def test_every_set_is_found_and_sources_keep_together(tmp_path: Path) -> None:
    public_sets(tmp_path / "data")
    done = sh(f"{PROGRAM} data out", tmp_path)
    assert (done.code, done.stdout) == (0, "")
    first, *_, last = done.stderr.splitlines()
    assert first == "data/ESC-50-master/meta/esc50.csv: 2 files of 2 sources"
    assert last.startswith("out/clips.tsv: 8 clips; no clip of cafe_restaurant, home, ")
    clips = {clip.path.name: clip for clip in read_clips(tmp_path / "out")}
    assert [(clip.label, clip.onset, clip.offset) for clip in (clips["1-100-A-0.wav"], clips["84-1-0000.flac"])] == [
        ("dog_bark", 1.0, 1.5),
        ("speech", 0.24, 1.76),  # whole levels of 20 ms
    ]
    assert clips["b020_90_100.wav"].label == "seaside"
    assert "b021_0_10.wav" not in clips  # buses are no scene of the default weights
    assert clips["5-200-A-14.wav"].split == clips["200-3-0-0.wav"].split == "val"  # one recording of Freesound, in both sets
    assert clips["300-9-0-0.wav"].split == "train"


def test_a_source_is_in_one_split_even_when_sets_disagree() -> None:
    files = [Found(Path(name), source, "event", "bird", validates) for name, source, validates in (
        ("a", "s", False), ("b", "s", True), ("c", "t", False))]  # fmt: skip
    assert [file.validates for file in divide(files)] == [True, True, False]


def test_all_classes_of_the_two_sets_have_a_label() -> None:
    assert [event(name) for name in ("sneezing", "rooster", "brushing_teeth", "phone", "gun_shot")] == [
        "sneeze", "rooster", "other", "phone_ring", "gun_shot"]  # fmt: skip


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    code, _, stderr = sh(f"{PROGRAM} empty out", tmp_path)
    assert (code, stderr.partition(";")[0]) == (1, "empty: none of the data sets is there")
    public_sets(tmp_path / "data")
    (tmp_path / "data/UrbanSound8K/audio/fold2/300-9-0-0.wav").unlink()
    code, _, stderr = sh(f"{PROGRAM} data out", tmp_path)
    assert code == 1
    assert "300-9-0-0.wav" in stderr.splitlines()[-1]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "licence", ["CC0 1.0 (Freesound 242952)", "CC BY 4.0", "public domain (JFK)", "repo MIT License", "LGPL-3.0 (repo LICENSE)"]
)
def test_a_stated_licence_that_allows_commercial_use_is_open(licence: str) -> None:
    assert OPEN.search(licence)


@pytest.mark.parametrize(
    "licence", ["CC BY-NC 3.0", "CC BY-SA 4.0", "not stated", "MIT; audio origin not stated", "MIT, sounds per CREDITS.md"]
)
def test_any_other_licence_and_none_is_not_open(licence: str) -> None:
    assert not OPEN.search(licence)


def test_open_clips_are_named_where_they_lie(tmp_path: Path) -> None:
    columns = "path\tsource_id\tkind\tlabel\tonset\toffset\tduration\tsplit\tlicence"
    (tmp_path / "clips").mkdir()
    rows = ("a.wav\ts1\tevent\tdog_bark\t0\t1\t1\ttrain\tCC0", "b.wav\ts2\tevent\tcow\t0\t1\t1\tval\tCC BY-NC 3.0")
    write(tmp_path / "clips/clips.tsv", columns, *rows)
    assert sh(f"python {ROOT}/experiments/open_clips.py open clips", tmp_path).code == 0
    (clip,) = read_clips(tmp_path / "open")
    assert (clip.path, clip.label, clip.split, clip.licence) == (tmp_path / "clips/a.wav", "dog_bark", "train", "CC0")


@pytest.mark.slow
def test_weights_are_made_and_judged_from_public_sets_through_make(tmp_path: Path, shared: Path) -> None:
    """The whole recipe of the model card with few windows: it learns nothing, but it runs."""
    public_sets(tmp_path / "data")
    for name in ("300-9-0-1", "300-9-0-2"):  # music to validate on, and a scene recording for each split
        burst(tmp_path / f"data/UrbanSound8K/audio/fold9/{name}.wav", 0.0, 4.0, 4.0)
    write(tmp_path / "data/UrbanSound8K/metadata/UrbanSound8K.csv", "slice_file_name,fsID,start,end,salience,fold,classID,class",
          "200-3-0-0.wav,200,0,4,1,1,3,dog_bark", "400-9-0-0.wav,400,0,4,1,9,9,street_music")  # fmt: skip
    burst(tmp_path / "data/UrbanSound8K/audio/fold9/400-9-0-0.wav", 0.0, 4.0, 4.0)
    scenes = [f"audio/s{k:03}_0_10.wav\t{label}\ts{k:03}" for k in range(20) for label in (("office", "park")[k % 2],)]
    write(tmp_path / "data/TUT-acoustic-scenes-2017-development/meta.txt", *scenes)
    for k in range(20):
        burst(tmp_path / f"data/TUT-acoustic-scenes-2017-development/audio/s{k:03}_0_10.wav", 0.0, 10.0, 10.0)
    teacher = shared / "data/teacher/mn04_as_mAP_432.pt"
    assert sh(f"audiolog weights convert {teacher} --out mn04.safetensors -q", tmp_path).code == 0
    options = (
        f"BUILD={tmp_path}/build DATA={tmp_path}/data TEACHER={tmp_path}/mn04.safetensors POOL=8 POOL_VALIDATION=4 POOL_EPOCHS=1 "
        f"STEPS=1 "
        "TUNING_RECORDINGS=1 RECORDINGS=1 RECORDING_SECONDS=40"
    )
    made = sh(f"make -C {ROOT} --no-print-directory weights {options}", tmp_path, timeout=500)
    assert made.code == 0, made.stderr
    again = sh(f"make -C {ROOT} --no-print-directory weights {options}", tmp_path)
    assert "Nothing to be done for 'weights'" in again.stdout
    judged = sh(
        f"make -C {ROOT} --no-print-directory weights-eval {options} EVALUATED={tmp_path}/build/everyday.safetensors",
        tmp_path,
        timeout=500,
    )
    assert judged.code == 0, judged.stderr
    assert judged.stdout.count("| seconds | macro AP |") == 3
