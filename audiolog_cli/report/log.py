"""A log as HTML: its text escaped, its headings and lists kept, and every time in it linked to the timeline.

In: what `audiolog summarize` wrote, as text (several logs follow `Log of FILE` lines) or as JSON documents; or any text.
"""

import json
import re
from collections.abc import Iterable, Iterator
from html import escape
from pathlib import PurePath

from audiolog_cli.check.times import Time, times
from audiolog_cli.errors import InputError
from audiolog_cli.records import composed
from audiolog_cli.report.timeline import ClockPoint, Timeline

DAY = 86_400_000  # milliseconds


def logs(text: str, recordings: Iterable[Timeline], name: str) -> dict[str, str]:
    """The text of the log of each recording, by file name; a log without a name belongs to all of them.

    InputError if `text` holds named logs and none of them belongs to these recordings.
    """
    filenames = [recording.filename for recording in recordings]
    named = _from_json(text, name) if text.lstrip().startswith("{") else _from_text(text)
    if not named:
        return dict.fromkeys(filenames, text.strip())
    by_name = {composed(filename): log for filename, log in named.items()}
    by_last = {PurePath(filename).name: log for filename, log in reversed(by_name.items())}  # the first of a name has it alone
    found = {
        filename: log
        for filename in filenames
        if (log := by_name.get(composed(filename)) or by_last.get(PurePath(composed(filename)).name))
    }
    if not found:
        raise InputError(f"{name}: a log of {', '.join(sorted(named))}, but cells of {', '.join(filenames)}")
    return found


def _from_text(text: str) -> dict[str, str]:
    """The parts under `Log of FILE` lines."""
    parts = re.split(r"^Log of (.+)\n", text, flags=re.MULTILINE)
    return {filename: body.strip() for filename, body in zip(parts[1::2], parts[2::2], strict=True)}


def _from_json(text: str, name: str) -> dict[str, str]:
    """The summaries of the documents of `summarize --format json`, one a line."""
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
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
    named = times(text)
    return "\n".join(_blocks(_linked_lines(text, named, recording)))


def _linked_lines(text: str, named: list[Time], recording: Timeline) -> Iterator[str]:
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


def _link(said: str, time: Time, recording: Timeline) -> str:
    """A time as a link; as plain text if it is not within the recording."""
    onset, offset = round(time.onset * 1000), round(time.offset * 1000)
    if time.clock_of_day and recording.clock:
        onset, offset = (position_at(moment, recording.clock[0]) for moment in (onset, offset))
    if not 0 <= onset <= offset <= recording.duration:
        return escape(said)
    return f'<a href="#t={onset / 1000:.3f},{offset / 1000:.3f}">{escape(said)}</a>'


def position_at(moment: int, clock: ClockPoint) -> int:
    """Where in the recording, in milliseconds, the clock first shows a time of day, in milliseconds since midnight.

    >>> position_at(1_000, ClockPoint(0, 86_399_000, "Z"))  # one second past midnight, begun one second before it
    2000
    """
    return clock.onset + (moment - clock.wall) % DAY


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
