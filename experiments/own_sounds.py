"""How well a few clips teach a new sound: the table of docs/own_sounds.md.

    python experiments/own_sounds.py DATA WEIGHTS OUT [--clips 5 10 20] [--draws 5] [--audioset MN04]

Sounds that nobody labelled (`other`) and that mean one thing (own_sounds.tsv joins their raw labels) are learned from clips of
the train split, as `audiolog train --extend --only` does, and looked for in recordings of five minutes composed from other
recordings: those of the val split, and where these are fewer than six, of sources of the train split that are kept back. Every
recording holds half of the labels, over scenes and among sounds of the vocabulary. OUT gets one JSON line a run; features of
the recordings are kept in OUT's folder.
"""

import argparse
import csv
import json
import re
import shutil
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from audiolog_cli.cells import WindowScores, cell_scores, smoothed
from audiolog_cli.metrics.score_based import average_precision, threshold_curve
from audiolog_cli.mixing.augment import SAMPLE_RATE
from audiolog_cli.mixing.cache import Cache, open_cache
from audiolog_cli.mixing.clips import Clip
from audiolog_cli.mixing.production import whole_file
from audiolog_cli.mixing.windows import Span, add_event, draw, loop, sounding_part
from audiolog_cli.model.checkpoint import Card
from audiolog_cli.sound.audio import windows
from audiolog_cli.tagging.options import LoadOptions
from audiolog_cli.tagging.tagger import Tagger, batches, load
from audiolog_cli.teaching.learning import TeachOptions, embed, teach
from audiolog_cli.teaching.material import read_material
from audiolog_cli.weights.labels import audioset

SECONDS, N_RECORDINGS = 300, 24
EVENTS_OF_A_LABEL, OTHER_EVENTS, EVENT_SECONDS, SNR_DB = 3, 16, 5.0, (6.0, 20.0)
TESTED_SOURCES = 6
Sources = dict[str, list[Clip]]


@dataclass(frozen=True, slots=True)
class Sounds:
    """Clips by label and source."""

    train: dict[str, Sources]
    test: dict[str, Sources]
    scenes: dict[str, Sources]  # of the val split
    others: dict[str, Sources]  # the vocabulary's events, of the val split


def read_sounds(data: Path) -> Sounds:
    """The labels of own_sounds.tsv, divided; the same on every machine."""
    with Path(__file__).with_suffix(".tsv").open(encoding="utf-8") as lines:
        patterns = {row["label"]: row["raw_label"] for row in csv.DictReader(lines, delimiter="\t")}
    own, scenes, others = (defaultdict(lambda: defaultdict(list)) for _ in range(3))
    for table in sorted(data.glob("*/clips.tsv")):
        with table.open(encoding="utf-8") as lines:
            for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
                label = next((name for name, pattern in patterns.items() if re.search(pattern, row["raw_label"], re.I)), "")
                where = own[label] if row["kind"] == "event" and row["label"] == "other" and label else None
                if where is None and row["split"] == "val" and row["label"] != "other":
                    where = {"scene": scenes, "event": others}.get(row["kind"], defaultdict(lambda: defaultdict(list)))[
                        row["label"]
                    ]
                if where is not None:
                    times = (float(row[name]) for name in ("onset", "offset", "duration"))
                    path = table.parent / row["path"]
                    where[row["source_id"]].append(Clip(path, row["source_id"], row["kind"], row["label"], *times, row["split"]))
    train, test = divided(own)
    return Sounds(train, test, scenes, others)


def divided(own: dict[str, Sources]) -> tuple[dict[str, Sources], dict[str, Sources]]:
    """Sources to learn from and to test on; 12 stay to learn from."""
    rng = np.random.default_rng(5)
    train: dict[str, Sources] = {}
    test: dict[str, Sources] = {}
    for label, sources in own.items():
        held = [name for name, clips in sources.items() if clips[0].split == "val"]
        free = [str(name) for name in rng.permutation([name for name in sources if name not in held])]
        n_more = max(0, min(TESTED_SOURCES - len(held), len(free) - 12))
        test[label] = {name: sources[name] for name in (*held, *free[:n_more])}
        train[label] = {name: sources[name] for name in free[n_more:]}
    return train, test


