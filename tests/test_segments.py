"""Where segments begin and end, what --skip-quiet leaves out, and `audiolog segment` itself, alone and before `tag`."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiolog_cli.errors import UsageError
from audiolog_cli.sound.audio import SAMPLE_RATE, sample_at, windows, windows_at
from audiolog_cli.sound.segments import SegmentOptions, end_in_ms, from_duration, from_sound, levels, loud_blocks
from tests.audio_files import encode, noise, sine, wav_bytes, write_wav
from tests.shell import audiolog, sh

TEN = SegmentOptions(window=10)


def test_last_segment_ends_with_the_recording() -> None:
    assert list(from_duration(24.5, TEN)) == [(0.0, 10.0), (10.0, 20.0), (20.0, 24.5)]


def test_no_segment_begins_where_the_recording_ends() -> None:
    assert list(from_duration(20.0, TEN)) == [(0.0, 10.0), (10.0, 20.0)]


def test_overlapping_segments_stop_with_the_first_that_reaches_the_end() -> None:
    assert list(from_duration(12.0, SegmentOptions(window=10, hop=2.5))) == [(0.0, 10.0), (2.5, 12.0)]


def test_one_sample_more_than_a_window_is_a_segment_of_a_millisecond() -> None:
    assert list(from_duration(320_001 / 32_000, TEN)) == [(0.0, 10.0), (10.0, 10.001)]


def test_nothing_has_no_segments() -> None:
    assert list(from_duration(0, TEN)) == []
    assert list(from_sound([], SAMPLE_RATE, TEN)) == []


@pytest.mark.parametrize(
    ("window", "hop", "message"),
    [
        (0.0005, 0, "--window 0.0005: expected whole milliseconds, 0.001 or more"),
        (-1, 0, "--window -1: expected whole milliseconds, 0.001 or more"),
        (float("nan"), 0, "--window nan: expected whole milliseconds, 0.001 or more"),
        (float("inf"), 0, "--window inf: expected whole milliseconds, 0.001 or more"),
        (10, 0.33333, "--hop 0.33333: expected whole milliseconds, 0.001 or more"),
        (10, 11, "--hop 11: longer than the window of 10 s, sound between would be lost"),
    ],
)
def test_lengths_that_cannot_be_kept_are_refused(window: float, hop: float, message: str) -> None:
    with pytest.raises(UsageError) as error:
        SegmentOptions(window, hop)
    assert str(error.value) == message


lengths = st.integers(1, 100_000)
window_ms = st.integers(1, 3000)


@settings(deadline=None, max_examples=60)
@given(n_samples=lengths, window=window_ms, hop=window_ms, length=window_ms, chunk=st.integers(200, 50_000))
def test_segments_of_any_length_read_back_from_three_decimals_give_the_windows_of_the_whole(
    n_samples: int, window: int, hop: int, length: int, chunk: int
) -> None:
    hop = min(hop, window)
    hop, window = (hop * 50, window * 50) if n_samples > 1000 * hop else (hop, window)  # keep the number of windows small
    length = length * 50 if n_samples > 1000 * length else length
    sound = np.arange(n_samples, dtype=np.float32)
    options = SegmentOptions(length / 1000)
    spans = [(float(f"{onset:.3f}"), float(f"{offset:.3f}")) for onset, offset in from_duration(n_samples / SAMPLE_RATE, options)]
    whole = list(windows([sound], window / 1000, hop / 1000))
    parts = list(windows_at((sound[i : i + chunk] for i in range(0, n_samples, chunk)), spans, window / 1000, hop / 1000))
    assert [(w.index, w.start, w.onset, w.n_samples) for w in parts] == [(w.index, w.start, w.onset, w.n_samples) for w in whole]
    assert all(a.samples.tobytes() == b.samples.tobytes() for a, b in zip(parts, whole, strict=True))


@settings(deadline=None, max_examples=60)
@given(n_samples=lengths, window=window_ms, hop=window_ms, chunk=st.integers(200, 50_000))
def test_segments_of_a_stream_are_those_of_its_length_and_cover_it(n_samples: int, window: int, hop: int, chunk: int) -> None:
    options = SegmentOptions(max(window, hop) / 20, hop / 20)
    sound = np.zeros(n_samples, np.float32)
    spans = list(from_sound((sound[i : i + chunk] for i in range(0, n_samples, chunk)), SAMPLE_RATE, options))
    assert spans == list(from_duration(n_samples / SAMPLE_RATE, options))
    covered = np.zeros(n_samples, bool)
    for onset, offset in spans:
        covered[sample_at(onset) : sample_at(offset)] = True
    assert covered.all()


def test_level_of_a_sine_at_full_scale_is_minus_3_dbfs_whatever_the_offset() -> None:
    wave = sine(0.2, SAMPLE_RATE, 1000, amplitude=0.5) + np.float32(0.25)
    assert [(end, round(level, 2)) for end, level in levels([wave], SAMPLE_RATE)] == [(100, -9.03), (200, -9.03)]


def test_last_block_of_a_level_may_be_shorter() -> None:
    assert [end for end, _ in levels([np.zeros(3_201, np.float32)], SAMPLE_RATE)] == [100, 101]


def test_sound_begins_at_the_level_and_ends_a_second_after_falling_six_decibels_below() -> None:
    blocks = [(100, -51.0), (200, -50.0), (300, -55.9), *((at, -56.1) for at in range(400, 1700, 100)), (1700, -55.0)]
    heard = dict(loud_blocks(blocks, begin=-50.0))
    assert [end for end, is_loud in heard.items() if is_loud] == list(range(200, 1400, 100))


def test_quiet_windows_are_left_out_and_the_others_stay_where_they_were() -> None:
    sound = np.zeros(50 * SAMPLE_RATE, np.float32)
    sound[23 * SAMPLE_RATE : 24 * SAMPLE_RATE] = noise(1, SAMPLE_RATE)
    spans = list(from_sound([sound], SAMPLE_RATE, SegmentOptions(window=10, skip_quiet=-40)))
    assert spans == [(20.0, 30.0)]


def test_sound_across_a_border_keeps_both_windows() -> None:
    sound = np.zeros(30 * SAMPLE_RATE, np.float32)
    sound[int(9.95 * SAMPLE_RATE) : int(10.05 * SAMPLE_RATE)] = noise(0.1, SAMPLE_RATE)
    assert list(from_sound([sound], SAMPLE_RATE, SegmentOptions(window=10, skip_quiet=-40))) == [(0.0, 10.0), (10.0, 20.0)]


def test_end_is_rounded_up_to_the_millisecond() -> None:
    assert end_in_ms(44_101, 44_100) == 1001


# The command


def test_segment_writes_a_table(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", sine(12.3456, 44_100), 44_100)
    assert audiolog("segment a.wav", tmp_path) == (
        0,
        "filename\tonset\toffset\na.wav\t0.000\t10.000\na.wav\t10.000\t12.346\n",
        "",
    )


def test_segment_of_a_pipe_is_that_of_the_file(tmp_path: Path) -> None:
    encode(tmp_path / "a.flac", sine(7.5, 48_000), 48_000)
    expected = "filename\tonset\toffset\n-\t0.000\t5.000\n-\t2.500\t7.500\n"
    assert audiolog("segment --window 5 --hop 2.5 -", tmp_path, (tmp_path / "a.flac").read_bytes()) == (0, expected, "")
    assert sh("cat a.flac | audiolog segment --window 5 --hop 2.5 -", tmp_path) == (0, expected, "")


@pytest.mark.parametrize("content", [b"", b"no sound"])
def test_standard_input_from_a_file_has_the_name_of_a_pipe(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(content)
    reason = "not a readable audio file" if content else "empty input"
    assert sh("audiolog segment - < a.wav", tmp_path) == (1, "", f"audiolog: -: {reason}\n")


def test_segment_writes_json_lines(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", sine(2, 8000), 8000)
    code, out, err = audiolog("segment --format jsonl a.wav", tmp_path)
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == '{"filename":"a.wav","onset":0.0,"offset":2.0}'
    assert '"kind":"end","filename":"a.wav","duration":2.0' in out.splitlines()[1]


def test_segment_leaves_out_quiet_stretches(tmp_path: Path) -> None:
    sound = np.concatenate((np.zeros(80_000, np.float32), noise(3, 8000), np.zeros(160_000, np.float32)))
    write_wav(tmp_path / "night.wav", sound, 8000)
    expected = "filename\tonset\toffset\nnight.wav\t10.000\t20.000\n"
    assert audiolog("segment --skip-quiet -50 night.wav", tmp_path) == (0, expected, "")


def test_a_quiet_recording_has_a_header_and_no_segments(tmp_path: Path) -> None:
    write_wav(tmp_path / "quiet.wav", np.zeros(16_000, np.float32), 8000)
    assert audiolog("segment --skip-quiet -50 quiet.wav", tmp_path) == (0, "filename\tonset\toffset\n", "")


def test_a_file_that_fails_costs_only_itself(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", sine(1, 8000), 8000)
    (tmp_path / "notes.wav").write_text("not sound at all\n" * 20)
    assert audiolog("segment gone.wav a.wav notes.wav .", tmp_path) == (
        3,
        "filename\tonset\toffset\na.wav\t0.000\t1.000\n",
        "audiolog: gone.wav: no such file\n"
        "audiolog: notes.wav: not a readable audio file\n"
        "audiolog: .: is a directory; name the recordings in it\n",
    )
    assert audiolog("segment gone.wav", tmp_path) == (1, "", "audiolog: gone.wav: no such file\n")


def test_a_truncated_recording_is_cut_as_far_as_it_goes(tmp_path: Path) -> None:
    (tmp_path / "cut.wav").write_bytes(wav_bytes(bytes(16_000), 8000, 1, 16, riff_size=32_036, data_size=32_000))
    assert audiolog("segment cut.wav", tmp_path) == (
        0,
        "filename\tonset\toffset\ncut.wav\t0.000\t1.000\n",
        "audiolog: cut.wav: 1.000-2.000 s: the file breaks off before the end that its header declares\n",
    )


def test_wrong_lengths_are_wrong_usage(tmp_path: Path) -> None:
    message = "audiolog: --hop 20: longer than the window of 10 s, sound between would be lost\n"
    assert audiolog("segment --hop 20 a.wav", tmp_path) == (2, "", message)


# With tag


@pytest.mark.parametrize(("suffix", "hop"), [(".wav", "10"), (".mp3", "4")])
def test_tag_of_segments_is_tag_of_the_recording_to_the_byte(suffix: str, hop: str, tiny_weights: Path, tmp_path: Path) -> None:
    encode(tmp_path / f"a{suffix}", noise(23.4567, 48_000), 48_000)
    code, whole, err = audiolog(f"tag --weights {tiny_weights} --hop {hop} a{suffix}", tmp_path)
    assert (code, err) == (0, "")
    assert len(whole.splitlines()) > 24
    for format in ("tsv", "jsonl"):
        segments = audiolog(f"segment --hop {hop} --format {format} a{suffix}", tmp_path).stdout
        assert audiolog(f"tag --hop {hop} --weights {tiny_weights}", tmp_path, segments.encode()) == (0, whole, "")


def test_what_is_not_quiet_has_the_cells_it_would_have_had(tiny_weights: Path, tmp_path: Path) -> None:
    sound = np.concatenate((noise(9, 16_000), np.zeros(16_000 * 14, np.float32), noise(12, 16_000, seed=1)))
    write_wav(tmp_path / "a.wav", sound, 16_000)
    whole = audiolog(f"tag --weights {tiny_weights} a.wav", tmp_path).stdout.splitlines()
    segments = audiolog("segment --skip-quiet -50 a.wav", tmp_path).stdout
    code, out, err = audiolog(f"tag --weights {tiny_weights}", tmp_path, segments.encode())
    assert (code, err) == (0, "")
    assert out.splitlines() == [cell for cell in whole if not "10" <= cell.split("\t")[1] < "20" or len(cell.split("\t")[1]) < 6]


def test_a_failure_of_segment_stays_one_in_json_lines(tiny_weights: Path, tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", sine(2, 8000), 8000)
    segments = audiolog("segment --format jsonl gone.wav a.wav", tmp_path).stdout
    code, out, err = audiolog(f"tag --weights {tiny_weights} --format jsonl -q", tmp_path, segments.encode())
    assert (code, err) == (3, "audiolog: gone.wav: no such file\n")
    assert '"kind":"end","filename":"a.wav"' in out.splitlines()[-1]


def test_segments_that_lost_their_header_are_still_segments(tiny_weights: Path, tmp_path: Path) -> None:
    """grep a.wav segments.tsv | audiolog tag -"""
    write_wav(tmp_path / "a.wav", noise(2.0, 32_000), 32_000)
    done = audiolog(f"tag -q --weights {tiny_weights} -", tmp_path, b"a.wav\t0.000\t1.000\n")
    assert done.code == 0
    assert {tuple(line.split("\t")[:3]) for line in done.stdout.splitlines()[1:]} == {("a.wav", "0.000", "1.000")}
