"""Sounds in; pairs of them that are one recording out: louder, coded again, or cut elsewhere.

Such a pair teaches no more than one of the two, and makes cross-validation too kind. Compared are waveforms, by the highest point
of their cross-correlation, with spectra flattened half of the way so that a loud hum alone does not decide.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from audiolog_cli.teaching.regression import Floats

EVERY = 4  # samples averaged to one: what is below 4 kHz is enough
SAME = 0.55  # of a correlation of 1; experiments/own_sounds_advice.py has measured it


def copies(sounds: Sequence[Floats]) -> Iterator[tuple[int, int]]:
    """Pairs, by their numbers, of sounds (n_samples,) at one sample rate that hold the same recording.

    >>> hiss = np.random.default_rng(0).standard_normal(4000).astype(np.float32)
    >>> list(copies([hiss, hiss[::-1], 0.1 * hiss[400:]]))
    [(0, 2)]
    """
    n_padded = 2 << (max((len(wave) for wave in sounds), default=0) // EVERY).bit_length()
    spectra = [_flattened(wave, n_padded) for wave in sounds]
    for first, second in combinations(range(len(sounds)), 2):
        if np.abs(np.fft.irfft(spectra[first] * spectra[second].conj())).max() > SAME:
            yield first, second


def _flattened(wave: Floats, n_padded: int) -> NDArray[np.complex64]:
    """A spectrum whose correlation with itself is 1 at its highest."""
    fewer = wave[: len(wave) // EVERY * EVERY].reshape(-1, EVERY).mean(axis=1)
    spectrum = np.fft.rfft(fewer - fewer.mean() if len(fewer) else fewer, n_padded)
    spectrum /= np.sqrt(np.maximum(np.abs(spectrum), 1e-9))
    whole = np.fft.irfft(np.abs(spectrum) ** 2)[0]
    return np.asarray(spectrum / np.sqrt(max(whole, 1e-12)), np.complex64)
