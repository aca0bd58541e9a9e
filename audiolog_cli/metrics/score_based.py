"""Metrics of scores, before any threshold: per label, the scores of all segments and whether the reference is active there.

Definitions of sed_scores_eval 0.0.4, segment-based (J. Ebbers et al., "Threshold Independent Evaluation of Sound Event Detection
Scores", ICASSP 2022): a segment's score is the highest of its frames. `score` and `target` are (n_segments,) arrays. A label
without a single active reference segment has no such metrics: they are NaN.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from audiolog_cli.metrics.activity import Bools, Floats, Ints


class Curve(NamedTuple):
    """How many segments are found at each threshold: one entry per distinct score, in descending order."""

    threshold: Floats  # active means score >= this
    true_positives: Ints
    false_positives: Ints
    n_positive: int
    n_negative: int


def threshold_curve(score: Floats, target: Bools) -> Curve:
    """Sort once; every metric here is read off this curve.

    >>> threshold_curve(np.array([0.9, 0.5, 0.5]), np.array([True, False, True]))[:3]
    (array([0.9, 0.5]), array([1, 2]), array([0, 1]))
    """
    order = np.argsort(-score, kind="stable")
    score, target = score[order], target[order]
    last = np.flatnonzero(np.append(score[1:] != score[:-1], True)) if len(score) else np.zeros(0, np.int64)
    found: Ints = np.cumsum(target, dtype=np.int64)[last]
    n_positive = int(target.sum())
    return Curve(score[last], found, last + 1 - found, n_positive, len(target) - n_positive)


def average_precision(curve: Curve) -> float:
    """Sum over thresholds of precision times gain in recall.

    >>> average_precision(threshold_curve(np.array([0.9, 0.8, 0.7]), np.array([True, False, True])))  # 1/1 x 1/2 + 2/3 x 1/2
    0.8333333333333333
    """
    if not curve.n_positive:
        return math.nan
    precision = curve.true_positives / (curve.true_positives + curve.false_positives)
    gain = np.diff(curve.true_positives, prepend=0) / curve.n_positive
    return float((precision * gain).sum())


def auroc(curve: Curve) -> float:
    """Area under true over false positive rate, as a staircase: ties between positives and negatives count as misses.

    >>> auroc(threshold_curve(np.array([0.9, 0.8, 0.7]), np.array([True, False, True])))
    0.5
    """
    if not curve.n_positive or not curve.n_negative:
        return math.nan
    found_before = np.concatenate(([0], curve.true_positives[:-1]))
    area = (found_before * np.diff(curve.false_positives, prepend=0)).sum()  # in whole segments: a perfect area is 1
    return float(area / (curve.n_positive * curve.n_negative))


def d_prime(area: float) -> float:
    """Sensitivity index: sqrt(2) times the normal quantile of the AUROC; infinite at 0 and 1.

    >>> round(d_prime(0.9), 6)
    1.812388
    """
    if math.isnan(area) or area <= 0 or area >= 1:
        return math.nan if math.isnan(area) else math.copysign(math.inf, area - 0.5)
    return math.sqrt(2) * NormalDist().inv_cdf(area)


class BestF1(NamedTuple):
    """The threshold with the highest F1, and the figures at it."""

    f1: float
    threshold: float
    precision: float
    recall: float
    true_positives: int
    n_estimated: int


def best_f1(curve: Curve) -> BestF1:
    """The highest F1 over all thresholds; of equals the highest threshold, halfway to the next lower score.

    If it is reached only with everything active, the threshold is minus infinity.

    >>> best_f1(threshold_curve(np.array([0.9, 0.8, 0.1]), np.array([True, True, False])))[:2]
    (1.0, 0.45)
    """
    if not curve.n_positive:
        return BestF1(math.nan, math.nan, math.nan, math.nan, 0, 0)
    n_estimated = curve.true_positives + curve.false_positives
    precision, recall = curve.true_positives / n_estimated, curve.true_positives / curve.n_positive
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-15)
    best = int(np.argmax(f1))
    is_lowest = best + 1 == len(curve.threshold)
    threshold = -math.inf if is_lowest else float(curve.threshold[best] + curve.threshold[best + 1]) / 2
    rates = float(precision[best]), float(recall[best])
    return BestF1(float(f1[best]), threshold, *rates, int(curve.true_positives[best]), int(n_estimated[best]))


def micro_f1_thresholds(curves: Sequence[Curve]) -> list[float]:
    """The thresholds, one per label, that together give the highest micro F1.

    Micro F1 = 2 TP / (reference + estimate) is at least f exactly if the sum over labels of 2 TP - f (reference + estimate) is
    not negative, and each label's term can be maximised alone: raise f until no thresholds reach it (Dinkelbach, 1967).
    Maximising each label's own F1 would report a badly recognised label all the time; here it is never reported. A threshold lies
    midway between two scores, so it does not matter whether an equal score counts; below the lowest score it is half of that
    score, and just above the highest (at most 1) where the label is best never reported.

    >>> sure = threshold_curve(np.array([0.9, 0.8, 0.1, 0.2]), np.array([True, True, False, False]))
    >>> noise = threshold_curve(np.array([0.4, 0.7, 0.8, 0.9]), np.array([True, False, False, False]))
    >>> [round(threshold, 4) for threshold in micro_f1_thresholds([sure, noise])]
    [0.5, 0.9451]
    """
    counts = [_counts_at_cuts(curve) for curve in curves]
    n_reference = sum(curve.n_positive for curve in curves)
    reached = 0.0
    while True:
        kept = [int(np.argmax(2 * found - reached * estimated)) for found, estimated in counts]
        n_found = sum(int(found[i]) for i, (found, _) in zip(kept, counts, strict=True))
        n_estimated = sum(int(estimated[i]) for i, (_, estimated) in zip(kept, counts, strict=True))
        higher = 2 * n_found / max(1, n_estimated + n_reference)
        if higher <= reached:
            return [_cuts(curve)[i] for i, curve in zip(kept, curves, strict=True)]
        reached = higher


def _counts_at_cuts(curve: Curve) -> tuple[Ints, Ints]:
    """True positives and estimates at each of `_cuts`; at the first, nothing is active."""
    return np.append(0, curve.true_positives), np.append(0, curve.true_positives + curve.false_positives)


def _cuts(curve: Curve) -> list[float]:
    if not len(curve.threshold):
        return [1.0]
    below = np.append(curve.threshold[1:], 0.0)
    return [min(1.0, float(curve.threshold[0]) * 1.05 + 1e-4), *((curve.threshold + below) / 2).tolist()]
