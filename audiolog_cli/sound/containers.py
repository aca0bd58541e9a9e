"""Names and pipes in, open sound tracks out: where the bytes come from and which container holds them.

A source is a path, `-` for standard input, or a binary file object; it may be a FIFO or a pipe that is still being
written. Every path or URL is opened here and handed on as bytes, so that nothing in a recording opens another file or URL, names
that are not UTF-8 work, and system errors become one line. Nothing is decoded here.
"""

import os
import sys
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition

from audiolog_cli.errors import AudioError
from audiolog_cli.sound.mp3 import Part, is_tagged
from audiolog_cli.sound.ogg import Link, is_ogg
from audiolog_cli.sound.pcm import PROBED, RawFormat, Read, may_be_compressed, of_wave
from audiolog_cli.sound.remote import is_url, open_url, reason
from audiolog_cli.sound.riff import NotWave, Wave, is_wave
from audiolog_cli.sound.stream import Stream, is_seekable
from audiolog_cli.sound.wavpack import Blocks, is_wavpack

Source = str | os.PathLike[str] | BinaryIO
Reader = BinaryIO | Stream | Wave | Link | Part | Blocks  # what libavformat may read

# Otherwise libavformat would also try subtitles, images and playlists (which open further files and URLs).
CONTAINERS = (
    "wav,w64,aiff,caf,au,voc,flac,mp3,aac,mov,mp4,m4a,3gp,3g2,mj2,ogg,matroska,webm,flv,asf,avi,mpegts,mpeg,ac3,eac3,"
    "dts,amr,ape,wv,tta,dsf,iff,gsm,sox"
)

# Larger packets of PCM halve the work of decoding a file; in a pipe each would wait until it is full.
FILE_OPTIONS = {"format_whitelist": CONTAINERS, "max_size": "65536"}
# In a WAV, libavformat scans the first 5 MB repeatedly for DTS and S/PDIF: 100 ms a file; 32 KB, as in a pipe, take 1 ms.
WAV_FILE_OPTIONS = {**FILE_OPTIONS, "max_probe_packets": "2", "probesize": "32768"}
PIPE_OPTIONS = {"format_whitelist": CONTAINERS, "probesize": "32768", "analyzeduration": "500000"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """An open sound track."""

    name: str  # of the source, for messages
    codec: str  # by libavcodec's name
    rate: int  # Hz, by the header
    is_pipe: bool
    wave: Wave | None  # the source of a WAV's sound
    seconds: float | None = None  # its length by the header, if the header counts samples; the file may be shorter
    others: str = ""  # a message about the other sound tracks, if there are any

    def declared_end(self, seconds: float) -> float:
        """Seconds of sound that the header promises, or `seconds`, those found, if it does not say."""
        if self.wave is None:
            return self.seconds or seconds
        if not self.wave.promised or not self.wave.given:
            return seconds
        return seconds * self.wave.promised / self.wave.given


@dataclass(frozen=True, slots=True, kw_only=True)
class PcmTrack(Track):
    """PCM that needs no container."""

    read: Read
    layout: RawFormat


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundTrack(Track):
    """A sound track that libavformat takes out of its container."""

    container: InputContainer
    stream: AudioStream
    padding: range | None  # decoded samples to cut where libavformat does not: the end of an MP3


def source_name(source: Source) -> str:
    """The source as messages name it: the path as given, `-` for standard input."""
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source)
    name = getattr(source, "name", "-")
    return "-" if name == "<stdin>" else str(name)


@contextmanager
def open_bytes(source: Source) -> Iterator[BinaryIO]:
    """Open a path, `-` or a file object for reading; AudioError says what is wrong with it, also if a disk fails meanwhile."""
    name = source_name(source)
    try:
        if not isinstance(source, (str, os.PathLike)):
            yield source
        elif name == "-":
            if sys.stdin is None:
                raise AudioError("-: standard input is closed")
            yield sys.stdin.buffer
        else:
            with open_path(name) as file:
                yield file
    except OSError as error:  # or libavformat was sent to a place that cannot be, by a damaged header
        raise AudioError(f"{name}: {error.strerror or error}") from None


