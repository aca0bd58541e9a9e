"""`audiolog summarize`: cells or rows in, a written log out."""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from typer import Argument, Exit, Option

from audiolog_cli import terminal
from audiolog_cli.commands.inputs import record_input
from audiolog_cli.commands.needs import Heading, needs, not_with
from audiolog_cli.commands.options import MaxGap, MinDuration, Quiet

if TYPE_CHECKING:
    from audiolog_cli.llm.asking import Asking
    from audiolog_cli.llm.log import Log
    from audiolog_cli.llm.prompts import Prompt
    from audiolog_cli.llm.recording import Recording

OF_A_MODEL = needs("--llm", why="the outline asks no language model")

LogFormat = Literal["text", "json"]
CheckMode = Literal["off", "warn", "repair", "strict"]  # what to do with a log that claims what the table does not say
By = Literal["auto", "whole", "section"]  # how a language model is asked; see llm/log.py


def summarize(
    files: Annotated[
        list[str] | None,
        Argument(metavar="[FILE|-]...", help="Cells or rows, as `tag` and `table` write them; - is stdin.", show_default=False),
    ] = None,
    prompt: Annotated[str, Option(help="overview, timing, brief, or a Markdown file with your own question.")] = "overview",
    ask: Annotated[
        str,
        Option(metavar="TEXT", help="A question of your own instead of a prompt."),
        OF_A_MODEL,
        not_with("--prompt"),
    ] = "",
    list_prompts: Annotated[bool, Option("--list-prompts", help="List the prompts and exit.")] = False,
    max_gap: MaxGap = 0.0,
    min_duration: MinDuration = 0.0,
    together: Annotated[bool, Option("--together", help="One log for all recordings, in the order of their times.")] = False,
    format: Annotated[LogFormat, Option(help="text, or one JSON object per log and line.")] = "text",
    llm: Annotated[
        str,
        Option(
            help="outline (no LLM), local, gguf:PATH, ollama:MODEL, openai:MODEL, qianfan:MODEL, spark:MODEL, or URL#MODEL.",
        ),
        Heading("Language model"),
    ] = "outline",
    by: Annotated[
        By,
        Option(
            help="Ask about the whole table at once or section by section; auto: whole if it fits and the model is not small.",
        ),
        OF_A_MODEL,
    ] = "auto",
    language: Annotated[str, Option(help="Language of the answer, as you would name it."), OF_A_MODEL] = "",
    context: Annotated[
        int,
        Option(min=0, help="Tokens the model holds, prompt and answer; 0 asks the server."),
        OF_A_MODEL,
    ] = 0,
    max_tokens: Annotated[int, Option(min=1, help="Tokens kept free for the answer."), OF_A_MODEL] = 1024,
    timeout: Annotated[
        float, Option(min=0.1, help="Seconds without a byte from the server before giving up."), OF_A_MODEL
    ] = 300.0,
    keep_alive: Annotated[
        str,
        Option(help="How long the model stays in memory, such as 5m."),
        needs("--llm ollama"),
    ] = "",
    parallel: Annotated[
        int,
        Option(min=1, help="Requests in parallel, when asking section by section."),
        OF_A_MODEL,
        not_with("--by whole"),
    ] = 2,
    cache: Annotated[
        str,
        Option(metavar="DIR", help="Where finished answers are kept; `off` keeps none."),
        OF_A_MODEL,
    ] = "",
    dry_run: Annotated[
        bool,
        Option(
            "--dry-run",
            help="Print what would be sent first, and how many calls and tokens it would take at most; ask nothing.",
        ),
        OF_A_MODEL,
    ] = False,
    check: Annotated[
        CheckMode | None,
        Option(
            help="Check a log against its table. repair, the default for a language model, corrects and completes it; warn marks "
            "what is wrong; strict also exits with code 5; off is the default for the outline.",
            show_default=False,
        ),
        Heading("Check"),
        not_with("--llm outline", when="repair", why="the outline is the table's own words"),
    ] = None,
    check_only: Annotated[
        str,
        Option(metavar="LOG", help="Check this log against the table instead of writing one."),
        not_with("--llm", "--dry-run"),
    ] = "",
    retry: Annotated[
        int,
        Option(min=0, help="Ask again up to this many times, with the list of mistakes, for an answer in one piece."),
        OF_A_MODEL,
        not_with("--by section", "--check off"),
    ] = 0,
    quiet: Quiet = False,
) -> None:
    """Write a log of what was heard, and when.

    Without --llm, `outline` writes it by rule, from the table alone. A language model gets the table and the question, never
    audio. Keys come from OPENAI_API_KEY, QIANFAN_API_KEY, SPARK_API_PASSWORD or AUDIOLOG_API_KEY.

    Example: audiolog tag rec.wav | audiolog summarize --prompt timing --llm ollama:llama3.2
    """
    from audiolog_cli.llm import prompts
    from audiolog_cli.llm.compact import note
    from audiolog_cli.llm.recording import recordings
    from audiolog_cli.llm.recording import together as joined
    from audiolog_cli.rows import TableOptions

    if list_prompts:
        terminal.write_lines(f"{each.name}\t{each.description}\n" for each in prompts.listed(prompts.own_folder(os.environ)))
        return
    question = (
        prompts.Prompt("ask", ask, language=language) if ask else prompts.find(prompt, prompts.own_folder(os.environ), language)
    )
    has_model = llm != "outline" and not check_only
    mode = check or ("repair" if has_model else "warn" if check_only else "off")
    output, table = Output(format, mode), TableOptions(max_gap=max_gap, min_duration=min_duration)
    with ExitStack() as stack:
        writer: Writer
        if has_model:
            from audiolog_cli.llm.endpoint import Connection, open_asking

            connection = Connection(timeout, keep_alive, parallel, context, max_tokens)
            opened = stack.enter_context(open_asking(llm, question, connection, os.environ, terminal.say, dry_run))
            asking = replace(opened, folder=_cache(cache), note=note(max_gap, min_duration))
            writer = Planner(asking, by, format) if dry_run else Asker(asking, by, retry, output)
        elif not check_only:
            writer = Outliner(question, output)
        each = recordings(stack.enter_context(record_input(files or ["-"])), table)
        logs = iter([joined(each)]) if together else each
        terminal.write_lines(_check_only(check_only, logs, output) if check_only else _all(logs, writer, output))
    output.end()


