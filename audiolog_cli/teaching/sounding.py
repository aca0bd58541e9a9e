"""Where a clip sounds: samples in; the stretches louder than its own quiet out.

The levels of blocks of 50 ms are compared with the clip's loudest and quietest. A sound that lasts from end to end (a drill, a
drone) has no quiet, so all of it sounds.
"""

import numpy as np
from numpy.typing import NDArray

BLOCK = 0.05  # seconds
BELOW_PEAK = 30.0  # dB: a block further below the loudest than this is not part of the sound
LEAST_RANGE = 10.0  # dB between the loudest and the quietest blocks; with less, there is no quiet
SILENCE = -70.0  # dBFS: a clip that never exceeds it is silent
PAUSE = 0.3  # seconds: a shorter pause belongs to the sound


def sounding(wave: NDArray[np.float32], sample_rate: int) -> NDArray[np.bool_]:
    """Whether each block of `BLOCK` seconds sounds (n_blocks,); all False for a silent clip. The last block may be shorter."""
    level = levels(wave, sample_rate)
    if not len(level) or level.max() < SILENCE:
        return np.zeros(len(level), bool)
    loudest, quiet = float(level.max()), float(np.quantile(level, 0.1))
    if loudest - quiet < LEAST_RANGE:
        return np.ones(len(level), bool)
    begin = max(loudest - BELOW_PEAK, quiet + min(10.0, (loudest - quiet) / 2))
    return without_pauses(level >= begin, round(PAUSE / BLOCK))


def levels(wave: NDArray[np.float32], sample_rate: int) -> NDArray[np.float64]:
    """The level of each block in dBFS (n_blocks,), without its constant offset."""
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