def open_path(path: str) -> BinaryIO:
    """Open a file, a FIFO or a URL; each way this can fail has its own one-line message."""
    if is_url(path):
        return open_url(path)
    try:
        if os.path.isdir(path):
            raise AudioError(f"{path}: is a directory; name the recordings in it")
        if os.path.isfile(path) and os.path.getsize(path) == 0:
            raise AudioError(f"{path}: empty file")
        return open(path, "rb")
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise AudioError(f"{path}: {reason(error)}") from None


@contextmanager
def open_track(source: Source, raw: RawFormat | None = None, number: int = 0) -> Iterator[Track]:
    """Open a sound track of a source; see `open_tracks`."""
    with closing(open_tracks(source, raw, number)) as tracks:
        yield next(tracks)


def open_tracks(source: Source, raw: RawFormat | None = None, number: int = 0) -> Generator[Track]:
    """Open a sound track of a source, then those of WAVs, Ogg links or MP3s that follow, each when the one before it is used up.

    `number` counts sound tracks from 1; 0 is the file's default track, else the first. Raises AudioError if the source cannot be
    read, is not a sound file in a known container, or has no such track.
    """
    name = source_name(source)
    with open_bytes(source) as file:
        stream = Stream(file)
        if not stream.peek(1):
            raise AudioError(f"{name}: empty input")
        head = stream.peek(16)
        if raw:
            yield pcm_track(name, stream, raw, number)
        elif is_wave(head):
            yield from wave_tracks(name, stream, number)
        elif kind := kind_of(stream):
            is_followed = True
            while is_followed:
                reader = kind(stream)
                yield from opened(name, reader, number)
                is_followed = reader.is_followed
        elif stream.is_pipe:
            yield from opened(name, stream, number)
        else:
            stream.rewind()
            yield from opened(name, file, number)


def kind_of(stream: Stream) -> type[Link | Part | Blocks] | None:
    """What cuts a stream into what libavformat can read; None if that can read all of it."""
    head = stream.peek(32)
    return Link if is_ogg(head) else Blocks if is_wavpack(head) else Part if is_tagged(stream) else None


def wave_tracks(name: str, stream: Stream, number: int) -> Iterator[Track]:
    """The sound track of a WAV, and of each that follows it."""
    is_followed = True
    while is_followed:
        try:
            wave = Wave(stream)
        except NotWave:
            raise AudioError(f"{name}: not a readable audio file") from None
        layout = of_wave(wave.format)
        if layout is None or may_be_compressed(wave.peek(PROBED), layout):
            yield from opened(name, wave, number)
        else:
            yield pcm_track(name, wave, layout, number)
        is_followed = wave.is_followed


def pcm_track(name: str, reader: Stream | Wave, layout: RawFormat, number: int) -> PcmTrack:
    """PCM as its only sound track."""
    check_number(number, 1, name)
    wave = reader if isinstance(reader, Wave) else None
    read = wave.read_sound if wave else reader.read
    return PcmTrack(name=name, codec=layout.codec, rate=layout.rate, is_pipe=reader.is_pipe, wave=wave, read=read, layout=layout)


def opened(name: str, reader: Reader, number: int) -> Iterator[SoundTrack]:
    """The sound track with that number, as libavformat finds it in `reader`."""
    with open_demuxer(name, reader) as container:
        if not container.streams.audio:
            raise AudioError(f"{name}: no sound track in it")
        stream, others = chosen(container, number, name)
        padding = reader.padding if isinstance(reader, Part) else None
        seconds = padding.start / stream.sample_rate if padding else declared_seconds(container, stream)
        yield SoundTrack(
            name=name,
            codec=stream.codec_context.name,
            rate=stream.sample_rate or 0,
            is_pipe=is_pipe(reader),
            wave=reader if isinstance(reader, Wave) else None,
            seconds=seconds,
            others=others,
            container=container,
            stream=stream,
            padding=padding,
        )


