"""An open sound track in, mono float32 at the track's own rate out, with every sample at its right time.

Frames that cannot be decoded (packets.py) and missing stretches become silence of the same length, so that what follows keeps its
time; each is reported as `Damage`. Encoder delay and padding are cut as the container says. Time zero is the first sample, or a
film's own zero. Nothing is resampled here, and about a second is held.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from av.audio.fifo import AudioFifo
from av.audio.frame import AudioFrame
from av.audio.layout import AudioLayout
from av.stream import Stream
from numpy.typing import NDArray

from audiolog_cli.errors import AudioError
from audiolog_cli.sound.containers import PcmTrack, SoundTrack, Track
from audiolog_cli.sound.damage import Damage, MergedReport, Report
from audiolog_cli.sound.doubts import Cancelling
from audiolog_cli.sound.packets import Lost, decoded
from audiolog_cli.sound.pcm import RATES, Samples, frames

FULL_SCALE = {"u8": 2.0**7, "s16": 2.0**15, "s32": 2.0**31, "s64": 2.0**63, "flt": 1.0, "dbl": 1.0}
SAMPLE_TYPES = {"u8": "u1", "s16": "i2", "s32": "i4", "s64": "i8", "flt": "f4", "dbl": "f8"}
LOUDEST = 2.0  # lossy decoders overshoot full scale a little; beyond this the file's scale is wrong
EXACT_TOLERANCE = 0.005  # seconds a time stamp may be ahead before sound counts as missing
COARSE_TOLERANCE = 0.1  # where stamps are rounded to milliseconds and jitter: Matroska, FLV, ASF
LONGEST_GAP = 3600.0  # seconds; a larger jump is a broken time stamp, not lost sound
MOST_PADDING = 1 << 16  # bytes of zeros at the end of a file that are not reported
BLOCK, LIVE_BLOCK = 1.0, 0.125  # seconds gathered before they are passed on; a pipe lags behind by this much
MOST_CHANNELS = 8  # of frames that are gathered: of more planes, PyAV does not find the end in a frame that it made itself


@dataclass(slots=True)
class Position:
    """The output's position in seconds, across changes of the sample rate."""

    rate: int = 0
    n_samples: int = 0  # at `rate`, since the last change
    base: float = 0.0  # seconds before the last change

    @property
    def now(self) -> float:
        """Seconds of sound passed on so far; a day of them is exact to 0.02 nanoseconds."""
        return self.base + self.n_samples / self.rate if self.rate else 0.0

    def advance(self, n_samples: int, rate: int) -> None:
        """Count samples; a new stretch begins where the rate differs."""
        if rate != self.rate:
            self.base, self.rate, self.n_samples = self.now, rate, 0
        self.n_samples += n_samples


def mono_blocks(track: Track, channel: str, report: Report) -> Iterator[tuple[int, Samples]]:
    """Decode a sound track to blocks of (rate in Hz, samples), all finite and in [-1, 1].

    `channel` is `mix` (see `mix_of`), `left`, `right` or a number from 1. Raises AudioError when the file
    cannot be read further or has no such channel.
    """
    position = Position()
    merged = MergedReport(report)
    cancelling = Cancelling()
    for block in blocks(track, merged):
        onset = position.now
        samples = to_mono(block, channel, track.name, cancelling)
        position.advance(len(samples), block.rate)
        yield block.rate, within_full_scale(samples, onset, block.rate, merged)
    merged.close()
    cancelling.close(position.rate, report)


def blocks(track: Track, report: Report) -> Iterator["Piece"]:
    """Decode a sound track to pieces that are worth the calls on each of them."""
    seconds = LIVE_BLOCK if track.is_pipe else BLOCK
    if isinstance(track, SoundTrack):
        yield from gathered(timed_frames(track, report), seconds)
    elif isinstance(track, PcmTrack):
        position = Position()
        try:
            for frame in frames(track.read, track.layout, seconds):
                position.advance(frame.samples, track.rate)
                yield piece_of(frame)
        except OSError as error:  # the disk
            raise AudioError(f"{track.name}: {error.strerror or error}") from None
        report_end(track, position.now, "", report)


