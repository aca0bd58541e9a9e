"""A table that is longer than the context: cut, summarised part by part, merged in code, and only then written as prose.

    rows -> parts, cut at scene changes -> entries of each part (JSON, held against its rows) -> merged in order of time
         -> if they are still too long: parts of entries -> fewer entries -> ... -> the question, asked over the last entries

Every part is asked for, none is dropped; a part that the model cannot hold or answer is halved and asked again. Requests run in
parallel; finished ones are kept on disk (`answers.py`). `plan` says beforehand how many calls that is.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from math import ceil
from pathlib import Path

from audiolog_cli.errors import LLMError
from audiolog_cli.llm import answers
from audiolog_cli.llm.backend import Backend, Broken, ContextOverflow, Request, Usage
from audiolog_cli.llm.budget import Budget, estimate
from audiolog_cli.llm.compact import grouped_text, rows_text
from audiolog_cli.llm.entries import Entry, Mistakes, entries_text, folded, labels_of, merged, read_answer, schema, validated
from audiolog_cli.llm.prompts import GENERAL, Prompt, compose
from audiolog_cli.records import Row
from audiolog_cli.wording import plain

LONGEST_TOKEN = 16  # characters that a token of a table has on average at the very most; longer messages need no counting
ENTRY_TOKENS = 110  # of one entry in an answer, at most
MOST_ENTRIES = 12  # asked of one part

PART = (
    "This is the part from {onset} to {offset} seconds of a longer recording. Summarise it as JSON of the form "
    '{{"entries": [{{"onset": seconds, "offset": seconds, "labels": ["..."], "text": "one short sentence"}}]}}: at most {count} entries, '
    "in order of time, that together cover the whole part; only labels and times of the table. They will be used to answer: {question}"
)


@dataclass(slots=True)
class Costs:
    """What a summary has cost so far; requests of several threads add to it."""

    calls: int = 0
    kept: int = 0  # answers taken from disk instead
    prompt_tokens: int = 0
    answer_tokens: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, usage: Usage, request: Request, text: str, from_disk: bool = False) -> None:
        """Count one answer; estimated where the server did not say."""
        with self.lock:
            if from_disk:
                self.kept += 1
                return
            self.calls += 1
            self.prompt_tokens += usage.prompt_tokens or estimate(request.prompt)
            self.answer_tokens += usage.answer_tokens or estimate(text)


@dataclass(frozen=True, slots=True)
class Asking:
    """Everything that asking needs and that stays the same from part to part."""

    backend: Backend
    budget: Budget
    prompt: Prompt
    parallel: int  # requests at a time
    folder: Path | None  # where answers are kept; None keeps none
    progress: Callable[[int, int], None]  # (parts done, parts in all)
    say: Callable[[str], None]
    note: str = ""  # what was left out of the table, see compact.note
    costs: Costs = field(default_factory=Costs)
    mistakes: Mistakes = field(default_factory=Mistakes)

    def size(self, message: str) -> int:
        """Tokens of a message: the server's own count where it counts, else an estimate on the safe side."""
        exact = self.backend.count_tokens(message)
        return estimate(message) if exact is None else exact

    def fits(self, message: str) -> bool:
        """Whether a message leaves room for its answer."""
        return len(message) <= self.budget.room * LONGEST_TOKEN and self.size(message) <= self.budget.room

    def request(self, message: str) -> Request:
        """A message as a request for prose."""
        return Request(message, self.budget.context, self.budget.max_tokens)


def whole(rows: Sequence[Row], asking: Asking) -> str | None:
    """The one message that holds all rows: the paper's table, else the same grouped by label; None if neither fits."""
    for layout in (rows_text, grouped_text):
        message = compose(asking.note + layout(rows), asking.prompt)
        if asking.fits(message):
            return message
    return None


# Cutting


