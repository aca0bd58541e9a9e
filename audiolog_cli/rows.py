"""Cells to rows, and rows to the formats people and other programs read.

The cells of a file come in order of time; a row is a stretch with one scene and one set of events, run-length encoded. Time
without cells was not analysed and gets no row. Times are whole milliseconds: rows carry them as seconds rounded to three
decimals, and sums and differences are computed with integers (1.4 - 1.1 is less than 0.3 in floating point). Everything here is a
generator that holds one row at a time (plus `max_gap` or `min_duration` seconds of them); only the aligned formats (github,
plain, html, latex) need all rows before their first line.
"""

import csv
import io
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, groupby

from audiolog_cli.errors import RecordError
from audiolog_cli.moments import later
from audiolog_cli.records import EVENTS_SEPARATOR, ROW_COLUMNS, Cell, End, Failure, Row, check_event, milliseconds, tsv_lines
from audiolog_cli.terminal import visible


@dataclass(frozen=True, slots=True)
class TableOptions:
    """How cells become rows."""

    cells: bool = False  # keep one row per cell, the paper's Table 1, instead of merging equal neighbours
    min_duration: float = 0.0  # seconds, to the millisecond: shorter events are dropped (after bridging)
    max_gap: float = 0.0  # seconds, to the millisecond: pauses of one event up to this long are bridged


# Cells -> rows


def table(cells: Iterable[Cell | End | Failure], options: TableOptions) -> Iterator[Row | End | Failure]:
    """Rows from cells in order of time: AudioLog's table (paper, section 2.3); ends and failures pass through in place.

    RecordError if the cells of a file go back in time, and for an event's label that a row cannot hold.
    """
    reached: dict[str, float] = {}
    for kind, part in groupby(cells, key=type):  # the stretches of cells between ends and failures
        if kind is not Cell:
            yield from part  # type: ignore[misc]  # mypy does not narrow by groupby
            continue
        rows = disjoint(simultaneous(part), reached)  # type: ignore[arg-type]
        if options.max_gap > 0:
            rows = bridge_gaps(rows, options.max_gap)
        if options.min_duration > 0:
            rows = drop_short(rows, options.min_duration)
        yield from rows if options.cells else merge(rows)


def simultaneous(cells: Iterable[Cell]) -> Iterator[Row]:
    """One row for each run of cells with the same file and times: its most probable scene ("" if it has none) and its events.

    Events of a cell shorter than a millisecond belong to the cell before it. RecordError for a label with a `;`.
    """
    stream = iter(cells)
    first = next(stream, None)
    if first is None:
        return
    filename, onset, offset, _, _, _, time = first
    scene, best, events, allowed = "", -1.0, list[str](), set[str]()
    for name, start, end, kind, label, score, when in chain([first], stream):
        if start != onset or end != offset or name != filename:
            if end - start < 0.001 and name == filename and milliseconds(start) == milliseconds(end) == milliseconds(offset):
                if kind == "event":
                    events.append(label)
                continue
            yield _row(filename, onset, offset, scene, events, time)
            filename, onset, offset, time = name, start, end, when
            scene, best, events = "", -1.0, []
        if kind == "event":
            if label not in allowed:
                allowed.add(check_event(label))
            events.append(label)
        elif score > best:
            scene, best = label, score
    yield _row(filename, onset, offset, scene, events, time)


def _row(filename: str, onset: float, offset: float, scene: str, events: list[str], time: str | None) -> Row:
    labels = tuple(sorted(set(events)) if len(events) > 1 else events)
    return _new(Row, (filename, round(onset * 1000) / 1000, round(offset * 1000) / 1000, scene, labels, time))


_new = tuple.__new__  # half the cost of Row(...), which goes through a Python function


def disjoint(rows: Iterable[Row], reached: dict[str, float] | None = None) -> Iterator[Row]:
    """Rows that may overlap (event lists do), cut at every onset and offset into rows that do not.

    `reached` maps each file to its latest onset so far, and is updated. RecordError for a file that goes back in time.

    >>> overlapping = [Row("a", 0.0, 3.0, "", ("dog",)), Row("a", 2.0, 4.0, "", ("car",))]
    >>> [(row.onset, row.offset, row.events) for row in disjoint(overlapping)]
    [(0.0, 2.0, ('dog',)), (2.0, 3.0, ('car', 'dog')), (3.0, 4.0, ('car',))]
    """
    reached = {} if reached is None else reached
    active: list[Row] = []  # what is active from the latest onset on
    filename, first, latest = "", 0.0, 0.0
    for row in rows:
        name, until, offset, _, _, _ = row
        if name != filename:
            yield from _slices(active, _FOREVER)
            reached[filename] = latest
            filename, active, first, latest = name, [], until, reached.get(name, 0.0)
        if until < latest:
            raise RecordError(went_back(filename, until, latest, first))
        latest = until
        if active:
            if len(active) == 1 and active[0][2] <= until:  # the usual case: one cell after the other
                yield active.pop()
            else:
                yield from _slices(active, until)
                active = [_from(until, earlier) for earlier in active if earlier.offset > until]
        if offset > until:
            active.append(row)
    reached[filename] = latest
    yield from _slices(active, _FOREVER)


