"""From times to segments: which label is active in which segment of a file.

Intervals are three arrays of one length: onset and offset in seconds, label as a column index. Results have one row per segment
of `segment` seconds and one column per label. Frame scores are given with the T + 1 `edges` of their T frames, in seconds.

The rules by which an estimate becomes active segments (`--decode`):

    any       an event, or a frame above the threshold, activates every segment it touches: floor(onset) to ceil(offset), sed_eval
    mean      a segment is active when the mean of its scores (for events: the share of it they cover) is above the threshold
    baseline  DCASE 2023 task 4B's baseline: runs of frames above the threshold are events, and both ends are floored
"""

import math
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Decode = Literal["any", "mean", "baseline"]

TIME_DECIMALS = 6  # to which sed_scores_eval rounds the borders of frames and segments


class Intervals(NamedTuple):
    """Labelled stretches [onset, offset) of one file: three arrays of one length."""

    onset: Floats  # seconds
    offset: Floats  # seconds
    label: Ints  # column index

    def where(self, chosen: Bools | Ints) -> "Intervals":
        """The intervals that a mask keeps, or that indices pick, in their order."""
        return Intervals(self.onset[chosen], self.offset[chosen], self.label[chosen])


def count_segments(duration: float, segment: float) -> int:
    """How many segments a file of `duration` seconds has; the last one may be shorter.

    >>> count_segments(9.2, 1.0)
    10
    """
    return math.ceil(duration / segment)


def active_segments(intervals: Intervals, n_segments: int, n_labels: int, segment: float, decode: Decode = "any") -> Bools:
    """(n_segments, n_labels): where events are active; what is past the last segment is cut off.

    The division is sed_eval's, so that an onset of 0.3 s with segments of 0.1 s falls into segment 2 there and here.

    >>> dog = Intervals(np.array([0.9]), np.array([2.0]), np.array([0]))
    >>> active_segments(dog, 3, 1, 1.0)[:, 0]
    array([ True,  True, False])
    >>> active_segments(dog, 3, 1, 1.0, "mean")[:, 0]  # 10 % of the first second is covered
    array([False,  True, False])
    """
    if decode == "mean":
        return covered_share(intervals, n_segments, n_labels, segment) > 0.5
    first, end = intervals.onset / segment, intervals.offset / segment
    if decode == "baseline":  # no library to agree with to the last bit
        return _filled(
            _whole(first.round(TIME_DECIMALS)), _whole(end.round(TIME_DECIMALS)), intervals.label, n_segments, n_labels
        )
    return _filled(_whole(first), _whole(np.ceil(end)), intervals.label, n_segments, n_labels)


def _whole(segments: Floats) -> Ints:
    return np.floor(segments).astype(np.int64)


def _filled(first: Ints, end: Ints, label: Ints, n_segments: int, n_labels: int) -> Bools:
    """True in rows first..end of each label's column, by counting how many intervals are open."""
    first, end = np.minimum(first, n_segments), np.minimum(end, n_segments)
    size = (n_segments + 1) * n_labels
    opened = np.bincount(first * n_labels + label, minlength=size) - np.bincount(end * n_labels + label, minlength=size)
    filled: Bools = np.cumsum(opened.reshape(n_segments + 1, n_labels), axis=0)[:n_segments] > 0
    return filled


def covered_share(intervals: Intervals, n_segments: int, n_labels: int, segment: float) -> Floats:
    """(n_segments, n_labels): the share of each segment that a label's events cover, 0..1."""
    merged = merge_touching(intervals)
    borders = np.arange(n_segments + 1) * segment
    shares = np.zeros((n_segments, n_labels))
    for label in np.unique(merged.label):
        of_label = merged.label == label
        onset, offset = merged.onset[of_label], merged.offset[of_label]
        covered_before = np.concatenate(([0.0], np.cumsum(offset - onset)))  # seconds, before the i-th event
        index = np.searchsorted(onset, borders, side="right")  # events that began at or before the border
        still_to_come = np.where(index > 0, np.maximum(offset[index - 1] - borders, 0), 0)
        shares[:, label] = np.diff(covered_before[index] - still_to_come) / segment
    return shares.round(9)  # so that 0.5 is 0.5 in whatever order seconds were summed


def merge_touching(intervals: Intervals) -> Intervals:
    """Intervals of one label that overlap or touch become one; sorted by label, then onset. Zero-length ones are dropped.

    >>> merge_touching(Intervals(np.array([1.0, 0.0, 5.0]), np.array([2.0, 1.0, 5.0]), np.array([0, 0, 0])))[:2]
    (array([0.]), array([2.]))
    """
    lasting = intervals.where(intervals.offset > intervals.onset)
    onset, offset, label = lasting.where(np.lexsort((lasting.onset, lasting.label)))
    if not len(onset):
        return Intervals(onset, offset, label)
    reach = _running_maximum(offset, label)
    starts = np.concatenate(([True], (label[1:] != label[:-1]) | (onset[1:] > reach[:-1])))
    ends = np.concatenate((starts[1:], [True]))
    return Intervals(onset[starts], reach[ends], label[starts])


