"""Recordings in, records or parts out: by this process one after the other, or by the workers of a cluster.

stream      to stdout: the records of all recordings in order; one that fails ends in a `Failure`
outcomes    to `--out`: each recording in a file of its own, unless that file exists already
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from audiolog_cli import terminal
from audiolog_cli.errors import InputError
from audiolog_cli.records import Cell, End, Failure, Remark
from audiolog_cli.sound.clock import start_of
from audiolog_cli.sound.stitching import stitched
from audiolog_cli.tagging.hearing import Hearing, Told, hear, heard, samples_of
from audiolog_cli.tagging.options import Job
from audiolog_cli.tagging.parts import Parts, key_of
from audiolog_cli.tally import Outcome

if TYPE_CHECKING:
    from audiolog_cli.sound.stitching import Samples
    from audiolog_cli.tagging.tagger import Tagger


def stream(
    jobs: Iterable[Job | InputError], tagger: "Tagger", hearing: Hearing, fail_fast: bool, are_joined: bool
) -> Iterator[Cell | End | Failure | Remark]:
    """The records of all recordings in order. With `are_joined`, files whose clock times follow one another are one recording."""
    told = Told(terminal.say)
    for sound in _joined(jobs, hearing, told) if are_joined else _alone(jobs, hearing, told):
        path = sound.path if isinstance(sound, InputError) else sound[0].path
        try:
            if isinstance(sound, InputError):
                raise sound
            job, chunks = sound
            yield from heard(tagger, hearing, job, chunks, told)
        except InputError as error:
            yield Failure(path, str(error))
            if fail_fast:
                return


def _alone(
    jobs: Iterable[Job | InputError], hearing: Hearing, told: Told
) -> "Iterator[tuple[Job, Iterator[Samples]] | InputError]":
    """Each recording with its sound."""
    return (job if isinstance(job, InputError) else (job, samples_of(job.path, hearing, told)) for job in jobs)


def _joined(
    jobs: Iterable[Job | InputError], hearing: Hearing, told: Told
) -> "Iterator[tuple[Job, Iterator[Samples]] | InputError]":
    """The same for files into which a recorder split one recording."""
    clock = hearing.clock
    assert clock is not None  # --split-files needs a source of clock times
    rate = hearing.decoding.sample_rate
    name, n_samples = "", 0  # of the current recording

    def sound_of(job: Job) -> "Iterator[Samples]":
        nonlocal n_samples
        for chunk in samples_of(job.path, hearing, told, name, n_samples / rate):
            n_samples += len(chunk)
            yield chunk

    for sound in stitched(jobs, lambda job: start_of(job.path, clock), sound_of, rate):
        if not isinstance(sound, InputError):
            name, n_samples = sound[0].path, 0
        yield sound


def outcomes(
    jobs: Iterable[Job],
    there: Mapping[str, tuple[str, ...]],
    tagger: "Tagger",
    hearing: Hearing,
    out: Parts,
    show: Callable[[str], None],
) -> Iterator[Outcome]:
    """The outcome of each recording, in order; `there` are the names of the parts in the folder, by `key_of`.

    `show` gets the progress of the current one; errors that are not a recording's own are raised.
    """
    told = Told(terminal.say)
    for job in jobs:
        earlier = there.get(key_of(*job), ())
        if out.finished(*job, earlier):
            yield Outcome(job.path, "there")
            continue
        notes: list[str] = []
        told.say = notes.append
        outcome = out.write(*job, earlier, _shown(hear(tagger, hearing, job, told), show))
        yield outcome._replace(notes=tuple(notes))


def _shown(records: Iterator[Cell | End | Remark], show: Callable[[str], None]) -> Iterator[Cell | End | Remark]:
    for record in records:
        if isinstance(record, Cell) and record.kind == "scene":
            show(f"{record.filename}  {record.offset:.0f} s")
        yield record
