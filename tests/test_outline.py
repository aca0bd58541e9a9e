"""The log without a language model: its exact text for each prompt, and that the check never faults it."""

import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from audiolog_cli.check.claims import check, table_of
from audiolog_cli.errors import InputError, RecordError
from audiolog_cli.llm.outline import LONGEST_SECTION, outline, sections
from audiolog_cli.llm.recording import PLAIN, Recording, recordings, together
from audiolog_cli.records import Cell, End, Failure, Record, Row, Segment
from audiolog_cli.rows import TableOptions
from tests.log_tables import FARM_EVENTS, FARM_SCENES, cells, rows


def farm() -> Iterator[Record]:
    yield from cells(FARM_SCENES, FARM_EVENTS)
    yield End("farm.wav", 98.0, 100, "everyday", "0.1.0")


def first(records: Iterator[Record], form: str, options: TableOptions = PLAIN) -> str:
    return "\n".join(line for recording in recordings(records, options) for line in outline(recording, form))


def test_timing_tells_scenes_in_order_with_every_sound_and_its_times() -> None:
    assert first(farm(), "timing") == (
        "Log of farm.wav\n"
        "\n"
        "0:00–0:40, farm (40 s)\n"
        "  rooster: 0:05–0:07, 0:12–0:14 and 0:30–0:32 (3 times, 6 s)\n"
        "  dog bark: 0:20–0:25 (5 s)\n"
        "  no event recognised for 29 s in all, at most 0:32–0:40 (8 s) at a time\n"
        "\n"
        "0:40–1:10, city center (30 s)\n"
        "  wind: 0:40–1:05 (25 s)\n"
        "  dog bark: 0:44–0:45, 0:50–0:51, 0:55–0:56, 0:58–0:59 and 1 more until 1:02 (5 times, 5 s)\n"
        "  no event recognised: 1:05–1:10 (5 s)\n"
        "\n"
        "1:10–1:20, not analysed (10 s)\n"
        "\n"
        "1:20–1:35, city center (15 s)\n"
        "  no event recognised\n"
        "\n"
        "In summary: 1 min 25 s of 1 min 38 s analysed: farm for 40 s and city center for 45 s.\n"
        "Heard most: wind (25 s), dog bark (10 s, 6 times) and rooster (6 s, 3 times).\n"
        "Longest sound: wind, 0:40–1:05 (25 s).\n"
        "Recognised with the highest score: wind at 1:04 (0.82).\n"
        "No event recognised for 49 s in all, the longest stretch 1:20–1:35 (15 s).\n"
        "Not analysed: 1:10–1:20 and 1:35–1:38."
    )


def test_overview_tells_each_scene_once_and_how_often_its_sounds_come() -> None:
    assert first(farm(), "overview").split("\n\nIn summary")[0] == (
        "Log of farm.wav\n"
        "\n"
        "Farm (40 s, 47 % of the time)\n"
        "  rooster: 3 times between 0:05 and 0:32, 6 s in all\n"
        "  dog bark: once, 0:20–0:25\n"
        "  no event recognised for 29 s\n"
        "\n"
        "City center (45 s, 53 % of the time, in 2 stretches)\n"
        "  wind: once, 0:40–1:05\n"
        "  dog bark: 5 times between 0:44 and 1:02, 5 s in all\n"
        "  no event recognised for 20 s"
    )


def test_brief_names_no_time() -> None:
    text = first(farm(), "brief")
    assert text == (
        "Log of farm.wav\n"
        "\n"
        "The recording starts in the scene farm, then comes city center.\n"
        "Farm: rooster now and then and dog bark once; in between, no event was recognised.\n"
        "City center: wind much of the time and dog bark now and then; in between, no event was recognised.\n"
        "Not all of the recording was analysed."
    )
    assert not any(character.isdigit() for character in text)


def test_a_short_sound_that_was_dropped_is_not_the_surest_one() -> None:
    """The log named a dog that it does not hold."""
    heard = cells({"farm": [(0, 9)]}, {"dog": [(0, 1)], "bird": [(2, 8)]})
    text = first(heard, "timing", TableOptions(min_duration=3.0))
    assert "bird" in text and "dog" not in text and "Recognised with the highest score: bird" in text
    lone = [Cell("farm.wav", 20.0, 21.0, "event", "bird", 0.99)]  # a bird that is dropped scores higher than the one that stays
    assert "highest score" not in first(
        iter([*cells({"farm": [(0, 9)]}, {"bird": [(2, 8)]}), *lone]), "timing", TableOptions(min_duration=3.0)
    )


