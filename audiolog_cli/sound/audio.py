"""Recordings in, windows of mono float32 out: files, pipes and live streams of any length in constant memory.

`decode` gives the whole recording at the model's sample rate, `windows` cuts it into windows that cover every sample, and
`windows_at` lays such windows over the stretches that segment records name. A recording of n samples at r Hz has exactly
ceil(n x 32000 / r) samples here: one for each instant k / 32000 s before its end. Output sample k is the sound at
k / 32000 s: the resampler's delay is compensated. Damage is reported, never hidden (see decoding.py). Nothing here
knows about models.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import count, groupby
from math import ceil

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from audiolog_cli.errors import AudioError, UsageError
from audiolog_cli.sound.containers import SoundTrack, Source, Track, open_bytes, open_track, open_tracks, source_name
from audiolog_cli.sound.damage import Damage, Report, warn_of_damage
from audiolog_cli.sound.decoding import Position, channels_of, mono_blocks
from audiolog_cli.sound.doubts import Hum, Silence, ultrasound
from audiolog_cli.sound.packets import counted_samples
from audiolog_cli.sound.pcm import RawFormat, Samples
from audiolog_cli.sound.riff import Wave
from audiolog_cli.sound.stream import Stream, is_seekable

SAMPLE_RATE = 32_000  # Hz, of the models


@dataclass(frozen=True, slots=True)
class DecodeOptions:
    """How a recording becomes samples."""

    sample_rate: int = SAMPLE_RATE  # Hz, of the result
    channel: str = "mix"  # "mix" (of all channels), "left", "right", or a number counted from 1
    raw: RawFormat | None = None  # for PCM without a header
    track: int = 0  # a film's sound track, counted from 1; 0 is its default track

    def __post_init__(self) -> None:
        if not re.fullmatch(r"mix|left|right|[1-9][0-9]{0,2}", self.channel):
            raise UsageError(f"--channel {self.channel}: expected mix, left, right or a number from 1")
        if self.track < 0:
            raise UsageError(f"--track {self.track}: expected a number from 1, or 0 for the default track")


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of a recording as the model sees it."""

    index: int  # 0, 1, 2 ... in order of onset
    start: int  # first sample, counted from the start of the recording
    onset: float  # seconds: start / sample_rate
    n_samples: int  # valid ones; the rest of `samples` is zero
    samples: Samples  # (n_window,)


def decode(source: Source, options: DecodeOptions = DecodeOptions(), report: Report = warn_of_damage) -> Iterator[Samples]:
    """Yield a recording as chunks of mono float32 in [-1, 1], in constant memory, as its bytes arrive.

    Raises AudioError if no sound can be read from the source. Damage in it is passed to `report`.
    """
    n_samples = 0
    hum = Hum(options.sample_rate)
    with closing(open_tracks(source, options.raw, options.track)) as tracks:
        for chunk in resampled(all_blocks(tracks, options, report), options.sample_rate):
            n_samples += len(chunk)
            hum.add(chunk)
            yield chunk
    if not n_samples:
        raise AudioError(f"{source_name(source)}: no sound in it, 0 samples")
    hum.close(report)


def all_blocks(tracks: Iterator[Track], options: DecodeOptions, report: Report) -> Iterator[tuple[int, Samples]]:
    """(rate, samples) of the tracks of a source, one after another; the times of damage count from the start of the first."""
    position, silence = Position(), Silence(report)

    def told(damage: Damage) -> None:
        silence.is_explained |= damage.cause == "cancelling"
        report(replace(damage, onset=damage.onset + start, offset=damage.offset + start))

    while True:
        start = position.now
        try:
            track = next(tracks, None)
        except AudioError as error:
            if not start:
                raise
            report(Damage(start, start, f"what follows cannot be read ({error})"))
            silence.close(start, is_end=True)
            return
        if track is None:
            silence.close(start, is_end=True)
            return
        if track.others:
            report(Damage(start, start, track.others, "other_tracks"))
        ultrasound(track.rate, options.sample_rate, report)
        for rate, samples in mono_blocks(track, options.channel, told):
            silence.add(samples, position.now, rate)
            position.advance(len(samples), rate)
            yield rate, samples


