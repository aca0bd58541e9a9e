"""Asking a language model: what stays the same from question to question, the costs so far, and several questions at a time.

Answers are kept on disk (`answers.py`), so that a log that failed half-way can resume where it stopped; jobs run in parallel, and
their results come back in order.
"""

import re
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from audiolog_cli import terminal
from audiolog_cli.llm import answers
from audiolog_cli.llm.backend import LONGEST_TOKEN, Backend, Reply, Request
from audiolog_cli.llm.budget import Budget, estimate
from audiolog_cli.llm.prompts import Prompt

SMALL = 2e9  # parameters; a smaller model gets lost in a whole table
AHEAD = 4  # finished answers per slot that may wait for an earlier one
SIZE = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)([mb])(?![a-z])", re.IGNORECASE)
SENTENCE_END = re.compile(r".*[.!?。！？\n]", re.DOTALL)
T = TypeVar("T")


@dataclass(slots=True)
class Costs:
    """What a log has cost so far; several threads add to it."""

    calls: int = 0
    kept: int = 0  # answers taken from disk instead
    prompt_tokens: int = 0
    cached_tokens: int = 0  # those of them that the server had cached from the question before
    answer_tokens: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, reply: Reply, request: Request, from_disk: bool) -> None:
        """Count one answer; tokens are estimated if the server did not count them."""
        with self.lock:
            if from_disk:
                self.kept += 1
                return
            self.calls += 1
            self.prompt_tokens += reply.usage.prompt_tokens or estimate(request.text)
            self.cached_tokens += reply.usage.cached_tokens
            self.answer_tokens += reply.usage.answer_tokens or estimate(reply.text)


@dataclass(frozen=True, slots=True)
class Asking:
    """Everything needed for asking that stays the same from question to question."""

    backend: Backend
    is_small: bool  # the model is; see is_small
    budget: Budget
    prompt: Prompt
    parallel: int  # requests at a time
    folder: Path | None  # where answers are kept; None keeps none
    say: Callable[[str], None]
    note: str = ""  # what was left out of the table; see compact.note
    costs: Costs = field(default_factory=Costs)

    def request(self, *turns: str, max_tokens: int | None = None) -> Request:
        """Turns as a request, for an answer of at most `max_tokens`, by default what the budget keeps free."""
        return Request(turns, self.budget.context, min(max_tokens or self.budget.max_tokens, self.budget.max_tokens))

    def size(self, request: Request) -> int:
        """Tokens of a request: the server's count if it counts, else a high estimate."""
        exact = self.backend.count_tokens(request)
        return estimate(request.text) if exact is None else exact

    def fits(self, request: Request) -> bool:
        """Whether a request leaves room for its answer. Asks the server only if the estimate says no."""
        if len(request.text) > self.budget.room * LONGEST_TOKEN:
            return False
        return estimate(request.text) <= self.budget.room or self.size(request) <= self.budget.room

    def ask(self, request: Request) -> Reply:
        """The reply to a request, from disk if it was answered before; an empty answer is not kept."""
        name = answers.name_of(self.backend.name, request)
        kept = answers.load(self.folder, name) if self.folder else None
        reply = kept or self.backend.answer(request)
        self.costs.add(reply, request, from_disk=kept is not None)
        if self.folder and kept is None and reply.text:
            try:
                answers.keep(self.folder, name, reply)
            except OSError as error:  # a full or read-only disk costs no answer
                self.say(f"{self.folder}: {terminal.reason(error)}; this answer is not kept")
        return reply


def is_small(model: str, n_parameters: int | None = None) -> bool:
    """Whether a model is too small to be trusted with a whole table: by its size if the server tells, else by its name.

    >>> [is_small(name) for name in ("ollama:smollm2:135m", "llama3.2-1B", "qwen2.5:0.5b", "llama3.1:8b", "openai:gpt-4o-mini")]
    [True, True, True, False, False]
    """
    if n_parameters is not None:
        return n_parameters < SMALL
    sizes = [float(number) * (1e6 if unit in "mM" else 1e9) for number, unit in SIZE.findall(model.rpartition("/")[2])]
    return bool(sizes) and max(sizes) < SMALL


def whole_sentences(reply: Reply) -> str:
    """The usable part of an answer: all of it, or the sentences before the one in which it was cut off.

    >>> from audiolog_cli.llm.backend import Usage
    >>> whole_sentences(Reply("A dog at 0:05. A bi", Usage(None, None), "cut off"))
    'A dog at 0:05.'
    """
    if not reply.flaw:
        return reply.text
    found = SENTENCE_END.match(reply.text)
    return found.group() if found else ""


def in_order(jobs: Iterator[Callable[[], T]], parallel: int) -> Iterator[T]:
    """The results of jobs, in order, `parallel` of them running at a time; a job's error is raised in its place.

    The threads are daemons: neither a caller that stops early nor the program's exit waits for an answer.
    """
    pending: deque[Future[T]] = deque()
    for job in jobs:
        while True:
            while pending and pending[0].done():
                yield pending.popleft().result()
            running = [one for one in pending if not one.done()]
            if len(running) < parallel and len(pending) < AHEAD * parallel:
                break
            wait(running, return_when=FIRST_COMPLETED)
        pending.append(_started(job))
    while pending:
        yield pending.popleft().result()


def _started(job: Callable[[], T]) -> "Future[T]":
    future: Future[T] = Future()

    def run() -> None:
        try:
            result = job()
        except BaseException as error:  # raised by the reader
            future.set_exception(error)
        else:
            future.set_result(result)

    threading.Thread(target=run, daemon=True).start()
    return future
