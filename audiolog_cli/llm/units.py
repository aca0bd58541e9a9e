"""A recording as units that a language model is asked about one by one: small, independent, each with all its facts.

In: the rows and the prompt's form. Out: `Unit`s in the order of the log, the first ones while the table is still being read:

    timing      a unit for each section of the outline (a scene, at most an hour); one that is too long is cut at a pause
    overview    a unit for each scene, with the recording's whole time in it
    brief       the same, without times; the sequence of scenes comes first
    closing     the summary that ends `timing` and `overview`, from the totals

A unit holds its facts twice: as the outline's lines, and as the model reads them. The model is not asked about units without
sounds.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from audiolog_cli.llm import outline
from audiolog_cli.llm.outline import Fact, Heard, Section, Totals
from audiolog_cli.llm.recording import Recording
from audiolog_cli.records import Row
from audiolog_cli.wording import clock, join, length, words

INSTRUCTIONS = {
    "timing": "Write what is heard in this part of a recording, one short sentence for each sound, with the times as they stand. "
    "Use only these facts.",
    "overview": "Write what is heard in this place of a recording, one short sentence for each sound, with the times as they "
    "stand. Use only these facts.",
    "brief": "Write what is heard in this place of a recording in one or two short sentences, without times. Use only these "
    "facts.",
    "closing": "Write one or two short sentences that sum up this recording. Use only these facts.",
}
EXAMPLES = {  # facts and a good answer
    "timing": (
        "In the kitchen from 2:10 to 2:40.\n- music: from 2:12 to 2:31\n- door: from 2:35 to 2:36 and from 2:38 to 2:39",
        "In the kitchen, music plays from 2:12 to 2:31. A door is heard from 2:35 to 2:36 and again from 2:38 to 2:39.",
    ),
    "overview": (
        "In the kitchen for 30 s.\n- music: once, from 2:12 to 2:31\n- door: 2 times between 2:35 and 2:39",
        "In the kitchen, music plays once, from 2:12 to 2:31. A door is heard 2 times between 2:35 and 2:39.",
    ),
    "brief": (
        "In the kitchen.\n- music: much of the time\n- door: now and then",
        "In the kitchen, music plays much of the time, and a door is heard now and then.",
    ),
    "closing": (
        "Scenes: kitchen for 6 min and garden for 4 min.\nHeard most: music and door.",
        "The recording is of a kitchen and a garden. Music and a door are heard most.",
    ),
}


@dataclass(frozen=True, slots=True)
class Unit:
    """A piece of a log, yet to be written."""

    form: str  # of INSTRUCTIONS
    facts: tuple[Fact, ...]  # the outline's lines about it
    told: str  # the same facts as a model reads them; with "" it is not asked, and the outline's lines are used
    rows: Sequence[Row]  # what its sentences are checked against
    title: str = ""  # a line above it, always the table's own
    scene: str = ""  # the one it is about, if any
    duration: float | None = None  # of the recording in seconds, if known

    def turns(self, language: str) -> tuple[str, ...]:
        """The question: first instruction and example, the same in every request, then the facts."""
        instruction = INSTRUCTIONS[self.form] + (f" Write in {language}." if language else "")
        facts, answer = EXAMPLES[self.form]
        return (f"{instruction}\n\n{facts}", answer, f"{instruction}\n\n{self.told}")


Fits = Callable[[Unit], bool]  # whether a model can be asked about a unit


def units(recording: Recording, rows: list[Row], form: str, fits: Fits) -> Iterator[Unit]:
    """The units of a recording, in the order of its log. Its rows are read as needed and put into `rows`."""
    totals = Totals()
    reading = outline.to_the_first_that_tells(outline.noting(_keeping(recording.rows, rows), totals), totals)
    if totals.whole.events and not totals.tells_all:
        yield from _events_alone_units(totals, rows, form)
        return
    if form == "timing":
        for inside in _section_rows(reading):
            yield from _timing_units(inside, fits)
    else:
        for _ in reading:
            pass
    if not rows:
        return
    asked = {"brief": _brief_units, "overview": _overview_units}.get(form)
    for unit in [*(asked(totals, rows) if asked else ()), *_closing_units(recording, totals, rows, form)]:
        yield unit if fits(unit) else replace(unit, told="")


def _keeping(rows: Iterator[Row], kept: list[Row]) -> Iterator[Row]:
    for row in rows:
        kept.append(row)
        yield row


def _events_alone_units(totals: Totals, rows: Sequence[Row], form: str) -> Iterator[Unit]:
    """The events in one unit, for a table without scenes, which does not tell what was analysed."""
    told = "\n".join(f"- {words(event)}: {_often(heard)}" for event, heard in totals.whole.by_time())
    yield Unit("overview", tuple(outline.events_alone(totals, form)), "" if form == "brief" else told, rows)
    yield Unit("closing", (Fact(outline.EVENTS_ALONE),), "", rows)


# Section by section


def _section_rows(rows: Iterator[Row]) -> Iterator[tuple[Section, list[Row]]]:
    """The outline's sections, each with its rows; no rows for what was not analysed."""
    held: list[Row] = []
    for section in outline.sections(_keeping(rows, held)):
        inside = [row for row in held if row.onset < section.when.offset]
        del held[: len(inside)]
        yield section, inside


