"""A log as HTML: its text escaped, its headings and lists kept, and every time in it linked to the timeline.

In: what `audiolog summarize` wrote, as text (several logs follow `Log of FILE` lines) or as JSON documents; or any text.
"""

import json
import re
from collections.abc import Iterable, Iterator
from html import escape
from pathlib import PurePath
from typing import NamedTuple

from audiolog_cli.check.times import DATES, Time, times
from audiolog_cli.errors import InputError
from audiolog_cli.moments import wall_clock
from audiolog_cli.records import composed
from audiolog_cli.report.timeline import Timeline
from audiolog_cli.terminal import visible

DAY = 86_400_000  # milliseconds


def logs(text: str, recordings: Iterable[Timeline], name: str) -> dict[str, str]:
    """The text of the log of each recording, by file name; a log without a name belongs to all of them.

    InputError if `text` holds named logs and none of them belongs to these recordings.
    """
    filenames = [recording.filename for recording in recordings]
    named = _from_json(text, name) if text.lstrip().startswith("{") else _from_text(text)
    if not named:
        return dict.fromkeys(filenames, text.strip())
    by_name = {_shown(filename): log for filename, log in named.items()}
    by_last = {PurePath(filename).name: log for filename, log in reversed(by_name.items())}  # the first of a name has it alone
    found = {
        filename: log
        for filename in filenames
        if (log := by_name.get(_shown(filename)) or by_last.get(PurePath(_shown(filename)).name))
    }
    if not found:
        raise InputError(f"{name}: a log of {', '.join(sorted(named))}, but cells of {', '.join(filenames)}")
    return found


def _shown(filename: str) -> str:
    """A recording's name as `summarize` writes it in the heading of a log, in Unicode NFC."""
    return visible(composed(filename))


def _from_text(text: str) -> dict[str, str]:
    """The parts under `Log of FILE` lines."""
    parts = re.split(r"^Log of (.+)\n", text, flags=re.MULTILINE)
    return {filename: body.strip() for filename, body in zip(parts[1::2], parts[2::2], strict=True)}


def _from_json(text: str, name: str) -> dict[str, str]:
    """The summaries of the documents of `summarize --format json`, one a line."""
    found: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), 1):  # splitlines() also ends a line at U+2028, which JSON may hold
        if not line.strip():
            continue
        try:
            document = json.loads(line)
            found[document["filename"]] = str(document["summary"]).strip()
        except (ValueError, TypeError, KeyError):
            raise InputError(
                f"{name}:{number}: expected a log as text, or the JSON lines of `audiolog summarize --format json`"
            ) from None
    return found


def as_html(text: str, recording: Timeline) -> str:
    """The log as paragraphs, lists and headings, with links such as `#t=5.000,12.000` for the times in it."""
    return "\n".join(_blocks(_linked_lines(text, _named(text, recording), recording)))


class Named(NamedTuple):
    """A time in a text, at [start, end) characters, and where it is in the recording, in milliseconds."""

    start: int
    end: int
    onset: int
    offset: int


def _named(text: str, recording: Timeline) -> list[Named]:
    """All times in a text, in order. A date with its time and zone is one time: its zone, +01:00, is none."""
    dated = [Named(*date.span(), *2 * [_moment_at(date[0], recording)]) for date in DATES.finditer(text) if date["time"]]
    return sorted(dated + [Named(time.start, time.end, *_span(time, recording)) for time in times(text)])


def _span(time: Time, recording: Timeline) -> tuple[int, int]:
    onset, offset = round(time.onset * 1000), round(time.offset * 1000)
    if time.clock_of_day and recording.clock:
        return position_at(onset, recording), position_at(offset, recording)
    return onset, offset


def _moment_at(stamp: str, recording: Timeline) -> int:
    """Where in the recording the clock shows a date and time; -1 if nowhere."""
    try:
        wall, zone = wall_clock(stamp)
    except ValueError:  # 2026-02-30
        return -1
    stretches = recording.clock_stretches() if recording.clock else ()
    return next((wall - shift for begin, end, shift, own in stretches if begin <= wall - shift < end and zone in ("", own)), -1)


def _linked_lines(text: str, named: list[Named], recording: Timeline) -> Iterator[str]:
    """The lines of the text, escaped, with their links; a time broken over two lines is not linked."""
    start = 0
    for line in text.split("\n"):
        end = start + len(line)
        parts, position = [], start
        for time in named:
            if position <= time.start and time.end <= end:
                parts += [escape(text[position : time.start]), _link(text[time.start : time.end], time, recording)]
                position = time.end
        yield "".join(parts) + escape(text[position:end])
        start = end + 1


def _link(said: str, time: Named, recording: Timeline) -> str:
    """A time as a link; as plain text if it is not within the recording."""
    if not 0 <= time.onset <= time.offset <= recording.duration:
        return escape(said)
    return f'<a href="#t={time.onset / 1000:.3f},{time.offset / 1000:.3f}">{escape(said)}</a>'


def position_at(moment: int, recording: Timeline) -> int:
    """Where in the recording, in milliseconds, the clock first shows a time of day, in milliseconds since midnight; -1: nowhere.

    >>> from audiolog_cli.report.timeline import ClockPoint
    >>> begun_before_midnight = Timeline("a.wav", 5_000, clock=[ClockPoint(0, 86_399_000, "Z")])
    >>> position_at(1_000, begun_before_midnight), position_at(80_000_000, begun_before_midnight)
    (2000, -1)
    """
    found = ((begin + (moment - begin - shift) % DAY, end) for begin, end, shift, _ in recording.clock_stretches())
    return next((position for position, end in found if position < end), -1)


def _blocks(lines: Iterable[str]) -> Iterator[str]:
    """HTML from escaped lines, read as Markdown: headings, lists, bold; every other line is a paragraph."""
    in_list = False
    for line in lines:
        item = re.match(r"\s*(?:[-*•]|\d+\.)\s+(.*)", line)
        heading = re.match(r"#+\s+(.*)", line)
        if in_list != bool(item):
            yield "<ul>" if item else "</ul>"
            in_list = bool(item)
        content = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", (item or heading or [line, line])[1])
        if item:
            yield f"<li>{content}</li>"
        elif heading:
            yield f"<h4>{content}</h4>"
        elif line.strip():
            yield f'<p class="inner">{content.strip()}</p>' if line[0].isspace() else f"<p>{content}</p>"
    if in_list:
        yield "</ul>"
