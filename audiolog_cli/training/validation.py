"""How good a network is on the windows of a pool: the figures that early stopping and the model card look at.

In: a network and a pool of validation windows. Out: a few numbers by name, or the scores themselves, per second. A second's score is the
highest of the steps whose centre lies in it, its reference likewise. An event that nobody mixed in but that the scene may hold is
left out of the count (`Labels.plausible`). Finished recordings are scored by `audiolog eval`, not here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from audiolog_cli.errors import UsageError
from audiolog_cli.mixing.pool import NO_SCENE, Pool
from audiolog_cli.model.networks import Trainable
from audiolog_cli.training.batches import Wanted, labels_of, made_windows

Array = NDArray[np.float32]
FIGURES = ("score", "macro_ap", "micro_f1", "scene_accuracy")  # of `summary`, where they are defined


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores and references of N seconds (events) and M windows (scenes)."""

    events: Array  # (N, n_events) probabilities
    reference: NDArray[np.bool_]  # (N, n_events)
    counted: NDArray[np.bool_]  # (N, n_events)
    scenes: Array  # (M, n_scenes) probabilities
    scene: NDArray[np.int64]  # (M,) index or NO_SCENE


@torch.inference_mode()
def score(network: Trainable, pool: Pool, batch_size: int = 32, wanted: Wanted = None) -> Scores:
    """Run the network over the wanted windows of a pool."""
    indices, labels, seconds = made_windows(pool, wanted), labels_of(pool.facts), round(pool.facts.seconds)
    events, scenes = [], []
    device = next(network.parameters()).device
    for first in range(0, len(indices), batch_size):
        chosen = indices[first : first + batch_size]
        output = network.forward_features(torch.from_numpy(pool.log_mel[chosen]).float().to(device))
        # a network without one of the branches knows nothing there: chance
        silent = torch.zeros(len(chosen), pool.events.shape[1], pool.events.shape[2])
        equal = torch.zeros(len(chosen), len(pool.facts.scenes))
        heard = silent if output.event_logits is None else output.event_logits.float().cpu()
        places = equal if output.scene_logits is None else output.scene_logits.float().cpu()
        events.append(by_second(heard.sigmoid().numpy(), seconds))
        scenes.append(places.softmax(dim=1).numpy())
    scene = pool.scene[indices].astype(np.int64)
    reference = by_second(pool.events[indices], seconds) > 0
    counted = reference | ~labels.plausible[scene][:, None, :]
    flat = (reference.shape[0] * reference.shape[1], reference.shape[2])  # -1 says nothing where there are no events
    return Scores(
        np.concatenate(events).reshape(flat), reference.reshape(flat), counted.reshape(flat), np.concatenate(scenes), scene
    )


def by_second(steps: NDArray[Any], seconds: int) -> NDArray[Any]:
    """(B, T, K) over steps -> (B, seconds, K): the maximum of the steps whose centre lies in the second."""
    n_steps = steps.shape[1]
    second = ((np.arange(n_steps) + 0.5) * seconds / n_steps).astype(int)
    return np.stack([steps[:, second == s].max(axis=1) for s in range(seconds)], axis=1)


