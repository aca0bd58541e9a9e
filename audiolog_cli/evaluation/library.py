"""The headline figures again from the field's own libraries, and those that only they compute (PSDS, best event-based F1).

Needs the extra `metrics` (sed_eval, sed_scores_eval). The libraries get the same material as our own code, less what they fail
on: sed_scores_eval requires that events of a label do not touch and are not empty, and that every label occurs.
"""

import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from audiolog_cli.errors import AudiologError, UsageError
from audiolog_cli.evaluation.figures import Figures, estimated_events, estimated_segments, scored_seconds
from audiolog_cli.evaluation.material import Material
from audiolog_cli.evaluation.references import FrameScores
from audiolog_cli.metrics import activity, scene_based, segment_based
from audiolog_cli.metrics.activity import Bools, Intervals

TOLERANCE = 1e-6
COLLARS = {"onset_collar": 0.2, "offset_collar": 0.2, "offset_collar_rate": 0.5}
# The two settings of DCASE task 4A since 2021 (C. Bilen et al., ICASSP 2020).
PSDS1 = {"dtc_threshold": 0.7, "gtc_threshold": 0.7, "alpha_ct": 0.0, "alpha_st": 1.0, "max_efpr": 100.0}
PSDS2 = {"dtc_threshold": 0.1, "gtc_threshold": 0.1, "cttc_threshold": 0.3, "alpha_ct": 0.5, "alpha_st": 1.0, "max_efpr": 100.0}


