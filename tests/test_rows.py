"""Cells to rows: where a row begins and ends, what bridging and dropping do, and the exact text of every format."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiolog_cli.errors import RecordError
from audiolog_cli.records import Cell, End, Failure, Row
from audiolog_cli.rows import (
    TableOptions,
    aligned_lines,
    bridge_gaps,
    csv_lines,
    disjoint,
    drop_short,
    merge,
    occurrences,
    table,
)


def scene(onset: float, label: str = "street", filename: str = "a.wav") -> Cell:
    return Cell(filename, onset, onset + 1, "scene", label, 0.9)


def event(onset: float, label: str, filename: str = "a.wav") -> Cell:
    return Cell(filename, onset, onset + 1, "event", label, 0.8)


def row(onset: float, offset: float, *events: str, scene: str = "street", filename: str = "a.wav") -> Row:
    return Row(filename, onset, offset, scene, events)


def rows(heard: list[Cell], /, **options: float | bool) -> list[Row | End | Failure]:
    return list(table(heard, TableOptions(**options)))  # type: ignore[arg-type]


def test_row_ends_when_events_change() -> None:
    assert rows([scene(0), scene(1), event(1, "dog"), scene(2), event(2, "dog"), scene(3)]) == [
        row(0, 1),
        row(1, 3, "dog"),
        row(3, 4),
    ]


def test_row_ends_when_scene_changes() -> None:
    assert rows([scene(0, "park"), scene(1, "street")]) == [row(0, 1, scene="park"), row(1, 2, scene="street")]


def test_row_ends_where_time_was_not_analysed() -> None:
    assert rows([scene(0), scene(5)]) == [row(0, 1), row(5, 6)]


def test_row_ends_with_the_file() -> None:
    assert rows([scene(0), scene(1, filename="b.wav")]) == [row(0, 1), row(1, 2, filename="b.wav")]


def test_seconds_without_events_keep_their_scene() -> None:
    """The paper's released code writes no row for them and loses their scene."""
    assert rows([scene(0), scene(1)]) == [row(0, 2)]


def test_events_are_in_alphabetical_order_and_listed_once() -> None:
    assert rows([scene(0), event(0, "dog"), event(0, "car"), event(0, "dog")]) == [row(0, 1, "car", "dog")]


def test_one_row_per_cell_on_request() -> None:
    assert rows([scene(0), scene(1)], cells=True) == [row(0, 1), row(1, 2)]


def test_ends_and_failures_pass_through_in_place() -> None:
    end, failure = End("a.wav", 1.0, 1, "w", "v"), Failure("b.wav", "b.wav: empty file")
    assert list(table([scene(0), end, failure, scene(0, filename="c.wav")], TableOptions())) == [
        row(0, 1),
        end,
        failure,
        row(0, 1, filename="c.wav"),
    ]


def test_cells_that_go_back_in_time_are_an_error() -> None:
    with pytest.raises(RecordError, match=r"^a.wav: out of order, 1.000 s follows 2.000 s; sort by file and then by onset"):
        rows([scene(0), scene(2), scene(1)])


@pytest.mark.parametrize("between", [[], [End("a.wav", 2.0, 2, "w", "v")], [scene(0, filename="b.wav")]])
def test_a_recording_that_begins_again_was_named_twice(between: list[Cell | End]) -> None:
    with pytest.raises(
        RecordError, match=r"^a.wav: begins again, 0.000 s follows 1.000 s: it was named twice, or .*; give it once$"
    ):
        list(table([scene(0), scene(1), *between, scene(0), scene(1)], TableOptions()))


def test_recordings_that_take_turns_are_no_mistake() -> None:
    """A table sorted by time, as of two microphones."""
    turns = [scene(0), scene(0, filename="b.wav"), scene(1), scene(1, filename="b.wav")]
    assert rows(turns) == [row(0, 1), row(0, 1, filename="b.wav"), row(1, 2), row(1, 2, filename="b.wav")]


def test_a_label_that_separates_labels_is_refused() -> None:
    with pytest.raises(RecordError, match=r"^label 'dog;cat' contains ';', which separates the events of a row: rename it$"):
        rows([scene(0), event(0, "dog;cat")])


