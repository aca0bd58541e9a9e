"""Checks of the qualities that a log states, against the table: one function for each kind in `qualities.py`.

Each takes a `Case` and returns what is wrong, "" if nothing. A sentence that may be read in several ways (in this scene or in the
whole recording; each of the labels or all together) is correct if one of them is.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from audiolog_cli.check.facts import DAY, Spans, Table, spans_of
from audiolog_cli.check.sentences import Quality, Statement
from audiolog_cli.check.times import END_SHARE, Time
from audiolog_cli.check.words import MISSING, QUIET, Mention, phrase
from audiolog_cli.wording import clock, length, words

TOLERANCE = 1.0  # seconds that a time may be off before it is wrong
MOSTLY_SHARE = 0.4  # of the time, or of what is heard most: less is not "mostly"
THROUGHOUT_SHARE = 0.6  # of the region, from the first to the last time that a sound is heard, for "throughout"
GOES_ON_SHARE = 0.45  # of the time, for a sound that is there "all night"
LONGEST_PAUSE = 0.6  # of the region, in a sound that is there "throughout"
LONGEST_SHARE = 0.95  # of the longest, for a sound that is said to be the longest
NEAR = 4.0  # seconds between a point and a sound whose length is given with it
SILENCE_SLACK = 5.0  # seconds between silence and the start or end of a recording that it is said to open or close
SHARE_SLACK = 0.06  # of the time, for a percentage
TOGETHER_SHARE = 0.001  # of the recording, between two sounds that are heard "at once"
OPENING_SHARE = 0.25  # of the recording, at its start or end, for a sound it "begins" or "ends" with

HOUR = 3600.0  # seconds of a recording in which 1:05 may be an hour and five minutes
MOST_VISITS = 20  # scene changes from which `the first minute` may count

Position = tuple[float, float]  # onset and offset in seconds of the recording
Region = tuple[Spans, object]  # a part of the recording, and its key in `Table.when_within` or None


def labels_of(mention: Mention, table: Table) -> frozenset[str]:
    """The labels of the table that a mention may mean."""
    if mention.concept in (QUIET, MISSING):
        return frozenset({mention.concept} & table.heard.keys())
    return table.known.labels.get(mention.concept, frozenset())


def scene_of(statement: Statement, table: Table) -> frozenset[str]:
    """The scenes that a statement is made under."""
    return scenes_named(statement.scene, table) if statement.scene else frozenset()


def scenes_named(mention: Mention, table: Table) -> frozenset[str]:
    """The scenes that words name (`nature`), else those in the group that they name."""
    return table.known.named.get(mention.concept, frozenset()) & table.scenes or labels_of(mention, table)


def positions_of(time: Time | None, statement: Statement, table: Table) -> list[Position]:
    """What a time may mean in seconds of the recording; empty for a time of day if the table has no clock times."""
    if time is None:
        return []
    if time.side:
        points = [onset for onset, _ in positions_of(replace(time, side=""), statement, table)]
        return [(table.onset, point) if time.side == "before" else (point, max(point, table.end)) for point in points]
    if time.of_all:
        statement = replace(statement, scene=None, spoken_of=None, here=None)
    edges = table.changes[:MOST_VISITS] if statement.scene or statement.spoken_of else ()
    if time.share:
        visits = list(pairwise([table.onset, *table.changes[:MOST_VISITS], table.end]))
        here = positions_of(statement.here, replace(statement, here=None), table)
        named = table.when(scene).pairs() if (scene := scene_of(statement, table)) else ()
        of_visits = visits if statement.scene or statement.spoken_of else []
        wholes = [(table.onset, table.end), *here, *(of_visits if time.share[1] - time.share[0] == END_SHARE else named)]
        return [(on + time.share[0] * (off - on), on + time.share[1] * (off - on)) for on, off in wholes]
    if time.onset < 0:
        ends = [last for _, last in positions_of(statement.here, replace(statement, here=None), table)]
        return [(end + time.onset, end) for end in (table.end, *edges, *ends)]
    own = [(time.onset, time.offset)]
    if time.from_edge:
        own = [(onset, onset + time.offset) for onset in (table.onset, *edges)]
    if time.in_hours and table.end > HOUR:
        own.append((time.onset * 60, time.offset * 60))
    if time.of_day is None or (not table.clocks and not time.only_of_day):
        return own
    lasting = (time.of_day[1] - time.of_day[0]) % DAY
    if time.from_edge:  # the afternoon
        days = [table.clocks[0][0] + DAY * day for day in range(-1, int(table.end // DAY) + 2)] if table.clocks else []
        since = [at + time.of_day[0] - table.clocks[0][1] for at in days]
        return [
            (max(on, table.onset), min(on + lasting, table.end)) for on in since if on < table.end and on + lasting > table.onset
        ] or ([(table.end + DAY, table.end + DAY)] if days else [])
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
    is_exact = any(not time.share for time in statement.times)
    if (
        ranges
        and is_exact
        and statement.quality
        and statement.quality.kind not in ("counts", "lasts", "lasts_in_all", "share", "first_at", "last_at")
    ):
        return found
    if place := place_of(statement, table):
        found.append(place)
    if scene := scene_of(statement, table):
        if ranges:
            found.append((table.when(scene).within(spans_of(ranges)), None))
        found.append((table.when(scene), scene))
        if statement.in_its_scene and not any(mention.concept in table.doubles for mention in statement.mentions):
            return found
    if here := positions_of(statement.here, statement, table):
        found.append((spans_of((first - TOLERANCE, last + TOLERANCE) for first, last in here if first <= last), None))
    if statement.spoken_of:
        scenes = (scenes_named(statement.spoken_of, table), labels_of(statement.spoken_of, table))
        found += [(table.when(scene), scene) for scene in dict.fromkeys(scenes) if scene]
    return [*found, (table.whole, "whole")]


@dataclass(frozen=True, slots=True)
class Case:
    """A quality that is stated of labels, to be held against the table."""

    labels: frozenset[str]
    statement: Statement
    quality: Quality
    table: Table
    ranges: Sequence[Position]  # what the times of its clause may mean; points are ranges without a length
    within: Sequence[Region]  # what it may be about

    def choices(self) -> Iterator[tuple[Spans, Spans]]:
        """For every reading: when a label, or all of them together, are heard in a region; and the region."""
        each = [frozenset({variant}) for label in sorted(self.labels) for variant in self.table.variants(label)]
        groups = dict.fromkeys((self.labels, self.labels - self.table.scenes or self.labels, *each))
        for region in self.within:
            for group in groups:
                yield self.when(region, group), region[0]

    def when(self, region: Region, labels: frozenset[str] | None = None) -> Spans:
        """When the labels, its own by default, are heard in a region."""
        return self.table.when_within(self.labels if labels is None else labels, *region)

    def heard(self, region: Region, kind: frozenset[str] | None = None) -> dict[str, Spans]:
        """When every other event, or label of that kind, that there is in a region is heard there."""
        rest = sorted((self.table.events if kind is None else kind) - self.labels)
        return {label: spans for label in rest if (spans := self.when(region, frozenset({label})))}

    @property
    def named(self) -> list[frozenset[str]]:
        """What each mention of the statement may mean."""
        return [labels_of(mention, self.table) for mention in self.statement.mentions]

    @property
    def others(self) -> list[frozenset[str]]:
        """What each of the other mentions in the quality may mean."""
        return [labels_of(mention, self.table) for mention in self.quality.others]


def problem(labels: frozenset[str], statement: Statement, quality: Quality, table: Table) -> str:
    """What is wrong with a quality that is stated of labels; "" if nothing."""
    ranges = [each for time in statement.times for each in positions_of(time, statement, table)]
    return KINDS[quality.kind](Case(labels, statement, quality, table, ranges, regions(statement, table, ranges)))


def _counts(case: Case) -> str:
    """Heard that many times; pauses within the tolerance may be ignored, and listed times may be counted."""
    if case.quality.bound != "least" and len(case.statement.times) == case.quality.value > 1:
        return ""
    said = [(_least(spans), len(spans)) for spans, _ in case.choices()]
    if len(case.labels) > 1:  # `three vehicles`: each label by itself
        each = [sum(len(case.when(region, frozenset({label}))) for label in case.labels) for region in case.within]
        said += [(min(least for least, _ in said), max(each))]
    if any(_agrees(*each, case.quality) for each in said) or not max(most for _, most in said):
        return ""
    return f"{said[0][1]} times, says the table" if said[0][1] != 1 else "once, says the table"


def _agrees(least: float, most: float, quality: Quality) -> bool:
    """Whether a stated value agrees with one between `least` and `most`."""
    is_enough, is_not_more = most >= quality.value - quality.slack, least <= quality.value + quality.slack
    return (is_enough or quality.bound == "most") and (is_not_more or quality.bound == "least")


def _is_near(seconds: float, quality: Quality) -> bool:
    return _agrees(seconds - TOLERANCE, seconds + TOLERANCE, quality)


def _lasts(case: Case) -> str:
    """Lasts that long: one time that it is heard, or all together; or the time at a point that the clause names."""
    points = [onset for onset, offset in case.ranges if onset == offset]
    longest = 0.0
    for spans, region in case.choices():
        lengths, totals = spans.lengths, [spans.seconds]
        if case.labels <= case.table.scenes and not case.quality.bound:
            totals.append(case.table.whole.seconds)  # `a market of 24 minutes in total`: the recording
        if case.quality.kind == "lasts_in_all":
            lengths = []
        elif points:
            near = [pair for point in points for pair in spans.meeting(point - NEAR, point + NEAR)]
            lengths, totals = (sorted(offset - onset for onset, offset in near), []) if near else (lengths, totals)
        elif case.statement.times:
            totals.append(region.seconds)  # `from 0:05 to 0:10 (5 s)`
        if _some_agree(lengths, case.quality) or any(_is_near(each, case.quality) for each in totals):
            return ""
        longest = max([longest, *lengths[-1:], *totals[:1]])
    return f"lasts {length(longest)}, says the table" if longest else "not at that time"


def _some_agree(lengths: Sequence[float], quality: Quality) -> bool:
    """Whether one of these lengths, in ascending order, agrees with the stated one."""
    if quality.bound:
        return any(_is_near(extreme, quality) for extreme in (lengths[-1:] if quality.bound == "least" else lengths[:1]))
    index = bisect_left(lengths, quality.value - quality.slack - TOLERANCE)
    return index < len(lengths) and lengths[index] <= quality.value + quality.slack + TOLERANCE


def _whole_lasts(case: Case) -> str:
    """The recording lasts that long."""
    seconds = case.table.end - case.table.onset
    return "" if _is_near(seconds, case.quality) else f"the recording lasts {length(seconds)}"


def _scene_count(case: Case) -> str:
    """It has that many scenes, counted with or without those that come again or have no name."""
    visits = len(case.table.changes) + 1
    unnamed = sum(
        not row.scene and (not index or bool(case.table.rows[index - 1].scene)) for index, row in enumerate(case.table.rows)
    )
    counts = {len(case.table.scenes), len(case.table.scenes) + bool(unnamed), visits, visits - unnamed}
    return "" if case.quality.value in counts else f"{len(case.table.scenes)} scenes, says the table"


def _share(case: Case) -> str:
    """Heard for that share of the recording or scene, all together or one of the labels."""
    groups, slack, shares = [case.labels, *case.named], SHARE_SLACK + 0.1 * case.quality.value, []
    for region in case.within:
        shares += [case.when(region, group).seconds / max(region[0].seconds, 1.0) for group in groups]
    is_right = any(_agrees(share - slack, share + slack, case.quality) for share in shares)
    return "" if is_right else f"{100 * shares[-len(groups)]:.0f} %, says the table"


def _throughout(case: Case) -> str:
    """Heard from near the start to near the end of the region, perhaps with pauses."""
    for spans, region in case.choices():
        seconds = max(spans.seconds, spans.offsets[-1] - spans.onsets[0]) if spans else 0.0
        if not region or not seconds:
            continue
        # Times of a heading are widened by the tolerance on both sides.
        extent = max(0.0, min(region.offsets[-1] - region.onsets[0], region.seconds) - 2 * TOLERANCE)
        pauses = spans.within(region).pauses if region.seconds else []
        if seconds >= THROUGHOUT_SHARE * extent and max(pauses[-1:], default=0.0) <= LONGEST_PAUSE * extent:
            return ""
    return "not all that time"


def _goes_on(case: Case) -> str:
    """Heard for most of the region."""
    is_there = any(spans.seconds >= GOES_ON_SHARE * region.seconds for spans, region in case.choices())
    return "" if is_there else "not all that time"


def _mostly(case: Case) -> str:
    """Heard more than the other events of the region, or for much of its time."""
    found = ""
    for region in case.within:
        seconds = case.when(region).seconds
        others = {} if case.labels <= case.table.scenes | {QUIET, MISSING} else case.heard(region)
        most = max(others, key=lambda event: others[event].seconds, default="")
        if seconds >= MOSTLY_SHARE * region[0].seconds or (most and seconds >= MOSTLY_SHARE * others[most].seconds):
            return ""
        if not others and case.labels <= case.table.events and seconds:
            return ""  # nothing else is heard
        found = found or (f"{words(most)} more, says the table" if most else "not for most of the time")
    return found


def _mostly_then(case: Case) -> str:
    """Heard mostly inside the ranges."""
    spans = case.table.when(case.labels)
    inside = spans.within(spans_of((onset - TOLERANCE, offset + TOLERANCE) for onset, offset in case.ranges)).seconds
    return "" if inside >= MOSTLY_SHARE * spans.seconds else "mostly at other times, says the table"


def _mostly_there(case: Case) -> str:
    """Heard mostly in these scenes."""
    spans = case.table.when(case.labels)
    inside = spans.within(case.table.when(frozenset().union(*case.others))).seconds
    return "" if inside >= MOSTLY_SHARE * spans.seconds else "mostly elsewhere, says the table"


def _only(case: Case) -> str:
    """No other event in the region."""
    named = case.labels.union(*case.others)
    stems = {stem for label in named for stem in phrase(label)}  # as in `metros leave`
    found = ""
    for region, key in case.within:
        if key is None:
            region = spans_of((on + TOLERANCE, off - TOLERANCE) for on, off in region.pairs() if off - on > 2 * TOLERANCE)
        others = [event for event in case.heard((region, key)) if event not in named and stems.isdisjoint(phrase(event))]
        if not others:
            return ""
        found = found or f"{words(others[0])} is there too, says the table"
    return found


def _only_then(case: Case) -> str:
    """At no other time in the region."""
    said = spans_of((onset - 4 * TOLERANCE, offset + 4 * TOLERANCE) for onset, offset in case.ranges)
    for region in regions(case.statement, case.table, ()):
        spans = case.when(region)
        if spans.seconds - spans.within(said).seconds <= 2 * TOLERANCE * len(case.ranges):
            return ""
    other = next(onset for onset, offset in case.table.when(case.labels).pairs() if not said.covers(onset, offset, 0.0))
    return f"also at {clock(other)}, says the table"


def _only_there(case: Case) -> str:
    """In no other scene."""
    spans = case.table.when(case.labels)
    there = spans.within(case.table.when(frozenset().union(*case.others)))
    return "" if spans.seconds - there.seconds <= 2 * TOLERANCE * len(spans) else "also elsewhere, says the table"


def _comes_before(case: Case) -> str:
    """Each of the labels is heard once before the others; with the bound "all", before every time that these are heard."""
    heard, others, known = case.table.heard, case.others[0], case.table.known
    concept = case.quality.others[0].concept
    is_vague = len(case.labels) > len(case.statement.mentions) or concept in known.umbrellas and not known.named.get(concept)
    if not others or case.labels == others or (known.strange and is_vague):
        return ""  # `Later, the birds`: perhaps one that labels.tsv does not know
    each = [own for own in case.named if own]
    first = (min if case.quality.bound == "any" else max)(min(heard[label].onsets[0] for label in own) for own in each)
    if case.quality.bound == "last":
        first = max(max(heard[label].onsets[-1] for label in own) for own in each)
    if case.quality.bound == "all" or case.quality.kind == "all_before":
        latest = min(heard[label].onsets[0] for label in others)
    else:
        latest = max(heard[label].onsets[-1] for label in others)
        if any(
            off - on > case.table.whole.seconds / 2 and on <= first
            for on, off in case.table.when(others).meeting(first, first + 1)
        ):
            latest = first  # goes on, hence is there afterwards
    return "" if first <= latest + TOLERANCE else "not in that order"


def _in_order(case: Case) -> str:
    """The labels are heard one after the other: each once after, or when, the one before it first is."""
    reached = case.table.onset
    for labels in case.named:
        onsets = case.table.when(labels).onsets
        index = bisect_left(onsets, reached - TOLERANCE)
        if index == len(onsets):
            return "not in that order"
        reached = onsets[index]
    return ""


def _is_at_nth(case: Case, which: int) -> bool:
    """Whether the first or last time that a label is heard is at one of the times named, or in their scene."""
    points = [position for time in case.statement.times for position in positions_of(time, case.statement, case.table)]
    slack = TOLERANCE + max((time.slack for time in case.statement.times), default=0.0) + (60 if case.table.clocks else 0)
    for spans, _ in case.choices():
        if spans and any(spans.onsets[which] - slack <= onset <= spans.offsets[which] + slack for onset, _ in points):
            return True
    return False


def _first_at(case: Case) -> str:
    """Heard for the first time then."""
    return "" if _is_at_nth(case, 0) else "heard before, says the table"


def _last_at(case: Case) -> str:
    """Heard for the last time then."""
    return "" if _is_at_nth(case, -1) else "heard later, says the table"


def _longer(case: Case) -> str:
    """Heard longer than another label, in all or at once, in one of the regions."""
    others = case.others[0]
    for region in case.within if others else ():
        own, other = case.when(region), case.when(region, others)
        if own.seconds + TOLERANCE >= other.seconds or own.lengths[-1:] >= other.lengths[-1:]:
            return ""
    return "heard for less time, says the table" if others else ""


def _oftener(case: Case) -> str:
    """Heard more often than another label, in one of the regions."""
    others = case.others[0]
    for region in case.within if others else ():
        if len(case.when(region)) > _least(case.when(region, others)):
            return ""
    return "heard less often, says the table" if others else ""


def _oftenest(case: Case) -> str:
    """Heard at least as often as every other event, in one of the regions; or longest, where `most common` may mean that."""
    found = ""
    for region in case.within:
        others = case.heard(region)
        most = max(others, key=lambda event: _least(others[event]), default="")
        if not most or len(case.when(region)) >= _least(others[most]):
            return ""
        found = found or f"{words(most)} more often, says the table"
    return found


def _longest(case: Case) -> str:
    """Heard longest, in all or at once, in one of the regions."""
    found = ""
    for region in case.within:
        own, others = case.when(region), case.heard(region, case.table.scenes if case.labels <= case.table.scenes else None)
        total = max((spans.seconds for spans in others.values()), default=0.0)
        single = max((spans.lengths[-1] for spans in others.values()), default=0.0)
        if own and (own.seconds >= LONGEST_SHARE * total or own.lengths[-1] >= LONGEST_SHARE * single):
            return ""
        most = max(others, key=lambda event: others[event].seconds, default="")
        found = found or (f"{words(most)} longer, says the table" if most else "not there, says the table")
    return found


def _foremost(case: Case) -> str:
    """Heard most often, or longest: `the most common sound` may mean either."""
    return _oftenest(case) and _mostly(case) and _oftenest(case)


def _overlaps(case: Case) -> str:
    """Heard, some time, at once with another label."""
    own, others = case.named, case.others
    if not others:
        own, others = (own[:1], own[1:]) if len(own) == 2 else ([], [])
    pairs = [(case.table.when(a), case.table.when(b)) for a in own for b in others if a and b and a.isdisjoint(b)]
    slack = TOLERANCE + TOGETHER_SHARE * case.table.whole.seconds
    if not pairs or any(b.meets(on - slack, off + slack) for a, b in pairs for on, off in a.pairs()):
        return ""
    return "not at the same time, says the table"


def _apart(case: Case) -> str:
    """Never heard at once with another label."""
    spans, others = case.table.when(case.labels), frozenset[str]().union(*case.others)
    is_sure = len(case.labels) == len(others) == 1 and case.labels.isdisjoint(others)
    shared = spans.within(case.table.when(others)) if is_sure else None
    return f"both at {clock(shared.onsets[0])}, says the table" if shared and shared.seconds > 2 * TOLERANCE else ""


def _least(spans: Spans) -> int:
    """How often something is heard at least: pauses within the tolerance may be ignored."""
    return len(spans) - bisect_right(spans.pauses, TOLERANCE)


def _opens(case: Case) -> str:
    """There at the start: a scene is the first one, an event is near the start of the region or the first in it."""
    return "" if _is_at_edge(case, lambda spans, region: spans.onsets[0] - region.onsets[0]) else "not at the beginning"


def _closes(case: Case) -> str:
    """There at the end, in the same way."""
    return "" if _is_at_edge(case, lambda spans, region: region.offsets[-1] - spans.offsets[-1]) else "not at the end"


def _is_at_edge(case: Case, distance: Callable[[Spans, Spans], float]) -> bool:
    """Whether labels are heard near an edge of what the sentence is about, or nearer than all others of their kind."""
    if case.labels & {QUIET, MISSING}:
        return bool(case.labels & {MISSING}) or distance(case.table.when(case.labels), case.table.whole) <= SILENCE_SLACK
    is_scene = case.labels <= case.table.scenes
    others = case.table.scenes if is_scene else case.table.events | (case.labels & case.table.scenes)
    whole: Region = (case.table.whole, "whole")
    for region in (
        (*case.within, whole)
        if (case.statement.in_its_scene or case.quality.kind == "closes_here") and not is_scene
        else (whole,)
    ):
        if spans := case.when(region):
            own, near = distance(spans, region[0]), 0.0 if is_scene else OPENING_SHARE * region[0].seconds
            rest = [each for label in others if (each := case.when(region, frozenset({label})))]
            if own <= max(near, TOLERANCE + min(distance(each, region[0]) for each in rest)):
                return True
    return False


KINDS: dict[str, Callable[[Case], str]] = {
    "counts": _counts,
    "lasts": _lasts,
    "lasts_in_all": _lasts,
    "throughout": _throughout,
    "goes_on": _goes_on,
    "mostly": _mostly,
    "mostly_then": _mostly_then,
    "only": _only,
    "only_then": _only_then,
    "only_there": _only_there,
    "comes_before": _comes_before,
    "all_before": _comes_before,
    "in_order": _in_order,
    "first_at": _first_at,
    "last_at": _last_at,
    "share": _share,
    "whole_lasts": _whole_lasts,
    "scene_count": _scene_count,
    "mostly_there": _mostly_there,
    "longer": _longer,
    "oftener": _oftener,
    "oftenest": _oftenest,
    "foremost": _foremost,
    "longest": _longest,
    "apart": _apart,
    "overlaps": _overlaps,
    "opens": _opens,
    "closes": _closes,
    "closes_here": _closes,
}
