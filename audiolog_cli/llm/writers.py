"""Who writes the logs of `summarize`, and how they are printed: the outline, a language model, a plan of its requests.

In: recordings, one after the other. Out: the text for stdout, piece by piece; checks and costs are reported on stderr. What
checks a log and asks a model is imported where it is needed: a plain outline is written in less time than those imports take.
"""

import json
import os
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING

from audiolog_cli import terminal
from audiolog_cli.errors import CheckError, InputError, LLMError, UsageError
from audiolog_cli.llm.outline import WRITERS, outline
from audiolog_cli.llm.prompts import Prompt, find, own_folder
from audiolog_cli.llm.recording import Recording
from audiolog_cli.tally import Tally
from audiolog_cli.wording import counted

if TYPE_CHECKING:
    from audiolog_cli.llm.asking import Asking
    from audiolog_cli.llm.endpoint import AskKeywords
    from audiolog_cli.llm.log import Log


@dataclass(slots=True)
class Output:
    """How logs are printed, and their outcomes so far."""

    as_json: bool
    mode: str  # off, warn, repair or strict: what to do with a log that claims what the table does not say
    tally: Tally = field(default_factory=Tally)  # a recording that had failed upstream counts as failed
    wrong: list[str] = field(default_factory=list)  # recordings whose log claims what the table does not say

    @property
    def is_checked(self) -> bool:
        """Whether logs are checked against their tables."""
        return self.mode != "off"

    def shown(self, log: "Log", asking: "Asking | None" = None) -> str:
        """A finished log as it is printed; the result of its check is reported."""
        from audiolog_cli.check.claims import marked
        from audiolog_cli.llm.log import document

        self.said(log)
        if self.as_json:
            return json.dumps(document(log, asking.costs if asking else None), ensure_ascii=False) + "\n"
        return (marked(log.text, log.report) if log.report else log.text) + "\n"

    def said(self, log: "Log") -> None:
        """Report the check of a log in one line, plus a line for each wrong claim."""
        report = log.report
        if report is None:
            return
        right = len(report.claims) - len(report.wrong)
        share = "" if report.precision is None else f" ({report.precision:.0%})"
        covered = f"{report.rows_covered:.0%} of the rows and {report.labels_covered:.0%} of the labels spoken of"
        terminal.say(f"check of {log.filename}: {right} of {len(report.claims)} claims are in the table{share}, {covered}")
        for claim in report.wrong:
            terminal.say(f"check of {log.filename}: {claim.text!r}: {claim.problem}")
        if report.wrong:
            self.wrong.append(log.filename)

    def end(self) -> None:
        """Raise the error or exit code of the run over all recordings."""
        if self.tally.failed and not self.tally.done:
            raise InputError("no recording could be summarised")
        if self.wrong and self.mode == "strict":
            names = ", ".join(self.wrong)
            raise CheckError(f"the log of {names} claims what the table does not say; the claims are marked, --retry asks again")
        self.tally.end()


AreSeveral = Callable[[], bool]  # whether there is more than one recording; for when the current one's rows have been read
Writer = Callable[[Recording, AreSeveral], Iterator[str]]  # makes a log of a recording: its pieces, as they come


def written(recordings: Iterator[Recording], write: Writer, output: Output) -> Iterator[str]:
    """The logs of all recordings; as text, separated by empty lines."""
    taken, ahead = 0, deque[Recording]()  # at most one is ahead

    def are_several() -> bool:
        ahead.extend(islice(recordings, 1 - len(ahead)))
        return taken > 1 or bool(ahead)

    while (recording := ahead.popleft() if ahead else next(recordings, None)) is not None:
        taken += 1
        if taken > 1 and not output.as_json:
            yield "\n"
        yield from write(recording, are_several)
        if recording.failure is None:
            output.tally.done += 1
        else:
            output.tally.fail(f"the log is of an unfinished table: {recording.failure}")
    if not taken:
        terminal.say("the table has no rows: there is nothing to summarise")


# Who writes


def outliner(question: Prompt, output: Output) -> Writer:
    """Writes the outline, line by line as the table is read, unless it is to be checked or put into JSON."""
    if question.name not in WRITERS:
        raise UsageError(
            f"the outline answers only the prompts {', '.join(WRITERS)}; for a question of your own name an LLM with --llm"
        )
    terminal.say(
        "this log is an outline, written by rule; for a language model add --llm local, ollama:MODEL, openai:MODEL or URL#MODEL"
    )

    def write(recording: Recording, several: AreSeveral) -> Iterator[str]:
        if not (output.as_json or output.is_checked):
            yield from (line + "\n" for line in outline(recording, question.name))
            return
        from audiolog_cli.llm.log import by_outline

        yield output.shown(by_outline(recording, list(recording.rows), question.name, output.is_checked))

    return write