_FOREVER = float("inf")

SORT = r"sort by file and then by onset as a number: sort -s -t $'\t' -k1,1 -k2,2n"  # the way out


def went_back(filename: str, onset: float, latest: float, first: float) -> str:
    """The message for a file whose records go back to `onset` after `latest` seconds, and began at `first`."""
    if onset <= first:
        return (
            f"{filename}: begins again, {onset:.3f} s follows {latest:.3f} s: it was named twice, or two tables of it follow "
            "one another; give it once"
        )
    return f"{filename}: out of order, {onset:.3f} s follows {latest:.3f} s; {SORT}"


def _slices(active: list[Row], until: float) -> Iterator[Row]:
    """Disjoint rows for what is active between the latest onset and `until` seconds."""
    start = max((row.onset for row in active), default=0.0)
    for end in sorted({min(row.offset, until) for row in active}):
        if end <= start:
            continue
        sounding = [row for row in active if row.offset >= end]
        events = tuple(sorted({event for row in sounding for event in row.events}))
        scene = next((row.scene for row in reversed(sounding) if row.scene), "")
        time = next((since.time for row in sounding if (since := _from(start, row)).time), None)
        yield Row(sounding[0].filename, start, end, scene, events, time)
        start = end


def _from(onset: float, row: Row) -> Row:
    """The part of a row from `onset` on."""
    if row.onset == onset:
        return row
    return row._replace(onset=onset, time=later(row.time, milliseconds(onset - row.onset)) if row.time else None)


def bridge_gaps(rows: Iterable[Row], max_gap: float) -> Iterator[Row]:
    """Fill an event's pauses of at most `max_gap` seconds with that event; never across time that was not analysed.

    >>> heard = [Row("a", 0.0, 1.0, "", ("dog",)), Row("a", 1.0, 2.0, "", ()), Row("a", 2.0, 3.0, "", ("dog",))]
    >>> [row.events for row in bridge_gaps(heard, max_gap=1.0)]
    [('dog',), ('dog',), ('dog',)]
    """
    held: deque[Row] = deque()  # rows that a later event may still reach back to
    last_heard: dict[str, float] = {}
    gap = milliseconds(max_gap)
    for row in rows:
        if held and not _follows(row, held[-1]):
            yield from held
            held.clear()
            last_heard.clear()
        onset = milliseconds(row.onset)
        for event in row.events:
            pause_start = last_heard.get(event, row.onset)
            if pause_start < row.onset and onset - milliseconds(pause_start) <= gap:
                held = deque(
                    earlier._replace(events=tuple(sorted({*earlier.events, event}))) if earlier.onset >= pause_start else earlier
                    for earlier in held
                )
            last_heard[event] = row.offset
        while held and onset - milliseconds(held[0].onset) > gap:
            yield held.popleft()
        held.append(row)
    yield from held


def _follows(row: Row, previous: Row) -> bool:
    return row.onset == previous.offset and row.filename == previous.filename


def drop_short(rows: Iterable[Row], min_duration: float) -> Iterator[Row]:
    """Remove events that last less than `min_duration` seconds from their rows; the rows stay.

    >>> heard = [Row("a", 0.0, 1.0, "street", ("dog", "car")), Row("a", 1.0, 2.0, "street", ("car",))]
    >>> [row.events for row in drop_short(heard, min_duration=2.0)]
    [('car',), ('car',)]
    """
    held: deque[Row] = deque()  # rows with an event whose length is not known yet
    started: dict[str, float] = {}
    least = milliseconds(min_duration)
    previous: Row | None = None
    for row in rows:
        broken = previous is not None and not _follows(row, previous)
        previous = row
        for event in [event for event in started if broken or event not in row.events]:
            _drop_if_short(held, event, started.pop(event), least)
        if broken:
            yield from held
            held.clear()
        for event in row.events:
            started.setdefault(event, row.onset)
        held.append(row)
        while held and _lasts(held[0].onset, row.offset) >= least:  # every event of it ended, or is long enough by now
            yield held.popleft()
    for event, onset in started.items():
        _drop_if_short(held, event, onset, least)
    yield from held


