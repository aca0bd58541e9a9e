"""When a recording began: from the command line, the file's name or its header.

In: a path and the user's options; out: a `datetime`. The zone is what the source itself says (`Z`, `+01:00`, Unix time,
AudioMoth's `(UTC+2)`), else `--tz`, else none: then times carry no offset. Nothing is guessed, neither from the file's
modification time nor from this computer's zone. If a time was asked for and none is found, that is an error. `dates.py` reads the
texts.

Headers: AudioMoth's comments, EBU Tech 3285 (`bext`), GUANO 1.0, Wildlife Acoustics' `wamd`, ISO 8601 in a comment or date.
"""

import os
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from audiolog_cli import terminal
from audiolog_cli.errors import AudioError, UsageError
from audiolog_cli.sound import riff
from audiolog_cli.sound.dates import Start, field_start, name_reader, name_start, parse_start, parse_zone
from audiolog_cli.sound.remote import is_url, open_url

AUDIOMOTH_COMMENT = re.compile(
    r"Recorded at (\d{2}):(\d{2}):(\d{2})(\.\d+)? (\d{2})/(\d{2})/(\d{4}) (?:\((UTC[^)]*)\) )?(?:by AudioMoth|during deployment)"
)
GUANO = re.compile(r"^Timestamp:(.*)$", re.MULTILINE)
WAMD_TIMESTAMP = 5  # the entry of a `wamd` chunk with the start


@dataclass(frozen=True, slots=True)
class TimeSource:
    """Where to find the start of a recording. Made by `time_source`."""

    start: Start  # given by the user
    read_name: Callable[[str], Start] | None
    pattern: str  # as the user gave it, for messages
    header: bool  # the WAV header: AudioMoth's comment, GUANO, bext
    zone: tzinfo | None  # for times that carry none


def time_source(start_time: str = "", name_time: str = "", header_time: bool = False, tz: str = "") -> TimeSource | None:
    """The source that `--start-time`, `--name-time`, `--header-time` and `--tz` describe; None if none of them is given.

    `start_time` is ISO 8601. `name_time` is `auto`, `audiomoth`, `songmeter`, `zoom`, `iso`, `unix`, or a pattern of strftime
    codes that is searched for in the file's name (in the whole path if it holds a `/`). A header's time takes precedence over a
    name's. Raises UsageError for anything else, and for a start given twice.
    """
    zone = parse_zone(tz) if tz else None
    if not (start_time or name_time or header_time):
        if tz:
            raise UsageError(f"--tz {tz}: no time to apply it to; give --start-time, --name-time or --header-time as well")
        return None
    if start_time and (name_time or header_time):
        raise UsageError("--start-time: the start is given already; leave out --name-time and --header-time")
    start = parse_start(start_time) if start_time else None
    return TimeSource(start, name_reader(name_time) if name_time else None, name_time, header_time, zone)


def start_of(path: str, source: TimeSource, say: Callable[[str], None] = lambda message: None) -> datetime:
    """When the recording at `path` began. `say` is called if that falls into an hour that the clock passes twice.

    Raises AudioError if the source holds no time, a wrong one, or one that is not understood to its end.
    """
    try:
        start = source.start
        if start is None and source.header:
            start = header_start(path)
        if start is None and source.read_name:
            start = source.read_name(path)
        if start is not None:
            return zoned(start, source.zone, path, say)
    except (ValueError, OverflowError) as error:  # February 30; the year 0 in another zone
        raise AudioError(f"{path}: not a time: {error}") from None
    places = [f"in its name (--name-time {source.pattern})"] * bool(source.read_name)
    places = ["in its header (--header-time)"] * source.header + places
    raise AudioError(f"{path}: no time found {' nor '.join(places)}")


