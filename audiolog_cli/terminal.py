"""Where the commands meet the shell: text in from files or stdin, lines out on stdout, messages on stderr.

stdout carries records or the answer and nothing else. Lines are flushed before the program waits for anything, so live pipes
work. Text is UTF-8; bytes of file names that are not UTF-8 pass through unchanged.
"""

import io
import os
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import TYPE_CHECKING, NoReturn, TextIO

from audiolog_cli.errors import AudiologError, InputError, UsageError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAX_HELD = 1024  # characters, at most 4096 bytes: a pipe takes that many in one piece or not at all
STDOUT = "standard output"  # in messages
# Control characters, and those that turn the direction of all text after them: names and labels may hold any of them.
_CONTROLS = (*range(32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
CONTROLS = {code: ascii(chr(code))[1:-1] for code in _CONTROLS}
READ_AS = "utf-8-sig"  # without the byte order mark that spreadsheets and Windows put before a text
READ_SIZE = 1 << 16  # bytes per system call: what a pipe holds

_held: list[str] | None = None  # lines to write before waiting for the tied input; None while none is open
_quiet = False
_stdin_read: TextIO | None = None  # stdin, once something has begun to read it
_progress_shown = 0.0  # when, on the monotonic clock


def prepare() -> None:
    """Make the standard streams UTF-8 with plain line feeds, whatever the locale says; AudiologError if there is no stdout."""
    if sys.stdout is None:
        raise AudiologError("standard output is closed, there is nowhere to write to")
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            if stream is sys.stdin:
                stream.reconfigure(encoding=READ_AS, errors="surrogateescape", newline=None)
            else:
                stream.reconfigure(encoding="utf-8", errors="surrogateescape", newline="\n")


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
    _write_held()
    show_progress("")
    _to_stderr(f"audiolog: {visible(message)}\n")


def visible(text: str) -> str:
    """A name, label or message as one line that is harmless to a terminal: control characters as Python writes them.

    >>> visible("a\x1b[2J.wav"), visible("a\u202evaw.wav")
    ('a\\\\x1b[2J.wav', 'a\\\\u202evaw.wav')
    """
    return text.translate(CONTROLS)


def _to_stderr(text: str) -> None:
    """Write a message, if anybody can read it: a log on a full disk must not end the work that it is about."""
    if sys.stderr is not None:
        with suppress(OSError):
            sys.stderr.write(text)
            sys.stderr.flush()


def progress_wanted() -> bool:
    """Whether progress may be shown: stderr is a terminal and --quiet was not given."""
    return not _quiet and sys.stderr is not None and sys.stderr.isatty()


def show_progress(text: str) -> None:
    """Replace the progress line, only on a terminal and at most five times a second; an empty text removes it.

    A longer text than the terminal is wide loses its middle: only one line can be replaced.
    """
    global _progress_shown
    if not progress_wanted() or (text and monotonic() - _progress_shown < 0.2):
        return
    _progress_shown = monotonic()
    text = visible(text)
    room = max(8, (os.get_terminal_size(sys.stderr.fileno()).columns or 80) - 1)
    if len(text) > room:
        text = f"{text[: room // 2 - 1]}…{text[-room // 2 :]}"
    _to_stderr(f"\r\x1b[K{text}")


def is_utf8(text: str) -> bool:
    """Whether the bytes that a text was read from were UTF-8; other bytes are in the text as lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@contextmanager
def text_input(path: str) -> Iterator[tuple[TextIO, str]]:
    """Open a text file, or stdin for "-"; gives the stream and the name that stands for it in messages.

    UsageError if stdin was opened before: a pipe can be read only once.
    """
    global _stdin_read
    if path == "-":
        if sys.stdin is None:
            raise InputError("stdin: closed, expected a table")
        if sys.stdin is _stdin_read:
            raise UsageError("-: two inputs are to come from stdin, which can be read only once; give one as a file")
        _stdin_read = sys.stdin
        yield sys.stdin, "stdin"
        return
    with refusing(path):
        stream = open(path, encoding=READ_AS, errors="surrogateescape")
    with stream:
        yield stream, path


def read_text(path: str) -> str:
    """All of a text file, or of stdin for "-"; InputError if it is not UTF-8."""
    with text_input(path) as (stream, name):
        text = stream.read()
    if not is_utf8(text):
        raise InputError(f"{name}: expected text in UTF-8, got other bytes; `iconv -t UTF-8` makes it so")
    return text


@contextmanager
def tied_input(path: str) -> Iterator[tuple[TextIO, str]]:
    """`text_input` for a command that only turns lines into lines.

    While it is open, `write_lines` holds lines back until the next read may have to wait, as C++ ties `cin` to `cout`: a live
    pipe shows every line as early as before, and a file of half a million lines takes a twentieth of the system calls.
    """
    global _held
    with text_input(path) as (stream, name):
        raw = _Tied(stream.fileno(), closefd=False)
        _held = []
        try:
            yield io.TextIOWrapper(io.BufferedReader(raw, READ_SIZE), READ_AS, "surrogateescape"), name
        finally:
            _write_held()
            _held = None


class _Tied(io.FileIO):
    """A file that is read only after everything made from it so far has been written."""

    def readinto(self, buffer: "WriteableBuffer") -> int | None:
        _write_held()
        return super().readinto(buffer)


def reason(error: OSError) -> str:
    """What went wrong, in the words of other command-line tools: `no such file`, not `[Errno 2]`."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, IsADirectoryError):
        return "is a directory, expected a file"
    return (error.strerror or str(error)).lower()


def first_line(error: BaseException) -> str:
    """What an error of a library says first; its type if it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


@contextmanager
def refusing(place: str, kind: type[AudiologError] = InputError, way_out: str = "") -> Iterator[None]:
    """Turn an OSError into one of our own: `PLACE: no such file`, with the way out behind it."""
    try:
        yield
    except OSError as error:
        raise kind(f"{place}: {reason(error)}{way_out}") from None


@contextmanager
def naming(place: str) -> Iterator[None]:
    """Put this place into an OSError that names no file, as happens when writing."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or place
        raise


def _to_stdout(text: str) -> None:
    with naming(STDOUT):
        sys.stdout.write(text)
        sys.stdout.flush()


def write_lines(lines: Iterable[str]) -> None:
    """Write lines to stdout, flushing each: the reader sees it at once, and an interrupt leaves whole lines.

    Lines made from a `tied_input` are flushed before it is read again, and in pieces that a pipe takes whole.
    """
    n_held = 0
    for line in lines:
        if _held is None:
            _to_stdout(line)
            continue
        n_held = n_held + len(line) if _held else len(line)
        if n_held > MAX_HELD:
            _write_held()
            n_held = len(line)
        _held.append(line)


def _write_held() -> None:
    if _held:
        text = "".join(_held)
        _held.clear()  # before writing: after an interrupt it must not be written again
        _to_stdout(text)


@contextmanager
def ended_as_by_an_error() -> Iterator[None]:
    """Let a signal that ends the program first end what runs here, as an error would: so that a file gets its end."""

    received: list[int] = []

    def end(number: int, _: object) -> None:
        if not received:  # once is enough
            received.append(number)
            raise SystemExit

    numbers = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is signal.SIG_DFL]
    for number in numbers:
        signal.signal(number, end)
    try:
        yield
    finally:
        if received:
            with suppress(OSError):
                sys.stdout.flush()
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)
        for one in received:
            os.kill(os.getpid(), one)


def leave(code: int) -> NoReturn:
    """End the program at once: the user interrupted it, or the reader of stdout has gone.

    Python's normal exit would write the rest to a closed pipe, and aborts if a thread still waits for stdin.
    """
    with suppress(OSError):
        _write_held()
        sys.stdout.flush()
    os._exit(code)
