"""Scores of held-out sounds in; how good each label is, what it is confused with, and which clips are odd, out.

Nothing here learns. A threshold is the one with the best F1 in a world where the label is rare, with half of the rest like the
windows of the lessons and half like the bank, of which it names few at the cost of missing some: what cannot be told apart would
otherwise be named all day.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from audiolog_cli.metrics.score_based import average_precision, threshold_curve
from audiolog_cli.teaching.regression import Floats, logit
from audiolog_cli.teaching.targets import Targets

LOWEST, HIGHEST = 0.001, 0.99  # thresholds
SURE = 2000  # seconds without the sound per false alarm
CONFUSED = 0.1  # share of seconds from which a label counts as taken for another


@dataclass(frozen=True, slots=True)
class Figure:
    """One label's cross-validation."""

    label: str
    clips: tuple[str, ...]  # names
    average_precision: float
    f1: float  # at the threshold
    threshold: float
    sure: float  # the threshold that almost nothing else exceeds, for `tag --sure`
    taken_for: tuple[tuple[str, float], ...]  # other labels, and the share of this one's seconds in which they are named
    own: tuple[float, ...]  # per clip: its seconds' scores above the threshold, from training without it; logits, on average
    rival: tuple[tuple[str, float], ...]  # per clip: the other label that is highest above its threshold, and how far
    alike: tuple[tuple[str, str], ...]  # pairs of clips that hold the same recording


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Scores of labels, each from training without the clip, and the truth about the same parts of windows."""

    labels: tuple[str, ...]
    scores: Floats  # (N, n, L) of cells, or of whole windows
    found: Targets  # of the same parts
    others: Floats  # (n_bank, L) of the bank
    names: tuple[str, ...]  # of all clips
    clips: tuple[tuple[int, ...], ...]  # by label, their numbers


def figures_of(tested: HeldOut, alike: Sequence[tuple[int, int]], share: float, most_false: float) -> tuple[Figure, ...]:
    """The figures of every label, each heard in `share` of the time and named for `most_false` of the bank at most.

    `alike` has the numbers of clips that hold the same recording.
    """
    labels = range(len(tested.labels))
    told_apart = [(*_told_apart(tested, label), tested.others[:, label]) for label in labels]
    thresholds = [max(best_threshold(*each, share), _above(each[2], most_false)) for each in told_apart]
    return tuple(_figure(tested, label, np.array(thresholds), told_apart[label], alike, share) for label in labels)


def _figure(
    tested: HeldOut,
    label: int,
    thresholds: Floats,
    told_apart: tuple[Floats, Floats, Floats],
    alike: Sequence[tuple[int, int]],
    share: float,
) -> Figure:
    _, unheard, others = told_apart
    its = tested.scores[(tested.found.known * tested.found.heard)[..., label] > 0]
    rates = (its >= thresholds).mean(axis=0) if len(its) else np.zeros(len(thresholds))
    order = [int(other) for other in np.argsort(rates)[::-1] if other != label and rates[other] >= CONFUSED]
    own, rival = zip(*(_of_clip(tested, clip, label, thresholds) for clip in tested.clips[label]), strict=True)
    threshold = float(thresholds[label])
    return Figure(
        tested.labels[label],
        tuple(tested.names[clip] for clip in tested.clips[label]),
        _ap(*told_apart),
        float(f1_at(threshold, *told_apart, share)),
        threshold,
        max(threshold, _above(unheard, 1 / SURE), _above(others, 1 / SURE)),
        tuple((tested.labels[other], float(rates[other])) for other in order[:2]),
        own,
        rival,
        tuple((tested.names[a], tested.names[b]) for a, b in alike if a in tested.clips[label]),
    )


def _of_clip(tested: HeldOut, clip: int, label: int, thresholds: Floats) -> tuple[float, tuple[str, float]]:
    """How far a clip's seconds are above its label's threshold, and which other label is highest above its own."""
    its = tested.scores[tested.found.clip == clip]
    above = (logit(its) - logit(thresholds)).mean(axis=0) if len(its) else np.zeros(len(thresholds), np.float32)
    others = [other for other in range(len(thresholds)) if other != label]
    best = max(others, key=lambda other: float(above[other]), default=-1)
    return float(above[label]), (tested.labels[best], float(above[best])) if others else ("", -np.inf)


def _told_apart(tested: HeldOut, label: int) -> tuple[Floats, Floats]:
    """A label's scores where it is known to be heard, and where it is known not to be."""
    known, heard = tested.found.known[..., label] > 0, tested.found.heard[..., label] > 0
    return tested.scores[..., label][known & heard], tested.scores[..., label][known & ~heard]


def _ap(heard: Floats, unheard: Floats, others: Floats) -> float:
    scores = np.concatenate([heard, unheard, others])
    return average_precision(threshold_curve(scores, np.arange(len(scores)) < len(heard)))


def best_threshold(heard: Floats, unheard: Floats, others: Floats, share: float) -> float:
    """The threshold with the best F1, if the sound is heard in `share` of all seconds and the rest is like windows and bank."""
    candidates = np.unique(np.append(heard, 1.0))
    best = int(np.argmax(f1_at(candidates, heard, unheard, others, share)))
    return float(np.clip(candidates[best], LOWEST, HIGHEST)) if len(heard) else 0.5


def f1_at(thresholds: Floats | float, heard: Floats, unheard: Floats, others: Floats, share: float) -> Floats:
    """F1 at each threshold if heard seconds weigh `share` and the others the rest, windows and bank alike."""
    recall = _share_over(heard, thresholds)
    false = np.mean([_share_over(scores, thresholds) for scores in (unheard, others) if len(scores)] or [0.0 * recall], axis=0)
    return np.asarray(2 * share * recall / (share + share * recall + (1 - share) * false))


def _share_over(scores: Floats, thresholds: Floats | float) -> Floats:
    """The share of scores that reach each threshold."""
    below = np.searchsorted(np.sort(scores), thresholds)
    return np.asarray(1 - below / max(1, len(scores)), np.float32)


def _above(scores: Floats, share: float) -> float:
    """The lowest threshold that at most `share` of the scores reach."""
    if not len(scores):
        return LOWEST
    most = np.sort(scores)[::-1][min(int(share * len(scores)), len(scores) - 1)]
    return float(np.clip(np.nextafter(most, np.float32(2)), LOWEST, HIGHEST))
