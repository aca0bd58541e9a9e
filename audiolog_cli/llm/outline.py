"""`outline`: a log written from the rows by rule, without a language model; the built-in default.

In: one recording. Out: the lines of a log, each as soon as it is known; deterministic, nothing invented, and the same memory for
a day as for a minute: for every label only counts, extremes and the first few times are kept. Three forms, after the paper's
three prompts: `timing` (scenes in order, when each sound was heard), `overview` (scene by scene, how often and when), `brief` (a
few sentences without times). All three end with a summary. Each line is made as a `Fact`, which names the labels it is about, so
that `units.py` can replace it with a language model's words.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

from audiolog_cli.llm.recording import Recording
from audiolog_cli.records import Row
from audiolog_cli.terminal import visible
from audiolog_cli.wording import UNNAMED, capital, clock, counted, join, length, percent, span, words

SHOWN = 4  # times written out for one sound in one section; the others are counted
NOT_ANALYSED = "not analysed"
LONGEST_SECTION = 3600.0  # seconds: a whole night in one bedroom is described hour by hour


class Fact(NamedTuple):
    """A line of an outline, and the labels that it is about."""

    line: str
    labels: tuple[str, ...] = ()


@dataclass(slots=True)
class Heard:
    """When one label was heard, in constant memory; intervals are added in order and merged if they touch."""

    count: int = 0
    seconds: float = 0.0
    onset: float = 0.0  # of the current interval
    offset: float = -1.0  # of the current interval
    longest: tuple[float, float] = (0.0, 0.0)
    first: list[tuple[float, float]] = field(default_factory=list)  # the first SHOWN intervals

    def add(self, onset: float, offset: float) -> None:
        """Note that the label is there in [onset, offset) seconds."""
        if onset != self.offset:
            self.count += 1
            self.onset = onset
            if self.count <= SHOWN:
                self.first.append((onset, offset))
        self.offset = offset
        self.seconds += offset - onset
        if self.count <= SHOWN:
            self.first[-1] = (self.onset, offset)
        if offset - self.onset > self.longest[1] - self.longest[0]:
            self.longest = (self.onset, offset)


@dataclass(slots=True)
class Section:
    """A stretch with one scene (None: not analysed), or a recording's whole time in one scene."""

    scene: str | None
    time: str | None = None  # ISO 8601, of its onset
    when: Heard = field(default_factory=Heard)
    events: dict[str, Heard] = field(default_factory=dict)
    quiet: Heard = field(default_factory=Heard)  # analysed, but no event recognised

    def add(self, row: Row) -> None:
        """Note what `row` says."""
        self.when.add(row.onset, row.offset)
        for event in row.events:
            self.events.setdefault(event, Heard()).add(row.onset, row.offset)
        if not row.events:
            self.quiet.add(row.onset, row.offset)

    def in_order(self) -> list[tuple[str, Heard]]:
        """Events, in order of when each was first heard."""
        return sorted(self.events.items(), key=lambda item: (item[1].first[0], item[0]))

    def by_time(self) -> list[tuple[str, Heard]]:
        """Events, in descending order of time heard."""
        return sorted(self.events.items(), key=lambda item: (-item[1].seconds, item[0]))


@dataclass(slots=True)
class Totals:
    """The whole recording, for the summary."""

    scenes: dict[str, Section] = field(default_factory=dict)  # in order of first appearance
    whole: Section = field(default_factory=lambda: Section(None))  # events across scene changes
    missing: Heard = field(default_factory=Heard)  # not analysed, between the first and the last row
    order: list[str] = field(default_factory=list)  # scenes in sequence, at most SCENE_CHANGES + 1
    tells_all: bool = False  # whether seconds in which nothing happens have rows too: after `grep event` they do not

    def add(self, row: Row) -> None:
        """Note what `row` says."""
        if row.onset > max(self.whole.when.offset, 0.0):
            self.missing.add(max(self.whole.when.offset, 0.0), row.onset)
        self.whole.add(row)
        self.tells_all |= bool(row.scene) or not row.events
        self.scenes.setdefault(row.scene, Section(row.scene)).add(row)
        if len(self.order) <= SCENE_CHANGES and (not self.order or self.order[-1] != row.scene):
            self.order.append(row.scene)


EVENTS_ALONE = "The table holds events alone: it says neither what was analysed nor what the scenes were."
SCENE_CHANGES = 6  # with more than these, `brief` does not list the scenes in order


def outline(recording: Recording, form: str) -> Iterator[str]:
    """The lines of a log (without line ends) of one recording. `form` is overview, timing or brief."""
    totals = Totals()
    yield f"Log of {recording.title}"
    rows = to_the_first_that_tells(noting(recording.rows, totals), totals)
    if totals.whole.events and not totals.tells_all:
        yield ""
        yield from (fact.line for fact in events_alone(totals, form))
    elif form == "timing":
        for section in sections(rows):
            yield ""
            yield from (fact.line for fact in section_facts(section))
    else:
        for _ in rows:
            pass
    yield ""
    if totals.whole.events and not totals.tells_all:
        yield EVENTS_ALONE
    elif not totals.scenes:
        yield "Nothing of this recording was analysed."
    else:
        yield from (fact.line for fact in WRITERS[form](totals, recording))
    if recording.failure is not None:
        yield f"The analysis broke off: {visible(recording.failure)}"


