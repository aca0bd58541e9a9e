"""When a recording began: from the command line, the file's name or its header; and the clock time of any second in it.

In: a path and what the user said; out: a `datetime` and ISO 8601 texts. A zone is what the source itself says (`Z`, `+01:00`,
Unix time, AudioMoth's `(UTC+2)`), else `--tz`, else none: then times carry no offset. Nothing is guessed: not from the file's
modification time, not from this computer's zone. Where a time was asked for and none is found, that is an error.

Formats: AudioMoth and Song Meter file names and comments, EBU Tech 3285 (`bext`), GUANO 1.0, ISO 8601.
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from audiolog_cli.errors import AudioError, UsageError
from audiolog_cli.sound import riff
from audiolog_cli.sound.remote import is_url, open_url

Start = datetime | None

# The digits of strftime codes that `--name-time` takes, as regular expressions.
CODES = {
    "%Y": r"\d{4}",
    "%y": r"\d{2}",
    "%m": r"\d{2}",
    "%d": r"\d{2}",
    "%j": r"\d{3}",
    "%H": r"\d{2}",
    "%I": r"\d{2}",
    "%p": r"[AaPp][Mm]",
    "%M": r"\d{2}",
    "%S": r"\d{2}",
    "%f": r"\d{1,6}",
    "%z": r"(?:Z|[+-]\d{2}:?\d{2})",
    "%s": r"\d{9,10}(?:\.\d+)?",
    "%%": "%",
}
DATE_CODES = ({"%s"}, {"%Y", "%m", "%d"}, {"%y", "%m", "%d"}, {"%Y", "%j"}, {"%y", "%j"})

ISO = re.compile(
    r"(?<!\d)(\d{4})-?(\d{2})-?(\d{2})[T_ ](\d{2})[-:.]?(\d{2})[-:.]?(\d{2})(?:[.,](\d{1,6}))?\s?(Z|[+-]\d{2}[:-]?\d{2})?(?!\d)"
)
DAY_TIME = re.compile(r"(?<!\d)(\d{4})(\d{2})(\d{2})[_$](\d{2})(\d{2})(\d{2})(?!\d)")
SHORT_DAY_TIME = re.compile(r"(?<!\d)(\d{2})(\d{2})(\d{2})[-_](\d{2})(\d{2})(\d{2})(?!\d)")
UNIX = re.compile(r"(?<![\da-fA-F])(1\d{9}(?:\.\d+|\d{3})?)(?!\d)")  # 2001 to 2033: other numbers are no times
UNIX_HEX = re.compile(r"[5-7][0-9A-F]{7}")  # 2012 to 2038: not a date such as 20261122
AUDIOMOTH_COMMENT = re.compile(
    r"Recorded at (\d{2}):(\d{2}):(\d{2})(?:\.(\d{3}))? (\d{2})/(\d{2})/(\d{4}) \(UTC(?:([+-])(\d{1,2})(?::(\d{2}))?)?\)"
)
OFFSET = re.compile(r"([+-])(\d{1,2}):?(\d{2})?")


@dataclass(frozen=True, slots=True)
class TimeSource:
    """Where the start of a recording is to be found. Made by `time_source`."""

    start: Start  # said by the user
    read_name: Callable[[str], Start] | None
    pattern: str  # as the user gave it, for messages
    header: bool  # the WAV header: AudioMoth's comment, GUANO, bext
    zone: tzinfo | None  # of times that carry none


def time_source(start_time: str = "", name_time: str = "", header_time: bool = False, tz: str = "") -> TimeSource | None:
    """What the options `--start-time`, `--name-time`, `--header-time` and `--tz` say; None if nothing was asked for.

    `start_time` is ISO 8601. `name_time` is `auto`, `audiomoth`, `songmeter`, `zoom`, `iso`, `unix`, or a pattern of strftime
    codes that is searched for in the file's name (in the whole path if it holds a `/`). A header's time goes before a name's.
    Raises UsageError for what is none of these, and for a start given twice.
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


def start_of(path: str, source: TimeSource) -> datetime:
    """When the recording at `path` began. Raises AudioError where the place that was named holds no time, or a wrong one."""
    try:
        start = source.start
        if start is None and source.header:
            start = header_start(path)
        if start is None and source.read_name:
            start = source.read_name(path)
    except ValueError as error:  # February 30
        raise AudioError(f"{path}: its time is none: {error}") from None
    if start is None:
        places = [f"in its name (--name-time {source.pattern})"] * bool(source.read_name)
        places = ["in its header (--header-time)"] * source.header + places
        raise AudioError(f"{path}: no time found {' nor '.join(places)}")
    return zoned(start, source.zone, path)


