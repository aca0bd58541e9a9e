"""How well a few clips teach a new sound: the figures behind docs/own_sounds.md.

    python experiments/own_sounds.py DATA WORK OUT WEIGHTS [--random | --audioset] [--clips 5 10 20] [--draws 5]

The sounds of own_sounds.tsv, which no vocabulary had, are learned as `audiolog train --extend WEIGHTS --only` does, from draws of
clips, and looked for in composed recordings (own_sounds_material.py). --random takes a network of the same kind with random
weights, --audioset a public tagger's own scores for AudioSet classes of the same meaning. OUT gets one JSON line for each draw.
WORK keeps what does not depend on the draw, so that new weights cost minutes: decoded clips, recordings, the sounds of the bank,
and by network its features of recordings and its bank.
"""

import argparse
import json
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from else_bank import bank_features, bank_sounds
from own_sounds_material import Recording, Sounds, read_sounds, recordings

from audiolog_cli.cells import WindowScores, cell_scores, smoothed
from audiolog_cli.metrics.score_based import average_precision, threshold_curve
from audiolog_cli.mixing.windows import Span
from audiolog_cli.model import checkpoint
from audiolog_cli.model.checkpoint import Card
from audiolog_cli.sound.audio import windows
from audiolog_cli.tagging.options import LoadOptions
from audiolog_cli.tagging.tagger import Tagger, load
from audiolog_cli.teaching.bank import SUFFIX, find_bank, fingerprint, write_bank
from audiolog_cli.teaching.learning import Taught, TeachOptions, embed, teach
from audiolog_cli.teaching.material import read_material
from audiolog_cli.weights.labels import audioset

HERE = Path(__file__).parent
THRESHOLDS = np.linspace(0.02, 0.9, 45)  # for scores of AudioSet classes


@dataclass(frozen=True, slots=True)
class Heard:
    """A recording as a network hears it."""

    starts: np.ndarray  # (n_windows,) samples
    valid: np.ndarray  # (n_windows,) samples of each window that are not padding
    features: np.ndarray  # (n_windows, T, C) features, or scores
    recording: Recording


def heard(tagger: Tagger, recs: list[Recording], kept: Path, *, scores: bool = False) -> list[Heard]:
    """What the network hears in each recording: features, or with `scores` its own event scores; computed once."""
    card = tagger.card
    found = []
    for index, one in enumerate(recs):
        file = kept / f"{'scores' if scores else 'features'}-{index:02}.npz"
        if not file.is_file():
            cut = list(windows([one.wave()], card.window, card.hop or card.window, card.front_end.sample_rate))
            samples = [window.samples for window in cut]
            features = own_scores(tagger, samples) if scores else embed(tagger, tagger.path, samples)
            kept.mkdir(parents=True, exist_ok=True)
            np.savez(file, [w.start for w in cut], [w.n_samples for w in cut], features.astype(np.float16))
        with np.load(file) as arrays:
            found.append(Heard(*(arrays[name] for name in arrays.files), one))
    return found


@torch.inference_mode()
def own_scores(tagger: Tagger, samples: list[np.ndarray]) -> np.ndarray:
    batches = (torch.from_numpy(np.stack(samples[first : first + 4])) for first in range(0, len(samples), 4))
    return np.concatenate([tagger.network(batch).event_logits.sigmoid().numpy() for batch in batches])


def cells(one: Heard, scores: np.ndarray, card: Card) -> np.ndarray:
    """(n_cells, L) scores of seconds, as `tag` has them."""
    rate, hop = card.front_end.sample_rate, round((card.hop or card.window) * card.front_end.sample_rate)
    n_window, none = round(card.window * rate), np.zeros(0, np.float32)
    each = zip(one.starts.tolist(), one.valid.tolist(), scores, strict=True)
    found = cell_scores((WindowScores(a, n, n_window, a + hop, none, s) for a, n, s in each), 1.0, "max", rate)
    return np.stack([cell.events for cell in smoothed(found, card.smooth, 0.0)])


def seconds(spans: Sequence[Span], label: str, n_seconds: int) -> np.ndarray:
    """(n_seconds,) from floor(onset) to ceil(offset) of a label's spans."""
    there = np.zeros(n_seconds, bool)
    for span in spans:
        if span.label == label:
            there[int(span.onset) : int(np.ceil(span.offset))] = True
    return there


def figures(scores_of: list[np.ndarray], recs: list[Recording], label: str, threshold: float) -> dict[str, float]:
    """AP and F1 over seconds, false alarms an hour in recordings without the label; its scores of seconds come by recording.

    What a scene may hold unlabelled does not count. `any` has the false alarms with it.
    """
    scores, truth, alarms, alarms_any, hours, hours_any = [], [], 0, 0, 0.0, 0.0
    for score, one in zip(scores_of, recs, strict=True):
        there = seconds(one.events, label, len(score))
        counted = there | ~seconds(one.ignored, label, len(score))
        scores.append(score[counted])
        truth.append(there[counted])
        if not there.any():
            named = score >= threshold
            alarms, hours = alarms + n_runs(named & counted), hours + counted.sum() / 3600
            alarms_any, hours_any = alarms_any + n_runs(named), hours_any + len(score) / 3600
    score, target = np.concatenate(scores), np.concatenate(truth)
    named = score >= threshold
    return {
        "ap": average_precision(threshold_curve(score, target)),
        "f1": float(2 * (named & target).sum() / max(1, named.sum() + target.sum())),
        "alarms": alarms / hours,
        "any": alarms_any / hours_any,
    }


