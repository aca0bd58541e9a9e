"""The recordings that a command is to hear: paths, folders, lists of paths and lists of segments in, jobs out."""

import os
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from io import BufferedReader
from itertools import chain, groupby
from operator import attrgetter
from pathlib import Path
from typing import cast

from audiolog_cli import terminal
from audiolog_cli.commands.needs import refusal
from audiolog_cli.errors import InputError, RecordError
from audiolog_cli.reading import has_segments, read_records
from audiolog_cli.records import End, Failure, Record, Remark, Segment
from audiolog_cli.sound.remote import files_below, inside, is_url
from audiolog_cli.tagging.options import Job, Listed, Spans, stretch

_SUFFIXES = (
    ".wav .wave .w64 .rf64 .bwf .aif .aiff .aifc .caf .au .snd .voc .flac .wv .ape .tta .mp3 .mp2 .mpga .m4a .m4b .aac .ac3 "
    ".eac3 .dts .ogg .oga .ogv .opus .spx .amr .gsm .wma .dsf .mp4 .m4v .mov .3gp .3g2 .mka .mkv .webm .avi .flv .wmv .asf .mpg "
    ".mpeg .vob .ts .mts .m2ts"
)
AUDIO_SUFFIXES = frozenset(_SUFFIXES.split())
# Hidden files and folders, and those that systems and network disks make: trash, thumbnails, ...
HIDDEN = re.compile(r"\..*|@eaDir|@Recycle|#recycle|#snapshot|\$RECYCLE\.BIN|System Volume Information|lost\+found|__MACOSX")


def jobs_of(
    paths: Iterable[str], recursive: bool = False, match: str = "", raw: str = "", start: float = 0.0, end: float | None = None
) -> Iterator[Job | InputError]:
    """The recordings that the paths mean, in order; an input that cannot be used is replaced by its error.

    A path (or URL) is a recording or a list of segments, told apart by its first bytes, or with `recursive` a folder: all files
    below it whose names match `match`, or, if that is empty, that have the suffix of a sound file. Of each recording,
    [start, end) seconds are used; UsageError if they are given for segments, which have their own.
    """
    spans, refuse_stretch = stretch(start, end), refusal("start", "end", "split_files")
    is_stdin_taken = False

    def of(path: str) -> Iterator[Job | InputError]:
        nonlocal is_stdin_taken
        try:
            if path == "-" and is_stdin_taken:
                raise InputError("-: named twice, but standard input can be read only once")
            is_stdin_taken |= path == "-"
            if os.path.isdir(path) and not recursive:
                raise InputError(f"{path}: is a folder; --recursive takes all recordings in it and below")
            if recursive and (is_url(path) or os.path.isdir(path)):
                yield from _found(files_below(path) if is_url(path) else _files_below(path), path, match, spans)
            elif _holds_records(path, bool(raw)):
                refuse_stretch(f"{'stdin' if path == '-' else path} is a list of segments, which say what to hear")
                with terminal.text_input(path) as (stream, name):
                    yield from _listed(read_records(stream, name), name)
            else:
                yield Job(path, spans)
        except InputError as error:
            yield error.of(path)

    return chain.from_iterable(map(of, paths))


def _found(files: Iterable[str | InputError], folder: str, match: str, spans: Spans) -> Iterator[Job | InputError]:
    """The recordings of a folder; reports how many other files were skipped, and if there are no recordings."""
    n_found, skipped = 0, Counter[str]()
    for file in files:
        path = file.path if isinstance(file, InputError) else file
        parts = inside(path).removeprefix(inside(folder)).split("/")
        if any(HIDDEN.fullmatch(part) for part in parts):
            skipped["hidden"] += 1
        elif isinstance(file, InputError):
            n_found += 1
            yield file
        elif os.path.isdir(path):
            skipped["linking to a folder"] += 1
        elif _fits(path, match):
            n_found += 1
            yield Job(path, spans)
        else:
            skipped[f"not matching {match}" if match else Path(parts[-1]).suffix.lower() or "without suffix"] += 1
    over = f"skipped {', '.join(f'{n} {kind}' for kind, n in skipped.most_common())}" if skipped else ""
    if not n_found or skipped:
        terminal.say(f"{folder}: {'; '.join(filter(None, ('' if n_found else 'no recordings in it', over)))}")


