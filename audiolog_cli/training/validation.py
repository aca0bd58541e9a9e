"""How good a network is on the windows of a pool: the figures for early stopping and the model card.

In: a network and a pool of validation windows. Out: a few numbers by name, or the scores themselves, per second. A second's score
is the highest of the steps whose centre lies in it, its reference likewise. An event that was not mixed in but that the scene may
hold is not counted (`LabelTables.plausible`). Finished recordings are scored by `audiolog eval`, not here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from audiolog_cli.errors import UsageError
from audiolog_cli.metrics.score_based import Curve, average_precision, micro_f1_thresholds, threshold_curve
from audiolog_cli.metrics.segment_based import f1, mean_of_defined
from audiolog_cli.mixing.pool import WindowPool
from audiolog_cli.model.networks import Trainable
from audiolog_cli.training.batches import Wanted, labels_of, made_windows

Array = NDArray[np.float32]

BATCH_SIZE = 32  # windows


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores and references of N seconds (events) and M windows (scenes)."""

    events: Array  # (N, n_events) probabilities
    reference: NDArray[np.bool_]  # (N, n_events)
    counted: NDArray[np.bool_]  # (N, n_events)
    scenes: Array  # (M, n_scenes) probabilities
    scene: NDArray[np.int64]  # (M,) index, or a code below 0 for none


@torch.inference_mode()
def score(network: Trainable, pool: WindowPool, wanted: Wanted = None) -> Scores:
    """Run the network over the wanted windows of a pool."""
    indices, labels, seconds = made_windows(pool, wanted), labels_of(pool.facts), round(pool.facts.seconds)
    events, scenes = [], []
    device = next(network.parameters()).device
    for first in range(0, len(indices), BATCH_SIZE):
        chosen = indices[first : first + BATCH_SIZE]
        output = network.forward_features(torch.from_numpy(pool.log_mel[chosen]).float().to(device))
        # a network without one of the branches scores chance there
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


def curves(scores: Scores) -> list[Curve]:
    """The curve of every event class over its counted seconds."""
    counted = scores.counted.T
    return [threshold_curve(scores.events[c, k].astype(np.float64), scores.reference[c, k]) for k, c in enumerate(counted)]


def tuned_thresholds(scores: Scores) -> list[float]:
    """The thresholds (score >= threshold) that give the highest micro F1; a class without a reference gets the median."""
    of_classes = curves(scores)
    thresholds, known = micro_f1_thresholds(of_classes), [curve.n_positive > 0 for curve in of_classes]
    usual = float(np.median([t for t, k in zip(thresholds, known, strict=True) if k])) if any(known) else 0.5
    return [round(t if k else usual, 4) for t, k in zip(thresholds, known, strict=True)]


def micro_f1(scores: Scores, thresholds: Sequence[float]) -> float:
    """F1 over all counted seconds and classes; NaN without a reference or an estimate."""
    found = (scores.events >= np.asarray(thresholds)) & scores.counted
    return f1(int((found & scores.reference).sum()), int(scores.reference.sum()), int(found.sum()))


def scene_accuracy(scores: Scores) -> float:
    """Mean over the scenes of the share of their windows that are named correctly; NaN without a scene."""
    present = sorted({scene for scene in scores.scene.tolist() if scene >= 0})
    if not present:
        return float("nan")
    right = scores.scenes.argmax(axis=1) == scores.scene
    return float(np.mean([right[scores.scene == s].mean() for s in present]))


def summary(scores: Scores) -> dict[str, float]:
    """The figures of a record: macro AP, micro F1 with thresholds tuned on the same windows, scene accuracy, and a score of both.

    Only figures that are defined: without events or without scenes, the score is the other figure. UsageError if there is none.
    """
    figures = {
        "macro_ap": mean_of_defined([average_precision(curve) for curve in curves(scores)]),
        "micro_f1": micro_f1(scores, tuned_thresholds(scores)),
        "scene_accuracy": scene_accuracy(scores),
    }
    figures = {name: value for name, value in figures.items() if not np.isnan(value)}
    shares = [(share, figures[name]) for share, name in ((0.7, "macro_ap"), (0.3, "scene_accuracy")) if name in figures]
    if not shares:
        raise UsageError("the validation windows have neither an event nor a scene to judge by; take another fold, or label more")
    return figures | {"score": sum(share * value for share, value in shares) / sum(share for share, _ in shares)}
