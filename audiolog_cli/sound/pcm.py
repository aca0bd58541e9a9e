"""PCM in, frames of it out: what `--raw` names, and what nearly every WAV holds.

Its layout is known before anything is read, so that libavcodec alone decodes it, in blocks as long as the caller likes. Through
libavformat, which first looks for something else in it, opening a WAV takes as long as decoding half a minute of it.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.codec.context import CodecContext
from av.packet import Packet
from numpy.typing import NDArray

from audiolog_cli.errors import UsageError

PCM_FORMATS = ("u8", "s8", "s16le", "s16be", "s24le", "s24be", "s32le", "s32be")
RAW_FORMATS = (*PCM_FORMATS, "f32le", "f32be", "f64le", "f64be", "alaw", "mulaw")
WAVE_FORMATS = {
    (1, 8): "u8",
    (1, 16): "s16le",
    (1, 24): "s24le",
    (1, 32): "s32le",
    (3, 32): "f32le",
    (3, 64): "f64le",
    (6, 8): "alaw",
    (7, 8): "mulaw",
}  # by a WAV's format tag and bits
EXTENSIBLE = 0xFFFE  # a format tag: the real one comes later, before these bytes
PCM_SUBTYPE = bytes.fromhex("000000001000800000aa00389b71")
RATES = range(100, 1_000_001)  # Hz; anything else is a damaged header, and the resampler's filter would fill the memory
PROBED = 1 << 15  # bytes at the beginning that are searched for compressed sound
Samples = NDArray[np.float32]  # mono, full scale at 1
Read: TypeAlias = Callable[[int], bytes]  # up to so many bytes; none at the end
LOUD = 0.001  # mean square, -30 dBFS: compressed sound, taken for 16-bit samples, is louder


@dataclass(frozen=True, slots=True)
class RawFormat:
    """The layout of headerless PCM, as in `--raw RATE,CHANNELS,FORMAT`."""

    rate: int  # Hz
    channels: int
    format: str  # one of RAW_FORMATS

    @classmethod
    def parse(cls, text: str) -> "RawFormat":
        """Parse `RATE,CHANNELS,FORMAT`; raise UsageError for anything else.

        >>> RawFormat.parse("16000,1,s16le")
        RawFormat(rate=16000, channels=1, format='s16le')
        """
        parts = text.split(",")
        if len(parts) != 3 or not (parts[0].isdecimal() and parts[1].isdecimal()):
            raise UsageError(f"--raw {text}: expected RATE,CHANNELS,FORMAT, such as 44100,2,s16le")
        rate, channels, name = int(parts[0]), int(parts[1]), parts[2]
        if rate not in RATES or not 1 <= channels <= 64:
            raise UsageError(f"--raw {text}: expected a rate of {RATES[0]} to {RATES[-1]} Hz and 1 to 64 channels")
        if name not in RAW_FORMATS:
            raise UsageError(f"--raw {text}: unknown sample format {name}; one of {' '.join(RAW_FORMATS)}")
        return cls(rate, channels, name)

    @property
    def codec(self) -> str:
        """libavcodec's name for it."""
        return f"pcm_{self.format}"

    @property
    def n_bytes(self) -> int:
        """Of one sample of one channel.

        >>> RawFormat(8000, 1, "s24le").n_bytes, RawFormat(8000, 1, "alaw").n_bytes
        (3, 1)
        """
        return int(self.format.strip("usflbeamw") or 8) // 8


def of_wave(fmt: bytes) -> RawFormat | None:
    """The layout that the contents of a WAV's `fmt ` chunk describe; None if it is not plain PCM of one or two channels.

    Speakers, samples of odd sizes, compressed sound and damaged headers are for libavformat to read.
    """
    if len(fmt) < 16:
        return None
    tag, channels, rate, _, n_block, bits = struct.unpack_from("<HHIIHH", fmt)
    if tag == EXTENSIBLE and fmt[26:40] == PCM_SUBTYPE and fmt[18:20] in (b"\0\0", fmt[14:16]):
        tag = int.from_bytes(fmt[24:26], "little")
    name = WAVE_FORMATS.get((tag, bits))
    if name is None or channels not in (1, 2) or n_block != channels * bits // 8 or rate not in RATES:
        return None
    return RawFormat(rate, channels, name)


def may_be_compressed(head: bytes, layout: RawFormat) -> bool:
    """Whether bytes said to be PCM may be DTS, AC-3 or MP3 all the same, which only libavformat can tell.

    Such sound is written as 16-bit samples, for a device that knows it. Read as samples it is loud and white.
    """
    if layout.format != "s16le":
        return False
    samples = np.frombuffer(head[: len(head) // 2 * 2], "<i2").astype(np.float32) * np.float32(2**-15)
    steps = samples[layout.channels :] - samples[: -layout.channels]
    power = float(np.dot(samples, samples))  # white noise has twice as much in its steps, other sound less
    return power > LOUD * len(samples) and float(np.dot(steps, steps)) > power


def frames(read: Read, layout: RawFormat, seconds: float) -> Iterator[AudioFrame]:
    """Frames of that length; the last may be shorter, and bytes of an unfinished sample at the end are dropped."""
    decoder = CodecContext.create(layout.codec, "r")
    assert isinstance(decoder, AudioCodecContext)
    decoder.sample_rate, decoder.layout = layout.rate, f"{layout.channels}C"
    n_frame = layout.channels * layout.n_bytes
    n_block = round(seconds * layout.rate) * n_frame
    held = b""
    while data := read(n_block - len(held)):
        held += data
        if len(held) == n_block:
            yield from decoder.decode(Packet(held))
            held = b""
    if n_whole := len(held) // n_frame * n_frame:
        yield from decoder.decode(Packet(held[:n_whole]))
