"""`audiolog table`: cells in, rows out, in the format that the next program or person reads."""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Annotated

import typer

from audiolog_cli import parquet, terminal
from audiolog_cli.commands.inputs import cell_input
from audiolog_cli.commands.options import Quiet
from audiolog_cli.errors import RecordError
from audiolog_cli.records import ROW_COLUMNS, Cell, End, Failure, Row, jsonl_lines, tsv_lines


class TableFormat(StrEnum):
    """The formats of `table`."""

    tsv = "tsv"
    jsonl = "jsonl"
    csv = "csv"
    github = "github"
    plain = "plain"
    html = "html"
    latex = "latex"
    raven = "raven"
    audacity = "audacity"
    parquet = "parquet"


def table(
    file: Annotated[str, typer.Argument(metavar="[FILE|-]", help="Cells as `audiolog tag` writes them; - is stdin.")] = "-",
    format: Annotated[
        TableFormat,
        typer.Option(
            help="tsv, jsonl, csv and parquet are for programs, github to latex for people, raven and audacity for editors."
        ),
    ] = TableFormat.tsv,
    cells: Annotated[bool, typer.Option("--cells", help="One row per cell instead of merging equal neighbours.")] = False,
    min_duration: Annotated[float, typer.Option(min=0.0, help="Drop events shorter than this many seconds.")] = 0.0,
    max_gap: Annotated[float, typer.Option(min=0.0, help="Bridge pauses of one event up to this many seconds.")] = 0.0,
    quiet: Quiet = False,
) -> None:
    """Turn cells into a table: start, end, scene and events of every stretch that stays the same.

    A new row begins when the scene or the events change. Time without cells was not analysed and has no row.

    Example: audiolog tag rec.wav | audiolog table --format github
    """
    from audiolog_cli.table import TableOptions
    from audiolog_cli.table import table as rows_of

    options = TableOptions(cells, min_duration, max_gap)
    upstream = _Upstream()
    broken: list[RecordError] = []
    with cell_input(file, is_tied=True) as (found, _):
        records, with_time = _peek_time(_up_to_the_broken_line(found, broken))
        if broken:  # in its first line: there is no table at all
            raise broken[0]
        rows = upstream.noted(rows_of(records, options))
        if format is TableFormat.parquet:
            parquet.write_stdout(rows, Row, with_time)
        else:
            terminal.write_lines(_lines(rows, format, with_time))
    if broken:
        raise broken[0]
    if upstream.n_failed:
        raise typer.Exit(3 if upstream.n_passed else 1)


def _up_to_the_broken_line(records: Iterable[Cell | End | Failure], broken: list[RecordError]) -> Iterator[Cell | End | Failure]:
    """End the stream at a broken line, and keep the error for later: the rows before it are whole and are written."""
    try:
        yield from records
    except RecordError as error:
        broken.append(error)


def _peek_time(records: Iterator[Cell | End | Failure]) -> tuple[Iterator[Cell | End | Failure], bool]:
    """The records again, and whether the first cell among them carries a clock time."""
    from itertools import chain

    before: list[Cell | End | Failure] = []
    for record in records:
        before.append(record)
        if isinstance(record, Cell):
            break
    return chain(before, records), bool(before) and isinstance(before[-1], Cell) and before[-1].time is not None


class _Upstream:
    """What came of the recordings before they reached this command, for the exit code."""

    def __init__(self) -> None:
        self.n_failed = 0
        self.n_passed = 0  # rows and ends

    def noted(self, records: Iterable[Row | End | Failure]) -> Iterator[Row | End | Failure]:
        """Pass records on; say which recordings failed."""
        for record in records:
            if isinstance(record, Failure):
                self.n_failed += 1
                terminal.complain(f"not in the table: {record.message}")
            else:
                self.n_passed += 1
            yield record


def _lines(records: Iterable[Row | End | Failure], format: TableFormat, with_time: bool) -> Iterable[str]:
    from audiolog_cli import table as tables

    if format is TableFormat.tsv:
        return tsv_lines(records, ROW_COLUMNS, with_time)
    if format is TableFormat.jsonl:
        return jsonl_lines(records)
    rows = (record for record in records if isinstance(record, Row))
    if format is TableFormat.csv:
        return tables.csv_lines(rows, with_time)
    if format is TableFormat.raven:
        return tables.raven_lines(rows)
    if format is TableFormat.audacity:
        return tables.audacity_lines(rows)
    return tables.aligned_lines(rows, format.value, with_time)
