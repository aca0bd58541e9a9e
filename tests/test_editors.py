"""Files of annotation editors and players: what `table` writes for them, and what is read of theirs."""

from collections import deque
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiolog_cli.editors import Noted, raven_lines, read_raven, recording_of
from audiolog_cli.errors import RecordError
from audiolog_cli.reading import read_records
from audiolog_cli.records import Cell, Remark
from tests.audio_files import noise, write_wav
from tests.shell import audiolog

HEADER = "filename\tonset\toffset\tkind\tlabel\tscore\n"
DOG = HEADER + (
    "a.wav\t0\t1\tscene\tpark\t0.9\na.wav\t0\t1\tevent\tdog\t0.6\n"
    "a.wav\t1\t2\tscene\tpark\t0.8\na.wav\t1\t2\tevent\tdog\t0.7\n"
    "a.wav\t2\t2.5\tscene\tstreet\t0.5\n"
)
TWO = DOG + DOG.removeprefix(HEADER).replace("a.wav", "day/b.wav")


def table(text: str, format: str, folder: Path, options: str = "") -> str:
    result = audiolog(f"table --format {format} {options}", folder, text.encode())
    assert (result.code, result.stderr) == (0, "")
    return result.stdout


def test_audacity_labels_one_line_per_occurrence(tmp_path: Path) -> None:
    assert table(DOG, "audacity", tmp_path) == "0.000000\t2.000000\tdog\n0.000000\t2.000000\tpark\n2.000000\t2.500000\tstreet\n"


@pytest.mark.parametrize(("format", "what"), [("audacity", "Audacity labels"), ("srt", "subtitles"), ("vtt", "subtitles")])
def test_labels_and_subtitles_are_of_one_recording(format: str, what: str, tmp_path: Path) -> None:
    result = audiolog(f"table --format {format}", tmp_path, TWO.encode())
    assert result.code == 1
    assert result.stderr == f"audiolog: {what} are of one recording, the table has a.wav and day/b.wav; write one file each\n"


RAVEN = (
    "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tBegin File\tBegin Path\tFile Offset "
    "(s)\t"
    "Annotation\tScore\tKind\n"
)


def test_raven_counts_from_the_start_of_the_sequence(tmp_path: Path) -> None:
    """The second recording begins at 2.5 s; a score is the highest of the cells."""
    assert table(TWO, "raven", tmp_path) == RAVEN + (
        "1\tSpectrogram 1\t1\t0.000000\t2.000000\t0.0\t16000.0\ta.wav\ta.wav\t0.000000\tdog\t0.700\tevent\n"
        "2\tSpectrogram 1\t1\t0.000000\t2.000000\t0.0\t16000.0\ta.wav\ta.wav\t0.000000\tpark\t0.900\tscene\n"
        "3\tSpectrogram 1\t1\t2.000000\t2.500000\t0.0\t16000.0\ta.wav\ta.wav\t2.000000\tstreet\t0.500\tscene\n"
        "4\tSpectrogram 1\t1\t2.500000\t4.500000\t0.0\t16000.0\tb.wav\tday/b.wav\t0.000000\tdog\t0.700\tevent\n"
        "5\tSpectrogram 1\t1\t2.500000\t4.500000\t0.0\t16000.0\tb.wav\tday/b.wav\t0.000000\tpark\t0.900\tscene\n"
        "6\tSpectrogram 1\t1\t4.500000\t5.000000\t0.0\t16000.0\tb.wav\tday/b.wav\t2.000000\tstreet\t0.500\tscene\n"
    )


def test_raven_takes_the_length_of_a_recording_from_its_end(tmp_path: Path) -> None:
    """Of `a.wav` the first second alone was analysed; its end record says 60 s. In `b.wav` nothing is heard."""
    lines = (
        '{"filename":"a.wav","onset":0.0,"offset":1.0,"kind":"scene","label":"","score":0.0}\n'
        '{"kind":"end","filename":"a.wav","duration":60.0,"cells":1,"weights":"w","version":"0"}\n'
        '{"kind":"end","filename":"b.wav","duration":30.5,"cells":0,"weights":"w","version":"0"}\n'
        '{"filename":"c.wav","onset":3.0,"offset":4.0,"kind":"event","label":"dog","score":0.9}\n'
        '{"kind":"end","filename":"c.wav","duration":9.0,"cells":1,"weights":"w","version":"0"}\n'
    )
    selection = table(lines, "raven", tmp_path).splitlines()[2].split("\t")
    assert selection[3:5] + selection[8:10] == ["93.500000", "94.500000", "c.wav", "3.000000"]


