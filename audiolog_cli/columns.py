"""Small tables that people write (durations, folds, thresholds, clips): lines in, the fields of each line by column name out.

The first line is the header; columns may come in any order, and there may be others. Records, which may be millions of lines,
have a reader of their own (`reading.py`).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NoReturn

from audiolog_cli.errors import RecordError


def _refuse(problem: str) -> NoReturn:
    raise RecordError(problem)


def read_columns(
    lines: Iterable[str],
    name: str,
    needed: Sequence[str],
    delimiter: str = "\t",
    report: Callable[[str], None] = _refuse,
) -> Iterator[tuple[str, dict[str, str]]]:
    """The place (`NAME:LINE`) and the fields of each line; empty lines are skipped.

    A missing column and a line with more or fewer fields than the header are a RecordError, or go to `report`.
    """
    numbered = enumerate(lines, 1)
    _, first = next(numbered, (1, ""))
    columns = first.rstrip("\r\n").split(delimiter)
    if missing := [column for column in needed if column not in columns]:
        found = f"no column {', '.join(missing)}" if first else "empty"
        report(f"{name}:1: {found}; expected the columns {' '.join(needed)}")
        return
    for number, line in numbered:
        fields = line.rstrip("\r\n").split(delimiter)
        if len(fields) == len(columns):
            yield f"{name}:{number}", dict(zip(columns, fields, strict=True))
        elif line.strip():
            report(f"{name}:{number}: expected {len(columns)} columns, got {len(fields)}")
