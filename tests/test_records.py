"""Records in both formats and both directions: what is written, what is read, and the errors for broken lines."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiolog_cli.errors import RecordError
from audiolog_cli.reading import cells_of, read_records
from audiolog_cli.records import (
    CELL_COLUMNS,
    ROW_COLUMNS,
    SEGMENT_COLUMNS,
    Cell,
    End,
    Failure,
    Record,
    Row,
    Segment,
    check_text,
    jsonl_lines,
    tsv_lines,
)

SCENE = Cell("rec.wav", 0.0, 1.0, "scene", "street", 0.9)
EVENT = Cell("rec.wav", 0.0, 1.0, "event", "car, passing by", 0.5)
END = End("rec.wav", 1.0, 2, "everyday", "0.1.0")


def test_cells_as_tsv() -> None:
    assert list(tsv_lines([SCENE, EVENT, END], CELL_COLUMNS)) == [
        "filename\tonset\toffset\tkind\tlabel\tscore\n",
        "rec.wav\t0.000\t1.000\tscene\tstreet\t0.900\n",
        "rec.wav\t0.000\t1.000\tevent\tcar, passing by\t0.500\n",
    ]


def test_cells_as_json_lines_carry_end_and_error() -> None:
    assert list(jsonl_lines([EVENT, END, Failure("b.wav", "b.wav: empty file")])) == [
        '{"filename":"rec.wav","onset":0.0,"offset":1.0,"kind":"event","label":"car, passing by","score":0.5}\n',
        '{"kind":"end","filename":"rec.wav","duration":1.0,"cells":2,"weights":"everyday","version":"0.1.0"}\n',
        '{"kind":"error","filename":"b.wav","message":"b.wav: empty file"}\n',
    ]


def test_rows_join_events_by_semicolon_because_labels_contain_commas() -> None:
    row = Row("rec.wav", 0.0, 2.5, "street", ("car, passing by", "dog"), "2026-11-22T06:00:00+01:00")
    assert list(tsv_lines([row], ROW_COLUMNS, with_time=True)) == [
        "filename\tonset\toffset\tscene\tevents\ttime\n",
        "rec.wav\t0.000\t2.500\tstreet\tcar, passing by;dog\t2026-11-22T06:00:00+01:00\n",
    ]
    assert list(jsonl_lines([row])) == [
        '{"filename":"rec.wav","onset":0.0,"offset":2.5,"scene":"street","events":["car, passing by","dog"],'
        '"time":"2026-11-22T06:00:00+01:00"}\n'
    ]


def test_no_records_leave_a_header_and_failed_ones_nothing() -> None:
    assert list(tsv_lines([END], CELL_COLUMNS)) == ["filename\tonset\toffset\tkind\tlabel\tscore\n"]
    assert list(tsv_lines([], SEGMENT_COLUMNS)) == ["filename\tonset\toffset\n"]
    assert list(tsv_lines([Failure("b.wav", "b.wav: empty file")], CELL_COLUMNS)) == []


def test_columns_are_found_by_name_and_others_ignored() -> None:
    lines = ["score\tlabel\tnote\tkind\toffset\tonset\tfilename\n", "0.9\tstreet\tnice\tscene\t1\t0\trec.wav\n"]
    assert list(read_records(lines, "t.tsv")) == [SCENE]


def test_dcase_list_is_read_as_events() -> None:
    lines = ["filename\tonset\toffset\tevent_label\n", "a.wav\t0.5\t1.25\tdog\n"]
    assert list(read_records(lines, "ref.tsv")) == [Cell("a.wav", 0.5, 1.25, "event", "dog", 1.0)]


def test_windows_line_ends_byte_order_mark_blank_lines_and_joined_tables() -> None:
    table = ["filename\tonset\toffset\r\n", "a.wav\t0\t10\r\n", "\r\n", "\ufefffilename\tonset\toffset\r\n", "b.wav\t0\t5\r\n"]
    assert list(read_records(table, "t.tsv")) == [Segment("a.wav", 0.0, 10.0), Segment("b.wav", 0.0, 5.0)]


HEADER = "filename\tonset\toffset\tkind\tlabel\tscore\n"
ROWS = "filename\tonset\toffset\tscene\tevents\n"


def test_a_row_has_each_event_once_in_alphabetical_order() -> None:
    """Otherwise `summarize` counts an event twice: 20 s of dog in 10 s."""
    row = Row("a.wav", 0.0, 10.0, "park", ("cat", "dog"))
    assert list(read_records([ROWS, "a.wav\t0\t10\tpark\tdog;cat;dog\n"], "t.tsv")) == [row]
    line = '{"filename":"a.wav","onset":0,"offset":10,"scene":"park","events":["dog","cat","dog"]}\n'
    assert list(read_records([line], "t.jsonl")) == [row]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "t.tsv: empty, expected a table with a header line or JSON Lines"),
        ([HEADER, "a.wav\t0\t1\tscene\n"], "t.tsv:2: expected 6 columns, got 4"),
        (
            [HEADER, "a.wav\t0\t1\tscene\tpark\t0.5\n", HEADER.replace("score", "score\ttime")],
            "t.tsv:3: another table begins, with the columns filename onset offset kind label score time; "
            "expected filename onset offset kind label score, as in the first: tables of one kind can follow one another",
        ),
        ([HEADER, "a.wav\tx\t1\tscene\tpark\t1\n"], "t.tsv:2: expected a number as onset, got 'x'"),
        (
            [HEADER, "a.wav\t2\t1\tscene\tpark\t1\n"],
            "t.tsv:2: expected 0 <= onset <= offset in seconds, got onset '2', offset '1'",
        ),
        (
            [HEADER, "a.wav\tnan\t1\tscene\tpark\t1\n"],
            "t.tsv:2: expected a number as onset, got 'nan'",
        ),
        (
            [HEADER, "a.wav\t0\t1e306\tscene\tpark\t1\n"],
            "t.tsv:2: expected times in seconds, below 10000000000, got offset '1e306'",
        ),
        (
            [HEADER.replace("score", "score\ttime"), "a.wav\t0\t1\tscene\tpark\t1\tnoon\n"],
            "t.tsv:2: expected a time in ISO 8601, such as 2026-11-22T06:00:00.000+01:00, got 'noon'",
        ),
        ([ROWS, "a.wav\t0\t1\tpark\tdog;;cat\n"], "t.tsv:2: expected every event to have a label, got an empty one"),
        ([HEADER, "a.wav\t0\t1\tsound\tpark\t1\n"], "t.tsv:2: expected kind scene or event, got 'sound'"),
        ([HEADER, "a.wav\t0\t1\tscene\tpark\t1.5\n"], "t.tsv:2: expected a score between 0 and 1, got '1.5'"),
        ([HEADER, "a.wav\t0\t1\tevent\t\t1\n"], "t.tsv:2: expected a label, got an empty field"),
        (
            ["{not json\n"],
            "t.tsv:1: not a complete JSON object, at character 2: Expecting property name enclosed in double quotes",
        ),
        (['{"filename":"a"}\n'], "t.tsv:1: expected the key 'onset', it is missing"),
        (['{"filename":3,"onset":0,"offset":1}\n'], "t.tsv:1: expected filename to be a string, got 3"),
        (['{"filename":"a","onset":0,"offset":1}\n', "[1]\n"], "t.tsv:2: expected a JSON object, got [1]"),
        (
            ['{"filename":"a","onset":0,"offset":1,"scene":"park","events":["dog;cat"]}\n'],
            "t.tsv:1: label 'dog;cat' contains ';', which separates the events of a row: rename it",
        ),
        (
            ['{"kind":"end","filename":"a","duration":NaN,"cells":1,"weights":"","version":""}\n'],
            "t.tsv:1: expected duration to be a number from 0 to 10000000000, got NaN",
        ),
        (
            ['{"kind":"end","filename":"a","duration":1,"cells":Infinity,"weights":"","version":""}\n'],
            "t.tsv:1: expected cells to be a number from 0 to 10000000000, got Infinity",
        ),
        (
            [f'{{"filename":"a","onset":0,"offset":{10**400}}}\n'],
            "t.tsv:1: expected offset to be a number from 0 to 10000000000, got 1" + 59 * "0",
        ),
        (
            ['{"filename":"a\\ud83d","onset":0,"offset":1}\n'],
            r't.tsv:1: expected filename to be text, got half a character in "a\ud83d"',
        ),
        (['{"filename":' + 100_000 * "[" + "\n"], "t.tsv:1: JSON nested too deep, expected one flat object a line"),
        (["\udcff\udcfef\0i\0l\0e\0"], "t.tsv: UTF-16, expected text in UTF-8; `iconv -f UTF-16 -t UTF-8` makes it so"),
        (["\x1f\udc8b\b\0"], "t.tsv: gzip, expected text in UTF-8; `gunzip -c` makes it so"),
    ],
)
def test_a_broken_line_is_named(lines: list[str], message: str) -> None:
    with pytest.raises(RecordError) as caught:
        list(read_records(lines, "t.tsv"))
    assert str(caught.value) == message


def test_unknown_header_says_what_is_read() -> None:
    with pytest.raises(RecordError, match=r"^t.tsv:1: expected a header with the columns filename onset .*, got 'a b'$"):
        list(read_records(["a\tb\n"], "t.tsv"))


def test_commands_for_cells_refuse_rows() -> None:
    with pytest.raises(RecordError, match=r"^t.tsv: expected cells \(.*\), got rows; `audiolog tag` writes cells$"):
        list(cells_of([Row("a", 0.0, 1.0, "park", ())], "t.tsv"))


@pytest.mark.parametrize(("text", "what"), [("a\tb", "a tab"), ("a\nb", "a line break"), ("a\rb", "a carriage return")])
def test_a_name_that_would_break_the_table_is_an_error(text: str, what: str) -> None:
    with pytest.raises(RecordError, match=what):
        check_text(text, "label")
    with pytest.raises(RecordError, match=what):
        list(tsv_lines([SCENE._replace(label=text)], CELL_COLUMNS))


names = st.text(st.characters(exclude_characters="\t\n\r", exclude_categories=["Cs"]), min_size=1, max_size=20)
labels = st.text(st.characters(exclude_characters="\t\n\r; ", exclude_categories=["Cs"]), min_size=1, max_size=20)
milliseconds = st.integers(0, 10**9).map(lambda n: n / 1000)
intervals = st.tuples(milliseconds, milliseconds).map(sorted)
probabilities = st.integers(0, 1000).map(lambda n: n / 1000)
cells = st.builds(
    lambda name, times, kind, label, score: Cell(name, *times, kind, label, score),
    names, intervals, st.sampled_from(["scene", "event"]), labels, probabilities,
)  # fmt: skip
rows = st.builds(
    lambda name, times, scene, events: Row(name, *times, scene, tuple(sorted(events))),
    names, intervals, labels, st.sets(labels, max_size=4),
)  # fmt: skip
segments = st.builds(lambda name, times: Segment(name, *times), names, intervals)


@given(
    st.one_of(
        st.tuples(st.just(CELL_COLUMNS), st.lists(cells, min_size=1, max_size=5)),
        st.tuples(st.just(ROW_COLUMNS), st.lists(rows, min_size=1, max_size=5)),
        st.tuples(st.just(SEGMENT_COLUMNS), st.lists(segments, min_size=1, max_size=5)),
    )
)
def test_what_is_written_is_read_back(table: tuple[tuple[str, ...], list[Record]]) -> None:
    columns, records = table
    assert list(read_records(tsv_lines(records, columns), "t.tsv")) == records
    assert list(read_records(jsonl_lines(records), "t.jsonl")) == records


@given(st.lists(st.text(max_size=40), max_size=6))
def test_any_text_is_records_or_one_error_with_its_place(lines: list[str]) -> None:
    message = "t.tsv: read"
    try:
        records = list(read_records([line + "\n" for line in lines], "t.tsv"))
    except RecordError as error:
        records, message = [], str(error)
    assert message.startswith("t.tsv:")
    assert all(not isinstance(record, Cell) or math.isfinite(record.offset) for record in records)
