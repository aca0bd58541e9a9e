"""Write docs/commands.md: every command as its own --help tells it, without what is the same for all options.

    python tools/command_docs.py > docs/commands.md

A test compares the document with the program: after changing an option, run this again (`make docs`).
"""

import textwrap
from collections.abc import Iterator

from typer._click.core import Command, Context
from typer.core import TyperGroup, TyperOption

from audiolog_cli.cli import commands
from audiolog_cli.variables import NAMED_BY_COMMAND

HEAD = """# Commands

Made by `make docs` from the commands' own `--help`. Every command also has `-h`, `--help`, and, but for `audiolog` and `audiolog
weights`, `-q`, `--quiet`: no messages or progress on stderr; errors are still printed.

Every option can also be set by an environment variable, which `--help` names; the command line takes precedence. `--weights` is
`AUDIOLOG_WEIGHTS` in all commands. A name that means something else in another command ({named}) has the command in its variable:
`AUDIOLOG_TAG_RESUME`, `AUDIOLOG_TABLE_FORMAT`. Switches take `1` or `0`; an option that may be repeated takes several values
separated by blanks.

Exit codes: {codes}.
"""
EXIT_CODES = {
    0: "all inputs done (also when nothing was heard)",
    1: "nothing succeeded",
    2: "wrong usage or configuration",
    3: "some inputs failed, the others were written",
    4: "the language model failed",
    5: "`--check strict` failed",
    130: "after Ctrl-C",
    141: "the reader of standard output went away",
}


def help_of(context: Context) -> str:
    """What `--help` prints on an 80-column terminal, without the variables and the options of every command."""
    for parameter in context.command.get_params(context):
        if isinstance(parameter, TyperOption):
            parameter.show_envvar = False
            parameter.hidden = parameter.name in ("quiet", "help")
    return context.command.get_help(context).strip("\n")


def sections(command: Command, name: str, parent: Context | None = None) -> Iterator[str]:
    """A command's section, and those of the commands below it."""
    context = Context(command, parent, name, terminal_width=80)
    yield f"\n## {context.command_path}\n\n```text\n{help_of(context)}\n```\n"
    if isinstance(command, TyperGroup):
        for below, subcommand in command.commands.items():
            yield from sections(subcommand, below, context)


if __name__ == "__main__":
    named = ", ".join(f"`--{name.replace('_', '-')}`" for name in sorted(NAMED_BY_COMMAND))
    codes = "; ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items())
    head = [textwrap.fill(each, 130, break_on_hyphens=False) for each in HEAD.format(codes=codes, named=named).split("\n\n")]
    print("\n\n".join(head) + "\n" + "".join(sections(commands(), "audiolog")), end="")
