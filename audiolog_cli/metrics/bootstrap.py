"""Confidence intervals by resampling files: how much would a figure change with other recordings of the same kind?

Files, not segments, are drawn with replacement, because the segments of one file resemble each other (B. Efron, "Bootstrap
methods", 1979; percentile interval). Every figure here is a rate of summed counts, so a resample is a weighting of files.
"""

from collections.abc import Callable

import numpy as np

from audiolog_cli.metrics.activity import Floats

N_RESAMPLES = 1000
AT_ONCE = 8  # resamples, so that 100 000 files need megabytes
LEVEL = 0.95  # share of the resamples that an interval holds


def resampled(counts: Floats) -> Floats:
    """(N_RESAMPLES, n_counts): the sums of `counts`, (n_files, n_counts), over each resample; always the same resamples."""
    generator, n_files = np.random.default_rng(0), len(counts)
    share = np.full(n_files, 1 / n_files)
    return np.concatenate(
        [generator.multinomial(n_files, share, AT_ONCE).astype(np.float64) @ counts for _ in range(0, N_RESAMPLES, AT_ONCE)]
    )


def interval(sums: Floats, figure: Callable[[Floats], float]) -> tuple[float, float]:
    """The middle LEVEL of a figure over resamples; resamples where it is undefined are left out.

    `sums` are those of `resampled`; `figure` turns one of them, (n_counts,), into the figure.

    >>> always_half = np.array([[1.0, 2.0], [1.0, 2.0]])  # two files with 1 of 2 right
    >>> interval(resampled(always_half), lambda sums: sums[0] / sums[1])
    (0.5, 0.5)
    """
    figures = np.array([figure(each) for each in sums])
    figures = figures[~np.isnan(figures)]
    if not len(figures):
        return np.nan, np.nan
    low, high = np.quantile(figures, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
