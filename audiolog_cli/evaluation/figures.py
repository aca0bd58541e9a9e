"""One recording in, counts out; the counts of any set of recordings in, figures out.

Everything printed (pooled over all recordings, per fold, per file or per resample) is `figures` of a subset of the same counts:
counts are summed first, rates computed last.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from audiolog_cli.errors import InputError
from audiolog_cli.evaluation.material import Material
from audiolog_cli.evaluation.tables import FrameScores
from audiolog_cli.metrics import activity, event_based, scene_based, score_based, segment_based
from audiolog_cli.metrics.activity import Bools, Floats, Intervals
from audiolog_cli.metrics.segment_based import Counts

Figures = dict[str, dict[str, float]]  # "segment", "event", "scene", "score" -> name -> figure
MAX_SEGMENTS = 20_000_000  # of a recording: more than half a year in seconds


@dataclass(frozen=True, slots=True)
class FileResult:
    """What one recording contributes."""

    name: str
    seconds: float  # scored
    segments: Counts
    events: Counts
    scenes: list[tuple[str, str, float]]  # reference, estimate, seconds (or 1 for a file)
    targets: Bools  # (n_segments, n_labels) the reference as score metrics see it; no rows without scores
    scores: Floats  # (n_segments, n_labels) the highest score of each segment


def file_result(material: Material, name: str) -> FileResult:
    """Compare one recording; InputError if it is implausibly long."""
    options, n_labels = material.options, len(material.labels)
    reference = material.reference.events(name)
    frames = material.scores(name)
    estimate = estimated_events(material, name, frames)
    seconds = scored_seconds(material, name, (reference, estimate), frames)
    if seconds / options.segment > MAX_SEGMENTS:
        raise InputError(
            f"{name}: ends at {seconds:g} s, too many segments of {options.segment:g} s; onsets and offsets are in seconds"
        )
    n_segments = activity.count_segments(seconds, options.segment)
    targets, scores = _score_arrays(material, reference, frames, n_segments)
    return FileResult(
        name,
        seconds,
        segment_based.segment_counts(
            reference_segments(material, reference, n_segments), estimated_segments(material, estimate, frames, n_segments)
        ),
        event_based.event_counts(reference, estimate, n_labels),
        _scene_pairs(material, name, seconds),
        targets,
        scores,
    )


def estimated_events(material: Material, name: str, frames: FrameScores | None) -> Intervals:
    """The estimated events of a recording: as given, or else runs of frames above the thresholds."""
    if material.estimate is not None:
        return material.estimate.events(name)
    if frames is None:
        return Intervals(np.zeros(0), np.zeros(0), np.zeros(0, np.int64))
    return activity.active_runs(frames.edges, frames.scores > material.thresholds)


def scored_seconds(material: Material, name: str, events: Sequence[Intervals], frames: FrameScores | None) -> float:
    """The recording's duration if given, else the latest offset of anything in it (sed_eval's rule)."""
    if material.durations:
        return material.durations[name]
    sides = [side for side in (material.reference, material.estimate) if side is not None]
    return float(
        max(
            frames.edges[-1] if frames else 0.0,
            *(side.last_scene_end(name) for side in sides),
            *(intervals.offset.max(initial=0.0) for intervals in events),
        )
    )


def is_decoded_by_sed_eval(material: Material) -> bool:
    """Whether the estimate is events and `any` decodes them: sed_eval's own rule."""
    return material.estimate is not None and material.options.decode == "any"


def reference_segments(material: Material, reference: Intervals, n_segments: int) -> Bools:
    """(n_segments, n_labels) where the reference is active, with borders computed as for the estimate.

    sed_eval divides times by the segment length in floating point (0.3 / 0.1 is a little less than 3); frames, and the shares of
    `mean`, use borders rounded to microseconds, and what lasts no time is not active. Both sides must follow one rule, or equal
    times could differ.
    """
    find = activity.active_segments if is_decoded_by_sed_eval(material) else activity.target_segments
    return find(reference, n_segments, len(material.labels), material.options.segment)


def estimated_segments(material: Material, estimate: Intervals, frames: FrameScores | None, n_segments: int) -> Bools:
    """(n_segments, n_labels) where the estimate is active, by the rule of the options."""
    segment, decode, n_labels = material.options.segment, material.options.decode, len(material.labels)
    if material.estimate is None and frames is not None:
        return activity.decode_scores(frames.edges, frames.scores, material.thresholds, n_segments, segment, decode)
    return activity.active_segments(estimate, n_segments, n_labels, segment, decode)


def _score_arrays(material: Material, reference: Intervals, frames: FrameScores | None, n_segments: int) -> tuple[Bools, Floats]:
    """Targets and highest scores of a recording; a recording without scores has score 0 everywhere."""
    n_labels = len(material.labels)
    if not material.score_paths:
        return np.zeros((0, n_labels), bool), np.zeros((0, n_labels))
    targets = activity.target_segments(reference, n_segments, n_labels, material.options.segment)
    if frames is None:
        return targets, np.zeros((n_segments, n_labels))
    return targets, activity.highest_scores(frames.edges, frames.scores, n_segments, material.options.segment)


def _scene_pairs(material: Material, name: str, seconds: float) -> list[tuple[str, str, float]]:
    """Reference and estimated scenes of a recording, by second or one for the file."""
    if not material.scenes or material.estimate is None:
        return []
    reference, estimate = material.reference.scenes(name), material.estimate.scenes(name)
    if material.scene_unit == "second":
        return list(scene_based.overlaps(reference, estimate, seconds))
    if not reference:
        return []
    return [(scene_based.whole_file(reference), scene_based.whole_file(estimate), 1.0)]


