"""Every clip decoded once: a folder with all samples in one memory-mapped file and an index of where each clip lies.

In: paths of sound files. Out: a `Cache` that gives any stretch of any of them as float32 without touching a decoder, so that
mixing reads at memory speed. Samples are mono, 32 kHz, 16 bit (64 KB a second). A cache grows: `open_cache` decodes what is
missing and appends it. A file that changes under the same path is not noticed; then delete the folder.

    FOLDER/samples.i16    little-endian int16, one clip after the other
    FOLDER/index.json     {path: [first sample, number of samples]}
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audiolog_cli.errors import UsageError
from audiolog_cli.mixing.augment import Wave
from audiolog_cli.side_files import alone, intact, write_whole

FULL_SCALE = 32767.0
Decode = Callable[[Path], Wave]  # a whole file as mono float32 at 32 kHz
Progress = Callable[[int, int], None]  # files done, files in all


@dataclass(frozen=True, slots=True)
class Cache:
    """Decoded sound, by path."""

    samples: NDArray[np.int16]  # memory-mapped
    spans: dict[str, tuple[int, int]]  # path -> (first sample, number of samples)

    def n_samples(self, path: Path) -> int:
        """Length of one clip."""
        return self.spans[str(path)][1]

    def read(self, path: Path, start: int = 0, stop: int | None = None) -> Wave:
        """Samples [start, stop) of one clip as float32 in [-1, 1]; cut at its end."""
        first, n_samples = self.spans[str(path)]
        stop = n_samples if stop is None else min(stop, n_samples)
        return self.samples[first + start : first + stop].astype(np.float32) * np.float32(1 / FULL_SCALE)


def open_cache(folder: Path, paths: Iterable[Path], decode: Decode, progress: Progress = lambda done, total: None) -> Cache:
    """The cache in `folder`, with every one of `paths` in it; made or completed as needed.

    The index is written last and atomically: an interrupted call leaves what was there before. Of several processes one decodes
    and the others wait. AudioError from `decode` propagates; UsageError if the cache is damaged. `progress` is called with (done,
    total) after each decoded file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    index_file, samples_file = folder / "index.json", folder / "samples.i16"
    with alone(folder / "lock"):
        spans = _read_index(index_file)
        missing = [path for path in dict.fromkeys(paths) if str(path) not in spans]
        if missing:
            _append(samples_file, spans, missing, decode, progress)
            write_whole(index_file, json.dumps(spans))
    n_samples = _end(spans)
    if n_samples and (not samples_file.is_file() or samples_file.stat().st_size < 2 * n_samples):
        raise UsageError(f"{samples_file}: damaged, expected {2 * n_samples} bytes; delete {folder}, it is made again")
    samples = np.memmap(samples_file, np.dtype("<i2"), "r", shape=(n_samples,)) if n_samples else np.zeros(0, np.int16)
    return Cache(samples, spans)


def _read_index(file: Path) -> dict[str, tuple[int, int]]:
    if not file.is_file():
        return {}
    with intact(file, "an index of clips", f"delete {file.parent}, it is made again"):
        entries = json.loads(file.read_text(encoding="utf-8")).items()
        return {path: (int(first), int(n_samples)) for path, (first, n_samples) in entries}


def _end(spans: dict[str, tuple[int, int]]) -> int:
    """The sample after the last clip."""
    return max((first + count for first, count in spans.values()), default=0)


def _append(
    samples_file: Path, spans: dict[str, tuple[int, int]], missing: list[Path], decode: Decode, progress: Progress
) -> None:
    position = _end(spans)
    with samples_file.open("r+b" if samples_file.is_file() else "w+b") as file:
        file.truncate(2 * position)  # drops what an interrupted call left after the last indexed sample
        file.seek(2 * position)
        for done, path in enumerate(missing, start=1):
            samples = as_int16(decode(path))
            file.write(samples.tobytes())
            spans[str(path)] = (position, samples.size)
            position += samples.size
            progress(done, len(missing))


def as_int16(wave: Wave) -> NDArray[np.int16]:
    """Rounded 16-bit samples; beyond +-1 is clipped.

    >>> as_int16(np.array([0.0, 1.0, -2.0], dtype=np.float32)).tolist()
    [0, 32767, -32767]
    """
    return np.round(np.clip(wave, -1.0, 1.0) * FULL_SCALE).astype("<i2")