def cut(rows: Sequence[Row], asking: Asking) -> list[Sequence[Row]]:
    """Rows in parts whose messages fit, each as long as can be and ending at a scene change where its second half has one.

    LLMError if a single row does not fit.
    """
    parts: list[Sequence[Row]] = []
    start = 0
    while start < len(rows):
        rest = rows[start:]
        end = start + _longest_fit(len(rest), partial(_part_fits, rest, asking))
        if end == start:
            raise LLMError(
                f"{asking.backend.name}: a single row of the table (at {plain(rest[0].onset)} s) does not fit into {asking.budget.room} tokens; "
                "raise --context, or lower --max-tokens"
            )
        if end < len(rows):
            end = _last_scene_change(rows, (start + end + 1) // 2, end)
        parts.append(rows[start:end])
        start = end
    return parts


def _part_fits(rows: Sequence[Row], asking: Asking, count: int) -> bool:
    return asking.fits(part_message(rows[:count], grouped_text(rows[:count]), asking))


def _longest_fit(most: int, fits: Callable[[int], bool]) -> int:
    """The largest count up to `most` that fits, 0 if not even one does: found by doubling, then halving."""
    fit, too_many = 0, min(32, most + 1)
    while too_many <= most and fits(too_many):
        fit, too_many = too_many, min(2 * too_many, most + 1)
    while too_many - fit > 1:
        middle = (fit + too_many) // 2
        if fits(middle):
            fit = middle
        else:
            too_many = middle
    return fit


def _last_scene_change(rows: Sequence[Row], first: int, last: int) -> int:
    """The last index in [first, last] where a new scene begins, or `last` if none does."""
    return next((index for index in range(last, first - 1, -1) if rows[index].scene != rows[index - 1].scene), last)


def halves(rows: Sequence[Row]) -> tuple[Sequence[Row], Sequence[Row]]:
    """Rows in two, at the scene change nearest to the middle, else in the middle."""
    changes = [index for index in range(1, len(rows)) if rows[index].scene != rows[index - 1].scene]
    middle = min(changes, key=lambda index: abs(index - len(rows) / 2), default=len(rows) // 2)
    return rows[:middle], rows[middle:]


# Asking


def max_entries(budget: Budget) -> int:
    """How many entries an answer has room for."""
    return max(2, min(MOST_ENTRIES, budget.max_tokens // ENTRY_TOKENS))


def part_message(rows: Sequence[Row], table: str, asking: Asking) -> str:
    """The message that asks for the entries of one part; `table` is its text, of rows or of earlier entries."""
    question = PART.format(
        onset=plain(rows[0].onset),
        offset=plain(rows[-1].offset),
        count=max_entries(asking.budget),
        question=asking.prompt.question,
    )
    language = f" Write the texts in {asking.prompt.language}." if asking.prompt.language else ""
    return f"{asking.note}{table}\n\n{GENERAL}\n\n{question}{language}"


def part_request(rows: Sequence[Row], table: str, asking: Asking) -> Request:
    """The request for the entries of one part."""
    wanted = schema(labels_of(rows), max_entries(asking.budget)) if labels_of(rows) else None
    return Request(part_message(rows, table, asking), asking.budget.context, asking.budget.max_tokens, wanted)


def ask(request: Request, asking: Asking, read: Callable[[str], list[Entry]]) -> list[Entry]:
    """The entries that a request is answered with, from disk if it was answered before; only an answer that can be read is kept."""
    name = answers.name_of(asking.backend.name, request)
    kept = answers.load(asking.folder, name) if asking.folder else None
    text, usage = kept or collect(asking.backend, request)
    entries = read(text)
    asking.costs.add(usage, request, text, from_disk=kept is not None)
    if asking.folder and kept is None:
        answers.keep(asking.folder, name, text, usage)
    return entries


def collect(backend: Backend, request: Request) -> tuple[str, Usage]:
    """A whole answer and what it cost."""
    pieces: list[str] = []
    stream = backend.stream(request)
    while True:
        try:
            pieces.append(next(stream))
        except StopIteration as end:
            return "".join(pieces), end.value


IsSupported = Callable[[str], bool]


def part_entries(
    rows: Sequence[Row], table: Callable[[Sequence[Row]], str], asking: Asking, is_supported: IsSupported
) -> list[Entry]:
    """The entries of one part; a part that is too long for the server, or that it cannot answer, is halved and asked again."""
    request = part_request(rows, table(rows), asking)
    try:
        if not asking.fits(request.prompt):
            raise ContextOverflow(f"{asking.backend.name}: a part is longer than {asking.budget.room} tokens")
        found = ask(request, asking, lambda text: read_answer(text, asking.backend.name))
    except (ContextOverflow, Broken) as error:
        if len(rows) < 2:
            raise
        asking.say(f"{error}; asking for its halves instead")
        return [entry for half in halves(rows) for entry in part_entries(half, table, asking, is_supported)]
    with asking.costs.lock:
        return validated(found, rows, is_supported, asking.mistakes)


def all_entries(
    parts: Sequence[Sequence[Row]], table: Callable[[Sequence[Row]], str], asking: Asking, is_supported: IsSupported
) -> list[Entry]:
    """The merged entries of all parts, several asked for at a time; the first error stops the rest."""
    executor = ThreadPoolExecutor(asking.parallel)
    try:
        found: list[Entry] = []
        jobs = [executor.submit(part_entries, part, table, asking, is_supported) for part in parts]
        for done, job in enumerate(jobs, 1):
            found += job.result()
            asking.progress(done, len(parts))
    finally:
        executor.shutdown(cancel_futures=True)
    return merged(found)


# From parts to prose


def reduced(rows: Sequence[Row], asking: Asking, is_supported: IsSupported) -> list[Entry]:
    """Entries of the whole table, few enough that the question fits below them."""
    entries = all_entries(cut(rows, asking), grouped_text, asking, is_supported)
    while not asking.fits(final_message(entries, asking)):
        fewer = _again(entries, rows, asking, is_supported)
        if len(fewer) > 0.9 * len(entries):
            asking.say(f"the model did not shorten {len(entries)} entries; putting neighbours together by rule")
            fewer = folded(entries)
        if len(fewer) == len(entries):
            raise LLMError(f"{asking.backend.name}: one entry does not fit into {asking.budget.room} tokens; raise --context")
        entries = fewer
    return entries


def _again(entries: Sequence[Entry], rows: Sequence[Row], asking: Asking, is_supported: IsSupported) -> list[Entry]:
    """The next level: groups of entries that fit, each asked for fewer entries over the same rows."""
    groups = _groups(entries, asking)
    spans = [_rows_between(rows, group[0].onset, max(entry.offset for entry in group)) for group in groups]

    def text(part: Sequence[Row]) -> str:
        inside = [entry for entry in entries if entry.onset < part[-1].offset and entry.offset > part[0].onset]
        return entries_text(inside)

    return all_entries([span for span in spans if span], text, asking, is_supported)


def _groups(entries: Sequence[Entry], asking: Asking) -> list[Sequence[Entry]]:
    """Entries in runs whose messages fit; at least one entry each."""
    groups: list[Sequence[Entry]] = []
    start = 0
    while start < len(entries):
        rest = entries[start:]
        count = _longest_fit(len(rest), partial(_group_fits, rest, asking))
        groups.append(rest[: max(count, 1)])
        start += max(count, 1)
    return groups


def _group_fits(entries: Sequence[Entry], asking: Asking, count: int) -> bool:
    span = Row("", entries[0].onset, max(entry.offset for entry in entries[:count]), "", ())
    return asking.fits(part_message([span], entries_text(entries[:count]), asking))


def _rows_between(rows: Sequence[Row], onset: float, offset: float) -> list[Row]:
    """The rows of [onset, offset), those at its ends clipped to it."""
    inside = [row for row in rows if row.onset < offset and row.offset > onset]
    return [row._replace(onset=max(row.onset, onset), offset=min(row.offset, offset)) for row in inside]


def final_message(entries: Sequence[Entry], asking: Asking) -> str:
    """The question itself, over entries instead of rows."""
    return compose(asking.note + entries_text(entries), asking.prompt)


# Saying it beforehand


@dataclass(frozen=True, slots=True)
class Plan:
    """What a summary will take, before anyone is asked."""

    requests: list[Request]  # exactly what is sent first: one, or one for each part
    calls: int  # with the later ones, at most unless parts have to be halved
    tokens: int  # of all prompts and answers, at most


def plan(rows: Sequence[Row], asking: Asking) -> Plan:
    """How many calls and tokens a summary takes; later calls are counted as if every answer were as long as it may be."""
    message = whole(rows, asking)
    budget = asking.budget
    if message is not None:
        return Plan([asking.request(message)], 1, asking.size(message) + budget.max_tokens)
    parts = cut(rows, asking)
    requests = [part_request(part, grouped_text(part), asking) for part in parts]
    calls, n_parts = len(parts), len(parts)
    while n_parts * budget.max_tokens > budget.room and n_parts > 1:
        n_parts = ceil(n_parts * budget.max_tokens / budget.room) if budget.max_tokens < budget.room else ceil(n_parts / 2)
        calls += n_parts
    sent = sum(asking.size(request.prompt) for request in requests)
    return Plan(requests, calls + 1, sent + (calls + 1 - len(parts)) * budget.room + (calls + 1) * budget.max_tokens)