def recordings(sounds: Sounds, cache: Cache) -> Iterator[tuple[np.ndarray, list[Span]]]:
    """The test recordings and what was put into them."""
    rng = np.random.default_rng(11)
    for _ in range(N_RECORDINGS):
        n_total = SECONDS * SAMPLE_RATE
        names = [str(name) for name in rng.permutation(list(sounds.scenes))[:4]]
        wave = np.concatenate([stretch(sounds.scenes[name], n_total // 4, cache, rng) for name in names])
        labels = [str(label) for label in rng.permutation(list(sounds.test))[: len(sounds.test) // 2]]
        todo = [(label, sounds.test) for label in labels for _ in range(EVENTS_OF_A_LABEL)]
        todo += [(str(label), sounds.others) for label in rng.choice(list(sounds.others), OTHER_EVENTS)]
        spans: list[Span] = []
        for label, source in todo:
            sound = sounding_part(cache, draw(tuple(map(tuple, source[label].values())), rng), EVENT_SECONDS, rng)
            span = add_event(wave, sound, place(spans, sound.size, n_total, rng), rng.uniform(*SNR_DB), label)
            spans += [span] if span else []
        peak = float(np.abs(wave).max())
        yield wave * np.float32(0.9 / peak) if peak > 0.9 else wave, spans


def stretch(sources: Sources, n_samples: int, cache: Cache, rng: np.random.Generator) -> np.ndarray:
    clip = draw(tuple(map(tuple, sources.values())), rng)
    start = int(rng.integers(max(1, cache.n_samples(clip.path) - n_samples)))
    return loop(cache.read(clip.path, start, start + n_samples), n_samples)


def place(spans: list[Span], n_sound: int, n_total: int, rng: np.random.Generator) -> int:
    """A start where at most one other sound sounds, if twenty tries find one."""
    for _ in range(20):
        start = int(rng.integers(n_total - n_sound))
        onset, offset = start / SAMPLE_RATE, (start + n_sound) / SAMPLE_RATE
        if sum(span.onset < offset and span.offset > onset for span in spans) < 2:
            break
    return start


# Scores of the recordings


@dataclass(frozen=True, slots=True)
class Heard:
    """A recording as the network hears it."""

    starts: list[int]  # samples
    valid: list[int]
    features: np.ndarray  # (n_windows, T, C): features or scores
    spans: list[Span]


def heard(tagger: Tagger, sounds: Sounds, cache: Cache, weights: Path, scores: bool = False) -> list[Heard]:
    """Features of all recordings, or with `scores` the network's own event scores."""
    card = tagger.card
    found = []
    for wave, spans in recordings(sounds, cache):
        cut = list(windows([wave], card.window, card.hop or card.window, card.front_end.sample_rate))
        samples = [window.samples for window in cut]
        features = own_scores(tagger, samples) if scores else embed(tagger, weights, samples)
        found.append(
            Heard([window.start for window in cut], [window.n_samples for window in cut], features.astype(np.float16), spans)
        )
    return found


@torch.inference_mode()
def own_scores(tagger: Tagger, samples: list[np.ndarray]) -> np.ndarray:
    parts = [tagger.network(torch.from_numpy(np.stack(batch))).event_logits.sigmoid().numpy() for batch in batches(samples, 2)]
    return np.concatenate(parts)


def cells(one: Heard, scores: np.ndarray, card: Card) -> np.ndarray:
    """(n_cells, L) scores of seconds, as `tag` has them."""
    rate, hop = card.front_end.sample_rate, round((card.hop or card.window) * card.front_end.sample_rate)
    n_window, none = round(card.window * rate), np.zeros(0, np.float32)
    each = zip(one.starts, one.valid, scores, strict=True)
    found = cell_scores((WindowScores(a, n, n_window, a + hop, none, s) for a, n, s in each), 1.0, "max", rate)
    return np.stack([cell.events for cell in smoothed(found, card.smooth, 0.0)])


def figures(cells_of: list[np.ndarray], recs: list[Heard], label: str, column: int, threshold: float) -> dict[str, float]:
    """AP over seconds, F1 at the threshold and at the best one, false alarms an hour in recordings without the label."""
    scores, truth, alarms, hours = [], [], 0, 0.0
    for found, one in zip(cells_of, recs, strict=True):
        there = np.zeros(len(found), bool)
        for span in one.spans:
            if span.label == label:
                there[int(span.onset) : int(np.ceil(span.offset))] = True
        scores.append(found[:, column])
        truth.append(there)
        if not there.any():
            named = found[:, column] >= threshold
            alarms += int(named[0]) + int((named[1:] & ~named[:-1]).sum())
            hours += len(found) / 3600
    score, target = np.concatenate(scores), np.concatenate(truth)
    named = score >= threshold
    f1 = 2 * (named & target).sum() / max(1, named.sum() + target.sum())
    return {"ap": average_precision(threshold_curve(score, target)), "f1": float(f1), "alarms": alarms / hours if hours else 0.0}


# Runs


def run(sounds: Sounds, weights: Path, recs: list[Heard], n_clips: int, seed: int, folder: Path) -> dict[str, object]:
    """One draw of `n_clips` clips of each label that has so many."""
    rng = np.random.default_rng(seed)
    shutil.rmtree(folder, ignore_errors=True)
    for label, sources in sounds.train.items():
        chosen = rng.permutation(sorted(sources))[:n_clips]
        if len(chosen) < min(n_clips, 12):
            continue
        (folder / label).mkdir(parents=True)
        for index, name in enumerate(chosen):
            path = sources[str(name)][0].path
            (folder / label / f"{index:02}{path.suffix}").symlink_to(path)
    taught = teach(
        weights, read_material(folder, lambda name: name.endswith((".opus", ".wav", ".flac"))), TeachOptions(only=True), print
    )
    head = taught.network.heads[-1]
    with torch.inference_mode():
        scores = [head.events(torch.from_numpy(one.features.astype(np.float32))).sigmoid().numpy() for one in recs]
    found = [cells(one, score, taught.card) for one, score in zip(recs, scores, strict=True)]
    by_label = {
        figure.label: figures(found, recs, figure.label, index, figure.threshold)
        | {"cv_ap": figure.average_precision, "cv_f1": figure.f1, "clips": len(figure.clips)}
        for index, figure in enumerate(taught.figures)
    }
    return {"clips": n_clips, "draw": seed, "labels": by_label}


def mapped(sounds: Sounds, tagger: Tagger, cache: Cache, weights: Path) -> dict[str, object]:
    """The scores of a public tagger's classes of the same meaning, where there are such."""
    names = [entry.name for entry in audioset()]
    with Path(__file__).with_suffix(".tsv").open(encoding="utf-8") as lines:
        classes = {
            row["label"]: [names.index(name) for name in row["audioset"].split("; ") if name]
            for row in csv.DictReader(lines, delimiter="\t")
        }
    recs = heard(tagger, sounds, cache, weights, scores=True)
    found = [cells(one, one.features.astype(np.float32), tagger.card) for one in recs]
    by_label = {}
    for label, columns in classes.items():
        if columns and label in sounds.test:
            best = [one[:, columns].max(axis=1, keepdims=True) for one in found]
            tried = [figures(best, recs, label, 0, threshold) for threshold in np.linspace(0.02, 0.9, 45)]
            by_label[label] = max(tried, key=lambda one: one["f1"])
    return {"clips": "audioset", "draw": 0, "labels": by_label}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--clips", type=int, nargs="+", default=[5, 10, 20])
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--cache", type=Path, required=True, help="folder of decoded clips, as `audiolog mix --cache`")
    parser.add_argument("--audioset", action="store_true", help="WEIGHTS is a tagger of AudioSet: its own scores instead")
    options = parser.parse_args()
    torch.set_num_threads(1)
    sounds = read_sounds(options.data)
    paths = [
        clip.path
        for group in (sounds.test, sounds.scenes, sounds.others)
        for label in group.values()
        for clips in label.values()
        for clip in clips
    ]
    cache = open_cache(options.cache, paths, whole_file)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    tagger = load(LoadOptions(weights=str(options.weights.absolute()), device="cpu"))
    with options.out.open("a") as log:
        if options.audioset:
            print(json.dumps(mapped(sounds, tagger, cache, options.weights)), file=log)
            return
        recs = heard(tagger, sounds, cache, options.weights)
        for n_clips in options.clips:
            for seed in range(options.draws):
                result = run(sounds, options.weights, recs, n_clips, seed, options.out.parent / "clips")
                print(json.dumps({"weights": options.weights.stem} | result), file=log, flush=True)


if __name__ == "__main__":
    main()
