"""The material of an evaluation: annotations and score files in, the intervals and scores of one recording at a time out.

Recordings are matched by file name without folder and extension, as sed_scores_eval does (`tag` writes the path it was given, a
reference list often only the name), in Unicode NFC. Where that would confuse two recordings of one source, full names are
compared.

Every recording in the reference or in the durations is scored; if the estimate lacks it, all its events are deletions. A
recording or label that only the estimate has is an error unless it is allowed; it is then left out.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path, PurePath

import numpy as np

from audiolog_cli.errors import InputError
from audiolog_cli.evaluation.references import WHOLE_FILE, Annotations, LabelledSpans
from audiolog_cli.evaluation.tables import FrameScores, read_frame_scores
from audiolog_cli.metrics.activity import Decode, Floats, Intervals, merge_touching
from audiolog_cli.metrics.scene_based import NONE, Stretch
from audiolog_cli.records import composed
from audiolog_cli.wording import some


@dataclass(frozen=True, slots=True)
class Options:
    """How to score."""

    segment: float = 1.0  # seconds
    decode: Decode = "any"  # how estimates become active segments: metrics/activity.py
    threshold: float = 0.5  # of scores: active is strictly above
    thresholds: Mapping[str, float] = field(default_factory=dict)  # the same, per label
    labels: tuple[str, ...] = ()  # the event labels to score; empty: those of the reference
    scene_unit: str = "auto"  # file, second; auto: file where both sides give one scene per file
    allow_unknown_labels: bool = False
    allow_unknown_files: bool = False


@dataclass(frozen=True, slots=True)
class Material:
    """Everything that is compared, under common names."""

    options: Options
    labels: tuple[str, ...]  # of events, the columns of all arrays
    scenes: tuple[str, ...]  # of scenes; empty when one side has none
    scene_unit: str  # "file" or "second"
    files: tuple[str, ...]  # common names of the recordings that are scored
    reference: "Side"
    estimate: "Side | None"
    score_paths: dict[str, Path]  # by common name
    durations: dict[str, float]  # by common name; empty if not given
    folds: dict[str, str]  # by common name; empty if not given
    ignored_files: list[str]  # that only the estimate has
    ignored_in_reference: dict[str, int]  # label -> events, outside --labels
    ignored_in_estimate: dict[str, int]

    def scores(self, name: str) -> FrameScores | None:
        """The frame scores of a recording with their columns in the order of `labels`; None if there are none."""
        path = self.score_paths.get(name)
        if path is None:
            return None
        frames = read_frame_scores(path)
        missing = [label for label in self.labels if label not in frames.labels]
        if missing:
            raise InputError(f"{path}: no column for the label {missing[0]!r}; name the labels to score with --labels")
        columns = [frames.labels.index(label) for label in self.labels]
        return FrameScores(list(self.labels), frames.edges, frames.scores[:, columns])

    @property
    def unmeasured(self) -> list[str]:
        """Recordings of unknown length whose scene the reference gives for the whole file: by seconds it may not count."""
        if self.scene_unit != "second" or self.estimate is None or self.durations:
            return []
        return [
            name
            for name in self.files
            if any(offset == WHOLE_FILE for _, offset, _ in self.reference.scenes(name)) and not self.estimate.scenes(name)
        ]

    @property
    def thresholds(self) -> Floats:
        """(n_labels,) the score above which each label is active."""
        return np.array([self.options.thresholds.get(label, self.options.threshold) for label in self.labels])


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two things that are compared: annotations, by common name, with labels as column indices."""

    annotations: Annotations
    names: dict[str, str]  # common name -> file name as written
    columns: np.ndarray[tuple[int], np.dtype[np.int64]]  # vocabulary index -> column, -1 for a label that is not scored

    def events(self, name: str) -> Intervals:
        """The events of a recording in the order they were written; those cut into cells are joined."""
        track = self.annotations.events.get(self.names.get(name, ""), LabelledSpans())
        label = self.columns[np.array(track.label, dtype=np.int64)]
        intervals = Intervals(np.array(track.onset), np.array(track.offset), label).where(label >= 0)
        return merge_touching(intervals) if track.in_cells else intervals

    def scenes(self, name: str) -> list[Stretch]:
        """The scenes of a recording in order of time; one without a name is `NONE`. InputError where two overlap."""
        track = self.annotations.scenes.get(self.names.get(name, ""))
        if track is None:
            return []
        labels = list(self.annotations.scene_labels)
        scenes = sorted(
            (onset, offset, labels[label] or NONE)
            for onset, offset, label in zip(track.onset, track.offset, track.label, strict=True)
        )
        for (_, end, before), (onset, _, scene) in pairwise(scenes):
            if onset < end - 1e-6:  # otherwise its seconds would count twice
                raise InputError(f"{name}: two scenes at {onset:.3f} s, {before} and {scene}; a moment has one scene")
        return scenes

    def last_scene_end(self, name: str) -> float:
        """Where the scenes of a recording end, in seconds; 0 if none has times."""
        return max((offset for _, offset, _ in self.scenes(name) if offset != WHOLE_FILE), default=0.0)


