"""Intact audio that tells little: channels that cancel, zeros, mains hum, ultrasound; and how channels are mixed."""

import io
import re
from pathlib import Path

import av
import numpy as np
import pytest

from audiolog_cli.errors import AudioError
from audiolog_cli.sound.audio import SAMPLE_RATE, DecodeOptions, decode
from audiolog_cli.sound.damage import Damage
from tests.audio_files import Wave, bursts, noise, sine, wav_bytes, write_wav

RATE = 8000


def said(source: Path | io.BytesIO, channel: str = "mix") -> list[tuple[str, str]]:
    found: list[Damage] = []
    for _ in decode(source, DecodeOptions(channel=channel), found.append):
        pass
    return [(damage.cause, str(damage)) for damage in found]


def stereo(left: Wave, right: Wave, folder: Path) -> Path:
    return write_wav(folder / "a.wav", np.stack((left, right)), RATE)


# Channels


@pytest.mark.parametrize("gain", [-1.0, -0.9, -1.05])
def test_channels_that_cancel_are_reported(gain: float, tmp_path: Path) -> None:
    sound = bursts(4, RATE, [1.5, 3.5])
    path = stereo(sound, np.float32(gain) * sound, tmp_path)
    text = "1.000-4.000 s: the channels cancel when mixed, in 100% of the seconds with sound; hear one: --channel left"
    assert said(path) == [("cancelling", text)]
    assert said(path, "left") == []


def test_four_channels_that_cancel(tmp_path: Path) -> None:
    sound = noise(2, RATE)
    path = write_wav(tmp_path / "a.wav", np.stack((np.zeros_like(sound), sound, -sound, sound / 20)), RATE)
    assert [cause for cause, _ in said(path)] == ["cancelling"]


@pytest.mark.parametrize("kind", ["equal", "unrelated", "one alone", "wide", "one of twelve"])
def test_other_channels_do_not_cancel(kind: str, tmp_path: Path) -> None:
    left, right = noise(2, RATE), noise(2, RATE, seed=1)
    pair = {
        "equal": (left, left),
        "unrelated": (left, right),
        "one alone": (left, 0 * left),
        "wide": (left + right, right - left),
        "one of twelve": (left, *[0 * left] * 11),
    }[kind]
    assert said(write_wav(tmp_path / "a.wav", np.stack(pair), RATE)) == []


def surround(path: Path, layout: str, loud: str) -> Path:
    """Half of full scale in one channel of a FLAC with that layout; constant, so that levels can be read."""
    names = [one.name for one in av.AudioLayout(layout).channels]
    samples = np.zeros((len(names), RATE), np.int16)
    samples[names.index(loud)] = 1 << 14
    with av.open(str(path), "w") as container:
        stream = container.add_stream("flac", rate=RATE)
        stream.codec_context.layout = layout
        frame = av.AudioFrame.from_ndarray(samples.T.reshape(1, -1).copy(), "s16", layout)
        frame.sample_rate = RATE
        container.mux([*stream.encode(frame), *stream.encode(None)])
    return path


