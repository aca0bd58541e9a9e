"""An option that does nothing where it is given is an error that says so; and help texts with their options under headings.

A rule stands beside its option, in the words of the command line, and so does the heading that begins with it:

    match: Annotated[str, typer.Option(metavar="PATTERN", help="..."), needs("--recursive")] = ""
    engine: Annotated[str, typer.Option(help="..."), needs("--out", when="ray", why="its workers write files")] = "local"
    split_files: Annotated[bool, typer.Option("--split-files"), not_with("--out")] = False
    weights: Annotated[Weights, heading("Model")] = "everyday"

Only what stands on the command line is an error: an environment variable is a default for every command, and is passed over where
it means nothing. The option that a rule asks for may come from anywhere. Where it takes the input itself to know what means
nothing, a command calls `refuse`. `tests/test_needs.py` walks all rules of all commands.
"""

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, get_args, get_origin, get_type_hints

from typer._click.core import Command, Context, Parameter, ParameterSource  # typer carries its own click since 0.26
from typer._click.formatting import HelpFormatter
from typer._click.globals import get_current_context
from typer.core import TyperArgument, TyperCommand, TyperGroup

from audiolog_cli.errors import UsageError

OTHER = "Other options"  # the heading of what every command has


@dataclass(frozen=True, slots=True)
class Rule:
    """What an option needs or excludes; `others` as on the command line: `--out`, `--engine ray`, or an argument's name."""

    others: tuple[str, ...]  # one of them is enough
    is_needed: bool
    when: str  # the option's value that the rule is about; "" for any
    why: str

    def text(self, option: str) -> str:
        """The rule as an error message of the option.

        >>> needs("--name-time", "--header-time").text("--tz")
        '--tz needs --name-time or --header-time'
        >>> not_with("--out", why="each file is a recording of its own").text("--split-files")
        '--split-files does not go with --out: each file is a recording of its own'
        """
        return f"{option}{self.when and f' {self.when}'} {self._demand()}{self.why and f': {self.why}'}"

    def hint(self) -> str:
        """The rule as the end of the option's help; empty for one about a single value of it."""
        return "" if self.when else f"({self._demand()})"

    def _demand(self) -> str:
        verb = "needs" if self.is_needed else "does not go with"
        names = [other if other.startswith("-") else other.upper() for other in self.others]
        return f"{verb} {' or '.join(filter(None, [', '.join(names[:-1]), names[-1]]))}"


def needs(*others: str, when: str = "", why: str = "") -> Rule:
    """The option does something only beside one of the `others`."""
    return Rule(others, True, when, why)


def not_with(*others: str, when: str = "", why: str = "") -> Rule:
    """The option does nothing, or the opposite, beside any of the `others`."""
    return Rule(others, False, when, why)


@dataclass(frozen=True, slots=True)
class Heading:
    """What stands over an option and those after it in --help."""

    text: str


def heading(text: str) -> Heading:
    """From this option on, --help lists options under this heading."""
    return Heading(text)


def rules_of(command: Command) -> dict[str, list[Rule]]:
    """The rules in the annotations of a command's function, by parameter."""
    return {name: [each for each in extras if isinstance(each, Rule)] for name, extras in _annotations(command).items()}


def _annotations(command: Command) -> dict[str, tuple[object, ...]]:
    """What stands beside the type of each parameter of a command's function."""
    if command.callback is None:
        return {}
    hints = get_type_hints(inspect.unwrap(command.callback), include_extras=True)
    return {name: get_args(hint)[1:] for name, hint in hints.items() if get_origin(hint) is Annotated}


def check(context: Context) -> None:
    """UsageError for the options on the command line that do nothing there; those from variables are set to their defaults."""
    broken: list[str] = []
    for parameter, rule in list(_broken(context)):
        if context.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE:
            broken.append(rule.text(_shown(parameter)))
        elif parameter.name:
            context.params[parameter.name] = parameter.type_cast_value(context, parameter.get_default(context))
    if broken:
        raise UsageError(f"{'; '.join(broken)}; see `{context.command_path} --help`")


def _broken(context: Context) -> Iterator[tuple[Parameter, Rule]]:
    """The options that were set, by whatever means, with the rules that they break."""
    by_name = {parameter.name: parameter for parameter in context.command.params}
    for name, rules in rules_of(context.command).items():
        if context.get_parameter_source(name) is ParameterSource.DEFAULT:
            continue
        for rule in rules:
            is_meant = not rule.when or _is(context.params[name], rule.when)
            if is_meant and any(_holds(other, context) for other in rule.others) is not rule.is_needed:
                yield by_name[name], rule


def _holds(other: str, context: Context) -> bool:
    """Whether an option is set, on the command line or by its variable, and to that value if the rule names one."""
    name, _, value = other.partition(" ")
    parameter = next(each for each in context.command.params if name in (*each.opts, each.name))
    assert parameter.name
    found = context.params[parameter.name]
    if value:
        return _is(found, value)
    return context.get_parameter_source(parameter.name) is not ParameterSource.DEFAULT and found not in (False, "", None)


def _is(found: object, value: str) -> bool:
    """Whether a value is that one, or that one with more behind a colon or a comma, as `ray:auto`."""
    return re.split("[:,]", str(found.value if isinstance(found, Enum) else found))[0] == value


def _shown(parameter: Parameter) -> str:
    if isinstance(parameter, TyperArgument):
        return str(parameter.name).upper()
    return max(parameter.opts, key=len)


def refuse(*names: str, because: str) -> None:
    """UsageError if one of these parameters stands on the command line; `because` says what of the input leaves it nothing to do.

    Does nothing where a command is called from Python.
    """
    context = get_current_context(silent=True)
    if context is None:
        return
    for parameter in context.command.params:
        if parameter.name in names and context.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE:
            raise UsageError(f"{_shown(parameter)} does nothing here: {because}; leave it out")


class AudiologCommand(TyperCommand):
    """A command that holds its options to their rules, and lists them under their headings."""

    def invoke(self, ctx: Context) -> object:
        """Check the options, then run the command."""
        check(ctx)
        return super().invoke(ctx)

    def format_options(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Arguments first, then options; each heading holds from its option on."""
        extras = _annotations(self)
        sections: dict[str, list[tuple[str, str]]] = {}
        title = "Options"
        for parameter in self.get_params(ctx):
            own = extras.get(parameter.name or "", ())
            title = next((each.text for each in own if isinstance(each, Heading)), title)
            if record := parameter.get_help_record(ctx):
                names, text = record
                hints = " ".join(filter(None, (rule.hint() for rule in own if isinstance(rule, Rule))))
                place = (
                    "Arguments" if isinstance(parameter, TyperArgument) else getattr(parameter, "rich_help_panel", None) or title
                )
                sections.setdefault(place, []).append((names, _with_hints(text, hints)))
        if set(sections) <= {"Arguments", "Options", OTHER}:
            sections["Options"] = sections.pop("Options", []) + sections.pop(OTHER, [])
        for place, records in sections.items():
            with formatter.section(place):
                formatter.write_dl(records)


def _with_hints(text: str, hints: str) -> str:
    """A help text with its hints before what the program adds in brackets."""
    if not hints:
        return text
    head, bracket, tail = text.partition("  [")
    return f"{head} {hints}{bracket}{tail}"


class AudiologGroup(TyperGroup):
    """A group of commands whose help gives each command's first sentence whole."""

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:
        """One line, or as many as it takes, for each command."""
        rows = [(name, " ".join((below.help or "").split("\n\n")[0].split())) for name, below in self.commands.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)
