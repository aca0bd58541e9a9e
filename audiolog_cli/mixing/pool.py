"""A pool of training windows on disk: spectrogram, hard labels, and a teacher's opinion of exactly the same sound.

Mixing, the log-mel spectrogram and a teacher cost as much as a small network's training step. A pool pays for them once: window
`index` is made from (seed, index), so any process can make any part of it, in any order, and an interrupted fill continues. A
pool belongs to one bank, recipe, seed, vocabulary and front-end; if one of them changes, start a new folder.

    pool.json     what it was made from and what the columns mean: `Facts`
    log_mel.f16   (N, n_frames, n_mels) float16    as the front-end makes them
    tags.u8       (N, STEPS, n_tags) uint8         round(255 * sqrt(teacher's probability)); absent without a teacher
    events.u8     (N, STEPS, n_events) uint8       1 where an event was mixed in, or labelled
    soft.u8       (N, STEPS, n_events) uint8       round(255 * soft label); absent where the data set has none
    scene.i8      (N,) int8                        index of the scene; -1 unknown, -2 a place without a label, -3 no place
    state.u8      (N,) uint8                       0 not made yet, 1 made
"""

import dataclasses
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from audiolog_cli.errors import UsageError
from audiolog_cli.mixing.windows import PLACE, Soundscape, Span
from audiolog_cli.model.features import FrontEnd, spectrogram
from audiolog_cli.side_files import alone, intact, write_whole

STEPS = 32  # time steps of targets over one window, as of HTS-AT: 0.3125 s for 10 s
MISSING, MADE = 0, 1
NO_SCENE = -1  # scene of a window: unknown,
SOMEWHERE = -2  # a real place without a label, which may hold any event,
NOWHERE = -3  # no place at all: noise, silence, one sound alone
MIN_OVERLAP = 0.05  # seconds of an event in a step that make the step active: short events count, a fade's edge does not
Teacher = Callable[[Tensor], Tensor]  # a wave (n_samples,) -> probabilities (STEPS, n_tags)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a pool was made from and what its columns mean."""

    n_windows: int
    events: tuple[str, ...]
    scenes: tuple[str, ...]
    tags: tuple[str, ...] = ()  # the teacher's classes
    plausible: dict[str, tuple[str, ...]] = field(default_factory=dict)  # scene -> events it may hold unlabelled
    akin: dict[str, tuple[str, ...]] = field(default_factory=dict)  # event -> others that may also describe the same sound
    mapping: dict[str, tuple[str, ...]] = field(default_factory=dict)  # event -> the teacher's classes that mean it
    seconds: float = 10.0
    front_end: FrontEnd = FrontEnd()
    soft: bool = False  # whether there are soft labels
    source: dict[str, str] = field(default_factory=dict)  # clips, split, recipe, seed, teacher


@dataclass(frozen=True, slots=True)
class WindowPool:
    """Memory-mapped windows; see the module for the arrays."""

    facts: Facts
    log_mel: NDArray[np.float16]
    tags: NDArray[np.uint8] | None
    events: NDArray[np.uint8]
    soft: NDArray[np.uint8] | None
    scene: NDArray[np.int8]
    state: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.state)


def make_pool(folder: Path, facts: Facts) -> WindowPool:
    """The pool in `folder`, to be filled; created if missing. UsageError if it was made from something else."""
    folder.mkdir(parents=True, exist_ok=True)
    note = folder / "pool.json"
    with alone(folder / "lock"):
        if not note.exists():
            write_whole(note, json.dumps(dataclasses.asdict(facts), indent=1, ensure_ascii=False) + "\n")
        elif read_facts(folder) != facts:
            raise UsageError(f"{note}: made from other clips or settings; give another folder, or delete this one")
        return _open(folder, facts, write=True)


def open_pool(folder: Path) -> WindowPool:
    """The pool in `folder`, to be read; UsageError if it is missing or damaged."""
    return _open(folder, read_facts(folder), write=False)


def read_facts(folder: Path) -> Facts:
    """The note (`pool.json`) of a pool."""
    note = folder / "pool.json"
    if not note.exists():
        raise UsageError(f"{note}: no such file; a pool is made by `audiolog mix --windows`")
    with intact(note, "the note of a pool", "make the pool again"):
        values = json.loads(note.read_text(encoding="utf-8"))
        values.setdefault("akin", {})  # earlier pools do not have it
        values |= {name: tuple(values[name]) for name in ("events", "scenes", "tags")}
        values |= {name: {k: tuple(v) for k, v in values[name].items()} for name in ("plausible", "akin", "mapping")}
        return Facts(**values | {"front_end": FrontEnd(**values["front_end"])})


