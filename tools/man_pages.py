"""Write the manual pages: one for the program, one for each command, from the same sources as --help.

    python tools/man_pages.py build/man    then  man -l build/man/audiolog-tag.1

Building a wheel, and `make install`, does this (`build_hook.py`) and puts them under share/man/man1, where `man audiolog-tag`
finds them. The macros are man(7)'s, which groff and mandoc both know.
"""

import inspect
import os
import re
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from command_docs import EXIT_CODES
from typer._click.core import Command, Context
from typer.core import TyperArgument, TyperGroup

from audiolog_cli import __version__
from audiolog_cli.cli import commands

BREAK = "\\:"  # a line may break here, without a hyphen
SEE_ALSO = "The project's docs/ folder has a tutorial, recipes, and what every column means."


def escaped(text: str) -> str:
    """Text as roff: no line becomes a request, and the hyphens of options stay hyphens."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^(?=[.'])", r"\\&", text, flags=re.MULTILINE)


def marked(names: str) -> str:
    """An option's names in bold, its placeholder in italics; a long list of values may be broken."""
    words = re.findall(r"\s+|,|[^\s,]+", names)
    return "".join(
        f"\\fB{escaped(word)}\\fR"
        if re.match(r"-{1,2}\w", word)
        else word
        if re.fullmatch(r"\s+|,", word)
        else f"\\fI{escaped(word).replace('|', '|' + BREAK)}\\fR"
        for word in words
    )


def paragraphs(command: Command) -> list[str]:
    """A command's help, a line to each paragraph."""
    return [" ".join(part.split()) for part in inspect.cleandoc(command.help or "").split("\n\n")]


def records(context: Context, of_arguments: bool) -> Iterator[str]:
    """The arguments, or the options, as tagged paragraphs."""
    for parameter in context.command.get_params(context):
        record = parameter.get_help_record(context)
        if record and isinstance(parameter, TyperArgument) == of_arguments:
            yield f".TP\n{marked(record[0])}\n{escaped(' '.join(record[1].split()))}\n"


def made_on() -> str:
    """Today's date in UTC, or that of SOURCE_DATE_EPOCH, for builds that give the same bytes again."""
    return datetime.fromtimestamp(float(os.environ.get("SOURCE_DATE_EPOCH") or time.time()), UTC).date().isoformat()


def page(context: Context, beside: list[str]) -> str:
    """The manual page of one command; `beside` are the pages under SEE ALSO."""
    name = context.command_path.replace(" ", "-")
    first, *rest = paragraphs(context.command)
    examples = [part.removeprefix("Example: ") for part in rest if part.startswith("Example: ")]
    pieces = " ".join(context.command.collect_usage_pieces(context))
    text = (
        f'.\\" Made by tools/man_pages.py\n.TH {escaped(name.upper())} 1 {made_on()} "audiolog {__version__}" "audiolog '
        f'manual"\n.nh\n.ad l\n'
    )
    text += f".SH NAME\n{escaped(name)} \\- {escaped(first[0].lower() + first[1:].rstrip('.'))}\n"
    text += f".SH SYNOPSIS\n.B {escaped(context.command_path)}\n{marked(pieces)}\n.SH DESCRIPTION\n{escaped(first)}\n"
    text += "".join(f".PP\n{escaped(part)}\n" for part in rest if not part.startswith("Example: "))
    for heading, of_arguments in (("ARGUMENTS", True), ("OPTIONS", False)):
        listed = "".join(records(context, of_arguments))
        text += f".SH {heading}\n{listed}" if listed else ""
    if isinstance(context.command, TyperGroup):
        text += ".SH COMMANDS\n" + "".join(
            f".TP\n\\fB{escaped(name)}\\fR\n{escaped(paragraphs(below)[0])}\n" for name, below in context.command.commands.items()
        )
    text += "".join(f".SH EXAMPLE\n.EX\n{escaped(example)}\n.EE\n" for example in examples)
    text += ".SH EXIT STATUS\n" + "".join(f".TP\n{code}\n{escaped(meaning)}\n" for code, meaning in EXIT_CODES.items())
    links = ",\n".join(f".BR {escaped(other)} (1)" for other in beside)
    return text + f".SH SEE ALSO\n{links}\n.PP\n{escaped(SEE_ALSO)}\n"


def contexts(command: Command, name: str, parent: Context | None = None) -> Iterator[Context]:
    """The command's context and those of the commands below it."""
    context = Context(command, info_name=name, parent=parent, **command.context_settings)
    yield context
    if isinstance(command, TyperGroup):
        for below_name, below in command.commands.items():
            yield from contexts(below, below_name, context)


def pages() -> dict[str, str]:
    """Each page's file name and content."""
    found = list(contexts(commands(), "audiolog"))
    names = [context.command_path.replace(" ", "-") for context in found]
    return {f"{own}.1": page(context, [name for name in names if name != own]) for own, context in zip(names, found, strict=True)}


def write(folder: Path) -> None:
    """Write all pages into a folder, which is made if necessary."""
    folder.mkdir(parents=True, exist_ok=True)
    for file_name, content in pages().items():
        (folder / file_name).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