def test_brief_says_where_the_scene_is_not_named() -> None:
    """It said "starts in the scene farm, then comes ." of a recording that starts in none."""
    line = first(cells({"": [(0, 70)], "farm": [(70, 80)]}, {}), "brief").splitlines()[2]
    assert line == "The recording starts in a scene that is not named, then comes farm."
    changing = {
        "farm": [(second, second + 1) for second in range(0, 20, 4)],
        "": [(second + 1, second + 4) for second in range(0, 20, 4)],
    }
    line = first(cells(changing, {}), "brief").splitlines()[2]
    assert line == "The recording changes often between scenes; most of it is a scene that is not named and farm."


def test_a_model_without_scenes_gets_a_log_without_scene_names() -> None:
    heard = cells({"": [(0, 4)]}, {"dog_bark": [(1, 2)]})
    assert first(heard, "timing").startswith("Log of farm.wav\n\n0:00–0:04, scene not named (4 s)\n  dog bark: 0:01–0:02 (1 s)")
    assert first(cells({"": [(0, 4)]}, {"dog_bark": [(1, 2)]}), "brief").splitlines()[2] == "The recording has 1 kind of event."


def test_a_sound_all_through_a_section_is_throughout() -> None:
    assert "  wind: throughout" in first(cells({"farm": [(0, 4)]}, {"wind": [(0, 4)]}), "timing")


def test_rows_give_the_same_log_as_their_cells_but_for_scores() -> None:
    from_cells = first(cells(FARM_SCENES, FARM_EVENTS), "timing").splitlines()
    from_rows = first(iter(rows()), "timing").splitlines()
    assert from_rows == [line for line in from_cells if not line.startswith("Recognised with")]


def test_absolute_times_are_given() -> None:
    heard = [Row("a", 0.0, 60.0, "home", ("speech",), "2026-05-01T06:12:43+02:00")]
    assert "0:00–1:00, home (1 min, from 2026-05-01T06:12:43+02:00)" in first(iter(heard), "timing")


def test_an_hour_without_a_change_ends_a_section() -> None:
    heard = [Row("a", float(start), start + 600.0, "home", ("rain",) if start % 1200 else ()) for start in range(0, 7800, 600)]
    spans = [(section.when.onset, section.when.offset) for section in sections(heard)]
    assert spans == [(0.0, 3600.0), (3600.0, 7200.0), (7200.0, 7800.0)]
    assert all(offset - onset <= LONGEST_SECTION for onset, offset in spans)


def test_a_failure_upstream_is_mentioned() -> None:
    broken = [*cells({"farm": [(0, 2)]}, {}), Failure("farm.wav", "farm.wav: ends in the middle of a frame")]
    assert first(iter(broken), "brief").endswith("The analysis broke off: farm.wav: ends in the middle of a frame")


@pytest.mark.parametrize("form", ["overview", "timing", "brief"])
def test_a_table_of_events_alone_is_not_taken_for_all_that_was_analysed(form: str) -> None:
    """As after `grep event`, from cells or from rows: the table does not say whether anything was heard in between."""
    heard = [
        Cell("a.wav", onset, onset + 1.0, "event", label, 0.6) for onset, label in ((1.0, "bird"), (4.0, "bird"), (4.0, "car"))
    ]
    told = (
        "Bird: 2 s, 2 times\nCar: 1 s"
        if form == "brief"
        else "Bird: 2 times between 0:01 and 0:05, 2 s in all\nCar: once, 0:04–0:05"
    )
    expected = (
        f"Log of a.wav\n\n{told}\n\nThe table holds events alone: it says neither what was analysed nor what the scenes were."
    )
    assert first(iter(heard), form) == expected
    assert first(iter([Row("a.wav", 1.0, 2.0, "", ("bird",)), Row("a.wav", 4.0, 5.0, "", ("bird", "car"))]), form) == expected


