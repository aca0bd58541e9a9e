"""Calibration: the probabilities of composed recordings in, corrections and figures out.

A score is calibrated if, of the seconds that have it, that share is right. Scenes are corrected by one temperature, events by a
slope and a shift each, regularised towards those of all events together; both go into the last layers of the network, so `tag`
does not change. `named_shares` counts how often a place is named, and how often correctly; `reliability` draws the remaining
error.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from audiolog_cli.cells import Labels, named
from audiolog_cli.training.validation import Scores, micro_f1

Array = NDArray[np.floating]
N_BINS = 10
SHARED = 60.0  # seconds of a label at which its own calibration counts as much as that of all events together
EDGE = 1e-5  # probabilities are kept this far from 0 and 1


def logit(p: Array) -> Array:
    clipped = np.clip(p, EDGE, 1 - EDGE)
    return np.log(clipped / (1 - clipped))


def tempered(scenes: Array, temperature: float) -> Array:
    """Scene probabilities (N, S) after dividing their logits by `temperature`."""
    powers = np.power(np.maximum(scenes, 1e-9), 1 / temperature)
    return powers / powers.sum(axis=1, keepdims=True)


def best_temperature(scenes: Array, scene: NDArray[np.int64], smooth: object) -> float:
    """The temperature whose probabilities, averaged over time by `smooth`, make the true scenes (N,) most probable."""
    known = scene >= 0

    def surprise(temperature: float) -> float:
        p = smooth(tempered(scenes, temperature))[known]  # type: ignore[operator]
        return float(-np.log(np.maximum(p[np.arange(len(p)), scene[known]], 1e-9)).mean())

    return float(min(np.arange(0.4, 3.01, 0.05), key=surprise))


def slopes_and_shifts(scores: Scores) -> tuple[Array, Array]:
    """For every event the a and b of a logit x that is right as a * x + b: logistic regression (Platt, 1999) on the counted
    seconds.
    """
    together = _fit(logit(scores.events)[scores.counted], scores.reference[scores.counted])
    fits = np.tile(together, (scores.events.shape[1], 1))
    for k in range(len(fits)):
        counted = scores.counted[:, k]
        n_active = int(scores.reference[counted, k].sum())
        if n_active:
            own = _fit(logit(scores.events[counted, k]), scores.reference[counted, k], start=together, pull=SHARED / n_active)
            share = n_active / (n_active + SHARED)
            fits[k] = share * own + (1 - share) * together
    return fits[:, 0], fits[:, 1]


def _fit(x: Array, y: NDArray[np.bool_], start: Array | None = None, pull: float = 0.0) -> Array:
    """Slope and shift of least cross-entropy, with a quadratic penalty of weight `pull` on leaving `start`."""
    origin = np.array([1.0, 0.0]) if start is None else start
    theta = torch.tensor(origin, dtype=torch.float64, requires_grad=True)
    inputs, targets, home = (torch.as_tensor(np.asarray(a, np.float64)) for a in (x, y, origin))
    optimizer = torch.optim.LBFGS([theta], max_iter=50, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        fit = torch.nn.functional.binary_cross_entropy_with_logits(theta[0] * inputs + theta[1], targets, reduction="sum")
        total: torch.Tensor = fit / max(1.0, float(targets.sum())) + pull * (theta - home).square().sum()
        total.backward()  # type: ignore[no-untyped-call]
        return total

    optimizer.step(loss)  # type: ignore[arg-type]
    found = theta.detach().numpy()
    return np.array([max(found[0], 0.1), found[1]])


def calibrated(scores: Scores, slopes: Array, shifts: Array) -> Scores:
    """The same seconds with the events' scores brought to a * x + b."""
    return replace(scores, events=(1 / (1 + np.exp(-(slopes * logit(scores.events) + shifts)))).astype(np.float32))


def one_threshold(scores: Scores, precision: float = 0.0, slack: float = 0.0) -> float:
    """The threshold of all events alike, in hundredths, with the highest micro F1 of those that reach the precision, or the
    highest threshold whose micro F1 is at most `slack` lower: what it reports is right more often.

    On recordings of other sources it does better than each event's own threshold, which fits the few sources it was found on.
    """

    def value(threshold: float) -> tuple[float, float]:
        found = (scores.events >= threshold) & scores.counted
        share = float((found & scores.reference).sum() / max(1, found.sum()))
        f1 = micro_f1(scores, np.full(scores.events.shape[1], threshold))
        return min(share - precision, 0.0), float(np.nan_to_num(f1))  # NaN where nothing is found

    values = {hundredth / 100: value(hundredth / 100) for hundredth in range(5, 100)}
    reached, best = max(values.values())
    return max(threshold for threshold, (at, f1) in values.items() if at == reached and f1 >= best - slack)


