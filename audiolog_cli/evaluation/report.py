"""The report of an evaluation: the results of all recordings in; out, one dictionary with everything that is printed.

    compared       files, seconds and labels that were compared, and what was left out
    rules          how each group of figures was computed; printed with the figures
    pooled         figures of all recordings together: counts are summed over recordings (and folds), then rates are computed
    folds          the same per fold; mean_of_folds is the plain mean of the folds' rates, a different number
    by_class, by_scene, by_file, confusion, confidence, library    on request, or where they exist

Figures are plain numbers, NaN where undefined.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from audiolog_cli.evaluation.figures import (
    Figures,
    FileResult,
    class_figures,
    confusion,
    curves,
    figures,
    label_score_figures,
    mean_over,
)
from audiolog_cli.evaluation.material import Material
from audiolog_cli.metrics import bootstrap, scene_based, segment_based
from audiolog_cli.metrics.activity import Floats
from audiolog_cli.metrics.score_based import micro_f1_thresholds
from audiolog_cli.metrics.segment_based import Counts
from audiolog_cli.wording import counted, some

Results = dict[str, Any]


def report(material: Material, results: Sequence[FileResult], by_class: bool, by_file: bool, confidence: bool) -> Results:
    """The whole report of an evaluation."""
    pooled = figures(material, results)
    parts: Results = {"compared": compared(material, results), "rules": rules(material), "pooled": pooled}
    if material.folds:
        names = sorted({material.folds[result.name] for result in results})
        folds = {fold: figures(material, [r for r in results if material.folds[r.name] == fold]) for fold in names}
        parts |= {"mean_of_folds": mean_over(list(folds.values()), pooled), "folds": folds}
    if by_class:
        parts["by_class"] = class_table(material, results)
    if by_class and material.scenes:
        parts |= scene_tables(material, results)
    if by_file:
        parts["by_file"] = {result.name: {"seconds": result.seconds, **figures(material, [result])} for result in results}
    if confidence:
        parts["confidence"] = confidence_intervals(material, results)
    return parts


def compared(material: Material, results: Sequence[FileResult]) -> Results:
    """What was compared, and what was left out."""
    estimated = set(material.estimate.names if material.estimate else material.score_paths)
    return {
        "files": len(results),
        "files_in_both": sum(name in estimated for name in material.reference.names),
        "files_only_in_reference": [name for name in material.files if name not in estimated],
        "files_only_estimated": [name for name in material.files if name in estimated and name not in material.reference.names],
        "files_ignored": material.ignored_files,
        "seconds": sum(result.seconds for result in results),
        "segments": sum(result.segments.n_segments for result in results) if material.labels else 0,
        "labels": list(material.labels),
        "labels_ignored_in_reference": material.ignored_in_reference,
        "labels_ignored_in_estimate": material.ignored_in_estimate,
        "failed": material.estimate.annotations.failures if material.estimate else [],
    }


def rules(material: Material) -> dict[str, str]:
    """How each group of figures was computed, in a few words."""
    options = material.options
    above = f" > {options.threshold:g}" if not options.thresholds else " > its label's threshold"
    scores = material.estimate is None
    decode = {
        "any": f"any frame{above}" if scores else "any overlap",
        "mean": f"mean score{above}" if scores else "more than half covered",
        "baseline": f"frames{above}, ends floored" if scores else "ends floored",
    }[options.decode]
    return {
        "segment": f"{options.segment:g}-s segments, {decode}",
        "event": "collar 0.2 s, offset max(0.2 s, 50 %)",
        "scene": f"per {material.scene_unit}",
        "score": f"{options.segment:g}-s segments, highest frame",
    }


def class_table(material: Material, results: Sequence[FileResult]) -> dict[str, Figures]:
    """The figures of each event label."""
    counted = {
        "segment": sum((result.segments for result in results), Counts.zero(len(material.labels))),
        "event": sum((result.events for result in results), Counts.zero(len(material.labels))),
    }
    table: dict[str, Figures] = {}
    label_curves = curves(results) if material.score_paths else []
    for column, label in enumerate(material.labels):
        table[label] = {
            group: class_figures(*(part[column] for part in (counts.true_positives, counts.n_reference, counts.n_estimated)))
            for group, counts in counted.items()
        }
        if label_curves:
            table[label]["score"] = label_score_figures(label_curves[column])
    return table


def scene_tables(material: Material, results: Sequence[FileResult]) -> Results:
    """Accuracy of each scene, and the confusion matrix."""
    matrix = confusion(material, results)
    labels = [*material.scenes, scene_based.NONE]
    accuracies = scene_based.accuracy_per_class(matrix).tolist()
    return {
        "by_scene": {
            label: {"accuracy": accuracy, "n_reference": total}
            for label, accuracy, total in zip(labels, accuracies, matrix.sum(axis=1).tolist(), strict=True)
            if label != scene_based.NONE
        },
        "confusion": {"labels": labels, "rows_are_reference": matrix.tolist()},
    }


def tuned_thresholds(material: Material, results: Sequence[FileResult]) -> dict[str, float]:
    """The thresholds that together give the highest micro F1, for the labels that occur in the reference."""
    occurring = {label: curve for label, curve in zip(material.labels, curves(results), strict=True) if curve.n_positive}
    return dict(zip(occurring, micro_f1_thresholds(list(occurring.values())), strict=True))


def confidence_intervals(material: Material, results: Sequence[FileResult]) -> dict[str, dict[str, tuple[float, float]]]:
    """95 % intervals of the headline figures that are rates of counts, by resampling recordings."""
    shape = (3, len(material.labels))
    rates: dict[str, Callable[[Floats], float]] = {  # of S, D, I, then true positives, reference and estimate counts per label
        "error_rate": lambda sums: segment_based.error_rate(sums[0], sums[1], sums[2], sums[3:].reshape(shape)[1].sum()),
        "f1": lambda sums: segment_based.f1(*sums[3:].reshape(shape).sum(axis=1)),
        "macro_f1": lambda sums: segment_based.macro_f1(segment_based.f1_per_class(*sums[3:].reshape(shape))),
    }
    groups = {
        group: (np.array([_flat_counts(getattr(result, f"{group}s")) for result in results]), rates)
        for group in (("segment", "event") if material.labels else ())
    }
    if material.scenes:
        side = len(material.scenes) + 1
        accuracies: dict[str, Callable[[Floats], float]] = {
            "accuracy": lambda sums: scene_based.mean_class_accuracy(sums.reshape(side, side)),
            "overall_accuracy": lambda sums: scene_based.overall_accuracy(sums.reshape(side, side)),
        }
        groups["scene"] = np.array([confusion(material, [result]).ravel() for result in results]), accuracies
    if not groups:
        return {}
    of_files = [counts for counts, _ in groups.values()]
    borders = np.cumsum([counts.shape[1] for counts in of_files])
    sums = np.split(bootstrap.resampled(np.concatenate(of_files, axis=1)), borders[:-1], axis=1)
    return {
        group: {name: bootstrap.interval(own, figure) for name, figure in named.items()}
        for own, (group, (_, named)) in zip(sums, groups.items(), strict=True)
    }


def _flat_counts(counts: Counts) -> Floats:
    errors = [counts.substitutions, counts.deletions, counts.insertions]
    return np.concatenate((errors, counts.true_positives, counts.n_reference, counts.n_estimated)).astype(np.float64)


def summary(parts: Results, material: Material) -> list[str]:
    """What was compared, as lines for the user."""
    facts = parts["compared"]
    lines = [
        f"compared {counted(facts['files'], 'file')}, {facts['seconds']:.0f} s ({counted(facts['segments'], 'segment')}),"
        f" {counted(len(facts['labels']), 'event label')}"
        + (f", {counted(len(material.scenes), 'scene')}" if material.scenes else "")
        + f": {facts['files_in_both']} in both, {len(facts['files_only_in_reference'])} not estimated, "
        f"{len(facts['files_only_estimated'])} without reference events, {len(facts['files_ignored'])} ignored"
    ]
    if facts["files_only_in_reference"]:
        lines.append(f"not estimated, their events count as deletions: {some(facts['files_only_in_reference'])}")
    if material.unmeasured:
        lines.append(
            "no scene estimated and no length known, so in scene accuracy only as far as they have events: "
            f"{some(material.unmeasured)}; --durations gives lengths"
        )
    for side in ("reference", "estimate"):
        ignored = facts[f"labels_ignored_in_{side}"]
        if ignored:
            lines.append(f"ignored in the {side}: {some([f'{label} ({n})' for label, n in ignored.items()])}")
    if facts["files_ignored"]:
        lines.append(f"ignored, not in the reference: {some(facts['files_ignored'])}")
    lines += [f"not estimated, the recording failed: {message}" for message in facts["failed"]]
    if "segment" in parts["pooled"] and not parts["pooled"]["segment"]["n_reference"]:
        lines.append("the reference has no events of these labels: error rate, recall and F1 are undefined")
    return lines
