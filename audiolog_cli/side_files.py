"""Small files beside larger ones (notes, indexes, parameters): read or refused with a one-line error, written atomically, locked.

In: a path and what should be there. Out: only the error, the file, or the lock. The caller knows what the content means.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from audiolog_cli.errors import UsageError

DAMAGE = (ValueError, TypeError, LookupError, AttributeError, RecursionError)  # what parsing and unpacking JSON may raise


@contextmanager
def intact(place: Path | str, what: str, way_out: str, damage: tuple[type[Exception], ...] = DAMAGE) -> Iterator[None]:
    """Turn whatever reading and unpacking a damaged file raises into a one-line UsageError; a missing file stays an OSError.

    >>> with intact("cache/index.json", "an index of clips", "delete the folder"):
    ...     int("not a number")
    Traceback (most recent call last):
    audiolog_cli.errors.UsageError: cache/index.json: damaged, expected an index of clips; delete the folder
    """
    try:
        yield
    except damage:
        raise UsageError(f"{place}: damaged, expected {what}; {way_out}") from None


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file to write, which then takes the place of `path`: a reader finds the old file or the new one, never half of it."""
    unfinished = path.with_name(path.name + ".unfinished")
    try:
        yield unfinished
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_whole(path: Path, text: str) -> None:
    """Write a file as `replacing` does."""
    with replacing(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


@contextmanager
def alone(lock: Path, refusal: str = "") -> Iterator[None]:
    """Hold a lock file, created if missing; other processes wait for it.

    With `refusal` they do not wait: they get a UsageError with that text.
    """
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (fcntl.LOCK_NB if refusal else 0))
        except BlockingIOError:
            raise UsageError(refusal) from None
        yield
