"""Names and pipes in, open sound tracks out: where bytes come from and which container they are.

A source is a path, `-` for standard input, or a binary file object; it may be a FIFO or a pipe that is still being
written. Every path or URL is opened here and handed over as bytes, so nothing in a recording opens another file or URL, names
that are not UTF-8 work, and the system's own errors become one line. No sample is decoded here.
"""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

import av
from av.audio.stream import AudioStream
from av.container import InputContainer

from audiolog_cli.errors import AudioError, UsageError
from audiolog_cli.sound import riff
from audiolog_cli.sound.remote import is_url, open_url

Source = str | os.PathLike[str] | BinaryIO

# libavformat would otherwise also guess at subtitles, images and playlists (which open further files and URLs).
CONTAINERS = (
    "wav,w64,aiff,caf,au,voc,flac,mp3,aac,mov,mp4,m4a,3gp,3g2,mj2,ogg,matroska,webm,flv,asf,avi,mpegts,mpeg,ac3,eac3,"
    "dts,amr,ape,wv,tta,dsf,iff,gsm,sox"
)
PCM_FORMATS = ("u8", "s8", "s16le", "s16be", "s24le", "s24be", "s32le", "s32be")
RAW_FORMATS = (*PCM_FORMATS, "f32le", "f32be", "f64le", "f64be", "alaw", "mulaw")

RATES = range(100, 1_000_001)  # Hz; outside it is a damaged header, and the resampler's filter would fill the memory
# Larger packets of PCM halve the work of decoding a file; from a pipe they would wait until they are full.
FILE_OPTIONS = {"format_whitelist": CONTAINERS, "max_size": "65536"}
# In a WAV, libavformat looks for DTS and S/PDIF in the first 5 MB again and again: a tenth of a second for every file.
WAV_FILE_OPTIONS = {**FILE_OPTIONS, "max_probe_packets": "2"}
WAV_HEADS = (b"RIFF", b"RF64", b"BW64")
HEAD = 1 << 16  # bytes at the start of a file that are searched for an MP3's tag
# RIFF sizes that programs write into a pipe because they cannot know better: 0, all ones (ffmpeg), about 2 GiB (arecord, sox).
ENDLESS_SIZES = (range(1), range(0x7FFF_0000, 0x8000_1000), range(0xFFFF_F000, 0x1_0000_0000))


@dataclass(frozen=True, slots=True)
class RawFormat:
    """How headerless PCM is laid out: what `--raw RATE,CHANNELS,FORMAT` says."""

    rate: int  # Hz
    channels: int
    format: str  # one of RAW_FORMATS

    @classmethod
    def parse(cls, text: str) -> "RawFormat":
        """Read `RATE,CHANNELS,FORMAT`; raise UsageError where that is not what it says.

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


class PipeReader:
    """What a pipe holds right now, never waiting until a block is full: live sound must not lag behind."""

    def __init__(self, file: BinaryIO) -> None:
        self._read: Any = getattr(file, "read1", file.read)
        self._head = b""  # peeked at, not yet read
        self.seen = bytearray()  # everything read until `forget`
        self._is_seeing = True

    def peek(self, size: int) -> bytes:
        """The first `size` bytes (fewer only at the end of the stream), which `read` will give again."""
        while len(self._head) < size and (data := self._read(size - len(self._head))):
            self._head += data
        return self._head

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; none at the end of the stream."""
        if self._head:
            data, self._head = self._head[:size], self._head[size:]
        else:
            data = bytes(self._read(size))
        if self._is_seeing:
            self.seen += data
        return data

    def forget(self) -> None:
        """Let go of what was read, and keep no more of it."""
        self._is_seeing = False
        self.seen = bytearray()


@dataclass(frozen=True, slots=True)
class SoundTrack:
    """The first sound track of an open container."""

    name: str  # of the source, for messages
    container: InputContainer
    stream: AudioStream
    is_pipe: bool
    seconds: float | None  # its length as the header declares it, where the header counts samples; the file may be shorter
    padding: range | None  # samples (from the first that is decoded) to cut where libavformat cannot: the end of MP3 in a pipe


def source_name(source: Source) -> str:
    """The source as messages name it: the path as given, `-` for standard input."""
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source)
    return str(getattr(source, "name", "-"))


@contextmanager
def open_bytes(source: Source) -> Iterator[BinaryIO]:
    """Open a path, `-` or a file object for reading; AudioError names what is wrong with it."""
    name = source_name(source)
    if not isinstance(source, (str, os.PathLike)):
        yield source
    elif name == "-":
        if sys.stdin is None:
            raise AudioError("-: standard input is closed")
        yield sys.stdin.buffer
    else:
        with open_path(name) as file:
            yield file


def open_path(path: str) -> BinaryIO:
    """Open a file, a FIFO or a URL; one line for each way this can fail."""
    if is_url(path):
        return open_url(path)
    try:
        if os.path.isdir(path):
            raise AudioError(f"{path}: is a directory; name the recordings in it")
        if os.path.isfile(path) and os.path.getsize(path) == 0:
            raise AudioError(f"{path}: empty file")
        return open(path, "rb")
    except FileNotFoundError:
        raise AudioError(f"{path}: no such file") from None
    except PermissionError:
        raise AudioError(f"{path}: permission denied") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise AudioError(f"{path}: {getattr(error, 'strerror', None) or error}") from None


def is_seekable(file: BinaryIO) -> bool:
    """Whether the file can be read again from another place; pipes, FIFOs and terminals cannot."""
    return bool(getattr(file, "seekable", bool)())


