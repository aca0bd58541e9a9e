"""The bank of "everything else" beside weights: features of sounds that the weights know, and of places, from openly licensed
audio.

    python experiments/else_bank.py DATA WORK weights/everyday.safetensors

DATA holds folders with clips.tsv and audio; WORK keeps the decoded clips and the windows made of them. Written is
everyday.else.npz: features in 8 bits, from which no audio can be made. Nothing labelled `other` is in it: it may be what somebody
wants to teach.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from open_clips import open_rows

from audiolog_cli.mixing.augment import SAMPLE_RATE, amplitude, noise, rms
from audiolog_cli.mixing.cache import FULL_SCALE, as_int16, open_cache
from audiolog_cli.mixing.windows import loop
from audiolog_cli.model.checkpoint import load
from audiolog_cli.sound.audio import whole
from audiolog_cli.tagging.options import LoadOptions
from audiolog_cli.tagging.tagger import Tagger
from audiolog_cli.tagging.tagger import load as load_tagger
from audiolog_cli.teaching.bank import SUFFIX, write_bank
from audiolog_cli.teaching.learning import embed

CLIPS, WINDOWS_OF_PLACES = 900, 300
STEPS_OF_A_CLIP, STEPS_OF_A_PLACE = 3, 4
LENGTH = 10 * SAMPLE_RATE


def rows(data: Path) -> list[dict[str, str]]:
    """Clips of the train split under open licences; events of the vocabulary, and places."""
    every = (row for table in sorted(data.glob("*/clips.tsv")) for row in open_rows(table.parent))
    return [row for row in every if row["split"] == "train" and row["label"] != "other"]


@dataclass(frozen=True, slots=True)
class BankSounds:
    """Windows of ten seconds, each with one known sound, or of a place."""

    samples: np.ndarray  # (n, LENGTH) int16, memory-mapped
    parts: np.ndarray  # (n, 2) first and last sample of the sound; (0, -1) for a place


def bank_sounds(data: Path, work: Path) -> BankSounds:
    """The windows, made once and kept in `work`."""
    waves, parts = work / "else.npy", work / "else_parts.npy"
    if not parts.is_file():
        made = list(_windows(data, work / "clips", waves))
        np.save(parts, np.array(made))
    return BankSounds(np.load(waves, mmap_mode="r"), np.load(parts))


def _windows(data: Path, cache_folder: Path, out: Path) -> Iterator[tuple[int, int]]:
    """Write the windows; yields where the sound of each lies."""
    rng = np.random.default_rng(0)
    every = rows(data)
    events = [row for row in every if row["kind"] == "event"]
    places = [row for row in every if row["kind"] == "scene"]
    events = [events[index] for index in rng.permutation(len(events))[:CLIPS]]
    places = [places[int(rng.integers(len(places)))] for _ in range(WINDOWS_OF_PLACES)]
    cache = open_cache(cache_folder, [Path(row["path"]) for row in (*events, *places)], whole)
    out.parent.mkdir(parents=True, exist_ok=True)
    waves = np.lib.format.open_memmap(out, "w+", np.int16, (len(events) + len(places), LENGTH))
    for index, row in enumerate(events):
        start, stop = (int(float(row[name]) * SAMPLE_RATE) for name in ("onset", "offset"))
        sound = cache.read(Path(row["path"]), start, min(stop, start + 9 * SAMPLE_RATE))
        wave = noise(LENGTH, ("white", "pink", "brown")[int(rng.integers(3))], rng) * np.float32(amplitude(rng.uniform(-70, -40)))
        first = int(rng.integers(max(1, LENGTH - len(sound))))
        wave[first : first + len(sound)] += sound * np.float32(amplitude(rng.uniform(-40, -20)) / max(rms(sound), 1e-9))
        waves[index] = as_int16(wave)
        yield first, first + len(sound)
    for index, row in enumerate(places, start=len(events)):
        path = Path(row["path"])
        start = int(rng.integers(max(1, cache.n_samples(path) - LENGTH)))
        waves[index] = as_int16(loop(cache.read(path, start, start + LENGTH), LENGTH))
        yield 0, -1


def bank_features(tagger: Tagger, sounds: BankSounds) -> tuple[np.ndarray, np.ndarray]:
    """A network's features of steps (n, C), those of a window one after the other, and of whole places (m, C)."""
    rng = np.random.default_rng(1)
    steps, means = [], []
    for begin in range(0, len(sounds.parts), 16):
        batch = list(sounds.samples[begin : begin + 16].astype(np.float32) / np.float32(FULL_SCALE))
        for features, (first, last) in zip(embed(tagger, tagger.path, batch), sounds.parts[begin:].tolist(), strict=False):
            T = len(features)
            if last < 0:
                steps.append(features[rng.choice(T, min(T, STEPS_OF_A_PLACE), replace=False)])
                means.append(features.mean(axis=0))
            else:
                start, end = first * T // LENGTH, max(first * T // LENGTH + 1, last * T // LENGTH)
                steps.append(features[np.unique(np.linspace(start, min(T, end) - 1, STEPS_OF_A_CLIP).astype(int))])
    return np.concatenate(steps), np.stack(means)


def main() -> None:
    data, work, weights = (Path(argument) for argument in sys.argv[1:4])
    torch.set_num_threads(1)
    tagger = load_tagger(LoadOptions(weights=str(weights.absolute()), device="cpu"))
    steps, means = bank_features(tagger, bank_sounds(data, work))
    out = weights.with_name(weights.stem + SUFFIX)
    write_bank(out, load(weights)[0], steps, means)
    print(f"{out}: {len(steps)} steps, {len(means)} windows, {out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
