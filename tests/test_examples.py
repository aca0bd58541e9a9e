"""The example recording is what its README says: its length, its references, sounds where the lists place them."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from audiolog_cli.mixing.vocabulary import EVENTS, SCENES
from audiolog_cli.sound import audio

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def spans(kind: str) -> list[tuple[float, float, str]]:
    with (EXAMPLES / f"farm_morning.{kind}s.tsv").open(newline="", encoding="utf-8") as lines:
        return [
            (float(row["onset"]), float(row["offset"]), row[f"{kind}_label"]) for row in csv.DictReader(lines, delimiter="\t")
        ]


@pytest.fixture(scope="module")
def wave() -> np.ndarray:
    return np.concatenate(list(audio.decode(str(EXAMPLES / "farm_morning.flac"))))


def test_recording_lasts_100_seconds_and_is_small_enough_for_a_repository(wave: np.ndarray) -> None:
    assert wave.size == 100 * audio.SAMPLE_RATE
    assert (EXAMPLES / "farm_morning.flac").stat().st_size < 2_100_000


def test_references_use_the_words_of_the_default_weights() -> None:
    assert {label for _, _, label in spans("event")} <= set(EVENTS)
    assert [label for _, _, label in spans("scene")] == ["park", "home"]
    assert set(SCENES) >= {"park", "home"}


def test_scenes_cover_the_recording_without_a_gap() -> None:
    (first, border, _), (next_onset, end, _) = spans("scene")
    assert (first, border, end) == (0.0, next_onset, 100.0)


def test_every_event_is_louder_than_the_quietest_second_of_its_scene(wave: np.ndarray) -> None:
    def level(onset: float, offset: float) -> float:
        part = wave[round(onset * audio.SAMPLE_RATE) : round(offset * audio.SAMPLE_RATE)]
        return 10 * np.log10(np.mean(part**2) + 1e-12)

    quiet = {label: min(level(t, t + 1) for t in range(int(onset), int(offset))) for onset, offset, label in spans("scene")}
    for onset, offset, label in spans("event"):
        place = "park" if onset < spans("scene")[0][1] else "home"
        assert level(onset, offset) > quiet[place] + 6, label


def test_the_program_makes_the_recording_again(tmp_path: Path, wave: np.ndarray) -> None:
    """As the README says, from Debian's sounds (AUDIOLOG_STAMPS, or where the package puts them); lists to the byte."""
    stamps = Path(os.environ.get("AUDIOLOG_STAMPS", "/usr/share/tuxpaint/stamps"))
    if not stamps.is_dir():
        pytest.skip(f"no sounds at {stamps}; unpack tuxpaint-stamps-default and set AUDIOLOG_STAMPS")
    subprocess.run([sys.executable, EXAMPLES / "farm_morning.py", stamps, tmp_path], check=True, capture_output=True)
    for name in ("farm_morning.events.tsv", "farm_morning.scenes.tsv"):
        assert (tmp_path / name).read_bytes() == (EXAMPLES / name).read_bytes()
    again = np.concatenate(list(audio.decode(str(tmp_path / "farm_morning.flac"))))
    assert np.abs(again - wave).max() <= 2 / 32768  # two steps of 16 bit: the resampler is FFmpeg's
