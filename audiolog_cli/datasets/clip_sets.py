"""Clips of one sound each (ESC-50, UrbanSound8K), or your own folder with two lists -> a `Dataset`.

In: the unpacked published archives, or a folder of audio with `events.tsv` (filename onset offset event_label) and, if scenes are
known, `scenes.tsv` (filename scene_label, or filename onset offset scene_label); in place of `events.tsv`, or beside it, files of
annotation editors (Audacity, Raven, Praat, ELAN). Nothing is mixed or resampled here.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePath

from audiolog_cli.datasets.dataset import (
    WHOLE,
    Dataset,
    Event,
    Findings,
    Fold,
    LabelledRecording,
    audio_files,
    read_lines,
    read_rows,
)
from audiolog_cli.editors import files_below
from audiolog_cli.errors import RecordError
from audiolog_cli.reading import is_annotation, read_records
from audiolog_cli.records import Cell, composed
from audiolog_cli.weights.labels import LabelList

PARTS = (("train", False), ("test", True))  # of a fold: whether it holds the clips that are tested


def read_esc50(root: Path) -> Dataset:
    """ESC-50: `meta/esc50.csv` and `audio/FOLD-SOURCE-TAKE-TARGET.wav`; 50 events, 5 folds."""
    findings, clips = Findings(), []
    columns = ("filename", "fold", "target", "category")
    for place, (name, fold, target, label) in read_rows(root / "meta" / "esc50.csv", columns, findings, ","):
        parts = Path(name).stem.split("-")
        if (parts[0], parts[-1]) != (fold, target):
            findings.problems.append(f"{place}: {name} is not of fold {fold} and target {target}, by its name")
        clips.append((place, f"audio/{name}", fold, label))
    return _clips("ESC-50", root, clips, findings)


def read_urbansound8k(root: Path) -> Dataset:
    """UrbanSound8K: `metadata/UrbanSound8K.csv` and `audio/foldN/SOURCE-CLASS-OCCURRENCE-SLICE.wav`; 10 events, 10 folds."""
    findings, clips = Findings(), []
    columns = ("slice_file_name", "fsID", "fold", "classID", "class")
    for place, (name, source, fold, target, label) in read_rows(root / "metadata" / "UrbanSound8K.csv", columns, findings, ","):
        if name.split("-")[:2] != [source, target]:
            findings.problems.append(f"{place}: {name} is not of source {source} and class {target}, by its name")
        clips.append((place, f"audio/fold{fold}/{name}", fold, label))
    return _clips("UrbanSound8K", root, clips, findings)


def _clips(name: str, root: Path, clips: list[tuple[str, str, str, str]], findings: Findings) -> Dataset:
    """Recordings with one event from start to end; fold k tests on k and trains on the others."""
    recordings: dict[str, LabelledRecording] = {}
    fold_of: dict[str, str] = {}
    for place, clip, fold, label in clips:
        if clip in recordings:
            findings.problems.append(f"{place}: {clip} is in the table twice")
            continue
        duration = findings.duration(root / clip, place)
        recordings[clip] = LabelledRecording(clip, root / clip, duration, (), (Event(0.0, duration or 0.0, label),))
        fold_of[clip] = fold
    for path in audio_files(root / "audio"):
        if path.relative_to(root).as_posix() not in recordings:
            findings.problems.append(f"{path}: surplus, no table names it")
    labels = LabelList((), tuple(sorted({label for _, _, _, label in clips})))
    return findings.dataset(name, labels, recordings, _leave_one_out(fold_of), source_of)


def source_of(name: str) -> str:
    """The Freesound recording from which a clip was cut, with its class or fold, as both sets encode it in the name.

    >>> source_of("audio/fold1/135776-2-0-49.wav")
    '135776-2'
    """
    return "-".join(Path(name).stem.split("-")[:2])


def _leave_one_out(fold_of: Mapping[str, str]) -> tuple[Fold, ...]:
    names = sorted(set(fold_of.values()), key=lambda name: (len(name), name))
    return tuple(
        Fold(name, {part: tuple(clip for clip, fold in fold_of.items() if (fold == name) == is_test) for part, is_test in PARTS})
        for name in names
    )


def read_folder(root: Path, labels: LabelList | None = None, folds: Path | None = None) -> Dataset:
    """A folder of audio with `events.tsv` and `scenes.tsv`; a recording without events is a negative.

    Names are compared in Unicode NFC. labels: the labels that the lists may use; by default any. folds: a TSV filename, fold
    (where each recording is tested). If there is a `scenes.tsv`, every recording needs a scene.
    """
    findings = Findings()
    sounds = [path.relative_to(root).as_posix() for path in audio_files(root)]
    events: Spans = {}
    if (root / "events.tsv").exists() or not annotation_files(root):
        events = _spans(root / "events.tsv", "event_label", labels.events if labels else None, findings)
    for name, placed in _of_editors(root, sounds, labels.events if labels else None, findings):
        events.setdefault(name, []).append(placed)
    scenes_table = root / "scenes.tsv"
    scenes = _spans(scenes_table, "scene_label", labels.scenes if labels else None, findings) if scenes_table.exists() else {}
    actual = {composed(name): name for name in sounds}
    events, scenes = _under(actual, events), _under(actual, scenes)
    names = dict.fromkeys([*sounds, *scenes, *events])
    recordings = {name: _recording(root, name, scenes.get(name, []), events.get(name, []), findings) for name in names}
    if scenes_table.exists():
        findings.problems += [f"{root / name}: surplus, no scene in {scenes_table}" for name in names if name not in scenes]
    known = labels or LabelList(_labels(scenes), _labels(events))
    division = _leave_one_out(_folds(folds, actual, names, findings)) if folds else ()
    return findings.dataset(root.name, known, recordings, division)


Spans = dict[str, list[tuple[str, Event]]]  # file -> events with their places


def _under(actual: Mapping[str, str], spans: Spans) -> Spans:
    """The same spans by the names that the file system has, which the lists may spell in several ways."""
    found: Spans = {}
    for name, placed in spans.items():
        found.setdefault(actual.get(composed(name), name), []).extend(placed)
    return found


def _folds(path: Path, actual: Mapping[str, str], names: Iterable[str], findings: Findings) -> dict[str, str]:
    """The fold in which each recording is tested; a recording in two folds, or in none, is a problem."""
    fold_of: dict[str, str] = {}
    for place, (listed, fold) in read_rows(path, ("filename", "fold"), findings):
        name = actual.get(composed(listed), listed)
        if fold_of.setdefault(name, fold) != fold:
            findings.problems.append(f"{place}: {listed} is in fold {fold_of[name]} already")
    findings.problems += [f"{path}: no fold for {name}" for name in names if name not in fold_of]
    return fold_of


def _spans(table: Path, column: str, allowed: tuple[str, ...] | None, findings: Findings) -> Spans:
    timed = ("filename", "onset", "offset", column)
    header = next(iter(read_lines(table, Findings())), "")  # problems of the file are reported by read_rows
    whole_file = column == "scene_label" and "onset" not in header.split("\t")
    spans: Spans = {}
    for place, values in read_rows(table, ("filename", column) if whole_file else timed, findings):
        name, label = values[0], values[-1]
        if whole_file and (allowed is None or label in allowed):
            spans.setdefault(name, []).append((place, Event(0.0, WHOLE, label)))
        elif whole_file:
            findings.problems.append(f"{place}: unknown label {label!r}")
        elif not any(values[1:]):  # DESED's way to list a recording without events
            spans.setdefault(name, [])
        else:
            event = findings.event(place, (values[1], values[2], label), allowed or (label,))
            if event is not None:
                spans.setdefault(name, []).append((place, event))
    return spans


def _of_editors(
    root: Path, sounds: Sequence[str], allowed: tuple[str, ...] | None, findings: Findings
) -> Iterator[tuple[str, tuple[str, Event]]]:
    """The events of label tracks and selection tables below a folder: by recording, the place and event of each."""
    for path in annotation_files(root):
        try:
            cells = [cell for cell in read_records(read_lines(path, findings), str(path)) if isinstance(cell, Cell)]
        except RecordError as error:
            findings.problems.append(str(error))
            continue
        for cell in (cell for cell in cells if cell.kind == "event"):
            name = _sound_of(cell.filename, path.relative_to(root).parent, sounds)
            if name is None:
                findings.problems.append(f"{path}: no recording {cell.filename} in {root}")
                break
            event = findings.event(str(path), (str(cell.onset), str(cell.offset), cell.label), allowed or (cell.label,))
            if event is not None:
                yield name, (str(path), event)


def annotation_files(root: Path) -> list[Path]:
    """The files of annotation editors below a folder, sorted."""
    found = []
    for path in files_below(root):
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            found += [path] if is_annotation(file.readline()) else []
    return found


def _sound_of(filename: str, folder: Path, sounds: Sequence[str]) -> str | None:
    """The recording that an editor's file refers to, perhaps by only part of its name; one beside the file comes first."""
    wanted = PurePath(composed(filename))
    named = [name for name in sounds if wanted.name in (PurePath(composed(name)).name, PurePath(composed(name)).stem)]
    return next((name for name in named if PurePath(name).parent == folder), named[0] if len(named) == 1 else None)


def _recording(
    root: Path, name: str, scenes: list[tuple[str, Event]], events: list[tuple[str, Event]], findings: Findings
) -> LabelledRecording:
    placed = [*scenes, *events]
    duration = findings.duration(root / name, placed[0][0] if placed else str(root))
    for place, event in placed:
        if event.offset != WHOLE:
            findings.within(event, duration, place)
    return LabelledRecording(
        name, root / name, duration, tuple(scene for _, scene in scenes), tuple(event for _, event in events)
    )


def _labels(spans: Spans) -> tuple[str, ...]:
    return tuple(sorted({event.label for placed in spans.values() for _, event in placed}))
