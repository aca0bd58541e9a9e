"""Times in running text: positions and ranges in a recording, and durations, told apart.

It reads 1:05, 1:02:03, 65 s, 1 min 5 s, minute 1, second 65, 11:50 pm, the last 30 seconds, and ranges of them (`0:05–0:12`,
`from 5 to 12 seconds`, `between 5 s and 12 s`, `start: 5 ... end: 12`), with the words of `languages/`. An amount of time is a
position only after a word that leads to one (`at 5 s`); it is a duration after `for`, before `long` or alone in brackets;
otherwise it is neither. Dates, with the time and zone that belong to them, are passed over.
"""

import re
from bisect import bisect_left, insort
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from audiolog_cli.check.language import compiled, numbers, value

HALF_MINUTE = 30.0  # seconds that "minute 5" may be off
SHORT = 60.0  # seconds that "shortly before 5:00" may be off
VAGUE = 3.0  # seconds that "about 5 s" may be off, beyond the usual tolerance
VAGUE_CLOCK = 900.0  # seconds that "around midnight" may be off
END_SHARE = 0.45  # of a recording or scene, for "towards the end"
WHOLE_END_SHARE = 0.4  # of the recording, for "the end of the recording"
VAGUE_SHARE = 0.25  # of the recording, for "the first minutes"
WINDOW = 64  # characters before and after an amount that may tell what it is


@dataclass(frozen=True, slots=True)
class Time:
    """A time that a text names, at [start, end) characters: a range [onset, offset] in seconds, or a point where they are equal.

    A range that ends before it begins crosses midnight, or is a mistake. One counted from the end of the recording has a negative
    onset and ends at 0.
    """

    start: int
    end: int
    onset: float
    offset: float
    slack: float = 0.0  # seconds of vagueness beyond the usual tolerance
    edge: str = ""  # "onset" or "offset" for a point that is stated to be one
    in_row: bool = False  # two columns of a table: the row's events are somewhere in that range
    amount: bool = False  # five minutes: perhaps how long something lasts
    side: str = ""  # "before" or "after": all the time on that side of a point, in which what it goes with is somewhere
    share: tuple[float, float] | None = None  # the second half: shares of the recording, instead of seconds
    of_all: bool = False  # the second half of the recording: not of a scene
    from_edge: bool = False  # the first minute, the last 30 seconds: what it goes with is somewhere in that range
    of_day: tuple[float, float] | None = None  # onset and offset in seconds after midnight, if it may be a time of day
    day_slack: float = 0.0  # seconds of vagueness as a time of day
    only_of_day: bool = False  # 11 pm
    half_day: bool = False  # two o'clock: of the night or of the afternoon
    in_hours: bool = False  # 1:05, which may also be an hour and five minutes
    clock_of_day: bool = False  # HH:MM:SS, the form of a time of day to the second


@dataclass(frozen=True, slots=True)
class Duration:
    """How long something is said to last, at [start, end) characters."""

    start: int
    end: int
    seconds: float
    slack: float  # seconds that it may be off
    bound: str = ""  # "least" or "most": more than 5 s, at most 5 s
    in_all: bool = False  # all times together
    is_bare: bool = False  # only its place says that it is one: `a dog (40 s)`, which may also be where the dog is heard


