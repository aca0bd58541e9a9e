"""Probabilities of windows in, cells out: what was heard in each second, on one grid for the whole recording.

A window's T frames divide its nominal length evenly: frame t covers [t, t + 1) x length / T (the paper's released code reads
39.06-ms frames as 40 ms and drifts). The grid of cells starts at the recording's first sample, whatever the windows' hop. All
positions are sample counts.

The rule for one cell and one window: `max` takes the highest of the frames whose centre lies in the cell (the one frame around
the cell's centre if the cell is shorter than a frame), `mean` the average over the cell's time. Where a cell spans two adjacent
windows, their parts are combined by the same rule; overlapping windows (`--hop` below the window) form several such tilings of
the recording, which are averaged, each weighted by the time it covers and by how far from the ends of its window that is: at its
ends a window knows only what came before or what comes after. A window's scene is weighted in each cell by the time it covers
there. Time that no window covered has no cell, and padding after the recording's end is ignored. Times are written in whole
milliseconds: a remainder that rounds to no length belongs to the cell before it.

A place is named only as precisely as it is known (`named`): the most probable scene if its probability reaches `scene_bar`, else
the smallest group of scenes whose probability reaches `group_bar`, else none.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from audiolog_cli.records import Cell

Scores = NDArray[np.float32]
Rule = Literal["max", "mean"]
OWN_SCENE = 0.5  # score from which a scene with a score of its own is named


@dataclass(frozen=True, slots=True)
class WindowScores:
    """What the network said about one window."""

    start: int  # first sample of the window in the recording
    n_samples: int  # valid samples; what follows is padding
    n_window: int  # nominal length in samples, which the frames divide evenly
    settled: int  # no later window starts before this sample
    scene: Scores  # (S,) probabilities, S = 0 for a model without scenes
    events: Scores  # (T, K) probabilities per frame


@dataclass(frozen=True, slots=True)
class CellScores:
    """The probabilities of every label in [onset, offset) seconds."""

    onset: float
    offset: float
    scene: Scores  # (S,)
    events: Scores  # (K,)


@dataclass(frozen=True, slots=True)
class Labels:
    """The names of the scores' columns, and the score at which each event becomes active."""

    scenes: Sequence[str]
    events: Sequence[str]
    thresholds: Scores  # (K,)
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)  # name -> scenes
    scene_bar: float = 0.0  # the lowest probability at which a scene is named
    group_bar: float = 1.0  # the same for a group, where no scene is named
    n_own_scenes: int = 0  # this many scenes, the last, have scores of their own, and are named first from OWN_SCENE on


def cell_scores(windows: Iterable[WindowScores], cell: float, rule: Rule, sample_rate: int) -> Iterator[CellScores]:
    """Turn the scores of windows, in order of their start, into cells of `cell` seconds; yield each as soon as it is complete.

    A cell that would begin and end in the same millisecond is left out (the one before it ends there), unless it is the only one.
    """
    previous: CellScores | None = None
    for scores in _all_cells(windows, round(cell * sample_rate), rule, sample_rate):
        if previous is None or round(scores.onset, 3) < round(scores.offset, 3):
            yield scores
        previous = scores


