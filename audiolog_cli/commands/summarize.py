"""`audiolog summarize`: cells or rows in, a log in words out."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from audiolog_cli import terminal
from audiolog_cli.commands.options import Quiet


def summarize(
    file: Annotated[str, typer.Argument(metavar="[FILE|-]", help="Cells or rows, as `tag` and `table` write them; - is stdin.")] = "-",
    prompt: Annotated[str, typer.Option(help="overview, timing, brief, or a Markdown file with your own question.")] = "overview",
    ask: Annotated[str, typer.Option(metavar="TEXT", help="A question of your own instead of a prompt.")] = "",
    llm: Annotated[
        str, typer.Option(help="outline (no LLM), ollama:MODEL, openai:MODEL, qianfan:MODEL, spark:MODEL, or URL#MODEL.")
    ] = "outline",
    context: Annotated[int, typer.Option(min=0, help="Tokens the model holds, prompt and answer; 0 asks the server.")] = 0,
    max_tokens: Annotated[int, typer.Option(min=1, help="Tokens kept free for the answer.")] = 1024,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for the server without a byte.")] = 300.0,
    quiet: Quiet = False,
) -> None:
    """Write a log of what was heard, and when.

    Without --llm, `outline` writes it by rule, from the table alone. A language model gets the table and the question, never audio.

    Example: audiolog tag rec.wav | audiolog summarize --prompt timing --llm ollama:llama3.2
    """
    from audiolog_cli.errors import InputError, UsageError
    from audiolog_cli.llm import prompts
    from audiolog_cli.llm.recording import Recording, recordings
    from audiolog_cli.records import read

    question = prompts.Prompt("ask", ask) if ask else prompts.find(prompt, _prompts_folder())
    failed = done = 0

    def logs() -> Iterator[str]:
        nonlocal failed, done
        with terminal.text_input(file) as (stream, name):
            for recording in recordings(read(stream, name)):
                if done + failed:
                    yield "\n"
                yield from (line + "\n" for line in write(recording))
                if recording.failure is None:
                    done += 1
                else:
                    failed += 1
                    terminal.complain(f"not in the log: {recording.failure}")

    if llm == "outline":
        from audiolog_cli.llm.outline import WRITERS, outline

        if question.name not in WRITERS:
            raise UsageError(f"outline answers no question of your own, only the prompts {', '.join(WRITERS)}; name an LLM with --llm")
        terminal.say("this log is an outline, written by rule; for a language model add --llm ollama:MODEL, openai:MODEL or URL#MODEL")

        def write(recording: Recording) -> Iterator[str]:
            return outline(recording, question.name)
    else:
        write = _with_llm(llm, question, context, max_tokens, timeout)

    terminal.write_lines(logs())
    if failed and not done:
        raise InputError("no recording could be summarised")
    if failed:
        raise typer.Exit(3)


def _with_llm(llm, question, context, max_tokens, timeout):
    from audiolog_cli.errors import LLMError
    from audiolog_cli.llm import prompts
    from audiolog_cli.llm.backend import Request
    from audiolog_cli.llm.budget import Budget, estimate
    from audiolog_cli.llm.compact import grouped_text, rows_text
    from audiolog_cli.llm.endpoint import Connection, open_backend

    backend = open_backend(llm, Connection(timeout), os.environ, terminal.say)
    budget = Budget(context or min(backend.max_context() or 8192, 8192), max_tokens)
    budget.check()

    def write(recording):
        rows = list(recording.rows)
        for layout in (rows_text, grouped_text):
            message = prompts.compose(layout(rows), question)
            size = backend.count_tokens(message) or estimate(message)
            if size <= budget.room:
                text = "".join(backend.stream(Request(message, budget.context, max_tokens)))
                return iter([text])
        raise LLMError(f"{backend.name}: the table of {recording.filename} is {size} tokens, {budget.room} fit; raise --context")

    return write


def _prompts_folder() -> Path:
    """Where a user's own prompts are looked for by name."""
    config = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(config) / "audiolog" / "prompts"
