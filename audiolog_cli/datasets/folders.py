"""A folder of labelled recordings -> a `Dataset`, read according to its layout; and the recordings that train, validate and test.

The layout follows from the names in the folder (`LAYOUTS`), never from the audio. Problems are kept in the data set: see
`dataset.py`.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from audiolog_cli.datasets.clip_sets import annotation_files, read_esc50, read_folder, read_urbansound8k
from audiolog_cli.datasets.dataset import Dataset, Fold
from audiolog_cli.datasets.maestro import read_maestro
from audiolog_cli.datasets.tut import read_tut
from audiolog_cli.errors import UsageError
from audiolog_cli.weights.labels import MAESTRO, find_labels

LAYOUTS = {  # a name in the folder -> its layout; the first that is found counts
    "pool.json": "pool",
    "clips.tsv": "clips",
    "development_annotation": "maestro",
    "TUT-*": "tut",
    "meta/esc50.csv": "esc50",
    "metadata/UrbanSound8K.csv": "urbansound8k",
    "events.tsv": "folder",
}
HELD_OUT = 0.15  # share of the training sources used for validation if a fold has no part for it


@dataclass(frozen=True, slots=True)
class Division:
    """Names of the recordings of each part; no source is in two of them."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...] = ()


def layout_of(folder: Path) -> str:
    """One of LAYOUTS; UsageError that lists what was expected."""
    for pattern, layout in LAYOUTS.items():
        if any(folder.glob(pattern)):
            return layout
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder")
    if annotation_files(folder):
        return "folder"
    raise UsageError(
        f"{folder}: neither a pool nor a data set that is known; expected in it one of {', '.join(LAYOUTS)}, or files of "
        "Audacity, Raven, Praat or ELAN"
    )


def read_dataset(folder: Path, lists: Path | None = None, labels: str = "") -> Dataset:
    """The data set in a folder.

    lists: what did not come with the audio: MAESTRO's folder of folds, Imoto's lists, or, for your own folder, a TSV filename,
    fold. labels: the name of a label list (`labels.lists`) or a TSV kind, label; only MAESTRO and your own folders leave a
    choice.
    """
    layout = layout_of(folder)
    if layout == "maestro":
        return read_maestro(folder, lists, find_labels(labels) or MAESTRO)
    if layout == "folder":
        own = folder / "folds.tsv"
        return read_folder(folder, find_labels(labels), lists or (own if own.exists() else None))
    if labels:
        raise UsageError(f"--labels {labels}: the labels of {folder} are fixed by its layout, {layout}")
    if layout == "tut":
        return read_tut(lists or folder, folder)
    if lists is not None:
        raise UsageError(f"--lists {lists}: the layout {layout} has its lists in the folder")
    return read_esc50(folder) if layout == "esc50" else read_urbansound8k(folder)


def divide(dataset: Dataset, fold: str = "") -> Division:
    """Train, validation and test part of a fold (the first unless named).

    If there is no validation part, or there are no folds, `HELD_OUT` of the training sources are held out. UsageError for an
    unknown fold, and for fewer than two sources.
    """
    parts = _fold(dataset, fold).parts if dataset.folds or fold else {"train": tuple(dataset.recordings)}
    train, test = parts["train"], parts.get("test", ())
    if "val" in parts:
        return Division(train, parts["val"], test)
    held = held_out(sorted({dataset.source_of(name) for name in train}), dataset.name)
    kept = tuple(name for name in train if dataset.source_of(name) not in held)
    return Division(kept, tuple(name for name in train if dataset.source_of(name) in held), test)


def _fold(dataset: Dataset, name: str) -> Fold:
    for fold in dataset.folds:
        if name in ("", fold.name):
            return fold
    raise UsageError(f"--fold {name}: {dataset.name} has {', '.join(fold.name for fold in dataset.folds) or 'no folds'}")


def held_out(sources: Sequence[str], name: str) -> set[str]:
    """The sources used for validation: chosen by the SHA-1 of their names, so the choice is the same everywhere and always."""
    if len(sources) < 2:
        raise UsageError(f"{name}: {len(sources)} source to train on; two are needed at least, one of them validates")
    ranked = sorted(sources, key=lambda source: hashlib.sha1(source.encode("utf-8", "surrogateescape")).hexdigest())
    return set(ranked[: max(1, round(HELD_OUT * len(ranked)))])
