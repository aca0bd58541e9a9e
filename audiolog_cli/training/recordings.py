"""Labelled recordings as training windows: a `Dataset` in, a filled pool out; and lists of what is left for testing.

Every recording is cut into windows of 10 s side by side, the last one padded with silence. The pool holds all recordings,
whatever the fold: its spectrograms are computed once, and a fold is a choice of windows. Several processes may fill it (one
works, the others wait), and an interrupted fill continues. Soft labels are kept beside the hard ones.
"""

import hashlib
from collections.abc import Callable, Iterable
from math import ceil, inf
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from audiolog_cli.datasets.dataset import END_SLACK, Dataset, Event, LabelledRecording
from audiolog_cli.errors import AudioError
from audiolog_cli.metrics.scene_based import NONE, whole_file
from audiolog_cli.mixing.composing import span_lines, write_list
from audiolog_cli.mixing.pool import MADE, MISSING, NO_SCENE, STEPS, Facts, WindowPool, active_steps, event_steps, make_pool
from audiolog_cli.mixing.windows import Span
from audiolog_cli.model.features import FrontEnd, Spectrogram, spectrogram
from audiolog_cli.records import check_text
from audiolog_cli.side_files import alone
from audiolog_cli.sound import audio

WINDOW = 10.0  # seconds
Say = Callable[[str], None]


def count_windows(recording: LabelledRecording) -> int:
    """How many windows cover a recording; a remainder at its end counts from `END_SLACK` seconds on."""
    assert recording.duration is not None, "a data set with problems"
    return max(1, ceil((recording.duration - END_SLACK) / WINDOW))


def places(dataset: Dataset) -> dict[str, range]:
    """Where in the pool the windows of each recording are."""
    found, first = {}, 0
    for name, recording in dataset.recordings.items():
        found[name] = range(first, first := first + count_windows(recording))
    return found


def windows_of(dataset: Dataset, names: Iterable[str]) -> NDArray[np.int64]:
    """Indices of the windows of these recordings."""
    where = places(dataset)
    return np.array([index for name in names for index in where[name]], dtype=np.int64)


def make_windows(dataset: Dataset, front_end: FrontEnd, folder: Path, say: Say, progress: Say) -> WindowPool:
    """The pool of a valid data set in `folder`, as `front_end` hears it; what is there already is kept.

    UsageError if it was made from other files or labels. AudioError for a recording that ends before its header says.
    """
    n_windows = sum(map(count_windows, dataset.recordings.values()))
    soft = any(0 < event.target < 1 for recording in dataset.recordings.values() for event in recording.events)
    source = {"data set": dataset.name, "recordings": digest(dataset)}
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder / "filling.lock"):
        labels = dataset.labels
        pool = make_pool(folder, Facts(n_windows, labels.events, labels.scenes, front_end=front_end, soft=soft, source=source))
        made = _fill(pool, dataset, progress)
    if made:
        say(f"{folder}: {len(pool)} windows of {len(dataset.recordings)} recordings")
    return pool


def digest(dataset: Dataset) -> str:
    """A digest that changes when a file, its labels or the vocabulary do."""
    hashed = hashlib.sha256(repr(dataset.labels).encode())
    for recording in dataset.recordings.values():
        stat = recording.path.stat()
        hashed.update(repr((recording.name, stat.st_size, stat.st_mtime_ns, recording.scenes, recording.events)).encode())
    return hashed.hexdigest()[:16]


def _fill(pool: WindowPool, dataset: Dataset, progress: Say) -> int:
    """Make the missing windows; returns for how many recordings any were missing."""
    hear, made = spectrogram(pool.facts.front_end), 0
    for number, (name, where) in enumerate(places(dataset).items(), 1):
        if (pool.state[where.start : where.stop] == MISSING).any():
            _fill_recording(pool, where, dataset.recordings[name], hear)
            made += 1
            progress(f"windows of {number} of {len(dataset.recordings)} recordings")
    progress("")
    return made