def test_raven_says_where_lengths_are_not_known(tmp_path: Path) -> None:
    """As after `grep event`: where `a.wav` ends is not in the table."""
    events = HEADER + "a.wav\t1\t2\tevent\tdog\t0.9\nb.wav\t3\t4\tevent\tdog\t0.9\n"
    result = audiolog("table --format raven", tmp_path, events.encode())
    assert result.stdout.splitlines()[2].split("\t")[9] == "3.000000"
    assert result.stderr == (
        "audiolog: Begin Time (s) may be too early from the second recording on: the table does not say how long a.wav is (it "
        "has no "
        "scenes and no end record); File Offset (s) is right\n"
    )


def test_a_list_that_names_recordings_without_events_does_not_measure_them(tmp_path: Path) -> None:
    listed = b"filename\tonset\toffset\tevent_label\na.wav\t\t\t\nb.wav\t3\t4\tdog\n"
    assert "the table does not say how long a.wav is" in audiolog("table --format raven", tmp_path, listed).stderr


def test_scores_of_events_that_are_bridged_or_dropped(tmp_path: Path) -> None:
    cells = [(0, "dog", 0.5), (2, "dog", 0.8), (5, "dog", 0.9), (6, "dog", 0.7), (7, "dog", 0.6)]
    scenes = [f"a.wav\t{i}\t{i + 1}\tscene\t\t0\n" for i in range(9)]
    events = [f"a.wav\t{i}\t{i + 1}\tevent\t{label}\t{score}\n" for i, label, score in cells]
    text = HEADER + "".join(sorted(scenes + events))
    lines = [line.split("\t") for line in table(text, "raven", tmp_path, "--max-gap 1 --min-duration 3").splitlines()[1:]]
    assert [(line[3], line[4], line[10], line[11]) for line in lines] == [
        ("0.000000", "3.000000", "dog", "0.800"),
        ("5.000000", "8.000000", "dog", "0.900"),
        ("0.000000", "9.000000", "scene not named", "0.000"),
    ]


occurrences = st.builds(
    lambda name, onset, length, kind, label: Cell(name, onset / 1000, (onset + length) / 1000, kind, label, 0.5),
    st.sampled_from(["a.wav", "day/b.wav"]),
    st.integers(0, 10**8),
    st.integers(1, 10**6),
    st.sampled_from(["scene", "event"]),
    st.sampled_from(["dog", "car, passing by", "Vögel"]),
)


@given(st.lists(occurrences, min_size=1))
def test_every_occurrence_comes_back_from_raven(cells: list[Cell]) -> None:
    """Whatever the sequence: where in its own recording a selection lies, and what it is."""
    cells.sort(key=lambda cell: (cell.filename, cell.onset))
    noted = Noted(starts={"a.wav": 0.0, "day/b.wav": 101_000.0})
    for cell in cells:
        noted.scores.setdefault((cell.filename, cell.kind, cell.label), deque()).append((cell.onset, cell.score))
    read = list(read_records(raven_lines(cells, noted), "x.txt"))
    assert [cell._replace(score=0.0) for cell in read if isinstance(cell, Cell)] == [cell._replace(score=0.0) for cell in cells]


def test_a_log_of_a_corrected_raven_table_knows_what_was_analysed(tmp_path: Path) -> None:
    """A dog is taken for a cat in a recording whose scene is not named: nothing else about its log changes."""
    cells = HEADER + "".join(
        f"a.wav\t{i}\t{i + 1}\tscene\t\t0\n" + f"a.wav\t{i}\t{i + 1}\tevent\tcat\t0.6\n" * (i == 2) for i in range(5)
    )
    raven = table(cells, "raven", tmp_path)
    (tmp_path / "a.txt").write_text(raven.replace("\tcat\t", "\tdog\t"))
    log = audiolog("summarize a.txt --prompt timing -q", tmp_path).stdout
    assert log == audiolog("summarize --prompt timing -q", tmp_path, cells.replace("cat", "dog").encode()).stdout
    assert "not analysed" not in log and "dog: 0:02–0:03 (1 s)" in log


