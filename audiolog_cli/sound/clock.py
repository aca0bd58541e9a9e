"""When a recording began: from the command line, the file's name or its header; and the clock time of any second in it.

In: a path and the user's options; out: a `datetime` and ISO 8601 texts. The zone is what the source itself says (`Z`, `+01:00`,
Unix time, AudioMoth's `(UTC+2)`), else `--tz`, else none: then times carry no offset. Nothing is guessed, neither from the file's
modification time nor from this computer's zone. If a time was asked for and none is found, that is an error; so is a time
followed by something that is not understood (`06:00:00-2`, `06:00:00 CET`): without that part it would be a wrong time.

Formats: AudioMoth, Song Meter, Zoom and BirdNET-Pi file names, AudioMoth's comments, EBU Tech 3285 (`bext`), GUANO 1.0, Wildlife
Acoustics' `wamd`, ISO 8601.
"""

import os
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from audiolog_cli import terminal
from audiolog_cli.errors import AudioError, UsageError
from audiolog_cli.sound import riff
from audiolog_cli.sound.remote import is_url, open_url

Start = datetime | None

# The strftime codes that `--name-time` takes, as regular expressions.
CODES = {
    "%Y": r"\d{4}", "%y": r"\d{2}", "%m": r"\d{2}", "%d": r"\d{2}", "%j": r"\d{3}", "%H": r"\d{2}", "%I": r"\d{2}",
    "%p": r"[AaPp][Mm]", "%M": r"\d{2}", "%S": r"\d{2}", "%f": r"\d{1,6}", "%z": r"(?:Z|[+-]\d{2}(?::?\d{2})?)",
    "%s": r"\d{9,10}(?:\.\d+)?", "%%": "%",
}  # fmt: skip
DATE_CODES = ({"%s"}, {"%Y", "%m", "%d"}, {"%y", "%m", "%d"}, {"%Y", "%j"}, {"%y", "%j"})

# A date and a time of day, each a pattern of six numbers; what may follow them is AFTER.
ISO = re.compile(r"(?<!\d)(\d{4})-?(\d{2})-?(\d{2})[Tt_ -](\d{2})[-:.]?(\d{2})[-:.]?(\d{2})(?!\d)")
BIRDNET_PI = re.compile(r"(?<!\d)(\d{4})-(\d{2})-(\d{2})-birdnet-(?:RTSP_\d+-)?(\d{2})[-:._]?(\d{2})[-:._]?(\d{2})(?!\d)")
DAY_TIME = re.compile(r"(?<!\d)(\d{4})(\d{2})(\d{2})[-_$](\d{2})(\d{2})(\d{2})(?!\d)")
SHORT_DAY_TIME = re.compile(r"(?<!\d)(\d{2})(\d{2})(\d{2})[-_](\d{2})(\d{2})(\d{2})(?!\d)")
AFTER = re.compile(
    r"(?:[.,](?P<fraction>\d+))?"
    r"\s?(?P<zone>[Zz](?![^\W_])|(?:UTC|GMT)?(?P<offset>[+-]\d{2}(?:[:-]?\d{2})?)(?!\d)|(?:UTC|GMT)(?![^\W_]))?"
)
# What must not follow that: a possible offset or fraction, am or pm, or a zone's abbreviation (many of which mean two zones).
NOT_UNDERSTOOD = re.compile(
    r"\s?[-+]\d|[.,:]\d|\s?[AaPp]\.?[Mm]\b|[\s_]?(?:UTC|GMT)|_[Zz](?![^\W_])"
    r"|[\s_]?(?:[ECMP][DS]T|(?:AK|A[CEW]|NZ)[DS]T|[BHJK]ST|CES?T|EES?T|WET|MES?Z|MSK|SAST)(?![^\W_])"
)
UNIX = re.compile(r"(?<![\da-fA-F])(1\d{9}(?:\.\d+|\d{3})?)(?!\d)")  # 2001 to 2033: other numbers are not times
UNIX_HEX = re.compile(r"\A[5-7][0-9A-F]{7}\Z")  # 2012 to 2038: not a date such as 20261122
# What each value of --name-time looks for in a file's name: the first pattern that is found counts.
NAMES = {
    "auto": (UNIX_HEX, BIRDNET_PI, ISO, DAY_TIME, SHORT_DAY_TIME, UNIX),
    "audiomoth": (UNIX_HEX, DAY_TIME),  # firmware before 1.2 wrote Unix time in hexadecimal
    "songmeter": (DAY_TIME,),
    "zoom": (SHORT_DAY_TIME,),
    "iso": (ISO,),
    "unix": (UNIX,),
}
AUDIOMOTH_COMMENT = re.compile(
    r"Recorded at (\d{2}):(\d{2}):(\d{2})(\.\d+)? (\d{2})/(\d{2})/(\d{4}) (?:\((UTC[^)]*)\) )?(?:by AudioMoth|during deployment)"
)
GUANO = re.compile(r"^Timestamp:(.*)$", re.MULTILINE)
OFFSET = re.compile(r"([+-])(\d{1,2}):?(\d{2})?")
SUFFIX = re.compile(r"\.(?:[A-Za-z]\w*|3g[p2])$")  # of a file's name; .25Z is not one
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


