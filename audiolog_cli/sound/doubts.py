"""Intact sound with nothing to hear in it, found while decoding: digital silence, cancelling channels, mains hum, ultrasound.

In: blocks of samples as they go by. Out: `Damage` for a report, each kind with its own cause; the samples are not changed.
Findings are reported once per recording, at its end, and long silence where it ends: nothing here needs memory or a second pass.
"""

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from audiolog_cli.sound.damage import Damage, Report
from audiolog_cli.sound.pcm import Samples

LONG_SILENCE = 60.0  # seconds of one value that are reported even with sound before or after them
SAME = 1e-7  # of full scale 1: less than the last of 24 bits
PROBES = 10  # seconds looked at for hum at the start, unless fewer show that it is not ...
PROBE_EVERY = 30  # ... and after those, one second in this many
MAINS = (50, 60)  # Hz
N_HARMONICS = 10
FOLD = 8  # samples averaged before hum is looked for: an eighth of the work
MEAN = np.full(FOLD, 1 / FOLD, np.float32)  # as a product it takes a tenth of the time of a mean along an axis so short
HUM_SHARE = 0.8  # of the power, and of the seconds
ULTRASOUND_FROM = 192_000  # Hz, a sample rate of bat recorders
AUDIBLE = 1e-10  # mean square of a second that counts as sound: -100 dBFS
CANCELLED = 0.03  # of the power that uncorrelated channels would have


def elsewhere(samples: Samples, value: float) -> NDArray[np.intp]:
    """Indices of samples that differ from a value."""
    return np.flatnonzero(np.abs(samples - np.float32(value)) > SAME)


@dataclass(slots=True)
class Silence:
    """Whether samples stay at one value: zero, or the offset of a converter with nothing connected."""

    report: Report
    value: float | None = None
    start: float = 0.0  # seconds, where the value set in
    is_explained: bool = False  # by channels that cancel: there had been sound

    def add(self, samples: Samples, onset: float, rate: int) -> None:
        """Look at a block that begins at `onset` seconds."""
        if not len(samples):
            return
        value, last = samples[0] if self.value is None else self.value, samples[-1]
        if abs(last - value) <= SAME and abs(value) < 1 and not len(elsewhere(samples, value)):  # full scale is an overload
            if self.value is None:
                self.value, self.start = float(value), onset
            return
        if self.value is not None:
            self.close(onset + float(elsewhere(samples, value)[0]) / rate)
        if len(samples) > 1 and last == samples[-2] and abs(last) < 1 and len(others := elsewhere(samples, last)):
            self.value, self.start = float(last), onset + float(others[-1] + 1) / rate

    def close(self, end: float, is_end: bool = False) -> None:
        """Report the silence up to `end` seconds, if it was long or the whole recording."""
        is_all = is_end and self.start == 0
        if self.value is not None and not self.is_explained and end > self.start and (is_all or end - self.start >= LONG_SILENCE):
            extent = "digital silence throughout" if is_all else "digital silence"
            self.report(Damage(self.start, end, f"{extent}, nothing was recorded", "digital_silence"))
        self.value = None


@lru_cache
def hann(n_samples: int) -> Samples:
    """Hann's window."""
    return np.hanning(n_samples).astype(np.float32)


@lru_cache
def unfolded(n_bins: int, rate: int) -> NDArray[np.float64]:
    """A factor for each Hz that makes up for means over FOLD samples: they keep less of a power, the higher its frequency."""
    factors: NDArray[np.float64] = (FOLD / np.sinc(np.arange(n_bins) * FOLD / rate)) ** 2
    return factors


@lru_cache
def bins_of(mains: int) -> NDArray[np.intp]:
    """(N_HARMONICS, 7): the bins of 1 Hz around each multiple of a frequency."""
    bins: NDArray[np.intp] = np.arange(1, N_HARMONICS + 1)[:, None] * mains + np.arange(-3, 4)
    return bins


