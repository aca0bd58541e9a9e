"""`audiolog table`: cells in, rows out, in the format that the next program or person needs."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Literal

from typer import Option

from audiolog_cli import parquet, terminal
from audiolog_cli.commands.inputs import cell_input, say_remark
from audiolog_cli.commands.options import Files, MaxGap, MinDuration, Quiet
from audiolog_cli.errors import InputError
from audiolog_cli.records import ROW_COLUMNS, Cell, End, Failure, Record, Remark, Row, jsonl_lines, tsv_lines
from audiolog_cli.tally import Tally

if TYPE_CHECKING:
    from audiolog_cli.editors import Noted


TableFormat = Literal[
    "tsv", "jsonl", "csv", "csv-excel", "github", "plain", "html", "latex", "raven", "audacity", "srt", "vtt", "parquet"
]


WITHOUT_TIME = ("raven", "audacity", "srt", "vtt")  # formats that have no place for clock times


def table(
    files: Files = None,
    format: Annotated[
        TableFormat,
        Option(
            help="tsv, jsonl, csv and parquet are for programs, csv-excel for spreadsheets, github to latex for people, raven "
            "and audacity for annotation editors, srt and vtt for films."
        ),
    ] = "tsv",
    cells: Annotated[bool, Option("--cells", help="One row per cell instead of merging equal neighbours.")] = False,
    min_duration: MinDuration = 0.0,
    max_gap: MaxGap = 0.0,
    quiet: Quiet = False,
) -> None:
    """Join equal seconds into a table: start, end, scene and events of every stretch.

    A new row begins when the scene or the events change. Time without cells was not analysed and has no row.

    Example: audiolog tag rec.wav | audiolog table --format github
    """
    from audiolog_cli.editors import Noted
    from audiolog_cli.rows import TableOptions
    from audiolog_cli.rows import table as rows_of

    options = TableOptions(cells, min_duration, max_gap)
    tally = Tally()
    broken: list[InputError] = []
    noted = Noted()
    remarks: list[Remark] = []  # JSON Lines include them; with other formats they are reported
    aside = remarks.append if format == "jsonl" else say_remark
    with cell_input(files or ["-"], True, aside) as found:
        records, with_time = _peek_time(_up_to_the_broken_line(found, broken))
        if broken:  # in the first line: there is no table at all
            raise broken[0]
        rows = tally.passing(
            rows_of(noted.cells(records) if format == "raven" else records, options), (Row, End), "not in the table: "
        )
        if not with_time and format not in ("jsonl", *WITHOUT_TIME):
            rows = _without_times(rows)
        if format == "parquet":
            parquet.write_stdout(rows, Row, with_time)
        elif format == "jsonl":
            terminal.write_lines(jsonl_lines(_with_remarks(rows, remarks)))
        else:
            terminal.write_lines(_lines(rows, format, with_time, noted))
    if format == "raven" and noted.unmeasured:
        terminal.complain(
            "Begin Time (s) may be too early from the second recording on: the table does not say how long "
            f"{noted.unmeasured} is (it has no scenes and no end record); File Offset (s) is right"
        )
    if broken:
        raise broken[0]
    tally.end()


def _up_to_the_broken_line(records: Iterable[Cell | End | Failure], broken: list[InputError]) -> Iterator[Cell | End | Failure]:
    """End the stream at a broken line or file, and keep the error for later: the rows before it are complete and get written."""
    try:
        yield from records
    except InputError as error:
        broken.append(error)


def _peek_time(records: Iterator[Cell | End | Failure]) -> tuple[Iterator[Cell | End | Failure], bool]:
    """The records unchanged, and whether the first cell among them carries a clock time."""
    before: list[Cell | End | Failure] = []
    for record in records:
        before.append(record)
        if isinstance(record, Cell):
            break
    return chain(before, records), bool(before) and isinstance(before[-1], Cell) and before[-1].time is not None


def _without_times(rows: Iterable[Row | End | Failure]) -> Iterator[Row | End | Failure]:
    """The rows unchanged; says so where clock times begin after the header, which has no column for them, is written."""
    stream = iter(rows)
    for row in stream:
        yield row
        if isinstance(row, Row) and row.time:
            terminal.say(f"{row.filename}: its clock times are left out, as what comes first has none; give it first")
            break
    yield from stream


def _with_remarks(records: Iterable[Record], remarks: list[Remark]) -> Iterator[Record]:
    """The records, each preceded by the remarks put aside meanwhile."""
    for record in records:
        yield from remarks
        remarks.clear()
        yield record


def _lines(records: Iterable[Row | End | Failure], format: TableFormat, with_time: bool, noted: "Noted") -> Iterable[str]:
    from audiolog_cli import editors
    from audiolog_cli import rows as tables

    if format == "tsv":
        return tsv_lines(records, ROW_COLUMNS, with_time)
    rows = noted.rows(records)
    if format in ("csv", "csv-excel"):
        return tables.csv_lines(rows, with_time, format == "csv-excel")
    if format == "raven":
        return editors.raven_lines(tables.occurrences(rows, with_unnamed=True), noted)
    if format == "audacity":
        return editors.audacity_lines(tables.occurrences(rows))
    if format in ("srt", "vtt"):
        return editors.subtitle_lines(rows, format)
    return tables.aligned_lines(rows, format, with_time)
