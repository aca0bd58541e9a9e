"""Recordings in, records or parts out, tagged by this machine: what goes into the pipeline, and what is made of its scores.

stream      to stdout: the records of all recordings in order; one that fails ends in a `Failure`
outcomes    to `--out`: each recording in a file of its own, unless that file exists already

Threads of this process share the work; many short recordings in a row go to worker processes (`processes.py`).
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from audiolog_cli import terminal
from audiolog_cli.cells import WindowScores
from audiolog_cli.errors import InputError
from audiolog_cli.host import n_cores
from audiolog_cli.records import Cell, End, Failure, Remark
from audiolog_cli.sound.clock import start_of
from audiolog_cli.sound.pcm import Samples
from audiolog_cli.sound.remote import is_url
from audiolog_cli.sound.stitching import stitched
from audiolog_cli.tagging.hearing import Course, Notes, Plan, recording_of, records_of, samples_of
from audiolog_cli.tagging.options import Job, Listed
from audiolog_cli.tagging.parts import Parts, key_of
from audiolog_cli.tagging.processes import Jobs, Say, can_fork, spread
from audiolog_cli.tally import Outcome

if TYPE_CHECKING:
    from audiolog_cli.tagging.pipeline import Recording
    from audiolog_cli.tagging.tagger import Tagger

Item = TypeVar("Item")
Sound: TypeAlias = tuple[Course, Iterator[Samples]]


def stream(
    jobs: Jobs, tagger: "Tagger", plan: Plan, fail_fast: bool = False, are_joined: bool = False
) -> Iterator[Cell | End | Failure | Remark]:
    """The records of all recordings in order. With `are_joined`, files whose clock times follow one another are one recording."""
    said_once: set[str] = set()

    def heard(tagger: "Tagger", jobs: Jobs, say: Say) -> Generator[Cell | End | Failure | Remark]:
        return _records(_sounds(jobs, plan, say, said_once), tagger, plan)

    def is_joined(job: Job | InputError) -> bool:
        return are_joined and not isinstance(job, Listed)

    def joined(jobs: Jobs) -> Generator[Cell | End | Failure | Remark]:
        return _records(_joined_sounds(jobs, plan), tagger, plan, in_turn=True)

    for are_parts, some in groupby(jobs, is_joined):
        listen = joined if are_parts else partial(_spread, tagger=tagger, heard=heard)
        with closing(listen(some)) as records:
            for record in records:
                yield record
                if fail_fast and isinstance(record, Failure):
                    return


def _records(
    sounds: Iterable[Sound | InputError], tagger: "Tagger", plan: Plan, in_turn: bool = False
) -> Generator[Cell | End | Failure | Remark]:
    recordings = (_recording(tagger, plan, sound) for sound in sounds)
    for course, scores in _in_order(recordings, tagger, plan, in_turn):
        try:
            if isinstance(course, InputError):
                raise course
            yield from records_of(tagger, plan, course, scores)
        except InputError as error:
            yield Failure(course.path, str(error))


def stream_or_raise(jobs: Iterable[Job], tagger: "Tagger", plan: Plan, say: Say) -> Iterator[Cell | End | Remark]:
    """The same for callers in Python: raises the InputError of a recording that fails; messages go to `say`."""
    recordings = (_recording(tagger, plan, sound) for sound in _sounds(jobs, plan, say, set()))
    for course, scores in _in_order(recordings, tagger, plan):
        yield from records_of(tagger, plan, course, scores)


def outcomes(
    jobs: Jobs, there: Mapping[str, tuple[str, ...]], tagger: "Tagger", plan: Plan, out: Parts, show: Say
) -> Iterator[Outcome]:
    """The outcome of each recording, in order; `there` are the names of the parts in the folder, by `key_of`.

    `show` gets the progress of the current one; errors that are not a recording's own are raised.
    """
    said_once: set[str] = set()

    def heard(tagger: "Tagger", jobs: Jobs, say: Say) -> Generator[Outcome]:
        return _outcomes(_sounds(jobs, plan, say, said_once), there, tagger, plan, out, show)

    # A remote folder has a thread of its own, which a copy of this process would lack.
    return heard(tagger, jobs, terminal.say) if is_url(out.folder) else _spread(jobs, tagger, heard)


def _outcomes(
    sounds: Iterable[Sound | InputError],
    there: Mapping[str, tuple[str, ...]],
    tagger: "Tagger",
    plan: Plan,
    out: Parts,
    show: Say,
) -> Generator[Outcome]:
    def recording_or_not(sound: Sound | InputError) -> "Recording[Course | Outcome]":
        if isinstance(sound, InputError):
            return _nothing(Outcome(sound.path, "failed", message=str(sound)))
        job = sound[0].job
        if out.finished(*job, there.get(key_of(*job), ())):
            return _nothing(Outcome(job.path, "there"))
        return _recording(tagger, plan, sound)

    for course, scores in _in_order(map(recording_or_not, sounds), tagger, plan):
        if isinstance(course, Outcome):
            yield course
            continue
        records = records_of(tagger, plan, course, scores)
        said: list[str] = []
        course.notes.say = said.append
        path, spans = course.job
        outcome = out.write(path, spans, there.get(key_of(path, spans), ()), _shown(records, show))
        yield outcome._replace(notes=tuple(said))


def _spread(jobs: Jobs, tagger: "Tagger", heard: "Callable[[Tagger, Jobs, Say], Generator[Item]]") -> Generator[Item]:
    """What is heard in each recording, in order, by all cores."""
    here = partial(heard, tagger)
    if tagger.jobs == 1 or tagger.device.type != "cpu" or not can_fork():
        return here(jobs, terminal.say)
    there = partial(heard, replace(tagger, jobs=1))
    return spread(jobs, min(tagger.jobs, n_cores()), here, there, terminal.say)  # more processes than cores gain nothing


def _shown(records: Iterable[Cell | End | Remark], show: Say) -> Iterator[Cell | End | Remark]:
    for record in records:
        if isinstance(record, Cell) and record.kind == "scene":
            show(f"{record.filename}  {record.offset:.0f} s")
        yield record


# What goes into the pipeline


def _sounds(jobs: Jobs, plan: Plan, say: Say, said_once: set[str]) -> Iterator[Sound | InputError]:
    """Each recording with its sound."""
    for job in jobs:
        if isinstance(job, InputError):
            yield job
        else:
            notes = Notes(say, said_once)
            yield Course(job, notes), samples_of(job.path, plan, notes)


def _joined_sounds(jobs: Jobs, plan: Plan) -> Iterator[Sound | InputError]:
    """The same for files into which a recorder split one recording."""
    clock = plan.clock
    assert clock is not None  # --split-files needs a source of clock times
    rate = plan.decoding.sample_rate
    notes = Notes(terminal.say)
    name, n_samples = "", 0  # of the current recording

    def sound_of(job: Job) -> "Iterator[Samples]":
        nonlocal n_samples
        with _errors_of(job):
            for chunk in samples_of(job.path, plan, notes, name, n_samples / rate):
                n_samples += len(chunk)
                yield chunk

    def begun(job: Job) -> datetime:
        with _errors_of(job):
            return start_of(job.path, clock)

    for sound in stitched(jobs, begun, sound_of, rate):
        if isinstance(sound, InputError):
            yield sound
        else:
            job, chunks = sound
            name, n_samples, notes = job.path, 0, Notes(terminal.say, notes.has_said_once)
            yield Course(job, notes), chunks


@contextmanager
def _errors_of(job: Job) -> Iterator[None]:
    """Give an error that is raised meanwhile the name of its recording: files behind the first are not raised, but passed on."""
    try:
        yield
    except InputError as error:
        raise error.of(job.path) from None


def _recording(tagger: "Tagger", plan: Plan, sound: Sound | InputError) -> "Recording[Any]":
    """A recording for the pipeline; an error comes out of it in its turn."""
    if isinstance(sound, InputError):
        return _nothing(sound)
    try:
        return recording_of(tagger, plan, *sound)
    except InputError as error:
        return _nothing(sound[0], error)


def _nothing(item: Course | Outcome | InputError, error: InputError | None = None) -> "Recording[Any]":
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