def in_utc(start: datetime) -> datetime:
    """The same moment, for arithmetic: Python subtracts times of one zone by wall clock, an hour off where clocks change."""
    return start if start.tzinfo is None else start.astimezone(UTC)


def at(start: datetime, seconds: float) -> str:
    """The clock time `seconds` after the start, ISO 8601 to the millisecond, with the offset valid at that moment.

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
        raise AudioError(f"{seconds:.3f} s after {start.isoformat()} the calendar ends; is the start right?") from None


# What the user gives


def parse_start(text: str) -> datetime:
    """Parse an ISO 8601 date and time; UsageError if it is not one."""
    try:
        if len(text) <= 10:
            raise ValueError
        return datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--start-time {text}: expected ISO 8601, such as 2026-11-22T06:00:00+01:00") from None


def parse_zone(text: str) -> tzinfo:
    """Parse a zone given by its IANA name or as an offset; UsageError if it is neither."""
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
    """A fixed offset from UTC; ValueError beyond 14 hours, the largest in use."""
    offset = timedelta(hours=int(hours), minutes=int(minutes or 0))
    if offset > timedelta(hours=14) or int(minutes or 0) > 59:
        raise ValueError(f"an offset of {sign}{hours}:{minutes or '00'} from UTC, expected at most 14 hours")
    return timezone(offset if sign == "+" else -offset)


# File names


def name_reader(pattern: str) -> Callable[[str], Start]:
    """The function that finds the time in a path, for a value of `--name-time`."""
    if pattern in NAMES:
        return lambda path: name_start(SUFFIX.sub("", os.path.basename(path)), pattern)
    return pattern_reader(pattern)


def name_start(name: str, kind: str) -> Start:
    """The time in a file's name without its suffix, as NAMES[kind] finds it.

    ISO 8601 may have `-` or `_` in place of the `:` or `T` that a file name cannot hold; Unix time is seconds (10 digits, with or
    without a fraction) or milliseconds (13 digits).

    >>> name_start("garden_2026-11-22T06-00-00Z", "iso")
    datetime.datetime(2026, 11, 22, 6, 0, tzinfo=datetime.timezone.utc)
    >>> name_start("Common_Blackbird-85-2026-11-22-birdnet-RTSP_1-06:00:00", "auto")
    datetime.datetime(2026, 11, 22, 6, 0)
    >>> name_start("24F319046055BD8B_20261122_060000T", "audiomoth"), name_start("261122-060000", "zoom")
    (datetime.datetime(2026, 11, 22, 6, 0), datetime.datetime(2026, 11, 22, 6, 0))
    >>> name_start("5BF1CAEC", "audiomoth"), name_start("mic2-1795327200", "unix")  # doctest: +ELLIPSIS
    (datetime.datetime(2018, 11, 18, 20, 26, 20, tzinfo=...), datetime.datetime(2026, 11, 22, 6, 0, tzinfo=...))
    """
    for pattern in NAMES[kind]:
        if match := pattern.search(name):
            if pattern is UNIX_HEX:
                return from_unix(int(name, 16))
            if pattern is UNIX:
                is_milliseconds = len(match[1]) == 13 and "." not in match[1]
                return from_unix(float(match[1]) / (1000 if is_milliseconds else 1))
            return dated(match)
    return None


def dated(match: re.Match[str], is_in_name: bool = True) -> datetime:
    """The time in six matched numbers, with the fraction of a second and the zone that follow them; a year 26 is 2026.

    Fractions are cut to microseconds. ValueError if there is no such time, or if what follows is not understood; in a name that
    includes `-05` unless a T precedes the time, as it may be just a number.

    >>> dated(ISO.match("2026-11-22 06:00:00.1234567 +01"))
    datetime.datetime(2026, 11, 22, 6, 0, 0, 123456, tzinfo=datetime.timezone(datetime.timedelta(seconds=3600)))
    """
    year, *rest = map(int, match.groups())
    text = match.string
    after = AFTER.match(text, match.end())
    assert after is not None  # it may be empty
    offset = after["offset"]
    may_be_a_number = (
        is_in_name and len(after["zone"] or "") == 3 and offset and offset[0] == "-" and text[match.end(3)] not in "Tt"
    )
    if may_be_a_number or NOT_UNDERSTOOD.match(text, after.end()):
        tail = text[match.end() :]
        raise ValueError(
            f"{match[0]} is followed by {tail[:20]!r}, which is not understood; expected nothing, a fraction of a second, Z or "
            "an offset such as +01:00; a pattern for --name-time, such as %Y%m%d_%H%M%S, says which digits count"
        )
    microseconds = int((after["fraction"] or "").ljust(6, "0")[:6])
    start = datetime(year + 2000 * (len(match[1]) == 2), *rest, microsecond=microseconds)  # type: ignore[misc,arg-type]
    if after["zone"] is None:
        return start
    if offset is None:
        return start.replace(tzinfo=UTC)
    parts = OFFSET.fullmatch(offset[0] + offset[1:].replace("-", ":"))
    assert parts is not None
    return start.replace(tzinfo=offset_zone(*parts.groups()))


def from_unix(seconds: float) -> datetime:
    """Seconds since 1970 as UTC, to the microsecond."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)


