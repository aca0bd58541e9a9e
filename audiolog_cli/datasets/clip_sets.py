"""Clips of one sound each (ESC-50, UrbanSound8K), and a folder of one's own with two lists -> a `Dataset`.

In: the published archives as unpacked, or a folder of audio with `events.tsv` (filename onset offset event_label) and, if scenes are
known, `scenes.tsv` (filename scene_label, or filename onset offset scene_label). Nothing is mixed or resampled here.
"""

from collections.abc import Mapping
from pathlib import Path

from audiolog_cli.datasets.dataset import (
    Dataset,
    Event,
    Findings,
    Fold,
    Recording,
    audio_files,
    check_folds,
    read_lines,
    read_rows,
)
from audiolog_cli.weights.labels import LabelList

WHOLE = float("inf")


def read_esc50(root: Path) -> Dataset:
    """ESC-50: `meta/esc50.csv` and `audio/FOLD-SOURCE-TAKE-TARGET.wav`; 50 events, 5 folds."""
    findings = Findings()
    rows = []
    for place, (name, fold, target, label) in read_rows(
        root / "meta" / "esc50.csv", ("filename", "fold", "target", "category"), findings, ","
    ):
        parts = Path(name).stem.split("-")
        if (parts[0], parts[-1]) != (fold, target):
            findings.problems.append(f"{place}: {name} is not of fold {fold} and target {target}, by its name")
        rows.append((place, f"audio/{name}", fold, label))
    return _clips("ESC-50", root, rows, findings)


def read_urbansound8k(root: Path) -> Dataset:
    """UrbanSound8K: `metadata/UrbanSound8K.csv` and `audio/foldN/SOURCE-CLASS-OCCURRENCE-SLICE.wav`; 10 events, 10 folds."""
    findings = Findings()
    rows = []
    for place, (name, source, fold, target, label) in read_rows(
        root / "metadata" / "UrbanSound8K.csv", ("slice_file_name", "fsID", "fold", "classID", "class"), findings, ","
    ):
        if name.split("-")[:2] != [source, target]:
            findings.problems.append(f"{place}: {name} is not of source {source} and class {target}, by its name")
        rows.append((place, f"audio/fold{fold}/{name}", fold, label))
    return _clips("UrbanSound8K", root, rows, findings)


def _clips(name: str, root: Path, rows: list[tuple[str, str, str, str]], findings: Findings) -> Dataset:
    """Recordings with one event from start to end; fold k tests on k and trains on the others."""
    recordings: dict[str, Recording] = {}
    fold_of: dict[str, str] = {}
    for place, clip, fold, label in rows:
        if clip in recordings:
            findings.problems.append(f"{place}: {clip} stands in the table twice")
            continue
        duration = findings.duration(root / clip, place)
        recordings[clip] = Recording(clip, root / clip, duration, (), (Event(0.0, duration or 0.0, label),))
        fold_of[clip] = fold
    _report_surplus(root / "audio", root, recordings, findings)
    folds = _leave_one_out(fold_of)
    labels = LabelList((), tuple(sorted({label for _, _, _, label in rows})))
    return Dataset(name, labels, recordings, folds, tuple(findings.problems), source_of=source_of)


def source_of(name: str) -> str:
    """The recording on Freesound from which a clip was cut, with its class or fold, as both sets write it in the name.

    >>> source_of("audio/fold1/135776-2-0-49.wav")
    '135776-2'
    """
    return "-".join(Path(name).stem.split("-")[:2])


def _report_surplus(folder: Path, root: Path, recordings: Mapping[str, Recording], findings: Findings) -> None:
    for path in audio_files(folder):
        if path.relative_to(root).as_posix() not in recordings:
            findings.problems.append(f"{path}: surplus, no table names it")


def _leave_one_out(fold_of: Mapping[str, str]) -> tuple[Fold, ...]:
    names = sorted(set(fold_of.values()), key=lambda name: (len(name), name))
    return tuple(
        Fold(
            name,
            {
                "train": tuple(clip for clip, fold in fold_of.items() if fold != name),
                "test": tuple(clip for clip, fold in fold_of.items() if fold == name),
            },
        )
        for name in names
    )


def read_folder(root: Path, labels: LabelList | None = None, folds: Path | None = None) -> Dataset:
    """A folder of audio with `events.tsv` and `scenes.tsv`; a recording without a line in `events.tsv` is a negative.

    labels: what may stand in the lists; by default whatever does. folds: a TSV filename, fold (where each recording is tested).
    Where there is a `scenes.tsv`, every recording needs a scene.
    """
    findings = Findings()
    events = _spans(root / "events.tsv", "event_label", labels.events if labels else None, findings)
    scenes_table = root / "scenes.tsv"
    scenes = _spans(scenes_table, "scene_label", labels.scenes if labels else None, findings) if scenes_table.exists() else {}
    names = {path.relative_to(root).as_posix(): None for path in audio_files(root)} | dict.fromkeys([*scenes, *events])
    recordings = {name: _recording(root, name, scenes.get(name, []), events.get(name, []), findings) for name in names}
    if scenes_table.exists():
        findings.problems += [f"{root / name}: surplus, no scene in {scenes_table}" for name in names if name not in scenes]
    known = labels or LabelList(_labels(scenes), _labels(events))
    division = (
        _leave_one_out({name: fold for _, (name, fold) in read_rows(folds, ("filename", "fold"), findings)}) if folds else ()
    )
    check_folds(division, recordings, findings)
    return Dataset(root.name, known, recordings, division, tuple(findings.problems))


Spans = dict[str, list[tuple[str, Event]]]  # file -> events with their places


def _spans(table: Path, column: str, allowed: tuple[str, ...] | None, findings: Findings) -> Spans:
    timed = ("filename", "onset", "offset", column)
    header = next(iter(read_lines(table, Findings())), "")  # what is wrong with the file, read_rows reports
    whole_file = column == "scene_label" and "onset" not in header.split("\t")
    spans: Spans = {}
    for place, values in read_rows(table, ("filename", column) if whole_file else timed, findings):
        name, label = values[0], values[-1]
        if whole_file and (allowed is None or label in allowed):
            spans.setdefault(name, []).append((place, Event(0.0, WHOLE, label)))
        elif whole_file:
            findings.problems.append(f"{place}: unknown label {label!r}")
        else:
            event = findings.event(place, (values[1], values[2], label), allowed or (label,))
            if event is not None:
                spans.setdefault(name, []).append((place, event))
    return spans


def _recording(
    root: Path, name: str, scenes: list[tuple[str, Event]], events: list[tuple[str, Event]], findings: Findings
) -> Recording:
    placed = [*scenes, *events]
    duration = findings.duration(root / name, placed[0][0] if placed else str(root))
    for place, event in placed:
        if event.offset != WHOLE:
            findings.within(event, duration, place)
    return Recording(name, root / name, duration, tuple(scene for _, scene in scenes), tuple(event for _, event in events))


def _labels(spans: Spans) -> tuple[str, ...]:
    return tuple(sorted({event.label for placed in spans.values() for _, event in placed}))