def bins(promised: Array, right: NDArray[np.bool_], least: float = 0.0) -> list[tuple[float, float, float]]:
    """(mean score, share that is true, share of all) for ten equal ranges of scores from `least` on, without empty ones."""
    kept = promised >= least
    promised, right = promised[kept], right[kept]
    places = np.minimum((promised * N_BINS).astype(int), N_BINS - 1)
    return [
        (float(promised[places == b].mean()), float(right[places == b].mean()), float((places == b).mean()))
        for b in range(N_BINS)
        if (places == b).any()
    ]


def calibration_error(found: Sequence[tuple[float, float, float]]) -> float:
    """Expected calibration error (Naeini et al., 2015): the mean distance between score and truth."""
    return sum(abs(promise - truth) * share for promise, truth, share in found)


def named_shares(scores: Scores, scenes: Sequence[str], labels: Labels) -> dict[str, float]:
    """Of the seconds with a scene: how many are named at all, how many by a scene, and how many of each correctly (a group that
    holds it).
    """
    groups = sorted(
        ((name, [labels.scenes.index(scene) for scene in members]) for name, members in labels.groups.items()),
        key=lambda group: len(group[1]),
    )
    counts = {"seconds": 0, "named": 0, "by a scene": 0, "right": 0, "right scenes": 0}
    for probabilities, true in zip(scores.scenes[scores.scene >= 0], scores.scene[scores.scene >= 0], strict=True):
        name, _ = named(probabilities, labels, groups)
        counts["seconds"] += 1
        counts["named"] += bool(name)
        counts["by a scene"] += name in labels.scenes
        counts["right scenes"] += name == scenes[true]
        counts["right"] += name == scenes[true] or scenes[true] in labels.groups.get(name, ())
    total, found = counts["seconds"], max(1, counts["named"])
    return {
        "named": counts["named"] / total,
        "named by a scene": counts["by a scene"] / total,
        "right of the named": counts["right"] / found,
        "right of those named by a scene": counts["right scenes"] / max(1, counts["by a scene"]),
    }


def reliability(curves: Mapping[str, Sequence[tuple[float, float, float]]]) -> str:
    """An SVG with one panel per curve: score to the right, truth upwards; a point's area is its share of the seconds."""
    side, margin = 240, 40
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {len(curves) * (side + margin) + margin} {side + 2 * margin}"'
        ' font-family="sans-serif" font-size="11">'
    ]
    for number, (title, points) in enumerate(curves.items()):
        left = margin + number * (side + margin)

        def at(x: float, y: float, left: int = left) -> str:
            return f"{left + x * side:.1f},{margin + (1 - y) * side:.1f}"

        parts.append(f'<rect x="{left}" y="{margin}" width="{side}" height="{side}" fill="none" stroke="#999"/>')
        parts.append(f'<polyline points="{at(0, 0)} {at(1, 1)}" stroke="#999" stroke-dasharray="4" fill="none"/>')
        parts.append(
            f'<polyline points="{" ".join(at(promise, truth) for promise, truth, _ in points)}" stroke="#1f6feb" fill="none"/>'
        )
        for promise, truth, share in points:
            x, y = at(promise, truth).split(",")
            parts.append(f'<circle cx="{x}" cy="{y}" r="{2 + 14 * share**0.5:.1f}" fill="#1f6feb" fill-opacity="0.4"/>')
        parts.append(f'<text x="{left}" y="{margin - 10}">{title}, error {calibration_error(points):.3f}</text>')
        parts.append(
            f'<text x="{left}" y="{margin + side + 16}">0</text><text x="{left + side - 8}" y="{margin + side + 16}">1</text>'
        )
        parts.append(f'<text x="{left + side / 2 - 30}" y="{margin + side + 28}">probability</text>')
    return "\n".join([*parts, "</svg>\n"])