def _files_below(folder: str) -> Iterator[str | InputError]:
    """Files of a folder, by name, then those of its subfolders; an error in place of a folder that cannot be read.

    Pipes and devices are skipped: perhaps nobody ever writes to them. A broken link is yielded, and fails later. A link to a
    folder is yielded and not followed, so that links cannot form a loop.
    """
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=attrgetter("name"))
    except OSError as error:
        yield InputError(f"{folder}: {terminal.reason(error)}").of(folder)
        return
    subfolders = []
    for entry in entries:
        path = entry.path
        if entry.is_dir(follow_symlinks=False):
            subfolders.append(path)
        elif entry.is_file(follow_symlinks=False) or os.path.isfile(path) or os.path.isdir(path) or not os.path.exists(path):
            yield path
    for subfolder in subfolders:
        yield from _files_below(subfolder)


def _fits(path: str, match: str) -> bool:
    """Whether a name matches the pattern or, without one, has the suffix of a sound file. TypeScript too ends in .ts."""
    name = os.path.basename(inside(path))
    if match:
        return fnmatch(name, match)
    suffix = Path(name).suffix.lower()
    return suffix in AUDIO_SUFFIXES and (suffix != ".ts" or not os.path.isfile(path) or _is_transport_stream(path))


def _is_transport_stream(path: str) -> bool:
    """Whether the file consists of packets of 188 bytes that begin with the letter G, as in MPEG."""
    try:
        with open(path, "rb") as file:
            return file.read(189)[::188] == b"GG"
    except OSError:
        return True  # the decoder will say what is wrong


def _holds_records(path: str, is_raw: bool) -> bool:
    """Whether the first line is the header of a TSV of records, a segment, or JSON: no audio container starts like that.

    Raw sound may, but not as `audiolog segment` does.
    """
    if path == "-" and sys.stdin is None:
        return False
    if path == "-":
        head = cast(BufferedReader, sys.stdin.buffer).peek()
    elif os.path.isfile(path) and os.access(path, os.R_OK):
        try:
            with open(path, "rb") as file:
                head = file.read(4096)
        except OSError:
            return False  # decoding reports a disk that fails
    else:
        return False  # a FIFO cannot be peeked at; decoding reports a missing file
    first_line = head.removeprefix(b"\xef\xbb\xbf").split(b"\n")[0]
    if is_raw:
        return first_line.startswith((b"filename\tonset\toffset", b'{"filename":'))
    if has_segments(first_line.decode("utf-8", "surrogateescape")):
        return True
    return first_line.startswith(b"{") or b"filename" in first_line.rstrip(b"\r").split(b"\t")


def _listed(records: Iterable[Record], name: str) -> Iterator[Job | InputError]:
    """The recordings of a list of segments, and those that failed when it was made (noted in JSON Lines).

    The segments of one recording are adjacent, in order of onset.
    """
    kept = (record for record in records if not isinstance(record, End))
    for path, group in groupby(kept, key=attrgetter("filename")):
        spans, failures = [], []
        for record in group:
            if isinstance(record, Failure):
                failures.append(InputError(record.message).of(path))
            elif isinstance(record, Segment):
                spans.append((record.onset, record.offset))
            elif not isinstance(record, Remark):  # `tag` will find it again
                raise RecordError(
                    f"{name}: expected segments (filename onset offset), got other records; `audiolog segment` writes them"
                )
        if spans != sorted(spans):
            raise RecordError(f"{name}: the segments of {path} are not in order of onset; sort them")
        if spans and (path, name) == ("-", "stdin"):
            yield InputError("stdin: segments of -, which cannot be read again")
        elif spans:
            yield Listed(path, spans)
        yield from failures


def names_in(path: str) -> list[str]:
    """The paths in a list of recordings, one per line; blank lines are skipped."""
    if not path:
        return []
    with terminal.text_input(path) as (stream, name):
        names = [line for raw in stream if (line := raw.rstrip("\r\n"))]
    if any("\0" in line for line in names):
        raise InputError(f"{name}: names between NULs; expected one a line, as `find` prints them without -print0")
    return names