def zoned(start: datetime, zone: tzinfo | None, path: str, say: Callable[[str], None]) -> datetime:
    """The time in `zone`: placed in it if it has no zone, else converted to it.

    Of an hour that the clock passes twice the first is taken, and that is reported. Raises AudioError for a time that the clock
    skips: the recorder was not set to that zone.
    """
    if zone is None:
        return start
    if start.tzinfo is not None:
        return start.astimezone(zone)
    local = start.replace(tzinfo=zone)
    if local.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != start:
        raise AudioError(
            f"{path}: {start:%Y-%m-%d %H:%M:%S} does not exist in {zone}, clocks go forward there; "
            "if the recorder does not, give --tz an offset such as +01:00"
        )
    if (again := local.replace(fold=1)).utcoffset() != local.utcoffset():
        say(
            f"{path}: {start:%Y-%m-%d %H:%M:%S} comes twice in {zone}, clocks go back there; taken as {local:%z}; "
            f"if it is the second, give --tz {again.strftime('%z')[:3]}:{again.strftime('%z')[3:5]}"
        )
    return local


# WAV headers


def header_start(path: str) -> Start:
    """The time in a WAV's header: GUANO, wamd, AudioMoth's comment, an ISO time in a comment or date, then bext."""
    if path == "-" or os.path.exists(path) and not os.path.isfile(path):  # a pipe can be read only once, by the decoder
        return None
    with terminal.refusing(path, AudioError), open_url(path) if is_url(path) else open(path, "rb") as file:
        texts = riff.contents(file, HEADER_READERS.keys()) if file.seekable() else {}  # a stream is for the decoder, too
    found = (read(texts[name]) for name, read in HEADER_READERS.items() if name in texts)
    return next((start for start in found if start), None)


def comment_start(chunk: bytes) -> Start:
    """`Recorded at 06:00:00 22/11/2026 (UTC+1) by AudioMoth ...`, or any ISO 8601 time in a comment.

    A deployment's number, where one is set, takes the place of AudioMoth's own: `... (UTC+1) during deployment 24F3...`.
    AudioMoth's clock is UTC if its comment names no zone: firmware that supports other zones names them.
    """
    comment = text_of(chunk)
    match = AUDIOMOTH_COMMENT.search(comment)
    if not match:
        return name_start(comment, "iso")
    hour, minute, second, fraction, day, month, year, zone = match.groups()
    zone = re.sub(r"([+-])(\d)(?!\d)", r"\g<1>0\2", zone or "Z", count=1)  # UTC+2 is UTC+02
    return field_start(f"{year}-{month}-{day}T{hour}:{minute}:{second}{fraction or ''}{zone}")


def text_of(chunk: bytes) -> str:
    """The text in a chunk, up to its zero padding."""
    return chunk.split(b"\0")[0].decode("utf-8", "replace")


def wamd_start(chunk: bytes) -> Start:
    """Wildlife Acoustics' metadata: entries of a number, a length and that many bytes; a start is `2026-11-22 06:00:00+01:00`."""
    at = 0
    while at + 6 <= len(chunk):
        number, size = struct.unpack_from("<HI", chunk, at)
        if number == WAMD_TIMESTAMP:
            return field_start(text_of(chunk[at + 6 : at + 6 + size]))
        at += 6 + size
    return None


def bext_start(chunk: bytes) -> Start:
    """EBU Tech 3285: OriginationDate and OriginationTime, ten and eight characters from byte 320; the separators vary."""
    numbers = re.findall(rb"\d+", chunk[320:330]) + re.findall(rb"\d+", chunk[330:338])
    return datetime(*map(int, numbers)) if len(numbers) == 6 and int(numbers[0]) else None  # type: ignore[arg-type]


HEADER_READERS: dict[str, Callable[[bytes], Start]] = {
    "guan": lambda chunk: field_start(match[1]) if (match := GUANO.search(text_of(chunk))) else None,
    "wamd": wamd_start,
    "LIST/ICMT": comment_start,
    "LIST/ICRD": comment_start,
    "bext": bext_start,
}
