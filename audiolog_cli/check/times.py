"""Times in running text: positions and ranges in a recording, told apart from durations and counts.

Read are 1:05, 1:02:03, 65 s, 1 min 5 s, minute 1, second 65, and ranges of them (`0:05–0:12`, `from 5 to 12 seconds`, `between 5 s
and 12 s`, `start: 5 ... end: 12`), in English and in the words that German, French, Spanish and Chinese use for the same. A quantity
after `for`, before `long` or alone in brackets is a duration and is passed over.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

HALF_MINUTE = 30.0  # seconds that "minute 5" may be off
VAGUE = 3.0  # times the usual tolerance for "about 5 s"


@dataclass(frozen=True, slots=True)
class Time:
    """A time that a text names, at [start, end) characters: a range [onset, offset] in seconds, or a point where they are equal."""

    start: int
    end: int
    onset: float
    offset: float
    slack: float = 0.0  # seconds of vagueness beyond the usual tolerance
    edge: str = ""  # "onset" or "offset" for a point that is said to be one
    in_row: bool = False  # two columns of a table: what stands beside it is somewhere in that range
    clock_of_day: bool = False  # HH:MM:SS with leading zeros or two-digit hours: may be a time of day


HOURS = r"(?:hours?|hrs?|h|Stunden?|heures?|horas?|小时)"
MINUTES = r"(?:minutes?|mins?|min|m|Minuten?|minutos?|分钟|分)"
SECONDS = r"(?:seconds?|secs?|sec|s|Sekunden?|secondes?|segundos?|秒钟?|秒)"
WORD_END = r"(?![A-Za-zÀ-ÿ])"
CLOCK = r"\d{1,3}:\d{2}(?::\d{2})?(?:\.\d+)?"
UNITS = (
    rf"(?:\d+\s*-?{HOURS}{WORD_END}\s*(?:(?:and|und|et|y)\s+)?)?(?:\d+\s*-?{MINUTES}{WORD_END}\s*(?:(?:and|und|et|y)\s+)?)?"
    rf"\d+(?:[.,]\d+)?\s*-?{SECONDS}{WORD_END}|(?:\d+\s*-?{HOURS}{WORD_END}\s*)?\d+(?:\.\d+)?\s*-?{MINUTES}{WORD_END}|\d+\s*{HOURS}{WORD_END}"
)
NAMED = rf"(?:{SECONDS}|{MINUTES}|第)\s*\d+(?:\.\d+)?(?:\s*{SECONDS}{WORD_END})?"
BARE = r"\d+(?:\.\d+)?"
QUANTITY = rf"(?:{CLOCK}|{UNITS}|(?<![^\W\d_]){NAMED})"
TO = r"\s*(?:[-\u2013\u2014~\u2192]|to|until|till|through|and|bis|und|\u00e0|et|jusqu'\u00e0|a|hasta|y|\u81f3|\u5230|-)\s*(?:about |around |approximately |time |the |at )*"
RANGES = re.compile(rf"(?<![\d:.])(?P<first>{QUANTITY}|{BARE}){TO}(?P<last>{QUANTITY}|{BARE})(?![\d:])", re.IGNORECASE)
START_END = re.compile(
    rf"\bstart(?:s|ed|ing)?\b(?: time)?[^\w\n]{{0,6}}(?:at |from )?(?P<first>{QUANTITY}|{BARE})[^\w]{{1,12}}(?:and )?(?:it )?"
    rf"end(?:s|ed|ing)?\b(?: time)?[^\w\n]{{0,6}}(?:at )?(?P<last>{QUANTITY}|{BARE})",
    re.IGNORECASE,
)
CELLS = re.compile(
    rf"(?:(?<=\[)|(?<=\|)|^)\s*(?P<first>{BARE}|{CLOCK})\s*[|\t,]\s*(?P<last>{BARE}|{CLOCK})\s*(?=[\]|\t,])", re.MULTILINE
)
LISTS = re.compile(
    rf"(?<![\d:.])(?P<numbers>{BARE}(?:,\s*{BARE})*,?\s*(?:and|und|et|y)\s*{BARE})\s*(?={SECONDS}{WORD_END})", re.IGNORECASE
)
AND = re.compile(r"\b(?:and|und|et|y)\b", re.IGNORECASE)
BETWEEN = re.compile(
    r"\b(?:between|zwischen|entre|from)\W*(?:time |seconds? |the |about |around |approximately )*$|[从在]\s*$", re.IGNORECASE
)
POINTS = re.compile(rf"(?<![\d:.])(?P<first>{QUANTITY})(?![\d:])", re.IGNORECASE)
LEAD_IN = re.compile(
    r"\b(?:at|from|to|until|till|by|around|near|after|before|since|between|and|around|second|up to|begins?|starts?|ends?|um|bei|ab|nach|bis|von|"
    r"ab|vers|dès|depuis|jusqu'à|à|a|desde|hasta|hacia)(?:\s+(?:about|around|approximately|roughly|the|time|second|ca\.?|etwa))*\s*[:@(]?\s*$|[@第在于约从]\s*$|:\s*$",
    re.IGNORECASE,
)
VAGUELY = re.compile(
    r"\b(?:about|around|approximately|roughly|circa|ca\.?|nearly|near|etwa|ungefähr|gegen|environ|vers|unos|hacia|alrededor)\W*(?:de\s)?$|[~≈约]\s*$",
    re.IGNORECASE,
)
DURATION_BEFORE = re.compile(
    r"\b(?:for|lasts?|lasting|lasted|during|over|every|each|total(?:ling)?|duration|spans?|während|für|dauert|alle|pendant|dure|durant|durante|dura|cada)\b[^.\n\d]{0,20}$|[每持续共]\W*$",
    re.IGNORECASE,
)
DURATION_AFTER = re.compile(
    r"^\s*(?:long\b|in all\b|in total\b|at a time\b|each\b|of the time\b|later\b|apart\b|of\b|recording\b|clip\b|audio\b|lang\b|de long\b|after\b|before\b|per\b|intervals?\b)",
    re.IGNORECASE,
)
EDGE_ONSET = re.compile(
    r"\b(?:starts?|begins?|starting|beginning|from|since|onset|ab|beginnt|commence|à partir de|empieza|desde)\W+(?:at\W+|about\W+|around\W+)*$",
    re.IGNORECASE,
)
EDGE_OFFSET = re.compile(
    r"\b(?:ends?|stops?|ending|until|till|offset|endet|bis|finit|jusqu'à|termina|hasta)\W+(?:at\W+|about\W+|around\W+)*$",
    re.IGNORECASE,
)


def times(text: str) -> list[Time]:
    """The positions and ranges that a text names, in its order; durations are not among them.

    >>> [(time.onset, time.offset) for time in times("A dog barks at 0:05 for 3 s, a car from 12 to 14.5 seconds and at 1 min 2 s.")]
    [(5.0, 5.0), (12.0, 14.5), (62.0, 62.0)]
    """
    found: list[Time] = []
    for pattern, read in ((START_END, _range), (CELLS, _range), (LISTS, _listed), (RANGES, _range), (POINTS, _point)):
        for match in pattern.finditer(text):
            if not any(match.start() < time.end and match.end() > time.start for time in found):
                found += read(text, match)
    return sorted(found, key=lambda time: time.start)


def _range(text: str, match: re.Match[str]) -> list[Time]:
    first, last, before = match["first"], match["last"], text[: match.start()]
    unit_after = re.match(rf"\s*({SECONDS}|{MINUTES}){WORD_END}", text[match.end() :], re.IGNORECASE)
    bare = bool(re.fullmatch(BARE, first) and re.fullmatch(BARE, last))
    worded = BETWEEN.search(before) or re.search(r"\b(?:from|von|de|du|des|desde|seconds?)\W*$", before, re.IGNORECASE)
    bracketed = re.match(r"\s*[])]", text[match.end() :]) and re.search(r"[\[(]\s*$", before)
    if match.re is RANGES and (
        bare and not (unit_after or worded or bracketed) or AND.search(match.group()) and not BETWEEN.search(before)
    ):
        return []
    unit = _unit_of(last) or (unit_after.group(1) if unit_after else "") or _unit_of(first)
    onset = seconds(first if _unit_of(first) or ":" in first else f"{first} {unit}")
    offset = seconds(last if _unit_of(last) or ":" in last else f"{last} {unit}")
    end = match.end() + (unit_after.end() if unit_after and not _unit_of(last) else 0)
    if offset < onset:
        return []
    in_row = match.re is CELLS or bool(re.search(r"\|\s*$", before) and re.match(r"\s*\|", text[end:]))
    slack = _slack(text, match.start(), f"{first} {unit}" if ":" not in first else first, last)
    return [Time(match.start(), end, onset, offset, slack, "", in_row, _is_clock(first) and _is_clock(last))]


def _listed(text: str, match: re.Match[str]) -> list[Time]:
    """The points of `5, 7 and 9 seconds`."""
    if BETWEEN.search(text[: match.start()]) or not LEAD_IN.search(text[: match.start()]):
        return []
    numbers = [(match.start() + number.start(), number.group()) for number in re.finditer(BARE, match["numbers"])]
    return [Time(start, start + len(number), float(number), float(number)) for start, number in numbers]


def _point(text: str, match: re.Match[str]) -> list[Time]:
    before, after, said = text[: match.start()], text[match.end() :], match["first"]
    if ":" in said and re.search(r"\b(?:for|lasts?|lasting|of|total|duration|length|long)\W*$", before, re.IGNORECASE):
        return []
    if ":" not in said:
        follows_time = re.search(rf"(?:{QUANTITY})\s*(?:,|\band|\bund|\bet|\by)\s*(?:and )?$", before, re.IGNORECASE)
        if DURATION_BEFORE.search(before) or DURATION_AFTER.search(after) or re.match(r"-(?=[a-z])", after):
            return []
        named = re.match(NAMED, said, re.IGNORECASE)
        if not (named or LEAD_IN.search(before) or VAGUELY.search(before) or follows_time):
            return []
    edge = "onset" if EDGE_ONSET.search(before) else "offset" if EDGE_OFFSET.search(before) else ""
    second = seconds(said)
    return [Time(match.start(), match.end(), second, second, _slack(text, match.start(), said), edge, False, _is_clock(said))]


def _unit_of(quantity: str) -> str:
    found = re.search(rf"({SECONDS}|{MINUTES}|{HOURS}){WORD_END}", quantity, re.IGNORECASE)
    return found.group(1) if found else ""


def _is_clock(quantity: str) -> bool:
    return re.fullmatch(r"\d{2}:\d{2}:\d{2}(?:\.\d+)?", quantity) is not None


def _slack(text: str, start: int, *quantities: str) -> float:
    """How much vaguer than to the second a time is said."""
    whole_minutes = all(
        ":" not in quantity and not re.search(rf"\d\s*-?{SECONDS}{WORD_END}|\b{SECONDS}\s*\d", quantity, re.IGNORECASE)
        for quantity in quantities
    )
    in_minutes = whole_minutes and any(re.search(MINUTES, quantity, re.IGNORECASE) for quantity in quantities)
    return (HALF_MINUTE if in_minutes else 0.0) + (VAGUE if VAGUELY.search(text[:start]) else 0.0)


def seconds(quantity: str) -> float:
    """A time in seconds, from any of the forms above; a bare number is seconds.

    >>> seconds("1:02:03"), seconds("2 min 5 s"), seconds("minute 5"), seconds("7.5")
    (3723.0, 125.0, 300.0, 7.5)
    """
    if ":" in quantity:
        total = 0.0
        for part in re.findall(r"[\d.]+", quantity):
            total = total * 60 + float(part)
        return total
    named = re.fullmatch(rf"\s*(?:{SECONDS}|第)\s*(\d+(?:\.\d+)?).*", quantity, re.IGNORECASE)
    if named:
        return float(named.group(1))
    minute = re.fullmatch(rf"\s*{MINUTES}\s*(\d+(?:\.\d+)?)\s*", quantity, re.IGNORECASE)
    if minute:
        return 60 * float(minute.group(1))
    return sum(_amounts(quantity))


def _amounts(quantity: str) -> Iterator[float]:
    for number, unit in re.findall(rf"(\d+(?:[.,]\d+)?)\s*-?({HOURS}|{MINUTES}|{SECONDS}|)", quantity, re.IGNORECASE):
        factor = (
            1
            if not unit or re.fullmatch(SECONDS, unit, re.IGNORECASE)
            else 60
            if re.fullmatch(MINUTES, unit, re.IGNORECASE)
            else 3600
        )
        yield float(number.replace(",", ".")) * factor