DATES = re.compile(  # as `tag` writes them, or without their time
    r"\d{4}-\d\d-\d\d(?P<time>[T ]\d\d:\d\d(?::\d\d)?(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?)?"
)
NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+(?:[.,]\d+)?|<numbers>(?:-<numbers>)?)(?:\s+<and_a_half>)?"
AMOUNT = "|".join(  # 1 h 2 min 3 s, and its shorter forms, the longest first
    rf"(?:{NUMBER}(?:\s+an?)?\s*-?{biggest}[\s-]*(?:<and>\s*)?)?{middle}{NUMBER}(?:\s+an?)?\s*-?{smallest}(?:\s+<and_a_half|and_a_quarter|and_three_quarters>)?"
    for biggest, middle, smallest in (
        ("<hours>", rf"(?:{NUMBER}\s*-?<minutes>\s*(?:<and>\s*)?)?", "<seconds>"),
        ("<hours>", "", "<minutes>"),
        (r"(?!)", "", "<hours>"),
    )
)
AT_TO = r"(?<=at )"  # before `ten to eight`, which otherwise may be a range
WORDED = (  # half past one, ten to eight, two o'clock
    r"(?:(?:<half_past|quarter_past|quarter_to|half_to>|<numbers>(?:\s*<minutes>)?\s*<past>"
    rf"|{AT_TO}<numbers>(?:\s*<minutes>)?\s*<to_hour>)\s*(?:<numbers>|\d{{1,2}})(?:\s*<am|pm|oclock>)?"
    r"|(?!eine\s)<numbers>\s*<am|pm|oclock>)"
)
CLOCK = (
    rf"(?:{WORDED}|\d{{1,3}}:\d{{2}}(?::\d{{2}})?(?:\.\d+)?(?:\s*<am|pm|oclock>)?|\d{{1,2}}\s*<am|pm|oclock>|<midnight|noon>"
    r"|\d{1,2}\s?<hour_mark>\s?\d{2}(?!\d|\s*<minutes>)|(?<=à )\d{1,2}\s?<hour_mark>(?!\s*\d))"
)
HOUR_MARK = compiled(r"(\d{1,2})\s?<hour_mark>\s?(\d{2})?")
NAMED = r"(?:<seconds|minutes|nth>)[^\S\n]*\d+(?:\.\d+)?(?:\s*<seconds>)?"  # minute 5
NTH = r"(?:\d+(?:st|nd|rd|th|\.)|<ordinals>)\s*(?P<nth_unit><minutes|hours>)"  # the 5th minute
BARE = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+(?:\.\d+)?)"
QUANTITY = rf"(?:{CLOCK}|{AMOUNT}|(?<![^\W\d_])(?<!the ){NAMED})"
FILLER = r"(?:<about|filler>\s*)*"
TO = rf"[^\S\n]*(?:[-\u2013\u2014~\u2192]|<to>)[^\S\n]*{FILLER}"


RANGES = compiled(rf"(?<![\d:.A-Za-z])(?=\w)(?P<first>{QUANTITY}|{BARE}){TO}(?P<last>{QUANTITY}|{BARE}|<numbers>)(?!\d|:\d)")
START_END = compiled(
    rf"<start_word>(?: time)?[^\w\n]{{0,6}}(?:at |from )?(?P<first>{QUANTITY}|{BARE})[^\w]{{1,12}}(?:<and> )?(?:it )?"
    rf"<end_word>(?: time)?[^\w\n]{{0,6}}(?:at )?(?P<last>{QUANTITY}|{BARE})"
)
CELLS = compiled(
    rf"(?:(?<=\[)|(?<=\|)|^)\s*(?P<first>{QUANTITY}|{BARE})\s*[|\t,]\s*(?P<last>{QUANTITY}|{BARE})\s*(?=[\]|\t]|,(?!\s*\d))"
)  # two columns
LISTS = compiled(
    rf"(?<![\d:.A-Za-z])(?=\w)(?P<numbers>{BARE}(?:,\s*{BARE})*,?\s*<and>\s*{BARE})\s*(?=<seconds>)"
)  # 5, 7 and 9 seconds
ENDS = compiled(  # the last minute, les deux premières minutes
    rf"(?P<which><first|last>)\s*(?P<amount>{AMOUNT}|<seconds|minutes|hours>)"
    rf"|(?P<number>{NUMBER})\s+(?P<inner><first|last>)\s+(?P<unit><seconds|minutes|hours>)"
)
NTHS = compiled(rf"(?<![\d:.A-Za-z])(?=\w)(?P<first>{NTH})")
HALVES = compiled(  # the second half
    r"(?P<which><first|last|second_of>)\s+(?P<part><half|third|quarter>)"
    r"(?!\s+<of_an>?\s*<hours>)(?!\s+of\s+(?!(?:the|this)\s+(?:[^\W\d_]+\s+){0,2}<recording>|it\b))"
)
NEAR_ENDS = compiled(  # the end of the recording, towards the end
    r"(?<!from the )(?<!until the )(?<!to the )(?<!since the )(?:very )?(?:(?P<first>beginning|start|outset)|\bend)\s+"
    r"of the (?:\w+\s+)?(?P<whole><recording>)"
    r"|(?:(?P<early><early_on>|<in_the>\s+<first>\s+(?:<few>\s+)?<moments>)|<late_on>|<in_the>\s+<last>\s+(?:<few>\s+)?<moments>)(?!\s+(?:of|in)\b(?!\s+(?:the|this)\s+(?:\w+\s+)?<recording>))"
    r"(?P<of_all>\s+of\s+(?:the|this)\s+(?:\w+\s+)?<recording>)?"
)
DAY_PARTS_OF = {
    "morning": (10800.0, 46800.0),
    "afternoon": (41400.0, 68400.0),
    "evening": (57600.0, 86399.0),
    "night": (68400.0, 28800.0),
}
DAY_PARTS = compiled("|".join(f"(?P<{part}><in_{part}>)" for part in DAY_PARTS_OF))
POINTS = compiled(rf"(?<![\d:.A-Za-z])(?=\w)(?P<first>{QUANTITY})(?!\d|:\d)")
AMOUNTS = compiled(rf"(?<![\d:.A-Za-z])(?=\w)(?:{AMOUNT})(?!\d|:\d)")
AND_A_HALF = compiled(r"\s+(?:(?P<half><and_a_half>)|(?P<quarter><and_a_quarter>)|<and_three_quarters>)\Z")
NUMBER_AND_UNIT = compiled(rf"(?P<number>{NUMBER})(?:\s+an?)?\s*-?(?:(?P<h><hours>)|(?P<m><minutes>)|(?P<s><seconds>))?")
UNIT = compiled(r"(?P<s><seconds>)|(?P<m><minutes>)|(?P<h><hours>)")
HOURS_AND_MINUTES = re.compile(r"\d{1,2}:\d{2}")
PADDED = re.compile(r"\s*\d{2}:\d{2}:\d{2}(?:\.\d+)?\s*")
UNIT_AFTER = compiled(r"\s*(?P<unit><seconds|minutes>)")
CLOCK_PARTS = compiled(
    r"\s*(?:(?P<h>\d{1,3})(?::(?P<m>\d{2}))?(?::(?P<s>\d{2}))?(?P<fraction>\.\d+)?\s*"
    r"(?:(?P<am><am>)|(?P<pm><pm>)|<oclock>)?|(?P<midnight><midnight>)|<noon>)\s*"
)

