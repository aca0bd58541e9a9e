"""The headline figures of `eval` again, as sed_eval and sed_scores_eval compute them: for the tests that compare both."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from audiolog_cli.evaluation.figures import Figures, estimated_events, estimated_segments, is_decoded_by_sed_eval, scored_seconds
from audiolog_cli.evaluation.material import Material
from audiolog_cli.evaluation.psds import libraries, library_inputs
from audiolog_cli.metrics import activity, scene_based, segment_based
from audiolog_cli.metrics.activity import Bools, Intervals


def figures_of_libraries(material: Material) -> Figures:
    """The groups of `figures.figures` that the libraries compute too. They get the same material, less what they fail on."""
    theirs: Figures = {}
    if material.labels:
        theirs |= sed_eval_figures(material)
    if material.scenes and material.scene_unit == "file":
        theirs["scene"] = scene_figures(material)
    if material.score_paths:
        theirs["score"] = score_figures(material)
    return theirs


def count_agreeing(ours: Figures, theirs: Figures) -> int:
    """How many figures were compared; they differ by no more than 1e-6."""
    for group, named in theirs.items():
        for name, value in named.items():
            own = ours[group][name]
            assert (math.isnan(own) and math.isnan(value)) or abs(own - value) <= 1e-6, f"{group} {name}: {own!r}, {value!r}"
    return sum(len(named) for named in theirs.values())


def sed_eval_figures(material: Material) -> Figures:
    """Segment-based and event-based; estimates decoded by a rule other than sed_eval's own are passed as segments."""
    options, labels = material.options, material.labels
    with libraries("sed_eval", "dcase_util") as (sed_eval, dcase_util):
        container = dcase_util.containers.MetaDataContainer
        by_segment = sed_eval.sound_event.SegmentBasedMetrics(list(labels), time_resolution=options.segment)
        by_event = sed_eval.sound_event.EventBasedMetrics(list(labels), t_collar=0.2, percentage_of_length=0.5)
        for name in material.files:
            reference, frames = material.reference.events(name), material.scores(name)
            estimate = estimated_events(material, name, frames)
            by_event.evaluate(*(container(items(side, labels)) for side in (reference, estimate)))
            seconds = scored_seconds(material, name, (reference, estimate), frames)
            if options.decode != "any":
                n_segments = activity.count_segments(seconds, options.segment)
                active = estimated_segments(material, estimate, frames, n_segments)
                estimate = segments_as_events(active, options.segment)
            if not is_decoded_by_sed_eval(material):
                reference = reference.where(reference.offset > reference.onset)  # here, what lasts no time counts for nothing
            sides = (container(items(side, labels)) for side in (reference, estimate))
            by_segment.evaluate(*sides, evaluated_length_seconds=seconds)
    return {"segment": headline(by_segment), "event": headline(by_event)}


def segments_as_events(active: Bools, segment: float) -> Intervals:
    """One event well inside each active segment."""
    index, label = np.nonzero(active)
    middle: activity.Floats = (index.astype(np.float64) + 0.5) * segment
    return Intervals(middle - segment / 4, middle + segment / 4, label)


def items(events: Intervals, labels: Sequence[str]) -> list[dict[str, Any]]:
    rows = zip(events.onset.tolist(), events.offset.tolist(), events.label.tolist(), strict=True)
    return [{"filename": "a", "onset": onset, "offset": offset, "event_label": labels[label]} for onset, offset, label in rows]


def headline(metrics: Any) -> dict[str, float]:
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
    """Accuracies over the scenes of the reference (sed_eval would count a scene that the reference lacks as 0)."""
    assert material.estimate is not None
    pairs = [
        (name, scene_based.whole_file(material.reference.scenes(name)), scene_based.whole_file(material.estimate.scenes(name)))
        for name in material.files
        if material.reference.scenes(name)
    ]
    with libraries("sed_eval", "dcase_util") as (sed_eval, dcase_util):
        metrics = sed_eval.scene.SceneClassificationMetrics(sorted({reference for _, reference, _ in pairs}))
        sides = [[{"filename": pair[0], "scene_label": pair[side]} for pair in pairs] for side in (1, 2)]
        metrics.evaluate(*(dcase_util.containers.MetaDataContainer(rows) for rows in sides))
        average = metrics.results_class_wise_average_metrics()["accuracy"]["accuracy"]
        return {"accuracy": average, "overall_accuracy": metrics.results_overall_metrics()["accuracy"]}


def score_figures(material: Material) -> dict[str, float]:
    with libraries("sed_scores_eval") as (library,):
        inputs = library_inputs(material, library)
        if not any(inputs.truth.values()):
            return {}
        common = {"audio_durations": inputs.durations, "segment_length": material.options.segment}
        best, *_ = library.segment_based.best_fscore(inputs.scores, inputs.truth, **common)
        precision, _ = library.segment_based.average_precision(inputs.scores, inputs.truth, **common)
        area, _ = library.segment_based.auroc(inputs.scores, inputs.truth, **common)
    theirs = {"average_precision": precision["mean"], "best_macro_f1": best["macro_average"], "best_f1": best["micro_average"]}
    # a label that is active everywhere: the library divides by zero, we leave it out
    return theirs if math.isnan(area["mean"]) else theirs | {"auroc": float(area["mean"])}
