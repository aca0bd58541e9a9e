"""The sound of films: which track is analysed, and when it begins on the film's clock."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

from audiolog_cli.errors import AudioError
from audiolog_cli.sound.audio import SAMPLE_RATE, DecodeOptions, decode
from audiolog_cli.sound.damage import Damage
from tests.audio_files import burst_onsets, bursts

RATE = 48_000
CODECS = {".mkv": "flac", ".mp4": "aac", ".mov": "pcm_s16le", ".avi": "pcm_s16le", ".ts": "mp2"}


def film(
    path: Path, bursts_at: list[float], late: float = 0.0, default: int = 0, with_picture: bool = True, zero: float = 0.0
) -> Path:
    """Six seconds of picture and a sound track for each burst; `late`: when sound begins; `zero`: the first time stamp of all."""
    with av.open(str(path), "w", container_options={"avoid_negative_ts": "disabled"} if zero else {}) as container:
        picture = container.add_stream("mpeg4", rate=10, width=32, height=32, pix_fmt="yuv420p") if with_picture else None
        tracks = []
        for number, _ in enumerate(bursts_at, 1):
            track = container.add_stream(CODECS[path.suffix], rate=RATE)
            track.codec_context.layout = "mono"
            track.disposition = Disposition.default if number == default else Disposition(0)
            tracks.append(track)
        if picture:
            for at in range(60):
                frame = av.VideoFrame(32, 32, "yuv420p")
                frame.pts, frame.time_base = at + round(10 * zero), Fraction(1, 10)
                container.mux(picture.encode(frame))
            container.mux(picture.encode(None))
        for track, onset in zip(tracks, bursts_at, strict=True):
            sound = bursts(6 - late, RATE, [onset - late])
            converter = av.AudioResampler(
                track.codec_context.format.name, "mono", RATE, frame_size=track.codec_context.frame_size
            )
            frame = av.AudioFrame.from_ndarray(sound[np.newaxis], "flt", "mono")
            frame.sample_rate, frame.pts, frame.time_base = RATE, round((late + zero) * RATE), Fraction(1, RATE)
            for part in [*converter.resample(frame), *converter.resample(None), None]:
                container.mux(track.encode(part))
    return path


def heard(path: Path, track: int = 0) -> tuple[list[float], list[str]]:
    """Where bursts are, to a tenth of a second, and what was said."""
    said: list[Damage] = []
    samples = np.concatenate(list(decode(path, DecodeOptions(track=track), said.append)))
    return [round(onset, 1) for onset in burst_onsets(samples, SAMPLE_RATE)], [str(damage) for damage in said]


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".mov"])
def test_the_default_track_is_analysed_and_the_others_are_reported(suffix: str, tmp_path: Path) -> None:
    path = film(tmp_path / f"a{suffix}", [1.0, 4.0, 2.0], default=2)
    onsets, (said,) = heard(path)
    assert onsets == [4.0]
    assert said == "sound track 2 of 3 is heard; --track hears another one (1; 3)"
    assert heard(path, track=1)[0] == [1.0]
    assert heard(path, track=3)[0] == [2.0]
    with pytest.raises(AudioError, match=r"no sound track 4, it has 3; without --track its default one is heard$"):
        heard(path, track=4)


def test_the_first_of_tracks_without_a_mark_is_heard(tmp_path: Path) -> None:
    assert heard(film(tmp_path / "a.mkv", [1.0, 4.0]))[0] == [1.0]


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".mov", ".ts"])
@pytest.mark.parametrize("with_picture", [True, False])
def test_sound_that_begins_late_is_on_the_film_s_clock(suffix: str, with_picture: bool, tmp_path: Path) -> None:
    if suffix == ".ts" and not with_picture:
        pytest.skip("a transport stream has no zero: it begins with what comes first")
    onsets, said = heard(film(tmp_path / f"a{suffix}", [5.0], late=3.0, with_picture=with_picture))
    assert onsets == [5.0]
    assert len(said) == 1
    assert said[0].startswith(("0.000-3.0", "0.000-2.9")) and said[0].endswith(
        " s: the sound begins later than the film, silence before it"
    )


@pytest.mark.parametrize("suffix", list(CODECS))
def test_sound_that_begins_with_the_film_begins_at_zero(suffix: str, tmp_path: Path) -> None:
    assert heard(film(tmp_path / f"a{suffix}", [5.0])) == ([5.0], [])


def test_a_film_cut_from_hours_of_a_stream_begins_at_its_own_start(tmp_path: Path) -> None:
    assert heard(film(tmp_path / "a.mkv", [5.0], zero=36_000.0)) == ([5.0], [])