def _open(folder: Path, facts: Facts, write: bool) -> WindowPool:
    n_frames = facts.front_end.n_frames(int(facts.seconds * facts.front_end.sample_rate))
    N = facts.n_windows

    def mapped(name: str, kind: type[np.generic], *shape: int) -> NDArray[Any]:
        return _mapped(folder / name, np.dtype(kind), (N, *shape), write)

    return WindowPool(
        facts,
        log_mel=mapped("log_mel.f16", np.float16, n_frames, facts.front_end.n_mels),
        tags=mapped("tags.u8", np.uint8, STEPS, len(facts.tags)) if facts.tags else None,
        events=mapped("events.u8", np.uint8, STEPS, len(facts.events)),
        soft=mapped("soft.u8", np.uint8, STEPS, len(facts.events)) if facts.soft else None,
        scene=mapped("scene.i8", np.int8),
        state=mapped("state.u8", np.uint8),
    )


def _mapped(file: Path, dtype: np.dtype[Any], shape: tuple[int, ...], write: bool) -> NDArray[Any]:
    n_bytes = int(np.prod(shape)) * dtype.itemsize
    if not n_bytes:  # no events: an empty file cannot be mapped
        return np.zeros(shape, dtype)
    if not file.exists() and write:
        with file.open("wb") as sparse:
            sparse.truncate(n_bytes)  # zeros; takes no disk space until written
    found = file.stat().st_size if file.exists() else 0
    if found != n_bytes:
        raise UsageError(f"{file}: expected {n_bytes} bytes for {shape}, found {found}; make the pool again")
    return np.memmap(file, dtype, "r+" if write else "r", shape=shape)


def fill(pool: WindowPool, indices: Iterable[int], mix: Callable[[int], Soundscape], teacher: Teacher | None) -> int:
    """Make the windows of `indices` that are missing; returns how many were made. The state is set last."""
    facts, hear, made = pool.facts, spectrogram(pool.facts.front_end), 0
    for index in indices:
        if pool.state[index] != MISSING:
            continue
        soundscape = mix(index)
        wave = torch.from_numpy(np.ascontiguousarray(soundscape.wave))
        with torch.inference_mode():
            pool.log_mel[index] = hear(wave[None])[0].half().numpy()
            if teacher is not None and pool.tags is not None:
                pool.tags[index] = encode(teacher(wave).numpy())
        pool.events[index] = event_steps(soundscape.events, facts.events, facts.seconds)
        pool.scene[index] = scene_code(soundscape, facts.scenes)
        pool.state[index] = MADE
        made += 1
    return made


def scene_code(soundscape: Soundscape, scenes: Sequence[str]) -> int:
    """The index of a window's scene in the list, or one of the codes for none."""
    if not scenes:
        return NO_SCENE
    if not soundscape.scenes:
        return NOWHERE
    label = soundscape.scenes[0].label
    return SOMEWHERE if label == PLACE else scenes.index(label)


def event_steps(spans: Iterable[Span], labels: Sequence[str], seconds: float, n_steps: int = STEPS) -> NDArray[np.uint8]:
    """Hard targets (n_steps, n_labels): 1 where an event fills at least MIN_OVERLAP seconds of a step, or all of itself.

    Labels outside the vocabulary are ignored.

    >>> event_steps([Span(1.0, 2.5, "dog"), Span(0.0, 4.0, "gong")], ["cat", "dog"], seconds=4.0, n_steps=4).T.tolist()
    [[0, 0, 0, 0], [0, 1, 1, 0]]
    """
    targets = np.zeros((n_steps, len(labels)), dtype=np.uint8)
    for onset, offset, label in spans:
        if label in labels:
            targets[active_steps(onset, offset, seconds, n_steps), labels.index(label)] = 1
    return targets


def active_steps(onset: float, offset: float, seconds: float, n_steps: int = STEPS) -> NDArray[np.bool_]:
    """(n_steps,) which steps of a window of `seconds` an event in [onset, offset) makes active, by the rule of `event_steps`."""
    edges = np.arange(n_steps + 1) * seconds / n_steps
    overlap = np.minimum(edges[1:], offset) - np.maximum(edges[:-1], onset)
    active: NDArray[np.bool_] = overlap >= min(MIN_OVERLAP, (offset - onset) / 2)
    return active


def encode(probabilities: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Probabilities as bytes, finer near zero, where most of a teacher's scores lie.

    >>> encode(np.array([0.0, 0.01, 1.0])).tolist()
    [0, 26, 255]
    """
    return np.round(255 * np.sqrt(probabilities)).astype(np.uint8)


def decode(coded: Tensor) -> Tensor:
    """The inverse of `encode`, on tensors of bytes."""
    return (coded.float() / 255).square()