def _all_cells(windows: Iterable[WindowScores], n_cell: int, rule: Rule, sample_rate: int) -> Iterator[CellScores]:
    """Every cell of `n_cell` samples that a window reaches into."""
    pending: dict[int, _Pending] = {}
    tilings: list[int] = []  # per tiling of the recording, where its last window ends
    for window in windows:
        end = window.start + window.n_samples
        begun = pending.get(window.start // n_cell)
        if begun and begun.end < window.start:  # what lies between was not heard: another cell begins
            yield from (pending.pop(index).scores(rule, sample_rate) for index in sorted(pending))
        tiling = next((i for i, covered in enumerate(tilings) if covered <= window.start), len(tilings))
        tilings[tiling : tiling + 1] = [end]
        for index in range(window.start // n_cell, -(-end // n_cell)):
            lo, hi = max(index * n_cell, window.start), min((index + 1) * n_cell, end)
            events = frames_in(window, lo - window.start, hi - window.start, rule)
            part = _Part(hi - lo, inside(window, (lo + hi) / 2 - window.start), events)
            pending.setdefault(index, _Pending(lo, np.zeros_like(window.scene))).add(tiling, hi, part, window.scene)
        for index in sorted(pending):
            if (index + 1) * n_cell <= window.settled:
                yield pending.pop(index).scores(rule, sample_rate)
    for index in sorted(pending):
        yield pending.pop(index).scores(rule, sample_rate)


def inside(window: WindowScores, position: float) -> float:
    """How far from the nearer end of the window a position in samples is: 0 at its ends, 1 in its middle."""
    return 1 - abs(2 * position / window.n_window - 1)


def frames_in(window: WindowScores, lo: int, hi: int, rule: Rule) -> Scores:
    """(K,) event scores of samples [lo, hi) of a window, by the rule in the module docstring."""
    n_frames = len(window.events)
    if rule == "mean":
        first, weights = _overlaps(lo, hi, window.n_window, n_frames)
        mean: Scores = weights @ window.events[first : first + len(weights)]
        return mean
    first, last = _centres(lo, hi, window.n_window, n_frames)
    highest: Scores = window.events[first:last].max(axis=0)
    return highest


@lru_cache(maxsize=4096)
def _overlaps(lo: int, hi: int, n_window: int, n_frames: int) -> tuple[int, Scores]:
    """The frames that [lo, hi) touches: the first one's index, and the share of [lo, hi) that each of them covers."""
    edges = np.arange(n_frames + 1) * (n_window / n_frames)
    overlap = np.minimum(edges[1:], hi) - np.maximum(edges[:-1], lo)
    touched = np.flatnonzero(overlap > 0)
    weights = overlap[touched]
    return int(touched[0]), (weights / weights.sum()).astype(np.float32)


@lru_cache(maxsize=4096)
def _centres(lo: int, hi: int, n_window: int, n_frames: int) -> tuple[int, int]:
    """First and last + 1 of the frames whose centre lies in [lo, hi); the frame around the middle if there is none.

    >>> _centres(0, 32_000, 320_000, 32)  # centres at 0.156, 0.469, 0.781, 1.094 s ...
    (0, 3)
    >>> _centres(6_400, 9_600, 320_000, 32)  # [0.2, 0.3) s lies within frame 0, [0, 0.3125) s
    (0, 1)
    """
    centres = (np.arange(n_frames) + 0.5) * (n_window / n_frames)
    first, last = np.searchsorted(centres, (lo, hi))
    if first < last:
        return int(first), int(last)
    middle = (lo + hi) * n_frames // (2 * n_window)
    return middle, middle + 1


class _Part(NamedTuple):
    """What one window says about a cell."""

    n_samples: int  # of the cell that it covers
    inside: float
    events: Scores


@dataclass(slots=True)
class _Pending:
    """A cell to which later windows may still add."""

    start: int  # first sample heard
    scene: Scores  # sum over windows, weighted by samples
    end: int = 0  # after the last sample heard
    n_samples: int = 0  # heard, each tiling counted
    tilings: dict[int, list[_Part]] = field(default_factory=dict)

    def add(self, tiling: int, end: int, part: _Part, scene: Scores) -> None:
        self.end = max(self.end, end)
        self.n_samples += part.n_samples
        self.scene = self.scene + part.n_samples * scene
        self.tilings.setdefault(tiling, []).append(part)

    def scores(self, rule: Rule, sample_rate: int) -> CellScores:
        tilings = [_joined(parts, rule) for parts in self.tilings.values()]
        events = tilings[0]
        if len(tilings) > 1:
            weights = [sum(part.n_samples * part.inside for part in parts) for parts in self.tilings.values()]
            events = _weighted(tilings, weights)
        return CellScores(
            self.start / sample_rate, self.end / sample_rate, (self.scene / self.n_samples).astype(np.float32), events
        )


def _joined(parts: list[_Part], rule: Rule) -> Scores:
    """(K,) scores of one cell from windows side by side."""
    if len(parts) == 1:
        return parts[0].events
    n_samples, _, events = zip(*parts, strict=True)
    joined: Scores = np.max(events, axis=0) if rule == "max" else _weighted(events, n_samples)
    return joined


def _weighted(scores: Sequence[Scores], weights: Sequence[float]) -> Scores:
    """Their mean (K,), as `np.average` computes it, in a third of the time; it is needed once a cell."""
    mean = (np.array(scores) * np.array(weights, np.float64)[:, None]).sum(axis=0) / sum(weights)
    return mean.astype(np.float32)  # type: ignore[no-any-return]


def smoothed(cells: Iterable[CellScores], events: float, scene: float) -> Iterator[CellScores]:
    """Each cell's scores averaged with those of the cells around it, over `events` (`scene`) seconds in all: the weight falls
    from 1 for the cell itself to 0 for one whose middle is half of that away.

    Nothing is averaged across a gap that was not analysed. Buffers max(events, scene) seconds of cells, and yields each cell half
    of that late.
    """
    seconds = max(events, scene)
    held: list[CellScores] = []
    middles: list[float] = []
    next_out = 0  # index in `held` of the next cell to yield
    for cell in cells:
        if held and cell.onset != held[-1].offset:
            yield from (_average(held, middles, index, events, scene) for index in range(next_out, len(held)))
            held, middles, next_out = [], [], 0
        held.append(cell)
        middles.append((cell.onset + cell.offset) / 2)
        while next_out < len(held) and middles[-1] - middles[next_out] > seconds / 2:
            yield _average(held, middles, next_out, events, scene)
            next_out += 1
        first = min(next_out, bisect_left(middles, middles[min(next_out, len(held) - 1)] - seconds / 2))
        del held[:first], middles[:first]
        next_out -= first
    yield from (_average(held, middles, index, events, scene) for index in range(next_out, len(held)))


def _average(held: list[CellScores], middles: list[float], index: int, events: float, scene: float) -> CellScores:
    own, middle = held[index], middles[index]

    def near(reach: float) -> tuple[list[CellScores], Scores]:
        first, last = bisect_right(middles, middle - reach), bisect_left(middles, middle + reach)
        return held[first:last], _shares(tuple(other - middle for other in middles[first:last]), reach)

    def mean(scores: list[Scores], shares: Scores) -> Scores:
        weighted: Scores = np.add.reduce(shares * np.array(scores))
        return weighted

    scene_scores, event_scores = own.scene, own.events
    if scene:
        others, shares = near(scene / 2)
        scene_scores = mean([cell.scene for cell in others], shares)
    if events:
        others, shares = near(events / 2)
        event_scores = mean([cell.events for cell in others], shares)
    return CellScores(own.onset, own.offset, scene_scores, event_scores)


@lru_cache(maxsize=4096)
def _shares(distances: tuple[float, ...], reach: float) -> Scores:
    """(n, 1) shares of the cells at these distances in a mean, falling to 0 at `reach`."""
    weights = 1 - np.abs(distances) / reach
    shares: Scores = (weights / weights.sum()).astype(np.float32)[:, None]
    return shares


def cells(scores: Iterable[CellScores], filename: str, labels: Labels) -> Iterator[Cell]:
    """The cells of a recording: for each stretch its scene first, then every event at or above its threshold.

    Scores are rounded to three decimals, as they are written, and it is the rounded score that reaches a threshold or does not.
    Where no place is named, and for a model without scenes, the scene is "" with score 0: the line shows that the second was
    analysed. A recording shorter than half a millisecond has one cell of one millisecond.
    """
    thresholds = np.round(labels.thresholds.astype(np.float64), 6)  # as they were before they became float32
    groups = [(name, [labels.scenes.index(scene) for scene in members]) for name, members in labels.groups.items()]
    groups.sort(key=lambda group: len(group[1]))
    for score in scores:
        onset = round(score.onset, 3)
        offset = max(round(score.offset, 3), round(onset + 0.001, 3))
        scene, probability = named(score.scene, labels, groups)
        yield Cell(filename, onset, offset, "scene", scene, probability)
        events = np.round(score.events.astype(np.float64), 3)
        for index in np.flatnonzero(events >= thresholds).tolist():
            yield Cell(filename, onset, offset, "event", labels.events[index], float(events[index]))


def named(probabilities: Scores, labels: Labels, groups: Sequence[tuple[str, Sequence[int]]]) -> tuple[str, float]:
    """The place to name for scene probabilities (S,), and its rounded probability; ("", 0.0) where nothing reaches its bar.

    `groups` are (name, indices of its scenes), smallest first.

    >>> labels = Labels(("park", "forest", "office"), (), np.zeros(0, np.float32), scene_bar=0.75, group_bar=0.75)
    >>> for probabilities in ([0.75, 0.25, 0.0], [0.5, 0.375, 0.125], [0.375, 0.25, 0.375]):
    ...     named(np.array(probabilities, np.float32), labels, [("nature", [0, 1])])
    ('park', 0.75)
    ('nature', 0.875)
    ('', 0.0)
    """
    n_shared, values = len(labels.scenes) - labels.n_own_scenes, probabilities.tolist()  # argmax would hand over Python's lock
    for part, bar in ((slice(n_shared, None), OWN_SCENE), (slice(n_shared), labels.scene_bar)):
        best = max(values[part], default=-1.0)
        if (probability := round(best, 3)) >= bar:
            return labels.scenes[part][values[part].index(best)], probability
    for name, members in groups:
        if (probability := min(1.0, round(float(probabilities[members].sum()), 3))) >= labels.group_bar:
            return name, probability
    return "", 0.0