def test_times_are_whole_milliseconds() -> None:
    """0.1 + 0.2 s, as a program that adds floats writes it, is 0.3 s."""
    cells = [Cell("a.wav", 0.0, 0.1 + 0.2, "scene", "park", 0.9), Cell("a.wav", 0.3, 0.6, "scene", "park", 0.9)]
    assert rows(cells) == [row(0.0, 0.6, scene="park")]


def test_a_cell_shorter_than_a_millisecond_belongs_to_the_one_before() -> None:
    cells = [scene(0), Cell("a.wav", 1.0, 1.0003, "scene", "park", 0.9), Cell("a.wav", 1.0, 1.0003, "event", "dog", 0.9)]
    assert rows(cells) == [row(0, 1, "dog")]


def test_overlapping_intervals_are_cut_where_they_begin_and_end() -> None:
    listed = [Cell("a.wav", 0.5, 3.0, "event", "dog", 1.0), Cell("a.wav", 1.0, 2.0, "event", "car", 1.0)]
    assert rows(listed) == [row(0.5, 1, "dog", scene=""), row(1, 2, "car", "dog", scene=""), row(2, 3, "dog", scene="")]


def test_short_pauses_are_bridged_and_longer_ones_not() -> None:
    cells = [scene(i) for i in range(7)] + [event(i, "dog") for i in (0, 2, 6)]
    cells.sort(key=lambda cell: cell.onset)
    assert rows(cells, max_gap=1.0) == [row(0, 3, "dog"), row(3, 6), row(6, 7, "dog")]


def test_pauses_are_never_bridged_across_what_was_not_analysed() -> None:
    assert list(bridge_gaps([row(0, 1, "dog"), row(2, 3, "dog")], max_gap=5.0)) == [row(0, 1, "dog"), row(2, 3, "dog")]


def test_short_events_are_dropped_and_their_seconds_stay() -> None:
    cells = [scene(i) for i in range(4)] + [event(0, "dog"), event(1, "car"), event(2, "car")]
    cells.sort(key=lambda cell: cell.onset)
    assert rows(cells, min_duration=2.0) == [row(0, 1), row(1, 3, "car"), row(3, 4)]


def test_bridging_comes_before_dropping() -> None:
    cells = sorted([scene(i) for i in range(3)] + [event(0, "dog"), event(2, "dog")], key=lambda cell: cell.onset)
    assert rows(cells, max_gap=1.0, min_duration=3.0) == [row(0, 3, "dog")]


def tenths(*bounds: tuple[float, float]) -> list[Row]:
    """Rows of 0.1 s from 0 to 2 s; a dog in those [onset, offset) seconds."""
    return [row(i / 10, (i + 1) / 10, *["dog"] * any(onset <= i / 10 < offset for onset, offset in bounds)) for i in range(20)]


def dogs(rows: Iterable[Row]) -> list[tuple[float, float]]:
    return [(row.onset, row.offset) for row in merge(rows) if row.events]


def test_a_pause_as_long_as_the_greatest_gap_is_bridged() -> None:
    """In floating point 0.9 - 0.7 is more than 0.2."""
    assert dogs(bridge_gaps(tenths((0.5, 0.7), (0.9, 1.0)), 0.2)) == [(0.5, 1.0)]


def test_an_event_as_long_as_the_least_duration_stays_as_a_whole() -> None:
    """In floating point 1.4 - 1.1 is less than 0.3."""
    assert dogs(drop_short(tenths((1.1, 1.4), (1.6, 1.8)), 0.3)) == [(1.1, 1.4)]


def test_a_short_event_after_time_that_was_not_analysed_does_not_go_on_with_a_long_one_before_it() -> None:
    """A row as long as the least duration is let go at once: nothing was held when the gap came."""
    assert dogs(drop_short([row(0, 1, "dog"), row(2, 2.1, "dog"), row(2.1, 3)], 0.5)) == [(0, 1)]
    assert dogs(drop_short([row(0, 1, "dog"), Row("b", 0, 0.1, "", ("dog",)), Row("b", 0.1, 1, "", ())], 0.5)) == [(0, 1)]


grids = st.lists(st.sets(st.sampled_from(["car", "dog", "siren"])), min_size=1, max_size=30)
steps = st.sampled_from([1, 10, 100, 1000])  # milliseconds of a cell
starts = st.integers(0, 86_400_000)  # milliseconds


def grid_rows(grid: list[set[str]], step: int, start: int) -> list[Row]:
    return [row((start + i * step) / 1000, (start + (i + 1) * step) / 1000, *sorted(events)) for i, events in enumerate(grid)]