def _fill_recording(pool: WindowPool, where: range, recording: LabelledRecording, hear: Spectrogram) -> None:
    rate = pool.facts.front_end.sample_rate
    stream = audio.windows(audio.decode(str(recording.path), audio.DecodeOptions(rate)), WINDOW, WINDOW, rate)
    times = np.array([(event.onset, event.offset) for event in recording.events]).reshape(-1, 2)
    index = where.start - 1
    for index, window in zip(where, stream, strict=False):
        with torch.inference_mode():
            pool.log_mel[index] = hear(torch.from_numpy(window.samples)[None])[0].half().numpy()
        events = events_within(recording.events, times, window.onset)
        hard = (Span(event.onset, event.offset, event.label) for event in events if event.hard)
        pool.events[index] = event_steps(hard, pool.facts.events, WINDOW)
        if pool.soft is not None:
            pool.soft[index] = np.round(255 * soft_steps(events, pool.facts.events))
        pool.scene[index] = scene_index(recording.scenes, window.onset, pool.facts.scenes)
        pool.state[index] = MADE
    if index + 1 < where.stop:
        raise AudioError(
            f"{recording.path}: ends within {(index + 1 - where.start) * WINDOW:g} s, expected {recording.duration:g} s"
        )


def events_within(events: tuple[Event, ...], times: NDArray[np.float64], onset: float) -> list[Event]:
    """The events in the window from `onset` on, their times counted from there; `times` (n_events, 2) are their onsets and
    offsets.
    """
    chosen = np.flatnonzero((times[:, 0] < onset + WINDOW) & (times[:, 1] > onset))
    picked = (events[i] for i in chosen)
    return [Event(event.onset - onset, event.offset - onset, event.label, event.target) for event in picked]


def soft_steps(events: Iterable[Event], labels: tuple[str, ...]) -> NDArray[np.float32]:
    """Soft targets (STEPS, n_labels) of a window: in each step the highest soft label of the events that are active there.

    >>> soft_steps([Event(0, 1, "car", 0.25), Event(0, 5, "car", 0.5)], ("car",))[[0, 4, 20], 0].tolist()
    [0.5, 0.5, 0.0]
    """
    targets = np.zeros((STEPS, len(labels)), np.float32)
    for event in events:
        column = targets[:, labels.index(event.label)]
        np.maximum(column, event.target * active_steps(event.onset, event.offset, WINDOW), out=column)
    return targets


def scene_index(scenes: Iterable[Event], onset: float, labels: tuple[str, ...]) -> int:
    """The scene that lasts longest in the window from `onset` on; NO_SCENE where there is none."""
    within = ((max(scene.onset, onset), min(scene.offset, onset + WINDOW), scene.label) for scene in scenes)
    longest = whole_file(stretch for stretch in within if stretch[0] < stretch[1])
    return labels.index(longest) if longest != NONE else NO_SCENE


# The test part


def write_test_lists(dataset: Dataset, names: Iterable[str], folder: Path) -> None:
    """What `audiolog tag` and `audiolog eval` need to score the test part.

    In `folder`: files.txt (paths, one a line), events.tsv and scenes.tsv (what counts as true; events are the hard ones),
    durations.tsv, labels.txt (the events that are scored, whether or not they occur in this part).
    """
    folder.mkdir(parents=True, exist_ok=True)
    chosen = [dataset.recordings[name] for name in names]
    paths = [check_text(str(recording.path), "file name") for recording in chosen]
    lists: dict[str, list[str]] = {"event": [], "scene": []}
    for recording, path in zip(chosen, paths, strict=True):
        for kind, spans in (("event", recording.events), ("scene", recording.scenes)):
            lists[kind] += span_lines(path, (_known_end(span, recording) for span in spans if span.hard))
    for kind, lines in lists.items():
        write_list(lines, f"{kind}_label", folder / f"{kind}s.tsv")
    (folder / "labels.txt").write_text("".join(f"{label}\n" for label in dataset.labels.events), "utf-8")
    (folder / "files.txt").write_text("".join(f"{path}\n" for path in paths), "utf-8", "surrogateescape")
    durations = (f"{path}\t{recording.duration:.6f}\n" for path, recording in zip(paths, chosen, strict=True))
    (folder / "durations.tsv").write_text("filename\tduration\n" + "".join(durations), "utf-8", "surrogateescape")


def _known_end(span: Event, recording: LabelledRecording) -> Span:
    end = recording.duration if span.offset == inf and recording.duration is not None else span.offset
    return Span(span.onset, end, span.label)
