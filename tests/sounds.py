"""Synthetic sounds for the tests of mixing and training: tones as events, noises as scenes, each with its own source."""

from pathlib import Path

import numpy as np

from audiolog_cli.mixing.augment import SAMPLE_RATE, Wave
from audiolog_cli.mixing.cache import Cache, as_int16
from audiolog_cli.mixing.clips import Clip

TONES = {"low": 300.0, "high": 3000.0}
SCENES = {"hiss": 0.1, "rumble": 0.05}


def tone(hertz: float, seconds: float) -> Wave:
    times = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (0.3 * np.sin(2 * np.pi * hertz * times)).astype(np.float32)


def made_clips(seconds: float = 2.0, scene_seconds: float = 12.0) -> tuple[list[Clip], Cache]:
    """Two kinds of events with two sources each, two scenes; all in the split `train`."""
    rng = np.random.default_rng(5)
    sounds: dict[Path, Wave] = {}
    clips: list[Clip] = []
    for label, hertz in TONES.items():
        for source in range(2):
            path = Path(f"{label}_{source}.wav")
            sounds[path] = tone(hertz * (1 + source / 10), seconds)
            clips.append(Clip(path, f"{label}:{source}", "event", label, 0.0, seconds, seconds, "train"))
    for label, level in SCENES.items():
        path = Path(f"{label}.wav")
        white = rng.standard_normal(round(scene_seconds * SAMPLE_RATE)).astype(np.float32)
        smooth = np.convolve(white, np.ones(40, np.float32) / 6, "same").astype(np.float32)
        sounds[path] = level * (white if label == "hiss" else smooth)
        clips.append(Clip(path, label, "scene", label, 0.0, scene_seconds, scene_seconds, "train"))
    return clips, from_arrays(sounds)


def from_arrays(clips: dict[Path, Wave]) -> Cache:
    """A cache in memory."""
    spans: dict[str, tuple[int, int]] = {}
    parts, position = [np.zeros(0, np.int16)], 0
    for path, wave in clips.items():
        parts.append(as_int16(wave))
        spans[str(path)] = (position, wave.size)
        position += wave.size
    return Cache(np.concatenate(parts), spans)