def runs(grid: list[set[str]], label: str) -> list[tuple[int, int]]:
    """[onset, offset) of every run of a label, found the plain way."""
    active = [False, *(label in events for events in grid), False]
    edges = [i for i in range(len(active) - 1) if active[i] != active[i + 1]]
    return list(zip(edges[::2], edges[1::2], strict=True))


@given(grids, steps, starts, st.integers(1, 5))
def test_bridging_fills_exactly_the_short_pauses(grid: list[set[str]], step: int, start: int, max_gap: int) -> None:
    bridged = [set(row.events) for row in bridge_gaps(grid_rows(grid, step, start), max_gap * step / 1000)]
    for label in ("car", "dog", "siren"):
        expected: list[tuple[int, int]] = []
        for onset, offset in runs(grid, label):
            if expected and onset - expected[-1][1] <= max_gap:
                expected[-1] = (expected[-1][0], offset)
            else:
                expected.append((onset, offset))
        assert runs(bridged, label) == expected


@given(grids, steps, starts, st.integers(1, 5))
def test_dropping_removes_exactly_the_short_runs(grid: list[set[str]], step: int, start: int, min_duration: int) -> None:
    kept = [set(row.events) for row in drop_short(grid_rows(grid, step, start), min_duration * step / 1000)]
    for label in ("car", "dog", "siren"):
        assert runs(kept, label) == [run for run in runs(grid, label) if run[1] - run[0] >= min_duration]


intervals = st.tuples(st.integers(0, 20), st.integers(0, 8), st.sampled_from(["car", "dog", "siren"]))


@given(st.lists(intervals, max_size=12))
def test_cut_rows_say_at_every_moment_what_the_intervals_say(listed: list[tuple[int, int, str]]) -> None:
    overlapping = [row(onset, onset + length, label) for onset, length, label in sorted(listed)]
    cut = list(disjoint(overlapping))
    for moment in range(30):
        sounding = {label for onset, length, label in listed if onset <= moment < onset + length}
        assert [set(row.events) for row in cut if row.onset <= moment < row.offset] == ([sounding] if sounding else [])


def test_cut_rows_keep_their_clock_times() -> None:
    ten = "2026-01-01T10:00:0"
    overlapping = [
        Row("a", 0.0, 2.5, "park", (), f"{ten}0.000+01:00"),
        Row("a", 0.0, 4.5, "", ("bird",), f"{ten}0.000+01:00"),
        Row("a", 2.5, 8.0, "street", (), f"{ten}2.500+01:00"),
    ]
    assert [(row.onset, row.time) for row in disjoint(overlapping)] == [
        (0.0, f"{ten}0.000+01:00"),
        (2.5, f"{ten}2.500+01:00"),
        (4.5, f"{ten}4.500+01:00"),
    ]


TWO_ROWS = [row(0, 1.5, "bird"), row(1.5, 3, scene="park|lot")]


def test_csv_quotes_what_needs_it() -> None:
    assert list(csv_lines([row(0, 1, "car, passing")], with_time=False)) == [
        "filename,onset,offset,scene,events\n",
        'a.wav,0.000,1.000,street,"car, passing"\n',
    ]


def test_github_table_is_the_papers_and_escapes_bars() -> None:
    assert "".join(aligned_lines(TWO_ROWS, "github", with_time=False)) == (
        "|   Start |   End | Scene     | Event   |\n"
        "|---------|-------|-----------|---------|\n"
        "|   0.000 | 1.500 | street    | bird    |\n"
        "|   1.500 | 3.000 | park\\|lot |         |\n"
    )


def test_aligned_table_of_several_files_names_them() -> None:
    text = "".join(aligned_lines([row(0, 1), row(0, 1, filename="b.wav")], "plain", with_time=False))
    assert text == "File      Start    End  Scene    Event\na.wav     0.000  1.000  street\nb.wav     0.000  1.000  street\n"


def test_html_escapes_labels() -> None:
    assert "&lt;b&gt;" in "".join(aligned_lines([row(0, 1, "<b>")], "html", with_time=False))


def test_occurrences_end_where_time_was_not_analysed() -> None:
    assert [(cell.onset, cell.offset) for cell in occurrences([row(0, 1, "dog", scene=""), row(2, 3, "dog", scene="")])] == [
        (0, 1),
        (2, 3),
    ]