def noting(rows: Iterable[Row], totals: Totals) -> Iterator[Row]:
    """The rows unchanged, each noted in `totals` as it passes."""
    for row in rows:
        totals.add(row)
        yield row


def to_the_first_that_tells(rows: Iterator[Row], totals: Totals) -> Iterator[Row]:
    """The rows unchanged, read ahead to the first that holds more than events: in a table with scenes, its first row."""
    read: list[Row] = []
    for row in rows:
        read.append(row)
        if totals.tells_all:
            break
    return chain(read, rows)


def events_alone(totals: Totals, form: str) -> Iterator[Fact]:
    """How often and when each event was heard, the one heard longest first; nothing about the time between."""
    for event, heard in totals.whole.by_time():
        yield Fact(f"{capital(words(event))}: {_amount(heard) if form == 'brief' else how_often(heard)}", (event,))


def sections(rows: Iterable[Row], start: float = 0.0) -> Iterator[Section]:
    """Stretches with one scene each, at most LONGEST_SECTION long; what was not analysed from `start` seconds on has scene None.

    A row that is itself longer stays whole.
    """
    section: Section | None = None
    reached = start
    for row in rows:
        if row.onset > reached:
            if section is not None:
                yield section
            yield _not_analysed(reached, row.onset)
            section = None
        if section is None or section.scene != row.scene or row.offset - section.when.onset > LONGEST_SECTION:
            if section is not None:
                yield section
            section = Section(row.scene, row.time)
        section.add(row)
        reached = row.offset
    if section is not None:
        yield section


def _not_analysed(onset: float, offset: float) -> Section:
    section = Section(None)
    section.when.add(onset, offset)
    return section


# The forms


def section_facts(section: Section) -> Iterator[Fact]:
    """A section in `timing`: its times and scene, then a line for each event."""
    onset, offset = section.when.onset, section.when.offset
    at = f", from {section.time}" if section.time else ""
    title = NOT_ANALYSED if section.scene is None else words(section.scene) or UNNAMED
    yield Fact(
        f"{span(onset, offset)}, {title} ({length(offset - onset)}{at})", (section.scene,) if section.scene is not None else ()
    )
    for event, heard in section.in_order():
        yield Fact(f"  {words(event)}: {times(heard, section.when)}", (event,))
    if section.quiet.count:
        yield Fact(f"  no event recognised{_silence(section)}")


def _silence(section: Section) -> str:
    onset, offset = section.quiet.longest
    if not section.events:
        return ""
    if section.quiet.count == 1:
        return f": {span(onset, offset)} ({length(offset - onset)})"
    return f" for {length(section.quiet.seconds)} in all, at most {span(onset, offset)} ({length(offset - onset)}) at a time"


def times(heard: Heard, within: Heard) -> str:
    """When something was heard inside a section: its times, or `throughout`, and how often and how long in all."""
    if (heard.onset, heard.offset, heard.count) == (within.onset, within.offset, 1):
        return "throughout"
    shown = join([span(*interval) for interval in heard.first])
    if heard.count > SHOWN:
        shown = (
            f"{', '.join(span(*interval) for interval in heard.first)} and {heard.count - SHOWN} more until {clock(heard.offset)}"
        )
    total = f"{heard.count} times, {length(heard.seconds)}" if heard.count > 1 else length(heard.seconds)
    return f"{shown} ({total})"


def _overview(totals: Totals, recording: Recording) -> Iterator[Fact]:
    for section in totals.scenes.values():
        yield from overview_facts(section, totals)
        yield Fact("")
    yield from summary_facts(totals, recording)


def overview_facts(section: Section, totals: Totals) -> Iterator[Fact]:
    """A recording's whole time in one scene, in `overview`."""
    share = f"{length(section.when.seconds)}, {percent(section.when.seconds, totals.whole.when.seconds)} of the time"
    visits = f", in {section.when.count} stretches" if section.when.count > 1 else ""
    yield Fact(f"{capital(words(section.scene or '') or UNNAMED)} ({share}{visits})", (section.scene or "",))
    for event, heard in section.by_time():
        yield Fact(f"  {words(event)}: {how_often(heard)}", (event,))
    if section.quiet.count:
        yield Fact(f"  no event recognised for {length(section.quiet.seconds)}")


def how_often(heard: Heard) -> str:
    """How many times something was heard, and between which times."""
    if heard.count == 1:
        return f"once, {span(*heard.first[0])}"
    return f"{heard.count} times between {clock(heard.first[0][0])} and {clock(heard.offset)}, {length(heard.seconds)} in all"


