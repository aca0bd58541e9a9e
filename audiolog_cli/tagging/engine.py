"""Recordings in, records or parts out, tagged by this process: what goes into the pipeline, and what is made of its scores.

stream      to stdout: the records of all recordings in order; one that fails ends in a `Failure`
outcomes    to `--out`: each recording in a file of its own, unless that file exists already
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeAlias

from audiolog_cli import terminal
from audiolog_cli.cells import WindowScores
from audiolog_cli.errors import InputError
from audiolog_cli.records import Cell, End, Failure, Remark
from audiolog_cli.sound.clock import start_of
from audiolog_cli.sound.stitching import Samples, stitched
from audiolog_cli.tagging.hearing import Course, Notes, Plan, recording_of, records_of, samples_of
from audiolog_cli.tagging.options import Job
from audiolog_cli.tagging.parts import Parts, key_of
from audiolog_cli.tally import Outcome

if TYPE_CHECKING:
    from audiolog_cli.tagging.pipeline import Recording
    from audiolog_cli.tagging.tagger import Tagger

Sound: TypeAlias = tuple[Course, Iterator[Samples]]


def stream(
    jobs: Iterable[Job | InputError], tagger: "Tagger", plan: Plan, fail_fast: bool, are_joined: bool
) -> Iterator[Cell | End | Failure | Remark]:
    """The records of all recordings in order. With `are_joined`, files whose clock times follow one another are one recording."""
    sounds = _joined(jobs, plan) if are_joined else _alone(jobs, plan, terminal.say)
    recordings = (_recording(tagger, plan, sound) for sound in sounds)
    for course, scores in _in_order(recordings, tagger, plan, in_turn=are_joined):
        try:
            yield from records_of(tagger, plan, course, scores)
        except InputError as error:
            yield Failure(course.job.path, str(error))
            if fail_fast:
                return


def of_each(jobs: Iterable[Job], tagger: "Tagger", plan: Plan, say: Callable[[str], None]) -> Iterator[Cell | End | Remark]:
    """The same for callers in Python: raises the InputError of a recording that fails; messages go to `say`."""
    recordings = (_recording(tagger, plan, sound) for sound in _alone(jobs, plan, say))
    for course, scores in _in_order(recordings, tagger, plan):
        yield from records_of(tagger, plan, course, scores)


def outcomes(
    jobs: Iterable[Job | InputError],
    there: Mapping[str, tuple[str, ...]],
    tagger: "Tagger",
    plan: Plan,
    out: Parts,
    show: Callable[[str], None],
) -> Iterator[Outcome]:
    """The outcome of each recording, in order; `there` are the names of the parts in the folder, by `key_of`.

    `show` gets the progress of the current one; errors that are not a recording's own are raised.
    """

    def recording_or_not(sound: Sound | InputError) -> "Recording[Course | Outcome]":
        if isinstance(sound, InputError):
            return _nothing(Outcome(sound.path, "failed", message=str(sound)))
        job = sound[0].job
        if out.finished(*job, there.get(key_of(*job), ())):
            return _nothing(Outcome(job.path, "there"))
        return _recording(tagger, plan, sound)

    recordings = map(recording_or_not, _alone(jobs, plan, terminal.say))
    for course, scores in _in_order(recordings, tagger, plan):
        if isinstance(course, Outcome):
            yield course
            continue
        records = records_of(tagger, plan, course, scores)
        said: list[str] = []
        course.notes.say = said.append
        path, spans = course.job
        outcome = out.write(path, spans, there.get(key_of(path, spans), ()), _shown(records, show))
        yield outcome._replace(notes=tuple(said))


def _shown(records: Iterable[Cell | End | Remark], show: Callable[[str], None]) -> Iterator[Cell | End | Remark]:
    for record in records:
        if isinstance(record, Cell) and record.kind == "scene":
            show(f"{record.filename}  {record.offset:.0f} s")
        yield record


# What goes into the pipeline


def _alone(jobs: Iterable[Job | InputError], plan: Plan, say: Callable[[str], None]) -> Iterator[Sound | InputError]:
    """Each recording with its sound."""
    said_once: set[str] = set()
    for job in jobs:
        if isinstance(job, InputError):
            yield job
        else:
            notes = Notes(say, said_once)
            yield Course(job, notes), samples_of(job.path, plan, notes)


def _joined(jobs: Iterable[Job | InputError], plan: Plan) -> Iterator[Sound | InputError]:
    """The same for files into which a recorder split one recording."""
    clock = plan.clock
    assert clock is not None  # --split-files needs a source of clock times
    rate = plan.decoding.sample_rate
    notes = Notes(terminal.say)
    name, n_samples = "", 0  # of the current recording

    def sound_of(job: Job) -> "Iterator[Samples]":
        nonlocal n_samples
        for chunk in samples_of(job.path, plan, notes, name, n_samples / rate):
            n_samples += len(chunk)
            yield chunk

    for sound in stitched(jobs, lambda job: start_of(job.path, clock), sound_of, rate):
        if isinstance(sound, InputError):
            yield sound
        else:
            job, chunks = sound
            name, n_samples, notes = job.path, 0, Notes(terminal.say, notes.has_said_once)
            yield Course(job, notes), chunks


def _recording(tagger: "Tagger", plan: Plan, sound: Sound | InputError) -> "Recording[Any]":
    """A recording for the pipeline; an error comes out of it in its turn."""
    if isinstance(sound, InputError):
        return _nothing(Course(Job(sound.path), Notes(terminal.say)), sound)
    try:
        return recording_of(tagger, plan, *sound)
    except InputError as error:
        return _nothing(sound[0], error)


def _nothing(item: Course | Outcome, error: InputError | None = None) -> "Recording[Any]":
    """A recording of which nothing is to be heard."""
    from audiolog_cli.tagging.pipeline import Recording

    return Recording(item, iter(()), error=error, is_read=True)


def _in_order(
    recordings: "Iterable[Recording[Any]]", tagger: "Tagger", plan: Plan, in_turn: bool = False
) -> Iterator[tuple[Any, Iterator[WindowScores]]]:
    """What each recording is known by, with the scores of its windows; the next one's come when these are used or dropped."""
    from audiolog_cli.tagging.pipeline import pipeline

    with closing(pipeline(tagger, recordings, plan.options.windows.hop, in_turn)) as scored:
        yield from ((recording.item, scores) for recording, scores in scored)
