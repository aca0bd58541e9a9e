"""The material of own_sounds.py: clips of meanings that no vocabulary had, and five-minute recordings that hold them.

A table (own_sounds.tsv) says which raw labels of clips labelled `other` mean one sound, which AudioSet classes mean it too, and
which scenes may hold it although nobody labelled it there. Clips of the train split are learned from; recordings are composed of
the val split, and where that has fewer than six sources, of some of the train split that are kept back. A recording holds half of
the labels. What is composed or decoded is kept in a folder and made once.
"""

import csv
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from audiolog_cli.mixing.cache import FULL_SCALE, as_int16, open_cache
from audiolog_cli.mixing.clips import Clip, read_clips
from audiolog_cli.mixing.composing import Plan, compose, ignored
from audiolog_cli.mixing.windows import Span, make_bank
from audiolog_cli.sound.audio import whole

PLAN = Plan(seconds=300.0, n_scenes=(4, 4), events_per_minute=(6.5, 6.5))
N_RECORDINGS = 24
TESTED_SOURCES = 6  # of a label, if enough are left to learn from
SEED = 11
Sources = dict[str, list[Clip]]  # source_id -> its clips


@dataclass(frozen=True, slots=True)
class Sounds:
    """The labels of a table, and the clips of each."""

    classes: dict[str, tuple[str, ...]]  # label -> AudioSet classes of that meaning
    scenes: dict[str, tuple[str, ...]]  # scene -> labels that it may hold unlabelled
    train: dict[str, Sources]
    test: dict[str, Sources]
    around: tuple[Clip, ...]  # scenes and known events of the val split
    key: str  # of the recordings composed of them


@dataclass(frozen=True, slots=True)
class Recording:
    """One composed recording."""

    samples: np.ndarray  # int16, memory-mapped
    events: tuple[Span, ...]
    ignored: tuple[Span, ...]  # what its scenes may hold unlabelled

    def wave(self) -> np.ndarray:
        return self.samples.astype(np.float32) / np.float32(FULL_SCALE)


def read_sounds(data: Path, table: Path, n_learned: int = 12) -> Sounds:
    """The labels of a table and their clips, divided, `n_learned` sources or more to learn from; the same on every machine."""
    with table.open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    clips = [clip for folder in sorted(data.glob("*/clips.tsv")) for clip in read_clips(folder.parent)]
    own: dict[str, Sources] = {}
    for clip in clips:
        fits = (row["label"] for row in rows if re.search(row["raw_label"], clip.raw_label, re.IGNORECASE))
        if clip.kind == "event" and clip.label == "other" and (label := next(fits, None)):
            own.setdefault(label, {}).setdefault(clip.source_id, []).append(replace(clip, label=label))
    train, test = divided(own, n_learned)
    listed = {row["label"]: row["scenes"].split() for row in rows}
    return Sounds(
        {row["label"]: tuple(name for name in row["audioset"].split("; ") if name) for row in rows},
        {
            scene: tuple(label for label in listed if scene in listed[label])
            for scene in {s for each in listed.values() for s in each}
        },
        train,
        test,
        tuple(clip for clip in clips if clip.split == "val" and clip.kind != "background" and clip.label != "other"),
        hashlib.sha256(table.read_bytes() + repr((PLAN, N_RECORDINGS, SEED, n_learned)).encode()).hexdigest()[:12],
    )


def divided(own: dict[str, Sources], n_learned: int) -> tuple[dict[str, Sources], dict[str, Sources]]:
    """Sources to learn from and to test on."""
    rng = np.random.default_rng(5)
    train: dict[str, Sources] = {}
    test: dict[str, Sources] = {}
    for label, sources in sorted(own.items()):
        held = [name for name, clips in sources.items() if clips[0].split == "val"]
        free = [str(name) for name in rng.permutation([name for name in sources if name not in held])]
        n_more = max(0, min(TESTED_SOURCES - len(held), len(free) - n_learned))
        test[label] = {name: sources[name] for name in (*held, *free[:n_more])}
        train[label] = {name: sources[name] for name in free[n_more:]}
    return train, test


def recordings(sounds: Sounds, folder: Path) -> list[Recording]:
    """The test recordings, composed once and kept in a folder."""
    kept = folder / f"recordings-{sounds.key}"
    if not (kept / "spans.json").is_file():
        kept.mkdir(parents=True, exist_ok=True)
        spans = list(_composed(sounds, folder, kept))
        (kept / "spans.json").write_text(json.dumps(spans), encoding="utf-8")
    entries = json.loads((kept / "spans.json").read_text(encoding="utf-8"))
    return [
        Recording(np.load(kept / f"{index:02}.npy", mmap_mode="r"), *(tuple(Span(*span) for span in each) for each in entry))
        for index, entry in enumerate(entries)
    ]


def _composed(sounds: Sounds, folder: Path, kept: Path) -> Iterator[tuple[tuple[Span, ...], tuple[Span, ...]]]:
    """Compose the recordings, half of whose events are own sounds; yields what each holds."""
    tested = [clip for sources in sounds.test.values() for clips in sources.values() for clip in clips]
    clips = [*tested, *sounds.around]
    bank = make_bank(clips, open_cache(folder / "clips", [clip.path for clip in clips], whole))
    rng = np.random.default_rng(SEED)
    for index in range(N_RECORDINGS):
        chosen = {str(label) for label in rng.permutation(sorted(sounds.test))[: len(sounds.test) // 2]}
        events = {label: sources for label, sources in bank.events.items() if label in chosen or label not in sounds.test}
        chances = np.array([1 / len(chosen) if label in chosen else 1 / (len(events) - len(chosen)) for label in events])
        soundscape = compose(replace(bank, events=events, weights=tuple(chances / 2)), PLAN, SEED, index)
        np.save(kept / f"{index:02}.npy", as_int16(soundscape.wave))
        yield soundscape.events, ignored(soundscape, sounds.scenes)
