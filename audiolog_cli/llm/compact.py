"""Rows as the text that is sent to a language model: the paper's table, or the same facts grouped by scene and label.

Both are exact: every scene, event, quiet stretch and stretch that was not analysed is in them, with its times. `grouped` says each
label once per scene and is a half to a third as long. Where the caller has bridged pauses or dropped short events, that is said.
"""

from collections.abc import Iterable, Sequence

from audiolog_cli.llm.outline import NOT_ANALYSED, Section, sections
from audiolog_cli.records import Row
from audiolog_cli.rows import occurrences
from audiolog_cli.wording import plain

HEADER = "Start(s)\tEnd(s)\tScene\tEvent"  # Table 1 of the paper
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

    >>> print(grouped_text([Row("a", 0, 1, "street", ("dog",)), Row("a", 1, 2, "street", ()), Row("a", 2, 3, "street", ("dog",))]))
    Start(s)-End(s) scene, and below it each event with its start-end times
    0-3 street
     dog: 0-1, 2-3
    """
    lines = ["Start(s)-End(s) scene, and below it each event with its start-end times"]
    first = 0
    for section in sections(rows, start=rows[0].onset if rows else 0.0):
        lines.append(f"{plain(section.when.onset)}-{plain(section.when.offset)} {_name(section)}")
        last = first
        while last < len(rows) and rows[last].onset < section.when.offset:
            last += 1
        lines += _events(rows[first:last])
        if section.scene is not None and not section.events:
            lines.append(f" {NO_EVENT}")
        first = last
    return "\n".join(lines)


def _name(section: Section) -> str:
    return f"({NOT_ANALYSED})" if section.scene is None else section.scene or NO_SCENE


def _events(rows: Sequence[Row]) -> list[str]:
    times: dict[str, list[str]] = {}
    for cell in sorted((cell for cell in occurrences(rows) if cell.kind == "event"), key=lambda cell: cell.onset):
        times.setdefault(cell.label, []).append(f"{plain(cell.onset)}-{plain(cell.offset)}")
    return [f" {label}: {', '.join(when)}" for label, when in times.items()]


def note(max_gap: float, min_duration: float) -> str:
    """What was left out of the table before it was written, for the reader of the prompt; "" if nothing was."""
    bridged = f"pauses of up to {plain(max_gap)} s inside an event are closed" if max_gap else ""
    dropped = f"events shorter than {plain(min_duration)} s are left out" if min_duration else ""
    said = " and ".join(part for part in (bridged, dropped) if part)
    return f"(In this table {said}.)\n" if said else ""
