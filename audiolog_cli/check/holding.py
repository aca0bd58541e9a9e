"""Checks of the qualities that a log states, against the table: one function for each kind in `qualities.py`.

Each takes the labels, the statement and the table, and returns what is wrong, "" if nothing. A sentence that may be read in
several ways (in this scene or in the whole recording; each of the labels or all together) is correct if one of them is.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence

from audiolog_cli.check.facts import DAY, Spans, Table, spans_of
from audiolog_cli.check.sentences import Quality, Statement
from audiolog_cli.check.times import Time
from audiolog_cli.check.words import MISSING, QUIET, Mention, phrase
from audiolog_cli.wording import clock, length

TOLERANCE = 1.0  # seconds that a time may be off before it is wrong
MOSTLY_SHARE = 0.4  # of the time, or of what is heard most: less is not "mostly"
THROUGHOUT_SHARE = 0.6  # of the region, from the first to the last time that a sound is heard, for "throughout"
GOES_ON_SHARE = 0.5  # of the time, for a sound that is there "all night"
NEAR = 4.0  # seconds between a point and a sound whose length is given with it
OPENING_SHARE = 0.25  # of the recording, at its start or end, for a sound it "begins" or "ends" with

MOST_VISITS = 20  # scene changes from which `the first minute` may count

Position = tuple[float, float]  # onset and offset in seconds of the recording
Region = tuple[Spans, object]  # a part of the recording, and its key in `Table.when_within` or None


def labels_of(mention: Mention, table: Table) -> frozenset[str]:
    """The labels of the table that a mention may mean."""
    if mention.concept in (QUIET, MISSING):
        return frozenset({mention.concept} & table.heard.keys())
    return table.known.labels.get(mention.concept, frozenset())


def scene_of(statement: Statement, table: Table) -> frozenset[str]:
    """The scenes that a statement is made under: those that its words name (`nature`), else those in the group that they name."""
    if statement.scene is None:
        return frozenset()
    return table.known.named.get(statement.scene.concept, frozenset()) & table.scenes or labels_of(statement.scene, table)


def positions_of(time: Time | None, statement: Statement, table: Table) -> list[Position]:
    """What a time may mean in seconds of the recording; empty for a time of day if the table has no clock times."""
    if time is None:
        return []
    edges = table.changes[:MOST_VISITS] if statement.scene or statement.spoken_of else ()
    if time.share:
        wholes = [(table.onset, table.end), *((table.when(scene).pairs()) if (scene := scene_of(statement, table)) else ())]
        return [(on + time.share[0] * (off - on), on + time.share[1] * (off - on)) for on, off in wholes[:MOST_VISITS]]
    if time.onset < 0:
        return [(end + time.onset, end) for end in (table.end, *edges)]
    own = [(time.onset, time.offset)]
    if time.from_edge:
        own = [(onset, onset + time.offset) for onset in (table.onset, *edges)]
    if time.of_day is None or (not table.clocks and not time.only_of_day):
        return own
    lasting = (time.of_day[1] - time.of_day[0]) % DAY
    starts = [time.of_day[0], *([time.of_day[0] + DAY / 2] if time.half_day else [])]
    of_day = [(onset, onset + lasting) for start in starts for onset in table.positions(start % DAY)] if table.clocks else []
    of_day.sort(key=lambda each: each[0] > table.end)
    inside = [each for each in own if not time.only_of_day and table.onset <= each[0] <= each[1] <= table.end]
    return of_day + inside


def place_of(statement: Statement, table: Table) -> Region | None:
    """The scene that a statement is made under, within the time that its heading names if it names one."""
    scene = scene_of(statement, table)
    at = [
        (first - TOLERANCE, last + TOLERANCE)
        for first, last in positions_of(statement.scene_time, statement, table)
        if first <= last
    ]
    if scene and at:
        return table.when(scene).within(spans_of(at)), None
    return (table.when(scene), scene) if scene else (spans_of(at), None) if at else None


def regions(statement: Statement, table: Table, ranges: Sequence[Position]) -> list[Region]:
    """What a statement may be about: the times of its clause, else the scene of its sentence or heading; or the recording."""
    found: list[Region] = []
    ranges = [each for each in ranges if each[0] < each[1]]
    if ranges:
        found.append((spans_of(ranges), None))
    if ranges and statement.quality and statement.quality.kind not in ("counts", "lasts"):
        return found
    if place := place_of(statement, table):
        found.append(place)
    if scene := scene_of(statement, table):
        if ranges:
            found.append((table.when(scene).within(spans_of(ranges)), None))
        found.append((table.when(scene), scene))
        if statement.in_its_scene and not any(mention.concept in table.doubles for mention in statement.mentions):
            return found
    if statement.spoken_of and (scene := labels_of(statement.spoken_of, table)):
        found.append((table.when(scene), scene))
    return [*found, (table.whole, "whole")]


def _choices(
    labels: frozenset[str], statement: Statement, table: Table, regions: Sequence[Region]
) -> Iterator[tuple[Spans, Spans]]:
    """For every reading: when a label, or all of them together, are heard in a region; and the region."""
    groups = {
        labels,
        labels - table.scenes or labels,
        *(frozenset({variant}) for label in labels for variant in table.variants(label)),
    }
    for region, key in regions:
        for group in groups:
            yield table.when_within(group, region, key), region


def counts(labels: frozenset[str], statement: Statement, table: Table, within: Sequence[Region], n_times: int) -> str:
    """Heard that many times; pauses within the tolerance may be ignored, and listed times may be counted."""
    quality = statement.quality
    assert quality is not None
    if quality.bound != "least" and n_times == quality.value > 1:
        return ""
    said: list[int] = []
    for spans, _ in _choices(labels, statement, table, within):
        fewest = len(spans) - bisect_right(spans.pauses, TOLERANCE)
        said.append(len(spans))
        if _agrees(fewest, len(spans), quality):
            return ""
    return f"{said[0]} times, says the table" if said[0] != 1 else "once, says the table"


def _agrees(least: float, most: float, quality: Quality) -> bool:
    """Whether a stated value agrees with one between `least` and `most`."""
    if quality.bound == "least":
        return most >= quality.value - quality.slack
    if quality.bound == "most":
        return least <= quality.value + quality.slack
    return least - quality.slack <= quality.value <= most + quality.slack


def lasts(labels: frozenset[str], statement: Statement, table: Table, within: Sequence[Region], points: Sequence[float]) -> str:
    """Lasts that long: one time that it is heard, or all together; or the time at a point that the clause names."""
    quality = statement.quality
    assert quality is not None
    longest = 0.0
    for spans, region in _choices(labels, statement, table, within):
        if points:
            near = [pair for point in points for pair in spans.meeting(point - NEAR, point + NEAR)]
            lengths = sorted(offset - onset for onset, offset in near)
        else:
            lengths = spans.lengths
        totals = [] if points else [spans.seconds, *([region.seconds] if statement.times else [])]  # `from 0:05 to 0:10 (5 s)`
        if _some_agree(lengths, quality) or any(_agrees(each - TOLERANCE, each + TOLERANCE, quality) for each in totals):
            return ""
        longest = max([longest, *lengths[-1:], *totals[:1]])
    return f"lasts {length(longest)}, says the table" if longest else "not at that time"


def _some_agree(lengths: Sequence[float], quality: Quality) -> bool:
    """Whether one of these lengths, in ascending order, agrees with the stated one."""
    if not lengths:
        return False
    if quality.bound:
        extreme = lengths[-1] if quality.bound == "least" else lengths[0]
        return _agrees(extreme - TOLERANCE, extreme + TOLERANCE, quality)
    index = bisect_left(lengths, quality.value - quality.slack - TOLERANCE)
    return index < len(lengths) and lengths[index] <= quality.value + quality.slack + TOLERANCE


def recording_lasts(statement: Statement, table: Table) -> str:
    """The recording lasts that long."""
    quality, seconds = statement.quality, table.end - table.onset
    assert quality is not None
    return "" if _agrees(seconds - TOLERANCE, seconds + TOLERANCE, quality) else f"the recording lasts {length(seconds)}"


def throughout(labels: frozenset[str], statement: Statement, table: Table, within: Sequence[Region]) -> str:
    """Heard from near the start to near the end of the region, perhaps with pauses."""
    for spans, region in _choices(labels, statement, table, within):
        if spans and region and spans.offsets[-1] - spans.onsets[0] >= THROUGHOUT_SHARE * (region.offsets[-1] - region.onsets[0]):
            return ""
        if spans and region and spans.seconds >= THROUGHOUT_SHARE * region.seconds:
            return ""
    return "not all that time"


def goes_on(labels: frozenset[str], statement: Statement, table: Table, within: Sequence[Region]) -> str:
    """Heard for most of the region."""
    is_there = any(
        spans.seconds >= GOES_ON_SHARE * region.seconds for spans, region in _choices(labels, statement, table, within)
    )
    return "" if is_there else "not all that time"


def mostly(labels: frozenset[str], statement: Statement, table: Table, within: Sequence[Region]) -> str:
    """Heard more than the other events of the region, or for much of its time."""
    problem = ""
    for region, key in within:
        seconds = table.when_within(labels, region, key).seconds
        others = {event: table.when_within(frozenset({event}), region, key).seconds for event in table.events - labels}
        if labels <= table.scenes or labels <= {QUIET, MISSING}:
            others = {}
        if seconds >= MOSTLY_SHARE * region.seconds or (others and seconds >= MOSTLY_SHARE * max(others.values())):
            return ""
        if not others and labels <= table.events and seconds:
            return ""  # nothing else is heard
        most = max(others, key=lambda event: others[event], default="")
        problem = problem or (f"{_words(most)} more, says the table" if most else "not for most of the time")
    return problem


def mostly_then(labels: frozenset[str], table: Table, ranges: Sequence[Position]) -> str:
    """Heard mostly inside the ranges."""
    spans = table.when(labels)
    inside = spans.within(spans_of((onset - TOLERANCE, offset + TOLERANCE) for onset, offset in ranges)).seconds
    return "" if inside >= MOSTLY_SHARE * spans.seconds else "mostly at other times, says the table"


def only(labels: frozenset[str], statement: Statement, table: Table, within: Sequence[Region]) -> str:
    """No other event in the region."""
    quality = statement.quality
    assert quality is not None
    named = labels.union(*(labels_of(mention, table) for mention in quality.others))
    problem = ""
    for region, key in within:
        if key is None:
            region = spans_of((on + TOLERANCE, off - TOLERANCE) for on, off in region.pairs() if off - on > 2 * TOLERANCE)
        others = [
            event for event in sorted(table.events - named) if table.when_within(frozenset({event}), region, key).seconds > 0
        ]
        others = [
            event for event in others if not any(set(phrase(event)) & set(phrase(label)) for label in named)
        ]  # as in `metros leave`
        if not others:
            return ""
        problem = problem or f"{_words(others[0])} is there too, says the table"
    return problem


def only_then(labels: frozenset[str], table: Table, ranges: Sequence[Position], within: Sequence[Region]) -> str:
    """At no other time in the region."""
    said = spans_of((onset - 4 * TOLERANCE, offset + 4 * TOLERANCE) for onset, offset in ranges)
    for region, key in within:
        spans = table.when_within(labels, region, key)
        if spans.seconds - spans.within(said).seconds <= 2 * TOLERANCE * len(ranges):
            return ""
    other = next(onset for onset, offset in table.when(labels).pairs() if not said.covers(onset, offset, 0.0))
    return f"also at {clock(other)}, says the table"


def comes_before(labels: frozenset[str], statement: Statement, table: Table) -> str:
    """The labels are heard at least once before the others; with the bound "all", before every time that these are heard."""
    quality = statement.quality
    assert quality is not None
    others = labels_of(quality.others[0], table)
    if not others or labels == others:
        return ""
    each = [labels_of(mention, table) for mention in statement.mentions]
    first = max(min(table.heard[label].onsets[0] for label in own) for own in each if own)
    latest = max(table.heard[label].onsets[-1] for label in others)
    if quality.bound == "all":
        latest = min(table.heard[label].onsets[0] for label in others)
    return "" if first <= latest + TOLERANCE else "not in that order"


def opens(labels: frozenset[str], statement: Statement, table: Table) -> str:
    """There at the start: a scene is the first one, an event is near the start or the first of all."""
    if labels & {QUIET, MISSING}:
        return ""
    first = table.when(labels).onsets[0]
    if labels <= table.scenes:
        earliest = min(table.heard[scene].onsets[0] for scene in table.scenes)
        return "" if first <= earliest + TOLERANCE else "not at the beginning"
    earliest = min(table.heard[event].onsets[0] for event in table.events | (labels & table.scenes))
    near = first - table.onset <= OPENING_SHARE * (table.end - table.onset)
    return "" if near or first <= earliest + TOLERANCE else "not at the beginning"


def closes(labels: frozenset[str], statement: Statement, table: Table) -> str:
    """There at the end."""
    if labels & {QUIET, MISSING}:
        return ""
    last = table.when(labels).offsets[-1]
    if labels <= table.scenes:
        latest = max(table.heard[scene].offsets[-1] for scene in table.scenes)
        return "" if last >= latest - TOLERANCE else "not at the end"
    latest = max(table.heard[event].offsets[-1] for event in table.events | (labels & table.scenes))
    near = table.end - last <= OPENING_SHARE * (table.end - table.onset)
    return "" if near or last >= latest - TOLERANCE else "not at the end"


def _words(label: str) -> str:
    return label.replace("_", " ")