WORDED_PARTS = compiled(
    r"\s*(?:(?P<half_past><half_past>)|(?P<quarter_past><quarter_past>)|(?P<quarter_to><quarter_to>)"
    r"|(?P<half_to><half_to>)|(?P<past><numbers>)(?:\s*<minutes>)?\s*<past>"
    r"|(?P<to><numbers>)(?:\s*<minutes>)?\s*<to_hour>)?\s*(?P<hour><numbers>|\d{1,2})\s*"
    r"(?:<am|oclock>|(?P<pm><pm>))?\s*"
)

# What comes before and after; searched for in WINDOW characters.
BETWEEN = compiled(rf"<between>\W*{FILLER}(?:<seconds>\s*)?\Z")
FROM = compiled(r"<from|between>\W*\Z")
LEAD_IN = compiled(rf"<at>\s*{FILLER}[:@(]?\s*\Z|@\s*\Z")
SHORTLY = compiled(r"<shortly>\s*\Z")
VAGUELY_BEFORE = compiled(r"<about>\W*(?:de\s)?\Z")
_BOUND = "<about|more_than|less_than|filler|for|joining|only>"
FOR = compiled(
    rf"(?:<for>|<ends_at>[^,.;:()\d\n]{{0,20}}\s<after_amount>|<length_of>[^,.;:()\d\n]{{0,40}}\s<amounts_to>)[\s:(]*(?:{_BOUND}[\s:]*)*\Z"
)
NOT_FOR = compiled(rf"<not_for>[\s:(]*(?:{_BOUND}[\s:]*)*\Z")
LONG = compiled(r"\s*(?:<long>)")
NOT_LONG, AWAY = compiled(r"\s*(?:<not_long>)"), compiled(r"\s*(?:<away>)")
AFTER = compiled(rf"<after_a_while>\s*{FILLER}\Z")  # leads to a position in words: after two minutes
MORE, LESS = compiled(r"<more_than>\s*\Z"), compiled(r"(?<!add )(?<!adds )<less_than>\s*\Z")
BRACKET_BEFORE, BRACKET_AFTER = (
    compiled(r"[(,:|\u2013\u2014]\s*(?:<about|more_than|less_than|filler>\s*)*\Z"),
    re.compile(r"\s*(?:[),;.\n|]|$)"),
)
EDGES = (
    ("onset", compiled(rf"<begins_at>[^\w\n,;.]+{FILLER}(?:at\W+)*\Z")),
    ("offset", compiled(rf"<ends_at>[^\w\n,;.]+{FILLER}(?:at\W+)*\Z")),
)
SIDES = tuple((kind, compiled(rf"<{kind}>\W+{FILLER}\Z")) for kind in ("before", "after"))
RANGE_BEFORE = compiled(r"\d\s?[-\u2013]\s?\d+(?:\.\d+)?(?:\s*<seconds>)?\s*(?:,|<and>)\s*(?:<and>\s*)?\Z")  # 240-410, 560-705 s
NOT_UNTIL = compiled(rf"<denied>\s+<until>\s+{FILLER}\Z")  # it is not until 0:05 that a dog barks
UNTIL_ALONE = compiled(r"\(\s*<until>\s*\Z")  # Morning (until 12:00)
INTO = compiled(r"\s*<into>(?=\s*(?:[,.;:)\n]|$|<and>))")  # four minutes in
BEGINS_LINE, ENDS_LABEL = (
    re.compile(r"(?:^|\n)[^\w\n]*\Z"),
    re.compile(r"[^\S\n]*(?:[\]|:\u2013\u2014-]|[^\S\n]{2})"),
)  # | 80 s | a dog |
PAUSE, OF_THAT_TIME = (
    compiled(r"<pause>[^,.;:\d]{0,24}\Z"),
    compiled(r"\s*<of_that_time>"),
)  # pausing only for 5 s; 5 s of that time
A_SECOND = re.compile(r"(?:an?|one)\s+seconds?", re.IGNORECASE)
LAST_OF_IT = compiled(r"<determiner>\s+<first|last>\s*\Z")  # its last ten minutes
MARK = compiled(r"[\s-]*<mark>")  # the 2-minute mark
ONWARD = compiled(r"\s*<onward>")  # from two minutes on
IN_ALL = compiled(r"\s*<in_all>")
OF_ALL_OF_IT = compiled(r"\s+of\s+(?:the|this)\s+(?:whole\s+|entire\s+)?<recording>")
LENGTH_AFTER = compiled(r"\s*<minutes|hours>")  # 3:10 min
DETERMINED = compiled(r"<determiner>\s+\Z")
NAMED_TIME = compiled(NAMED)
FOLLOWS_TIME = compiled(rf"(?:{QUANTITY})\s*(?:,|<and>)\s*(?:<and>\s*)?\Z")


