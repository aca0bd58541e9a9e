"""What came of the recordings that `tag` was given: counted, said on stderr, and turned into an exit code."""

from collections.abc import Iterable, Iterator
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

import typer

from audiolog_cli import terminal
from audiolog_cli.errors import InputError
from audiolog_cli.records import Cell, End

if TYPE_CHECKING:
    from audiolog_cli.tagging.worker import Result

Input = TypeVar("Input")


class Outcome:
    """How many recordings were tagged, were there already, or failed; how much sound, since when."""

    def __init__(self) -> None:
        self.done = 0
        self.there = 0
        self.failed = 0
        self.seconds = 0.0
        self.started = monotonic()

    def __str__(self) -> str:
        speed = self.seconds / max(monotonic() - self.started, 1e-9)
        there = f"{self.there} were there, " if self.there else ""
        return (
            f"{self.done} recordings tagged, {there}{self.failed} failed,"
            f" {self.seconds / 3600:.2f} hours of sound, {speed:.0f} times real time"
        )

    def fail(self, message: str) -> None:
        """Count and say a failure."""
        self.failed += 1
        terminal.complain(message)

    def pass_on(self, records: Iterable[Cell | End]) -> Iterator[Cell | End]:
        """Pass the records of a recording on; show how far it is, and count it when it is done."""
        for record in records:
            if isinstance(record, End):
                self.done += 1
                self.seconds += record.duration
            elif record.kind == "scene":
                terminal.show_progress(f"{record.filename}  {record.offset:.0f} s")
            yield record
        terminal.show_progress("")

    def take(self, results: "Iterable[Result]", fail_fast: bool) -> None:
        """Count what became of recordings and say what went wrong; an error that is not a recording's own is raised."""
        for part, messages, attempt, error in results:
            if part is None:
                assert error is not None
                raise error
            for message in messages:
                terminal.say(message)
            if attempt > 1:
                terminal.say(f"{part.path}: its worker was lost, another one tagged it")
            if part.state == "failed":
                self.fail(part.message)
                if fail_fast:
                    return
            self.there += part.state == "there"
            self.done += part.state == "done"
            self.seconds += part.seconds

    def show(self, text: str) -> None:
        """The progress line of a run over many recordings."""
        terminal.show_progress(f"{self.done + self.there} recordings done, {self.failed} failed; {text}")

    def end(self) -> None:
        """Say what came of several recordings; exit code 3 or 1 if some failed."""
        if self.done + self.there + self.failed > 1:
            terminal.say(str(self))
        if self.failed:
            raise typer.Exit(3 if self.done + self.there else 1)

    def usable(self, inputs: Iterable[Input | InputError]) -> Iterator[Input]:
        """The inputs that are no errors; those are counted and said."""
        for one in inputs:
            if isinstance(one, InputError):
                self.fail(str(one))
            else:
                yield one
