"""What runs on the nodes of a cluster: an actor that holds the network and tags one recording after another, each into its part.

A recording is streamed, never held whole. An actor on a CPU decodes what it tags: all cores are busy either way, and samples,
bulkier than the file, stay in one process. An actor with a GPU (or a part of one) gets its samples
from a CPU task anywhere in the cluster, which decodes BLOCK_SECONDS at a time and waits while BLOCKS_AHEAD blocks are unused.
"""

import os
import pickle
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from audiolog_cli.errors import AudiologError, InputError
from audiolog_cli.records import Cell, End, Remark
from audiolog_cli.sound.audio import DecodeOptions, decode
from audiolog_cli.sound.damage import Damage
from audiolog_cli.tagging.hearing import Notes, Plan, samples_of, tag_samples
from audiolog_cli.tagging.options import Job, LoadOptions
from audiolog_cli.tagging.parts import Parts, raising
from audiolog_cli.tally import Outcome

if TYPE_CHECKING:
    from audiolog_cli.sound.pcm import Samples
    from audiolog_cli.tagging.tagger import Tagger

BLOCK_SECONDS = 30.0  # 3.8 MB at 32 kHz
BLOCKS_AHEAD = 4
ATTEMPTS = 3  # workers that one recording may kill before it is given up
NOTED_EVERY = 60.0  # seconds of sound between two progress notes


class Task(NamedTuple):
    """A recording to tag."""

    number: int
    job: Job
    there: tuple[str, ...]  # names of its earlier parts


@dataclass(frozen=True)
class Order:
    """What all workers of a run share."""

    plan: Plan
    parts: Parts
    weights: Any  # reference to the checkpoint's bytes in Ray's object store: every node has the same
    load: LoadOptions  # `weights` is only the file's name
    folder: str  # base of relative paths
    decodes: bool  # whether a worker decodes what it tags
    ledger: Any  # handle of the run's `Ledger`


class Ledger:
    """A small actor beside the driver: how often each recording has been started, and how far it has come."""

    def __init__(self) -> None:
        self._begun: dict[int, int] = {}
        self._seconds: dict[int, float] = {}

    def begin(self, number: int) -> int:
        """Note that a worker starts a recording; returns how often it has been started by now."""
        self._begun[number] = self._begun.get(number, 0) + 1
        self._seconds[number] = 0.0
        return self._begun[number]

    def note(self, number: int, seconds: float) -> None:
        """Note how much of a recording is tagged."""
        self._seconds[number] = seconds

    def seconds(self) -> float:
        """Seconds of sound tagged so far."""
        return sum(self._seconds.values())


class Worker:
    """An actor of Ray Data: rows of pickled `Task`s in; rows of pickled `Outcome`s, or of an error that ends the run, out."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._notes = Notes(lambda message: None)
        _work_in(order.folder)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        return {"outcome": pickle.dumps(self.outcome(pickle.loads(row["task"])))}

    def outcome(self, task: Task) -> Outcome | BaseException:
        """Tag a recording, unless its part exists; errors that are not the recording's own end the run."""
        import ray

        said: list[str] = []
        self._notes.say = said.append
        order, job = self._order, task.job
        attempt: int = ray.get(order.ledger.begin.remote(task.number))
        try:
            if order.parts.finished(*job, task.there):
                return Outcome(job.path, "there")
            records = raising(_killing(job.path)) if attempt > ATTEMPTS else self._records(task)
            outcome = order.parts.write(*job, task.there, records)
        except (AudiologError, OSError) as error:
            return error
        if attempt > 1:
            said.append(f"{job.path}: its worker was lost, another one tagged it")
        return outcome._replace(notes=tuple(said))

    def _records(self, task: Task) -> Iterator[Cell | End | Remark]:
        plan, ledger, path, notes = self._order.plan, self._order.ledger, task.job.path, self._notes
        chunks = samples_of(path, plan, notes) if self._order.decodes else decoded_elsewhere(path, plan.decoding, notes)
        noted = 0.0
        for record in tag_samples(self._tagger, plan, task.job, chunks, notes, is_live=not self._order.decodes):
            reached = record.duration if isinstance(record, End) else record.offset if isinstance(record, Cell) else noted
            if reached - noted >= NOTED_EVERY or isinstance(record, End):
                noted = reached
                ledger.note.remote(task.number, reached)
            yield record

    @cached_property
    def _tagger(self) -> "Tagger":
        import ray

        from audiolog_cli.tagging.tagger import load

        with TemporaryDirectory(prefix="audiolog") as folder:
            path = Path(folder) / self._order.load.weights
            path.write_bytes(ray.get(self._order.weights))
            return load(replace(self._order.load, weights=str(path)))


def _work_in(folder: str) -> None:
    """Resolve relative paths in `folder`; on a node without it each is reported as "no such file"."""
    with suppress(OSError):
        os.chdir(folder)


def _killing(path: str) -> InputError:
    return InputError(f"{path}: {ATTEMPTS} workers died while they tagged it; too little memory there, or a damaged recording")


def decoded_elsewhere(path: str, decoding: DecodeOptions, notes: Notes) -> "Iterator[Samples]":
    """A recording's samples, decoded by a CPU task that runs at most BLOCKS_AHEAD blocks ahead of the reader.

    A task whose process or node dies starts again elsewhere; InputError after ATTEMPTS times.
    """
    import ray

    task: Any = ray.remote(blocks).options(
        num_cpus=1, max_retries=ATTEMPTS - 1, num_returns="streaming", _generator_backpressure_num_objects=BLOCKS_AHEAD
    )
    for reference in task.remote(path, decoding, os.getcwd()):
        try:
            block = ray.get(reference)
        except ray.exceptions.RayTaskError:
            raise  # an error of the program, not of a process
        except ray.exceptions.RayError:
            raise _killing(path) from None
        if isinstance(block, InputError):
            raise block
        if isinstance(block, Damage):
            notes.note(path, block)
        else:
            yield block


def blocks(path: str, decoding: DecodeOptions, folder: str) -> "Iterator[Samples | Damage | InputError]":
    """A recording as blocks of BLOCK_SECONDS, with the damage in it between them; an error comes last, as an item.

    A relative path is resolved in `folder`.
    """
    _work_in(folder)
    damage: list[Damage] = []
    held: list[Samples] = []
    try:
        for chunk in decode(path, decoding, damage.append):
            held.append(chunk)
            if sum(map(len, held)) >= BLOCK_SECONDS * decoding.sample_rate:
                yield np.concatenate(held)
                held.clear()
            yield from damage
            damage.clear()
        if held:
            yield np.concatenate(held)
        yield from damage
    except InputError as error:
        yield from damage
        yield error
