"""An open sound track in, decoded frames and losses out, in the order of the file.

Reading goes on after a stretch that cannot be read or decoded; a `Lost` stands in its place. What time stamps get wrong after
damage is put right here: the first packet of an Ogg page after a lost page, and streams whose stamps are only a count of the
packets found (MP3, ADTS), where a damaged stretch of bytes counts as one packet however long it is. Silence is put in by
decoding.py.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import av
from av.audio.frame import AudioFrame
from av.packet import Packet

from audiolog_cli.errors import AudioError
from audiolog_cli.sound.containers import SoundTrack

if TYPE_CHECKING:
    from av.audio.stream import AudioStream

    SoundPacket: TypeAlias = Packet[AudioStream]
else:
    SoundPacket = Packet  # generic in PyAV's stubs only

MAX_READ_ERRORS = 100  # in a row before a file is given up
COUNTED_STAMPS = ("mp3", "aac")  # containers that are a row of packets without time stamps


@dataclass(frozen=True, slots=True)
class Lost:
    """A stretch that could not be read or decoded."""

    reason: str
    seconds: float = 0.0  # that the time stamps of what follows do not know of


def decoded(track: SoundTrack) -> Iterator[AudioFrame | Lost]:
    """Frames in order, and a `Lost` where there should be one. Raises AudioError when the disk or the pipe fails."""
    if track.stream.codec_context.name == "flac":  # by default a frame whose checksum is wrong counts as sound
        track.stream.codec_context.options = {"err_detect": "crccheck+explode"}
    container_format = track.container.format.name
    sizes = PacketSizes()
    for packet in restamped(packets(track)) if container_format == "ogg" else packets(track):
        if isinstance(packet, Lost):
            yield packet
            continue
        try:
            frames = packet.decode()
        except (av.error.FFmpegError, EOFError) as error:
            sizes.add_broken(packet)
            yield Lost(getattr(error, "strerror", None) or str(error))
            continue
        n_uncounted = sizes.add_good(packet)
        if n_uncounted and container_format in COUNTED_STAMPS:
            yield Lost("damaged bytes", n_uncounted * seconds_of(packet))
        for frame in frames:
            assert isinstance(frame, AudioFrame)
            yield frame


@dataclass(slots=True)
class PacketSizes:
    """The sizes of packets, which tell how long a stretch of broken ones was when their number does not."""

    mean: float = 0.0  # bytes of the last good packets
    n_broken: int = 0  # packets in a row
    n_bytes: int = 0  # of the broken packets

    def add_broken(self, packet: SoundPacket) -> None:
        """Count a packet that could not be decoded."""
        self.n_broken += 1
        self.n_bytes += packet.size

    def add_good(self, packet: SoundPacket) -> int:
        """Count a packet; returns how many more than their number the broken ones before it were (it may be negative)."""
        if not packet.size:  # the end: what is broken before it is no sound
            return 0
        n_uncounted = round(self.n_bytes / self.mean) - self.n_broken if self.n_broken and self.mean else 0
        self.n_broken = self.n_bytes = 0
        self.mean += (packet.size - self.mean) / (20 if self.mean else 1)
        return n_uncounted


def seconds_of(packet: SoundPacket) -> float:
    """How long a packet lasts by its own account."""
    return float(packet.duration * packet.time_base) if packet.duration and packet.time_base else 0.0


def packets(track: SoundTrack) -> Iterator[SoundPacket | Lost]:
    """Packets of one stream to the end of the file, reading on after a broken stretch."""
    n_errors = 0
    while n_errors < MAX_READ_ERRORS:
        try:
            for packet in track.container.demux(track.stream):
                n_errors = 0
                yield packet
            return
        except av.error.FFmpegError as error:
            n_errors += 1
            yield Lost(error.strerror or str(error))
        except OSError as error:  # the disk, not the format
            raise AudioError(f"{track.name}: {error.strerror or error}") from None


def restamped(stream: Iterable[SoundPacket | Lost]) -> Iterator[SoundPacket | Lost]:
    """Ogg packets with the first of a page stamped by the second, where there is a jump between them.

    Ogg stamps pages, at their end: libavformat takes the first packet after a lost page to follow the last one before it.
    """
    last_page: int | None = None
    held: SoundPacket | None = None  # the first of its page
    for packet in stream:
        if held is not None:
            if isinstance(packet, Packet) and packet.pos == held.pos:
                restamp(held, packet)
            yield held
            held = None
        if isinstance(packet, Packet) and packet.pos is not None and packet.pos != last_page:
            last_page, held = packet.pos, packet
        else:
            yield packet
    if held is not None:
        yield held


def restamp(first: SoundPacket, second: SoundPacket) -> None:
    """Let the first packet end where the second begins, if there is a gap."""
    if first.pts is None or second.pts is None or not first.duration or second.pts <= first.pts + first.duration:
        return
    first.pts = first.dts = second.pts - first.duration
