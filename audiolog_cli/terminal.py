"""Where the commands meet the shell: text in from files or stdin, lines out on stdout, messages on stderr.

stdout carries records or the answer and nothing else. Every line is flushed as it is written, so that live pipes work. Text is
UTF-8; bytes of file names that are not UTF-8 pass through unchanged.
"""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import NoReturn, TextIO

from audiolog_cli.errors import AudiologError, InputError

_quiet = False
_progress_shown = 0.0  # when, on the monotonic clock


def prepare() -> None:
    """Make the standard streams UTF-8 with plain line feeds, whatever the locale says; AudiologError if there is no stdout."""
    if sys.stdout is None:
        raise AudiologError("standard output is closed, there is nowhere to write to")
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="surrogateescape", newline="\n" if stream is not sys.stdin else None)


def be_quiet(quiet: bool) -> bool:
    """Callback of `--quiet`: from now on `say` says nothing (errors are still printed)."""
    global _quiet
    _quiet = _quiet or quiet
    return quiet


def say(message: str) -> None:
    """One line on stderr, unless --quiet."""
    if not _quiet:
        complain(message)


def complain(message: str) -> None:
    """One line on stderr, always: an error."""
    show_progress("")
    if sys.stderr is not None:
        print(f"audiolog: {message}", file=sys.stderr, flush=True)


def progress_wanted() -> bool:
    """Whether a progress bar may be drawn: stderr is a terminal and nobody asked for quiet."""
    return not _quiet and sys.stderr is not None and sys.stderr.isatty()


def show_progress(text: str) -> None:
    """Replace the progress line, on a terminal and a few times a second at most; an empty text takes it away."""
    global _progress_shown
    if not progress_wanted() or (text and monotonic() - _progress_shown < 0.2):
        return
    _progress_shown = monotonic()
    print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


@contextmanager
def text_input(path: str) -> Iterator[tuple[TextIO, str]]:
    """Open a text file, or stdin for "-"; gives the stream and the name that stands for it in messages."""
    if path == "-":
        if sys.stdin is None:
            raise InputError("stdin: closed, expected a table")
        yield sys.stdin, "stdin"
        return
    try:
        stream = open(path, encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise InputError(f"{path}: {reason(error)}") from None
    with stream:
        yield stream, path


def reason(error: OSError) -> str:
    """What went wrong, in the words of the other tools: `no such file`, not `[Errno 2]`."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, IsADirectoryError):
        return "is a directory, expected a file"
    return (error.strerror or str(error)).lower()


def write_lines(lines: Iterable[str]) -> None:
    """Write lines to stdout, each flushed: whoever reads sees it at once, and an interrupt leaves whole lines."""
    write, flush = sys.stdout.write, sys.stdout.flush
    for line in lines:
        write(line)
        flush()


def leave(code: int) -> NoReturn:
    """End the program at once: the user interrupted it, or the reader of stdout has gone.

    Python's own way out would write what is left to a closed pipe, and aborts while a thread still waits for stdin.
    """
    with suppress(OSError):
        sys.stdout.flush()
    os._exit(code)