def _running_maximum(offset: Floats, label: Ints) -> Floats:
    """The highest offset so far within each label; equal labels must be adjacent."""
    reach = offset.copy()
    for part in np.split(np.arange(len(label)), np.flatnonzero(np.diff(label)) + 1):
        reach[part] = np.maximum.accumulate(offset[part])
    return reach


def target_segments(intervals: Intervals, n_segments: int, n_labels: int, segment: float) -> Bools:
    """(n_segments, n_labels): the reference as sed_scores_eval sees it, with borders rounded to microseconds.

    The same as `active_segments` except for floating-point rounding; events of zero length do not count.
    """
    lasting = intervals.offset > intervals.onset
    borders = segment_borders(n_segments, segment)
    first = np.searchsorted(borders[1:], intervals.onset[lasting], side="right")
    end = np.searchsorted(borders[:-1], intervals.offset[lasting], side="left")
    return _filled(first, np.maximum(first, end), intervals.label[lasting], n_segments, n_labels)


def segment_borders(n_segments: int, segment: float) -> Floats:
    """The n_segments + 1 borders of the segments in seconds."""
    return np.round(np.arange(n_segments + 1) * segment, TIME_DECIMALS)


def highest_scores(edges: Floats, scores: Floats, n_segments: int, segment: float) -> Floats:
    """(n_segments, n_labels): the highest score of the frames that touch a segment; 0 where no frame does.

    `scores` is (T, n_labels), `edges` the T + 1 borders of its frames in seconds.

    >>> highest_scores(np.array([0, 0.5, 1, 1.5]), np.array([[0.1], [0.9], [0.4]]), 3, 1.0)[:, 0]
    array([0.9, 0.4, 0. ])
    """
    borders = segment_borders(n_segments, segment)
    edges = edges.round(TIME_DECIMALS)
    first = np.maximum(np.searchsorted(edges, borders[:-1], side="right") - 1, 0)
    end = np.minimum(np.searchsorted(edges, borders[1:], side="left"), len(scores))
    highest = np.zeros((n_segments, scores.shape[1]))
    heard = first < end
    if heard.any():
        padded = np.concatenate((scores, scores[-1:]))  # reduceat needs every index to exist
        pairs = np.stack((first[heard], end[heard]), axis=1).ravel()
        highest[heard] = np.maximum.reduceat(padded, pairs, axis=0)[::2]
    return highest


def mean_scores(edges: Floats, scores: Floats, n_segments: int, segment: float) -> Floats:
    """(n_segments, n_labels): the mean over time of the scores in a segment; 0 where no frame touches it.

    >>> mean_scores(np.array([0, 0.5, 1, 1.5]), np.array([[0.1], [0.9], [0.4]]), 3, 1.0)[:, 0]
    array([0.5, 0.4, 0. ])
    """
    borders = segment_borders(n_segments, segment).clip(edges[0], edges[-1])
    summed = np.concatenate((np.zeros((1, scores.shape[1])), np.cumsum(scores * np.diff(edges)[:, None], axis=0)))
    index = np.minimum(np.searchsorted(edges, borders, side="right") - 1, len(scores) - 1)
    integral = summed[index] + (borders - edges[index])[:, None] * scores[index]
    seconds = np.diff(borders)[:, None]
    means: Floats = np.divide(np.diff(integral, axis=0), seconds, out=np.zeros((n_segments, scores.shape[1])), where=seconds > 0)
    return means.round(12)  # a mean of equal scores is that score


def active_runs(edges: Floats, active: Bools) -> Intervals:
    """Runs of active frames as events; `active` is (T, n_labels). Sorted by label, then onset.

    >>> active_runs(np.array([0, 0.5, 1, 1.5]), np.array([[True], [True], [False]]))[:2]
    (array([0.]), array([1.]))
    """
    steps = np.diff(active.astype(np.int8), axis=0, prepend=np.int8(0), append=np.int8(0)).T  # (n_labels, T + 1)
    label, start = np.nonzero(steps == 1)
    _, end = np.nonzero(steps == -1)
    return Intervals(edges[start], edges[end], label)


def decode_scores(edges: Floats, scores: Floats, thresholds: Floats, n_segments: int, segment: float, decode: Decode) -> Bools:
    """(n_segments, n_labels): where scores make a label active: strictly above its threshold, by the rule `decode`."""
    if decode == "any":
        return highest_scores(edges, scores, n_segments, segment) > thresholds
    if decode == "mean":
        return mean_scores(edges, scores, n_segments, segment) > thresholds
    return active_segments(active_runs(edges, scores > thresholds), n_segments, scores.shape[1], segment, "baseline")