class Piece(NamedTuple):
    """Sound as it was decoded."""

    rate: int  # Hz
    kind: str  # of the samples, a key of SAMPLE_TYPES
    layout: str  # of the channels; "" for silence, in all of them
    planes: list[NDArray[Any]]  # the samples of each channel

    @property
    def samples(self) -> int:
        """How many, as of a frame."""
        return len(self.planes[0])


def gathered(frames: Iterator[AudioFrame | Piece], seconds: float) -> Iterator[Piece]:
    """Join frames of the same kind into blocks of that length: single frames cost more in calls than in arithmetic.

    libavutil copies them; a packet of a WAV may be a block already, and stays where it is.
    """
    held, n_block = AudioFifo(), 0.0
    kind: tuple[str, AudioLayout, int] | None = None
    for frame in frames:
        if isinstance(frame, Piece):
            yield from taken(held)
            yield frame
            continue
        if (own := (frame.format.name, frame.layout, frame.sample_rate)) != kind:
            yield from taken(held)
            held, kind = AudioFifo(), own
            n_block = seconds * frame.sample_rate if frame.layout.nb_channels <= MOST_CHANNELS else 0.0
        elif held.samples >= n_block:
            yield from taken(held)
        if not held.samples and frame.samples >= n_block:
            yield piece_of(frame)
        else:
            frame.pts = None  # the fifo's own begin at 0
            held.write(frame)
    yield from taken(held)


def taken(fifo: AudioFifo) -> Iterator[Piece]:
    """All that is in it, if anything is."""
    if (frame := fifo.read()) is not None:
        yield piece_of(frame)


def within_full_scale(samples: Samples, onset: float, rate: int, report: Report) -> Samples:
    """Replace NaN by silence and clip to [-1, 1], reporting both; small overshoots are not damage."""
    if not len(samples) or (samples.min() >= -1 and samples.max() <= 1):  # never true with a NaN among them
        return samples

    def stretch(which: NDArray[np.bool_], reason: str, cause: str) -> Damage:
        first, last = np.flatnonzero(which)[[0, -1]]
        return Damage(onset + first / rate, onset + (last + 1) / rate, reason, cause)

    finite = np.isfinite(samples)
    if not finite.all():
        report(stretch(~finite, "not numbers (NaN or infinite), taken as silence", "not_numbers"))
        samples = np.where(finite, samples, np.float32(0))
    if (loud := np.abs(samples) > LOUDEST).any():
        report(stretch(loud, "samples far beyond full scale, clipped", "clipped"))
    return np.clip(samples, -1, 1)


def timed_frames(track: SoundTrack, report: Report) -> Iterator[AudioFrame | Piece]:
    """Decode frame by frame, with silence where the time stamps say that sound is missing."""
    position = Position()
    start: float | None = None  # time stamp of the first sample
    trouble = ""
    late = late_start(track)
    if late:
        yield from silence(late, track.stream.sample_rate)
        position.advance(late, track.stream.sample_rate)
        report(Damage(0.0, position.now, "the sound begins later than the film, silence before it", "begins_late"))
    for item in decoded(track):
        if isinstance(item, Lost):
            trouble = item.reason
            if start is None and (declared := declared_start(track.stream)) is not None:
                start = declared - position.now
            start = start - item.seconds if start is not None else None
            continue
        rate = checked_rate(item.sample_rate, track.name)
        stamp = item.time
        if stamp is not None:
            now = position.now
            start = stamp - now if start is None else start
            gap = stamp - start - now
            if gap > EXACT_TOLERANCE or trouble:  # rare; with short frames, this loop's calls cost more than decoding
                n_missing = missing_samples(gap, item, trouble, now, report)
                yield from silence(n_missing, rate)
                position.advance(n_missing, rate)
        trouble = ""
        sound = without_padding(item, position.n_samples, track.padding) if track.padding else item
        position.advance(sound.samples, rate)
        yield sound
    if trouble and position.n_samples == late:
        raise AudioError(f"{track.name}: the sound cannot be decoded ({trouble}){index_hint(track)}")
    report_end(track, position.now, trouble, report)


