"""Files of one night as one recording: which belong together, and that windows and events continue across the cut."""

import json
import shutil
import wave
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from audiolog_cli.errors import AudioError, InputError
from audiolog_cli.sound.clock import start_of, time_source
from audiolog_cli.sound.stitching import stitched
from tests.conftest import write_wav
from tests.shell import audiolog

RATE = 100  # samples a second, here
BEGIN = datetime(2026, 11, 22, 6, 0, 0)


def begun(file: tuple[float, float]) -> datetime:
    return BEGIN + timedelta(seconds=file[0])


def silence(file: tuple[float, float]) -> Iterator[np.ndarray]:
    for _ in range(round(file[1])):
        yield np.zeros(RATE, np.float32)


def groups(starts_and_seconds: list[tuple[float, float] | InputError]) -> list[tuple[float, float] | str]:
    """Start and length in seconds of each group of files given by start and length."""
    found: list[tuple[float, float] | str] = []
    for group in stitched(starts_and_seconds, begun, silence, RATE):
        if isinstance(group, InputError):
            found.append(str(group))
        else:
            (start, _), sound = group
            found.append((start, sum(len(chunk) for chunk in sound) / RATE))
    return found


def test_files_that_follow_one_another_are_one_recording() -> None:
    assert groups([(0, 60), (60, 60), (120.4, 30)]) == [(0, 150)]


def test_a_pause_begins_a_new_recording() -> None:
    assert groups([(0, 60), (61, 60), (121, 60)]) == [(0, 60), (61, 120)]


def test_a_clock_that_drifts_is_followed_no_further_than_half_a_second() -> None:
    assert groups([(0, 10), (10.3, 10), (20.6, 10)]) == [(0, 20), (20.6, 10)]


# Each zone's changes in 2026, in UTC; Lord Howe's is of half an hour, Casablanca's clock goes back for Ramadan.
CHANGES = {
    "Europe/Berlin": ("2026-03-29T01:00", "2026-10-25T01:00"),
    "America/New_York": ("2026-03-08T07:00", "2026-11-01T06:00"),
    "Australia/Lord_Howe": ("2026-10-03T15:30", "2026-04-04T15:00"),
    "Africa/Casablanca": ("2026-03-22T02:00", "2026-02-15T02:00"),
    "America/St_Johns": ("2026-03-08T05:30", "2026-11-01T04:30"),
}


@given(
    zone=st.sampled_from(sorted(CHANGES)),
    is_autumn=st.booleans(),
    before=st.integers(0, 7200),
    lengths=st.lists(st.integers(1, 3600), min_size=2, max_size=5),
    pause=st.sampled_from([0, 1, 1800, 3600, 5400]),
)
def test_what_follows_is_joined_whatever_the_clocks_do(
    zone: str, is_autumn: bool, before: int, lengths: list[int], pause: int
) -> None:
    """Times with their offsets, shown in the zone, around its changes: the last file comes after a pause."""
    begin = datetime.fromisoformat(CHANGES[zone][is_autumn] + "+00:00") - timedelta(seconds=before)
    starts = [begin + timedelta(seconds=sum(lengths[:i])) for i in range(len(lengths))]
    starts[-1] += timedelta(seconds=pause)
    source = time_source(name_time="iso", tz=zone)
    assert source is not None
    files = [(f"{start:%Y%m%dT%H%M%SZ}.wav", seconds) for start, seconds in zip(starts, lengths, strict=True)]
    found = [
        (group[0], sum(map(len, group[1])))
        for group in stitched(
            files, lambda file: start_of(file[0], source), lambda file: iter([np.zeros(file[1], np.float32)]), sample_rate=1
        )
        if not isinstance(group, InputError)
    ]
    if pause:
        assert found == [(files[0], sum(lengths[:-1])), (files[-1], lengths[-1])]
    else:
        assert found == [(files[0], sum(lengths))]


def test_files_of_a_recorder_that_changes_its_clock_follow_over_the_change() -> None:
    """Names in local time, no zone in them: 01:59:55 and five seconds later 03:00:00."""
    source = time_source(name_time="auto", tz="Europe/Berlin")
    assert source is not None
    groups = stitched(
        [("20260329_015955.wav", 5), ("20260329_030000.wav", 5)],
        lambda file: start_of(file[0], source),
        lambda file: iter([np.zeros(file[1], np.float32)]),
        sample_rate=1,
    )
    assert [sum(map(len, group[1])) for group in groups if not isinstance(group, InputError)] == [10]


def test_times_with_and_without_a_zone_are_not_compared() -> None:
    source = time_source(name_time="auto")
    assert source is not None
    groups = stitched(
        [("20260329_015955Z.wav", 5), ("20260329_020000.wav", 5)],
        lambda file: start_of(file[0], source),
        lambda file: iter([np.zeros(file[1], np.float32)]),
        sample_rate=1,
    )
    found = [str(group) if isinstance(group, InputError) else sum(map(len, group[1])) for group in groups]
    assert found == [
        5,
        "clock times with and without a zone, 2026-03-29T01:59:55+00:00 and 2026-03-29T02:00:00, cannot be compared: give --tz",
    ]