class _Taken:
    """The stretches of a text that have been read, disjoint."""

    def __init__(self) -> None:
        self.bounds: list[tuple[int, int]] = []

    def is_free(self, start: int, end: int) -> bool:
        index = bisect_left(self.bounds, (start, start))
        return not any(first < end and start < last for first, last in self.bounds[max(index - 1, 0) : index + 1])

    def take(self, start: int, end: int) -> None:
        insort(self.bounds, (start, end))


def blanked(pattern: re.Pattern[str], text: str) -> str:
    """The text with spaces in place of what matches: positions in it stay the same."""
    return pattern.sub(lambda match: " " * len(match.group()), text)


def times(text: str) -> list[Time]:
    """The positions and ranges in a text, in order; durations and dates are not among them.

    >>> text = "A dog barks at 0:05 for 3 s, a car from 12 to 14.5 seconds and at 1 min 2 s."
    >>> [(time.onset, time.offset) for time in times(text)]
    [(5.0, 5.0), (12.0, 14.5), (62.0, 62.0)]
    """
    text = blanked(DATES, text)
    found: list[Time] = []
    taken = _Taken()
    readers: tuple[tuple[re.Pattern[str], Callable[[str, re.Match[str]], list[Time]]], ...] = (
        (START_END, _range),
        (CELLS, _range),
        (LISTS, _listed),
        (ENDS, _first_or_last),
        (NEAR_ENDS, _near_an_end),
        (HALVES, _part),
        (DAY_PARTS, _day_part),
        (NTHS, _nth),
        (RANGES, _range),
        (POINTS, _point),
    )
    for pattern, read in readers:
        for match in pattern.finditer(text):
            if taken.is_free(match.start(), match.end()):
                for time in read(text, match):
                    found.append(time)
                    taken.take(time.start, time.end)
    return sorted(found, key=lambda time: time.start)


