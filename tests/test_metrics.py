"""Metrics worked by hand, above all where papers and programs disagree."""

import math
import tracemalloc
from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiolog_cli.metrics import activity, bootstrap, event_based, scene_based, score_based, segment_based
from audiolog_cli.metrics.activity import Intervals


def intervals(*rows: tuple[float, float, int]) -> Intervals:
    onset, offset, label = zip(*rows, strict=True) if rows else ((), (), ())
    return Intervals(np.array(onset, float), np.array(offset, float), np.array(label, np.int64))


def active(rows: Intervals, n_segments: int = 4, decode: activity.Decode = "any") -> list[int]:
    """The active segments of label 0."""
    return np.flatnonzero(activity.active_segments(rows, n_segments, 2, 1.0, decode)[:, 0]).tolist()


# Segments


def test_an_event_is_active_from_the_floor_of_its_onset_to_the_ceiling_of_its_offset() -> None:
    assert active(intervals((0.99, 1.01, 0))) == [0, 1]


def test_a_border_does_not_leak_into_the_neighbour() -> None:
    assert active(intervals((1.0, 2.0, 0))) == [1]


def test_an_event_of_no_length_is_active_between_borders_only() -> None:
    assert active(intervals((2.0, 2.0, 0))) == []
    assert active(intervals((1.5, 1.5, 0))) == [1]


def test_what_lies_past_the_duration_is_cut_off() -> None:
    assert active(intervals((3.0, 9.0, 0), (7.0, 8.0, 0))) == [3]


def test_overlapping_events_of_one_label_are_active_once() -> None:
    reference = activity.active_segments(intervals((0, 2, 0), (1, 3, 0)), 4, 1, 1.0)
    counts = segment_based.segment_counts(reference, reference)
    assert counts.n_reference.tolist() == [3]


def test_mean_needs_more_than_half_a_segment() -> None:
    assert active(intervals((0.0, 0.5, 0), (1.0, 1.51, 0)), decode="mean") == [1]
    assert active(intervals((0.0, 0.3, 0), (0.2, 0.4, 0), (0.6, 0.8, 0)), decode="mean") == [0]  # 0.6 s, the overlap once


def test_baseline_floors_both_ends_so_that_short_events_vanish() -> None:
    assert active(intervals((0.2, 0.8, 0), (1.8, 3.4, 0)), decode="baseline") == [1, 2]


def test_the_three_rules_on_the_same_scores() -> None:
    edges = np.arange(0, 3.1, 0.5)
    scores = np.array([[0.1], [0.9], [0.6], [0.9], [0.2], [0.7]])  # second 0: 0.1 0.9, second 1: 0.6 0.9, second 2: 0.2 0.7
    found = {
        rule: np.flatnonzero(activity.decode_scores(edges, scores, np.array([0.5]), 3, 1.0, rule)).tolist()
        for rule in ("any", "mean", "baseline")
    }
    # mean of second 0 is 0.5 and not above it; frames are active from 0.5 s to 2 s and from 2.5 s to 3 s
    assert found == {"any": [0, 1, 2], "mean": [1], "baseline": [0, 1, 2]}


def test_a_frame_across_a_border_counts_in_both_segments() -> None:
    edges, scores = np.array([0.0, 0.8, 1.6, 2.4]), np.array([[0.0], [0.9], [0.0]])
    assert activity.highest_scores(edges, scores, 2, 1.0)[:, 0].tolist() == [0.9, 0.9]
    assert activity.mean_scores(edges, scores, 2, 1.0)[:, 0].tolist() == pytest.approx([0.18, 0.54])


def test_substitutions_deletions_and_insertions_by_hand() -> None:
    #                     car    dog
    reference = np.array([[True, True], [True, False], [False, False], [True, False]])
    estimate = np.array([[True, False], [False, True], [True, True], [True, False]])
    counts = segment_based.segment_counts(reference, estimate)
    # second 0: one of two found, a deletion; 1: a substitution; 2: two insertions; 3: right
    assert (counts.substitutions, counts.deletions, counts.insertions) == (1, 1, 2)
    assert segment_based.error_rate(1, 1, 2, int(counts.n_reference.sum())) == 1.0  # 4 errors, 4 references
    assert segment_based.f1(2, 4, 5) == pytest.approx(4 / 9)


def test_rates_of_nothing_are_undefined_and_zero_in_the_macro_mean() -> None:
    assert math.isnan(segment_based.error_rate(0, 0, 3, n_reference=0))
    assert math.isnan(segment_based.f1(0, n_reference=0, n_estimated=3))
    assert segment_based.macro_f1([1.0, math.nan]) == 0.5
    assert segment_based.mean_of_defined([1.0, math.nan]) == 1.0