def test_errors_keep_their_place() -> None:
    assert groups([(0, 10), AudioError("b.wav: no such file"), (10, 10)]) == [(0, 10), "b.wav: no such file", (10, 10)]


def test_a_broken_file_costs_the_ones_before_it_nothing() -> None:
    """It is known to be broken only when its turn comes, in the middle of the group: the group ends there, whole."""

    def decode(file: tuple[float, float]) -> Iterator[np.ndarray]:
        if file[1] == 0:
            raise AudioError("broken")
        yield np.zeros(round(file[1] * RATE), np.float32)

    def start_of(file: tuple[float, float]) -> datetime:
        if file[1] < 0:
            raise AudioError("no clock time")
        return BEGIN + timedelta(seconds=file[0])

    found: list[tuple[float, float] | str] = []
    for group in stitched([(0, 10), (10, 10), (20, 0), (30, 10), (40, -1), (50, 10)], start_of, decode, RATE):
        if isinstance(group, InputError):
            found.append(str(group))
        else:
            found.append((group[0][0], sum(len(chunk) for chunk in group[1]) / RATE))
    assert found == [(0, 20), "broken", (30, 10), "no clock time", (50, 10)]


def test_a_later_file_that_fails_is_named(tmp_path: Path, tiny_weights: Path) -> None:
    write_wav(tmp_path / "20261122_060000.wav", 2.0, channels=2)
    write_wav(tmp_path / "20261122_060002.wav", 2.0)
    (tmp_path / "day").mkdir()
    line = f"tag 20261122_060000.wav 20261122_060002.wav day --weights {tiny_weights} --name-time auto --split-files --channel 2"
    done = audiolog(f"{line} --format jsonl", tmp_path)
    failed = [record for line in done.stdout.splitlines() if (record := json.loads(line))["kind"] == "error"]
    assert (done.code, [(record["filename"], record["message"]) for record in failed]) == (
        3,
        [
            ("20261122_060002.wav", "20261122_060002.wav: no channel 2, it has 1; --channel mix takes the mean of all"),
            ("day", "day: is a folder; --recursive takes all recordings in it and below"),
        ],
    )


def test_a_recording_that_is_heard_in_part_ends_where_its_last_file_ends() -> None:
    """As with --end: the files behind that are not recordings of their own."""
    found = []
    for group in stitched([(0, 10), (10, 10), (20, 10), (60, 10)], begun, silence, RATE):
        assert not isinstance(group, InputError)
        found.append((group[0][0], len(next(group[1]))))
    assert found == [(0, RATE), (60, RATE)]


def test_segments_are_not_joined(tmp_path: Path, tiny_weights: Path) -> None:
    """Each would count from the start of its own file."""
    listed = b"filename\tonset\toffset\n20261122_060000.wav\t0\t2\n"
    done = audiolog(f"tag --weights {tiny_weights} --name-time auto --split-files", tmp_path, listed)
    assert (done.code, done.stderr.partition(",")[0]) == (
        2,
        "audiolog: --split-files does nothing here: stdin is a list of segments",
    )


def test_segments_are_heard_where_split_files_is_everyday_practice(tmp_path: Path, tiny_weights: Path) -> None:
    """Its variable is set: the files in the list are recordings of their own, those beside it are one."""
    for second in range(0, 8, 2):
        write_wav(tmp_path / f"20261122_06000{second}.wav", 2.0)
    (tmp_path / "s.tsv").write_text(
        "filename\tonset\toffset\n20261122_060000.wav\t1\t2.001\n20261122_060002.wav\t0\t1\n20261122_060002.wav\t1\t2\n"
    )
    line = f"tag s.tsv 20261122_060004.wav 20261122_060006.wav --weights {tiny_weights} --name-time auto"
    done = audiolog(line, tmp_path, AUDIOLOG_SPLIT_FILES="1")
    scenes = [line.split("\t")[:2] for line in done.stdout.splitlines() if "\tscene\t" in line]
    assert scenes == [
        ["20261122_060000.wav", "1.000"],
        ["20261122_060002.wav", "0.000"],
        ["20261122_060002.wav", "1.000"],
        *(["20261122_060004.wav", f"{second}.000"] for second in range(4)),
    ]


def test_the_files_of_a_night_give_what_the_night_in_one_file_gives(tmp_path: Path, tiny_weights: Path) -> None:
    """47 s cut at 16 and 32 s, in the middle of windows: the same cells, under the first file's name."""
    night = write_wav(tmp_path / "night.wav", 47.0)
    with wave.open(str(night)) as whole:
        for start in (0, 16, 32):
            with wave.open(str(tmp_path / f"20261122_0600{start:02d}.WAV"), "wb") as part:
                part.setparams(whole.getparams())
                part.writeframes(whole.readframes(16 * 32_000))
    shutil.copy(tiny_weights, tmp_path / "w.safetensors")
    tag = "tag --weights w.safetensors --quiet"
    joined = audiolog(f"{tag} --recursive . --match '2026*' --name-time audiomoth --tz UTC --split-files", tmp_path)
    alone = audiolog(f"{tag} night.wav --start-time 2026-11-22T06:00:00Z", tmp_path)
    assert (joined.code, joined.stderr) == (0, "")
    assert joined.stdout == alone.stdout.replace("night.wav", "./20261122_060000.WAV")