def checked_rate(rate: int, name: str) -> int:
    """The sample rate in Hz; AudioError if it cannot be one."""
    if rate not in RATES:
        raise AudioError(f"{name}: a sample rate of {rate} Hz, expected {RATES[0]} to {RATES[-1]}: is the file damaged?")
    return rate


def piece_of(frame: AudioFrame) -> Piece:
    """A frame's samples, in place."""
    kind = frame.format.name.removesuffix("p")
    return Piece(frame.sample_rate, kind, frame.layout.name, channels_of(frame, SAMPLE_TYPES[kind]))


def without_padding(frame: AudioFrame, n_before: int, padding: range) -> AudioFrame | Piece:
    """A frame that begins after `n_before` samples, without the padding in it."""
    if n_before >= padding.stop or n_before + frame.samples <= padding.start:
        return frame
    piece, first, last = piece_of(frame), max(0, padding.start - n_before), padding.stop - n_before
    return piece._replace(planes=[np.concatenate((plane[:first], plane[last:])) for plane in piece.planes])


def late_start(track: SoundTrack) -> int:
    """Samples of a film before its sound begins: its own clock runs from 0, or from its first picture or sound.

    From 0 in Matroska and MP4, which hold times of the whole film (unless 0 is hours away, as in a part of a live stream).
    """
    start, stream = declared_start(track.stream), track.stream
    if start is None or track.container.format.name in ("wav", "mp3", "aac", "flac") or not stream.sample_rate:
        return 0
    starts = [declared_start(one) for one in track.container.streams if one.type in ("audio", "video")]
    first = min((one for one in starts if one is not None), default=start)
    is_film = track.container.format.name.split(",")[0] in ("matroska", "mov")
    late = start - (0.0 if is_film and first <= LONGEST_GAP else first)
    return round(late * stream.sample_rate) if COARSE_TOLERANCE < late <= LONGEST_GAP else 0


def declared_start(stream: Stream) -> float | None:
    """Where the sound begins according to the container, for files whose first frames are lost."""
    if stream.start_time is None or stream.time_base is None:
        return None
    return float(stream.start_time * stream.time_base)


def missing_samples(gap: float, frame: AudioFrame, trouble: str, now: float, report: Report) -> int:
    """How many samples of silence to put before a frame that is `gap` seconds late; reports them."""
    rate = frame.sample_rate
    is_coarse = frame.time_base is not None and frame.time_base > Fraction(1, rate)
    tolerance = COARSE_TOLERANCE if is_coarse else 1.5 / rate if trouble else EXACT_TOLERANCE
    if gap > LONGEST_GAP:
        report(Damage(now, now, f"time stamps jump by {gap:.0f} s, sound taken as continuous", "time_stamps"))
        return 0
    n_missing = round(gap * rate) if gap > tolerance else 0
    if n_missing:
        report(Damage(now, now + n_missing / rate, "broken or missing frames, taken as silence"))
    elif trouble:
        report(Damage(now, now, f"damaged data skipped ({trouble})"))
    return n_missing


def silence(n_samples: int, rate: int) -> Iterator[Piece]:
    """Zeros in pieces of at most a second."""
    for first in range(0, n_samples, rate):
        yield Piece(rate, "flt", "", [np.zeros(min(rate, n_samples - first), np.float32)])


def index_hint(track: SoundTrack) -> str:
    """Why an MP4 fails in a pipe: its index may come after the sound."""
    is_mp4_pipe = track.is_pipe and track.container.format.name.startswith("mov")
    return "; an MP4 or M4A whose index is at its end must be given as a file, not through a pipe" if is_mp4_pipe else ""


def report_end(track: Track, now: float, trouble: str, report: Report) -> None:
    """Report a recording that breaks off or ends in unreadable data."""
    declared = track.declared_end(now)
    if declared > now + 0.1:
        report(Damage(now, declared, "the file breaks off before the end that its header declares", "broken_off"))
    elif trouble:
        report(Damage(now, now, f"the end cannot be read ({trouble})"))
    wave = track.wave
    if wave and wave.heard_from is not None:
        known = now * wave.heard_from / wave.given
        report(Damage(known, now, "more sound than the header declares, heard to the end of the file", "more_sound"))
    if wave and wave.unheard > MOST_PADDING:
        report(Damage(now, now, f"{wave.unheard} bytes after the sound were not heard", "not_heard"))


