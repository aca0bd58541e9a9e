"""One recording in, its records out: the steps of `tag`, the same for every engine.

    job -> samples -> windows -> probabilities -> scores of cells -> cells -> cells with clock times

The steps are `sound.audio` (samples, windows), `pipeline` (probabilities), `cells` and `sound.clock`; here they are chained, each
set up by the options and the network's card. What is before the pipeline runs ahead in its threads, what is behind it where the
records are used. On the way, the scores of windows may be kept in a journal, and those of cells in a score file.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from audiolog_cli import __version__
from audiolog_cli.cells import CellScores, Labels, WindowScores, cell_scores, cells, smoothed
from audiolog_cli.errors import InputError, UsageError
from audiolog_cli.moments import at
from audiolog_cli.records import Cell, End, Remark, check_text
from audiolog_cli.sound.audio import DecodeOptions, decode, sample_at, windows, windows_at
from audiolog_cli.sound.clock import TimeSource, start_of, time_source
from audiolog_cli.sound.damage import Damage, Told
from audiolog_cli.sound.pcm import RawFormat
from audiolog_cli.tagging.journal import Found, Journal, Kept, is_live_source
from audiolog_cli.tagging.options import CellOptions, Job, Listed, TagOptions
from audiolog_cli.tagging.scores import score_file, written

if TYPE_CHECKING:
    from audiolog_cli.model.checkpoint import Card
    from audiolog_cli.sound.pcm import Samples
    from audiolog_cli.tagging.pipeline import Recording
    from audiolog_cli.tagging.tagger import Tagger

Item = TypeVar("Item")


@dataclass(slots=True)
class Notes:
    """What is noticed about a recording while it is decoded: said in its turn, and kept for its records.

    Recordings are decoded ahead, in other threads: what is noticed waits until the caller comes to the next record.
    """

    say: Callable[[str], None]
    has_said_once: set[str] = field(default_factory=set)  # messages that hold for all recordings of a run, which share it
    noticed: deque[tuple[str, Damage, str, float] | str] = field(default_factory=deque)  # as `note` takes them; messages
    kept: list[Found] | None = None  # all of that, for a journal
    told: Told = field(default_factory=Told)

    def note(self, path: str, damage: Damage, name: str = "", shift: float = 0.0) -> None:
        """Note what was found in the sound at `path`, which begins `shift` seconds into the recording called `name`."""
        self.noticed.append((path, damage, name or path, shift))
        self._keep(damage)

    def mention(self, message: str) -> None:
        """Note something that has no place among the records."""
        self.noticed.append(message)
        self._keep(message)

    def _keep(self, found: Found) -> None:
        if self.kept is not None:
            self.kept.append(found)

    def before(self, items: Iterable[Item]) -> Iterator[Item | Remark]:
        """The items, each preceded by the remarks made meanwhile; none is lost if the recording fails."""
        try:
            for item in items:
                yield from self._remarks()
                yield item
            yield from self._remarks()
        except InputError:
            yield from self._remarks()
            raise

    def aloud(self, items: Iterable[Item]) -> Iterator[Item]:
        """The items alone; what is noticed meanwhile is said."""
        return (item for item in self.before(items) if not isinstance(item, Remark))

    def _remarks(self) -> Iterator[Remark]:
        while self.noticed:
            noted = self.noticed.popleft()
            if isinstance(noted, str):
                self.say(noted)
                continue
            path, damage, name, shift = noted
            if damage.cause != "ultrasound":  # of the recorder, the same in each of its recordings
                if line := self.told.line(path, damage):
                    self.say(line)
            elif damage.reason not in self.has_said_once:
                self.has_said_once.add(damage.reason)
                self.say(f"{path}: {damage.reason}; not repeated for other recordings")
            kind = "note" if damage.is_note else "damage"
            yield Remark(name, damage.onset + shift, damage.offset + shift, kind, damage.cause, damage.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How the recordings of a run are tagged; made by `resolved`, which leaves nothing to defaults."""

    options: TagOptions
    decoding: DecodeOptions
    clock: TimeSource | None  # where the start of a recording is found, if cells are to carry clock times
    labels: Labels
    journal: Journal | None = None
    scores_dir: Path | None = None