def pattern_reader(pattern: str) -> Callable[[str], Start]:
    """A reader for a pattern of strftime codes; UsageError if the pattern cannot yield a date."""
    codes = re.findall("%.?", pattern)
    if not codes:
        raise UsageError(f"--name-time {pattern}: expected one of {' '.join(NAMES)}, or a pattern such as rec_%Y%m%d_%H%M%S")
    if unknown := [code for code in codes if code not in CODES]:
        raise UsageError(f"--name-time {pattern}: unknown code {unknown[0]}; known are {' '.join(CODES)}")
    used = set(codes) - {"%%"}
    if len(used) < len([code for code in codes if code != "%%"]) or not any(date <= used for date in DATE_CODES):
        raise UsageError(f"--name-time {pattern}: expected each part of a date once: %Y %m %d, %Y %j, or %s for Unix time")
    expression = "".join(CODES.get(part, re.escape(part)) for part in re.split("(%.)", pattern))
    for code, name in (("%s", "unix"), ("%z", "zone")):
        expression = expression.replace(CODES[code], f"(?P<{name}>{CODES[code]})")
    compiled = re.compile(rf"(?<!\d){expression}(?!\d)")

    def read(path: str) -> Start:
        match = compiled.search(path if "/" in pattern else os.path.basename(path))
        if not match:
            return None
        if "%s" in used:
            return from_unix(float(match["unix"]))
        text, minutes = match[0], "00" if "%z" in used and len(match["zone"]) == 3 else ""  # strptime needs them
        end = match.end("zone") - match.start() if minutes else len(text)
        return datetime.strptime(text[:end] + minutes + text[end:], pattern)

    return read


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


def field_start(text: str) -> Start:
    """The time in a field that holds nothing else; ValueError if there is more in it."""
    text = text.strip()
    if not text:
        return None
    match = ISO.match(text)
    after = AFTER.match(text, match.end()) if match else None
    if not match or not after or after.end() < len(text):
        raise ValueError(f"{text[:60]!r} in its header, expected a time such as 2026-11-22T06:00:00+01:00")
    return dated(match, is_in_name=False)


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