def durations(text: str) -> list[Duration]:
    """The durations in a text, in order.

    >>> text = "Rain for about two minutes; a dog (3 s), every 5 s; at least 10 s long"
    >>> [(each.seconds, each.bound) for each in durations(text)]
    [(120.0, ''), (3.0, ''), (10.0, 'least')]
    """
    found: list[Duration] = []
    for match in AMOUNTS.finditer(text):
        goes_on = bool(found) and re.search(r"[.;:!?()\n\d]", text[found[-1].end : match.start()]) is None
        if duration := _duration(text, match, goes_on):
            found.append(duration)
    return found


def _duration(text: str, match: re.Match[str], goes_on: bool) -> Duration | None:
    """An amount as a duration; `goes_on` if one precedes it: the beach lasts one minute, the street ten seconds."""
    before, after = _around(text, match)
    if INTO.match(after) or LAST_OF_IT.search(before) or PAUSE.search(before) or OF_THAT_TIME.match(after):
        return None
    if A_SECOND.fullmatch(match.group()) and not FOR.search(before):
        return None  # a second period
    is_said = FOR.search(before) or LONG.match(after)
    is_bare = (goes_on and not LEAD_IN.search(before)) or (BRACKET_BEFORE.search(before) and BRACKET_AFTER.match(after))
    if (
        not (is_said or is_bare)
        or (NOT_FOR.search(before) and not FOR.search(before))
        or NOT_LONG.match(after)
        or (AWAY.match(after) and not FOR.search(before))
    ):
        return None
    length = seconds(match.group())
    unit = min((_factor(unit) for unit in NUMBER_AND_UNIT.finditer(match.group())), default=1.0)
    slack = min(unit / 2, length / 4) if unit > 1 else 0.05 * length
    slack += 0.2 * length if VAGUELY_BEFORE.search(before) else 0.0
    return Duration(match.start(), match.end(), length, slack, bound_of(before), IN_ALL.match(after) is not None, not is_said)


def bound_of(before: str) -> str:
    """ "least" or "most", if `at least` or `no more than` comes before an amount."""
    more, less = MORE.search(before), LESS.search(before)
    if more and less:
        return "least" if more.start() < less.start() else "most"
    return "least" if more else "most" if less else ""


def _around(text: str, match: re.Match[str]) -> tuple[str, str]:
    return text[max(0, match.start() - WINDOW) : match.start()], text[match.end() : match.end() + WINDOW]


def _range(text: str, match: re.Match[str]) -> list[Time]:
    before, after = _around(text, match)
    first, last = _colons(match["first"], before), _colons(match["last"], text[: match.start("last")][-WINDOW:])
    unit_after = UNIT_AFTER.match(after)
    bare = bool(re.fullmatch(BARE, first) and re.fullmatch(BARE, last))
    worded = FROM.search(before) or BETWEEN.search(before)
    bracketed = re.match(r"\s*[])]", after) and re.search(r"[\[(]\s*$", before)
    begins_line = re.search(r"(?:^|\n)[^\w\n]*\Z", before) and re.match(r"[^\S\n]+[^\W\d_]", after)  # 0-16 footsteps
    if AMOUNTS.fullmatch(match.group()):
        return []  # a 2-minute-40-second clip
    joined = text[match.end("first") : match.start("last")]
    if _is(last, "numbers"):
        if not compiled("<oclock>").search(first):
            return []
        last = f"{last} o'clock"
    if match.re is RANGES and (
        bare
        and not (unit_after or worded or bracketed or begins_line or LEAD_IN.search(before) or RANGE_BEFORE.search(before))
        or compiled("<and>").search(joined)
        and not BETWEEN.search(before)
    ):
        return []
    unit = _unit_of(last) or (unit_after["unit"] if unit_after else "") or _unit_of(first)
    half_day = compiled("<am|pm|oclock>").search(last)
    if match.re is CELLS and bool(_unit_of(first)) != bool(_unit_of(last)):
        return []  # | 4 | 35 s |: a count and a length
    if half_day and re.fullmatch(rf"{BARE}|\d+:\d\d", first):
        first = f"{first} {half_day.group()}"  # from 2 to 3 am
    onset = seconds(first if _unit_of(first) or _is_clock(first) else f"{first} {unit}")
    offset = seconds(last if _unit_of(last) or _is_clock(last) else f"{last} {unit}")
    end = match.end() + (unit_after.end() if unit_after and not _unit_of(last) else 0)
    alike = bare or _is_clock(first) == _is_clock(last)
    if offset < onset and not alike:
        return []
    in_row = match.re is CELLS or bool(re.search(r"\|\s*$", before) and re.match(r"\s*\|", text[end : end + WINDOW]))
    slack = _slack(before, first if _is_clock(first) else f"{first} {unit}", last)
    return [Time(match.start(), end, onset, offset, slack, in_row=in_row, **_day(first, last, before))]


