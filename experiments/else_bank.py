"""The bank of "everything else" beside weights: features of sounds that the weights know already, and of places, from audio
under open licences.

    python experiments/else_bank.py DATA CACHE weights/everyday.safetensors

DATA holds folders with clips.tsv and audio, CACHE the decoded clips (`audiolog mix --cache`). Written is everyday.else.npz:
features in 8 bits, from which no audio can be made. Nothing labelled `other` is in it: it may be what somebody wants to teach.
"""

import csv
import re
import sys
from pathlib import Path

import numpy as np
import torch

from audiolog_cli.mixing.augment import SAMPLE_RATE, decibels, noise, rms
from audiolog_cli.mixing.cache import open_cache
from audiolog_cli.mixing.production import whole_file
from audiolog_cli.mixing.windows import loop
from audiolog_cli.model.checkpoint import load
from audiolog_cli.tagging.options import LoadOptions
from audiolog_cli.tagging.tagger import load as load_tagger
from audiolog_cli.teaching.bank import SUFFIX, write_bank
from audiolog_cli.teaching.learning import embed

OPEN = re.compile(
    r"^(?!.*(NC|not stated|SA|originals|all sounds from|Freesound, per|research|personal|Pixabay|per file|Mixkit|fee|see ))"
    r"(CC BY|CC0|[Pp]ublic domain|US National Park|Apache|BSD|MIT|GPL|LGPL|MPL|README: MIT|repo |repository: )"
)  # as stated; what is also said to be of unknown, mixed or non-commercial origin is left out
CLIPS, WINDOWS_OF_PLACES = 900, 300
STEPS_OF_A_CLIP, STEPS_OF_A_PLACE = 3, 4
LENGTH = 10 * SAMPLE_RATE


def rows(data: Path) -> list[dict[str, str]]:
    """Clips of the train split under open licences; events of the vocabulary, and places."""
    found = []
    for table in sorted(data.glob("*/clips.tsv")):
        with table.open(encoding="utf-8") as lines:
            for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
                licence = row["licence"]
                if row["split"] == "train" and OPEN.search(licence) and row["label"] != "other":
                    found.append(row | {"path": str(table.parent / row["path"])})
    return found


def main() -> None:
    data, cache_folder, weights = (Path(argument) for argument in sys.argv[1:4])
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    every = rows(data)
    events = [row for row in every if row["kind"] == "event"]
    places = [row for row in every if row["kind"] == "scene"]
    events = [events[index] for index in rng.permutation(len(events))[:CLIPS]]
    cache = open_cache(cache_folder, [Path(row["path"]) for row in (*events, *places)], whole_file)
    tagger = load_tagger(LoadOptions(weights=str(weights.absolute()), device="cpu"))
    steps: list[np.ndarray] = []
    means: list[np.ndarray] = []
    batch: list[np.ndarray] = []
    parts: list[tuple[int, int]] = []

    def flush() -> None:
        for features, (first, last) in zip(embed(tagger, weights, batch), parts, strict=True):
            T = len(features)
            if last < 0:
                steps.append(features[rng.choice(T, min(T, STEPS_OF_A_PLACE), replace=False)])
                means.append(features.mean(axis=0))
            else:
                begin, end = first * T // LENGTH, max(first * T // LENGTH + 1, last * T // LENGTH)
                steps.append(features[np.unique(np.linspace(begin, min(T, end) - 1, STEPS_OF_A_CLIP).astype(int))])
        batch.clear()
        parts.clear()

    for row in events:
        start, stop = (int(float(row[name]) * SAMPLE_RATE) for name in ("onset", "offset"))
        sound = cache.read(Path(row["path"]), start, min(stop, start + 9 * SAMPLE_RATE))
        wave = noise(LENGTH, ("white", "pink", "brown")[int(rng.integers(3))], rng) * np.float32(decibels(rng.uniform(-70, -40)))
        first = int(rng.integers(max(1, LENGTH - len(sound))))
        wave[first : first + len(sound)] += sound * np.float32(decibels(rng.uniform(-40, -20)) / max(rms(sound), 1e-9))
        batch.append(wave)
        parts.append((first, first + len(sound)))
        if len(batch) == 16:
            flush()
    for _ in range(WINDOWS_OF_PLACES):
        path = Path(places[int(rng.integers(len(places)))]["path"])
        start = int(rng.integers(max(1, cache.n_samples(path) - LENGTH)))
        batch.append(loop(cache.read(path, start, start + LENGTH), LENGTH))
        parts.append((0, -1))
        if len(batch) == 16:
            flush()
    if batch:
        flush()
    out = weights.with_name(weights.stem + SUFFIX)
    write_bank(out, load(weights)[0], np.concatenate(steps), np.stack(means))
    print(f"{out}: {sum(map(len, steps))} steps, {len(means)} windows, {out.stat().st_size} bytes; from {len(every)} open clips")


if __name__ == "__main__":
    main()