def test_what_is_written_for_raven_is_read_back() -> None:
    lines = [RAVEN, "1\tSpectrogram 1\t1\t62.5\t63.5\t0.0\t16000.0\tb.wav\tday/b.wav\t2.5\tpark\t0.900\tscene\n"]
    assert list(read_records(lines, "x.txt")) == [Cell("day/b.wav", 2.5, 3.5, "scene", "park", 0.9)]


SELECTIONS = [
    "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tSpecies\n",
    "2\tSpectrogram 1\t1\t4.25\t5.5\t1000\t8000\tParus major\n",
    "1\tWaveform 1\t1\t1.0\t2.0\t0\t0\tTurdus merula\n",
    "1\tSpectrogram 1\t1\t1.0\t2.0\t1000\t8000\tTurdus merula\n",
]


def test_selections_in_two_views_count_once_and_come_in_order() -> None:
    """The table is named as Raven names it: `rec.Table.1.selections.txt` belongs to `rec`."""
    assert list(read_records(SELECTIONS, "rec.Table.1.selections.txt")) == [
        Cell("rec", 1.0, 2.0, "event", "Turdus merula", 1.0),
        Cell("rec", 4.25, 5.5, "event", "Parus major", 1.0),
    ]


def test_selections_of_birdnet() -> None:
    header = "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tCommon Name\tConfidence\tBegin Path\tFile Offset (s)\n"
    line = "1\tSpectrogram 1\t1\t603.0\t606.0\tGreat Tit\t0.81\tC:\\field\\b.wav\t3.0\n"
    assert list(read_records([header, line], "x.txt")) == [Cell("C:/field/b.wav", 3.0, 6.0, "event", "Great Tit", 0.81)]


def test_selections_in_several_recordings_need_their_offsets() -> None:
    header = "Selection\tBegin Time (s)\tEnd Time (s)\tBegin File\tAnnotation\n"
    with pytest.raises(
        RecordError, match=r"^x.txt: selections in 2 recordings and no column File Offset \(s\), which says where"
    ):
        list(read_records([header, "1\t0\t1\ta.wav\tdog\n", "2\t70\t71\tb.wav\tdog\n"], "x.txt"))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1\t0\t1\t\n", "x.txt:2: expected a label, got none; name it in the editor, or delete it"),
        ("1\t2\t1\tdog\n", "x.txt:2: expected 0 <= onset <= offset in seconds, got onset '2', offset '1'"),
        ("1\tx\t1\tdog\n", "x.txt:2: expected a number as onset, got 'x'"),
        ("1\t0\t1\n", "x.txt:2: expected 4 columns, got 3"),
    ],
)
def test_a_broken_selection_is_named(line: str, message: str) -> None:
    header = "Selection\tBegin Time (s)\tEnd Time (s)\tAnnotation\n"
    with pytest.raises(RecordError) as caught:
        list(read_raven(iter(enumerate([header, line], 1)), "x.txt"))
    assert str(caught.value) == message


def test_audacity_labels_belong_to_the_recording_that_the_file_is_named_after() -> None:
    track = ["3,5\t4,0\tcar\n", "\\\t1000.0\t4000.0\n", "0.500000\t1.250000\tdog bark\r\n"]
    assert list(read_records(track, "field/rec.txt")) == [
        Cell("rec", 0.5, 1.25, "event", "dog bark", 1.0),
        Cell("rec", 3.5, 4.0, "event", "car", 1.0),
    ]


@pytest.mark.parametrize(
    ("lines", "name", "message"),
    [
        (["0\t1\tdog\n"], "stdin", "stdin: these annotations name no recording; give them as a file that is named after it"),
        (
            ["0\t1\tdog\n", "0\t1\n"],
            "x.txt",
            "x.txt:2: expected onset, offset and label of an Audacity label track, got 2 fields",
        ),
        (["0\t1\t \n"], "x.txt", "x.txt:1: expected a label, got none; name it in the editor, or delete it"),
    ],
)
def test_a_broken_label_track_is_named(lines: list[str], name: str, message: str) -> None:
    with pytest.raises(RecordError) as caught:
        list(read_records(lines, name))
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "name", ["rec.txt", "a/rec.tsv", "rec.Table.2.selections.txt", "rec.selections.txt", "rec.BirdNET.selection.table.txt"]
)
def test_tables_are_named_after_their_recording(name: str) -> None:
    assert recording_of(name) == "rec"


