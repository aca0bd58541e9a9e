"""Our metrics against the field's libraries on random material: overlaps, touching events, empty files, events on borders.

Counts must be equal, rates within 1e-9. Without the extra `metrics` these tests are skipped; the definitions themselves are
worked by hand in test_metrics.py.
"""

import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from audiolog_cli.evaluation import figures
from audiolog_cli.evaluation.material import Options, prepare
from audiolog_cli.evaluation.psds import libraries
from audiolog_cli.evaluation.references import WHOLE_FILE, Annotations
from audiolog_cli.metrics import activity, event_based, score_based, segment_based
from audiolog_cli.metrics.activity import Intervals
from tests.agreement import count_agreeing, figures_of_libraries

pytest.importorskip("sed_eval", reason="the extra `metrics` is not installed")
pytest.importorskip("sed_scores_eval", reason="the extra `metrics` is not installed")

LABELS = ["car", "dog", "speech"]
RANDOM = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
FEWER = settings(RANDOM, max_examples=150)
FEWEST = settings(RANDOM, max_examples=60)

# Times on a grid of 50 ms up to 8 s, often on whole seconds: borders, touching events and equal times are common.
times = st.one_of(
    st.integers(0, 8).map(float), st.integers(0, 160).map(lambda n: n / 20), st.integers(0, 8000).map(lambda n: n / 1000)
)
event = st.tuples(times, times, st.integers(0, len(LABELS) - 1)).map(lambda e: (min(e[:2]), max(e[:2]), e[2]))
events = st.lists(event, max_size=12)
files = st.lists(st.tuples(events, events), min_size=1, max_size=3)  # reference and estimate of each


def intervals(rows: list[tuple[float, float, int]]) -> Intervals:
    onset, offset, label = zip(*rows, strict=True) if rows else ((), (), ())
    return Intervals(np.array(onset, float), np.array(offset, float), np.array(label, np.int64))


def container(rows: list[tuple[float, float, int]]) -> Any:
    with libraries("dcase_util") as (dcase_util,):
        items = [{"filename": "a", "onset": on, "offset": off, "event_label": LABELS[label]} for on, off, label in rows]
        return dcase_util.containers.MetaDataContainer(items)


def is_close(ours: float, theirs: float) -> bool:
    return (math.isnan(ours) and math.isnan(theirs)) or math.isclose(ours, theirs, rel_tol=0, abs_tol=1e-9)


@RANDOM
@given(files, st.sampled_from([0.1, 0.5, 1.0, 3.0]), st.one_of(st.none(), st.sampled_from([0.3, 5.0, 8.0, 9.7])))
def test_segment_based_counts_are_those_of_sed_eval(material: Any, segment: float, duration: float | None) -> None:
    with libraries("sed_eval") as (sed_eval,):
        theirs = sed_eval.sound_event.SegmentBasedMetrics(LABELS, time_resolution=segment)
        ours = segment_based.Counts.zero(len(LABELS))
        for reference, estimate in material:
            if not reference and not estimate and duration is None:
                continue  # sed_eval has no length for a file without events
            theirs.evaluate(container(reference), container(estimate), evaluated_length_seconds=duration)
            seconds = max(e[1] for e in reference + estimate) if duration is None else duration
            n_segments = activity.count_segments(seconds, segment)
            sides = (
                activity.active_segments(intervals(rows), n_segments, len(LABELS), segment) for rows in (reference, estimate)
            )
            ours += segment_based.segment_counts(*sides)
    overall = theirs.overall
    assert (ours.substitutions, ours.deletions, ours.insertions) == (overall["S"], overall["D"], overall["I"])
    for column, label in enumerate(LABELS):
        row = theirs.class_wise[label]
        found = ours.true_positives
        counts = (found, ours.n_estimated - found, ours.n_reference - found, ours.true_negatives)
        assert [int(count[column]) for count in counts] == [row["Ntp"], row["Nfp"], row["Nfn"], row["Ntn"]]
    f1 = segment_based.f1(int(ours.true_positives.sum()), int(ours.n_reference.sum()), int(ours.n_estimated.sum()))
    assert is_close(f1, theirs.overall_f_measure()["f_measure"])


@RANDOM
@given(files)
def test_event_based_counts_are_those_of_sed_eval(material: Any) -> None:
    with libraries("sed_eval") as (sed_eval,):
        theirs = sed_eval.sound_event.EventBasedMetrics(LABELS, t_collar=0.2, percentage_of_length=0.5)
        ours = segment_based.Counts.zero(len(LABELS))
        for reference, estimate in material:
            theirs.evaluate(container(reference), container(estimate))
            ours += event_based.event_counts(intervals(reference), intervals(estimate), len(LABELS))
    overall = theirs.overall
    assert (ours.substitutions, ours.deletions, ours.insertions) == (overall["Nsubs"], overall["Nfn"], overall["Nfp"])
    for column, label in enumerate(LABELS):
        row = theirs.class_wise[label]
        assert [int(c[column]) for c in (ours.true_positives, ours.n_reference, ours.n_estimated)] == [
            row["Ntp"],
            row["Nref"],
            row["Nsys"],
        ]


@RANDOM
@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=25, unique=True))
def test_matching_is_as_large_as_brute_force_finds(edges: list[tuple[int, int]]) -> None:
    edges.sort()
    matched = event_based.match_most(*np.array(edges, np.int64).reshape(-1, 2).T)
    assert set(matched.items()) <= set(edges)
    assert len(set(matched.values())) == len(matched)
    best = {frozenset[int](): 0}  # used right vertices -> size of the largest matching so far
    for left in range(8):
        for used, size in list(best.items()):
            for right in (v for u, v in edges if u == left and v not in used):
                best[used | {right}] = max(size + 1, best.get(used | {right}, 0))
    assert len(matched) == max(best.values())


