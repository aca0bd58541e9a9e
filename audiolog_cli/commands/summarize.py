"""`audiolog summarize`: cells or rows in, a written log out."""

import os
from contextlib import ExitStack
from dataclasses import replace
from typing import Annotated, Literal

from typer import Argument, Option

from audiolog_cli import terminal
from audiolog_cli.commands.inputs import record_input
from audiolog_cli.commands.needs import Heading, needs, not_with
from audiolog_cli.commands.options import MaxGap, MinDuration, Quiet

OF_A_MODEL = needs("--llm", why="the outline asks no language model")

LogFormat = Literal["text", "json"]
CheckMode = Literal["off", "warn", "repair", "strict"]  # what to do with a log that claims what the table does not say
By = Literal["auto", "whole", "section"]  # how a language model is asked; see llm/log.py


def summarize(
    files: Annotated[
        list[str] | None,
        Argument(metavar="[FILE|-]...", help="Cells or rows, as `tag` and `table` write them; - is stdin.", show_default=False),
    ] = None,
    prompt: Annotated[
        str,
        Option(
            help="overview (how often, how long), timing (all in order, with times), brief (no times), or a Markdown file with a "
            "question of your own for a language model."
        ),
    ] = "overview",
    ask: Annotated[
        str, Option(metavar="TEXT", help="A question of your own instead of a prompt."), OF_A_MODEL, not_with("--prompt")
    ] = "",
    list_prompts: Annotated[bool, Option("--list-prompts", help="List the prompts and exit.")] = False,
    max_gap: MaxGap = 0.0,
    min_duration: MinDuration = 0.0,
    together: Annotated[bool, Option("--together", help="One log for all recordings, in the order of their times.")] = False,
    format: Annotated[LogFormat, Option(help="text, or one JSON object per log and line.")] = "text",
    llm: Annotated[
        str,
        Option(help="outline (none), local, gguf:PATH, ollama:MODEL, openai:MODEL, qianfan:MODEL, spark:MODEL, or URL#MODEL."),
        Heading("Language model"),
    ] = "outline",
    by: Annotated[
        By,
        Option(
            help="Ask about the whole table at once or section by section; auto: whole if it fits and the model is not small."
        ),
        OF_A_MODEL,
    ] = "auto",
    language: Annotated[str, Option(help="Language of the answer, as you would name it."), OF_A_MODEL] = "",
    context: Annotated[int, Option(min=0, help="Tokens the model holds, prompt and answer; 0 asks the server."), OF_A_MODEL] = 0,
    max_tokens: Annotated[int, Option(min=1, help="Tokens kept free for the answer."), OF_A_MODEL] = 1024,
    timeout: Annotated[
        float, Option(min=0.1, help="Seconds without a byte from the server before giving up."), OF_A_MODEL
    ] = 300.0,
    keep_alive: Annotated[str, Option(help="How long Ollama keeps the model in memory, such as 5m."), needs("--llm ollama")] = "",
    parallel: Annotated[
        int, Option(min=1, help="Requests in parallel, when asking section by section."), OF_A_MODEL, not_with("--by whole")
    ] = 2,
    cache: Annotated[
        str,
        Option(
            metavar="DIR", help="Where finished answers are kept; `off` keeps none [default: audiolog/answers in XDG_CACHE_HOME]."
        ),
        OF_A_MODEL,
    ] = "",
    dry_run: Annotated[
        bool,
        Option(
            "--dry-run", help="Print what would be sent first, and how many calls and tokens it would take at most; ask nothing."
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

    Without --llm it is written by rules and nothing is sent. A language model gets the table and the question, never audio. Keys
    come from OPENAI_API_KEY, QIANFAN_API_KEY, SPARK_API_PASSWORD or AUDIOLOG_API_KEY.

    Example: audiolog tag rec.wav | audiolog summarize --prompt timing

    Example: audiolog summarize cells.tsv --prompt timing --llm ollama:llama3.2
    """
    from audiolog_cli.llm import answers, prompts
    from audiolog_cli.llm.compact import note
    from audiolog_cli.llm.recording import recordings
    from audiolog_cli.llm.recording import together as joined
    from audiolog_cli.llm.writers import Output, Writer, asker, checked, outliner, planner, written
    from audiolog_cli.rows import TableOptions

    if list_prompts:
        terminal.write_lines(
            f"{each.name}\t{each.description}\n" for each in prompts.listed(prompts.own_folder(os.environ), terminal.complain)
        )
        return
    question = (
        prompts.Prompt("ask", ask, language=language) if ask else prompts.find(prompt, prompts.own_folder(os.environ), language)
    )
    has_model = llm != "outline" and not check_only
    mode = check or ("repair" if has_model else "warn" if check_only else "off")
    as_json = format == "json"
    output, table = Output(as_json, mode), TableOptions(max_gap=max_gap, min_duration=min_duration)
    with ExitStack() as stack:
        writer: Writer
        if has_model:
            from audiolog_cli.llm.endpoint import Connection, open_asking

            connection = Connection(timeout, keep_alive, parallel, context, max_tokens)
            opened = stack.enter_context(open_asking(llm, question, connection, os.environ, terminal.say, dry_run))
            asking = replace(opened, folder=answers.place(cache), note=note(max_gap, min_duration))
            writer = planner(asking, by, as_json) if dry_run else asker(asking, by, retry, output)
        elif not check_only:
            writer = outliner(question, output)
        each = recordings(stack.enter_context(record_input(files or ["-"])), table)
        logs = iter([joined(each, terminal.say)]) if together else each
        terminal.write_lines(checked(check_only, logs, output) if check_only else written(logs, writer, output))
    output.end()
