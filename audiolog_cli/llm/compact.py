"""Rows as text for a language model: the paper's table, the same facts grouped, or totals over equal stretches.

The first two are exact: they hold every scene, event, quiet stretch and unanalysed stretch with its times. `grouped` names each
label once per scene and is a half to a third as long. Totals are for tables that fit in neither form. If the caller has bridged
pauses or dropped short events, the text says so.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from audiolog_cli.llm.outline import NOT_ANALYSED, sections
from audiolog_cli.records import Row
from audiolog_cli.rows import occurrences
from audiolog_cli.wording import plain

HEADER = "Start(s)\tEnd(s)\tScene\tEvent"  # Table 1 of the paper
STRETCHES = {"minute": 60.0, "ten minutes": 600.0, "hour": 3600.0, "six hours": 21_600.0, "day": 86_400.0}  # seconds
NO_EVENT = "(no event recognised)"
NO_SCENE = "(scene not named)"


def rows_text(rows: Iterable[Row]) -> str:
    """The paper's table, run-length encoded, tab-separated.

    >>> rows_text([Row("a", 0, 2, "street", ("car", "dog")), Row("a", 4, 5, "street", ())]).splitlines()[1:]
    ['0\\t2\\tstreet\\tcar; dog', '2\\t4\\t(not analysed)', '4\\t5\\tstreet\\t(no event recognised)']
    """
    lines, reached = [HEADER], None
    for row in rows:
        if reached is not None and row.onset > reached:
            lines.append(f"{plain(reached)}\t{plain(row.onset)}\t({NOT_ANALYSED})")
        lines.append(f"{plain(row.onset)}\t{plain(row.offset)}\t{row.scene or NO_SCENE}\t{'; '.join(row.events) or NO_EVENT}")
        reached = row.offset
    return "\n".join(lines)


def grouped_text(rows: Sequence[Row]) -> str:
    """Scene by scene: its times, then each label with all its times in seconds.

    >>> rows = [Row("a", 0, 1, "street", ("dog",)), Row("a", 1, 2, "street", ()), Row("a", 2, 3, "street", ("dog",))]
    >>> print(grouped_text(rows))
    Start(s)-End(s) scene, and below it each event with its start-end times
    0-3 street
     dog: 0-1, 2-3
    """
    lines = ["Start(s)-End(s) scene, and below it each event with its start-end times"]
    first = 0
    for section in sections(rows, start=rows[0].onset if rows else 0.0):
        name = f"({NOT_ANALYSED})" if section.scene is None else section.scene or NO_SCENE
        lines.append(f"{plain(section.when.onset)}-{plain(section.when.offset)} {name}")
        last = first
        while last < len(rows) and rows[last].onset < section.when.offset:
            last += 1
        lines += _events(rows[first:last])
        if section.scene is not None and not section.events:
            lines.append(f" {NO_EVENT}")
        first = last
    return "\n".join(lines)


def totals_text(rows: Sequence[Row], seconds: float) -> str:
    """How long each scene and event lasts and how often events begin, per stretch of `seconds`; a row counts where it begins.

    >>> rows = [Row("a", 0, 2, "street", ("dog",)), Row("a", 2, 3, "street", ()), Row("a", 61, 63, "park", ("dog", "car"))]
    >>> print(totals_text(rows, 60.0))
    Start(s)-End(s): seconds of each scene; times and seconds of each event
    0-60: street 3; dog 1 times 2
    60-120: park 2; car 1 times 2, dog 1 times 2
    """
    lines = ["Start(s)-End(s): seconds of each scene; times and seconds of each event"]
    for number, inside in groupby(rows, key=lambda row: row.onset // seconds):
        scenes: dict[str, float] = {}
        events: dict[str, list[float]] = {}
        for row in (held := list(inside)):
            scenes[row.scene or NO_SCENE] = scenes.get(row.scene or NO_SCENE, 0.0) + row.offset - row.onset
        for cell in occurrences(held):
            if cell.kind == "event":
                events.setdefault(cell.label, []).append(cell.offset - cell.onset)
        named = ", ".join(f"{scene} {plain(lasting)}" for scene, lasting in scenes.items())
        heard = ", ".join(f"{event} {len(each)} times {plain(sum(each))}" for event, each in sorted(events.items()))
        lines.append(f"{plain(number * seconds)}-{plain((number + 1) * seconds)}: {named}; {heard or NO_EVENT}")
    return "\n".join(lines)


def layouts(rows: Sequence[Row]) -> Iterator[tuple[str, str]]:
    """The table as ever shorter text: the kind of totals it has become ("" while it is exact), and the text."""
    yield "", rows_text(rows)
    yield "", grouped_text(rows)
    for what, seconds in STRETCHES.items():
        yield f"totals of each {what}", totals_text(rows, seconds)


def _events(rows: Sequence[Row]) -> list[str]:
    times: dict[str, list[str]] = {}
    for cell in sorted((cell for cell in occurrences(rows) if cell.kind == "event"), key=lambda cell: cell.onset):
        times.setdefault(cell.label, []).append(f"{plain(cell.onset)}-{plain(cell.offset)}")
    return [f" {label}: {', '.join(when)}" for label, when in times.items()]


def note(max_gap: float, min_duration: float) -> str:
    """What was left out of the table, for the reader of the prompt; "" if nothing was."""
    bridged = f"pauses of up to {plain(max_gap)} s inside an event are closed" if max_gap else ""
    dropped = f"events shorter than {plain(min_duration)} s are left out" if min_duration else ""
    said = " and ".join(part for part in (bridged, dropped) if part)
    return f"(In this table {said}.)\n" if said else ""
