"""Small tables that people write (durations, folds, thresholds, clips): lines in, the fields of each line by column name out.

The first line is the header; columns may come in any order, and there may be others. Records, which may be millions of lines,
have a reader of their own (`reading.py`). Numbers in fields are read in one way everywhere; so is what comes twice.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from math import isfinite
from typing import NoReturn

from audiolog_cli.errors import RecordError
from audiolog_cli.records import LATEST

MAESTRO_COLUMNS = ("onset", "offset", "label", "soft_label")  # of MAESTRO Real's annotations, which have no header


def _refuse(problem: str) -> NoReturn:
    raise RecordError(problem)


def read_columns(
    lines: Iterable[str],
    name: str,
    needed: Sequence[str],
    delimiter: str = "\t",
    report: Callable[[str], None] = _refuse,
    has_header: bool = True,
) -> Iterator[tuple[str, dict[str, str]]]:
    """The place (`NAME:LINE`) and the fields of each line; empty lines are skipped.

    Without a header the columns are those `needed`. A missing column and a line with more or fewer fields than the header are a
    RecordError, or go to `report`.
    """
    numbered = enumerate(lines, 1)
    columns, what = list(needed), f" ({' '.join(needed)})"
    if has_header:
        _, first = next(numbered, (1, ""))
        columns, what = first.rstrip("\r\n").split(delimiter), ""
        if missing := [column for column in needed if column not in columns]:
            found = f"no column {', '.join(missing)}" if first else "empty"
            report(f"{name}:1: {found}; expected the columns {' '.join(needed)}")
            return
    for number, line in numbered:
        fields = line.rstrip("\r\n").split(delimiter)
        if len(fields) == len(columns):
            yield f"{name}:{number}", dict(zip(columns, fields, strict=True))
        elif line.strip():
            report(f"{name}:{number}: expected {len(columns)} columns{what}, got {len(fields)}")


def first_repeated(items: Sequence[str]) -> str | None:
    """The first item that comes again later; None if each comes once.

    >>> first_repeated(["cat", "dog", "cow", "dog", "cat"])
    'cat'
    """
    counts = Counter(items)
    return next((item for item in items if counts[item] > 1), None)


# What a field holds


@contextmanager
def at_place(place: str) -> Iterator[None]:
    """Turn a ValueError about a field into a RecordError that begins with its place."""
    try:
        yield
    except ValueError as error:
        raise RecordError(f"{place}: {error}") from None


def is_number(text: str) -> bool:
    """Whether a field is a number.

    >>> is_number("0.5"), is_number("a.wav")
    (True, False)
    """
    try:
        float(text)
    except ValueError:
        return False
    return True


def finite_number(text: str, what: str) -> float:
    """A finite number; ValueError that says what was expected."""
    if not is_number(text) or not isfinite(float(text)):
        raise ValueError(f"expected a number as {what}, got {text!r}")
    return float(text)


def parse_times(onset: str, offset: str) -> tuple[float, float]:
    """Seconds of an interval; ValueError that says what is wrong."""
    start, end = finite_number(onset, "onset"), finite_number(offset, "offset")
    if end >= LATEST:
        raise ValueError(f"expected times in seconds, below {LATEST:.0f}, got offset {offset!r}")
    if not 0 <= start <= end:
        raise ValueError(f"expected 0 <= onset <= offset in seconds, got onset {onset!r}, offset {offset!r}")
    return start, end