def figures(material: Material, results: Sequence[FileResult]) -> Figures:
    """All figures of some recordings together; NaN where one is undefined."""
    n_labels = len(material.labels)
    groups: Figures = {}
    if n_labels or not material.scenes:  # data with scenes only has no events to score
        groups["segment"] = segment_figures(sum((result.segments for result in results), Counts.zero(n_labels)))
        groups["event"] = _common_figures(
            sum((result.events for result in results), Counts.zero(n_labels)), ("f1", "precision", "recall")
        )
    if material.scenes:
        groups["scene"] = scene_figures(confusion(material, results))
    if material.score_paths:
        groups["score"] = score_figures(curves(results))
    return groups


def segment_figures(counts: Counts) -> dict[str, float]:
    """Segment-based rates and counts over all labels."""
    common = _common_figures(counts, ("f1", "precision", "recall", "error_rate"))
    return {
        "error_rate": common["error_rate"],
        **common,
        "false_positives": int((counts.n_estimated - counts.true_positives).sum()),
        "false_negatives": int((counts.n_reference - counts.true_positives).sum()),
        "true_negatives": int(counts.true_negatives.sum()),
    }


def _common_figures(counts: Counts, of_labels: Sequence[str]) -> dict[str, float]:
    """The figures that segments and events share; the rates in `of_labels` also as means over the labels that define them."""
    errors = counts.substitutions, counts.deletions, counts.insertions
    totals = [int(count.sum()) for count in (counts.true_positives, counts.n_reference, counts.n_estimated)]
    classes = [class_figures(*row) for row in zip(counts.true_positives, counts.n_reference, counts.n_estimated, strict=True)]
    return {
        **_rates(errors, *totals),
        "macro_f1": segment_based.macro_f1([row["f1"] for row in classes]),
        **{f"macro_{name}_defined": segment_based.mean_of_defined([row[name] for row in classes]) for name in of_labels},
        **dict(zip(("substitutions", "deletions", "insertions"), errors, strict=True)),
        **_sizes(*totals),
    }


def class_figures(true_positives: int, n_reference: int, n_estimated: int) -> dict[str, float]:
    """Rates and counts of one label; its error rate is (misses + false alarms) / references."""
    misses, alarms = n_reference - true_positives, n_estimated - true_positives
    counts = (true_positives, n_reference, n_estimated)
    return {**_rates((0, misses, alarms), *counts), **_sizes(*counts)}


def _rates(errors: tuple[int, int, int], true_positives: int, n_reference: int, n_estimated: int) -> dict[str, float]:
    return {
        "f1": segment_based.f1(true_positives, n_reference, n_estimated),
        "precision": segment_based.precision(true_positives, n_estimated),
        "recall": segment_based.recall(true_positives, n_reference),
        "error_rate": segment_based.error_rate(*errors, n_reference),
    }


def _sizes(true_positives: int, n_reference: int, n_estimated: int) -> dict[str, float]:
    return {"n_reference": int(n_reference), "n_estimated": int(n_estimated), "true_positives": int(true_positives)}


def confusion(material: Material, results: Sequence[FileResult]) -> Floats:
    """(n + 1, n + 1) matrix of reference by estimated scene, in files or seconds; the last index is `NONE`."""
    pairs = (pair for result in results for pair in result.scenes)
    return scene_based.confusion_matrix(pairs, [*material.scenes, scene_based.NONE])


def scene_figures(matrix: Floats) -> dict[str, float]:
    """Accuracies of scenes."""
    return {"accuracy": scene_based.mean_class_accuracy(matrix), "overall_accuracy": scene_based.overall_accuracy(matrix)}


def curves(results: Sequence[FileResult]) -> list[score_based.Curve]:
    """The threshold curve of each label over all segments of some recordings."""
    scores = np.concatenate([result.scores for result in results])
    targets = np.concatenate([result.targets for result in results])
    return [score_based.threshold_curve(score, target) for score, target in zip(scores.T, targets.T, strict=True)]


def score_figures(of_labels: Sequence[score_based.Curve]) -> dict[str, float]:
    """Figures from scores: means over the labels that occur in the reference, as in sed_scores_eval."""
    occurring = [label_score_figures(curve) for curve in of_labels if curve.n_positive]
    best = [score_based.best_f1(curve) for curve in of_labels]
    area = segment_based.mean_of_defined([row["auroc"] for row in occurring])
    n_reference = sum(curve.n_positive for curve in of_labels)
    return {
        "average_precision": segment_based.mean_of_defined([row["average_precision"] for row in occurring]),
        "auroc": area,
        "d_prime": score_based.d_prime(area),
        "best_macro_f1": segment_based.mean_of_defined([row["best_f1"] for row in occurring]),
        "best_f1": segment_based.f1(sum(b.true_positives for b in best), n_reference, sum(b.n_estimated for b in best)),
        "n_labels": len(occurring),
    }


def label_score_figures(curve: score_based.Curve) -> dict[str, float]:
    """Figures of one label from its scores."""
    best, area = score_based.best_f1(curve), score_based.auroc(curve)
    return {
        "average_precision": score_based.average_precision(curve),
        "auroc": area,
        "d_prime": score_based.d_prime(area),
        "best_f1": best.f1,
        "best_precision": best.precision,
        "best_recall": best.recall,
        "best_threshold": best.threshold,
    }


def mean_over(parts: Sequence[Figures], groups: Figures) -> Figures:
    """The plain mean of the rates of several parts (folds); counts are not averaged, undefined rates are left out."""
    return {
        group: {
            name: segment_based.mean_of_defined([part[group][name] for part in parts])
            for name, figure in named.items()
            if isinstance(figure, float) and not name.startswith("n_")
        }
        for group, named in groups.items()
    }
