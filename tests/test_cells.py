"""Frames to cells: where each frame counts, how overlapping windows combine, and that nothing past the end is written."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiolog_cli.cells import CellScores, Labels, Rule, WindowScores, cell_scores, cells, frames_in, smoothed
from audiolog_cli.records import Cell

RATE = 32_000


def window(
    start: float,
    frames: list[float],
    seconds: float = 10.0,
    valid: float | None = None,
    settled: float | None = None,
    scene: float = 1.0,
) -> WindowScores:
    """A window of one event; times in seconds."""
    n_samples = round((seconds if valid is None else valid) * RATE)
    return WindowScores(
        round(start * RATE),
        n_samples,
        round(seconds * RATE),
        round((start if settled is None else settled) * RATE),
        np.array([scene, 1 - scene], np.float32),
        np.array(frames, np.float32)[:, np.newaxis],
    )


def scored(windows: list[WindowScores], cell: float = 1.0, rule: Rule = "max") -> list[tuple[float, float, float]]:
    return [(c.onset, c.offset, round(float(c.events[0]), 4)) for c in cell_scores(windows, cell, rule, RATE)]


def test_ten_frames_of_ten_seconds_are_ten_cells() -> None:
    frames = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
    assert scored([window(0, frames)]) == [(i, i + 1, pytest.approx(frames[i])) for i in range(10)]


def test_max_takes_the_frames_whose_centre_lies_in_the_cell() -> None:
    """4 frames of 2.5 s, centres at 1.25, 3.75, 6.25, 8.75 s; a cell without a centre takes the frame around its middle."""
    assert scored([window(0, [0.1, 0.2, 0.3, 0.4])], cell=2.0) == [
        (0, 2, 0.1),
        (2, 4, 0.2),
        (4, 6, 0.3),
        (6, 8, 0.3),
        (8, 10, 0.4),
    ]


def test_mean_weights_frames_by_the_time_they_cover() -> None:
    """Cell [2, 4) lies 0.5 s in frame 0 and 1.5 s in frame 1: (0.5 * 0.1 + 1.5 * 0.2) / 2 = 0.175."""
    assert scored([window(0, [0.1, 0.2, 0.3, 0.4])], cell=2.0, rule="mean")[1] == (2, 4, 0.175)


def test_256_frames_end_after_ten_seconds_not_after_10_24() -> None:
    """The released code reads 39.06-ms frames as 40 ms: its second 9 is heard at 8.8 s."""
    frames = [0.0] * 256
    frames[round(9.3 / 10 * 256)] = 1.0
    assert [onset for onset, _, score in scored([window(0, frames)]) if score] == [9.0]


def test_the_tail_is_kept_and_nothing_past_the_end_is_written() -> None:
    """12.4 s: a full window and 2.4 s of the next, whose later frames heard only padding."""
    heard = scored([window(0, [0.1] * 10), window(10, [0.2, 0.3, 0.4] + [0.9] * 7, valid=2.4)])
    assert heard[10:] == [(10, 11, 0.2), (11, 12, 0.3), (12, 12.4, 0.4)]


def test_overlapping_windows_are_averaged_and_count_most_in_their_middle() -> None:
    """The first window counts 0.9, 0.7, 0.5, 0.3 and 0.1 in the cells that it shares with the second, which counts the rest."""
    windows = [window(0, [0.2] * 10), window(5, [0.4] * 10), window(10, [0.6] * 10)]
    shared = [0.22, 0.26, 0.3, 0.34, 0.38]
    expected = [0.2] * 5 + shared + [score + 0.2 for score in shared] + [0.6] * 5
    assert [score for _, _, score in scored(windows)] == pytest.approx(expected)


def test_a_window_that_covers_part_of_a_cell_counts_less() -> None:
    """Cell [6, 7): 1 s, 0.7 from an end to the middle, of a window that says 0.2; 0.75 s, 0.075 from it, of one that says 0.4."""
    heard = scored([window(0, [0.2] * 10), window(6.25, [0.4] * 10)])
    assert heard[6] == (6, 7, pytest.approx((0.7 * 0.2 + 0.75 * 0.075 * 0.4) / (0.7 + 0.75 * 0.075), abs=1e-3))


@pytest.mark.parametrize(("rule", "score"), [("max", 0.6), ("mean", 0.4)])
def test_a_cell_across_windows_side_by_side_joins_them(rule: Rule, score: float) -> None:
    """Cell [9, 12) of windows that meet at 10 s: 1 s at 0.0 and 2 s at 0.6."""
    heard = scored([window(0, [0.0] * 10), window(10, [0.6] * 10)], cell=3.0, rule=rule)
    assert heard[3] == (9, 12, score)


def test_stretches_that_no_window_covered_have_no_cell_and_clip_theirs() -> None:
    assert scored([window(3.5, [0.5] * 10, valid=2.0), window(20, [0.5] * 10, valid=1.0)]) == [
        (3.5, 4, 0.5),
        (4, 5, 0.5),
        (5, 5.5, 0.5),
        (20, 21, 0.5),
    ]


def test_a_cell_does_not_bridge_time_that_no_window_covered() -> None:
    """Stretches of 2 s left by `segment --skip-quiet`, and cells of a minute."""
    assert scored(
        [window(4, [0.5] * 10, valid=2.0), window(8, [0.7] * 10, valid=2.0), window(10, [0.6] * 10, valid=2.0)], 60
    ) == [
        (4, 6, 0.5),
        (8, 12, 0.7),
    ]


def test_a_cell_is_out_as_soon_as_no_later_window_can_change_it() -> None:
    heard: list[str] = []

    def live() -> object:
        for start in (0, 10):
            heard.append(f"window {start}")
            yield window(start, [0.5] * 10, settled=start + 10)

    for cell in cell_scores(live(), 1.0, "max", RATE):  # type: ignore[arg-type]
        heard.append(f"cell {cell.onset:g}")
    assert heard == ["window 0", *[f"cell {i}" for i in range(10)], "window 10", *[f"cell {i}" for i in range(10, 20)]]


def test_scenes_count_by_the_time_their_window_covers() -> None:
    """Cell [9, 12): 1 s of a window that says 0.9, 2 s of one that says 0.3."""
    found = list(cell_scores([window(0, [0] * 10, scene=0.9), window(10, [0] * 10, scene=0.3)], 3.0, "max", RATE))[3]
    assert found.scene.tolist() == pytest.approx([0.5, 0.5])


@given(st.lists(st.floats(0, 1, width=32), min_size=32, max_size=32), st.integers(0, 99), st.integers(1, 100))
def test_mean_over_parts_adds_up_to_the_mean_over_the_whole(frames: list[float], first: int, length: int) -> None:
    """A cell's mean is an exact integral, so cutting the cell changes nothing (tenths of seconds)."""
    last = min(100, first + length)
    parts = [float(frames_in(window(0, frames), i * 3200, (i + 1) * 3200, "mean")[0]) for i in range(first, last)]
    whole = float(frames_in(window(0, frames), first * 3200, last * 3200, "mean")[0])
    assert np.mean(parts) == pytest.approx(whole, abs=1e-5)