def summary_facts(totals: Totals, recording: Recording) -> Iterator[Fact]:
    """The closing paragraph of `timing` and `overview`, a line per fact."""
    whole, end = totals.whole, max(recording.duration or 0.0, totals.whole.when.offset)
    analysed = whole.when.seconds
    scenes = [scene for scene in totals.scenes if scene]
    named = [f"{words(scene)} for {length(totals.scenes[scene].when.seconds)}" for scene in scenes]
    coverage = f"{length(analysed)} of {length(end)} analysed" if round(end - analysed, 3) > 0 else f"all {length(end)} analysed"
    yield Fact(f"In summary: {coverage}{': ' if named else ''}{join(named)}.", tuple(scenes))
    ranked = whole.by_time()
    if ranked:
        most = ranked[:5]
        yield Fact(
            f"Heard most: {join([f'{words(event)} ({_amount(heard)})' for event, heard in most])}.",
            tuple(event for event, _ in most),
        )
        event, heard = max(ranked, key=lambda item: item[1].longest[1] - item[1].longest[0])
        yield Fact(
            f"Longest sound: {words(event)}, {span(*heard.longest)} ({length(heard.longest[1] - heard.longest[0])}).", (event,)
        )
    if recording.surest:
        event = min(recording.surest, key=lambda label: (-recording.surest[label][0], label))
        score, onset = recording.surest[event]
        yield Fact(f"Recognised with the highest score: {words(event)} at {clock(onset)} ({score:.2f}).", (event,))
    yield from (Fact(line) for line in _gaps(totals, end))


def _amount(heard: Heard) -> str:
    return f"{length(heard.seconds)}, {heard.count} times" if heard.count > 1 else length(heard.seconds)


def _gaps(totals: Totals, end: float) -> Iterator[str]:
    quiet, missing = totals.whole.quiet, totals.missing
    if not totals.tells_all:
        return
    if quiet.count:
        onset, offset = quiet.longest
        longest = f", the longest stretch {span(onset, offset)} ({length(offset - onset)})"
        yield f"No event recognised for {length(quiet.seconds)} in all{longest}."
    else:
        yield "An event was recognised in every second."
    if end > totals.whole.when.offset:
        missing.add(totals.whole.when.offset, end)
    if missing.count:
        more = missing.count - SHOWN
        others = [counted(more, "more stretch", "more stretches")] if more > 0 else []
        yield f"Not analysed: {join([*(span(*gap) for gap in missing.first), *others])}."


def _brief(totals: Totals, recording: Recording) -> Iterator[Fact]:
    yield course_fact(totals)
    for section in totals.scenes.values():
        yield brief_fact(section, totals)
    yield from incomplete_facts(totals, recording)


def brief_fact(section: Section, totals: Totals) -> Fact:
    """A recording's whole time in one scene, in `brief`: a sentence without times."""
    heard = [f"{words(event)} {share(event_heard, section.when.seconds)}" for event, event_heard in section.by_time()]
    scene = section.scene or ""
    place = "" if list(totals.scenes) == [""] else f"{capital(words(scene) or UNNAMED)}: "
    rest = "; in between, no event was recognised" if heard and section.quiet.count else ""
    return Fact(capital(f"{place}{join(heard) or 'no event was recognised'}{rest}."), (scene, *section.events))


def incomplete_facts(totals: Totals, recording: Recording) -> Iterator[Fact]:
    """The end of `brief`: whether something was not analysed."""
    if totals.missing.count or (recording.duration or 0.0) > totals.whole.when.offset:
        yield Fact("Not all of the recording was analysed.")


def course_fact(totals: Totals) -> Fact:
    """How the scenes follow each other, in one sentence."""
    return Fact(_course(totals), tuple(scene for scene in dict.fromkeys(totals.order) if scene))


def _course(totals: Totals) -> str:
    if not any(totals.order):
        return f"The recording has {counted(len(totals.whole.events), 'kind')} of event."
    if len(totals.order) == 1:
        return f"The recording is one scene, {words(totals.order[0])}."
    if len(totals.order) <= SCENE_CHANGES:
        first, *others = map(_place, totals.order)
        the_scene = "the scene " if totals.order[0] else ""
        return f"The recording starts in {the_scene}{first}, then comes {', then '.join(others)}."
    by_time = sorted(totals.scenes, key=lambda scene: -totals.scenes[scene].when.seconds)
    return f"The recording changes often between scenes; most of it is {join(list(map(_place, by_time[:3])))}."


def _place(scene: str) -> str:
    return words(scene) or "a scene that is not named"


def share(heard: Heard, seconds: float) -> str:
    """How much of `seconds` something was heard, in words."""
    part = heard.seconds / seconds if seconds else 0.0
    if part >= 0.8:
        return "nearly all the time"
    if part >= 0.4:
        return "much of the time"
    return "once" if heard.count == 1 else "now and then" if heard.count <= 5 else "again and again"


WRITERS: dict[str, Callable[[Totals, Recording], Iterator[Fact]]] = {
    "overview": _overview,
    "timing": summary_facts,
    "brief": _brief,
}