def n_runs(named: np.ndarray) -> int:
    """Stretches of seconds in a row."""
    return int(named[0]) + int((named[1:] & ~named[:-1]).sum())


# Columns


def draws(
    sounds: Sounds, weights: Path, there: list[Heard], n_clips: int, n_draws: int, folder: Path
) -> Iterator[dict[str, object]]:
    """Draws of `n_clips` clips of each label that has so many, or 12."""
    for seed in range(n_draws):
        put_clips(sounds, n_clips, seed, folder)
        material = read_material(folder, lambda name: name.endswith((".opus", ".wav", ".flac")))
        taught = teach(weights, material, TeachOptions(only=True, seed=seed), print)
        found = tested(taught, there)
        recs = [one.recording for one in there]
        by_label = {
            figure.label: figures([one[:, index] for one in found], recs, figure.label, figure.threshold)
            | {"cv_ap": figure.average_precision, "cv_f1": figure.f1, "clips": len(figure.clips)}
            for index, figure in enumerate(taught.figures)
        }
        yield {"clips": n_clips, "draw": seed, "labels": by_label}


def put_clips(sounds: Sounds, n_clips: int, seed: int, folder: Path) -> None:
    """Links to one clip of each drawn source, in a folder for each label."""
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


@torch.inference_mode()
def tested(taught: Taught, there: list[Heard]) -> list[np.ndarray]:
    """(n_cells, L) scores of each recording."""
    events = taught.network.heads[-1].events
    scores = (events(torch.from_numpy(one.features.astype(np.float32))).sigmoid().numpy() for one in there)
    return [cells(one, score, taught.card) for one, score in zip(there, scores, strict=True)]


def mapped(sounds: Sounds, there: list[Heard], card: Card) -> dict[str, object]:
    """A public tagger's scores for classes of the same meaning, each label at the threshold that is best on these recordings."""
    names = list(audioset())
    found = [cells(one, one.features.astype(np.float32), card) for one in there]
    by_label = {}
    for label, classes in sounds.classes.items():
        if classes and label in sounds.test:
            best = [one[:, [names.index(name) for name in classes]].max(axis=1) for one in found]
            tried = [figures(best, [one.recording for one in there], label, threshold) for threshold in THRESHOLDS]
            by_label[label] = max(tried, key=lambda one: one["f1"])
    return {"clips": "its own classes", "draw": 0, "labels": by_label}


# Networks


def with_bank(weights: Path, data: Path, work: Path) -> Path:
    """Weights that have a bank beside them: these, or a copy in `work`."""
    network, card = checkpoint.load(weights)
    if find_bank(network, weights) is not None:
        return weights
    copy = work / "networks" / fingerprint(network)[:12] / f"{weights.stem}.safetensors"
    if not copy.with_name(copy.stem + SUFFIX).is_file():
        copy.parent.mkdir(parents=True, exist_ok=True)
        checkpoint.save(copy, network, card)
        tagger = load(LoadOptions(weights=str(copy.absolute()), device="cpu"))
        write_bank(copy.with_name(copy.stem + SUFFIX), network, *bank_features(tagger, bank_sounds(data, work)))
    return copy


@torch.no_grad()
def at_random(weights: Path, recs: list[Recording], work: Path) -> Path:
    """A network of the same kind with random weights, its normalisation fitted to sound as training would have done."""
    network, card = checkpoint.load(weights)
    torch.manual_seed(0)
    fresh = type(network)(network.config, network.front_end).eval()
    for module in fresh.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            module.train()
            module.momentum = None  # the mean over all batches
    n_window = round(card.window * card.front_end.sample_rate)
    for one in recs:
        fresh(torch.from_numpy(one.wave()[: 4 * n_window].reshape(4, n_window)))
    out = work / "networks" / "random.safetensors"
    out.parent.mkdir(parents=True, exist_ok=True)
    checkpoint.save(out, fresh.eval(), card)
    return out


def runs(options: argparse.Namespace) -> Iterator[dict[str, object]]:
    """What goes into each line: which network, and its figures."""
    sounds = read_sounds(options.data, options.sounds, options.learned)
    recs = recordings(sounds, options.work)
    weights = at_random(options.weights, recs, options.work) if options.random else options.weights
    if not options.audioset:
        weights = with_bank(weights, options.data, options.work)
    tagger = load(LoadOptions(weights=str(weights.absolute()), device="cpu"))
    digest = fingerprint(checkpoint.load(weights)[0])
    there = heard(tagger, recs, options.work / f"heard-{sounds.key}" / digest[:12], scores=options.audioset)
    if options.audioset:
        yield {"network": "AudioSet", "fingerprint": digest} | mapped(sounds, there, tagger.card)
        return
    for n_clips in options.clips:
        for draw in draws(sounds, weights, there, n_clips, options.draws, options.work / "drawn" / options.out.stem):
            yield {"network": weights.stem, "fingerprint": digest} | draw


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("data", "work", "out", "weights"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--random", action="store_true")
    parser.add_argument("--audioset", action="store_true")
    parser.add_argument("--sounds", type=Path, default=HERE / "own_sounds.tsv")
    parser.add_argument("--learned", type=int, default=12, help="sources of a label that are not tested on")
    parser.add_argument("--clips", type=int, nargs="+", default=[5, 10, 20])
    parser.add_argument("--draws", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    begun = options.out.with_suffix(".begun")
    with begun.open("w", encoding="utf-8") as log:
        for line in runs(options):
            print(json.dumps(line), file=log, flush=True)
    begun.replace(options.out)
    print(f"{options.out}: {time.process_time():.0f} s of CPU")


if __name__ == "__main__":
    main()
