"""Changes to a waveform that leave its labels true: noise colours, rooms, equalisers, narrow bands, cheap recorders.

In and out: mono float32 arrays of shape (n_samples,) at 32 kHz, samples in [-1, 1] unless said. Every function is pure; random
draws come from the `numpy.random.Generator` passed in, so a seed always gives the same sound. No labels here: `windows.py`
decides what is applied when.

Work over every sample of every window is done by torch: its batched transforms and element-wise functions take a third of numpy's
time.
"""

import math
from typing import Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

Wave = NDArray[np.float32]
Curve = tuple[NDArray[np.float64], NDArray[np.float64]]  # rising frequencies in Hz, the gain at each in dB
SAMPLE_RATE = 32000
FFT_GRAIN = 3200  # noise is made in multiples of this (2^7 * 5^2): numpy's FFT is slow at sizes with large primes
N_FFT = 8192  # samples: filters work in stretches of this length, whose transforms stay in the processor's cache
TONE_DB = 9.0  # of microphones and rooms, above and below
EQUALISER = 2048  # samples of an equaliser's response
NoiseColour = Literal["white", "pink", "brown"]


class Filter(NamedTuple):
    """A response, ready for `convolve`."""

    parts: Tensor  # (n_parts, N_FFT / 2 + 1) complex: spectra of its stretches, each `hop` samples behind the one before
    hop: int  # new samples of the signal in each transform


def amplitude(db: float) -> float:
    """Amplitude factor of a level in dB.

    >>> amplitude(20.0)
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
    if wave.size < factor:
        return wave[:1].copy()
    stretched = F.interpolate(
        torch.from_numpy(wave)[None, None], scale_factor=1 / factor, mode="linear", recompute_scale_factor=False
    )
    changed: Wave = stretched[0, 0].numpy()
    return changed


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
    tail *= amplitude(-direct_to_reverberant_db) / max(float(np.sqrt(np.dot(tail, tail))), 1e-9)
    tail[0] = 1.0
    return tail.astype(np.float32)


def filter_of(response: Wave) -> Filter:
    """A response as `convolve` takes it, in parts of at most N_FFT / 2 samples: what is left of a transform is for the signal."""
    n_taps = min(response.size, N_FFT // 2)
    n_parts = -(-response.size // n_taps)
    padded = torch.zeros(n_parts * n_taps)
    padded[: response.size] = torch.from_numpy(response)
    return Filter(torch.fft.rfft(padded.view(n_parts, n_taps), n=N_FFT), hop=N_FFT - n_taps)


def convolve(wave: Wave, response: Filter, delay: int = 0) -> Wave:
    """Linear convolution from sample `delay` on, cut to the length of `wave` (the rest of the tail is dropped).

    Partitioned overlap-save: every stretch of the signal is transformed once and multiplied with every part of the response; each
    product is added to the output with that part's delay in hops.
    """
    hop, overlap = response.hop, N_FFT - response.hop
    n_blocks = -(-(wave.size + delay) // hop)
    padded = torch.zeros(overlap + n_blocks * hop)
    padded[overlap : overlap + wave.size] = torch.from_numpy(wave)
    spectra = torch.fft.rfft(padded.unfold(0, N_FFT, hop))  # (n_blocks, N_FFT / 2 + 1)
    filtered = spectra * response.parts[0]
    for late in range(1, min(len(response.parts), n_blocks)):
        filtered[late:].addcmul_(spectra[: n_blocks - late], response.parts[late])
    convolved: Wave = torch.fft.irfft(filtered, n=N_FFT)[:, overlap:].reshape(-1).numpy()
    return convolved[delay : delay + wave.size]


def equalise(wave: Wave, *curves: Curve) -> Wave:
    """Zero-phase equaliser: gains in dB at rising frequencies, straight lines between them over log frequency; curves add up.

    Beyond the first and last point the gain is constant; a steep fall is two points close together (`band_limits`). The filter is
    EQUALISER samples (64 ms) long: details closer than 30 Hz are smoothed away.
    """
    frequencies = np.log(np.maximum(np.fft.rfftfreq(EQUALISER, 1 / SAMPLE_RATE), 20.0))
    gains_db = sum(np.interp(frequencies, np.log(points), gains) for points, gains in curves)
    response = np.fft.fftshift(np.fft.irfft(10.0 ** (gains_db / 20.0), EQUALISER)) * np.hanning(EQUALISER + 1)[:-1]
    return convolve(wave, filter_of(response.astype(np.float32)), delay=EQUALISER // 2)


def random_tone(rng: np.random.Generator) -> Curve:
    """A random smooth tone colour within +-TONE_DB, as microphones and rooms have."""
    points = np.geomspace(60.0, 14000.0, 6) * np.exp(rng.uniform(-0.2, 0.2, 6))
    return points, rng.uniform(-TONE_DB, TONE_DB, 6)


def band_limits(low_hz: float, high_hz: float) -> Curve:
    """Pass low..high, fall by 50 dB within half an octave outside (telephone: 300, 3400)."""
    points = np.array([low_hz / 1.4, low_hz, high_hz, high_hz * 1.4])
    return points, np.array([-50.0, 0.0, 0.0, -50.0])


def quantise(wave: Wave, n_bits: int) -> Wave:
    """Companded (mu-law, mu = 255) quantisation to 2^n_bits steps: the noise of old telephones and poor codecs."""
    samples = torch.from_numpy(wave)
    peak = max(float(samples.abs().max()), 1e-9) if wave.size else 1.0
    per_step = math.log(256) / 2 ** (n_bits - 1)
    steps = (samples.abs() * (255 / peak)).log1p_().div_(per_step).round_()
    expanded: Wave = steps.mul_(per_step).expm1_().mul_(peak / 255).copysign_(samples).numpy()
    return expanded
