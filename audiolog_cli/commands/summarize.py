"""`audiolog summarize`: cells or rows in, a log in words out."""

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audiolog_cli import terminal
from audiolog_cli.commands.inputs import record_input
from audiolog_cli.commands.options import Quiet

if TYPE_CHECKING:
    from audiolog_cli.llm.backend import Backend
    from audiolog_cli.llm.log import Log
    from audiolog_cli.llm.long_tables import Asking
    from audiolog_cli.llm.prompts import Prompt
    from audiolog_cli.llm.recording import Recording
    from audiolog_cli.records import Row

DEFAULT_CONTEXT = 8192  # tokens: what a local model can usually be given
SMALL_CONTEXT = 4096  # tokens: assumed of a server that does not say


class LogFormat(StrEnum):
    """The formats of `summarize`."""

    text = "text"
    json = "json"


@dataclass(slots=True)
class Done:
    """How many recordings went well, and how many had failed upstream."""

    logs: int = 0
    failed: int = 0


# A recording, and a function that says, once its rows are read, whether it is one of several -> the pieces of its log.
Write = Callable[["Recording", Callable[[], bool]], Iterator[str]]


class CheckMode(StrEnum):
    """What happens with a log that claims what the table does not say."""

    off = "off"
    warn = "warn"
    strict = "strict"