SELECTION = "Selection\tView\tBegin Time (s)\tEnd Time (s)\tBegin Path\tFile Offset (s)\tAnnotation\tKind\n"


def test_only_a_kind_that_says_scene_is_one() -> None:
    """A table with a column Kind of its own became scenes: a `song` of a bird was where the recording is."""
    lines = [SELECTION, "1\tSpectrogram 1\t0\t1\ta.wav\t5\tbird\tsong\n", "2\tSpectrogram 1\t0\t1\ta.wav\t5\tpark\tscene\n"]
    assert list(read_records(lines, "t.txt")) == [
        Cell("a.wav", 5.0, 6.0, "event", "bird", 1.0),
        Cell("a.wav", 5.0, 6.0, "scene", "park", 1.0),
    ]


def test_a_file_offset_that_is_no_time_is_named() -> None:
    with pytest.raises(RecordError, match="^t.txt:2: expected 0 <= onset <= offset in seconds, got onset '-3'"):
        list(read_records([SELECTION, "1\tSpectrogram 1\t5\t6\ta.wav\t-3\tbird\t\n"], "t.txt"))


def test_subtitles_say_what_is_heard_and_where_a_scene_begins(tmp_path: Path) -> None:
    cells = HEADER + (
        "a.mp4\t0\t1\tscene\tcity_center\t0.9\na.mp4\t0\t1\tevent\tdog_bark\t0.6\na.mp4\t0\t1\tevent\tcar\t0.6\n"
        "a.mp4\t1\t60\tscene\tcity_center\t0.9\na.mp4\t60\t3723.5\tscene\tpark <1>\t0.9\n"
    )
    assert table(cells, "srt", tmp_path) == (
        "1\n00:00:00,000 --> 00:00:01,000\n(city center)\n[car, dog bark]\n\n2\n00:01:00,000 --> 00:01:04,000\n(park <1>)\n\n"
    )
    assert table(cells, "vtt", tmp_path) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\n(city center)\n[car, dog bark]\n\n"
        "00:01:00.000 --> 00:01:04.000\n(park &lt;1&gt;)\n\n"
    )


def test_csv_for_spreadsheets_has_their_mark_and_line_ends(tmp_path: Path) -> None:
    cells = HEADER + "Vögel.wav\t0\t1\tscene\tpark\t0.9\n"
    assert table(cells, "csv-excel", tmp_path) == ("\ufefffilename,onset,offset,scene,events\r\nVögel.wav,0.000,1.000,park,\r\n")


# Tiers

MOMENTS = "1 label without length: eval counts them, but no row, log or page shows them"

LONG = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 12.5
tiers? <exists>
size = 2
item []:
    item [1]:
        class = "IntervalTier"
        name = "sounds 7"
        xmin = 0
        xmax = 12.5
        intervals: size = 3
        intervals [1]:
            xmin = 0
            xmax = 2.25
            text = ""
        intervals [2]:
            xmin = 2.25
            xmax = 4.5
            text = "a ""great"" tit"
        intervals [3]:
            xmin = 4.5
            xmax = 12.5
            text = " "
    item [2]:
        class = "TextTier"
        name = "moments"
        xmin = 0
        xmax = 12.5
        points: size = 1
        points [1]:
            number = 1e-1
            mark = "5 knocks"
