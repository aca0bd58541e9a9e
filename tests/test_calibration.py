"""Calibration: scores that are probabilities, thresholds for a precision, and how often a place is named correctly."""

import sys
from pathlib import Path

import numpy as np
import pytest

from audiolog_cli.cells import Labels
from audiolog_cli.training.validation import Scores, micro_f1

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "experiments"))

import calibration

RNG = np.random.default_rng(0)


def drawn(slope: float, shift: float, n: int = 20_000) -> Scores:
    """Two events whose scores are too high or too low: they are true with the logit slope * x + shift."""
    x = RNG.normal(-1.0, 2.0, (n, 2))
    true = RNG.random((n, 2)) < 1 / (1 + np.exp(-(slope * x + shift)))
    events = (1 / (1 + np.exp(-x))).astype(np.float32)
    return Scores(events, true, np.ones_like(true), np.zeros((n, 1), np.float32), np.full(n, -1))


def test_slopes_and_shifts_are_found_and_keep_promises() -> None:
    scores = drawn(0.6, -0.8)
    slopes, shifts = calibration.slopes_and_shifts(scores)
    assert slopes == pytest.approx([0.6, 0.6], abs=0.05) and shifts == pytest.approx([-0.8, -0.8], abs=0.08)
    after = calibration.calibrated(scores, slopes, shifts)
    errors = [
        calibration.calibration_error(calibration.bins(one.events.ravel(), one.reference.ravel())) for one in (scores, after)
    ]
    assert errors[0] > 0.1 and errors[1] < 0.02


def test_an_event_without_a_second_of_reference_takes_the_calibration_of_all() -> None:
    scores = drawn(1.5, 0.5)
    scores.reference[:, 1] = False
    scores.counted[:, 1] = False
    slopes, shifts = calibration.slopes_and_shifts(scores)
    assert (slopes[1], shifts[1]) == (pytest.approx(slopes[0], abs=0.05), pytest.approx(shifts[0], abs=0.05))


def test_the_temperature_that_was_taken_away_is_found() -> None:
    logits = RNG.normal(0, 1.5, (5000, 4))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    true = np.array([RNG.choice(4, p=row) for row in p])
    assert calibration.best_temperature(calibration.tempered(p, 0.5), true, lambda scenes: scenes) == pytest.approx(2.0, abs=0.16)


def test_the_threshold_of_a_precision_finds_less_and_is_right_more_often() -> None:
    scores = drawn(1.0, 0.0)
    usual, sure = calibration.one_threshold(scores), calibration.one_threshold(scores, 0.9)
    assert 0.9 <= scores.reference[scores.events >= sure].mean() < 0.92
    assert usual < sure and micro_f1(scores, [sure, sure]) < micro_f1(scores, [usual, usual])
    assert micro_f1(scores, [usual, usual]) >= micro_f1(scores, [0.5, 0.5])


def test_named_shares_count_groups_that_hold_the_scene_as_right() -> None:
    labels = Labels(("park", "forest", "office"), (), np.zeros(0, np.float32), {"nature": ("park", "forest")}, 0.7, 0.8)
    scenes = np.array([[0.8, 0.1, 0.1], [0.5, 0.4, 0.1], [0.4, 0.5, 0.1], [0.4, 0.2, 0.4]], np.float32)
    nothing = np.zeros((4, 0))
    scores = Scores(nothing.astype(np.float32), nothing > 0, nothing > 0, scenes, np.array([0, 1, 2, 0]))
    assert calibration.named_shares(scores, ("park", "forest", "office"), labels) == {
        "named": 0.75,
        "named by a scene": 0.25,
        "right of the named": pytest.approx(2 / 3),
        "right of those named by a scene": 1.0,
    }


def test_a_reliability_diagram_is_an_svg_with_a_point_for_each_range() -> None:
    drawing = calibration.reliability({"scenes": [(0.25, 0.5, 0.5), (0.75, 0.5, 0.5)]})
    assert drawing.startswith("<svg ") and drawing.endswith("</svg>\n")
    assert drawing.count("<circle") == 2 and "scenes, error 0.250" in drawing
