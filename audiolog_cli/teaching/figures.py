"""Scores of held-out sounds in; how good each label is, what it is confused with, and which clips are odd, out.

Nothing here learns. Scores are per second, as in `tag`; a threshold is the one with the best F1 in a world where the sound is
rare (`RARE`), with half of the other seconds like the windows of the lessons and half like the bank's sounds.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audiolog_cli.metrics.score_based import average_precision, threshold_curve
from audiolog_cli.teaching.lessons import Lessons
from audiolog_cli.teaching.targets import Floats, Targets

RARE = 0.05  # share of seconds in which a sound is expected
PLACE_RARE = 0.2  # the same for a place
ALIKE = 0.995  # cosine of two clips' features, less the mean of all, from which they hardly differ
SURE = 2000  # seconds without the sound per false alarm
CONFUSED = 0.1  # share of seconds from which a label counts as taken for another
Bools = NDArray[np.bool_]


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
    found: tuple[float, ...]  # per clip: its highest score, from training without it
    rival: tuple[str, ...]  # per clip: a label that its seconds resemble more than their own; "" for none
    alike: tuple[tuple[str, str], ...]  # clips that hardly differ


def event_figures(
    cells: Floats, found: Targets, others: Floats, lessons: Lessons, labels: tuple[str, ...], centres: dict[int, Floats]
) -> tuple[Figure, ...]:
    """The figures of every event, from held-out scores of cells (N, n, L) and those of the bank (n_bank, L)."""
    thresholds = [
        best_threshold(
            cells[..., label][found.known[..., label] > 0],
            found.heard[..., label][found.known[..., label] > 0] > 0,
            others[:, label],
            RARE,
        )
        for label in range(len(labels))
    ]
    return tuple(_figure(label, thresholds, cells, found, others, lessons, labels, centres) for label in range(len(labels)))


def _figure(
    label: int, thresholds: list[float], cells: Floats, found: Targets, others: Floats, lessons: Lessons,
    labels: tuple[str, ...], centres: dict[int, Floats],
) -> Figure:  # fmt: skip
    known = found.known[..., label] > 0
    heard = known & (found.heard[..., label] > 0)
    scores = np.concatenate([cells[..., label][known], others[:, label]])
    truth = np.concatenate([heard[known], np.zeros(len(others), bool)])
    rates = [float((cells[heard][:, other] >= thresholds[other]).mean()) if heard.any() else 0.0 for other in range(len(labels))]
    confused = [(labels[other], rates[other]) for other in np.argsort(rates)[::-1] if other != label and rates[other] >= CONFUSED]
    clips = [index for index, clip in enumerate(lessons.clips) if clip.label == label]
    best, rival = zip(*(_of_clip(index, label, thresholds, cells, found) for index in clips), strict=True)
    return Figure(
        labels[label],
        tuple(lessons.clips[index].name for index in clips),
        average_precision(threshold_curve(scores, truth)),
        _f1(cells[..., label][known] >= thresholds[label], heard[known], others[:, label] >= thresholds[label], RARE),
        thresholds[label],
        sure_threshold(thresholds[label], cells[..., label][known & ~heard], others[:, label]),
        tuple(confused[:2]),
        best,
        tuple(labels[other] if other >= 0 else "" for other in rival),
        _alike(clips, lessons, centres),
    )


def _of_clip(clip: int, label: int, thresholds: list[float], cells: Floats, found: Targets) -> tuple[float, int]:
    """A clip's highest score for its label, and a label that exceeds its threshold in more of the seconds than that; -1: none."""
    its = cells[found.clip == clip]
    if not len(its):
        return 0.0, -1
    over = (its >= np.array(thresholds)).mean(axis=0)
    other = int(over.argmax())
    return float(its[:, label].max()), other if other != label and over[other] > max(0.3, 2 * over[label]) else -1


def best_threshold(scores: Floats, heard: Bools, others: Floats, share: float) -> float:
    """The threshold with the best F1, if the sound is heard in `share` of all seconds and the rest is like windows and bank."""
    if not heard.any():
        return 0.5
    candidates = np.unique(np.concatenate([scores[heard], [1.0]]))
    figures = [_f1(scores >= one, heard, others >= one, share) for one in candidates]
    best = int(np.argmax(figures))
    return float(np.clip(candidates[best], 0.01, 0.99))


def sure_threshold(threshold: float, unheard: Floats, others: Floats) -> float:
    """A threshold that one in `SURE` of the seconds without the sound reaches, but no lower than `threshold`."""
    quantiles = [float(np.quantile(scores, 1 - 1 / SURE)) for scores in (unheard, others) if len(scores)]
    return float(np.clip(max(threshold, *quantiles, 0.0), 0.01, 0.99))


def _f1(named: Bools, heard: Bools, others: Bools, share: float) -> float:
    """F1 in which heard seconds weigh `share` and the others the rest, windows and bank alike."""
    recall = float(named[heard].mean()) if heard.any() else 0.0
    false = float(named[~heard].mean()) if (~heard).any() else 0.0
    if len(others):
        false = (false + float(others.mean())) / 2
    wanted, unwanted = share * recall, (1 - share) * false
    return 2 * wanted / (share + wanted + unwanted)


def centres_of(steps: Floats, found: Targets, lessons: Lessons) -> dict[int, Floats]:
    """The mean features of each clip's steps, less the mean of all clips."""
    means = {index: steps[found.clip == index].mean(axis=0) for index in range(len(lessons.clips)) if (found.clip == index).any()}
    middle = np.mean(list(means.values()), axis=0) if means else 0.0
    return {index: mean - middle for index, mean in means.items()}


def _alike(clips: list[int], lessons: Lessons, centres: dict[int, Floats]) -> tuple[tuple[str, str], ...]:
    pairs = []
    for position, first in enumerate(clips):
        for second in clips[position + 1 :]:
            a, b = centres.get(first), centres.get(second)
            if a is not None and b is not None and float(a @ b) > ALIKE * float(np.linalg.norm(a) * np.linalg.norm(b)):
                pairs.append((lessons.clips[first].name, lessons.clips[second].name))
    return tuple(pairs)


def place_figure(label: int, labels: tuple[str, ...], scores: Floats, heard: Bools, others: Floats, lessons: Lessons) -> Figure:
    mine = heard[:, label]
    threshold = best_threshold(scores[:, label], mine, others[:, label], PLACE_RARE)
    rates = {other: float((scores[mine, index] >= 0.5).mean()) for index, other in enumerate(labels) if index != label}
    all_scores, truth = np.concatenate([scores[:, label], others[:, label]]), np.concatenate([mine, np.zeros(len(others), bool)])
    return Figure(
        f"scene:{labels[label]}",
        tuple(clip.name for clip in lessons.clips if clip.place == label),
        average_precision(threshold_curve(all_scores, truth)),
        _f1(scores[:, label] >= threshold, mine, others[:, label] >= threshold, PLACE_RARE),
        threshold,
        threshold,
        tuple((other, rate) for other, rate in sorted(rates.items(), key=lambda pair: -pair[1])[:2] if rate >= CONFUSED),
        (),
        (),
        (),
    )