def resampled(blocks: Iterable[tuple[int, Samples]], sample_rate: int) -> Iterator[Samples]:
    """Bring (rate, samples) blocks to one rate; the chunks add up to ceil(seconds x sample_rate) samples."""
    end = Fraction(0)  # seconds of input up to the end of the stretch
    n_out = 0
    for rate, stretch in groupby(blocks, key=lambda block: block[0]):
        resampler = None if rate == sample_rate else AudioResampler("flt", "mono", sample_rate)
        n_in = 0
        for _, samples in stretch:
            n_in += len(samples)
            chunk = convert(resampler, samples, rate) if resampler else samples
            n_out += len(chunk)
            yield chunk
        tail = convert(resampler, None, rate) if resampler else np.zeros(0, np.float32)
        end += Fraction(n_in, rate)
        n_left = ceil(end * sample_rate) - n_out
        yield np.pad(tail[:n_left], (0, max(0, n_left - len(tail))))
        n_out += n_left


def convert(resampler: AudioResampler, samples: Samples | None, rate: int) -> Samples:
    """Feed samples at `rate` to the resampler and return what it has ready; None flushes it."""
    frame = None
    if samples is not None:
        if not len(samples):  # a frame of an MP3 that is padding alone
            return samples
        frame = AudioFrame("flt", "mono", len(samples))
        channels_of(frame, "f4")[0][:] = samples
        frame.sample_rate = rate
    ready = resampler.resample(frame)
    clipped = np.empty(sum(one.samples for one in ready), np.float32)  # a copy: the frames' memory is FFmpeg's
    n_done = 0
    for one in ready:
        np.clip(channels_of(one, "f4")[0], -1, 1, out=clipped[n_done : n_done + one.samples])
        n_done += one.samples
    return clipped


def duration(source: Source, options: DecodeOptions = DecodeOptions()) -> float | None:
    """Seconds of sound that `decode` would give, found without it; None if only decoding can tell.

    By the headers of WAVs that are as long as they say, and of FLACs with as many samples in their packets. A pipe is not read.
    """
    with open_bytes(source) as file:
        if not is_seekable(file):
            return None
        position = file.tell()
        with open_track(file, options.raw, options.track) as track:
            n_samples = counted_samples(track) if isinstance(track, SoundTrack) else None
            if track.wave and track.codec.startswith("pcm_"):
                file.seek(position)
                n_samples = Wave(Stream(file)).counted_samples()
        return ceil(Fraction(n_samples, track.rate) * options.sample_rate) / options.sample_rate if n_samples else None


def native_rate(source: Source) -> int:
    """Hz at which a file was recorded; AudioError as `decode` raises it."""
    with open_track(source) as track:
        return track.rate


def exact_duration(source: Source) -> float:
    """Seconds of sound that `decode` gives, found by decoding all of it."""
    return sum(map(len, decode(source))) / SAMPLE_RATE


def whole(source: Source, sample_rate: int = SAMPLE_RATE) -> Samples:
    """All of a short recording as one array; damaged parts are silence, and not reported."""
    return np.concatenate(list(decode(source, DecodeOptions(sample_rate), report=lambda damage: None)))


def sample_at(seconds: float, sample_rate: int = SAMPLE_RATE) -> int:
    """The sample nearest to a time. Times in whole milliseconds are exact: a millisecond is 32 samples.

    >>> sample_at(10.001)
    320032
    """
    return round(seconds * sample_rate)


def windows(
    chunks: Iterable[Samples], window_seconds: float, hop_seconds: float, sample_rate: int = SAMPLE_RATE
) -> Iterator[Window]:
    """Cut chunks into windows of `window_seconds`, one every `hop_seconds`, that cover every sample.

    The last window is the first that reaches the end; it is padded with zeros. Raises ValueError unless
    0 < hop_seconds <= window_seconds.
    """
    n_window, n_hop = sample_at(window_seconds, sample_rate), sample_at(hop_seconds, sample_rate)
    if not 0 < n_hop <= n_window:
        raise ValueError(f"a hop of {hop_seconds} s does not cover windows of {window_seconds} s")
    spans = ((start, start + n_window) for start in count(0, n_hop))
    return cut(chunks, spans, n_window, sample_rate, is_open_ended=True)