@given(st.integers(1, 400), st.sampled_from([0.2, 0.5, 1.0, 2.5, 7.0]), st.sampled_from([2.0, 5.0, 10.0]))
def test_cells_cover_the_recording_once_from_start_to_end(n_tenths: int, cell: float, hop: float) -> None:
    duration = n_tenths / 10
    starts = [0.0]
    while starts[-1] + 10 < duration:
        starts.append(starts[-1] + hop)
    windows = [window(start, [0.5] * 32, valid=min(10.0, duration - start), settled=start + hop) for start in starts]
    heard = scored(windows, cell)
    assert heard[0][0] == 0 and heard[-1][1] == pytest.approx(duration)
    assert all(before[1] == after[0] for before, after in zip(heard, heard[1:], strict=False))
    assert {score for *_, score in heard} == {0.5}


def score(onset: float, value: float) -> CellScores:
    return CellScores(onset, onset + 1, np.array([1.0], np.float32), np.array([value], np.float32))


def test_smoothing_weighs_a_neighbour_by_how_near_it_is() -> None:
    cells = [score(i, value) for i, value in enumerate([0.0, 0.9, 0.3, 0.0])]
    of_4_seconds = [float(cell.events[0]) for cell in smoothed(cells, 4.0, 0.0)]  # 1 for the cell, 1/2 for its neighbours
    assert of_4_seconds == pytest.approx([0.45 / 1.5, 1.05 / 2, 0.75 / 2, 0.15 / 1.5])
    of_5_seconds = [float(cell.events[0]) for cell in smoothed(cells, 5.0, 0.0)]  # 1, 0.6, 0.2
    assert of_5_seconds == pytest.approx([0.6 / 1.8, 1.08 / 2.4, 0.84 / 2.4, 0.36 / 1.8])
    assert [float(cell.events[0]) for cell in smoothed(cells, 2.0, 0.0)] == pytest.approx([0.0, 0.9, 0.3, 0.0])


