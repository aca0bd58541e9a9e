"""TUT Acoustic Scenes / Sound Events 2016 and 2017 with Imoto's strong labels -> a `Dataset` of 4 scenes and 25 events.

In: the folder of Imoto's lists (`meta_development.txt`, `meta_evaluation.txt`, `meta_fold0{1..4}_{development,evaluation}.txt`;
header path, scene_label, event_start_time, event_end_time, event_label) and the folder below which the published TUT archives are
unpacked, one folder each. Synonyms in the original annotations are merged; overlapping events of one label are joined and empty
events left out, and both are noted. A recording that no list names has no events: it is a negative of its scene. In a fold it is
tested if another recording from the same place is tested there; otherwise it is in train.
"""

from collections.abc import Mapping
from pathlib import Path

from audiolog_cli.datasets.dataset import (
    WHOLE,
    Dataset,
    Event,
    Findings,
    Fold,
    LabelledRecording,
    audio_files,
    merged,
    read_lines,
    read_rows,
)
from audiolog_cli.weights.labels import TUT, TUT_SYNONYMS

COLUMNS = ("path", "scene_label", "event_start_time", "event_end_time", "event_label")
SCENE_FOLDERS = {"street": "city_center", "home": "home", "residential_area": "residential_area"}  # of the sound event sets
Listed = dict[str, tuple[str, list[tuple[str, Event]]]]  # path -> scene, events with their places


def read_tut(lists: Path, root: Path) -> Dataset:
    """All recordings of the lists, negatives included; folds 1 to 4 (train, test) and `official` (development, evaluation)."""
    findings = Findings()
    development = _read_list(lists / "meta_development.txt", findings)
    evaluation = _read_list(lists / "meta_evaluation.txt", findings)
    recordings = {
        name: _recording(root, name, scene, events, findings) for name, (scene, events) in (development | evaluation).items()
    }
    negatives = _negatives(root, recordings, findings)
    recordings |= negatives
    folds = (_official(development, evaluation, negatives), *_folds(lists, negatives, findings))
    return findings.dataset("TUT 2016 and 2017", TUT, recordings, folds, source_of)


def _read_list(path: Path, findings: Findings) -> Listed:
    listed: Listed = {}
    for place, (name, scene, onset, offset, label) in read_rows(path, COLUMNS, findings):
        label = TUT_SYNONYMS.get(label.strip(), label.strip())
        event = findings.event(place, (onset, offset, label), TUT.events)
        first_scene, events = listed.setdefault(name, (scene, []))
        if scene not in TUT.scenes:
            findings.problems.append(f"{place}: unknown scene {scene!r}")
        elif scene != first_scene:
            findings.problems.append(f"{place}: scene {scene}, but {first_scene} in an earlier line of {name}")
        if event is not None:
            events.append((place, event))
    return listed


def _recording(root: Path, name: str, scene: str, placed: list[tuple[str, Event]], findings: Findings) -> LabelledRecording:
    path = root / name
    duration = findings.duration(path, placed[0][0].rsplit(":", 1)[0] if placed else "a list")
    for place, event in placed:
        findings.within(event, duration, place)
        if event.onset == event.offset:
            findings.notes.append(f"{place}: {event.label} of length zero left out")
    events = merged(event for _, event in placed)
    joined = sum(event.offset > event.onset for _, event in placed) - len(events)
    if joined:
        findings.notes.append(f"{name}: {joined} events overlap or touch another of their label and were made one with it")
    return LabelledRecording(name, path, duration, (Event(0.0, WHOLE, scene),), events)


def _negatives(root: Path, listed: Mapping[str, LabelledRecording], findings: Findings) -> dict[str, LabelledRecording]:
    """Audio that no list names, if its scene is one of the four; a problem if its scene is not known."""
    scenes = _published_scenes(root, findings)
    found = {}
    for path in (path for folder in sorted(root.glob("TUT-*")) for path in audio_files(folder)):
        name = path.relative_to(root).as_posix()
        if name in listed:
            continue
        scene = SCENE_FOLDERS.get(path.parent.name) or scenes.get(name)
        if scene is None:
            findings.problems.append(f"{path}: surplus, in no list, and no meta.txt or evaluate.txt says its scene")
        elif scene in TUT.scenes:
            duration = findings.duration(path, str(root))
            found[name] = LabelledRecording(name, path, duration, (Event(0.0, WHOLE, scene),), ())
    return found


def _published_scenes(root: Path, findings: Findings) -> dict[str, str]:
    """Scene by path, from the tables of the acoustic scene sets (no header: path, scene, in 2017 also where it was recorded)."""
    scenes = {}
    tables = [*root.glob("TUT-acoustic-scenes-*/meta.txt"), *root.glob("TUT-acoustic-scenes-*/evaluation_setup/evaluate.txt")]
    for table in sorted(tables):
        archive = table.relative_to(root).parts[0]
        for number, line in enumerate(read_lines(table, findings), 1):
            name, tab, rest = line.partition("\t")
            if tab:
                scenes[f"{archive}/{name}"] = rest.split("\t")[0]
            elif line.strip():
                findings.problems.append(f"{table}:{number}: expected a path, a tab and a scene, got {line!r}")
    return scenes


def _official(development: Listed, evaluation: Listed, negatives: Mapping[str, LabelledRecording]) -> Fold:
    held_out = tuple(name for name in negatives if name.split("/")[0].endswith("-evaluation"))
    return Fold(
        "official",
        {"train": (*development, *(name for name in negatives if name not in held_out)), "test": (*evaluation, *held_out)},
    )


def _folds(lists: Path, negatives: Mapping[str, LabelledRecording], findings: Findings) -> list[Fold]:
    spare = [name for name in negatives if not name.split("/")[0].endswith("-evaluation")]
    folds = []
    for number in range(1, 5):
        train, test = (
            list(dict.fromkeys(name for _, (name,) in read_rows(lists / f"meta_fold0{number}_{part}.txt", ("path",), findings)))
            for part in ("development", "evaluation")
        )
        tested = {source_of(name) for name in test}
        train += [name for name in spare if source_of(name) not in tested]
        test += [name for name in spare if source_of(name) in tested]
        folds.append(Fold(str(number), {"train": tuple(train), "test": tuple(test)}))
    return folds


def source_of(name: str) -> str:
    """The original recording from which a file was cut: archive and name up to the first "_".

    >>> source_of("TUT-acoustic-scenes-2016-development/audio/a099_0_30.wav")
    'TUT-acoustic-scenes-2016-development/a099'
    """
    return f"{name.split('/')[0]}/{Path(name).stem.split('_')[0]}"