def resolved(card: "Card", asked: TagOptions, scores_dir: Path | None = None) -> Plan:
    """The options asked for, completed from the network's card: the one place where defaults are resolved.

    UsageError for what the network cannot do or does not know.
    """
    hop = asked.windows.hop or card.hop or card.window
    if hop > card.window:
        raise UsageError(
            f"--hop {hop:g}: the windows of these weights are {card.window:g} s long, sound between them would be lost"
        )
    cells = asked.cells
    common = {} if cells.threshold is None else dict.fromkeys(card.events, cells.threshold)
    resolved = replace(
        cells,
        smooth=card.smooth if cells.smooth is None else cells.smooth,
        smooth_scene=card.smooth_scene if cells.smooth_scene is None else cells.smooth_scene,
        threshold=None,
        thresholds=common | dict(cells.thresholds),
    )
    raw = RawFormat.parse(asked.sound.raw) if asked.sound.raw else None
    return Plan(
        options=replace(asked, windows=replace(asked.windows, hop=hop), cells=resolved),
        decoding=DecodeOptions(card.front_end.sample_rate, asked.sound.channel, raw, asked.sound.track),
        clock=time_source(**asdict(asked.times)),
        labels=labels_of(card, resolved),
        scores_dir=scores_dir,
    )


def labels_of(card: "Card", options: CellOptions) -> Labels:
    """The card's labels with the scores from which they are written; UsageError for a label that it does not know."""
    chosen = _split(options.labels, card.events) if options.labels else card.events
    for option, names in (("--thresholds", options.thresholds), ("--labels", chosen)):
        if unknown := sorted(set(names) - set(card.events)):
            like = [event for event in card.events if unknown[0].lower().replace(" ", "_") in event.lower()]
            like = like[:3] or get_close_matches(unknown[0], card.events, 1, 0.75)
            meant = f"; did you mean {' or '.join(like)}?" if like else ""
            first = ", ".join(card.events[:5])
            raise UsageError(f"{option}: unknown label {unknown[0]!r}; this model's events are {first}, ...{meant}")
    if options.sure and not card.sure_thresholds:
        raise UsageError("--sure: these weights have no thresholds for it; --threshold sets one for all events")
    given = card.sure_thresholds if options.sure else card.thresholds
    active = [options.thresholds.get(event, own) for event, own in zip(card.events, given, strict=True)]
    thresholds = [threshold if event in chosen else np.inf for event, threshold in zip(card.events, active, strict=True)]
    bar = 0.0 if options.scenes == "best" else card.scene_bar
    return Labels(card.scenes, card.events, np.array(thresholds, np.float32), card.groups, bar, card.group_bar, card.n_own_scenes)


def _split(text: str, known: Sequence[str]) -> list[str]:
    """Split labels at commas; some labels contain a comma.

    >>> _split("Speech,Male speech, man speaking", ["Speech", "Male speech, man speaking"])
    ['Speech', 'Male speech, man speaking']
    """
    parts = text.split(",")
    ends = [end for end in range(len(parts), 0, -1) if ",".join(parts[:end]).strip() in known]
    end = ends[0] if ends else 1
    return [",".join(parts[:end]).strip(), *(_split(",".join(parts[end:]), known) if parts[end:] else [])]


def tag_samples(
    tagger: "Tagger", plan: Plan, job: Job, chunks: "Iterable[Samples]", notes: Notes, is_live: bool = False
) -> Iterator[Cell | End | Remark]:
    """The records of one recording from its samples, as `records_of` gives them; with `is_live`, these may keep one waiting."""
    recording = recording_of(tagger, plan, Course(job, notes), chunks, is_live)
    return records_of(tagger, plan, recording.item, _scores(tagger, plan, recording))


def score_samples(tagger: "Tagger", plan: Plan, job: Job, chunks: "Iterable[Samples]", notes: Notes) -> Iterator[CellScores]:
    """The probabilities of every scene and event in each cell of a recording, averaged over time as the options say."""
    recording = recording_of(tagger, plan, Course(job, notes), chunks)
    return notes.aloud(cells_of(plan, recording.item, _scores(tagger, plan, recording)))


def _scores(tagger: "Tagger", plan: Plan, recording: "Recording[Course]") -> Iterator[WindowScores]:
    """The scores of a single recording's windows."""
    from audiolog_cli.tagging.pipeline import pipeline

    with closing(pipeline(tagger, [recording], plan.options.windows.hop)) as recordings:
        for _, scores in recordings:
            yield from scores


# The two ends of the pipeline


