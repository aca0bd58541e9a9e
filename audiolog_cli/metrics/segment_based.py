"""Segment-based metrics of sound events: activity of reference and estimate per segment in, counts and rates out.

A. Mesaros, T. Heittola, T. Virtanen, "Metrics for Polyphonic Sound Event Detection", Applied Sciences 6(6), 2016. Counts are
summed over all segments of all files before any rate is computed ("micro"). Rates without a denominator are NaN.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from audiolog_cli.metrics.activity import Bools, Floats, Ints


@dataclass(frozen=True, slots=True)
class Counts:
    """What was counted over segments or over events; arrays have one entry per label."""

    true_positives: Ints
    n_reference: Ints
    n_estimated: Ints
    substitutions: int
    n_segments: int = 0  # none are counted over events

    @property
    def deletions(self) -> int:
        """What the reference has and the estimate lacks, not even with another label."""
        return int(self.n_reference.sum() - self.true_positives.sum()) - self.substitutions

    @property
    def insertions(self) -> int:
        """What the estimate has and the reference lacks, not even with another label."""
        return int(self.n_estimated.sum() - self.true_positives.sum()) - self.substitutions

    @property
    def true_negatives(self) -> Ints:
        """(n_labels,) segments in which neither side is active."""
        return self.n_segments - (self.n_reference + self.n_estimated - self.true_positives)

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))

    @classmethod
    def zero(cls, n_labels: int) -> "Counts":
        """All counts zero, to start a sum."""
        none = np.zeros(n_labels, np.int64)
        return cls(none, none, none, 0)


def segment_counts(reference: Bools, estimate: Bools) -> Counts:
    """Count one file; `reference` and `estimate` are (n_segments, n_labels).

    Per segment S = min(Nref, Nsys) - TP, D = max(0, Nref - Nsys), I = max(0, Nsys - Nref) (section 4.3 of the paper), so
    D = Nref - TP - S and I = Nsys - TP - S, in sums too.

    >>> reference = np.array([[True, False], [True, True]])
    >>> estimate = np.array([[False, True], [True, False]])
    >>> counts = segment_counts(reference, estimate)
    >>> counts.substitutions, counts.deletions, counts.insertions
    (1, 1, 0)
    """
    both = reference & estimate
    substitutions = (np.minimum(reference.sum(axis=1), estimate.sum(axis=1)) - both.sum(axis=1)).sum()
    found, n_reference, n_estimated = (activity.sum(axis=0) for activity in (both, reference, estimate))
    return Counts(found, n_reference, n_estimated, int(substitutions), len(reference))


def error_rate(substitutions: float, deletions: float, insertions: float, n_reference: float) -> float:
    """ER = (S + D + I) / N, N the active reference segments of all labels. May exceed 1; NaN for an empty reference.

    >>> error_rate(1, 0, 1, n_reference=4)
    0.5
    """
    return (substitutions + deletions + insertions) / n_reference if n_reference else math.nan


def precision(true_positives: float, n_estimated: float) -> float:
    """TP / Nsys, NaN when nothing was estimated.

    >>> precision(3, 4)
    0.75
    """
    return true_positives / n_estimated if n_estimated else math.nan


def recall(true_positives: float, n_reference: float) -> float:
    """TP / Nref, NaN for an empty reference.

    >>> recall(3, 6)
    0.5
    """
    return true_positives / n_reference if n_reference else math.nan


def f1(true_positives: float, n_reference: float, n_estimated: float) -> float:
    """F1 = 2 TP / (Nref + Nsys); as in sed_eval, NaN when precision or recall is undefined.

    >>> f1(3, n_reference=6, n_estimated=4)
    0.6
    """
    return 2 * true_positives / (n_reference + n_estimated) if n_reference and n_estimated else math.nan


def f1_per_class(true_positives: Ints, n_reference: Ints, n_estimated: Ints) -> Floats:
    """(n_labels,) `f1` of every label."""
    undefined = (n_reference == 0) | (n_estimated == 0)
    return np.where(undefined, math.nan, 2 * true_positives / np.maximum(n_reference + n_estimated, 1))


def macro_f1(per_class: Sequence[float] | Floats) -> float:
    """Mean of the labels' F1 with NaN as zero, the rule of DCASE 2023 task 4B; NaN without labels.

    >>> macro_f1([0.6, math.nan])
    0.3
    """
    return float(np.nan_to_num(per_class).mean()) if len(per_class) else math.nan


def mean_of_defined(per_class: Sequence[float] | Floats) -> float:
    """Mean over the labels whose rate is defined, sed_eval's class-wise average; NaN if none is.

    >>> mean_of_defined([0.6, math.nan])
    0.6
    """
    defined = [rate for rate in per_class if not math.isnan(rate)]
    return float(np.mean(defined)) if defined else math.nan
