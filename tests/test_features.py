"""The log-mel front-end: against a spectrum worked out by hand, at its edges, and against the reference implementation."""

import numpy as np
import pytest
import torch
import torchaudio

from audiolog_cli.model.features import (
    KALDI_FRONT_END,
    TASK_FRONT_END,
    FrontEnd,
    LogMel,
    kaldi_filter_bank,
    mel_filter_bank,
    spectrogram,
)
from tests.parity import clips, farthest, golden

FRONT_END = FrontEnd()


def slaney_mel(hertz: float) -> float:
    """Linear below 1 kHz, logarithmic above (Slaney's Auditory Toolbox)."""
    return hertz * 3 / 200 if hertz < 1000 else 15 + 27 * np.log(hertz / 1000) / np.log(6.4)


def slaney_hertz(mel: float) -> float:
    return mel * 200 / 3 if mel < 15 else 1000 * 6.4 ** ((mel - 15) / 27)


def filter_bank_by_hand() -> np.ndarray:
    """Triangles between neighbouring band edges, each of area 1 over frequency."""
    low, high = slaney_mel(FRONT_END.fmin), slaney_mel(FRONT_END.fmax)
    edges = [slaney_hertz(low + (high - low) * i / (FRONT_END.n_mels + 1)) for i in range(FRONT_END.n_mels + 2)]
    frequencies = np.arange(513) * 32000 / 1024
    bank = np.zeros((513, 64))
    for band in range(64):
        left, centre, right = edges[band : band + 3]
        rise, fall = (frequencies - left) / (centre - left), (right - frequencies) / (right - centre)
        bank[:, band] = np.maximum(0, np.minimum(rise, fall)) * 2 / (right - left)
    return bank


def test_filter_bank_is_slaneys() -> None:
    np.testing.assert_allclose(mel_filter_bank(FRONT_END).numpy(), filter_bank_by_hand(), atol=1e-6)


def test_kaldis_filter_bank_is_torchaudios() -> None:
    theirs, _ = torchaudio.compliance.kaldi.get_mel_banks(128, 1024, 32_000.0, 0.0, 15_000.0, 100.0, -500.0, 1.0)
    ours = kaldi_filter_bank(KALDI_FRONT_END)
    assert not ours[512].any()
    torch.testing.assert_close(ours[:512].T, theirs, atol=2e-5, rtol=0)  # theirs is computed in single precision


@pytest.mark.parametrize("front_end", [FRONT_END, TASK_FRONT_END, FrontEnd(n_mels=128, fmin=0, fmax=16000)])
def test_filter_bank_is_torchaudios(front_end: FrontEnd) -> None:
    theirs = torchaudio.functional.melscale_fbanks(
        front_end.n_fft // 2 + 1, front_end.fmin, front_end.fmax, front_end.n_mels, front_end.sample_rate, "slaney", "slaney"
    )
    torch.testing.assert_close(mel_filter_bank(front_end), theirs, atol=1e-5 * theirs.max().item(), rtol=0)


def test_a_frame_is_the_fourier_transform_written_out() -> None:
    wave = np.random.default_rng(0).uniform(-0.5, 0.5, 3200)
    n = np.arange(1024)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * n / 1024)  # periodic: divided by 1024, not 1023
    frame = wave[5 * 320 - 512 : 5 * 320 + 512] * hann  # centred on sample 5 * 320
    spectrum = np.exp(-2j * np.pi * np.outer(np.arange(513), n) / 1024) @ frame
    expected = 10 * np.log10(np.maximum(np.abs(spectrum) ** 2 @ filter_bank_by_hand(), 1e-10))
    log_mel = LogMel(FRONT_END)(torch.from_numpy(wave).float().unsqueeze(0))
    np.testing.assert_allclose(log_mel[0, 5].numpy(), expected, atol=1e-3)


def test_the_edges_are_reflected() -> None:
    wave = torch.rand(1, 3200, generator=torch.Generator().manual_seed(0)) - 0.5
    mirrored = torch.cat([wave[:, 1:513].flip(1), wave], dim=1)
    front_end = LogMel(FRONT_END)
    whole = front_end(wave)
    assert whole.shape == (1, 11, 64)  # 1 + 3200 // 320
    torch.testing.assert_close(whole[:, 0], LogMel(FrontEnd(hop_length=512))(mirrored)[:, 1], atol=1e-3, rtol=0)


def test_silence_is_minus_100_decibels() -> None:
    assert torch.equal(LogMel(FRONT_END)(torch.zeros(1, 32000)), torch.full((1, 101, 64), -100.0))


def test_ten_times_the_amplitude_is_20_decibels_more() -> None:
    wave = torch.rand(1, 32000, generator=torch.Generator().manual_seed(0)) * 0.1 - 0.05
    front_end = LogMel(FRONT_END)
    torch.testing.assert_close(front_end(wave * 10), front_end(wave) + 20, atol=1e-3, rtol=0)


def test_half_precision_around_it_does_not_reach_it() -> None:
    wave = torch.rand(1, 32000, generator=torch.Generator().manual_seed(0)) - 0.5
    front_end = LogMel(FRONT_END)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(front_end(wave), front_end(wave.float()))
        assert front_end(wave).dtype == torch.float32


def test_task_4bs_magnitudes_are_written_out_and_the_same_at_any_rate() -> None:
    """One frame by hand at 44.1 kHz; a tone below 14 kHz gives the same numbers, up to the window's length, at 32 kHz."""

    def heard(rate: int) -> torch.Tensor:
        times = torch.arange(2 * rate, dtype=torch.float64) / rate
        return spectrogram(TASK_FRONT_END.at(rate))((0.3 * torch.sin(2 * torch.pi * 1000 * times)).float().unsqueeze(0))[0]

    n = np.arange(17640)
    frame = 0.3 * np.sin(2 * np.pi * 1000 * (n + 5 * 8820 - 8820) / 44100) * (0.5 - 0.5 * np.cos(2 * np.pi * n / 17640))
    expected = np.abs(np.fft.rfft(frame)) @ mel_filter_bank(TASK_FRONT_END).numpy()
    at_44100, at_32000 = heard(44100), heard(32000)
    assert at_44100.shape == at_32000.shape == (11, 64)  # every 0.2 s of 2 s, and the end
    np.testing.assert_allclose(at_44100[5].numpy(), expected, atol=2e-2)
    torch.testing.assert_close(at_32000[5] * 17640 / 12800, at_44100[5], rtol=1e-3, atol=2e-2)


def test_the_filter_bank_is_part_of_the_weights() -> None:
    trained_on, configured = LogMel(FrontEnd(fmax=16000.0)), LogMel(FRONT_END)
    configured.load_state_dict(trained_on.state_dict())
    wave = torch.rand(1, 32000, generator=torch.Generator().manual_seed(0)) - 0.5
    assert torch.equal(configured(wave), trained_on(wave))


@pytest.mark.parametrize(
    ("file", "entry", "fmax", "tolerance"),
    # One clip is kept in half precision: 0.03 dB at -100 dB.
    [("htsat527", "logmel", 14000.0, 0.01), ("audiolog_2023T4", "logmel_clip0_f16", 16000.0, 0.05)],
)
def test_equals_the_reference(file: str, entry: str, fmax: float, tolerance: float) -> None:
    log_mel, expected = LogMel(FrontEnd(fmax=fmax))(clips()), golden(file, entry)
    assert farthest(log_mel if len(expected.shape) == 3 else log_mel[0], expected) < tolerance
