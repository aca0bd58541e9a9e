"""The tables of the page: how long each label was heard and, for a long recording, at which hours.

They are part of the HTML itself: readable without a canvas or JavaScript, by a screen reader, and on paper.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from html import escape
from math import sqrt

from audiolog_cli.report.timeline import LabelTrack, Timeline, round_step
from audiolog_cli.terminal import visible
from audiolog_cli.wording import clock, counted, length

DAY = 86_400_000  # milliseconds
LONG = 2 * 3_600_000  # milliseconds: recordings this long get an overview by hours
MAX_COLUMNS = 26  # of the overview
STEPS = tuple(minutes * 60_000 for minutes in (10, 15, 30, 60, 120, 180, 360, 720, 1440, 10_080))
NO_SCENE = "unnamed scene"


def readable(text: str) -> str:
    """A file name or label without what XML cannot hold: control characters, and bytes that are not UTF-8."""
    return visible(text.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))


def shown(text: str) -> str:
    """A readable file name or label as HTML text."""
    return escape(readable(text))


def moment(recording: Timeline, position: int) -> str:
    """A position in milliseconds as text: the clock's time if known, else minutes and seconds from the start.

    In a recording of more than a day, the clock's time has its date.
    """
    if not recording.clock:
        return clock(position / 1000)
    return f"{wall(recording, position):{'%m-%d ' if recording.duration > DAY else ''}%H:%M:%S}"


def wall(recording: Timeline, position: int) -> datetime:
    """What the clock shows at a position; the clock must be known."""
    point = next((point for point in reversed(recording.clock) if point.onset <= position), recording.clock[0])
    return datetime.fromtimestamp((point.wall + position - point.onset) / 1000, UTC)


def facts(recording: Timeline) -> str:
    """The line under the file's name."""
    parts = [length(recording.duration / 1000)]
    if recording.clock:
        parts.append(f"{wall(recording, 0):%Y-%m-%d %H:%M:%S} {recording.clock[0].zone}".rstrip())
    parts.append(counted(sum(bool(track.label) for track in recording.scenes), "scene"))
    parts.append(counted(len(recording.events), "kind of sound", "kinds of sound"))
    return " · ".join(map(escape, parts))


def totals_table(recording: Timeline) -> str:
    """One line per label: how long, its share of what was analysed, how often, first and last time, and highest score."""
    columns = ("Label", "Heard", "Share", "Times", "First", "Last", "Highest score")
    head = "".join(f'<th scope="col">{column}</th>' for column in columns)
    known = recording.duration * analysed(recording, [0, recording.duration])[0]
    groups = "".join(
        _group(recording, known, tracks, name) for tracks, name in ((recording.scenes, "Scenes"), (recording.events, "Sounds"))
    )
    return f'<table class="totals"><caption>What was heard</caption><thead><tr>{head}</tr></thead>{groups}</table>'


def _group(recording: Timeline, known: float, tracks: list[LabelTrack], name: str) -> str:
    if not tracks:
        return ""
    rows = "".join(f"<tr>{''.join(_totals(recording, known, track))}</tr>" for track in tracks)
    return f'<tbody><tr><th scope="rowgroup" colspan="7">{name}</th></tr>{rows}</tbody>'


def _totals(recording: Timeline, known: float, track: LabelTrack) -> Iterator[str]:
    """`known` milliseconds were analysed."""
    stretches = list(track.stretches())
    yield f'<th scope="row">{shown(track.label) or NO_SCENE}</th>'
    yield f"<td>{length(track.heard / 1000)}</td><td>{min(1, track.heard / known):.1%}</td><td>{len(stretches)}</td>"
    for onset in (stretches[0][0], stretches[-1][0]):
        yield f'<td><a href="#t={onset / 1000:.3f},{onset / 1000:.3f}">{moment(recording, onset)}</a></td>'
    yield f"<td>{max(track.scores) / 100:.2f}</td>"


def hours_table(recording: Timeline) -> str:
    """The overview of a long recording: labels down, hours across, shares of their analysed time; "" for a short one."""
    if recording.duration < LONG:
        return ""
    edges = hour_edges(recording)
    head = "".join(
        f'<th scope="col"><a href="#t={start / 1000:.3f},{end / 1000:.3f}">{heading}</a></th>'
        for start, end, heading in zip(edges, edges[1:], _headings(recording, edges), strict=False)
    )
    known = analysed(recording, edges)
    rows = "".join(_hours(track, edges, known) for track in [*recording.scenes, *recording.events])
    caption = "Through the day, percent of the analysed time in which each was heard"
    return (
        f'<div class="scroll"><table class="hours"><caption>{caption}</caption>'
        f'<thead><tr><th scope="col">Label</th>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _headings(recording: Timeline, edges: list[int]) -> Iterator[str]:
    """Hours and minutes of each edge; the first of a new day has its date as well, and midnight its date alone."""
    day = f"{wall(recording, 0):%m-%d}" if recording.clock else ""
    for start in edges:
        if not recording.clock:
            yield clock(start / 1000)
            continue
        before, (day, time) = day, f"{wall(recording, start):%m-%d %H:%M}".split()
        yield time if day == before else day if time == "00:00" else f"{day} {time}"


def hour_edges(recording: Timeline) -> list[int]:
    """Positions in milliseconds that cut a recording at full hours of its clock, or at a step that gives at most 26 columns."""
    step = round_step(recording.duration, STEPS, MAX_COLUMNS - 1)
    return [0, *(edge for edge in recording.round_positions(step) if 0 < edge < recording.duration), recording.duration]


def analysed(recording: Timeline, edges: list[int]) -> list[float]:
    """The share of each [edge, next edge) that was analysed; 1 in a table without scenes, which does not say."""
    if not recording.scenes:
        return [1.0] * (len(edges) - 1)
    return [min(1.0, sum(each)) for each in zip(*(shares(track, edges) for track in recording.scenes), strict=True)]


def _hours(track: LabelTrack, edges: list[int], known: list[float]) -> str:
    cells = []
    for heard, part in zip(shares(track, edges), known, strict=True):
        if not part:
            cells.append('<td title="not analysed">–</td>')
            continue
        share = min(1, heard / part)
        shade = sqrt(share)  # so that one percent can be told from nothing
        much = ' class="much"' if shade > 0.8 else ""
        cells.append(f'<td{much} style="--shade:{shade:.2f}">{round(100 * share) or "·"}</td>' if share else "<td></td>")
    return f'<tr class="{track.kind}"><th scope="row">{shown(track.label) or NO_SCENE}</th>{"".join(cells)}</tr>'


def shares(track: LabelTrack, edges: list[int]) -> list[float]:
    """The share of each [edge, next edge) in which the track was heard.

    >>> from array import array
    >>> shares(LabelTrack("event", "dog", array("q", [0, 3000]), array("q", [1000, 5000]), bytearray(2)), [0, 2000, 4000, 6000])
    [0.5, 0.5, 0.5]
    """
    heard = [0] * (len(edges) - 1)
    column = 0
    for onset, offset, _ in track.stretches():
        while edges[column + 1] <= onset:
            column += 1
        last = column
        while onset < offset:
            end = min(offset, edges[last + 1])
            heard[last] += end - onset
            onset, last = end, last + (end == edges[last + 1])
    return [time / (end - start) for time, start, end in zip(heard, edges, edges[1:], strict=False)]
