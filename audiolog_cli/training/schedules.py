"""The learning rate of every step: warm-up and half a cosine, or the stairs that HTS-AT was trained with.

In: the number of a step, how many there will be, the full rate. Out: a rate. No state: a resumed run has the rates of an
uninterrupted one.
"""

import math
from bisect import bisect_right

FLOOR = 0.01  # of the full rate, at the end of the cosine
STAIRS = ((0, 0.2), (1, 0.5), (2, 1.0), (11, 0.5), (21, 0.2))  # HTS-AT: from which epoch on, which share of the full rate


def cosine(step: int, warmup: int, n_steps: int) -> float:
    """Share of the full rate: a linear rise over `warmup` steps, then half a cosine down to FLOOR at step `n_steps`.

    >>> [round(cosine(step, warmup=10, n_steps=100), 3) for step in (0, 9, 55, 99)]
    [0.1, 1.0, 0.505, 0.01]
    """
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(1, n_steps - warmup)
    return FLOOR + (1 - FLOOR) * (1 + math.cos(math.pi * min(1.0, progress))) / 2


def htsat(epoch: int) -> float:
    """Share of the full rate in an epoch: three epochs of warm-up, halved after the 11th, 0.2 from the 22nd on.

    Chen et al., 2022, as in the released configuration (`lr_rate`; 1.0 is its largest, a rate of 1e-4). The released code rises
    again to 0.3 after its 31st epoch, where its floor lies above its last stair; here the rate stays.

    >>> [htsat(epoch) for epoch in (0, 1, 2, 10, 11, 20, 21, 99)]
    [0.2, 0.5, 1.0, 1.0, 0.5, 0.5, 0.2, 0.2]
    """
    starts = [start for start, _ in STAIRS]
    return STAIRS[bisect_right(starts, epoch) - 1][1]
