"""Whether a late hour of a long recording costs as much as the first: processor seconds of each hour of a FLAC, tagged in one
run.

    python benchmarks/length.py [HOURS]

HOURS is 24 unless given (1.5 GB of FLAC in the system's folder for temporary files, and some ten minutes of one core). A small
network (`crnn:tiny`), one job, 32 kHz mono: what is measured is everything around the network. Every ten minutes of sound the
same separate minute is tagged from its file, in the same process: `minutes` says how many times that minute an hour costs, in
which the load of a shared machine cancels. Then come whole recordings of several lengths, in turn, by the same measure.
"""

import resource
import sys
import time
from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import av
import numpy as np

from audiolog_cli.records import CELL_COLUMNS, Cell, End, tsv_lines
from audiolog_cli.sound.audio import SAMPLE_RATE, decode
from audiolog_cli.tagging.bench import untrained
from audiolog_cli.tagging.hearing import Notes, resolved, tag_samples
from audiolog_cli.tagging.options import Job, LoadOptions, TagOptions
from audiolog_cli.tagging.tagger import Tagger, load

LENGTHS = (60, 600, 3600)  # seconds of the whole recordings
ROUNDS = 3
BETWEEN = 600  # seconds of sound from one calibration to the next
QUIET = 0.5  # seconds until what is decoded ahead waits


def write_flac(path: Path, seconds: int) -> None:
    """Quiet noise, a different minute from the one before by its level, so that the file stays small."""
    noise = np.random.default_rng(0).standard_normal(60 * SAMPLE_RATE).astype(np.float32)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("flac", rate=SAMPLE_RATE, layout="mono")
        stream.codec_context.options = {"compression_level": "0"}
        for second in range(seconds):
            level = 4 + second // 60 % 8
            first = second % 60 * SAMPLE_RATE
            samples = (noise[first : first + SAMPLE_RATE] * level).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(samples[np.newaxis], "s16", "mono")
            frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, second * SAMPLE_RATE, Fraction(1, SAMPLE_RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def tagged(tagger: Tagger, path: Path) -> Iterator[Cell | End]:
    return tag_samples(tagger, resolved(tagger.card, TagOptions()), Job(path.name), decode(path), Notes(print))


def seconds_of(tagger: Tagger, path: Path) -> float:
    """Processor seconds of a whole recording, to the lines of its table."""
    began = time.process_time()
    deque(tsv_lines(tagged(tagger, path), CELL_COLUMNS), maxlen=0)
    return time.process_time() - began


def hours(tagger: Tagger, path: Path, minute: Path) -> Iterator[tuple[float, float]]:
    """For each hour of the recording its processor seconds, and the median of those of the separate minute in between."""
    calibrations: list[float] = []
    apart = 0.0  # processor seconds in this hour that were not the recording's
    began = time.process_time()
    for line in tsv_lines(tagged(tagger, path), CELL_COLUMNS):
        onset = line.split("\t")[1]
        if onset == "onset" or float(onset) % BETWEEN or not float(onset):
            continue
        if "\tscene\t" not in line:  # once a second
            continue
        time.sleep(QUIET)
        start = time.process_time()
        calibrations.append(seconds_of(tagger, minute))
        apart += time.process_time() - start
        if float(onset) % 3600 == 0:
            yield time.process_time() - began - apart, median(calibrations)
            calibrations, apart, began = [], 0.0, time.process_time()
    if calibrations:
        yield time.process_time() - began - apart, median(calibrations)


def peak() -> float:
    """Most memory so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(n_hours: int) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        tagger = load(LoadOptions(weights=str(untrained("crnn:tiny", folder)), device="cpu", jobs=1))
        recordings = {seconds: folder / f"{seconds}.flac" for seconds in (*LENGTHS, n_hours * 3600)}
        for seconds, path in recordings.items():
            write_flac(path, seconds)
        minute = recordings[LENGTHS[0]]
        seconds_of(tagger, minute)
        print("hour\tseconds\tminute\tminutes\tpeak_mb", flush=True)
        for hour, (spent, calibration) in enumerate(hours(tagger, recordings[n_hours * 3600], minute), 1):
            print(f"{hour}\t{spent:.2f}\t{calibration:.3f}\t{spent / calibration:.2f}\t{peak():.0f}", flush=True)
        print("length\tseconds_per_hour", flush=True)
        rounds = [{length: seconds_of(tagger, recordings[length]) * 3600 / length for length in LENGTHS} for _ in range(ROUNDS)]
        for length in LENGTHS:
            print(f"{length}\t{median(one[length] for one in rounds):.2f}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 24)