@dataclass(frozen=True, slots=True)
class Course:
    """A recording that goes through the pipeline."""

    job: Job
    notes: Notes
    kept: Kept | None = None  # what the journal has of it

    @property
    def path(self) -> str:
        """Of the recording."""
        return self.job.path


def samples_of(path: str, plan: Plan, notes: Notes, name: str = "", shift: float = 0.0) -> "Iterator[Samples]":
    """A recording's samples, or those of a file that begins `shift` seconds into the recording `name`; damage is noted."""
    return decode(path, plan.decoding, lambda damage: notes.note(path, damage, name, shift))


def recording_of(
    tagger: "Tagger", plan: Plan, course: Course, chunks: "Iterable[Samples]", is_live: bool = False
) -> "Recording[Course]":
    """What goes into the pipeline: windows of the samples, except those whose scores the journal has.

    Stretches past the recording's end are reported. RecordError for a name that no table can hold, InputError for a recording
    that a journal cannot keep.
    """
    from audiolog_cli.tagging.pipeline import Recording

    job, rate = course.job, plan.decoding.sample_rate
    check_text(job.path, "file name")
    if job.spans:
        chunks = _with_its_end_noted(chunks, job, job.spans, rate, course.notes.mention)
    window, hop = tagger.card.window, plan.options.windows.hop
    laid = windows(chunks, window, hop, rate) if job.spans is None else windows_at(chunks, job.spans, window, hop, rate)
    if plan.journal is not None:
        kept = plan.journal.kept(job.path, job.spans)
        course, laid = replace(course, kept=kept), kept.missing(laid)
        for found in kept.found:
            course.notes.mention(found) if isinstance(found, str) else course.notes.note(job.path, found)
        course.notes.kept = kept.found
    return Recording(course, laid, is_live or is_live_source(job.path))


def records_of(tagger: "Tagger", plan: Plan, course: Course, scores: Iterable[WindowScores]) -> Iterator[Cell | End | Remark]:
    """The records of a recording from the scores that come out of the pipeline; InputError where it fails."""
    path = course.path
    in_cells = cells_of(plan, course, scores)
    if plan.scores_dir:
        in_cells = written(in_cells, tagger.card.events, score_file(plan.scores_dir, path))
    found = cells(in_cells, path, plan.labels)
    timed_cells = timed(found, path, plan.clock, course.notes.say) if plan.clock else found
    return course.notes.before(ended(timed_cells, path, tagger.name))


def cells_of(plan: Plan, course: Course, scores: Iterable[WindowScores]) -> Iterator[CellScores]:
    """The scores of cells from those of windows; what the journal has comes first, and what it lacks is added to it."""
    options = plan.options.cells
    scores = course.kept.continued(scores) if course.kept else scores
    found = cell_scores(scores, options.cell, options.pool, plan.decoding.sample_rate)
    if options.smooth or options.smooth_scene:
        return smoothed(found, options.smooth or 0.0, options.smooth_scene or 0.0)
    return found


def _with_its_end_noted(
    chunks: "Iterable[Samples]", job: Job, spans: Sequence[tuple[float, float]], sample_rate: int, say: Callable[[str], None]
) -> "Iterator[Samples]":
    """The chunks unchanged; at the recording's end, the stretches past it are reported."""
    n_samples = 0
    for chunk in chunks:
        n_samples += len(chunk)
        yield chunk
    past = [onset for onset, _ in spans if sample_at(onset, sample_rate) >= n_samples]
    if past:
        ends = f"{job.path}: ends at {n_samples / sample_rate:.3f} s"
        if isinstance(job, Listed):
            say(f"{ends}; {len(past)} of {len(spans)} segments lie past that, from {past[0]:.3f} s on")
        else:
            say(f"{ends}, nothing to hear from {past[0]:.3f} s on")


def timed(cells: Iterable[Cell], path: str, clock: TimeSource, say: Callable[[str], None]) -> Iterator[Cell]:
    """Cells with the clock times of their onsets; doubts about the start are passed to `say`."""
    start = start_of(path, clock, say)
    for cell in cells:
        yield cell._replace(time=at(start, cell.onset))


def ended(cells: Iterable[Cell], name: str, weights: str) -> Iterator[Cell | End]:
    """Cells, then the `End` that counts them."""
    n_cells, last = 0, 0.0
    for cell in cells:
        n_cells, last = n_cells + 1, cell.offset
        yield cell
    yield End(name, last, n_cells, weights, __version__)