rolls = st.integers(0, 20).flatmap(
    lambda n: st.tuples(*[st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=n, max_size=n)] * 2)
)


@given(rolls)
def test_errors_explain_every_wrong_segment(pair: tuple[list[list[bool]], list[list[bool]]]) -> None:
    reference, estimate = (np.array(rows, bool).reshape(-1, 3) for rows in pair)
    counts = segment_based.segment_counts(reference, estimate)
    assert (counts.n_reference - counts.true_positives).sum() == counts.substitutions + counts.deletions
    assert (counts.n_estimated - counts.true_positives).sum() == counts.substitutions + counts.insertions
    assert counts.n_reference.tolist() == reference.sum(axis=0).tolist()


@given(rolls)
def test_files_add_up(pair: tuple[list[list[bool]], list[list[bool]]]) -> None:
    reference, estimate = (np.array(rows, bool).reshape(-1, 3) for rows in pair)
    half = len(reference) // 2
    parts = segment_based.segment_counts(reference[:half], estimate[:half]) + segment_based.segment_counts(
        reference[half:], estimate[half:]
    )
    whole = segment_based.segment_counts(reference, estimate)
    assert [parts.substitutions, parts.deletions, parts.insertions] == [whole.substitutions, whole.deletions, whole.insertions]
    assert parts.true_positives.tolist() == whole.true_positives.tolist()


# Events


def test_the_offset_collar_grows_with_the_event() -> None:
    reference = intervals((0.0, 10.0, 0))
    assert event_based.event_counts(reference, intervals((0.2, 14.9, 0)), 1).true_positives.tolist() == [1]
    assert event_based.event_counts(reference, intervals((0.2, 15.1, 0)), 1).true_positives.tolist() == [0]


def test_an_event_with_the_wrong_label_is_one_substitution() -> None:
    counts = event_based.event_counts(intervals((0, 1, 0), (5, 6, 0)), intervals((0, 1, 1), (8, 9, 1)), 2)
    assert (counts.substitutions, counts.deletions, counts.insertions) == (1, 1, 1)


def test_a_chain_of_thousands_of_events_is_matched_to_its_end() -> None:
    """Every estimate fits two references; the last, which fits the first one only, pushes all the others one on."""
    n = 5000
    onsets = 0.3 * np.arange(n + 1)
    late = np.append(onsets[:n] + 0.15, -0.15)
    none = np.zeros(n + 1, np.int64)
    counts = event_based.event_counts(Intervals(onsets, onsets + 0.1, none), Intervals(late, late + 0.1, none), 1)
    assert counts.true_positives.tolist() == [n + 1]


def test_touching_events_of_a_label_are_one_only_after_merging() -> None:
    cut = intervals((0, 1, 0), (1, 2, 0), (2, 3, 0))
    whole = intervals((0, 3, 0))
    assert event_based.event_counts(whole, cut, 1).true_positives.tolist() == [0]
    assert event_based.event_counts(whole, activity.merge_touching(cut), 1).true_positives.tolist() == [1]


def test_merging_looks_past_an_event_inside_another() -> None:
    merged = activity.merge_touching(intervals((0, 9, 0), (1, 2, 0), (5, 10, 0), (3, 4, 1), (11, 12, 0)))
    assert [values.tolist() for values in merged] == [[0, 11, 3], [10, 12, 4], [0, 0, 1]]


# Scenes


def test_class_wise_accuracy_is_not_overall_accuracy() -> None:
    pairs = [("home", "home", 1.0)] * 8 + [("city", "home", 1.0), ("city", "city", 1.0)]
    matrix = scene_based.confusion_matrix(pairs, ["city", "home"])
    assert scene_based.overall_accuracy(matrix) == 0.9
    assert scene_based.mean_class_accuracy(matrix) == 0.75


def test_time_that_was_not_estimated_is_wrong() -> None:
    found = list(scene_based.overlaps([(0, 4, "home"), (4, 8, "city")], [(1, 5, "home"), (7, 9, "city")], end=8))
    none = scene_based.NONE
    assert found == [("home", none, 1), ("home", "home", 3), ("city", "home", 1), ("city", none, 2), ("city", "city", 1)]


