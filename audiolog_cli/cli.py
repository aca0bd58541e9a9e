"""The `audiolog` program: its commands in the order of the pipeline, and how every one of them ends.

Exit codes: 0 all inputs done; 1 nothing succeeded; 2 wrong usage or configuration; 3 some inputs failed, the others were
written; 4 the language model failed; 5 `--check strict` failed; 130 after Ctrl-C; 141 when the reader of stdout went away (what
the shell reports for any tool that SIGPIPE ends), silently.
"""

import os
import sys
from typing import Annotated

import typer
from typer._click.exceptions import NoArgsIsHelpError, UsageError  # typer carries its own click since 0.26
from typer.core import TyperGroup

from audiolog_cli import __version__, terminal
from audiolog_cli.commands.bench import bench
from audiolog_cli.commands.eval import eval
from audiolog_cli.commands.mix import mix
from audiolog_cli.commands.needs import AudiologCommand, AudiologGroup
from audiolog_cli.commands.report import report
from audiolog_cli.commands.segment import segment
from audiolog_cli.commands.summarize import summarize
from audiolog_cli.commands.table import table
from audiolog_cli.commands.tag import tag
from audiolog_cli.commands.train import train
from audiolog_cli.commands.weights import COMMANDS as WEIGHTS_COMMANDS
from audiolog_cli.errors import AudiologError
from audiolog_cli.variables import name_variables, refuse_what_is_no_number

COMMAND_SETTINGS = {"max_content_width": 100, "help_option_names": ["-h", "--help"]}

app = typer.Typer(
    name="audiolog",
    cls=AudiologGroup,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings=COMMAND_SETTINGS,
)

for command in (segment, tag, table, summarize, eval, report, train, mix, bench):
    app.command(cls=AudiologCommand, context_settings=COMMAND_SETTINGS)(command)

weights_app = typer.Typer(
    cls=AudiologGroup, no_args_is_help=True, help="List, find, download, convert and check checkpoints; make events of words."
)
for name, subcommand in WEIGHTS_COMMANDS.items():
    weights_app.command(name, cls=AudiologCommand, context_settings=COMMAND_SETTINGS)(subcommand)
app.add_typer(weights_app, name="weights", context_settings=COMMAND_SETTINGS)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"audiolog {__version__}")
        raise typer.Exit


@app.callback()
def audiolog(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Long audio in, a log out: which scene, which events, second by second, and a summary in words.

    Example: audiolog tag rec.wav | audiolog summarize --prompt timing
    """


def commands() -> TyperGroup:
    """All commands, each option with its environment variable and bounds: what `main` runs and the documentation shows."""
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    name_variables(group)
    refuse_what_is_no_number(group)
    return group


def main() -> int:
    """Run the command line; returns the exit code. Only here do errors become messages."""
    if "_AUDIOLOG_COMPLETE" in os.environ:  # the shell asks for completions
        app()
    try:
        terminal.prepare()
        # Not app(): it would end a closed pipe with code 1 and usage errors with three lines.
        command = commands()
        with command.make_context("audiolog", sys.argv[1:]) as context:
            command.invoke(context)
        with terminal.naming(terminal.STDOUT):
            sys.stdout.flush()
    except typer.Exit as exit:
        return exit.exit_code
    except AudiologError as error:
        terminal.complain(str(error))
        return error.exit_code
    except NoArgsIsHelpError as error:
        print(error.format_message(), file=sys.stderr)
        return 2
    except UsageError as error:
        place = error.ctx.command_path if error.ctx else "audiolog"
        terminal.complain(f"{error.format_message().rstrip('.')}; see `{place} --help`")
        return 2
    except (KeyboardInterrupt, typer.Abort):
        terminal.leave(130)
    except BrokenPipeError:
        terminal.leave(141)
    except (MemoryError, ImportError) as error:
        if isinstance(error, ImportError) and "failed to map" not in str(error):
            raise
        terminal.complain(f"not enough memory ({error}); allow more (ulimit -v), or choose a smaller --jobs or --batch-size")
        return 1
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        terminal.complain(f"{place}{terminal.reason(error)}")
        return 1
    return 0