def average_precision(scores: Array, reference: NDArray[np.bool_]) -> float:
    """Area under the precision-recall steps; ties count as one step. NaN without a positive.

    >>> average_precision(np.array([0.9, 0.8, 0.1], np.float32), np.array([True, False, True]))
    0.8333333333333333
    """
    if not reference.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], np.cumsum(reference[order])
    ends = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)  # the last of each group of equal scores
    precision, recall = hits[ends] / (ends + 1), hits[ends] / hits[-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def average_precisions(scores: Scores) -> list[float]:
    """Average precision of every event class over the counted seconds."""
    counted = scores.counted.T
    return [average_precision(scores.events[c, k], scores.reference[c, k]) for k, c in enumerate(counted)]


def tuned_thresholds(scores: Scores) -> list[float]:
    """The thresholds (score >= threshold) that together give the highest micro F1; a class without a reference gets the median.

    Micro F1 = 2 TP / (reference + estimate) is at least f exactly where the sum over classes of 2 TP - f (reference + estimate) is not
    negative, and that sum is highest where every class is on its own: raise f until no thresholds reach it (Dinkelbach, 1967).
    Thresholds of the highest F1 class by class would name a class that the network hardly knows at every other sound.
    """
    ranked = [_ranked(scores.events[c, k], scores.reference[c, k]) for k, c in enumerate(scores.counted.T)]
    f1, n_reference = 0.0, int(scores.reference.sum())
    while True:
        kept = [int(np.argmax(2 * hits - f1 * counts)) for _, hits, counts in ranked]
        found = sum(int(hits[i]) for i, (_, hits, _) in zip(kept, ranked, strict=True))
        counted = sum(int(counts[i]) for i, (_, _, counts) in zip(kept, ranked, strict=True))
        reached = 2 * found / max(1, counted + n_reference)
        if reached <= f1:
            break
        f1 = reached
    known = [bool(column.any()) for column in scores.reference.T]
    thresholds = [float(cuts[i]) for i, (cuts, _, _) in zip(kept, ranked, strict=True)]
    usual = float(np.median([t for t, k in zip(thresholds, known, strict=True) if k])) if any(known) else 0.5
    return [round(t if k else usual, 4) for t, k in zip(thresholds, known, strict=True)]


def _ranked(scores: Array, reference: NDArray[np.bool_]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Possible thresholds from high to low, and for each the hits and the number of scores at or above it.

    Thresholds lie in the middle between neighbouring scores; the first, just above the highest score, names nothing. Without a score
    (no second of the class is counted) that one is alone.
    """
    if not len(scores):
        return np.ones(1), np.zeros(1, int), np.zeros(1, int)
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order].astype(np.float64), np.cumsum(reference[order])
    ends = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    below = np.append(ranked[ends[:-1] + 1], 0.0)
    highest = min(1.0, ranked[0] * 1.05 + 1e-4)
    return np.append(highest, (ranked[ends] + below) / 2), np.append(0, hits[ends]), np.append(0, ends + 1)


def micro_f1(scores: Scores, thresholds: Sequence[float]) -> float:
    """2 TP / (reference + estimate) over all counted seconds and classes; NaN when both are empty."""
    found = (scores.events >= np.asarray(thresholds)) & scores.counted
    total = int(found.sum()) + int(scores.reference.sum())
    return 2 * int((found & scores.reference).sum()) / total if total else float("nan")


def scene_accuracy(scores: Scores) -> float:
    """Mean over the scenes of the share of their windows that are named rightly; NaN without a scene."""
    present = sorted(set(scores.scene.tolist()) - {NO_SCENE})
    if not present:
        return float("nan")
    right = scores.scenes.argmax(axis=1) == scores.scene
    return float(np.mean([right[scores.scene == s].mean() for s in present]))


def summary(scores: Scores) -> dict[str, float]:
    """The figures of a record: macro AP, micro F1 with thresholds tuned on the same windows, scene accuracy, and a score of both.

    Only the figures that are defined: without an event, or without a scene, the score is what is left. UsageError if that is nothing.
    """
    precisions = [value for value in average_precisions(scores) if not np.isnan(value)]
    figures = {
        "macro_ap": float(np.mean(precisions)) if precisions else float("nan"),
        "micro_f1": micro_f1(scores, tuned_thresholds(scores)),
        "scene_accuracy": scene_accuracy(scores),
    }
    figures = {name: value for name, value in figures.items() if not np.isnan(value)}
    shares = [(share, figures[name]) for share, name in ((0.7, "macro_ap"), (0.3, "scene_accuracy")) if name in figures]
    if not shares:
        raise UsageError("the validation windows have neither an event nor a scene to judge by; take another fold, or label more")
    return figures | {"score": sum(share * value for share, value in shares) / sum(share for share, _ in shares)}
