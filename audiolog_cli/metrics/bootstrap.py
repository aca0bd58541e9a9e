"""Confidence intervals by resampling files: how much would a figure change with other recordings of the same kind?

Files, not segments, are drawn with replacement, because the segments of one file resemble each other (B. Efron, "Bootstrap
methods", 1979; percentile interval). Every figure here is a rate of summed counts, so a resample is a weighting of files.
"""

from collections.abc import Callable

import numpy as np

from audiolog_cli.metrics.activity import Floats

N_RESAMPLES = 1000
LEVEL = 0.95  # share of the resamples that an interval holds


def file_weights(n_files: int) -> Floats:
    """(N_RESAMPLES, n_files): how often each file occurs in each resample; always the same."""
    draws = np.random.default_rng(0).multinomial(n_files, np.full(n_files, 1 / n_files), size=N_RESAMPLES)
    return draws.astype(np.float64)


def interval(counts: Floats, figure: Callable[[Floats], float], weights: Floats) -> tuple[float, float]:
    """The middle LEVEL of a figure over resamples; resamples where it is undefined are left out.

    `counts` is (n_files, n_counts); `figure` turns summed counts (n_counts,) into the figure.

    >>> always_half = np.array([[1.0, 2.0], [1.0, 2.0]])  # two files with 1 of 2 right
    >>> interval(always_half, lambda sums: sums[0] / sums[1], file_weights(2))
    (0.5, 0.5)
    """
    figures = np.array([figure(sums) for sums in weights @ counts])
    figures = figures[~np.isnan(figures)]
    if not len(figures):
        return np.nan, np.nan
    low, high = np.quantile(figures, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
