"""An open sound track in, decoded frames and losses out, in the order of the file.

Reading goes on after a stretch that cannot be read or decoded; a `Lost` takes its place. Time stamps that damage has made wrong
are corrected here: those of the first packet of an Ogg page after a lost page, and of streams whose stamps only count the packets
found (MP3, ADTS), where a damaged stretch of bytes counts as one packet however long it is. decoding.py puts in the silence.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
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
PAUSES = {"amrnb": (8, 160), "amrwb": (9, 320)}  # the first frame type that is no speech, and the samples of 20 ms
COUNTED_STAMPS = ("mp3", "aac")  # containers that are a row of packets without time stamps


@dataclass(frozen=True, slots=True)
class Lost:
    """A stretch that could not be read or decoded."""

    reason: str
    seconds: float = 0.0  # not accounted for by the time stamps that follow


def decoded(track: SoundTrack) -> Iterator[AudioFrame | Lost]:
    """Frames in order, and a `Lost` where frames are missing. Raises AudioError if the disk or the pipe fails."""
    if track.codec in ("flac", "wavpack"):  # by default a frame with a wrong checksum is accepted
        track.stream.codec_context.options = {"err_detect": "crccheck+explode", "request_sample_fmt": "s16p"}  # not interleaved
    by_packet = frames_by_packet(track)
    for _, items in restamped(by_packet) if track.container.format.name == "ogg" else by_packet:
        yield from items


Decoded: TypeAlias = tuple[
    SoundPacket | None, list[AudioFrame | Lost]
]  # a packet (None where none could be read), and what it gave


def frames_by_packet(track: SoundTrack) -> Iterator[Decoded]:
    """Each packet with its frames, or with the `Lost` in their place."""
    sizes = PacketSizes() if track.container.format.name in COUNTED_STAMPS else None
    is_vorbis = track.codec == "vorbis"
    for packet in packets(track):
        if isinstance(packet, Lost):
            yield None, [packet]
            continue
        if pause := pause_of(packet, track.codec):
            yield packet, [pause]
            continue
        try:
            frames: list[AudioFrame | Lost] = [*packet.decode()]
        except (av.error.FFmpegError, EOFError) as error:
            if sizes:
                sizes.add_broken(packet)
            yield packet, [Lost(getattr(error, "strerror", None) or str(error))]
            continue
        if is_vorbis:
            restamp(frames, packet, (packet.pts or 0) + (packet.duration or 0))
        if sizes and (n_uncounted := sizes.add_good(packet)):
            frames.insert(0, Lost("damaged bytes", n_uncounted * seconds_of(packet)))
        yield packet, frames


def pause_of(packet: SoundPacket, codec: str) -> AudioFrame | None:
    """The silence that a packet of AMR stands for while nobody speaks, which libavcodec takes for damage; None for speech.

    The first byte holds the frame type (RFC 4867, 3GPP TS 26.101 and 26.201): from 8, or 9 of AMR-WB, a description of the noise,
    or nothing.
    """
    first_pause, n_samples = PAUSES.get(codec, (0, 0))
    if not n_samples or not packet.size or bytes(packet)[0] >> 3 & 15 < first_pause:
        return None
    frame = AudioFrame("fltp", "mono", n_samples)
    frame.planes[0].update(bytes(4 * n_samples))
    frame.sample_rate, frame.pts, frame.time_base = 50 * n_samples, packet.pts, packet.time_base
    return frame


@dataclass(slots=True)
class PacketSizes:
    """The sizes of packets, which tell how long a broken stretch was when the number of packets does not."""

    mean: float = 0.0  # bytes of the last good packets
    n_broken: int = 0  # broken packets in a row
    n_bytes: int = 0  # of the broken packets

    def add_broken(self, packet: SoundPacket) -> None:
        """Count a packet that could not be decoded."""
        self.n_broken += 1
        self.n_bytes += packet.size

    def add_good(self, packet: SoundPacket) -> int:
        """Count a packet; returns how many packets the broken ones before it amount to beyond their number (may be negative)."""
        if not packet.size:  # the end: broken data before it is not sound
            return 0
        n_uncounted = round(self.n_bytes / self.mean) - self.n_broken if self.n_broken and self.mean else 0
        self.n_broken = self.n_bytes = 0
        self.mean += (packet.size - self.mean) / (20 if self.mean else 1)
        return n_uncounted


def seconds_of(packet: SoundPacket) -> float:
    """How long a packet lasts by its own account."""
    return float(packet.duration * packet.time_base) if packet.duration and packet.time_base else 0.0


def packets(track: SoundTrack) -> Iterator[SoundPacket | Lost]:
    """Packets of one stream to the end of the file, past any broken stretch."""
    n_errors = 0
    while n_errors < MAX_READ_ERRORS:
        try:
            for packet in track.container.demux(track.stream):
                n_errors = 0
                yield packet
            return
        except IndexError:  # a packet of a track that was not there when the container was opened: PyAV does not know it
            continue
        except av.error.FFmpegError as error:
            n_errors += 1
            yield Lost(error.strerror or str(error))
        except OSError as error:  # the disk, not the format
            raise AudioError(f"{track.name}: {error.strerror or error}") from None


def counted_samples(track: SoundTrack) -> int | None:
    """Samples of a FLAC file, by its packets; None if they do not follow one another, if its header gives another number, or if
    it is no FLAC file."""
    if track.container.format.name != "flac":
        return None
    n_samples = 0
    for packet in packets(track):
        if isinstance(packet, Lost) or (packet.size and packet.pts != n_samples):
            return None
        n_samples += packet.duration or 0
    return n_samples if n_samples == track.stream.duration else None


def restamped(stream: Iterable[Decoded]) -> Iterator[Decoded]:
    """Ogg packets, with the first of a page restamped from the second if there is a jump between them.

    Ogg stamps pages, at their end: libavformat assumes that the first packet after a lost page follows the last one before it.
    """
    last_page: int | None = None
    held: Decoded | None = None  # the first of its page
    for packet, items in stream:
        if held is not None:
            if packet is not None and held[0] is not None and packet.pos == held[0].pos:
                restamp(held[1], packet, start_of(packet, items), is_late=True)
            yield held
            held = None
        if packet is not None and packet.pos is not None and packet.pos != last_page:
            last_page, held = packet.pos, (packet, items)
        else:
            yield packet, items
    if held is not None:
        yield held


def start_of(packet: SoundPacket, items: list[AudioFrame | Lost]) -> int:
    """Where the sound of a packet begins, in its own ticks."""
    frame = items[0] if items else None
    return frame.pts or 0 if isinstance(frame, AudioFrame) and frame.time_base == packet.time_base else packet.pts or 0


def restamp(frames: list[AudioFrame | Lost], packet: SoundPacket, end: int, is_late: bool = False) -> None:
    """Make the frame of a packet end at `end`, in ticks of the packet; with `is_late`, only if that moves it later.

    For Vorbis, whose block size varies, libavformat gets only the ends of packets right: a short block after a long one gives
    more samples than its duration says.
    """
    if len(frames) != 1 or isinstance(frames[0], Lost) or packet.pts is None or packet.time_base is None:
        return
    frame = frames[0]
    if frame.pts is not None and frame.time_base == packet.time_base:
        start = end - round(Fraction(frame.samples, frame.sample_rate) / packet.time_base)
        frame.pts = max(frame.pts, start) if is_late else start