@pytest.mark.parametrize(
    ("layout", "loud", "decibels"),
    [
        ("stereo", "FL", -6.02),
        ("5.1", "FL", -6.02),
        ("5.1", "FR", -6.02),
        ("5.1", "FC", -3.01),
        ("5.1", "BL", -9.03),
        ("5.1(side)", "SR", -9.03),
        ("7.1", "SL", -9.03),
        ("7.1", "FC", -3.01),
        ("3.0", "FC", -3.01),
        ("quad", "BR", -9.03),
        ("4.0", "BC", -6.02),
    ],
)
def test_surround_is_mixed_as_bs_775_says(layout: str, loud: str, decibels: float, tmp_path: Path) -> None:
    """Into two channels, with centre and surround at -3 dB, which are then averaged as any stereo sound."""
    samples = np.concatenate(list(decode(surround(tmp_path / "a.flac", layout, loud), report=lambda damage: None)))
    assert 20 * np.log10(samples[SAMPLE_RATE // 2] / 0.5) == pytest.approx(decibels, abs=0.01)


def test_eight_channels_in_planes_are_eight(tmp_path: Path) -> None:
    """PyAV lists nine for such a frame, the last of them somewhere in memory."""
    with pytest.raises(AudioError, match="no channel 9, it has 8;"):
        list(decode(surround(tmp_path / "a.flac", "7.1", "FC"), DecodeOptions(channel="9")))


def test_low_frequency_effects_are_left_out(tmp_path: Path) -> None:
    path = surround(tmp_path / "a.flac", "5.1", "LFE")
    assert not np.concatenate(list(decode(path, report=lambda damage: None))).any()


# Silence


@pytest.mark.parametrize("value", [0, 1, -300])
def test_one_value_throughout_is_digital_silence(value: int) -> None:
    data = np.full(3 * RATE, value, "<i2").tobytes()
    assert said(io.BytesIO(wav_bytes(data, RATE, 1, 16))) == [
        ("digital_silence", "0.000-3.000 s: digital silence throughout, nothing was recorded")
    ]


def test_the_faintest_noise_is_not_digital_silence() -> None:
    data = (np.arange(3 * RATE) % 2).astype("<i2").tobytes()
    assert said(io.BytesIO(wav_bytes(data, RATE, 1, 16))) == []


def test_a_minute_of_zeros_is_reported_and_a_shorter_pause_is_not(tmp_path: Path) -> None:
    parts = [noise(1, RATE), np.zeros(61 * RATE, np.float32), noise(1, RATE), np.zeros(50 * RATE, np.float32), noise(1, RATE)]
    found = said(write_wav(tmp_path / "a.wav", np.concatenate(parts), RATE))
    assert found == [("digital_silence", "1.000-62.000 s: digital silence, nothing was recorded")]


def test_a_microphone_that_dies_is_reported_at_the_end(tmp_path: Path) -> None:
    sound = np.concatenate((noise(1, RATE), np.zeros(70 * RATE, np.float32)))
    assert [cause for cause, _ in said(write_wav(tmp_path / "a.wav", sound, RATE))] == ["digital_silence"]


# Hum


@pytest.mark.parametrize("mains", [50, 60])
@pytest.mark.parametrize("harmonics", [(1.0,), (1.0, 0.0, 0.4, 0.0, 0.2), (0.2, 1.0, 0.1, 0.3)])
def test_mains_hum_is_reported(mains: int, harmonics: tuple[float, ...], tmp_path: Path) -> None:
    hum = sum((gain * sine(12, RATE, mains * (k + 1) * 1.001, 0.1) for k, gain in enumerate(harmonics)), np.zeros(1, np.float32))
    ((cause, text),) = said(write_wav(tmp_path / "a.wav", hum + noise(12, RATE, 0.005), RATE))
    assert cause == "hum"
    assert re.fullmatch(rf"0\.000-12\.000 s: {mains} Hz hum is (9[0-9]|100)% of the sound; is the microphone connected\?", text)


def test_what_is_not_hum(tmp_path: Path) -> None:
    for sound in (
        noise(4, RATE),
        sine(4, RATE, 1000),
        sine(4, RATE, 440),
        sine(4, RATE, 300),
        sine(4, RATE, 50, 0.05) + noise(4, RATE, 0.1),
        np.concatenate((sine(4, RATE, 50, 0.1), noise(4, RATE, 0.1))),
        sine(4, RATE, 50, 0.00005),
    ):
        assert said(write_wav(tmp_path / "a.wav", sound, RATE)) == []


# Ultrasound


@pytest.mark.parametrize(("rate", "expected"), [(96_000, 0), (192_000, 1), (384_000, 1)])
def test_ultrasound_is_reported_as_not_analysed(rate: int, expected: int, tmp_path: Path) -> None:
    found = said(write_wav(tmp_path / "a.wav", noise(1, rate), rate))
    assert found == [("ultrasound", f"sampled at {rate} Hz: what lies above 16000 Hz is not heard")] * expected