def _listed(text: str, match: re.Match[str]) -> list[Time]:
    """The points of `5, 7 and 9 seconds`."""
    before, _ = _around(text, match)
    if BETWEEN.search(before) or not LEAD_IN.search(before):
        return []
    numbers = [(match.start() + number.start(), number.group()) for number in re.finditer(BARE, match["numbers"])]
    return [Time(start, start + len(number), float(number), float(number)) for start, number in numbers]


def _first_or_last(text: str, match: re.Match[str]) -> list[Time]:
    """The range of `the first 30 seconds`; `the last` ones count back from the end."""
    if match["number"] and value(match["number"]) <= 1:
        return []  # a last minute
    amount = match["amount"] or f"{match['number']} {match['unit']}"
    length = seconds(amount if compiled(rf"\s*{NUMBER}").match(amount) else f"1 {amount}")
    before, after = _around(text, match)
    is_verb = (match["which"] or "").lower() == "last" and re.search(r"\w\s+\Z", before) and not DETERMINED.search(before)
    is_of_another = re.search(r"\b(?:its|their|his|her)\s+\Z", before, re.IGNORECASE)  # the last minute of the rain
    if length <= 1 or is_of_another or is_verb or re.search(r"\ban?\s+\Z", before, re.IGNORECASE) or NOT_LONG.match(after):
        return []  # hardly meant as a time: `the first second-hand shop`, `footsteps last 15 seconds`
    is_first = _is(match["which"] or match["inner"], "first")
    if not compiled(NUMBER).match(amount) and amount.endswith("s"):  # the first minutes
        return [
            Time(
                match.start(),
                match.end(),
                0.0,
                0.0,
                from_edge=True,
                share=(0.0, VAGUE_SHARE) if is_first else (1 - VAGUE_SHARE, 1.0),
            )
        ]
    onset, offset = (0.0, length) if is_first else (-length, 0.0)
    of_all = OF_ALL_OF_IT.match(text, match.end()) is not None
    return [Time(match.start(), match.end(), onset, offset, 0.05 * length, from_edge=True, of_all=of_all)]


def _part(text: str, match: re.Match[str]) -> list[Time]:
    """The range of `the second half`, as shares of the recording."""
    share = 1 / next(number for number, kind in ((2, "half"), (3, "third"), (4, "quarter")) if _is(match["part"], kind))
    onset = 0.0 if _is(match["which"], "first") else 1 - share if share == 0.5 or _is(match["which"], "last") else share
    of_all = OF_ALL_OF_IT.match(text, match.end()) is not None
    return [Time(match.start(), match.end(), 0.0, 0.0, from_edge=True, share=(onset, onset + share), of_all=of_all)]


def _near_an_end(text: str, match: re.Match[str]) -> list[Time]:
    """The range of `towards the end`, in the widest sense, as shares of the recording, or of a scene."""
    share = (0.0, END_SHARE) if match["early"] else (1 - END_SHARE, 1.0)
    of_all = bool(match["whole"] or match["of_all"])
    if of_all:
        share = (0.0, WHOLE_END_SHARE) if match["first"] or match["early"] else (1 - WHOLE_END_SHARE, 1.0)
    return [Time(match.start(), match.end(), 0.0, 0.0, from_edge=True, share=share, of_all=of_all)]


