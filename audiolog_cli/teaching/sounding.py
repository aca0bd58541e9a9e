"""Where a clip sounds: samples in, the stretches that are louder than its own quiet out.

The level of blocks of 50 ms is held against the clip's loudest and its quietest. A sound that goes on from end to end (a drill, a
drone) has no quiet, and all of it sounds.
"""

import numpy as np
from numpy.typing import NDArray

BLOCK = 0.05  # seconds
BELOW_PEAK = 30.0  # dB: what is further below the loudest block than this is not the sound
LEAST_RANGE = 10.0  # dB between the loudest and the quietest blocks, below which there is no quiet to tell from the sound
SILENCE = -70.0  # dBFS: a clip that never rises above it is silent
PAUSE = 0.3  # seconds: a shorter pause belongs to the sound


def sounding(wave: NDArray[np.float32], sample_rate: int) -> NDArray[np.bool_]:
    """(n_blocks,) whether each block of `BLOCK` seconds sounds; all False for a silent clip. A rest at the end counts as a
    block."""
    level = levels(wave, sample_rate)
    if not len(level) or level.max() < SILENCE:
        return np.zeros(len(level), bool)
    loudest, quiet = float(level.max()), float(np.quantile(level, 0.1))
    if loudest - quiet < LEAST_RANGE:
        return np.ones(len(level), bool)
    begin = max(loudest - BELOW_PEAK, quiet + min(10.0, (loudest - quiet) / 2))
    return without_pauses(level >= begin, round(PAUSE / BLOCK))


def levels(wave: NDArray[np.float32], sample_rate: int) -> NDArray[np.float64]:
    """(n_blocks,) dBFS of each block, without its constant offset."""
    n_block = round(BLOCK * sample_rate)
    n_blocks = -(-len(wave) // n_block)
    padded = np.pad(wave, (0, n_blocks * n_block - len(wave))).reshape(n_blocks, n_block).astype(np.float64)
    return 20 * np.log10(np.maximum(padded.std(axis=1), 1e-10)) if n_blocks else np.zeros(0)


def without_pauses(active: NDArray[np.bool_], n_blocks: int) -> NDArray[np.bool_]:
    """The same with gaps of up to `n_blocks` between active blocks filled.

    >>> without_pauses(np.array([True, False, True, False, False, True]), 1).astype(int).tolist()
    [1, 1, 1, 0, 0, 1]
    """
    filled = active.copy()
    last = -1
    for index in np.flatnonzero(active).tolist():
        if last >= 0 and index - last - 1 <= n_blocks:
            filled[last:index] = True
        last = index
    return filled