def _timing_units(section: tuple[Section, list[Row]], fits: Fits) -> Iterator[Unit]:
    """A section as a unit, or as several that fit; the table's own lines take the place of a row too long for the model."""
    whole, rows = section
    title, *facts = outline.section_facts(whole)
    unit = Unit("timing", tuple(facts), _timing_told(whole), rows, title.line, whole.scene or "")
    if not unit.told or fits(unit) or len(rows) < 2:
        yield unit if fits(unit) else replace(unit, told="")
        return
    for half in halves(rows):
        for part in outline.sections(half, start=half[0].onset):
            yield from _timing_units((part, list(half)), fits)


def halves(rows: Sequence[Row]) -> tuple[Sequence[Row], Sequence[Row]]:
    """Rows split in two, before the pause nearest to the middle, else in the middle.

    >>> [len(half) for half in halves([Row("a", n, n + 1, "park", ("bird",) * (n != 3)) for n in range(6)])]
    [3, 3]
    """
    pauses = [index for index in range(1, len(rows)) if not rows[index].events]
    middle = min(pauses, key=lambda index: abs(index - len(rows) / 2), default=len(rows) // 2)
    return rows[:middle], rows[middle:]


def _timing_told(section: Section) -> str:
    where = f"In the {words(section.scene)} from" if section.scene else "From"
    head = f"{where} {clock(section.when.onset)} to {clock(section.when.offset)}."
    return _listed(head, ((event, _when(heard)) for event, heard in section.in_order()))


def _listed(head: str, said: Iterable[tuple[str, str]]) -> str:
    """What a model reads: a line, and below it what is said of each event; "" without events."""
    lines = [f"- {words(event)}: {text}" for event, text in said]
    return "\n".join([head, *lines]) if lines else ""


def _when(heard: Heard) -> str:
    if heard.count > outline.SHOWN:
        return f"{heard.count} times between {clock(heard.first[0][0])} and {clock(heard.offset)}"
    return join([f"from {clock(onset)} to {clock(offset)}" for onset, offset in heard.first])


# Scene by scene


def _overview_units(totals: Totals, rows: Sequence[Row]) -> Iterator[Unit]:
    for scene, section in totals.scenes.items():
        title, *facts = outline.overview_facts(section, totals)
        head = f"{f'In the {words(scene)} for' if scene else 'For'} {length(section.when.seconds)}."
        told = _listed(head, ((event, _often(heard)) for event, heard in section.by_time()))
        yield Unit("overview", tuple(facts), told, [row for row in rows if row.scene == scene], title.line, scene)


def _often(heard: Heard) -> str:
    if heard.count == 1:
        return f"once, {_when(heard)}"
    return f"{heard.count} times between {clock(heard.first[0][0])} and {clock(heard.offset)}"


def _brief_units(totals: Totals, rows: Sequence[Row]) -> Iterator[Unit]:
    yield Unit("brief", (outline.course_fact(totals),), "", rows)
    for scene, section in totals.scenes.items():
        head = f"In the {words(scene)}." if scene else "In a place without a name."
        told = _listed(head, ((event, outline.share(heard, section.when.seconds)) for event, heard in section.by_time()))
        yield Unit(
            "brief", (outline.brief_fact(section, totals),), told, [row for row in rows if row.scene == scene], scene=scene
        )


# The whole


def _closing_units(recording: Recording, totals: Totals, rows: Sequence[Row], form: str) -> Iterator[Unit]:
    if form == "brief":
        yield from (Unit("brief", (fact,), "", rows) for fact in outline.incomplete_facts(totals, recording))
        return
    scenes = [f"{words(scene)} for {length(part.when.seconds)}" for scene, part in totals.scenes.items() if scene]
    most = [words(event) for event, _ in totals.whole.by_time()[:5]]
    told = ([f"Scenes: {join(scenes)}."] if scenes else []) + [f"Heard most: {join(most)}."]
    facts = tuple(outline.summary_facts(totals, recording))
    yield Unit("closing", facts, "\n".join(told) if most else "", rows, duration=recording.duration)


def label_facts(rows: Sequence[Row], form: str) -> list[Fact]:
    """A line for each label of a recording, to be added to a log that was written in one piece and leaves the label out."""
    totals = Totals()
    for _ in outline.noting(rows, totals):
        pass
    heard = totals.whole.in_order() + [(scene, part.when) for scene, part in totals.scenes.items() if scene]
    whole = totals.whole.when
    tell: Callable[[Heard], str] = {
        "timing": lambda each: outline.times(each, whole),
        "brief": lambda each: outline.share(each, whole.seconds),
    }.get(form, outline.how_often)
    return [Fact(f"  {words(label)}: {tell(each)}", (label,)) for label, each in heard]
