"""Recordings in, parts out: by this process one after the other, or by the workers of a cluster."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from audiolog_cli.records import Cell, End
from audiolog_cli.tagging.hearing import Hearing, Spans
from audiolog_cli.tagging.parts import Part, Parts, key_of
from audiolog_cli.tagging.worker import Job, Pool, Result

if TYPE_CHECKING:
    from audiolog_cli.tagging.tagger import Tagger


def run(
    inputs: Iterable[tuple[str, Spans]],
    there: Mapping[str, Sequence[str]],
    engine: "Tagger | Pool",
    weights: Path,
    hearing: Hearing,
    parts: Parts,
    show: Callable[[str], None],
) -> Iterator[Result]:
    """What became of each recording, tagged by this process or by a pool of workers, unless its part is among those `there`."""
    jobs = (Job(number, path, spans, tuple(there.get(key_of(path, spans), ()))) for number, (path, spans) in enumerate(inputs))
    if isinstance(engine, Pool):
        from audiolog_cli.tagging import cluster

        return cluster.results(list(jobs), weights, hearing, parts, engine, show)
    return results(jobs, engine, hearing, parts, show)


def results(
    jobs: Iterable[Job], tagger: "Tagger", hearing: Hearing, parts: Parts, show: Callable[[str], None]
) -> Iterator[Result]:
    """The outcome of each job, in order. `show` is told how far the present one is; errors that are not its own are raised."""
    for job in jobs:
        if parts.finished(job.path, job.spans, job.there):
            yield Result(Part(job.path, "there"))
            continue
        messages: list[str] = []
        records = hearing.records(tagger, job.path, job.spans, hearing.sound(job.path, messages.append), messages.append)
        part = parts.write(job.path, job.spans, job.there, _shown(records, show))
        yield Result(part, tuple(messages))


def _shown(records: Iterator[Cell | End], show: Callable[[str], None]) -> Iterator[Cell | End]:
    for record in records:
        if isinstance(record, Cell) and record.kind == "scene":
            show(f"{record.filename}  {record.offset:.0f} s")
        yield record