"""
SHORT = '"ooTextFile"\n"TextGrid"\n\n0\n12.5\n<exists>\n2\n"IntervalTier"\n"sounds 7"\n0\n12.5\n3\n0\n2.25\n""\n2.25\n4.5\n' + (
    '"a ""great"" tit"\n4.5\n12.5\n" "\n"TextTier"\n"moments"\n0\n12.5\n1\n0.1\n"5 knocks"\n'
)
EAF = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="" DATE="2026-05-04T10:00:00+01:00" FORMAT="3.0" VERSION="3.0">
    <HEADER MEDIA_FILE="" TIME_UNITS="milliseconds"/>
    <TIME_ORDER>
        <TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="100"/>
        <TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="2250"/>
        <TIME_SLOT TIME_SLOT_ID="ts3" TIME_VALUE="4500"/>
    </TIME_ORDER>
    <TIER LINGUISTIC_TYPE_REF="default-lt" TIER_ID="sounds">
        <ANNOTATION>
            <ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts2" TIME_SLOT_REF2="ts3">
                <ANNOTATION_VALUE>a "great" tit</ANNOTATION_VALUE>
            </ALIGNABLE_ANNOTATION>
        </ANNOTATION>
        <ANNOTATION>
            <ALIGNABLE_ANNOTATION ANNOTATION_ID="a2" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts1">
                <ANNOTATION_VALUE>5 knocks</ANNOTATION_VALUE>
            </ALIGNABLE_ANNOTATION>
        </ANNOTATION>
        <ANNOTATION>
            <ALIGNABLE_ANNOTATION ANNOTATION_ID="a3" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">
                <ANNOTATION_VALUE></ANNOTATION_VALUE>
            </ALIGNABLE_ANNOTATION>
        </ANNOTATION>
    </TIER>
</ANNOTATION_DOCUMENT>
"""


@pytest.mark.parametrize(("text", "suffix"), [(LONG, "TextGrid"), (SHORT, "TextGrid"), (EAF, "eaf")])
def test_tiers_are_events_of_the_recording_that_the_file_is_named_after(text: str, suffix: str) -> None:
    found = list(read_records(text.splitlines(keepends=True), f"day/rec.1.{suffix}"))
    assert found.pop(0) == Remark("rec.1", 0.0, 0.0, "note", "moments", MOMENTS)
    assert found == [Cell("rec.1", 0.1, 0.1, "event", "5 knocks", 1.0), Cell("rec.1", 2.25, 4.5, "event", 'a "great" tit', 1.0)]
    with pytest.raises(RecordError, match="stdin: these annotations name no recording"):
        list(read_records([text], "stdin"))


@pytest.mark.parametrize(
    ("text", "suffix", "message"),
    [
        (LONG[:400], "TextGrid", "not a whole TextGrid"),
        (LONG.replace("TextGrid", "PitchTier"), "TextGrid", "not a whole TextGrid"),
        (LONG.replace("2.25", "5.25"), "TextGrid", "expected 0 <= onset <= offset"),
        (EAF[:900], "eaf", "expected a file of ELAN"),
        (EAF.replace(' TIME_VALUE="4500"', ""), "eaf", "expected a file of ELAN in which all annotations have times"),
        (EAF.replace("ANNOTATION_DOCUMENT", "svg"), "eaf", "expected a file of ELAN"),
    ],
)
def test_broken_tiers_are_one_line(text: str, suffix: str, message: str) -> None:
    with pytest.raises(RecordError, match=f"^rec.{suffix}: {message}"):
        list(read_records(text.splitlines(keepends=True), f"rec.{suffix}"))


def test_tiers_serve_as_reference_and_as_an_own_data_set(tmp_path: Path) -> None:
    (tmp_path / "rec.TextGrid").write_text(LONG)
    cells = HEADER + 'rec.wav\t2\t5\tevent\ta "great" tit\t0.9\nrec.wav\t0\t1\tevent\t5 knocks\t0.9\n'
    for reference in ("rec.TextGrid", "."):
        scored = audiolog(f"eval --reference {reference} -q", tmp_path, cells.encode())
        assert scored.code == 0 and "segment_f1\t1.0" in scored.stdout
    write_wav(tmp_path / "rec.wav", noise(12.5, 8000, 0.1, 0), 8000)
    checked = audiolog("train . --check-data -q", tmp_path)
    assert checked.code == 0 and 'event\ta "great" tit\t1\t1\t0.04' in checked.stdout


def test_point_labels_are_not_left_out_in_silence(tmp_path: Path) -> None:
    """Audacity makes one where nothing is selected: a track of them gave an empty table."""
    (tmp_path / "rec.txt").write_text("5.0\t5.0\tdog\n7.5\t7.5\tdog\n")
    done = audiolog("table rec.txt", tmp_path)
    assert done.stdout == "filename\tonset\toffset\tscene\tevents\n"
    assert done.stderr == f"audiolog: rec: {MOMENTS.replace('1 label', '2 labels')}\n"