def summarize(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE|-]...", help="Cells or rows, as `tag` and `table` write them; - is stdin.", show_default=False
        ),
    ] = None,
    prompt: Annotated[str, typer.Option(help="overview, timing, brief, or a Markdown file with your own question.")] = "overview",
    ask: Annotated[str, typer.Option(metavar="TEXT", help="A question of your own instead of a prompt.")] = "",
    list_prompts: Annotated[bool, typer.Option("--list-prompts", help="List the prompts and exit.")] = False,
    language: Annotated[str, typer.Option(help="Language of a language model's answer, as you would name it.")] = "",
    llm: Annotated[
        str, typer.Option(help="outline (no LLM), ollama:MODEL, openai:MODEL, qianfan:MODEL, spark:MODEL, or URL#MODEL.")
    ] = "outline",
    context: Annotated[int, typer.Option(min=0, help="Tokens the model holds, prompt and answer; 0 asks the server.")] = 0,
    max_tokens: Annotated[int, typer.Option(min=1, help="Tokens kept free for the answer.")] = 1024,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for the server without a byte.")] = 300.0,
    keep_alive: Annotated[str, typer.Option(help="Ollama: how long the model stays in memory, as 5m.")] = "",
    parallel: Annotated[int, typer.Option(min=1, help="Requests at a time for a table longer than the context.")] = 2,
    cache: Annotated[str, typer.Option(metavar="DIR", help="Where finished parts are kept; `off` keeps none.")] = "",
    max_gap: Annotated[float, typer.Option(min=0.0, help="Bridge pauses of one event up to this many seconds.")] = 0.0,
    min_duration: Annotated[float, typer.Option(min=0.0, help="Drop events shorter than this many seconds.")] = 0.0,
    together: Annotated[
        bool, typer.Option("--together", help="One log for all recordings, in the order of their times.")
    ] = False,
    check: Annotated[
        CheckMode | None,
        typer.Option(help="Hold a log against its table; warn for a language model, off for the outline.", show_default=False),
    ] = None,
    check_only: Annotated[str, typer.Option(metavar="LOG", help="Check this log against the table and write no other.")] = "",
    retry: Annotated[int, typer.Option(min=0, help="Ask again this often, with the list of mistakes.")] = 0,
    format: Annotated[LogFormat, typer.Option(help="text, or one JSON object a line for each log.")] = LogFormat.text,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be sent first, ask for no answer.")] = False,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Print how many calls and tokens it takes, ask for no answer.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Write a log of what was heard, and when.

    Without --llm, `outline` writes it by rule, from the table alone. A language model gets the table and the question, never audio.
    Keys come from OPENAI_API_KEY, QIANFAN_API_KEY, SPARK_API_PASSWORD or AUDIOLOG_API_KEY.

    Example: audiolog tag rec.wav | audiolog summarize --prompt timing --llm ollama:llama3.2
    """
    from audiolog_cli.errors import CheckError, InputError
    from audiolog_cli.llm import prompts
    from audiolog_cli.llm.budget import Budget
    from audiolog_cli.llm.compact import note
    from audiolog_cli.llm.endpoint import Connection, open_backend
    from audiolog_cli.llm.long_tables import Asking
    from audiolog_cli.llm.recording import recordings
    from audiolog_cli.llm.recording import together as joined
    from audiolog_cli.rows import TableOptions

    if list_prompts:
        terminal.write_lines(f"{each.name}\t{each.description}\n" for each in prompts.listed(_prompts_folder()))
        return
    question = prompts.Prompt("ask", ask, language=language) if ask else prompts.find(prompt, _prompts_folder(), language)
    checking = check or (CheckMode.off if llm == "outline" and not check_only else CheckMode.warn)
    wrong: list[str] = []

    def report(log: "Log") -> None:
        if log.report is not None:
            _say_report(log)
            if log.report.wrong:
                wrong.append(log.filename)

    if check_only:
        write = _checker(check_only, format, report)
    elif llm == "outline":
        write = _outliner(question, format, checking, report)
    else:
        backend = open_backend(llm, Connection(timeout, keep_alive), os.environ, terminal.say)
        budget = Budget(_context(backend, context, dry_run or estimate), max_tokens)
        budget.check()
        asking = Asking(backend, budget, question, parallel, _cache(cache), _progress, terminal.say, note(max_gap, min_duration))
        write = _planner(asking, dry_run, format) if dry_run or estimate else _asker(asking, retry, format, checking, report)
    done = Done()
    with record_input(files or ["-"]) as records:
        each = recordings(records, TableOptions(max_gap=max_gap, min_duration=min_duration))
        logs = iter([joined(each)]) if together else each
        terminal.write_lines(_all(logs, write, done))
    if done.failed and not done.logs:
        raise InputError("no recording could be summarised")
    if wrong and checking is CheckMode.strict:
        raise CheckError(
            f"the log of {', '.join(wrong)} claims what the table does not say; the claims are marked, --retry asks again"
        )
    if done.failed:
        raise typer.Exit(3)


def _all(recordings: Iterator["Recording"], write: Write, done: Done) -> Iterator[str]:
    """The logs of all recordings, an empty line between two."""
    following: list[Recording] = []

    def several() -> bool:
        """Whether there is more than one; asked when the current rows have been read."""
        if not following:
            following.extend(upcoming for upcoming in [next(recordings, None)] if upcoming is not None)
        return bool(following) or done.logs + done.failed > 0

    recording = next(recordings, None)
    if recording is None:
        terminal.say("the table has no rows: there is nothing to summarise")
    while recording is not None:
        if done.logs + done.failed:
            yield "\n"
        yield from write(recording, several)
        done.failed += recording.failure is not None
        done.logs += recording.failure is None
        if recording.failure is not None:
            terminal.complain(f"the log is of an unfinished table: {recording.failure}")
        several()
        recording = following.pop() if following else None


def _outliner(question: "Prompt", format: LogFormat, checking: CheckMode, report: Callable[["Log"], None]) -> Write:
    """Writes the outline; line by line as the table is read, unless it is to be checked or put into JSON."""
    from audiolog_cli.errors import UsageError
    from audiolog_cli.llm.log import by_outline
    from audiolog_cli.llm.outline import WRITERS, outline

    if question.name not in WRITERS:
        raise UsageError(
            f"the outline answers only the prompts {', '.join(WRITERS)}; for a question of your own name an LLM with --llm"
        )
    terminal.say(
        "this log is an outline, written by rule; for a language model add --llm ollama:MODEL, openai:MODEL or URL#MODEL"
    )

    def write(recording: "Recording", several: Callable[[], bool]) -> Iterator[str]:
        if format is LogFormat.text and checking is CheckMode.off:
            yield from (line + "\n" for line in outline(recording, question.name))
            return
        rows = list(recording.rows)
        log = by_outline(recording, rows, question.name, checking is not CheckMode.off)
        report(log)
        yield _shown(log, rows, format)

    return write


def _asker(base: "Asking", retry: int, format: LogFormat, checking: CheckMode, report: Callable[["Log"], None]) -> Write:
    """Asks the language model; its words pass straight through where nothing is to be checked."""
    from audiolog_cli.check.claims import table_of
    from audiolog_cli.errors import LLMError
    from audiolog_cli.llm.log import by_model, prose

    def write(recording: "Recording", several: Callable[[], bool]) -> Iterator[str]:
        rows = list(recording.rows)
        asking = _for(recording, rows, base)
        heading = f"Log of {recording.filename}\n\n" if several() and format is LogFormat.text else ""
        if not rows:
            terminal.say(f"{recording.filename}: nothing was analysed, there is nothing to ask")
            return
        started = time.monotonic()
        try:
            if format is LogFormat.text and checking is CheckMode.off:
                yield heading
                yield from prose(rows, asking, table_of(rows, recording.duration))
                yield "\n"
            else:
                log = by_model(recording, rows, asking, retry, checking is not CheckMode.off)
                report(log)
                yield heading + _shown(log, rows, format, asking)
        except (LLMError, KeyboardInterrupt):
            if asking.folder and asking.costs.calls + asking.costs.kept:
                terminal.say(f"finished parts are kept in {asking.folder}; the same command goes on from there")
            raise
        _say_costs(asking, time.monotonic() - started)

    return write


def _planner(asking: "Asking", dry_run: bool, format: LogFormat) -> Write:
    """Prints the messages that would be sent first, or how much asking there will be."""
    from audiolog_cli.llm.long_tables import plan

    header = "filename\tcalls\ttokens\tcontext\n"

    def write(recording: "Recording", several: Callable[[], bool]) -> Iterator[str]:
        nonlocal header
        rows = list(recording.rows)
        planned = plan(rows, _for(recording, rows, asking))
        if not dry_run:
            yield header + f"{recording.filename}\t{planned.calls}\t{planned.tokens}\t{asking.budget.context}\n"
            header = ""
            return
        if format is LogFormat.json:
            yield from (json.dumps(asdict(request), ensure_ascii=False) + "\n" for request in planned.requests)
            return
        yield "\n\n".join(request.prompt for request in planned.requests) + "\n"
        later = planned.calls - len(planned.requests)
        if later:
            terminal.say(f"{len(planned.requests)} messages, then at most {later} more that are made of their answers")

    return write


def _checker(path: str, format: LogFormat, report: Callable[["Log"], None]) -> Write:
    """Checks a log from a file."""
    from audiolog_cli.check.claims import check, table_of
    from audiolog_cli.errors import UsageError
    from audiolog_cli.llm.log import Log, section_entries

    with terminal.text_input(path) as (stream, _):
        text = stream.read().strip()

    def write(recording: "Recording", several: Callable[[], bool]) -> Iterator[str]:
        rows = list(recording.rows)
        if several():
            raise UsageError("--check-only: one log, and a table of several recordings; pick one recording, or add --together")
        log = Log(recording.filename, text, section_entries(rows), path, "check", check(text, table_of(rows, recording.duration)))
        report(log)
        yield _shown(log, rows, format)

    return write


def _for(recording: "Recording", rows: Sequence["Row"], asking: "Asking") -> "Asking":
    """The same way of asking, with fresh costs, and told when the recording was made if that is known."""
    from audiolog_cli.llm.entries import Mistakes
    from audiolog_cli.llm.long_tables import Costs

    start = next((f"(Second {row.onset:g} of this table is {row.time}.)\n" for row in rows[:1] if row.time), "")
    return replace(asking, note=asking.note + start, costs=Costs(), mistakes=Mistakes())


def _shown(log: "Log", rows: Sequence["Row"], format: LogFormat, asking: "Asking | None" = None) -> str:
    from audiolog_cli.check.claims import marked
    from audiolog_cli.llm.log import document

    if format is LogFormat.json:
        return json.dumps(document(log, rows, asking.costs if asking else None), ensure_ascii=False) + "\n"
    return (marked(log.text, log.report) if log.report else log.text) + "\n"


def _say_report(log: "Log") -> None:
    """The check in a line, and a line for each wrong claim."""
    report = log.report
    if report is None:
        return
    right = len(report.claims) - len(report.wrong)
    share = "" if report.precision is None else f" ({report.precision:.0%})"
    covered = f"{report.rows_covered:.0%} of the rows and {report.labels_covered:.0%} of the labels spoken of"
    terminal.say(f"check of {log.filename}: {right} of {len(report.claims)} claims are in the table{share}, {covered}")
    for claim in report.wrong:
        terminal.say(f"check of {log.filename}: {claim.text!r}: {claim.problem}")


def _say_costs(asking: "Asking", seconds: float) -> None:
    costs, mistakes = asking.costs, asking.mistakes
    kept = f", {costs.kept} answers from disk" if costs.kept else ""
    terminal.say(
        f"{asking.backend.name}: {costs.calls} calls, {costs.prompt_tokens} tokens sent, {costs.answer_tokens} received, {seconds:.1f} s{kept}"
    )
    if mistakes.rejected or mistakes.texts or mistakes.filled:
        terminal.say(
            f"of the model's entries {mistakes.rejected} were not in the table and {mistakes.texts} descriptions were wrong; both were taken out, "
            f"and {mistakes.filled} stretches that it passed over were put in from the table"
        )


def _progress(done: int, total: int) -> None:
    if total > 1 and (terminal.progress_wanted() or done == total):
        terminal.say(f"{done} of {total} parts summarised")


def _context(backend: "Backend", wanted: int, offline: bool) -> int:
    """The context to use: what is asked for, else what the server gives, at most DEFAULT_CONTEXT where it costs memory."""
    from audiolog_cli.errors import LLMError

    try:
        most = backend.max_context()
    except LLMError as error:
        if not offline:
            raise
        terminal.say(f"{error}; sizes are estimates")
        most = None
    if most is None:
        if not wanted:
            terminal.say(
                f"{backend.name} does not say how much it holds; {SMALL_CONTEXT} tokens are assumed, --context says otherwise"
            )
        return wanted or SMALL_CONTEXT
    if wanted > most:
        raise LLMError(f"{backend.name}: --context {wanted} is more than the {most} tokens that the model holds")
    return wanted or (min(most, DEFAULT_CONTEXT) if backend.name.startswith("ollama:") else most)


def _cache(folder: str) -> Path | None:
    """Where finished answers are kept."""
    if folder == "off":
        return None
    return Path(folder or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "audiolog" / "answers")


def _prompts_folder() -> Path:
    """Where a user's own prompts are looked for by name."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "audiolog" / "prompts"