@contextmanager
def libraries(*names: str) -> Iterator[list[ModuleType]]:
    """Import libraries of the extra without their deprecation warnings, which nobody here can act on."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield [import_module(name) for name in names]
        except ModuleNotFoundError as error:
            raise UsageError(f"--library: {error.name} is not installed; pip install 'audiolog[metrics]' brings it") from None


class File(NamedTuple):
    """One recording as the libraries see it."""

    name: str
    reference: Intervals
    estimate: Intervals  # for event-based figures
    segments: Bools  # (n_segments, n_labels) of the estimate
    seconds: float
    frames: FrameScores | None


def library_figures(material: Material, ours: Figures) -> tuple[dict[str, float], list[str]]:
    """How many figures agree, and those that only the libraries compute; AudiologError if one differs by more than TOLERANCE.

    Also returns notes for the user: which figures the libraries could not compute.
    """
    files = [_file(material, name) for name in material.files]
    theirs: Figures = {}
    if material.labels:
        theirs = {"segment": segment_figures(material, files), "event": event_figures(material, files)}
    if material.scenes and material.scene_unit == "file":
        theirs["scene"] = scene_figures(material)
    extra: dict[str, float] = {}
    notes: list[str] = []
    if material.score_paths:
        theirs["score"], extra, notes = score_figures(material, files)
    return {"figures_that_agree": count_agreeing(ours, theirs), **extra}, notes


def count_agreeing(ours: Figures, theirs: Figures) -> int:
    """The number of figures compared; AudiologError at the first that differs."""
    for group, named in theirs.items():
        for name, value in named.items():
            own = ours[group][name]
            if not (math.isnan(own) and math.isnan(value)) and not abs(own - value) <= TOLERANCE:
                raise AudiologError(
                    f"{group} {name}: {own!r} here, {value!r} by the field's library; this is a bug in audiolog, please report it"
                )
    return sum(len(named) for named in theirs.values())


def _file(material: Material, name: str) -> File:
    reference, frames = material.reference.events(name), material.scores(name)
    estimate = estimated_events(material, name, frames)
    seconds = scored_seconds(material, name, (reference, estimate), frames)
    n_segments = activity.count_segments(seconds, material.options.segment)
    return File(name, reference, estimate, estimated_segments(material, estimate, frames, n_segments), seconds, frames)


def segment_figures(material: Material, files: Sequence[File]) -> dict[str, float]:
    """Segment-based headline figures by sed_eval; estimates decoded by a rule other than its own are passed as segments."""
    options = material.options
    with libraries("sed_eval", "dcase_util") as (sed_eval, dcase_util):
        metrics = sed_eval.sound_event.SegmentBasedMetrics(list(material.labels), time_resolution=options.segment)
        for file in files:
            estimate = file.estimate if options.decode == "any" else _segments_as_events(file.segments, options.segment)
            sides = (
                dcase_util.containers.MetaDataContainer(_items(side, material.labels)) for side in (file.reference, estimate)
            )
            metrics.evaluate(*sides, evaluated_length_seconds=file.seconds)
    return _headline(metrics)


def event_figures(material: Material, files: Sequence[File]) -> dict[str, float]:
    """Event-based headline figures by sed_eval."""
    with libraries("sed_eval", "dcase_util") as (sed_eval, dcase_util):
        metrics = sed_eval.sound_event.EventBasedMetrics(list(material.labels), t_collar=0.2, percentage_of_length=0.5)
        for file in files:
            sides = (_items(side, material.labels) for side in (file.reference, file.estimate))
            metrics.evaluate(*(dcase_util.containers.MetaDataContainer(items) for items in sides))
    return _headline(metrics)


def _segments_as_events(active: Bools, segment: float) -> Intervals:
    """One event well inside each active segment."""
    index, label = np.nonzero(active)
    middle: activity.Floats = (index.astype(np.float64) + 0.5) * segment
    return Intervals(middle - segment / 4, middle + segment / 4, label)


def _items(events: Intervals, labels: Sequence[str]) -> list[dict[str, Any]]:
    rows = zip(events.onset.tolist(), events.offset.tolist(), events.label.tolist(), strict=True)
    return [{"filename": "a", "onset": onset, "offset": offset, "event_label": labels[label]} for onset, offset, label in rows]


def _headline(metrics: Any) -> dict[str, float]:
    overall = metrics.results_overall_metrics()
    classes = metrics.results_class_wise_metrics().values()
    is_empty = metrics.overall["Nref"] == 0  # then its error rate is the insertions over machine epsilon
    return {
        "error_rate": math.nan if is_empty else overall["error_rate"]["error_rate"],
        "f1": overall["f_measure"]["f_measure"],
        "precision": overall["f_measure"]["precision"],
        "recall": overall["f_measure"]["recall"],
        "macro_f1": segment_based.macro_f1([row["f_measure"]["f_measure"] for row in classes]),
    }


def scene_figures(material: Material) -> dict[str, float]:
    """Accuracies by sed_eval over the scenes of the reference (it would count a scene that the reference lacks as 0)."""
    assert material.estimate is not None
    pairs = [
        (name, scene_based.whole_file(material.reference.scenes(name)), scene_based.whole_file(material.estimate.scenes(name)))
        for name in material.files
        if material.reference.scenes(name)
    ]
    with libraries("sed_eval", "dcase_util") as (sed_eval, dcase_util):
        metrics = sed_eval.scene.SceneClassificationMetrics(sorted({reference for _, reference, _ in pairs}))
        sides = [[{"filename": pair[0], "scene_label": pair[side]} for pair in pairs] for side in (1, 2)]
        metrics.evaluate(*(dcase_util.containers.MetaDataContainer(items) for items in sides))
        average = metrics.results_class_wise_average_metrics()["accuracy"]["accuracy"]
        return {"accuracy": average, "overall_accuracy": metrics.results_overall_metrics()["accuracy"]}


class Inputs(NamedTuple):
    """What sed_scores_eval takes, by recording."""

    scores: dict[str, Any]  # data frames
    truth: dict[str, list[tuple[float, float, str]]]  # onset, offset, label
    durations: dict[str, float]  # seconds


def score_figures(material: Material, files: Sequence[File]) -> tuple[dict[str, float], dict[str, float], list[str]]:
    """By sed_scores_eval: the figures that we compute too; PSDS1, PSDS2 and the best event-based F1, which we do not; and notes.

    PSDS is in 0..1, with up to 100 false alarms an hour.
    """
    columns = _occurring(material, files)
    if not columns:
        return {}, dict.fromkeys(("psds1", "psds2", "event_best_macro_f1"), math.nan), []
    with libraries("sed_scores_eval") as (library,):
        inputs = _inputs(material, files, columns, library)
        common = {"audio_durations": inputs.durations, "segment_length": material.options.segment}
        best, *_ = library.segment_based.best_fscore(inputs.scores, inputs.truth, **common)
        precision, _ = library.segment_based.average_precision(inputs.scores, inputs.truth, **common)
        area, _ = library.segment_based.auroc(inputs.scores, inputs.truth, **common)
        theirs = {
            "average_precision": precision["mean"],
            "best_macro_f1": best["macro_average"],
            "best_f1": best["micro_average"],
        }
        if not math.isnan(area["mean"]):  # a label that is active everywhere: the library divides by zero, we leave it out
            theirs["auroc"] = float(area["mean"])
        event_best, *_ = library.collar_based.best_fscore(inputs.scores, inputs.truth, **COLLARS)
        extra, notes = _psds(library, inputs)
        return theirs, {**extra, "event_best_macro_f1": float(event_best["macro_average"])}, notes


def _psds(library: ModuleType, inputs: Inputs) -> tuple[dict[str, float], list[str]]:
    """PSDS1 and PSDS2. The library breaks on some material, such as a single label (PSDS2): then NaN, and a note says why."""
    figures, notes = {}, []
    for name, setting in (("psds1", PSDS1), ("psds2", PSDS2)):
        try:
            figures[name] = float(library.intersection_based.psds(*inputs, **setting)[0])
        except (AssertionError, IndexError, TypeError, ValueError) as error:
            figures[name] = math.nan
            notes.append(f"sed_scores_eval could not compute {name.upper()} ({type(error).__name__}: {error})")
    return figures, notes


def _inputs(material: Material, files: Sequence[File], columns: list[int], library: ModuleType) -> Inputs:
    """Scores and merged events of the labels in `columns`."""
    inputs = Inputs({}, {}, {file.name: file.seconds for file in files})
    for file in files:
        edges, scores = _frames(file, len(material.labels))
        labels = [material.labels[column] for column in columns]
        inputs.scores[file.name] = library.base_modules.scores.create_score_dataframe(scores[:, columns], edges, labels)
        events = activity.merge_touching(file.reference)
        rows = zip(events.onset.tolist(), events.offset.tolist(), events.label.tolist(), strict=True)
        inputs.truth[file.name] = [(onset, offset, material.labels[label]) for onset, offset, label in rows if label in columns]
    return inputs


def _occurring(material: Material, files: Sequence[File]) -> list[int]:
    """The columns of the labels that the reference contains within the recordings' durations."""
    options, n_labels = material.options, len(material.labels)
    occurs = np.zeros(n_labels, bool)
    for file in files:
        n_segments = activity.count_segments(file.seconds, options.segment)
        occurs |= activity.target_segments(file.reference, n_segments, n_labels, options.segment).any(axis=0)
    return np.flatnonzero(occurs).tolist()


def _frames(file: File, n_labels: int) -> tuple[activity.Floats, activity.Floats]:
    """Edges and scores; one frame of zeros for a recording without scores."""
    if file.frames is not None:
        return file.frames.edges, file.frames.scores
    return np.array([0.0, max(file.seconds, 1.0)]), np.zeros((1, n_labels))