def asker(asking: "Asking", by: str, retry: int, output: Output) -> Writer:
    """Asks the language model, `by` as in `log.by_model`, and reports what that cost."""
    from audiolog_cli.llm.asking import Costs

    def write(recording: Recording, several: AreSeveral) -> Iterator[str]:
        own = replace(asking, costs=Costs())
        started = time.monotonic()
        try:
            yield from _by_model(own, by, retry, output, recording, several)
        except (LLMError, KeyboardInterrupt):
            if own.folder and own.costs.calls + own.costs.kept:
                terminal.say(f"finished answers are kept in {own.folder}; the same command goes on from there")
            raise
        if own.costs.calls + own.costs.kept:
            _say_costs(own, time.monotonic() - started)

    return write


def _by_model(asking: "Asking", by: str, retry: int, output: Output, recording: Recording, several: AreSeveral) -> Iterator[str]:
    """Text written section by section is printed as it comes, unless claims in it may be marked."""
    from audiolog_cli.llm.backend import Pieces
    from audiolog_cli.llm.log import by_model

    printed, as_it_comes = False, not output.as_json and output.mode in ("off", "repair")
    writing = Pieces(by_model(recording, asking, by, output.mode == "repair", retry, output.is_checked))
    for piece in writing:
        if as_it_comes:
            printed = True
            yield piece
    log = writing.value
    if not log.rows:
        terminal.say(f"{recording.filename}: nothing was analysed, there is nothing to ask")
    elif printed:
        output.said(log)
    else:
        needs_heading = log.in_one_piece and not output.as_json and several()
        yield (f"Log of {recording.title}\n\n" if needs_heading else "") + output.shown(log, asking)
    if log.rows and output.mode == "repair":
        n_model, n_table = log.sentences("model"), log.sentences("table")
        english = ", in English" if n_table and asking.prompt.language else ""
        terminal.say(
            f"log of {recording.filename}: {n_model} sentence{' is' if n_model == 1 else 's are'} the model's, "
            f"{counted(n_table, 'line')} the table's{english}"
        )


def planner(asking: "Asking", by: str, as_json: bool) -> Writer:
    """Prints the messages that would be sent first, and reports how many calls there would be."""
    from audiolog_cli.llm.clean import printable
    from audiolog_cli.llm.log import planned

    def write(recording: Recording, several: AreSeveral) -> Iterator[str]:
        requests = planned(recording, asking, by)
        tokens = sum(asking.size(request) + request.max_tokens for request in requests)
        if as_json:
            yield from (json.dumps(asdict(request), ensure_ascii=False) + "\n" for request in requests)
        else:
            yield "\n\n".join(printable(request.text) for request in requests) + "\n"
        terminal.say(
            f"{recording.filename}: {counted(len(requests), 'call')} of at most {tokens} tokens together, answers included, "
            f"with a context of {asking.budget.context}; repairs can double that"
        )

    return write


def checked(path: str, recordings: Iterator[Recording], output: Output) -> Iterator[str]:
    """Check a log from a file."""
    from audiolog_cli.check.claims import check
    from audiolog_cli.check.facts import table_of
    from audiolog_cli.llm.clean import printable
    from audiolog_cli.llm.log import Log, section_parts

    text = printable(terminal.read_text(path)).strip()
    if not text:
        raise InputError(f"{path}: empty, expected a log")
    recording = next(recordings, None)
    if recording is None:
        terminal.say("the table has no rows: there is nothing to check against")
        return
    rows = list(recording.rows)
    if next(recordings, None) is not None:
        raise UsageError("--check-only: one log, and a table of several recordings; pick one recording, or add --together")
    report = check(text, table_of(rows, recording.duration))
    output.tally.done += 1
    yield output.shown(Log(recording.filename, path, "check", text, section_parts(rows), rows, report))


def _say_costs(asking: "Asking", seconds: float) -> None:
    costs = asking.costs
    cached = f" ({costs.cached_tokens} of them still known to the server)" if costs.cached_tokens else ""
    kept = f", {costs.kept} answers from disk" if costs.kept else ""
    terminal.say(
        f"{asking.backend.name}: {counted(costs.calls, 'call')}, {costs.prompt_tokens} tokens sent{cached}, "
        f"{costs.answer_tokens} received, {seconds:.1f} s{kept}"
    )


# For callers in Python


def logs_by_model(each: Iterable[Recording], llm: str, prompt: str, language: str, options: "AskKeywords") -> list[str]:
    """The logs of recordings, checked and repaired; what a command says on stderr becomes Python warnings."""
    from audiolog_cli.llm.backend import Pieces
    from audiolog_cli.llm.endpoint import Connection, open_asking
    from audiolog_cli.llm.log import by_model

    question, connection = find(prompt, own_folder(os.environ), language), Connection(**options)
    with open_asking(llm, question, connection, os.environ, warnings.warn) as asking:
        logs = []
        for recording in each:
            for _ in (writing := Pieces(by_model(recording, asking, "auto", repair=True, retries=0, checked=True))):
                pass  # the log is whole at the end
            logs.append((recording.title, writing.value))
    several = len(logs) > 1
    return [(f"Log of {title}\n\n" if several and log.in_one_piece else "") + log.text for title, log in logs if log.rows]
