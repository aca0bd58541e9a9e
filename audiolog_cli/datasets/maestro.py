"""MAESTRO Real (DCASE 2023 task 4B, Zenodo record 7244360) -> a `Dataset` with soft labels.

In: the unpacked archives, `development_audio/SCENE/NAME.wav` and `development_annotation/soft_labels_SCENE/NAME.txt` (no header:
onset, offset, label, soft label, one second a line), and the folder of official folds, `fold{1..5}_{train,val,test}.csv`.
"""

from pathlib import Path

from audiolog_cli.columns import MAESTRO_COLUMNS, read_columns
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
from audiolog_cli.weights.labels import MAESTRO, MAESTRO_SOFT, LabelList

PARTS = ("train", "val", "test")
ROW_SECONDS = 1.0  # the last line of an annotation may reach this far past the end: lines are whole seconds


def read_maestro(root: Path, folds: Path | None = None, labels: LabelList = MAESTRO) -> Dataset:
    """The development set under `root`.

    folds: the folder of CSVs; by default `root/development_folds`. labels: `MAESTRO` (the 11 classes that are scored; lines of
    the other 6 are skipped) or `MAESTRO_SOFT` (all 17). Names are SCENE/NAME, as in the folds.
    """
    findings = Findings()
    annotations = {_name(path): path for path in sorted((root / "development_annotation").glob("soft_labels_*/*.txt"))}
    sounds = {f"{path.parent.name}/{path.stem}": path for path in audio_files(root / "development_audio")}
    if not annotations:
        findings.problems.append(f"{root / 'development_annotation'}: no soft_labels_SCENE/NAME.txt")
    recordings = {name: _recording(root, name, path, labels, findings) for name, path in annotations.items()}
    for name, path in sounds.items():
        if name not in annotations:
            findings.problems.append(f"{path}: surplus, no annotation soft_labels_{name}.txt")
    return findings.dataset("MAESTRO Real", labels, recordings, read_folds(folds or root / "development_folds", findings))


def _name(path: Path) -> str:
    return f"{path.parent.name.removeprefix('soft_labels_')}/{path.stem}"


def _recording(root: Path, name: str, annotation: Path, labels: LabelList, findings: Findings) -> LabelledRecording:
    path = root / "development_audio" / f"{name}.wav"
    scene = name.split("/")[0]
    if scene not in labels.scenes:
        findings.problems.append(f"{annotation}: unknown scene {scene!r}; expected one of {', '.join(labels.scenes)}")
    duration = findings.duration(path, str(annotation))
    events = _events(annotation, duration, labels, findings)
    return LabelledRecording(name, path, duration, (Event(0.0, WHOLE, scene),), events)


def _events(annotation: Path, duration: float | None, labels: LabelList, findings: Findings) -> tuple[Event, ...]:
    events = []
    lines, report = read_lines(annotation, findings), findings.problems.append
    for place, row in read_columns(lines, str(annotation), MAESTRO_COLUMNS, report=report, has_header=False):
        onset, offset, label, target = row.values()
        event = findings.event(place, (onset, offset, label), MAESTRO_SOFT.events, target)
        if event is not None:
            findings.within(event, duration, place, ROW_SECONDS)
            if label in labels.events:
                events.append(event)
    return tuple(events)


def read_folds(folder: Path, findings: Findings) -> tuple[Fold, ...]:
    """The official folds, in order; a problem for every list that is missing or does not begin with `filename`."""
    numbers = sorted({path.name.split("_")[0].removeprefix("fold") for path in folder.glob("fold*_*.csv")})
    if not numbers:
        findings.problems.append(f"{folder}: no fold*_train.csv, fold*_val.csv, fold*_test.csv")

    def members(path: Path) -> tuple[str, ...]:
        return tuple(name for _, (name,) in read_rows(path, ("filename",), findings, delimiter=","))

    return tuple(Fold(number, {part: members(folder / f"fold{number}_{part}.csv") for part in PARTS}) for number in numbers)