@contextmanager
def open_track(source: Source, raw: RawFormat | None = None) -> Iterator[SoundTrack]:
    """Open the first sound track of a source.

    Raises AudioError when it cannot be read, is no sound file of a known container, or has no sound track.
    """
    name = source_name(source)
    with open_bytes(source) as file:
        pipe = None if is_seekable(file) else PipeReader(file)
        if pipe and not pipe.peek(1):
            raise AudioError(f"{name}: empty input")
        options = raw_options(raw) if raw else pipe_options(pipe) if pipe else file_options(beginning(file))
        with open_demuxer(name, pipe or file, raw.format if raw else None, options) as container:
            if not container.streams.audio:
                raise AudioError(f"{name}: no sound track in it")
            if container.streams.audio[0].codec_context is None:  # not as PyAV's stubs have it
                raise AudioError(f"{name}: the codec of its sound track is unknown")
            if pipe:
                head = bytes(pipe.seen)
                pipe.forget()
            else:
                head = beginning(file)
            yield sound_track(name, container, file, head)


def sound_track(name: str, container: InputContainer, file: BinaryIO, head: bytes) -> SoundTrack:
    """What an open container says of its first sound track; `head` are the first bytes of the file."""
    stream = container.streams.audio[0]
    is_pipe = not is_seekable(file)
    padding = mp3_padding(head) if container.format.name == "mp3" else None
    if container.format.name == "wav":  # libavformat gives the length of what is there, not of what was promised
        seconds = declared_wav_seconds(io.BytesIO(head)) if is_pipe else riff.declared_seconds(file)
    elif container.format.name == "mp3":
        seconds = padding.start / stream.sample_rate if padding else None
    else:
        seconds = declared_seconds(container)
    return SoundTrack(name, container, stream, is_pipe, seconds, padding if is_pipe else None)


def declared_wav_seconds(head: BinaryIO) -> float | None:
    """Length as the header of a WAV in a pipe gives it, unless its size is made up."""
    return None if is_endless(head.read(8)) else riff.declared_seconds(head)


def is_endless(head: bytes) -> bool:
    """Whether a RIFF file's size is one that stands for "unknown"."""
    size = int.from_bytes(head[4:8], "little")
    return head[:4] == b"RIFF" and any(size in sizes for sizes in ENDLESS_SIZES)


def beginning(file: BinaryIO) -> bytes:
    """The first bytes of a file that can be seeked, which stays where it is."""
    position = file.tell()
    file.seek(0)
    head = file.read(HEAD)
    file.seek(position)
    return head


def declared_seconds(container: InputContainer) -> float | None:
    """Length as the header gives it, for containers that count samples (others estimate it from the bit rate)."""
    stream = container.streams.audio[0]
    container_format = container.format.name.split(",")[0]
    if container_format not in ("w64", "aiff", "caf", "au", "flac", "mov") or not stream.duration:
        return None
    return float(stream.duration * stream.time_base) if stream.time_base else None


def mp3_padding(head: bytes) -> range | None:
    """The samples that pad the end of an MP3, from its Xing or Info tag with the encoder's delays; None where it has none.

    Counted after the samples that the decoder skips at the start. libavformat cuts them only in files it can seek in.
    Format: the MP3 Info tag (Gabriel Bouvigne's specification of the LAME tag).
    """
    start = max(head.find(b"Xing"), head.find(b"Info"))
    if start < 13 or not head[start + 7 : start + 8] or not head[start + 7] & 1:  # bit 0: a count of frames follows
        return None
    flags = head[start + 7]
    n_frames = int.from_bytes(head[start + 8 : start + 12], "big")
    tag_end = start + 8 + 4 * (flags & 1) + 4 * (flags >> 1 & 1) + 100 * (flags >> 2 & 1) + 4 * (flags >> 3 & 1)
    delays = int.from_bytes(head[tag_end + 21 : tag_end + 24], "big")
    n_delay, n_padding = delays >> 12, delays & 0xFFF
    header = head.rfind(b"\xff", 0, start - 8)
    n_frame_samples = 1152 if head[header + 1] & 0b1000 else 576  # MPEG 1, or MPEG 2 and 2.5
    n_end = n_frames * n_frame_samples - n_delay
    return range(n_end - n_padding, n_end) if 0 < n_padding < n_end else None


def open_demuxer(name: str, reader: Any, container_format: str | None, options: dict[str, str]) -> InputContainer:
    """`av.open` with its errors in our words."""
    try:
        container: InputContainer = av.open(
            reader, format=container_format, container_options=options, metadata_errors="replace", buffer_size=65536
        )
        return container
    except (av.error.FFmpegError, EOFError, ValueError) as error:
        is_unknown = isinstance(error, av.error.InvalidDataError | EOFError)
        reason = "" if is_unknown else f" ({getattr(error, 'strerror', None) or error})"
        if not isinstance(reader, PipeReader) and beginning(reader)[4:8] == b"ftyp":
            raise AudioError(f"{name}: its index is missing, the MP4 or M4A was broken off while it was written") from None
        raise AudioError(f"{name}: not a sound file that can be read{reason}") from None


def raw_options(raw: RawFormat) -> dict[str, str]:
    """The PCM demuxers' options for a layout without header."""
    return {"sample_rate": str(raw.rate), "ch_layout": f"{raw.channels}C"}


def file_options(head: bytes) -> dict[str, str]:
    """Options for a file that can be seeked and begins with these bytes."""
    return WAV_FILE_OPTIONS if head.startswith(WAV_HEADS) else FILE_OPTIONS


def pipe_options(reader: PipeReader) -> dict[str, str]:
    """Options for a stream that cannot be read twice: little probing, and no trust in made-up WAV sizes."""
    options = {"format_whitelist": CONTAINERS, "probesize": "32768", "analyzeduration": "500000"}
    if is_endless(reader.peek(8)):
        options["ignore_length"] = "1"
    return options
