"""How long `audiolog eval` takes and how much memory it needs, on random material of two sizes. Not a test: run it by hand.

    python -m tests.eval_bench maestro    49 recordings of 233 s, 17 labels, scores every 0.2 s (DCASE 2023 task 4B's size)
    python -m tests.eval_bench large      1000 recordings of 10 minutes, 17 labels, cells against a list of 1-s lines

Prints wall and CPU seconds and the peak memory of the whole command. docs/evaluation.md quotes a run.
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

LABELS = [f"label_{index:02d}" for index in range(17)]
SIZES = {"maestro": (49, 233, 5), "large": (1000, 600, 0)}  # recordings, seconds, score frames per second


def main(size: str) -> None:
    """Make the material in a temporary folder and time the command on it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        n_lines = write_material(folder, *SIZES[size])
        command = [str(Path(sys.executable).with_name("audiolog")), "eval", "cells.tsv", "--reference", "reference.tsv"]
        command += ["--durations", "durations.tsv"] + ["--scores-dir", "scores"] * (SIZES[size][2] > 0)
        start = time.perf_counter()
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        wall = time.perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = used.ru_utime + used.ru_stime
    print(f"{size}: {n_lines} lines, {wall:.1f} s wall, {cpu:.1f} s CPU, {used.ru_maxrss / 1024:.0f} MB")


def write_material(folder: Path, n_files: int, seconds: int, frames_per_second: int) -> int:
    """reference.tsv, cells.tsv, durations.tsv and scores/; returns the lines of the first two."""
    rng = np.random.default_rng(0)
    (folder / "scores").mkdir()
    (folder / "reference.tsv").write_text("filename\tonset\toffset\tevent_label\n")
    (folder / "cells.tsv").write_text("filename\tonset\toffset\tkind\tlabel\tscore\n")
    names = [f"rec_{index:04d}.wav" for index in range(n_files)]
    (folder / "durations.tsv").write_text("filename\tduration\n" + "".join(f"{name}\t{seconds}\n" for name in names))
    n_lines = 2
    for name in names:  # one at a time: the memory of this process would be counted as the command's
        activity = np.repeat(rng.random((seconds // 5 + 1, len(LABELS))) ** 3, 5, axis=0)[:seconds]
        scores = np.clip(activity + rng.normal(0, 0.2, activity.shape), 0, 1)
        reference, cells = [], []
        for t in range(seconds):
            times = f"{name}\t{t}.000\t{t + 1}.000"
            reference += [f"{times}\t{LABELS[label]}\n" for label in np.flatnonzero(activity[t] > 0.5)]
            cells.append(f"{times}\tscene\tpark\t0.900\n")
            cells += [f"{times}\tevent\t{LABELS[label]}\t{scores[t, label]:.3f}\n" for label in np.flatnonzero(scores[t] > 0.5)]
        for path, lines in (("reference.tsv", reference), ("cells.tsv", cells)):
            with (folder / path).open("a") as file:
                file.writelines(lines)
            n_lines += len(lines)
        if frames_per_second:
            write_scores(
                folder / f"scores/{Path(name).stem}.tsv", np.repeat(scores, frames_per_second, axis=0), frames_per_second
            )
    return n_lines


def write_scores(path: Path, scores: np.ndarray, frames_per_second: int) -> None:
    """A score file with small differences from frame to frame."""
    frames = np.clip(scores + np.random.default_rng(1).normal(0, 0.05, scores.shape), 0, 1)
    with path.open("w") as file:
        file.write("\t".join(["onset", "offset", *LABELS]) + "\n")
        for index, row in enumerate(frames):
            times = f"{index / frames_per_second:.3f}\t{(index + 1) / frames_per_second:.3f}"
            file.write("\t".join([times, *(f"{score:.6f}" for score in row)]) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