def zoned(start: datetime, zone: tzinfo | None, path: str) -> datetime:
    """The time in `zone`: put into it where it has none, else shown in it.

    Of an hour that the clock passes twice, the first is taken. Raises AudioError for one that it leaves out: such a recorder
    is not set to that zone.
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
    return local


def at(start: datetime, seconds: float) -> str:
    """The clock time `seconds` after the start, ISO 8601 in milliseconds, with the offset that holds at that moment.

    AudioError past the year 9999.

    >>> at(datetime(2026, 10, 25, 0, 59, 59, tzinfo=UTC).astimezone(ZoneInfo("Europe/Berlin")), 1.5)
    '2026-10-25T02:00:00.500+01:00'
    >>> at(datetime(2026, 11, 22, 6), 61.25)
    '2026-11-22T06:01:01.250'
    """
    passed = timedelta(milliseconds=round(seconds * 1000))
    try:
        if start.tzinfo is None:
            return (start + passed).isoformat(timespec="milliseconds")
        return (start.astimezone(UTC) + passed).astimezone(start.tzinfo).isoformat(timespec="milliseconds")
    except OverflowError:
        raise AudioError(f"{seconds:.3f} s after {start.isoformat()} no calendar goes on; is the start right?") from None


# What the user says


def parse_start(text: str) -> datetime:
    """An ISO 8601 date and time; UsageError if it is none."""
    try:
        if len(text) <= 10:
            raise ValueError
        return datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--start-time {text}: expected ISO 8601, such as 2026-11-22T06:00:00+01:00") from None


def parse_zone(text: str) -> tzinfo:
    """A zone by its IANA name or as an offset; UsageError if it is neither."""
    if text in ("UTC", "Z"):
        return UTC
    try:
        if match := OFFSET.fullmatch(text):
            return offset_zone(*match.groups())
        return ZoneInfo(text)
    except (ValueError, OSError, KeyError):  # KeyError: ZoneInfoNotFoundError
        raise UsageError(
            f"--tz {text}: unknown zone; expected a name such as Europe/Berlin, or an offset such as +01:00"
        ) from None


def offset_zone(sign: str, hours: str, minutes: str | None) -> timezone:
    """A fixed offset from UTC; ValueError if it is a day or more."""
    offset = timedelta(hours=int(hours), minutes=int(minutes or 0))
    return timezone(offset if sign == "+" else -offset)


# File names


def name_reader(pattern: str) -> Callable[[str], Start]:
    """The function that finds the time in a path, for a value of `--name-time`."""
    readers = {"audiomoth": audiomoth_name, "songmeter": day_time_name, "zoom": zoom_name, "iso": iso_name, "unix": unix_name}
    if pattern in readers:
        return on_stem(readers[pattern])
    if pattern == "auto":
        return on_stem(first_of(iso_name, audiomoth_name, zoom_name, unix_name))
    return pattern_reader(pattern, " ".join(["auto", *readers]))


def on_stem(read: Callable[[str], Start]) -> Callable[[str], Start]:
    """A reader of paths from a reader of file names without their suffix."""
    return lambda path: read(os.path.splitext(os.path.basename(path))[0])


def first_of(*readers: Callable[[str], Start]) -> Callable[[str], Start]:
    """The time that the first reader finds which finds any."""
    return lambda name: next((start for read in readers if (start := read(name))), None)


def iso_name(name: str) -> Start:
    """ISO 8601, also with `-` or `_` where a file name cannot hold `:` or `T`.

    >>> iso_name("garden_2026-11-22T06-00-00Z")
    datetime.datetime(2026, 11, 22, 6, 0, tzinfo=datetime.timezone.utc)
    """
    match = ISO.search(name)
    if not match:
        return None
    *numbers, fraction, zone = match.groups()
    start = datetime(*map(int, numbers))  # type: ignore[arg-type]
    start = start.replace(microsecond=int((fraction or "0").ljust(6, "0")))
    if zone is None:
        return start
    offset = OFFSET.fullmatch(zone[0] + zone[1:].replace("-", ":"))
    return start.replace(tzinfo=offset_zone(*offset.groups()) if offset else UTC)


def audiomoth_name(name: str) -> Start:
    """AudioMoth: 20261122_060000, with T at the end when triggered; Unix time in hexadecimal by firmware before 1.2.

    >>> audiomoth_name("24F319046055BD8B_20261122_060000T"), audiomoth_name("5BF1CAEC")
    (datetime.datetime(2026, 11, 22, 6, 0), datetime.datetime(2018, 11, 18, 20, 26, 20, tzinfo=datetime.timezone.utc))
    """
    if UNIX_HEX.fullmatch(name):
        return datetime.fromtimestamp(int(name, 16), UTC)
    return day_time_name(name)


def day_time_name(name: str) -> Start:
    """Song Meter and many more: SMM01234_20261122_060000 (`$` for `_` when triggered).

    >>> day_time_name("SMM01234_20261122_060000")
    datetime.datetime(2026, 11, 22, 6, 0)
    """
    match = DAY_TIME.search(name)
    return datetime(*map(int, match.groups())) if match else None  # type: ignore[arg-type]


def zoom_name(name: str) -> Start:
    """Zoom: 261122_060000 or 261122-060000, of this century.

    >>> zoom_name("261122-060000")
    datetime.datetime(2026, 11, 22, 6, 0)
    """
    match = SHORT_DAY_TIME.search(name)
    if not match:
        return None
    year, *rest = map(int, match.groups())
    return datetime(2000 + year, *rest)  # type: ignore[arg-type]


def unix_name(name: str) -> Start:
    """Seconds (10 digits, with or without a fraction) or milliseconds (13 digits) since 1970, UTC.

    >>> unix_name("mic2-1795327200")
    datetime.datetime(2026, 11, 22, 6, 0, tzinfo=datetime.timezone.utc)
    """
    match = UNIX.search(name)
    if not match:
        return None
    text = match[1]
    return from_unix(float(text) / 1000 if len(text) == 13 and "." not in text else float(text))


def from_unix(seconds: float) -> datetime:
    """Seconds since 1970 as UTC, to the microsecond."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)