def _day_part(text: str, match: re.Match[str]) -> list[Time]:
    """The range of `in the afternoon`, in the widest sense."""
    of_day = next(DAY_PARTS_OF[part] for part in DAY_PARTS_OF if match[part])
    start = match.start()
    return [Time(start, match.end(), 0.0, 0.0, from_edge=True, of_day=of_day, only_of_day=True)]


def _nth(text: str, match: re.Match[str]) -> list[Time]:
    """The point in the middle of `the fifth minute`, as vague as the minute is long."""
    unit = 3600.0 if _is(match["nth_unit"], "hours") else 60.0
    nth = match["first"].removesuffix(match["nth_unit"]).strip()
    digits = re.match(r"\d+", nth)
    middle = ((float(digits.group()) if digits else numbers("ordinals")[nth.lower()]) - 0.5) * unit
    return [Time(match.start(), match.end(), middle, middle, unit / 2)]


def _is(word: str, kind: str) -> bool:
    return compiled(f"<{kind}>").fullmatch(word) is not None


def _point(text: str, match: re.Match[str]) -> list[Time]:
    before, after = _around(text, match)
    said = _colons(match["first"], before)
    if _is(said, "midnight|noon") and not LEAD_IN.search(before):
        return []
    if _is_clock(said):
        if ":" in said and (FOR.search(before) or LENGTH_AFTER.match(after)):
            return []
    elif not NAMED_TIME.match(said) and not _leads_to(before, after, said):
        return []
    edge = "onset" if NOT_UNTIL.search(before) else next((name for name, pattern in EDGES if pattern.search(before)), "")
    second = seconds(said)
    side = (
        "before"
        if UNTIL_ALONE.search(before)
        else ""
        if SHORTLY.search(before)
        else next((name for name, pattern in SIDES if pattern.search(before)), "")
    )
    side = "" if side == "after" and not _is_clock(said) else side  # what comes after five minutes begins then
    slack = _slack(before, said) + (HALF_MINUTE if MARK.match(after) and UNIT.search(said) else 0.0)  # often rounded down
    amount = not _is_clock(said) and not NAMED_TIME.match(said)
    fields = {"side": side, "amount": amount, **_day(said, said, before)}
    return [Time(match.start(), match.end(), second, second, slack, edge, **fields)]


def _colons(quantity: str, before: str) -> str:
    """A French time, 7 h 50, as 7:50; 7 h is one only after `à`."""
    match = HOUR_MARK.fullmatch(quantity.strip())
    return f"{match[1]}:{match[2] or '00'}" if match and (match[2] or before.endswith("à ")) else quantity


def _leads_to(before: str, after: str, said: str) -> bool:
    """Whether an amount of time is a position, judging by its context."""
    if (
        INTO.match(after)
        or MARK.match(after)
        or (FROM.search(before) and ONWARD.match(after))
        or (BEGINS_LINE.search(before) and ENDS_LABEL.match(after))
    ):
        return True
    if FOR.search(before) or NOT_FOR.search(before) or re.match(r"-(?=[a-z])", after) or re.search(r"\d-[a-z]", said):
        return False
    if any(pattern.match(after) for pattern in (LONG, NOT_LONG, AWAY)) or (said[0].isalpha() and not AFTER.search(before)):
        return False
    is_bracketed = BRACKET_BEFORE.search(before) and BRACKET_AFTER.match(after)  # (about 5 s) lasts that long
    return any(pattern.search(before) for pattern in ((LEAD_IN,) if is_bracketed else (LEAD_IN, VAGUELY_BEFORE, FOLLOWS_TIME)))


def _unit_of(quantity: str) -> str:
    found = UNIT.search(quantity)
    return found.group() if found else ""


def _is_clock(quantity: str) -> bool:
    return compiled(CLOCK.replace(AT_TO, "")).fullmatch(quantity.strip()) is not None


