"""Changes to a waveform that leave its labels true: noise colours, rooms, equalisers, narrow bands, cheap recorders.

In and out: mono float32 arrays of shape (n_samples,) at 32 kHz, samples in [-1, 1] unless said. Every function is pure; what is
random comes from the `numpy.random.Generator` that is passed in, so one seed gives one sound. No labels here: `mixing.py` decides
what is applied when.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Wave = NDArray[np.float32]
SAMPLE_RATE = 32000
FFT_GRAIN = (
    3200  # transform sizes are rounded up to multiples of this (2^7 * 5^2): numpy's FFT is slow at sizes with large primes
)
NoiseColour = Literal["white", "pink", "brown"]


def decibels(db: float) -> float:
    """Amplitude factor of a level in dB.

    >>> decibels(20.0)
    10.0
    """
    return float(10.0 ** (db / 20.0))


def rms(wave: Wave) -> float:
    """Root of the mean square; 0.0 for an empty array.

    >>> rms(np.array([3.0, -3.0], dtype=np.float32))
    3.0
    """
    return float(np.sqrt(np.dot(wave, wave) / wave.size)) if wave.size else 0.0


def fade(wave: Wave, n_in: int, n_out: int) -> Wave:
    """A copy whose first `n_in` and last `n_out` samples rise and fall with equal-power (quarter sine) slopes."""
    faded = wave.copy()
    n_in, n_out = min(n_in, wave.size), min(n_out, wave.size)
    if n_in:
        faded[:n_in] *= quarter_sine(n_in)
    if n_out:
        faded[wave.size - n_out :] *= quarter_sine(n_out)[::-1]
    return faded


def quarter_sine(n_samples: int) -> Wave:
    """A rise from 0 to 1; its square and that of its mirror image sum to one."""
    return np.sin(np.linspace(0.0, np.pi / 2, n_samples)).astype(np.float32)


def change_speed(wave: Wave, factor: float) -> Wave:
    """Play faster (> 1) or slower: pitch and tempo together, by linear interpolation, like a tape."""
    n_samples = max(1, int(wave.size / factor))
    positions = np.arange(n_samples, dtype=np.float64) * factor
    left = np.minimum(positions.astype(np.int64), wave.size - 1)
    right = np.minimum(left + 1, wave.size - 1)
    weight: Wave = (positions - left).astype(np.float32)
    mixed: Wave = wave[left] * (1 - weight) + wave[right] * weight
    return mixed


def noise(n_samples: int, colour: NoiseColour, rng: np.random.Generator) -> Wave:
    """Gaussian noise of RMS 1 whose power falls by 0, 3 or 6 dB an octave (above 20 Hz)."""
    white = rng.standard_normal(n_samples, dtype=np.float32)
    if colour == "white":
        return white
    n_fft = fft_size(n_samples)
    spectrum = np.fft.rfft(white, n_fft)
    frequencies = np.maximum(np.fft.rfftfreq(n_fft, 1 / SAMPLE_RATE), 20.0)
    spectrum *= np.power(frequencies, -0.5 if colour == "pink" else -1.0).astype(np.float32)
    coloured = np.fft.irfft(spectrum, n_fft)[:n_samples].astype(np.float32)
    return coloured / max(rms(coloured), 1e-9)


def fft_size(n_samples: int) -> int:
    """The next multiple of FFT_GRAIN.

    >>> fft_size(320000), fft_size(320001)
    (320000, 323200)
    """
    return -(-n_samples // FFT_GRAIN) * FFT_GRAIN


def room(rt60: float, direct_to_reverberant_db: float, rng: np.random.Generator) -> Wave:
    """An artificial room response: the direct sound, then exponentially decaying noise (Polack's model).

    The tail falls by 60 dB in `rt60` seconds and carries `direct_to_reverberant_db` less energy than the direct sound.
    """
    n_samples = max(2, int(rt60 * SAMPLE_RATE))
    times = np.arange(n_samples, dtype=np.float32) / SAMPLE_RATE
    tail = rng.standard_normal(n_samples, dtype=np.float32) * np.exp(-6.908 * times / rt60)  # 6.908 = ln(1000), 60 dB
    tail[0] = 0.0
    tail *= decibels(-direct_to_reverberant_db) / max(float(np.sqrt(np.dot(tail, tail))), 1e-9)
    tail[0] = 1.0
    return tail.astype(np.float32)


def convolve(wave: Wave, response: Wave) -> Wave:
    """Linear convolution, cut to the length of `wave` (the rest of the tail is dropped)."""
    n_fft = fft_size(wave.size + response.size)
    spectrum = np.fft.rfft(wave, n_fft) * np.fft.rfft(response, n_fft)
    return np.fft.irfft(spectrum, n_fft)[: wave.size].astype(np.float32)


def equalise(wave: Wave, points_hz: NDArray[np.float64], gains_db: NDArray[np.float64]) -> Wave:
    """Zero-phase equaliser: gains in dB at rising frequencies, straight lines between them over log frequency.

    Beyond the first and last point the gain stays; a steep fall is two points close together (`band_limits`).
    """
    n_fft = fft_size(wave.size)
    grid = np.geomspace(20.0, SAMPLE_RATE / 2, 256)
    coarse = 10.0 ** (np.interp(np.log(grid), np.log(points_hz), gains_db) / 20.0)
    gain = np.interp(np.fft.rfftfreq(n_fft, 1 / SAMPLE_RATE), grid, coarse).astype(np.float32)
    return np.fft.irfft(np.fft.rfft(wave, n_fft) * gain, n_fft)[: wave.size].astype(np.float32)


def random_tone(rng: np.random.Generator, depth_db: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points for `equalise`: a random smooth tone colour within +-depth_db, as microphones and rooms have."""
    points = np.geomspace(60.0, 14000.0, 6) * np.exp(rng.uniform(-0.2, 0.2, 6))
    return points, rng.uniform(-depth_db, depth_db, 6)


def band_limits(low_hz: float, high_hz: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points for `equalise`: pass low..high, fall by 50 dB within half an octave outside (telephone: 300, 3400)."""
    points = np.array([low_hz / 1.4, low_hz, high_hz, high_hz * 1.4])
    return points, np.array([-50.0, 0.0, 0.0, -50.0])


def quantise(wave: Wave, n_bits: int) -> Wave:
    """Companded (mu-law, mu = 255) quantisation to 2^n_bits steps: the noise of old telephones and poor codecs."""
    peak = max(float(np.abs(wave).max(initial=0.0)), 1e-9)
    companded = np.sign(wave) * np.log1p(255 * np.abs(wave) / peak) / np.log(256)
    steps = 2 ** (n_bits - 1)
    rounded = np.round(companded * steps) / steps
    expanded: Wave = (np.sign(rounded) * np.expm1(np.abs(rounded) * np.log(256)) / 255 * peak).astype(np.float32)
    return expanded