def pattern_reader(pattern: str, known: str) -> Callable[[str], Start]:
    """A reader for a pattern of strftime codes; UsageError where it could not give a date."""
    codes = re.findall("%.?", pattern)
    if not codes:
        raise UsageError(f"--name-time {pattern}: expected one of {known}, or a pattern such as rec_%Y%m%d_%H%M%S")
    if unknown := [code for code in codes if code not in CODES]:
        raise UsageError(f"--name-time {pattern}: unknown code {unknown[0]}; known are {' '.join(CODES)}")
    used = set(codes) - {"%%"}
    if len(used) < len([code for code in codes if code != "%%"]) or not any(date <= used for date in DATE_CODES):
        raise UsageError(f"--name-time {pattern}: expected each part of a date once: %Y %m %d, %Y %j, or %s for Unix time")
    expression = "".join(CODES.get(part, re.escape(part)) for part in re.split("(%.)", pattern))
    if "%s" in used:
        expression = expression.replace(CODES["%s"], f"(?P<unix>{CODES['%s']})")
    compiled = re.compile(rf"(?<!\d){expression}(?!\d)")

    def read(path: str) -> Start:
        match = compiled.search(path if "/" in pattern else os.path.basename(path))
        if not match:
            return None
        return from_unix(float(match["unix"])) if "%s" in used else datetime.strptime(match[0], pattern)

    return read


# WAV headers


def header_start(path: str) -> Start:
    """The time in a WAV's header: AudioMoth's comment, GUANO, an ISO time in a comment or date, then bext's origination."""
    if path == "-" or os.path.exists(path) and not os.path.isfile(path):  # a pipe can be read only once, by the decoder
        return None
    try:
        with open_url(path) if is_url(path) else open(path, "rb") as file:
            texts = {chunk.name: riff.contents(file, chunk) for chunk in riff.chunks(file) if chunk.name in HEADER_READERS}
    except OSError as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else (error.strerror or str(error)).lower()
        raise AudioError(f"{path}: {reason}") from None
    found = (read(texts[name]) for name, read in HEADER_READERS.items() if name in texts)
    return next((start for start in found if start), None)


def comment_start(text: bytes) -> Start:
    """`Recorded at 06:00:00 22/11/2026 (UTC+1) by AudioMoth ...`, or any ISO 8601 time in a comment."""
    comment = text.decode("utf-8", "replace")
    match = AUDIOMOTH_COMMENT.search(comment)
    if not match:
        return iso_name(comment)
    hour, minute, second, milliseconds, day, month, year, sign, hours, minutes = match.groups()
    zone = offset_zone(sign, hours, minutes) if sign else UTC
    numbers = map(int, (year, month, day, hour, minute, second))
    return datetime(*numbers, int(milliseconds or 0) * 1000, tzinfo=zone)  # type: ignore[misc,arg-type]


def guano_start(text: bytes) -> Start:
    """GUANO's `Timestamp:` line."""
    match = re.search(rb"^Timestamp:\s*(\S+)", text, re.MULTILINE)
    return iso_name(match[1].decode("utf-8", "replace")) if match else None


def bext_start(text: bytes) -> Start:
    """EBU Tech 3285: OriginationDate and OriginationTime, ten and eight characters from byte 320; the separators vary."""
    numbers = re.findall(rb"\d+", text[320:330]) + re.findall(rb"\d+", text[330:338])
    return datetime(*map(int, numbers)) if len(numbers) == 6 and int(numbers[0]) else None  # type: ignore[arg-type]


HEADER_READERS: dict[str, Callable[[bytes], Start]] = {
    "LIST/ICMT": comment_start,
    "guan": guano_start,
    "LIST/ICRD": comment_start,
    "bext": bext_start,
}
