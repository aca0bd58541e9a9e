"""The user's material: a folder of sounds in; its labels, their clips and the marked recordings out. Nothing is decoded here.

    my_sounds/kettle/*.wav            clips of a sound; the part that sounds is found by its level
    my_sounds/scene:kitchen/*.flac    recordings of a place
    my_sounds/background/*.flac       recordings in which none of the sounds is heard
    my_sounds/day.flac + day.txt      a recording and a list of what is heard in it, by the same name: Audacity,
                                      Raven, Praat, ELAN or TSV

A list beside a clip in a label's folder works as well. What a list does not mark holds none of the labels, unless the list came
from `--suggest` (a label in it ends with a question mark or begins with "not "): then only what is marked counts.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from glob import escape
from pathlib import Path

from audiolog_cli.editors import SUFFIXES
from audiolog_cli.errors import InputError, UsageError
from audiolog_cli.evaluation.references import read_annotations
from audiolog_cli.records import check_text, composed
from audiolog_cli.wording import counted

BACKGROUND = "background"  # name of the folder without any of the sounds
SCENE = "scene:"
NOT, UNSURE = "not ", "?"
LIST_SUFFIXES = (*SUFFIXES, ".tsv", ".csv", ".jsonl")
FEWEST = 3  # clips of a label; with fewer, none can be held out for testing


@dataclass(frozen=True, slots=True)
class Mark:
    """A stretch of a recording and what a person noted about it."""

    onset: float  # seconds
    offset: float
    label: str
    is_heard: bool  # False: the label is not heard there


@dataclass(frozen=True, slots=True)
class SoundFile:
    """One file of the folder."""

    path: Path
    label: str  # of its folder, in Unicode NFC; "" in the folder itself
    marks: tuple[Mark, ...] | None  # None: no list, the file is a clip of its label
    is_partial: bool = False  # what is not marked is unknown


@dataclass(frozen=True, slots=True)
class Material:
    """Everything in a folder."""

    events: tuple[str, ...]  # labels to learn, in alphabetical order
    scenes: tuple[str, ...]  # the same for places, without "scene:"
    recordings: tuple[SoundFile, ...]
    empty: tuple[Path, ...] = ()  # folders without a sound file, such as links to folders, which are not followed

    def clips(self, label: str) -> list[SoundFile]:
        """The clips of a label, or of `scene:` and a scene."""
        return [one for one in self.recordings if one.label == label and one.marks is None]


def read_material(folder: Path, is_audio: Callable[[str], bool]) -> Material:
    """The folder's material; UsageError or InputError, with a way out, if nothing can be learned from it.

    `is_audio` recognises a sound file by its name.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder; expected one with a folder of clips for each label")
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith(".")]
    recordings = [_recording(path, folder, is_audio) for path in files if is_audio(path.name)]
    for one in recordings:
        if not one.label and one.marks is None:
            raise InputError(
                f"{one.path}: in no label's folder and without a list {one.path.stem}.txt beside it; move it, or mark it"
            )
    labels = sorted({label for one in recordings for label in _labels_of(one)})
    if not labels:
        raise InputError(f"{folder}: no sound to learn; expected folders named after labels, with clips in them")
    for label in labels:
        _check_label(label, folder)
    material = Material(
        tuple(label for label in labels if not label.startswith(SCENE)),
        tuple(label.removeprefix(SCENE) for label in labels if label.startswith(SCENE)),
        tuple(recordings),
        tuple(
            path
            for path in sorted(folder.glob("[!.]*"))
            if path.is_dir() and not any(path in one.path.parents for one in recordings)
        ),
    )
    _check_counts(material, folder)
    return material


def _recording(path: Path, folder: Path, is_audio: Callable[[str], bool]) -> SoundFile:
    parts = path.relative_to(folder).parts
    label = composed(parts[0]) if len(parts) > 1 else ""
    found = [one for one in _lists_of(path) if not is_audio(one.name)]
    if not found:
        return SoundFile(path, label, None)
    if len(found) > 1:
        raise InputError(f"{path}: two lists, {found[0].name} and {found[1].name}; keep one of them")
    marks = tuple(_marks(found[0], path))
    is_partial = any(mark is None for mark in marks) or any(mark is not None and not mark.is_heard for mark in marks)
    return SoundFile(path, label, tuple(mark for mark in marks if mark is not None), is_partial)


def _lists_of(path: Path) -> list[Path]:
    """The lists beside a recording, with its stem or named the way Raven does (rec.Table.1.selections.txt)."""
    beside = (one for one in path.parent.glob(f"{escape(path.stem)}.*") if one.suffix.lower() in LIST_SUFFIXES)
    return sorted(one for one in beside if one.stem == path.stem or one.name.endswith("selections.txt"))


def _marks(path: Path, recording: Path) -> Iterable[Mark | None]:
    """The stretches of a list that belong to the recording, if it names several; None for one that is still a question."""
    annotations = read_annotations([str(path)])
    names = list(annotations.event_labels)
    tracks = annotations.events
    if len(tracks) > 1:
        tracks = {name: track for name, track in tracks.items() if Path(name).stem == recording.stem}
        if not tracks:
            raise InputError(f"{path}: names other recordings, none is {recording.name}; expected the list of that one")
    for track in tracks.values():
        for onset, offset, index in zip(track.onset, track.offset, track.label, strict=True):
            label = names[index].strip()
            if label.endswith(UNSURE):
                yield None
            else:
                yield Mark(onset, offset, label.removeprefix(NOT).strip(), not label.startswith(NOT))


def _labels_of(recording: SoundFile) -> set[str]:
    """What a recording teaches."""
    if recording.marks is None:
        return {recording.label} - {BACKGROUND}
    return {mark.label for mark in recording.marks if mark.is_heard}


def _check_label(label: str, folder: Path) -> None:
    name = label.removeprefix(SCENE)
    check_text(label, "label")
    if not name.strip() or ";" in label or label.startswith(NOT) or label.endswith(UNSURE) or not label.isprintable():
        raise UsageError(
            f"{folder}: {label!r} cannot be a label: expected some text without ;, not beginning with 'not ', not ending with '?'"
        )


def _check_counts(material: Material, folder: Path) -> None:
    counts: Counter[str] = Counter()
    for one in material.recordings:
        counts.update([one.label] if one.marks is None else [mark.label for mark in one.marks if mark.is_heard])
    for label in (*material.events, *(SCENE + scene for scene in material.scenes)):
        if counts[label] < FEWEST:
            place = folder / label if (folder / label).is_dir() else f"{folder}: {label}, marked in a list"
            few = f"{counted(counts[label], 'clip')}, expected {FEWEST} or more (20 are good)"
            raise InputError(f"{place}: {few}: some are held back to test on; record more")
