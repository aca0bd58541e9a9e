"""Sound to log-mel spectrogram: mono float32 waves in, decibels per frame and mel band out.

The front-end of HTS-AT and AudioLog (Chen et al., 2022, section 3; the released configuration): power spectrum of a centred,
reflect-padded STFT with a periodic Hann window, mel bands on the Slaney scale with Slaney norm, 10 log10(max(x, 1e-10)). There is
no top_db, so digital silence is -100 dB. Normalising is left to the network's first BatchNorm, resampling and downmixing to
`sound/`. Other networks use other features: DCASE 2023 task 4B's baseline `MagnitudeMel`, EfficientAT `KaldiMel`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil, log

import torch
from torch import Tensor, nn

POWER_FLOOR = 1e-10  # -100 dB
KALDI_WINDOW = 800  # samples of the symmetric Hann window inside the transform
KALDI_FLOOR = 1e-5  # added to a band's power
KALDI_SHIFT, KALDI_SCALE = 4.5, 5.0  # (ln x + 4.5) / 5
KALDI_BLOCKS = 4  # groups of bands, each multiplied only with the frequencies it covers
PRE_EMPHASIS = 0.97
CACHED = 400_000  # samples of overlapping frames that a processor's cache holds; smaller parts hand over Python's lock more often
SLANEY_CORNER = 1000.0  # Hz: the scale is linear below and logarithmic above
SLANEY_LINEAR = 3 / 200  # mel per Hz below the corner, so 15 mel at it
SLANEY_LOG = 27 / log(6.4)  # mel per natural logarithm above


@dataclass(frozen=True, slots=True)
class FrontEnd:
    """The parameters of a network's spectrogram."""

    sample_rate: int = 32000  # Hz
    n_fft: int = 1024  # samples, also the length of the window
    hop_length: int = 320  # samples between frames: 10 ms
    n_mels: int = 64
    fmin: float = 50.0  # Hz
    fmax: float = 14000.0  # Hz
    magnitude: bool = False  # mel bands of the magnitude, as they are, instead of decibels of the power
    kaldi: bool = False  # EfficientAT's: pre-emphasis, Kaldi's mel bands, natural logarithm scaled to about -1..1

    def n_frames(self, n_samples: int) -> int:
        """Frames of a spectrogram; pre-emphasis, which looks one sample ahead, takes the last sample."""
        return 1 + (n_samples - self.kaldi) // self.hop_length

    def louder(self, features: Tensor, gain_db: Tensor) -> Tensor:
        """Spectrograms of the same sound made louder by `gain_db` (of a shape that broadcasts)."""
        if self.magnitude:
            return features * 10 ** (gain_db / 20)
        return features + gain_db * (log(10) / 10 / KALDI_SCALE if self.kaldi else 1.0)

    def at(self, sample_rate: int) -> "FrontEnd":
        """The same times and frequencies at another rate: below the lower Nyquist frequency both give the same.

        >>> there = TASK_FRONT_END.at(32000)
        >>> there.n_fft, there.hop_length
        (12800, 6400)
        """
        n_fft, hop_length = (round(n * sample_rate / self.sample_rate) for n in (self.n_fft, self.hop_length))
        return replace(self, sample_rate=sample_rate, n_fft=n_fft, hop_length=hop_length)


FRONT_END = FrontEnd()  # of HTS-AT and AudioLog
KALDI_FRONT_END = FrontEnd(n_mels=128, fmin=0.0, fmax=15000.0, kaldi=True)  # of EfficientAT
TASK_FRONT_END = FrontEnd(44100, n_fft=17640, hop_length=8820, magnitude=True)  # of task 4B's baseline: 400 ms every 200 ms