# The stream of logs


@dataclass(slots=True)
class Output:
    """How logs are printed, and their outcomes so far."""

    format: LogFormat
    mode: CheckMode
    logs: int = 0  # recordings that succeeded
    failed: int = 0  # recordings that had failed upstream
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
        if self.format == "json":
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
        from audiolog_cli.errors import CheckError, InputError

        if self.failed and not self.logs:
            raise InputError("no recording could be summarised")
        if self.wrong and self.mode == "strict":
            names = ", ".join(self.wrong)
            raise CheckError(f"the log of {names} claims what the table does not say; the claims are marked, --retry asks again")
        if self.failed:
            raise Exit(3)


@dataclass(slots=True)
class Queue:
    """Recordings, each to be used up before the next; can tell whether there is more than one."""

    left: "Iterator[Recording]"
    taken: int = 0
    following: "Recording | None" = None

    def next(self) -> "Recording | None":
        """The next recording, None at the end."""
        recording, self.following = self.following or next(self.left, None), None
        self.taken += recording is not None
        return recording

    def is_several(self) -> bool:
        """Whether there is more than one; to be called when the current one's rows have been read."""
        self.following = self.following or next(self.left, None)
        return self.taken > 1 or self.following is not None


Writer = Callable[["Recording", Queue], Iterator[str]]  # makes a log of a recording: its pieces, as they come


def _all(recordings: "Iterator[Recording]", write: Writer, output: Output) -> Iterator[str]:
    """The logs of all recordings, separated by empty lines."""
    queue = Queue(recordings)
    recording = queue.next()
    if recording is None:
        terminal.say("the table has no rows: there is nothing to summarise")
    while recording is not None:
        if queue.taken > 1 and output.format == "text":
            yield "\n"
        yield from write(recording, queue)
        output.failed += recording.failure is not None
        output.logs += recording.failure is None
        if recording.failure is not None:
            terminal.complain(f"the log is of an unfinished table: {recording.failure}")
        recording = queue.next()


# Who writes


