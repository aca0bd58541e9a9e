"""Small recordings for the tests, made while they run: known content in every container that PyAV can write."""

import struct
import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

Wave = NDArray[np.float32]  # (samples,) or (channels, samples), full scale 1

# name of the file: encoder, sample format, options of the encoder
ENCODERS: dict[str, tuple[str, str, dict[str, str]]] = {
    ".wav": ("pcm_s16le", "s16", {}),
    ".flac": ("flac", "s16", {}),
    ".wv": ("wavpack", "s16p", {}),
    ".mp3": ("libmp3lame", "s16p", {"b": "128k"}),
    ".m4a": ("aac", "fltp", {}),
    ".aac": ("aac", "fltp", {}),
    ".ogg": ("vorbis", "fltp", {"strict": "-2"}),
    ".opus": ("libopus", "flt", {}),
    ".webm": ("libopus", "flt", {}),
    ".mka": ("flac", "s16", {}),
    ".mp4": ("aac", "fltp", {}),
    ".w64": ("pcm_s16le", "s16", {}),
    ".caf": ("pcm_s24be", "s32", {}),
}


def sine(seconds: float, rate: int, frequency: float = 440.0, amplitude: float = 0.5) -> Wave:
    """A sine of the given frequency in Hz."""
    return (amplitude * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def noise(seconds: float, rate: int, amplitude: float = 0.1, seed: int = 0) -> Wave:
    """Gaussian noise, kept within full scale."""
    samples = amplitude * np.random.default_rng(seed).standard_normal(round(seconds * rate))
    return np.clip(samples, -1, 1).astype(np.float32)


def bursts(seconds: float, rate: int, at: list[float], amplitude: float = 0.8) -> Wave:
    """Silence with a burst of 5 ms of noise at each of the times, to see whether times are kept."""
    samples = np.zeros(round(seconds * rate), np.float32)
    for number, onset in enumerate(at):
        burst = noise(0.005, rate, amplitude / 3, seed=number)
        first = round(onset * rate)
        samples[first : first + len(burst)] = burst
    return samples


def burst_onsets(samples: Wave, rate: int, level: float = 0.05) -> list[float]:
    """Where sound above `level` begins after at least 50 ms below it, in seconds."""
    loud = np.flatnonzero(np.abs(samples) > level)
    firsts = loud[np.diff(loud, prepend=-rate) > 0.05 * rate]
    return [float(first) / rate for first in firsts]


def write_wav(path: Path, samples: Wave, rate: int) -> Path:
    """16-bit PCM; an array (channels, samples) gives that many channels."""
    channels = np.atleast_2d(samples)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((channels.T * 32767).round().astype("<i2").tobytes())
    return path


def wav_bytes(data: bytes, rate: int, channels: int, bits: int, code: int = 1, riff_size: int = -1, data_size: int = -1) -> bytes:
    """A WAV around PCM bytes, with the header's sizes as given (-1 the right ones); code 1 is integer, 3 float."""
    sizes = (len(data) + 36 if riff_size < 0 else riff_size, len(data) if data_size < 0 else data_size)
    block = channels * bits // 8
    fmt = struct.pack("<HHIIHH", code, channels, rate, min(rate * block, 0xFFFF_FFFF), block, bits)
    return (
        b"RIFF"
        + struct.pack("<I", sizes[0])
        + b"WAVEfmt "
        + struct.pack("<I", 16)
        + fmt
        + b"data"
        + struct.pack("<I", sizes[1])
        + data
    )


def encode(path: Path, samples: Wave, rate: int) -> Path:
    """Encode mono samples in the container and codec of the file's suffix."""
    codec, sample_format, options = ENCODERS[path.suffix]
    layout = "stereo" if codec == "vorbis" else "mono"  # the only layout of FFmpeg's own Vorbis encoder
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=options)
        stream.codec_context.layout = layout
        stream.codec_context.format = sample_format
        converter = av.AudioResampler(sample_format, layout, rate)
        frame = av.AudioFrame.from_ndarray(samples[np.newaxis], "flt", "mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        for converted in [*converter.resample(frame), *converter.resample(None), None]:
            container.mux(stream.encode(converted))
    return path