def test_a_table_of_a_model_without_scenes_tells_of_seconds_without_events() -> None:
    rows = [Row("a.wav", 0.0, 1.0, "", ("bird",)), Row("a.wav", 1.0, 3.0, "", ())]
    assert "No event recognised for 2 s in all" in first(iter(rows), "timing")


def test_a_recording_without_analysed_time_says_so() -> None:
    assert first(iter([End("a.wav", 3.0, 0, "w", "0")]), "timing") == "Log of a.wav\n\nNothing of this recording was analysed."


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([Row("a", 0.0, 2.0, "x", ()), Row("a", 1.0, 3.0, "x", ())], "a: out of order, 1.000 s follows 2.000 s"),
        ([Segment("a", 0.0, 1.0)], "a: expected cells or rows, got segments"),
        ([Row("a", 0.0, 2.0, "x", ()), Cell("a", 2.0, 3.0, "scene", "x", 0.5)], "a: rows and cells in one table"),
        ([Cell("a", 2.0, 3.0, "scene", "x", 0.5), Row("a", 3.0, 4.0, "x", ())], "a: cells and rows in one table"),
    ],
)
def test_what_is_not_a_table_is_refused(records: list[Record], message: str) -> None:
    with pytest.raises(RecordError, match=message):
        first(iter(records), "brief")


def test_recordings_together_follow_their_clocks() -> None:
    late = Row("b.wav", 0.0, 5.0, "street", ("car",), "2026-05-01T06:01:00+02:00")
    early = Row("a.wav", 0.0, 10.0, "home", (), "2026-05-01T06:00:00+02:00")
    whole = together(recordings(iter([late, early])))
    assert whole.filename == "a.wav + b.wav"
    assert [(row.onset, row.offset, row.scene) for row in whole.rows] == [(0.0, 10.0, "home"), (60.0, 65.0, "street")]
    assert whole.duration == 65.0


def test_a_day_of_recordings_together_has_a_short_heading() -> None:
    each = [Row(f"{hour:02d}.wav", 0.0, 60.0, "home", ()) for hour in range(24)]
    assert next(outline(together(recordings(iter(each))), "timing")) == "Log of 00.wav + 22 more + 23.wav"


def test_recordings_of_unknown_length_together_are_reported() -> None:
    """`grep dog cells.tsv`: where the second recording begins is not known."""
    said: list[str] = []
    barks = [Cell("a.wav", 5.0, 6.0, "event", "dog", 0.9), Cell("b.wav", 5.0, 6.0, "event", "dog", 0.9)]
    together(recordings(iter(barks)), said.append)
    assert said == ["times after a.wav may be too early: the table does not say how long it is (no scenes and no end record)"]
    together(recordings(iter([barks[0], End("a.wav", 60.0, 1, "w", "0"), barks[1]])), said.append)
    assert len(said) == 1


def test_recordings_together_over_a_change_of_the_clocks() -> None:
    """01:59:55 and 03:00:00 on the wall clock are five seconds apart."""
    both = [
        Row("a.wav", 0.0, 5.0, "home", (), "2026-03-29T01:59:55+01:00"),
        Row("b.wav", 0.0, 5.0, "street", (), "2026-03-29T03:00:00+02:00"),
    ]
    assert [(row.onset, row.offset) for row in together(recordings(iter(both))).rows] == [(0.0, 5.0), (5.0, 10.0)]


def test_recordings_whose_times_have_a_zone_and_have_none_are_not_put_together() -> None:
    both = [
        Row("a.wav", 0.0, 5.0, "home", (), "2026-03-29T01:59:55+01:00"),
        Row("b.wav", 0.0, 5.0, "street", (), "2026-03-29T03:00:00"),
    ]
    with pytest.raises(
        InputError, match=r"^clock times with and without a zone \(\+00:00\) in one log; tag with --tz, or give them"
    ):
        together(recordings(iter(both)))


def test_recordings_together_without_clocks_come_end_to_end() -> None:
    records = [*cells({"home": [(0, 2)]}, {}, "a.wav"), End("a.wav", 2.5, 2, "w", "0"), *cells({"street": [(0, 1)]}, {}, "b.wav")]
    assert [(row.onset, row.offset) for row in together(recordings(iter(records))).rows] == [(0.0, 2.0), (2.5, 3.5)]