def _lasts(onset: float, offset: float) -> int:
    return milliseconds(offset) - milliseconds(onset)


def _drop_if_short(held: deque[Row], event: str, onset: float, least: int) -> None:
    """Remove an event that lasted from `onset` to the end of the held rows from them, if that is under `least` ms."""
    if held and _lasts(onset, held[-1].offset) < least:
        for index, row in enumerate(held):
            if row.onset >= onset:
                held[index] = row._replace(events=tuple(other for other in row.events if other != event))


def merge(rows: Iterable[Row]) -> Iterator[Row]:
    """Run-length encoding: a new row where the scene, the events or the file change, or after time that was not analysed.

    >>> list(merge([Row("a", 0.0, 1.0, "home", ()), Row("a", 1.0, 2.0, "home", ())]))
    [Row(filename='a', onset=0.0, offset=2.0, scene='home', events=(), time=None)]
    """
    stream = iter(rows)
    current = next(stream, None)
    if current is None:
        return
    filename, onset, offset, scene, events, time = current
    for row in stream:
        name, start, end, place, heard, when = row
        if heard == events and place == scene and start == offset and name == filename:
            offset = end
        else:
            yield _new(Row, (filename, onset, offset, scene, events, time))
            filename, onset, offset, scene, events, time = name, start, end, place, heard, when
    yield Row(filename, onset, offset, scene, events, time)


# Rows -> text


def csv_lines(rows: Iterable[Row], with_time: bool, for_excel: bool = False) -> Iterator[str]:
    """The TSV table as comma-separated values, quoted as RFC 4180 says.

    `for_excel`: with the byte order mark that tells spreadsheets it is UTF-8, and with CRLF line ends.
    """
    mark = "\ufeff" * for_excel
    for line in tsv_lines(rows, ROW_COLUMNS, with_time):
        text = io.StringIO()
        csv.writer(text, lineterminator="\r\n" if for_excel else "\n").writerow(line.rstrip("\n").split("\t"))
        yield mark + text.getvalue()
        mark = ""


def aligned_lines(rows: Iterable[Row], style: str, with_time: bool) -> Iterator[str]:
    """The paper's table (Start, End, Scene, Event) laid out by tabulate; a File column where there are several files.

    `style` is github, plain, html or latex. Holds all rows: column widths are known only at the end.
    """
    from tabulate import tabulate

    table_rows = list(rows)
    with_file = len({row.filename for row in table_rows}) > 1
    headers = ["File"] * with_file + ["Start", "End", "Scene", "Event"] + ["Time"] * with_time
    align = ["left"] * with_file + ["right", "right", "left", "left"] + ["left"] * with_time
    bar = "\\|" if style == "github" else "|"
    body = [
        [
            visible(field).replace("|", bar)
            for field in [row.filename] * with_file
            + [f"{row.onset:.3f}", f"{row.offset:.3f}", row.scene, f"{EVENTS_SEPARATOR} ".join(row.events)]
            + [row.time or ""] * with_time
        ]
        for row in table_rows
    ]
    text = tabulate(body, headers, style, disable_numparse=True, colalign=align if body else None)
    yield from (line + "\n" for line in text.split("\n"))


def occurrences(rows: Iterable[Row], with_unnamed: bool = False) -> Iterator[Cell]:
    """Each scene and each event as one interval from its onset to its offset, in order of offset, then onset.

    `with_unnamed`: also scenes that are not named, and "" where nothing is known of scenes.

    >>> rows = [Row("a", 0.0, 1.0, "home", ("dog",)), Row("a", 1.0, 3.0, "home", ())]
    >>> [(cell.onset, cell.offset, cell.label) for cell in occurrences(rows)]
    [(0.0, 1.0, 'dog'), (0.0, 3.0, 'home')]
    """
    started: dict[tuple[str, str], float] = {}  # (kind, label) -> onset
    previous: Row | None = None
    for row in rows:
        labels = {("event", event) for event in row.events}
        if row.scene or with_unnamed:
            labels.add(("scene", row.scene))
        if previous is not None:
            yield from _ended(started, previous, labels if _follows(row, previous) else set())
        for label in labels:
            started.setdefault(label, row.onset)
        previous = row
    if previous is not None:
        yield from _ended(started, previous, set())


def _ended(started: dict[tuple[str, str], float], row: Row, going_on: set[tuple[str, str]]) -> Iterator[Cell]:
    """Remove from `started`, and yield, what ends with `row`."""
    ended = sorted((started[label], label) for label in started if label not in going_on)
    for onset, (kind, label) in ended:
        del started[kind, label]
        yield Cell(row.filename, onset, row.offset, kind, label, 1.0)
