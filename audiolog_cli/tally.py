"""The outcome of a command's inputs: counted, reported on stderr and turned into an exit code, the same for every command.

0   all inputs done (also when there were none)
1   nothing succeeded
3   some failed, the others were written
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from time import monotonic
from typing import Literal, NamedTuple, TypeVar

import typer

from audiolog_cli import terminal
from audiolog_cli.errors import InputError
from audiolog_cli.records import Cell, End, Failure, Record, Remark

Item = TypeVar("Item", bound=Record)
Input = TypeVar("Input")


class Outcome(NamedTuple):
    """The outcome of one input."""

    path: str
    state: Literal["done", "there", "failed"]  # there: it was finished before
    seconds: float = 0.0  # of sound
    message: str = ""  # why it failed
    notes: tuple[str, ...] = ()  # other messages about it
    is_damaged: bool = False  # done, as far as it could be read


@dataclass(slots=True)
class Tally:
    """How many inputs are done, were done before, or failed; how much sound, since when."""

    done: int = 0
    there: int = 0
    failed: int = 0
    damaged: set[str] = field(default_factory=set)  # names of those done that could not be read in all their parts
    seconds: float = 0.0  # of sound
    started: float = field(default_factory=monotonic)

    def add(self, outcome: Outcome) -> None:
        """Count an input and print its messages."""
        for note in outcome.notes:
            terminal.say(note)
        if outcome.state == "failed":
            self.fail(outcome.message)
        self.done += outcome.state == "done"
        self.there += outcome.state == "there"
        if outcome.is_damaged:
            self.damaged.add(outcome.path)
        self.seconds += outcome.seconds

    def fail(self, message: str) -> None:
        """Count a failure and print its message."""
        self.failed += 1
        terminal.complain(message)

    def passing(
        self, records: Iterable[Item], done: type[Record] | tuple[type[Record], ...] = End, place: str = ""
    ) -> Iterator[Item]:
        """The same records; those of a type in `done` count as done, each `Failure` is counted and printed after `place`."""
        for record in records:
            if isinstance(record, Failure):
                self.fail(f"{place}{record.message}")
            elif isinstance(record, End):
                self.seconds += record.duration
            elif isinstance(record, Remark) and record.kind == "damage":
                self.damaged.add(record.filename)
            elif isinstance(record, Cell) and record.kind == "scene":
                terminal.show_progress(f"{record.filename}  {record.offset:.0f} s")
            if not isinstance(record, Cell):
                terminal.show_progress("")
            self.done += isinstance(record, done)
            yield record

    def usable(self, inputs: Iterable[Input | InputError]) -> Iterator[Input]:
        """The inputs without the errors, which are counted and printed."""
        for one in inputs:
            if isinstance(one, InputError):
                self.fail(str(one))
            else:
                yield one

    def summary(self) -> str:
        """One line for the user about the recordings that were tagged."""
        speed = self.seconds / max(monotonic() - self.started, 1e-9)
        there = f"{self.there} already there, " if self.there else ""
        damaged = f"{len(self.damaged)} damaged, " if self.damaged else ""
        return (
            f"{self.done} recording{'s' * (self.done != 1)} tagged, {there}{damaged}{self.failed} failed,"
            f" {self.seconds / 3600:.2f} hours of sound, {speed:.0f} times real time"
        )

    def end(self) -> None:
        """End the command with exit code 3 or 1 if an input failed."""
        if self.failed:
            raise typer.Exit(3 if self.done + self.there else 1)