@pytest.mark.parametrize("seconds", [0.5, 3.0, 31.0])
def test_smoothing_keeps_what_is_the_same_everywhere(seconds: float) -> None:
    cells = [score(i, 0.25) for i in range(40)]
    assert [float(cell.events[0]) for cell in smoothed(cells, seconds, 0.0)] == pytest.approx([0.25] * 40)


def test_scenes_and_events_are_averaged_over_times_of_their_own() -> None:
    scenes = [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0]]
    heard = [CellScores(i, i + 1, np.array(s, np.float32), np.array([i / 4], np.float32)) for i, s in enumerate(scenes)]
    found = list(smoothed(heard, 1.0, 4.0))
    assert [float(cell.events[0]) for cell in found] == [0.0, 0.25, 0.5, 0.75]
    assert [float(cell.scene[0]) for cell in found] == pytest.approx([2 / 3, 1 / 2, 3 / 4, 1.0])


def test_smoothing_stops_where_time_was_not_analysed() -> None:
    found = [float(s.events[0]) for s in smoothed([score(0, 0.0), score(1, 0.6), score(5, 0.9)], 4.0, 0.0)]
    assert found == pytest.approx([0.2, 0.4, 0.9])


def test_scene_first_then_every_event_from_its_threshold_on() -> None:
    labels = Labels(("home", "street"), ("car", "dog", "siren"), np.array([0.5, 0.5, 0.2], np.float32))
    heard = CellScores(0.0, 1.0, np.array([0.25, 0.75], np.float32), np.array([0.5, 0.25, 0.25], np.float32))
    assert list(cells([heard], "a.wav", labels)) == [
        Cell("a.wav", 0.0, 1.0, "scene", "street", 0.75),
        Cell("a.wav", 0.0, 1.0, "event", "car", 0.5),
        Cell("a.wav", 0.0, 1.0, "event", "siren", 0.25),
    ]


def test_a_place_is_named_only_as_precisely_as_it_is_known() -> None:
    groups = {"outdoors": ("forest", "park", "street"), "nature": ("forest", "park")}
    labels = Labels(("forest", "park", "street", "office"), (), np.zeros(0, np.float32), groups, scene_bar=0.8, group_bar=0.85)
    heard = ((0.1, 0.85, 0.05, 0.0), (0.45, 0.4, 0.1, 0.05), (0.4, 0.1, 0.4, 0.1), (0.25, 0.25, 0.25, 0.25))
    scores = [CellScores(i, i + 1.0, np.array(scene, np.float32), np.zeros(0, np.float32)) for i, scene in enumerate(heard)]
    named = [(cell.label, round(cell.score, 3)) for cell in cells(scores, "a.wav", labels)]
    assert named == [("park", 0.85), ("nature", 0.85), ("outdoors", 0.9), ("", 0.0)]


def test_it_is_the_score_as_written_that_reaches_a_threshold() -> None:
    """0.34951 is written 0.350, so it reaches 0.35; 0.34949 is written 0.349, and does not. The same of places."""
    labels = Labels(("home",), ("car", "dog"), np.array([0.35, 0.35], np.float32), scene_bar=0.9)
    scores = [(0.89951, 0.34951), (0.89949, 0.34949)]
    heard = [CellScores(0.0, 1.0, np.array([scene], np.float32), np.array([event, 0.0], np.float32)) for scene, event in scores]
    assert [record[3:6] for record in cells(heard, "a.wav", labels)] == [
        ("scene", "home", 0.9),
        ("event", "car", 0.35),
        ("scene", "", 0.0),
    ]


def test_a_model_without_scenes_still_says_that_the_second_was_analysed() -> None:
    labels = Labels((), ("dog",), np.array([0.5], np.float32))
    heard = CellScores(0.0, 1.0, np.zeros(0, np.float32), np.array([0.1], np.float32))
    assert list(cells([heard], "a.wav", labels)) == [Cell("a.wav", 0.0, 1.0, "scene", "", 0.0)]


def test_a_remainder_under_a_millisecond_is_not_a_cell() -> None:
    """10 s and 5 samples (0.16 ms): the last cell would print as 10.000 to 10.000."""
    heard = scored([window(0, [0.1] * 10), window(10, [0.9] * 10, valid=5 / RATE)])
    assert heard[-1] == (9, 10, 0.1)


def test_a_recording_under_a_millisecond_has_one_cell_of_one() -> None:
    scores = cell_scores([window(0, [0.1] * 10, valid=5 / RATE)], 1.0, "max", RATE)
    found = list(cells(scores, "a.wav", Labels(["park", "street"], ["dog"], np.array([0.5], np.float32))))
    assert found == [Cell("a.wav", 0.0, 0.001, "scene", "park", 1.0)]