def check_number(number: int, n_tracks: int, name: str) -> None:
    """AudioError if there is no sound track with that number."""
    if number > n_tracks:
        raise AudioError(f"{name}: no sound track {number}, it has {n_tracks}; without --track its default one is heard")


def chosen(container: InputContainer, number: int, name: str) -> tuple[AudioStream, str]:
    """The sound track to decode, and a message about the others."""
    tracks = container.streams.audio
    check_number(number, len(tracks), name)
    index = number - 1 if number else next((at for at, track in enumerate(tracks) if Disposition.default in track.disposition), 0)
    track = tracks[index]
    others = "; ".join(
        ", ".join(filter(None, (f"{at}", (other.language or "").replace("und", ""), other.metadata.get("title"))))
        for at, other in enumerate(tracks, 1)
        if at != index + 1
    )
    if track.codec_context is None:  # PyAV's stubs deny that
        way_out = f"; --track hears another one ({others})" if others else ""
        raise AudioError(f"{name}: the codec of its sound track is unknown{way_out}")
    return track, f"sound track {index + 1} of {len(tracks)} is heard; --track hears another one ({others})" if others else ""


def declared_seconds(container: InputContainer, stream: AudioStream) -> float | None:
    """The length in the header, for containers that count samples (others estimate it from the bit rate)."""
    container_format = container.format.name.split(",")[0]
    if container_format == "caf":  # its duration is an estimate from the file's size, or includes the end of the last packet
        is_pcm = stream.codec_context.name.startswith("pcm_") and stream.sample_rate
        return stream.frames / stream.sample_rate if is_pcm and stream.frames else None
    if container_format not in ("aiff", "au", "flac", "mov", "tta", "wv") or not stream.duration:
        return None
    return float(stream.duration * stream.time_base) if stream.time_base else None


class Sought:
    """A seekable file for libavformat, which a damaged header may send to a place that cannot be: it is told so.

    An error in `seek` would be printed by PyAV with its traceback.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.name = str(getattr(file, "name", ""))
        self.read, self.tell, self.seekable = file.read, file.tell, file.seekable
        self._seek = file.seek

    def seek(self, place: int, whence: int = os.SEEK_SET) -> int:
        """As of a file, but -1 where that fails."""
        try:
            return self._seek(place, whence)
        except (OSError, ValueError, OverflowError):
            return -1


def open_demuxer(name: str, reader: Any) -> InputContainer:
    """`av.open`, with its errors in our own words."""
    try:
        seen: Any = Sought(reader) if is_seekable(reader) else reader
        container: InputContainer = av.open(
            seen, container_options=options_for(reader), metadata_errors="replace", buffer_size=65536
        )
        return container
    except (av.error.FFmpegError, EOFError, ValueError) as error:
        is_unknown = isinstance(error, av.error.InvalidDataError | EOFError)
        reason = "" if is_unknown else f" ({getattr(error, 'strerror', None) or error})"
        if is_seekable(reader) and beginning(reader)[4:] == b"ftyp":
            raise AudioError(f"{name}: its index is missing, the MP4 or M4A was broken off while it was written") from None
        raise AudioError(f"{name}: not a readable audio file{reason}") from None


def beginning(file: BinaryIO) -> bytes:
    """Its first eight bytes."""
    file.seek(0)
    return file.read(8)


def options_for(reader: Reader) -> dict[str, str]:
    """libavformat's options: little probing in a pipe, which cannot be read twice."""
    if isinstance(reader, Wave):
        return (PIPE_OPTIONS if reader.is_pipe else WAV_FILE_OPTIONS) | {"ignore_length": "1"}
    return PIPE_OPTIONS if is_pipe(reader) else FILE_OPTIONS


def is_pipe(reader: Reader) -> bool:
    """Whether its bytes come from a pipe."""
    return isinstance(reader, Stream | Wave | Link | Part | Blocks) and reader.is_pipe