@dataclass(slots=True)
class Hum:
    """Whether the sound is mains hum: 50 or 60 Hz and its multiples, in nearly every second examined."""

    rate: int  # Hz, of the samples
    n_samples: int = 0
    shares: dict[int, list[float]] = field(default_factory=lambda: {mains: [] for mains in MAINS})
    held: list[Samples] = field(default_factory=list)

    def add(self, samples: Samples) -> None:
        """Examine a chunk, or skip it."""
        second, within = divmod(self.n_samples, self.rate)
        self.n_samples += len(samples)
        if not self.held and (within + len(samples) < self.rate and within > 0.2 * self.rate):
            return
        if not self.held and (self._is_ruled_out() if second < PROBES else second % PROBE_EVERY):
            return
        self.held.append(samples)
        if sum(map(len, self.held)) >= self.rate:
            self._probe(np.concatenate(self.held)[: self.rate])
            self.held.clear()

    def _is_ruled_out(self) -> bool:
        """Whether the first PROBES seconds cannot be hum any more."""
        misses = (sum(share < HUM_SHARE for share in shares) for shares in self.shares.values())
        return PROBES - min(misses) < HUM_SHARE * PROBES

    def _probe(self, second: Samples) -> None:
        """Add the share of hum in a second: its low frequencies from means of FOLD samples, its power from all of them."""
        windowed = (second - second.mean()) * hann(len(second))
        means = windowed[: len(windowed) // FOLD * FOLD].reshape(-1, FOLD) @ MEAN
        spectrum = np.abs(np.fft.rfft(means)[: MAINS[-1] * N_HARMONICS + 4]) ** 2  # bins of 1 Hz
        spectrum *= unfolded(len(spectrum), self.rate)
        total = float(np.dot(windowed, windowed)) * len(windowed) / 2 - float(spectrum[:20].sum())
        if total < 1e-8 * len(second) ** 2 / 8:  # -80 dBFS
            return
        for mains, shares in self.shares.items():
            harmonics = spectrum[bins_of(mains)].sum(axis=1)
            is_led = harmonics[:2].sum() >= harmonics.sum() / 2  # otherwise a tone that happens to be a multiple
            shares.append(float(harmonics.sum()) / total if is_led else 0.0)

    def close(self, report: Report) -> None:
        """Report it if it was hum."""
        for mains, shares in self.shares.items():
            n_hum = sum(share >= HUM_SHARE for share in shares)
            if n_hum and n_hum >= HUM_SHARE * len(shares):
                end = self.n_samples / self.rate
                text = f"{mains} Hz hum is {np.median(shares):.0%} of the sound; is the microphone connected?"
                report(Damage(0.0, end, text, "hum"))
                return


@dataclass(slots=True)
class Cancelling:
    """Whether channels cancel when mixed, counted in seconds with sound."""

    seconds: float = 0.0  # examined
    n: int = 0  # samples of the current second
    apart: float = 0.0  # sum of squares as if the channels were uncorrelated
    mixed: float = 0.0
    sounding: float = 0.0  # seconds
    cancelling: float = 0.0
    onset: float = 0.0  # of the first second that cancels, and the offset of the last
    offset: float = 0.0

    def add(self, channels: list[Samples], mix: Samples, gain: float, rate: int) -> None:
        """Compare a frame's channels, each scaled by `gain` in the mix, with the mix. Of two channels, one is enough."""
        apart = sum(float(np.dot(channel, channel)) for channel in (channels if len(channels) > 2 else channels[:1]))
        self.apart += gain * gain * apart
        self.mixed += float(np.dot(mix, mix))
        self.n += len(mix)
        if self.n >= rate:
            self._count(rate)

    def _count(self, rate: int) -> None:
        duration = self.n / rate
        if self.apart / self.n > AUDIBLE:
            self.sounding += duration
            if self.mixed < CANCELLED * self.apart:
                self.onset = self.onset if self.cancelling else self.seconds
                self.offset = self.seconds + duration
                self.cancelling += duration
        self.seconds += duration
        self.n, self.apart, self.mixed = 0, 0.0, 0.0

    def close(self, rate: int, report: Report) -> None:
        """Report it if they did."""
        if self.n:
            self._count(rate)
        if self.cancelling > self.sounding / 20:
            share = self.cancelling / self.sounding
            text = f"the channels cancel when mixed, in {share:.0%} of the seconds with sound; hear one: --channel left"
            report(Damage(self.onset, self.offset, text, "cancelling"))


def ultrasound(rate: int, heard: int, report: Report) -> None:
    """Report that a recording at `rate` Hz loses whatever lies above the band of sound at `heard` Hz."""
    if rate >= ULTRASOUND_FROM > heard:
        report(Damage(0.0, 0.0, f"sampled at {rate} Hz: what lies above {heard // 2} Hz is not heard", "ultrasound"))
