"""What a recording looks and sounds like: loudness over time, a spectrogram if it is short, and the sound itself as Opus.

In: the path of a recording; out: small arrays of bytes for the page, and an Ogg Opus file.
"""

import io
from math import log10

import av
import numpy as np
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

from audiolog_cli import terminal
from audiolog_cli.report.page import N_BANDS, Strip
from audiolog_cli.sound.audio import SAMPLE_RATE, DecodeOptions, decode, windows
from audiolog_cli.sound.damage import Damage

MAX_COLUMNS = 6000  # of loudness: three per pixel of a wide window
MAX_PICTURE_COLUMNS = 3000  # of a spectrogram
FRAME_SAMPLES = 640  # 20 ms at 32 kHz
N_FFT = 1024
LOWEST_BAND = 50.0  # Hz, as the models' filter banks
HIGHEST_BAND = 14_000.0  # Hz
FLOOR = -100.0  # dBFS of byte 0
RANGE = 70.0  # dB of a spectrogram, below its loudest point
OPUS_RATE = 48_000  # Hz, Opus's native rate
OPUS_BITS = 48_000  # a second, for one channel


def strip(path: str, with_picture: bool) -> Strip:
    """Decode a recording once and measure it in frames of 20 ms; damage is reported on stderr.

    AudioError if there is no sound in it.
    """

    def report(damage: Damage) -> None:
        terminal.say(f"{path}: {damage}")

    powers: list[NDArray[np.float32]] = []
    bands: list[NDArray[np.float32]] = []
    weights, hann = band_weights(), np.hanning(FRAME_SAMPLES).astype(np.float32)
    n_samples = 0
    for window in windows(decode(path, DecodeOptions(), report), 1.0, 1.0):
        frames = window.samples.reshape(-1, FRAME_SAMPLES)[: -(-window.n_samples // FRAME_SAMPLES)]
        powers.append(np.mean(frames**2, axis=1))
        n_samples += window.n_samples
        if with_picture:
            bands.append((np.abs(np.fft.rfft(frames * hann, N_FFT)) ** 2 @ weights).astype(np.float32))
        terminal.show_progress(f"{path}: {window.onset / 60:.0f} min measured")
    terminal.show_progress("")
    frame = 1000 * FRAME_SAMPLES / SAMPLE_RATE
    levels, n_level = averaged(np.concatenate(powers)[:, np.newaxis], MAX_COLUMNS)
    picture, n_column = averaged(np.concatenate(bands), MAX_PICTURE_COLUMNS) if with_picture else (None, 1)
    return Strip(
        frame * n_level,
        (2 * np.clip(decibels(levels) - FLOOR, 0, -FLOOR)).round().astype(np.uint8).tobytes(),
        frame * n_column,
        b"" if picture is None else shades(decibels(picture)),
        n_samples / SAMPLE_RATE,
    )


def averaged(values: NDArray[np.float32], most: int) -> tuple[NDArray[np.float32], int]:
    """Means over groups of n rows, at most `most` of them, and n. The last group may be smaller."""
    n = -(-len(values) // most)
    starts = np.arange(0, len(values), n)
    sizes = np.diff(np.append(starts, len(values)))
    return (np.add.reduceat(values, starts, axis=0) / sizes[:, np.newaxis]).astype(np.float32), n


def decibels(power: NDArray[np.float32]) -> NDArray[np.float32]:
    """A power in decibels, where 1 is full scale; silence is -120 dB."""
    return (10 * np.log10(np.maximum(power, 1e-12))).astype(np.float32)


def shades(levels: NDArray[np.float32]) -> bytes:
    """The upper 70 dB as bytes."""
    scaled = np.clip(1 + (levels - levels.max()) / RANGE, 0, 1)
    return bytes((255 * scaled).round().astype(np.uint8))


def band_weights() -> NDArray[np.float32]:
    """Triangles, evenly spaced on the mel scale (O'Shaughnessy, 1987): (n_fft / 2 + 1, bands), each summing to 1."""
    lowest, highest = (2595 * log10(1 + edge / 700) for edge in (LOWEST_BAND, HIGHEST_BAND))
    mel_edges = np.linspace(lowest, highest, N_BANDS + 2)
    edges = 700 * (10 ** (mel_edges / 2595) - 1)  # Hz
    bins = np.fft.rfftfreq(N_FFT, 1 / SAMPLE_RATE)[:, np.newaxis]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    weights = np.maximum(0, np.minimum(rising, falling))
    nearest = np.abs(bins - edges[1:-1]).argmin(axis=0)  # the lowest bands are narrower than a bin
    empty = weights.sum(axis=0) == 0
    weights[nearest[empty], np.flatnonzero(empty)] = 1
    result: NDArray[np.float32] = (weights / weights.sum(axis=0)).astype(np.float32)
    return result


def opus(path: str) -> bytes:
    """The recording as mono Ogg Opus at 48 kbit/s (RFC 7845). Damage is not reported here: `strip` does that."""
    file = io.BytesIO()
    with av.open(file, "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=OPUS_RATE, layout="mono")
        stream.bit_rate = OPUS_BITS
        n_samples = 0
        for chunk in decode(path, DecodeOptions(sample_rate=OPUS_RATE), report=lambda damage: None):
            if not len(chunk):
                continue
            frame = AudioFrame.from_ndarray(chunk[None], "flt", "mono")
            frame.sample_rate, frame.pts = OPUS_RATE, n_samples
            n_samples += len(chunk)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()