def test_recordings_of_the_same_time_are_not_put_together() -> None:
    both = [
        Row(name, 0.0, 10.0, "home", (), f"2026-05-01T06:00:0{second}+02:00") for second, name in enumerate(("a.wav", "b.wav"))
    ]
    with pytest.raises(InputError, match=r"b\.wav begins before the recording before it has ended"):
        together(recordings(iter(both)))


def test_recordings_that_overlap_by_the_recorders_rounding_follow_one_another() -> None:
    """A recorder that writes 60.02 s every minute: `tag --split-files` takes them for one recording too."""
    both = [
        Row("a.wav", 0.0, 60.02, "home", (), "2026-05-01T06:00:00Z"),
        Row("b.wav", 0.0, 60.02, "home", (), "2026-05-01T06:01:00Z"),
    ]
    assert [(row.onset, row.offset) for row in together(recordings(iter(both))).rows] == [(0.0, 120.02)]


def test_a_day_needs_the_memory_of_a_minute() -> None:
    def peak(hours: float) -> int:
        events = ("dog_bark", "car", "rain")
        stream = (
            Row("day", second, second + 1.0, ("home", "street")[int(second) // 700 % 2], (events[int(second) % 3],))
            for second in map(float, range(int(hours * 3600)))
        )
        tracemalloc.start()
        for _ in outline(Recording("day", stream), "timing"):
            pass
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    peak(0.1)  # imports and caches
    assert peak(6) < peak(1) + 20_000  # bytes


SCENES, EVENTS = ("home", "street", "park", ""), ("dog_bark", "car", "rain", "machine_hum", "children_playing")


@st.composite
def tables(draw: st.DrawFn) -> list[Row]:
    """Rows of whole seconds, with gaps."""
    made, reached = [], 0
    for _ in range(draw(st.integers(1, 12))):
        reached += draw(st.sampled_from([0, 0, 0, 7]))
        length = draw(st.integers(1, 400))
        events = draw(st.sets(st.sampled_from(EVENTS), max_size=3))
        made.append(Row("a", float(reached), float(reached + length), draw(st.sampled_from(SCENES)), tuple(sorted(events))))
        reached += length
    return made


@settings(max_examples=60, deadline=None)
@example([Row("a", 0.0, 1.0, "park", ("car",))], "timing")  # of a recording as short as the tolerance
@example([Row("a", 0.0, 1.0, "home", ()), Row("a", 1.0, 2.0, "", ("dog_bark",))], "timing")  # throughout a single second
@given(tables(), st.sampled_from(["timing", "overview", "brief"]))
def test_the_check_finds_no_fault_with_an_outline(made: list[Row], form: str) -> None:
    (recording,) = recordings(iter(made))
    recording.rows = iter(made)
    report = check("\n".join(outline(recording, form)), table_of(made))
    assert report.wrong == []
    if form == "timing":
        assert report.labels_missing == []


def test_a_recording_in_pieces_is_refused() -> None:
    """As `sort -k2` leaves a table: a log of each piece would call the time of the others not analysed."""
    a, b, later, again = (
        Row("a", 0.0, 1.0, "park", ()),
        Row("b", 0.0, 1.0, "park", ()),
        Row("a", 1.0, 2.0, "park", ()),
        Row("a", 0.0, 1.0, "park", ()),
    )
    with pytest.raises(RecordError, match=r"^a: goes on at 1.000 s after another recording; sort by file and then by onset"):
        first(iter([a, b, later]), "overview")
    with pytest.raises(RecordError, match=r"^a: begins again, 0.000 s follows 0.000 s: it was named twice"):
        first(iter([a, b, again]), "overview")
    failed_first: list[Record] = [Failure("a", "no such file"), b, a]
    assert first(iter(failed_first), "overview").count("Log of a") == 2


def test_a_log_is_headed_by_the_files_own_name() -> None:
    """And by its whole path where an earlier recording has that name."""
    rows = [Row(name, 0.0, 1.0, "park", ()) for name in ("a/x.wav", "b/x.wav", "s3://bucket/y.flac", "-")]
    assert [next(outline(recording, "overview")) for recording in recordings(rows)] == [
        "Log of x.wav",
        "Log of b/x.wav",
        "Log of y.flac",
        "Log of -",
    ]