@np.errstate(over="ignore", invalid="ignore")  # what is no number, or too large for one, is reported later
def to_mono(piece: Piece, channel: str, name: str, cancelling: Cancelling) -> Samples:
    """One channel of a piece, or the mix of all, as float32 with full scale at 1."""
    rate, kind, layout, planes = piece
    weights = mix_of(layout, len(planes))
    if channel != "mix" and layout:
        planes, weights = [planes[channel_index(channel, len(planes), name)]], (1.0,)
    channels = [plane.astype(np.float32) for plane in planes]
    if kind == "u8":
        channels = [one - np.float32(FULL_SCALE["u8"]) for one in channels]
    is_mean = len(set(weights)) == 1
    # Spelled out: mean(axis=1) over interleaved samples takes ten times as long.
    if not is_mean:
        channels = [one * np.float32(weight) for one, weight in zip(channels, weights, strict=True)]
    total: Samples = channels[0] + channels[1] if len(channels) > 1 else channels[0]
    for one in channels[2:]:
        total += one
    total *= np.float32((weights[0] if is_mean else 1) / FULL_SCALE[kind])
    if len(channels) > 1:
        cancelling.add(channels, total, (weights[0] if is_mean else 1) / FULL_SCALE[kind], rate)
    if not is_mean:  # a surround mix may exceed full scale: that is not damage
        np.clip(total, -1, 1, out=total, where=np.isfinite(total))
    return total


# ITU-R BS.775-3, annex 4: front centre and surround at -3 dB in each of two channels, whose mean we take; no low-frequency
# effects.
SURROUND = dict.fromkeys(("FL", "FR", "BC", "FLC", "FRC", "WL", "WR"), 0.5) | {"FC": 0.5**0.5, "LFE": 0.0, "LFE2": 0.0}
SIDE_OR_BACK = 0.5**1.5  # and above


@lru_cache
def mix_of(layout: str, n_channels: int) -> tuple[float, ...]:
    """The weights of the channels in the mix: equal ones, or those of ITU-R BS.775 if the layout is one of surround speakers.

    >>> [round(weight, 3) for weight in mix_of("5.1", 6)], mix_of("stereo", 2)
    ([0.5, 0.5, 0.707, 0.0, 0.354, 0.354], (0.5, 0.5))
    """
    names = [one.name for one in AudioLayout(layout).channels] if n_channels > 2 and not layout.endswith("channels") else []
    if not {"FL", "FR"} < set(names):
        return (1 / n_channels,) * n_channels
    return tuple(SURROUND.get(name, SIDE_OR_BACK) for name in names)


def channels_of(frame: AudioFrame, sample_type: str) -> list[NDArray[Any]]:
    """Each channel's samples in place in the frame: `to_ndarray` copies them, and takes longer than the decoder."""
    n_channels = frame.layout.nb_channels
    # PyAV does not declare planes as buffers, and of eight channels or more it lists planes that are none.
    if frame.format.is_planar:
        planes = frame.planes[:n_channels]
        return [np.frombuffer(plane, sample_type, frame.samples) for plane in planes]  # type: ignore[call-overload]
    interleaved = np.frombuffer(frame.planes[0], sample_type, frame.samples * n_channels)  # type: ignore[call-overload]
    return [interleaved[i::n_channels] for i in range(n_channels)]


def channel_index(channel: str, n_channels: int, name: str) -> int:
    """Position of the chosen channel, counted from 0; AudioError if the recording has no such channel."""
    index = {"left": 0, "right": 1}.get(channel)
    if index is None:
        index = int(channel) - 1
    if index >= n_channels:
        raise AudioError(f"{name}: no channel {channel}, it has {n_channels}; --channel mix takes the mean of all")
    return index