frame_scores = st.lists(
    st.tuples(*[st.one_of(st.integers(0, 4).map(lambda n: n / 4), st.integers(0, 1000).map(lambda n: n / 1000))] * len(LABELS)),
    min_size=1,
    max_size=30,
)


@FEWER
@given(
    st.lists(st.tuples(events, frame_scores), min_size=1, max_size=3),
    st.sampled_from([0.5, 1.0]),
    st.sampled_from([0.2, 0.25, 0.4, 1.0, 1.5]),
    st.sampled_from([None, 4.0, 8.5]),
)
def test_figures_from_scores_are_those_of_sed_scores_eval(
    material: Any, segment: float, hop: float, duration: float | None
) -> None:
    merged = [activity.merge_touching(intervals(reference)) for reference, _ in material]
    occurring = sorted({int(label) for truth in merged for label in truth.label})
    if not occurring:
        return
    labels = [LABELS[column] for column in occurring]
    edges = [np.round(np.arange(len(scores) + 1) * hop, 6) for _, scores in material]
    arrays = [np.array(scores)[:, occurring] for _, scores in material]
    seconds = [duration or max(edge[-1], truth.offset.max(initial=0.0)) for edge, truth in zip(edges, merged, strict=True)]
    targets, highest = [], []
    for (reference, _), edge, scores, end in zip(material, edges, arrays, seconds, strict=True):
        n_segments = activity.count_segments(end, segment)
        targets.append(activity.target_segments(intervals(reference), n_segments, len(LABELS), segment)[:, occurring])
        highest.append(activity.highest_scores(edge, scores, n_segments, segment))
    curves = [
        score_based.threshold_curve(score, target)
        for score, target in zip(np.concatenate(highest).T, np.concatenate(targets).T, strict=True)
    ]
    if not all(curve.n_positive and curve.n_negative for curve in curves):
        return  # a duration that cuts every event off, or events everywhere: the library divides by zero

    with libraries("sed_scores_eval") as (library,):
        create = library.base_modules.scores.create_score_dataframe
        frames = {str(i): create(scores, edge, labels) for i, (scores, edge) in enumerate(zip(arrays, edges, strict=True))}
        truth = {
            str(i): [(on, off, LABELS[k]) for on, off, k in zip(*map(np.ndarray.tolist, rows), strict=True)]
            for i, rows in enumerate(merged)
        }
        durations = {str(i): float(end) for i, end in enumerate(seconds)}
        common = {"audio_durations": durations, "segment_length": segment}
        best, precision, recall, thresholds, _ = library.segment_based.best_fscore(frames, truth, **common)
        average_precision, _ = library.segment_based.average_precision(frames, truth, **common)
        area, _ = library.segment_based.auroc(frames, truth, **common)
    for label, curve in zip(labels, curves, strict=True):
        ours = score_based.best_f1(curve)
        assert is_close(ours.f1, best[label])
        assert is_close(ours.precision, precision[label])
        assert is_close(ours.recall, recall[label])
        assert ours.threshold == thresholds[label]
        assert is_close(score_based.average_precision(curve), average_precision[label])
        assert is_close(score_based.auroc(curve), area[label])


recordings = st.lists(
    st.tuples(
        events, events, st.one_of(st.none(), frame_scores), st.sampled_from(["home", "city"]), st.sampled_from(["home", "park"])
    ),
    min_size=1,
    max_size=3,
)


@FEWEST
@example([([(0.05, 0.05, 0)], [], None, "home", "home")], False, False, "mean", 0.5, None)  # an event that lasts no time
@given(
    recordings,
    st.booleans(),
    st.booleans(),
    st.sampled_from(["any", "mean", "baseline"]),
    st.sampled_from([0.5, 1.0]),
    st.sampled_from([None, 4.0, 8.5]),
)
def test_the_whole_comparison_agrees_with_the_libraries(
    material: Any, with_estimate: bool, in_cells: bool, decode: activity.Decode, segment: float, duration: float | None
) -> None:
    reference, estimate = Annotations(), Annotations(in_cells=in_cells)
    for index, (true, heard, _, scene, other_scene) in enumerate(material):
        for side, rows, label in ((reference, true, scene), (estimate, heard, other_scene)):
            side.add_scene(str(index), 0.0, WHOLE_FILE, label)
            for onset, offset, column in rows:
                side.add_event(str(index), onset, offset, LABELS[column])
    with tempfile.TemporaryDirectory() as folder:
        paths = {str(index): Path(folder, f"{index}.tsv") for index, row in enumerate(material) if row[2] is not None}
        for index, path in paths.items():
            rows = [f"{t * 0.25}\t{(t + 1) * 0.25}\t{a}\t{b}\t{c}\n" for t, (a, b, c) in enumerate(material[int(index)][2])]
            path.write_text("onset\toffset\t" + "\t".join(LABELS) + "\n" + "".join(rows))
        durations = {str(index): duration for index in range(len(material))} if duration else {}
        options = Options(segment=segment, decode=decode, labels=tuple(LABELS))
        given = prepare(reference, estimate if with_estimate or not paths else None, paths, durations, {}, options)
        results = [figures.file_result(given, name) for name in given.files]
        assert count_agreeing(figures.figures(given, results), figures_of_libraries(given)) >= 10