def windows_at(
    chunks: Iterable[Samples],
    spans: Iterable[tuple[float, float]],
    window_seconds: float,
    hop_seconds: float,
    sample_rate: int = SAMPLE_RATE,
) -> Iterator[Window]:
    """Cut windows, one every `hop_seconds`, that cover the [onset, offset) spans (in seconds) and nothing else.

    Spans come in order of onset; those that touch or overlap are one stretch. If they leave nothing out, the windows equal those
    of `windows` to the byte; what is past the end of the recording is left out. Raises ValueError if onsets are out of
    order.
    """
    n_window, n_hop = sample_at(window_seconds, sample_rate), sample_at(hop_seconds, sample_rate)
    in_samples = ((sample_at(onset, sample_rate), sample_at(offset, sample_rate)) for onset, offset in spans)
    return cut(chunks, laid(stretches(in_samples, sample_rate), n_window, n_hop), n_window, sample_rate)


def stretches(spans: Iterable[tuple[int, int]], sample_rate: int = SAMPLE_RATE) -> Iterator[tuple[int, int]]:
    """Join spans of samples that touch or overlap.

    >>> list(stretches([(0, 10), (10, 20), (15, 25), (30, 40)]))
    [(0, 25), (30, 40)]
    """
    held: tuple[int, int] | None = None
    last = 0
    for start, end in spans:
        if start < last:
            raise ValueError(f"spans out of order: {start / sample_rate:.3f} s after {last / sample_rate:.3f} s")
        if held is not None and start <= held[1]:
            held = held[0], max(held[1], end)
        else:
            if held is not None:
                yield held
            held = start, end
        last = start
    if held is not None:
        yield held


def laid(spans: Iterable[tuple[int, int]], n_window: int, n_hop: int) -> Iterator[tuple[int, int]]:
    """Windows of each span of samples, one every `n_hop`; the last is the first that reaches the span's end.

    >>> list(laid([(0, 25), (30, 40)], n_window=10, n_hop=8))
    [(0, 10), (8, 18), (16, 25), (30, 40)]
    """
    for start, end in spans:
        for first in range(start, end, n_hop):
            yield first, min(first + n_window, end)
            if first + n_window >= end:
                break


def cut(
    chunks: Iterable[Samples],
    spans: Iterable[tuple[int, int]],
    n_window: int,
    sample_rate: int = SAMPLE_RATE,
    is_open_ended: bool = False,
) -> Iterator[Window]:
    """Cut [start, end) spans of samples, in order of their start, out of a stream, holding one span at a time.

    Open-ended spans never end: they stop with the first that reaches the end of the stream.
    """
    stream = Stretch(iter(chunks))
    last_end = 0
    for index, (start, end) in enumerate(spans):
        is_at_end = stream.move(start, end)
        is_covered = is_open_ended and stream.end <= last_end
        if is_at_end and (is_covered or stream.end <= start):
            return
        samples = np.empty(n_window, np.float32)
        n_valid = stream.copy(start, samples[: end - start])
        samples[n_valid:] = 0
        yield Window(index, start, start / sample_rate, n_valid, samples)
        last_end = end


@dataclass(slots=True)
class Stretch:
    """The part of a stream of chunks that is held, up to sample `end`; it only moves forward."""

    chunks: Iterator[Samples]
    held: deque[Samples] = field(default_factory=deque)
    start: int = 0  # of the first that is held
    end: int = 0  # samples read from the stream so far

    def move(self, start: int, end: int) -> bool:
        """Hold [start, end), or as much of it as there is, and the rest of its chunks; whether the stream ends before `end`."""
        self._forget(start)
        while self.end < end:
            chunk = next(self.chunks, None)
            if chunk is None:
                return True
            self.held.append(chunk)
            self.end += len(chunk)
            self._forget(start)
        return False

    def _forget(self, start: int) -> None:
        while self.held and self.start + len(self.held[0]) <= start:
            self.start += len(self.held.popleft())

    def copy(self, start: int, samples: Samples) -> int:
        """Copy what is held from `start` on into `samples`; returns how many there were."""
        n_done, first = 0, self.start
        for chunk in self.held:
            part = chunk[max(0, start - first) :][: len(samples) - n_done]
            samples[n_done : n_done + len(part)] = part
            n_done += len(part)
            first += len(chunk)
        return n_done
