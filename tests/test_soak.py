"""Long recordings: memory does not grow, and a sound in hour 20 is reported in its second.

The normal suite takes minutes of sound; `make soak` takes a day (AUDIOLOG_TEST_HOURS=24).
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.memory import GROWTH, GROWTH_OF_SEVERAL, Memory, watched
from tests.shell import ROOT

HOURS = float(os.environ.get("AUDIOLOG_TEST_HOURS", "0.6"))
N_SHORT = 10  # minutes
RATE = 16_000
BLOCK = 60  # seconds: a multiple of the window, so that the same sound falls in the same windows wherever it is put


def quiet_minute() -> np.ndarray:
    return (np.random.default_rng(0).standard_normal(BLOCK * RATE) * 30).astype(np.int16)


def farm_minute() -> np.ndarray:
    """The example's first minute at this file's rate."""
    from audiolog_cli.sound.audio import whole

    samples = whole(ROOT / "examples" / "farm_morning.flac", RATE)[: BLOCK * RATE]
    return (samples * 32_767).astype(np.int16)


def write_flac(path: Path, minutes: Iterator[np.ndarray]) -> None:
    with av.open(str(path), "w") as file:
        stream = file.add_stream("flac", rate=RATE, layout="mono", format="s16", options={"compression_level": "0"})
        n_written = 0
        for minute in minutes:
            frame = av.AudioFrame.from_ndarray(minute[np.newaxis], "s16", "mono")
            frame.sample_rate, frame.pts, frame.time_base = RATE, n_written, Fraction(1, RATE)
            n_written += len(minute)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


def recording(path: Path, n_minutes: int, farm_at: int) -> Path:
    """Minutes of faint noise, one of them the farm's."""
    quiet, farm = quiet_minute(), farm_minute()
    write_flac(path, (farm if i == farm_at else quiet for i in range(n_minutes)))
    return path


def tag(path: Path, through_pipe: bool, jobs: int) -> tuple[list[str], Memory]:
    """The cells, and the program's memory over the run."""
    command = [sys.executable, "-m", "audiolog_cli", "tag", "-" if through_pipe else str(path), "--quiet", "--jobs", str(jobs)]
    out = path.with_suffix(".tsv")
    with path.open("rb") as sound, out.open("wb") as cells:
        memory = watched(command, 0.2, stdin=sound if through_pipe else subprocess.DEVNULL, stdout=cells)
    return out.read_text().splitlines(), memory


def farm_cells(lines: list[str], minute: int) -> list[str]:
    """The cells of a minute, their times counted from its start, without the file's name."""
    found = []
    for line in lines[1:]:
        _, onset, offset, *rest = line.split("\t")
        if minute * BLOCK <= float(onset) < (minute + 1) * BLOCK:
            found.append(f"{float(onset) - minute * BLOCK:.3f} {float(offset) - minute * BLOCK:.3f} {' '.join(rest)}")
    return found


@pytest.mark.parametrize(
    ("through_pipe", "jobs", "growth"),
    [(False, 1, GROWTH), (True, 2, GROWTH_OF_SEVERAL)],
    ids=["from a file, one job", "through a pipe, two jobs"],
)
def test_a_long_recording_is_heard_in_the_memory_of_a_short_one(
    through_pipe: bool, jobs: int, growth: float, tmp_path: Path
) -> None:
    n_minutes = round(60 * HOURS)
    farm_at = n_minutes * 20 // 24  # in hour 20 of a day
    short_lines, short_memory = tag(recording(tmp_path / "short.flac", N_SHORT, 5), through_pipe, jobs)
    long_lines, long_memory = tag(recording(tmp_path / "long.flac", n_minutes, farm_at), through_pipe, jobs)

    assert long_lines[-1].split("\t")[2] == f"{n_minutes * 60:.3f}"
    farm = farm_cells(short_lines, 5)
    assert len(farm) > BLOCK  # every second, and events in them
    assert farm_cells(long_lines, farm_at) == farm

    print(
        f"{n_minutes} min: {long_memory}; {N_SHORT} min: {short_memory}"
    )  # keeping the sound would add 130 MB to the short form
    assert long_memory.growth_over(short_memory) <= growth
    assert long_memory.late_growth() <= growth
