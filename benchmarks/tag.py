"""`tag` as a user runs it: times real time, processor time and peak memory on 44.1 kHz stereo WAV files, Python's start included.

    python benchmarks/tag.py                  10 minutes and 1 hour, default weights
    python benchmarks/tag.py --hours 3        10 minutes and 3 hours
    python benchmarks/tag.py --weights FILE --jobs 1

The aims for the default weights on two cores: 100 times real time and 1.2 GB for 10 minutes; no more than a tenth above that
memory for 3 hours. The sound is noise whose level changes every second; the network takes the same time for any sound.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
import wave
from pathlib import Path

import numpy as np

RATE = 44_100
PROGRAM = (
    "import resource, subprocess, sys;"
    "code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode;"
    "usage = resource.getrusage(resource.RUSAGE_CHILDREN);"
    "print(usage.ru_maxrss, usage.ru_utime + usage.ru_stime);"
    "sys.exit(code)"
)


def write_noise(path: Path, minutes: int) -> None:
    """A stereo 16-bit WAV, made a minute at a time."""
    generator = np.random.default_rng(0)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE)
        minute = generator.standard_normal((60 * RATE, 2)) * np.repeat(generator.uniform(50, 5000, 60), RATE)[:, np.newaxis]
        data = minute.clip(-32_767, 32_767).astype("<i2").tobytes()
        for _ in range(minutes):
            file.writeframes(data)


def measure(minutes: int, options: list[str], folder: Path) -> None:
    path = folder / f"{minutes}.wav"
    write_noise(path, minutes)
    command = [sys.executable, "-c", PROGRAM, sys.executable, "-m", "audiolog_cli", "tag", str(path), "--quiet", *options]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - start
    kilobytes, processor = done.stdout.split()
    print(
        f"{minutes:4d} min: {seconds:7.1f} s, {minutes * 60 / seconds:4.0f} times real time, "
        f"{float(processor):7.1f} s of processor time, peak {int(kilobytes) / 1024:.0f} MB"
    )
    path.unlink()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--hours", type=int, default=1)
    own, options = parser.parse_known_args()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory() as folder:
        for minutes in (10, 60 * own.hours):
            measure(minutes, options, Path(folder))
