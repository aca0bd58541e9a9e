"""When a recording began, as text: what the user gives, and dates in the names of files and in the fields of their headers.

In: text; out: a `datetime`, without a zone if the text names none. A time that is followed by something not understood
(`06:00:00-2`, `06:00:00 CET`) is an error: without that part it would be a wrong time. Which text to read is for `clock.py`.

Formats: AudioMoth, Song Meter, Zoom and BirdNET-Pi file names, patterns of strftime codes, ISO 8601, Unix time.
"""

import os
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from audiolog_cli.errors import UsageError

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
OFFSET = re.compile(r"([+-])(\d{1,2}):?(\d{2})?")
SUFFIX = re.compile(r"\.(?:[A-Za-z]\w*|3g[p2])$")  # of a file's name; .25Z is not one


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