@dataclass(frozen=True, slots=True)
class Outliner:
    """Writes the outline, line by line as the table is read, unless it is to be checked or put into JSON."""

    question: "Prompt"
    output: Output

    def __post_init__(self) -> None:
        from audiolog_cli.errors import UsageError
        from audiolog_cli.llm.outline import WRITERS

        if self.question.name not in WRITERS:
            raise UsageError(
                f"the outline answers only the prompts {', '.join(WRITERS)}; for a question of your own name an LLM with --llm"
            )
        terminal.say(
            "this log is an outline, written by rule; for a language model add --llm local, ollama:MODEL, openai:MODEL or "
            "URL#MODEL"
        )

    def __call__(self, recording: "Recording", queue: Queue) -> Iterator[str]:
        if self.output.format == "text" and not self.output.is_checked:
            from audiolog_cli.llm.outline import outline

            yield from (line + "\n" for line in outline(recording, self.question.name))
            return
        from audiolog_cli.llm.log import by_outline

        yield self.output.shown(by_outline(recording, list(recording.rows), self.question.name, self.output.is_checked))


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks the language model; text written section by section is printed as it comes, unless claims in it may be marked."""

    asking: "Asking"
    by: By
    retry: int
    output: Output

    def __call__(self, recording: "Recording", queue: Queue) -> Iterator[str]:
        from audiolog_cli.errors import LLMError
        from audiolog_cli.llm.asking import Costs

        asking = replace(self.asking, costs=Costs())
        started = time.monotonic()
        try:
            yield from self._written(recording, queue, asking)
        except (LLMError, KeyboardInterrupt):
            if asking.folder and asking.costs.calls + asking.costs.kept:
                terminal.say(f"finished answers are kept in {asking.folder}; the same command goes on from there")
            raise
        if asking.costs.calls + asking.costs.kept:
            _say_costs(asking, time.monotonic() - started)

    def _written(self, recording: "Recording", queue: Queue, asking: "Asking") -> Iterator[str]:
        from audiolog_cli.llm.backend import Pieces
        from audiolog_cli.llm.log import by_model

        output, printed = self.output, False
        as_it_comes = output.format == "text" and output.mode in ("off", "repair")
        writing = Pieces(by_model(recording, asking, self.by, output.mode == "repair", self.retry, output.is_checked))
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
            needs_heading = log.in_one_piece and output.format == "text" and queue.is_several()
            yield (f"Log of {recording.title}\n\n" if needs_heading else "") + output.shown(log, asking)
        if log.rows and output.mode == "repair":
            n_model, n_table = log.sentences("model"), log.sentences("table")
            english = ", in English" if n_table and asking.prompt.language else ""
            terminal.say(
                f"log of {recording.filename}: {n_model} sentences are the model's, {n_table} lines the table's{english}"
            )


@dataclass(frozen=True, slots=True)
class Planner:
    """Prints the messages that would be sent first, and reports how many calls there would be."""

    asking: "Asking"
    by: By
    format: LogFormat

    def __call__(self, recording: "Recording", queue: Queue) -> Iterator[str]:
        from audiolog_cli.llm.log import planned

        requests = planned(recording, self.asking, self.by)
        tokens = sum(self.asking.size(request) + request.max_tokens for request in requests)
        if self.format == "json":
            yield from (json.dumps(asdict(request), ensure_ascii=False) + "\n" for request in requests)
        else:
            yield "\n\n".join(request.text for request in requests) + "\n"
        terminal.say(
            f"{recording.filename}: {len(requests)} calls of at most {tokens} tokens together, answers included, "
            f"with a context of {self.asking.budget.context}; repairs can double that"
        )


def _check_only(path: str, recordings: "Iterator[Recording]", output: Output) -> Iterator[str]:
    """Check a log from a file."""
    from audiolog_cli.check.claims import check
    from audiolog_cli.check.facts import table_of
    from audiolog_cli.errors import UsageError
    from audiolog_cli.llm.log import Log, section_parts

    with terminal.text_input(path) as (stream, _):
        text = stream.read().strip()
    recording = next(recordings, None)
    if recording is None:
        terminal.say("the table has no rows: there is nothing to check against")
        return
    rows = list(recording.rows)
    if next(recordings, None) is not None:
        raise UsageError("--check-only: one log, and a table of several recordings; pick one recording, or add --together")
    report = check(text, table_of(rows, recording.duration))
    output.logs += 1
    yield output.shown(Log(recording.filename, path, "check", text, section_parts(rows), rows, report))


# What asking needs


def _say_costs(asking: "Asking", seconds: float) -> None:
    costs = asking.costs
    cached = f" ({costs.cached_tokens} of them still known to the server)" if costs.cached_tokens else ""
    kept = f", {costs.kept} answers from disk" if costs.kept else ""
    terminal.say(
        f"{asking.backend.name}: {costs.calls} calls, {costs.prompt_tokens} tokens sent{cached}, {costs.answer_tokens} received, "
        f"{seconds:.1f} s{kept}"
    )


def _cache(folder: str) -> Path | None:
    """Where finished answers are kept."""
    if folder == "off":
        return None
    return Path(folder or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "audiolog" / "answers")