def prepare(
    reference: Annotations,
    estimate: Annotations | None,
    score_paths: dict[str, Path],
    durations: dict[str, float],
    folds: dict[str, str],
    options: Options,
) -> Material:
    """Match the names and labels of both sides; InputError for what cannot be matched."""
    common = _naming([reference.events, estimate.events if estimate else (), durations])
    reference_names = {common(name): name for name in reference.events}
    estimate_names = {common(name): name for name in estimate.events} if estimate else {}
    durations = {common(name): seconds for name, seconds in durations.items()}
    files = tuple(sorted(reference_names.keys() | durations.keys()))
    if not files:
        raise InputError("the reference names no recording; --durations lists recordings without events")
    unknown_files = sorted((estimate_names.keys() | score_paths.keys()) - set(files))
    if unknown_files and not options.allow_unknown_files:
        raise InputError(
            f"{some(unknown_files, 1)}: estimated, but not in the reference (which names {files[0]}, ...); "
            "list it in --durations if nothing happens in it, or leave it out with --allow-unknown-files"
        )
    folds = {common(name): fold for name, fold in folds.items()}
    _require_all(files, durations, "--durations")
    _require_all(files, folds, "--folds")

    labels = options.labels or tuple(sorted(reference.event_labels))
    outside = [_counts_outside(side, labels) if side else {} for side in (reference, estimate)]
    _refuse_unknown_labels(outside[1], reference, labels, options)
    reference_side = Side(reference, reference_names, _columns(reference, labels))
    estimate_side = Side(estimate, estimate_names, _columns(estimate, labels)) if estimate else None
    scenes, unit = _scene_rules(reference, estimate, options)
    sides = reference_side, estimate_side
    return Material(options, labels, scenes, unit, files, *sides, score_paths, durations, folds, unknown_files, *outside)


def _stem(filename: str) -> str:
    """The last part of a name without its audio suffix: annotation files write `site.2024` for `site.2024.wav`.

    >>> _stem("day/site.2024.wav"), _stem("site.2024"), _stem("a.mp3"), _stem("a")
    ('site.2024', 'site.2024', 'a', 'a')
    """
    return composed(re.sub(r"(?<=.)\.[0-9]*[A-Za-z][A-Za-z0-9]*$", "", PurePath(filename).name))


def _naming(sources: Iterable[Iterable[str]]) -> Callable[[str], str]:
    """The function that gives a recording its common name."""
    for source in sources:
        stems = Counter(_stem(name) for name in source)
        if any(n > 1 for n in stems.values()):
            return composed
    return _stem


def _require_all(files: tuple[str, ...], listed: Mapping[str, object], option: str) -> None:
    missing = [name for name in files if name not in listed] if listed else []
    if missing:
        raise InputError(f"{missing[0]}: in the reference, but {option} does not list it ({len(missing)} missing)")


def _counts_outside(annotations: Annotations, labels: tuple[str, ...]) -> dict[str, int]:
    """How many events have each label that is not scored."""
    outside = {index: label for label, index in annotations.event_labels.items() if label not in set(labels)}
    counts: Counter[int] = Counter()
    for track in annotations.events.values():
        counts.update(index for index in track.label if index in outside)
    return {outside[index]: n for index, n in sorted(counts.items())}


def _refuse_unknown_labels(
    estimated: Mapping[str, int], reference: Annotations, labels: tuple[str, ...], options: Options
) -> None:
    """A label that neither --labels nor the reference has is a mistake; one that --labels leaves out is a choice.

    A reference with scenes only says nothing about events.
    """
    if reference.scenes and not labels:
        return
    unknown = [repr(label) for label in estimated if label not in reference.event_labels]
    if unknown and not options.allow_unknown_labels:
        raise InputError(
            f"the label {some(unknown, 1)} is estimated, but not in the reference (which has "
            f"{', '.join(labels[:5]) or 'no events'}, ...); add it with --labels, or leave it out with --allow-unknown-labels"
        )
    missing = [label for label in options.thresholds if label not in labels]
    if missing and not options.allow_unknown_labels:
        raise InputError(f"--thresholds: the label {missing[0]!r} is not scored; --allow-unknown-labels ignores it")


def _columns(annotations: Annotations, labels: tuple[str, ...]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    index = {label: column for column, label in enumerate(labels)}
    return np.array([index.get(label, -1) for label in annotations.event_labels] or [-1], dtype=np.int64)


def _scene_rules(reference: Annotations, estimate: Annotations | None, options: Options) -> tuple[tuple[str, ...], str]:
    """The scenes that occur, and whether they are compared by file or by second."""
    if estimate is None or not reference.scenes or not any(estimate.scene_labels):
        return (), "file"
    scenes = {label or NONE for side in (reference, estimate) for label in side.scene_labels}
    tracks = [track for side in (reference, estimate) for track in side.scenes.values()]
    by_file = all(len(track.offset) == 1 and track.offset[0] == WHOLE_FILE for track in tracks)
    unit = ("file" if by_file else "second") if options.scene_unit == "auto" else options.scene_unit
    return tuple(sorted(scenes - {NONE})), unit
