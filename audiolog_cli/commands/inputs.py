"""The tables that a command reads: cells, rows and annotations of any format, one file after another, and thresholds."""

import os
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from typer._click.globals import get_current_context

from audiolog_cli import parquet, terminal
from audiolog_cli.columns import first_repeated
from audiolog_cli.commands.jobs import AUDIO_SUFFIXES
from audiolog_cli.errors import InputError, UsageError
from audiolog_cli.reading import cells_of, read_records
from audiolog_cli.records import Cell, End, Failure, Record, Remark
from audiolog_cli.wording import remarked

Aside = Callable[[Remark], None]


def say_remark(remark: Remark) -> None:
    """Print a remark that a table holds besides its cells to stderr."""
    terminal.say(f"{remark.filename}: {remarked(remark.onset, remark.offset, remark.message)}")


@contextmanager
def cell_input(
    paths: Sequence[str], is_tied: bool = False, aside: Aside = say_remark
) -> Iterator[Iterator[Cell | End | Failure]]:
    """The cells in files of TSV, JSON Lines, Parquet or annotations, one after another; - is stdin.

    `is_tied`: output is flushed before waiting for more input, see `terminal.tied_input`.
    """
    with record_input(paths, is_tied, aside) as records:
        yield cells_of(records, named(paths))


def named(paths: Sequence[str]) -> str:
    """These inputs in a message."""
    return ", ".join("stdin" if path == "-" else path for path in paths)


@contextmanager
def record_input(paths: Sequence[str], is_tied: bool = False, aside: Aside = say_remark) -> Iterator[Iterator[Record]]:
    """The records of any kind in such files, except remarks, which go to `aside`."""
    if (twice := first_repeated(paths)) is not None:
        raise UsageError(f"{twice}: named twice; give each table once")
    with closing(_records(paths, is_tied)) as records:
        yield _without_remarks(records, aside)


def _without_remarks(records: Iterable[Record], aside: Aside) -> Iterator[Record]:
    for record in records:
        if isinstance(record, Remark):
            aside(record)
        else:
            yield record


def _records(paths: Sequence[str], is_tied: bool) -> Generator[Record, None, None]:
    for path in paths:
        if parquet.is_parquet(path):
            yield from parquet.read_parquet(path)
        elif Path(path).suffix.lower() in AUDIO_SUFFIXES and os.path.isfile(path):
            command = get_current_context().command_path
            raise InputError(f"{path}: a recording, not a table; tag it first: audiolog tag {path} | {command}")
        else:
            with terminal.tied_input(path) if is_tied else terminal.text_input(path) as (stream, name):
                yield from read_records(stream, name)


def thresholds_in(path: str) -> dict[str, float]:
    """The threshold of each label in a file written by `eval --tune`; empty without a file."""
    if not path:
        return {}
    from audiolog_cli.tagging.scores import read_thresholds

    with terminal.text_input(path) as (stream, name):
        return read_thresholds(stream, name)