@given(
    st.lists(st.tuples(st.integers(1, 5), st.sampled_from("ab")), max_size=6),
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 5), st.sampled_from("ab")), max_size=6),
)
def test_every_second_of_the_reference_is_compared_once(
    reference: list[tuple[int, str]], estimate: list[tuple[int, int, str]]
) -> None:
    def laid_out(rows: list[tuple[int, int, str]]) -> list[tuple[float, float, str]]:
        stretches, at = [], 0
        for gap, length, label in rows:
            stretches.append((float(at + gap), float(at + gap + length), label))
            at += gap + length
        return stretches

    sides = laid_out([(0, length, label) for length, label in reference]), laid_out(estimate)
    by_second = {}
    for second in range(40):
        true, heard = (next((label for on, off, label in side if on <= second < off), None) for side in sides)
        if true is not None:
            pair = (true, heard or scene_based.NONE)
            by_second[pair] = by_second.get(pair, 0) + 1
    summed: dict[tuple[str, str], float] = {}
    for true, heard, seconds in scene_based.overlaps(*sides, end=40.0):
        summed[true, heard] = summed.get((true, heard), 0) + seconds
    assert summed == by_second


# Scores


def test_ties_between_right_and_wrong_count_against_the_score() -> None:
    score, target = np.array([0.5, 0.5, 0.5, 0.5]), np.array([True, False, True, False])
    curve = score_based.threshold_curve(score, target)
    assert score_based.auroc(curve) == 0.0
    assert score_based.average_precision(curve) == 0.5
    assert score_based.best_f1(curve)[:2] == (pytest.approx(2 / 3), -math.inf)


def test_perfect_scores() -> None:
    curve = score_based.threshold_curve(np.array([0.9, 0.2, 0.8, 0.1]), np.array([True, False, True, False]))
    assert (score_based.average_precision(curve), score_based.auroc(curve)) == (1.0, 1.0)
    assert score_based.d_prime(1.0) == math.inf
    assert score_based.best_f1(curve)[:2] == (1.0, 0.5)


def test_a_label_that_never_occurs_has_no_figures_from_scores() -> None:
    curve = score_based.threshold_curve(np.array([0.9, 0.2]), np.array([False, False]))
    assert math.isnan(score_based.average_precision(curve))
    assert math.isnan(score_based.auroc(curve))
    assert math.isnan(score_based.best_f1(curve).f1)


# Confidence


def test_the_interval_of_equal_files_is_a_point_and_of_unequal_ones_is_not() -> None:
    def rate(sums: np.ndarray) -> float:
        return float(sums[0] / sums[1])

    assert bootstrap.resampled(np.ones((10, 1))).tolist() == [[10.0]] * bootstrap.N_RESAMPLES
    assert bootstrap.interval(bootstrap.resampled(np.array([[3.0, 4.0]] * 10)), rate) == (0.75, 0.75)
    low, high = bootstrap.interval(bootstrap.resampled(np.array([[0.0, 1.0]] * 5 + [[1.0, 1.0]] * 5)), rate)
    # 10 fair coins: the middle 95 % of their mean is 0.2 to 0.8
    assert (low, high) == (0.2, 0.8)


def test_resampling_many_recordings_takes_little_memory() -> None:
    """All weights at once would be 40 MB for 5000 recordings, 2 GB for 100 000."""
    tracemalloc.start()
    bootstrap.resampled(np.ones((5000, 3)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2e6


def test_tuned_thresholds_never_name_a_label_that_is_noise() -> None:
    """The best F1 of `noise` alone, 0.4 from 0.2 on, would cost more false alarms than it finds."""
    sure = score_based.threshold_curve(np.array([0.9, 0.8, 0.2, 0.1, 0.0]), np.array([True, True, False, False, False]))
    noise = score_based.threshold_curve(np.array([0.2, 0.3, 0.4, 0.5, 0.6]), np.array([True, False, False, False, False]))
    assert score_based.best_f1(noise).f1 == pytest.approx(2 / 6)
    known, unknown = score_based.micro_f1_thresholds([sure, noise])
    assert known == 0.5 and 0.6 < unknown < 0.64


@given(st.lists(st.lists(st.tuples(st.sampled_from([0.1, 0.3, 0.5, 0.9]), st.booleans()), max_size=6), min_size=1, max_size=3))
def test_no_other_thresholds_have_a_higher_micro_f1(labels: list[list[tuple[float, bool]]]) -> None:
    curves = [
        score_based.threshold_curve(np.array([s for s, _ in rows]), np.array([t for _, t in rows], bool)) for rows in labels
    ]

    def reached(thresholds: Sequence[float]) -> float:
        named = [(t, s >= cut) for rows, cut in zip(labels, thresholds, strict=True) for s, t in rows]
        total = sum(t for t, _ in named) + sum(n for _, n in named)
        return 2 * sum(t and n for t, n in named) / total if total else 0.0

    tuned = reached(score_based.micro_f1_thresholds(curves))
    assert tuned == pytest.approx(max(reached(cuts) for cuts in product([0.05, 0.2, 0.4, 0.7, 1.0], repeat=len(labels))))
