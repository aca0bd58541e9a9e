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
from audiolog_cli.sound.ogg import Link, is_ogg
from audiolog_cli.sound.pcm import PROBED, RawFormat, Read, may_be_compressed, of_wave
from audiolog_cli.sound.remote import is_url, open_url, reason
from audiolog_cli.sound.riff import NotWave, Stream, Wave, is_seekable, is_wave

Source = str | os.PathLike[str] | BinaryIO

# Otherwise libavformat would also try subtitles, images and playlists (which open further files and URLs).
CONTAINERS = (
    "wav,w64,aiff,caf,au,voc,flac,mp3,aac,mov,mp4,m4a,3gp,3g2,mj2,ogg,matroska,webm,flv,asf,avi,mpegts,mpeg,ac3,eac3,"
    "dts,amr,ape,wv,tta,dsf,iff,gsm,sox"
)

SIDE_INFORMATION = {(True, False): 32, (True, True): 17, (False, False): 17, (False, True): 9}  # bytes; MPEG 1?, mono?
# Larger packets of PCM halve the work of decoding a file; in a pipe each would wait until it is full.
FILE_OPTIONS = {"format_whitelist": CONTAINERS, "max_size": "65536"}
# In a WAV, libavformat scans the first 5 MB repeatedly for DTS and S/PDIF: 100 ms a file; 32 KB, as in a pipe, take 1 ms.
WAV_FILE_OPTIONS = {**FILE_OPTIONS, "max_probe_packets": "2", "probesize": "32768"}
PIPE_OPTIONS = {"format_whitelist": CONTAINERS, "probesize": "32768", "analyzeduration": "500000"}
HEAD = 1 << 16  # bytes at the start of a file that are searched for an MP3 tag


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
    padding: range | None  # decoded samples to cut where libavformat cannot: the end of an MP3 in a pipe


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
    """Open a sound track of a source, then those of WAVs or Ogg links that follow it, each when the one before it is used up.

    `number` counts sound tracks from 1; 0 is the file's default track, else the first. Raises AudioError if the source cannot be
    read, is not a sound file in a known container, or has no such track.
    """
    name = source_name(source)
    with open_bytes(source) as file:
        stream = Stream(file)
        if not stream.peek(1):
            raise AudioError(f"{name}: empty input")
        head = stream.peek(16)
        if raw or is_wave(head) or is_ogg(head):
            stream.forget()
        if raw:
            yield pcm_track(name, stream, raw, number)
        elif is_wave(head):
            yield from wave_tracks(name, stream, number)
        elif is_ogg(head):
            is_followed = True
            while is_followed:
                link = Link(stream)
                yield from opened(name, link, number)
                is_followed = link.is_followed
        elif stream.is_pipe:
            yield from opened(name, stream, number)
        else:
            stream.rewind()
            yield from opened(name, file, number)


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


def opened(name: str, reader: "BinaryIO | Stream | Wave | Link", number: int) -> Iterator[SoundTrack]:
    """The sound track with that number, as libavformat finds it in `reader`."""
    is_pipe = isinstance(reader, Stream | Wave | Link) and reader.is_pipe
    with open_demuxer(name, reader) as container:
        if not container.streams.audio:
            raise AudioError(f"{name}: no sound track in it")
        stream, others = chosen(container, number, name)
        padding, wave = None, reader if isinstance(reader, Wave) else None
        if container.format.name == "mp3" and not isinstance(reader, Wave | Link):
            padding = mp3_padding(after_id3(reader))
        if isinstance(reader, Stream):
            reader.forget()
        seconds = padding.start / stream.sample_rate if padding else declared_seconds(container, stream)
        yield SoundTrack(
            name=name,
            codec=stream.codec_context.name,
            rate=stream.sample_rate or 0,
            is_pipe=is_pipe,
            wave=wave,
            seconds=seconds,
            others=others,
            container=container,
            stream=stream,
            padding=padding if is_pipe else None,
        )


def beginning(file: BinaryIO, first: int = 0) -> bytes:
    """HEAD bytes of a seekable file, whose position stays where it is."""
    position = file.tell()
    file.seek(first)
    head = file.read(HEAD)
    file.seek(position)
    return head


def after_id3(reader: "BinaryIO | Stream") -> bytes:
    """The first bytes after the ID3 tags of a file, or of what has been read from a pipe."""
    first = 0
    while True:
        head = bytes(reader.seen[first : first + HEAD]) if isinstance(reader, Stream) else beginning(reader, first)
        size = id3_size(head)
        if not size:
            return head
        first += size


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
    if container_format not in ("aiff", "caf", "au", "flac", "mov") or not stream.duration:
        return None
    return float(stream.duration * stream.time_base) if stream.time_base else None


def mp3_padding(head: bytes) -> range | None:
    """The samples that pad the end of an MP3, from its Xing or Info tag with the encoder's delays; None if it has no such tag.

    `head` begins with the file, or after an ID3 tag before its sound. Samples are counted from the first that the decoder does
    not skip. libavformat cuts the padding only in seekable files. Format: the MP3 Info tag (Gabriel Bouvigne's specification of
    the LAME tag).
    """
    start = next((at for at in range(len(head) - 4) if head[at] == 0xFF and head[at + 1] & 0xE6 == 0xE2), -1)  # MPEG, layer III
    if start < 0:
        return None
    is_mpeg1, is_mono = bool(head[start + 1] & 0b1000), head[start + 3] >> 6 == 3
    tag = start + 4 + SIDE_INFORMATION[is_mpeg1, is_mono]
    flags = head[tag + 7] if len(head) > tag + 7 else 0
    if head[tag : tag + 4] not in (b"Xing", b"Info") or not flags & 1:  # bit 0: a count of frames follows
        return None
    n_frames = int.from_bytes(head[tag + 8 : tag + 12], "big")
    tag_end = tag + 8 + 4 * (flags & 1) + 4 * (flags >> 1 & 1) + 100 * (flags >> 2 & 1) + 4 * (flags >> 3 & 1)
    delays = int.from_bytes(head[tag_end + 21 : tag_end + 24], "big")
    n_delay, n_padding = delays >> 12, delays & 0xFFF
    n_end = n_frames * (1152 if is_mpeg1 else 576) - n_delay  # MPEG 2 and 2.5 have half as many samples in a frame
    return range(n_end - n_padding, n_end) if 0 < n_padding < n_end else None


def id3_size(head: bytes) -> int:
    """Bytes of the ID3v2 tag at the start of a file, 0 if there is none: text and pictures, which may hold any bytes.

    >>> id3_size(b"ID3\\x04\\0\\0\\0\\0\\x02\\x01")
    267
    """
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte & 0x7F
    return 10 + size + (10 if head[5] & 0x10 else 0)  # a footer


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
        if is_seekable(reader) and beginning(reader)[4:8] == b"ftyp":
            raise AudioError(f"{name}: its index is missing, the MP4 or M4A was broken off while it was written") from None
        raise AudioError(f"{name}: not a readable audio file{reason}") from None


def options_for(reader: "BinaryIO | Stream | Wave | Link") -> dict[str, str]:
    """libavformat's options: little probing in a pipe, which cannot be read twice."""
    if isinstance(reader, Wave):
        return (PIPE_OPTIONS if reader.is_pipe else WAV_FILE_OPTIONS) | {"ignore_length": "1"}
    return PIPE_OPTIONS if isinstance(reader, Stream | Link) and reader.is_pipe else FILE_OPTIONS