def _day(first: str, last: str, before: str) -> dict[str, Any]:
    """Two times as a range of the day: the fields of `Time` that say so, none if they are no times of day."""
    onset, offset = _second_of_day(first), _second_of_day(last)
    if onset is None or offset is None:
        return {}
    to_the_second = all(each.count(":") == 2 for each in (first, last))
    return {
        "in_hours": all(HOURS_AND_MINUTES.fullmatch(each.strip()) for each in (first, last)),
        "of_day": (onset, offset),
        "day_slack": (0.0 if to_the_second else 60.0)
        + (VAGUE_CLOCK if VAGUELY_BEFORE.search(before) or SHORTLY.search(before) else 0.0),
        "only_of_day": any(":" not in each or compiled("<am|pm|oclock>").search(each) for each in (first, last)),
        "half_day": WORDED_PARTS.fullmatch(first) is not None
        and re.match(r"\s*(?:1[3-9]|2\d)\D", first) is None
        and not compiled("<am|pm>").search(first),
        "clock_of_day": all(PADDED.fullmatch(each) for each in (first, last)),
    }


def _second_of_day(quantity: str) -> float | None:
    """Seconds after midnight; None for what is not a time of day."""
    if ":" not in quantity and not re.search(r"[^\W\d_]", quantity):
        return None
    if (worded := WORDED_PARTS.fullmatch(quantity)) and not re.match(r"\s*(?:1[3-9]|2\d)\D", quantity):
        return _worded(worded)
    parts = CLOCK_PARTS.fullmatch(quantity)
    if parts is None:
        return None
    if parts["h"] is None:
        return 0.0 if parts["midnight"] else 43200.0
    hours, minutes, second = int(parts["h"]), int(parts["m"] or 0), float(f"{parts['s'] or 0}{parts['fraction'] or ''}")
    if parts["am"] or parts["pm"]:
        hours = hours % 12 + (12 if parts["pm"] else 0)
    if hours > 24 or minutes > 59:
        return None
    return hours * 3600 + minutes * 60 + second


def _worded(parts: re.Match[str]) -> float:
    """Seconds after midnight, or noon, of `half past one`."""
    hour = value(parts["hour"]) % 12 + (12 if parts["pm"] else 0)
    if parts["half_past"] or parts["quarter_past"]:
        minutes = 30.0 if parts["half_past"] else 15.0
    elif parts["quarter_to"] or parts["half_to"]:
        minutes = -15.0 if parts["quarter_to"] else -30.0
    else:
        minutes = value(parts["past"] or parts["to"] or "0") * (-1 if parts["to"] else 1)
    return (hour * 3600 + minutes * 60) % 86400


def _slack(before: str, *quantities: str) -> float:
    """How vague a time is, in seconds beyond the usual tolerance."""
    units = [match for quantity in quantities if not _is_clock(quantity) for match in UNIT.finditer(quantity)]
    in_minutes = len(quantities) > 0 and not any(_is_clock(quantity) for quantity in quantities) and units
    whole_minutes = in_minutes and not any(match["s"] for match in units)
    return (HALF_MINUTE if whole_minutes else 0.0) + (
        VAGUE if VAGUELY_BEFORE.search(before) else SHORT if SHORTLY.search(before) else 0.0
    )


def seconds(quantity: str) -> float:
    """A time in seconds, from any of the forms above; a bare number is seconds.

    >>> seconds("1:02:03"), seconds("2 min 5 s"), seconds("minute 5"), seconds("an hour and a half"), seconds("11 pm")
    (3723.0, 125.0, 300.0, 5400.0, 82800.0)
    """
    if _is_clock(quantity):
        if ":" not in quantity or compiled("<am|pm|oclock>|<midnight|noon>").search(quantity):
            return _second_of_day(quantity) or 0.0
        total = 0.0
        for part in re.findall(r"[\d.]+", quantity):
            total = total * 60 + float(part)
        return total
    named = compiled(r"\s*(?:(?P<m><minutes>)|<seconds>|<nth>)\s*(?P<number>\d+(?:\.\d+)?).*").fullmatch(quantity)
    if named:
        return float(named["number"]) * (60 if named["m"] else 1)
    amounts = [(value(match["number"]), _factor(match)) for match in NUMBER_AND_UNIT.finditer(AND_A_HALF.sub("", quantity))]
    part = AND_A_HALF.search(quantity)
    share = 0.0 if part is None else 0.5 if part["half"] else 0.25 if part["quarter"] else 0.75
    return sum(number * unit for number, unit in amounts) + amounts[-1][1] * share


def _factor(match: re.Match[str]) -> float:
    return 3600.0 if match["h"] else 60.0 if match["m"] else 1.0