def mel_filter_bank(front_end: FrontEnd) -> Tensor:
    """The (n_fft // 2 + 1, n_mels) matrix that takes power spectra to mel bands: Slaney scale, Slaney norm (librosa's default).

    Triangles between neighbouring edges, each of area 1 over frequency. torchaudio's `melscale_fbanks` gives the same in float32,
    but importing torchaudio would make `tag` start 5 % later.
    """
    low, high = _slaney_mel(torch.tensor([front_end.fmin, front_end.fmax], dtype=torch.float64))
    edges = _slaney_hertz(torch.linspace(low, high, front_end.n_mels + 2, dtype=torch.float64))
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    n_frequencies = front_end.n_fft // 2 + 1
    frequency = torch.linspace(0, front_end.sample_rate // 2, n_frequencies, dtype=torch.float64).unsqueeze(1)
    triangles = torch.minimum((frequency - left) / (centre - left), (right - frequency) / (right - centre)).clamp(min=0)
    return (triangles * 2 / (right - left)).float()


def _slaney_mel(hertz: Tensor) -> Tensor:
    above = hertz.clamp(min=SLANEY_CORNER) / SLANEY_CORNER  # 1 below the corner, where its logarithm adds nothing
    return hertz.clamp(max=SLANEY_CORNER) * SLANEY_LINEAR + above.log() * SLANEY_LOG


def _slaney_hertz(mel: Tensor) -> Tensor:
    corner = SLANEY_CORNER * SLANEY_LINEAR
    return mel.clamp(max=corner) / SLANEY_LINEAR * ((mel - corner).clamp(min=0) / SLANEY_LOG).exp()


class LogMel(nn.Module):
    """Log-mel spectrogram of a batch of waves, always computed in float32.

    The filter bank is part of the weights (`melW`, as in the released checkpoints): a network gets the features it was trained
    on, whatever a configuration says.
    """

    melW: Tensor
    window: Tensor

    def __init__(self, front_end: FrontEnd) -> None:
        super().__init__()
        self.front_end = front_end
        self.register_buffer("melW", mel_filter_bank(front_end))
        self.register_buffer("window", torch.hann_window(front_end.n_fft, periodic=True), persistent=False)

    def forward(self, wave: Tensor) -> Tensor:
        """Return decibels (B, n_frames, n_mels) of `wave` (B, n_samples) in [-1, 1]; n_frames = 1 + n_samples // hop_length."""
        with torch.autocast(wave.device.type, enabled=False):
            return 10.0 * self.bands(wave).clamp(min=POWER_FLOOR).log10()

    def bands(self, wave: Tensor) -> Tensor:
        """The power in each band, (B, n_frames, n_mels); ValueError for waves too short to be reflected at their ends."""
        spectra = power_spectra(wave.float(), self.front_end, self.window)
        return torch.cat([power @ self.melW for power in spectra], dim=1)


def reflected(wave: Tensor, n: int) -> Tensor:
    """Waves (B, n_samples) with `n` samples mirrored at both ends: bit for bit what `torch.stft` does itself, but faster."""
    if wave.shape[1] <= n:
        raise ValueError(f"a wave of {wave.shape[1]} samples is too short for a spectrum: expected more than {n}")
    return torch.cat([wave[:, 1 : n + 1].flip(1), wave, wave[:, -n - 1 : -1].flip(1)], dim=1)


class MagnitudeMel(LogMel):
    """Mel bands of the magnitude, not its logarithm: the features of DCASE 2023 task 4B's baseline (`extract_mbe` in its code).

    Values are those of librosa's `feature.melspectrogram(power=1)` except at the edges, which are reflected here.
    """

    def forward(self, wave: Tensor) -> Tensor:
        """Return magnitudes (B, n_frames, n_mels) of `wave` (B, n_samples) in [-1, 1]."""
        with torch.autocast(wave.device.type, enabled=False):
            spectra = power_spectra(wave.float(), self.front_end, self.window)
            return torch.cat([power.sqrt() @ self.melW for power in spectra], dim=1)


def kaldi_filter_bank(front_end: FrontEnd) -> Tensor:
    """The (n_fft // 2 + 1, n_mels) matrix of Kaldi's mel bands: triangles on the scale 1127 ln(1 + f / 700); the highest
    frequency is left out.

    torchaudio's `compliance.kaldi.get_mel_banks` gives the same, and takes longer to import than to compute it.
    """
    n_frequencies = front_end.n_fft // 2
    frequency = torch.arange(n_frequencies, dtype=torch.float64) * front_end.sample_rate / front_end.n_fft
    low, high = (1127 * log(1 + edge / 700) for edge in (front_end.fmin, front_end.fmax))
    edges = torch.linspace(low, high, front_end.n_mels + 2, dtype=torch.float64)
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    mel = (1127 * (1 + frequency / 700).log()).unsqueeze(1)
    triangles = torch.minimum((mel - left) / (centre - left), (right - mel) / (right - centre)).clamp(min=0)
    return torch.cat([triangles, torch.zeros(1, front_end.n_mels, dtype=torch.float64)]).float()


def power_spectra(wave: Tensor, front_end: FrontEnd, window: Tensor) -> Iterator[Tensor]:
    """Power spectra (B, n_frames, n_frequencies) of `wave` (B, n_samples), centred, its ends reflected: frames after frames.

    A processor gets as many at once as its cache holds, in a sixth less time, and by few calls, each of which hands over
    Python's lock. They are bit for bit those of the whole wave.
    """
    n_fft, hop = front_end.n_fft, front_end.hop_length
    wave = reflected(wave, n_fft // 2)
    n_frames = 1 + (wave.shape[1] - n_fft) // hop
    n_parts = ceil(len(wave) * n_frames * n_fft / CACHED) if wave.device.type == "cpu" else 1
    n_part = ceil(n_frames / n_parts)
    for first in range(0, n_frames, n_part):
        part = wave[:, first * hop :][:, : (n_part - 1) * hop + n_fft]
        spectrum = torch.stft(part, n_fft, hop, len(window), window, center=False, return_complex=True)
        squares = torch.view_as_real(spectrum.transpose(1, 2))  # interleaved as they lie in memory; separating them costs more
        squares *= squares
        yield squares[..., 0] + squares[..., 1]


class KaldiMel(nn.Module):
    """The spectrogram of EfficientAT (Schmid et al., 2023), computed in float32.

    A band covers few frequencies: the product with the bank is computed in KALDI_BLOCKS parts, each with its bands' frequencies
    only.
    """

    window: Tensor

    def __init__(self, front_end: FrontEnd) -> None:
        super().__init__()
        self.front_end = front_end
        self.register_buffer("window", torch.hann_window(KALDI_WINDOW, periodic=False), persistent=False)
        self.ranges: list[tuple[int, int]] = []
        for number, columns in enumerate(kaldi_filter_bank(front_end).chunk(KALDI_BLOCKS, dim=1)):
            heard = columns.any(dim=1).nonzero()
            low, high = int(heard[0]), int(heard[-1]) + 1
            self.ranges.append((low, high))
            self.register_buffer(f"block{number}", columns[low:high].contiguous(), persistent=False)
        self.silence = torch.full((64,), KALDI_FLOOR).log().add(KALDI_SHIFT).div(KALDI_SCALE)[0].item()  # rounded as vectors are

    def forward(self, wave: Tensor) -> Tensor:
        """Return (B, n_frames, n_mels) of `wave` (B, n_samples) in [-1, 1]; n_frames = 1 + (n_samples - 1) // hop_length."""
        with torch.autocast(wave.device.type, enabled=False):
            return self.bands(wave).add_(KALDI_FLOOR).log_().add_(KALDI_SHIFT).div_(KALDI_SCALE)

    def bands(self, wave: Tensor) -> Tensor:
        """The power in each band, (B, n_frames, n_mels), after pre-emphasis."""
        wave = wave.float()
        emphasised = torch.sub(wave[:, 1:], wave[:, :-1], alpha=PRE_EMPHASIS)
        blocks = [(low, high, getattr(self, f"block{number}")) for number, (low, high) in enumerate(self.ranges)]
        return torch.cat(
            [
                torch.cat([power[..., low:high] @ block for low, high, block in blocks], dim=-1)
                for power in power_spectra(emphasised, self.front_end, self.window)
            ],
            dim=1,
        )


Spectrogram = LogMel | KaldiMel


def spectrogram(front_end: FrontEnd) -> Spectrogram:
    """The module that computes what `front_end` describes."""
    if front_end.kaldi:
        return KaldiMel(front_end)
    return MagnitudeMel(front_end) if front_end.magnitude else LogMel(front_end)
