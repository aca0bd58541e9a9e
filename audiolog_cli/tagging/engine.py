"""Recordings in, records or parts out: by this process one after the other, or by the workers of a cluster.

stream      to stdout: the records of all recordings in order; one that fails is a `Failure` where it stopped
outcomes    to `--out`: each recording in a file of its own, unless it is there already
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from audiolog_cli import terminal
from audiolog_cli.errors import InputError
from audiolog_cli.records import Cell, End, Failure
from audiolog_cli.sound.clock import start_of
from audiolog_cli.sound.stitching import stitched
from audiolog_cli.tagging.hearing import Hearing, hear, heard, samples_of
from audiolog_cli.tagging.options import Job
from audiolog_cli.tagging.parts import Parts, key_of
from audiolog_cli.tally import Outcome

if TYPE_CHECKING:
    from audiolog_cli.sound.stitching import Samples
    from audiolog_cli.tagging.tagger import Tagger


def stream(
    jobs: Iterable[Job | InputError], tagger: "Tagger", hearing: Hearing, fail_fast: bool, are_joined: bool
) -> Iterator[Cell | End | Failure]:
    """The records of all recordings in order. With `are_joined`, files whose clock times follow one another are one recording."""
    for sound in _joined(jobs, hearing) if are_joined else _alone(jobs, hearing):
        path = sound.path if isinstance(sound, InputError) else sound[0].path
        try:
            if isinstance(sound, InputError):
                raise sound
            job, chunks = sound
            yield from heard(tagger, hearing, job, chunks, terminal.say)
        except InputError as error:
            yield Failure(path, str(error))
            if fail_fast:
                return


def _alone(jobs: Iterable[Job | InputError], hearing: Hearing) -> "Iterator[tuple[Job, Iterator[Samples]] | InputError]":
    """Each recording with its sound."""
    return (job if isinstance(job, InputError) else (job, samples_of(job.path, hearing, terminal.say)) for job in jobs)


def _joined(jobs: Iterable[Job | InputError], hearing: Hearing) -> "Iterator[tuple[Job, Iterator[Samples]] | InputError]":
    """The same for files that a recorder cut one recording into."""
    clock = hearing.clock
    assert clock is not None  # --split-files needs a source of clock times
    return stitched(
        jobs,
        lambda job: start_of(job.path, clock),
        lambda job: samples_of(job.path, hearing, terminal.say),
        hearing.decoding.sample_rate,
    )


def outcomes(
    jobs: Iterable[Job],
    there: Mapping[str, tuple[str, ...]],
    tagger: "Tagger",
    hearing: Hearing,
    out: Parts,
    show: Callable[[str], None],
) -> Iterator[Outcome]:
    """What came of each recording, in order; `there` are the names of the parts in the folder, by `key_of`.

    `show` is told how far the present one is; errors that are not a recording's own are raised.
    """
    for job in jobs:
        earlier = there.get(key_of(*job), ())
        if out.finished(*job, earlier):
            yield Outcome(job.path, "there")
            continue
        notes: list[str] = []
        outcome = out.write(*job, earlier, _shown(hear(tagger, hearing, job, notes.append), show))
        yield outcome._replace(notes=tuple(notes))


def _shown(records: Iterator[Cell | End], show: Callable[[str], None]) -> Iterator[Cell | End]:
    for record in records:
        if isinstance(record, Cell) and record.kind == "scene":
            show(f"{record.filename}  {record.offset:.0f} s")
        yield record
