"""A recording's length, or its samples, in; the stretches to analyse out, as [onset, offset) seconds.

Windows lie on a grid: one every `hop` seconds; the last is the first that reaches the end. `--skip-quiet` drops windows from that
grid, so that the rest is analysed as it would be without it. Window and hop are whole milliseconds, which three decimals hold
exactly; only the end of a recording may not be, and it is rounded up: readers stop where the sound stops, and no sample is lost
on the way through a table. Nothing here opens a file.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from math import ceil, isfinite, log10
from typing import TYPE_CHECKING

from audiolog_cli.errors import UsageError

if TYPE_CHECKING:
    from audiolog_cli.sound.pcm import Samples

BLOCK_MS = 100  # the level is measured over this length
HYSTERESIS_DB = 6.0  # sound ends when it has fallen this far below the level at which it begins ...
HOLD_MS = 1000  # ... and stayed there this long, so that a pause between words does not end it


@dataclass(frozen=True, slots=True)
class SegmentOptions:
    """How a recording is cut. Raises UsageError for lengths that a table cannot hold or that leave sound out."""

    window: float = 10.0  # seconds, whole milliseconds
    hop: float = 0.0  # seconds, whole milliseconds, at most the window; 0 is the window
    skip_quiet: float | None = None  # dBFS: windows that never reach this level are left out; None keeps all

    def __post_init__(self) -> None:
        milliseconds(self.window, "--window")
        if self.hop and milliseconds(self.hop, "--hop") > self.window_ms:
            raise UsageError(f"--hop {self.hop:g}: longer than the window of {self.window:g} s, sound between would be lost")

    @property
    def window_ms(self) -> int:
        """Length of a window in milliseconds."""
        return milliseconds(self.window, "--window")

    @property
    def hop_ms(self) -> int:
        """Milliseconds from one window to the next."""
        return milliseconds(self.hop, "--hop") if self.hop else self.window_ms


def milliseconds(seconds: float, option: str) -> int:
    """Seconds as whole milliseconds; UsageError naming the option if they are not whole, or not above 0."""
    exact = seconds * 1000
    if not isfinite(exact) or abs(exact - round(exact)) >= 1e-6 or round(exact) < 1:
        raise UsageError(f"{option} {seconds:g}: expected whole milliseconds, 0.001 or more")
    return round(exact)


def end_in_ms(n_samples: int, sample_rate: int) -> int:
    """The end of a recording, rounded up to whole milliseconds.

    >>> end_in_ms(320_000, 32_000), end_in_ms(320_001, 32_000)
    (10000, 10001)
    """
    return -(-n_samples * 1000 // sample_rate)


def from_duration(duration: float, options: SegmentOptions) -> Iterator[tuple[float, float]]:
    """The (onset, offset) spans in seconds of a recording `duration` seconds long; `skip_quiet` is ignored.

    >>> list(from_duration(24.5, SegmentOptions(window=10, hop=10)))
    [(0.0, 10.0), (10.0, 20.0), (20.0, 24.5)]
    """
    end = ceil(round(duration * 1000, 6))  # a sample is 0.03 ms: beyond six decimals there is only the float's error
    return kept([(end, True)] if end else [], options)


def from_sound(chunks: Iterable["Samples"], sample_rate: int, options: SegmentOptions) -> Iterator[tuple[float, float]]:
    """The (onset, offset) spans in seconds of a decoded stream, each as soon as its end is reached, in constant memory."""
    return kept(loud_blocks(levels(chunks, sample_rate), options.skip_quiet), options)


def kept(blocks: Iterable[tuple[int, bool]], options: SegmentOptions) -> Iterator[tuple[float, float]]:
    """Windows of the grid that touch a loud block; blocks are contiguous and given by their end in ms."""
    stream = iter(blocks)
    end = loud_end = 0  # of the blocks read, and of the last loud one
    is_over = False
    for start in count(0, options.hop_ms):
        window_end = start + options.window_ms
        while not is_over and end < window_end:
            block = next(stream, None)
            if block is None:
                is_over = True
            else:
                end, is_loud = block
                loud_end = end if is_loud else loud_end
        last_end = start - options.hop_ms + options.window_ms
        if is_over and (end <= last_end if start else not end):
            return
        if loud_end > start:
            yield start / 1000, min(window_end, end) / 1000


def levels(chunks: Iterable["Samples"], sample_rate: int) -> Iterator[tuple[int, float]]:
    """(end in ms, level in dBFS) of blocks of BLOCK_MS; the last may be shorter.

    The level is the root mean square after the block's mean is subtracted, so that a constant offset does not count as sound. A
    full-scale sine has -3.01 dBFS.
    """
    import numpy as np

    n_block = BLOCK_MS * sample_rate // 1000
    n_samples = 0
    rest: Samples = np.zeros(0, np.float32)
    for chunk in chunks:
        rest = np.concatenate((rest, chunk))
        n_whole = len(rest) // n_block
        for level in decibels(rest[: n_whole * n_block].reshape(n_whole, n_block)):
            n_samples += n_block
            yield end_in_ms(n_samples, sample_rate), level
        rest = rest[n_whole * n_block :]
    if len(rest):
        yield end_in_ms(n_samples + len(rest), sample_rate), decibels(rest[None])[0]


def decibels(blocks: "Samples") -> list[float]:
    """The level in dBFS of each row."""
    return [20 * log10(max(float(deviation), 1e-10)) for deviation in blocks.std(axis=1)]


def loud_blocks(blocks: Iterable[tuple[int, float]], begin: float | None) -> Iterator[tuple[int, bool]]:
    """Whether each (end in ms, level) block belongs to a sound that began at `begin` dBFS; None takes all as loud.

    A sound lasts until it has been HYSTERESIS_DB below `begin` for HOLD_MS.
    """
    heard_end: int | None = None  # when the current sound was last heard
    for end, level in blocks:
        if begin is None or level >= begin or (heard_end is not None and level >= begin - HYSTERESIS_DB):
            heard_end = end
        elif heard_end is not None and end > heard_end + HOLD_MS:
            heard_end = None
        yield end, heard_end is not None
