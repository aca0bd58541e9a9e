"""An option that would have no effect is an error that says so; and help texts with their options under headings.

A rule is declared with its option, in the words of the command line, and so is a heading that begins with that option:

    match: Annotated[str, typer.Option(metavar="PATTERN", help="..."), needs("--recursive")] = ""
    engine: Annotated[str, typer.Option(help="..."), needs("--out", when="ray", why="its workers write files")] = "local"
    split_files: Annotated[bool, typer.Option("--split-files"), not_with("--out")] = False
    weights: Annotated[Weights, Heading("Model")] = "everyday"

Only what is given on the command line is an error: an environment variable is a default for every command, and is ignored where
it has no effect. The option that a rule requires may come from anywhere; at its own default it does not count. If only the input
tells which options have no effect, a command calls `refuse`. `tests/test_needs.py` goes through all rules of all commands.
"""

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, get_args, get_origin, get_type_hints

from typer._click.core import Command, Context, Parameter, ParameterSource  # typer carries its own click since 0.26
from typer._click.formatting import HelpFormatter
from typer._click.globals import get_current_context
from typer.core import TyperArgument, TyperCommand, TyperGroup

from audiolog_cli.errors import UsageError

OTHER = "Other options"  # the heading for options that every command has


@dataclass(frozen=True, slots=True)
class Rule:
    """What an option needs or excludes; `others` as on the command line: `--out`, `--engine ray`, or an argument's name."""

    others: tuple[str, ...]  # one of them is enough
    is_needed: bool
    when: str  # the option's value that the rule applies to; "" for any
    why: str

    def text(self, option: str) -> str:
        """The rule as an error message about the option.

        >>> needs("--name-time", "--header-time").text("--tz")
        '--tz needs --name-time or --header-time'
        >>> not_with("--out", why="each file is a recording of its own").text("--split-files")
        '--split-files does not go with --out: each file is a recording of its own'
        """
        return f"{option}{self.when and f' {self.when}'} {self._demand()}{self.why and f': {self.why}'}"

    def hint(self) -> str:
        """The rule as the end of the option's help; empty for a rule about one value of it."""
        return "" if self.when else self._demand()

    def _demand(self) -> str:
        verb = "needs" if self.is_needed else "does not go with"
        names = [other if other.startswith("-") else other.upper() for other in self.others]
        return f"{verb} {' or '.join(filter(None, [', '.join(names[:-1]), names[-1]]))}"


def needs(*others: str, when: str = "", why: str = "") -> Rule:
    """The option has an effect only together with one of the `others`."""
    return Rule(others, True, when, why)


def not_with(*others: str, when: str = "", why: str = "") -> Rule:
    """The option has no effect, or the opposite one, together with any of the `others`."""
    return Rule(others, False, when, why)


class Heading(str):
    """The heading over an option and those after it in --help."""


def rules_of(command: Command) -> dict[str, list[Rule]]:
    """The rules in the annotations of a command's function, by parameter."""
    return {name: [each for each in extras if isinstance(each, Rule)] for name, extras in _annotations(command).items()}


def _annotations(command: Command) -> dict[str, tuple[object, ...]]:
    """The annotations beside the type of each parameter of a command's function."""
    if command.callback is None:
        return {}
    hints = get_type_hints(inspect.unwrap(command.callback), include_extras=True)
    return {name: get_args(hint)[1:] for name, hint in hints.items() if get_origin(hint) is Annotated}


def check(context: Context) -> None:
    """UsageError for options on the command line that have no effect; those from variables are set to their defaults."""
    broken: list[str] = []
    for parameter, rule in list(_broken(context)):
        if context.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE:
            broken.append(rule.text(_shown(parameter)))
        elif parameter.name:
            context.params[parameter.name] = parameter.type_cast_value(context, parameter.get_default(context))
    if broken:
        raise UsageError(f"{'; '.join(broken)}; see `{context.command_path} --help`")


def _broken(context: Context) -> Iterator[tuple[Parameter, Rule]]:
    """The options that were set, by any means, with the rules that they break."""
    by_name = {parameter.name: parameter for parameter in context.command.params}
    for name, rules in rules_of(context.command).items():
        if context.get_parameter_source(name) is ParameterSource.DEFAULT:
            continue
        for rule in rules:
            is_meant = not rule.when or _is(context.params[name], rule.when)
            if is_meant and any(_holds(other, context, rule.is_needed) for other in rule.others) is not rule.is_needed:
                yield by_name[name], rule


def _holds(other: str, context: Context, is_needed: bool) -> bool:
    """Whether an option is set, on the command line or by its variable, and to the rule's value if it names one.

    A needed option at its own default does not count: `--llm outline` names no language model.
    """
    name, _, value = other.partition(" ")
    parameter = next(each for each in context.command.params if name in (*each.opts, each.name))
    assert parameter.name
    found = context.params[parameter.name]
    if value:
        return _is(found, value)
    idle = (False, "", None, parameter.get_default(context)) if is_needed else (False, "", None)
    return context.get_parameter_source(parameter.name) is not ParameterSource.DEFAULT and found not in idle


def _is(found: object, value: str) -> bool:
    """Whether a value is that one, or begins with it before a colon or comma, such as `ray:auto`."""
    return re.split("[:,]", str(found))[0] == value


def _shown(parameter: Parameter) -> str:
    if isinstance(parameter, TyperArgument):
        return str(parameter.name).upper()
    return max(parameter.opts, key=len)


def refuse(*names: str, because: str) -> None:
    """UsageError if one of these parameters is on the command line; `because` says why it has no effect on this input.

    Does nothing if a command is called from Python.
    """
    refusal(*names)(because)


def refusal(*names: str) -> Callable[[str], None]:
    """`refuse` for inputs that another thread looks at, which does not know the command: `because` is given there."""
    context = get_current_context(silent=True)

    def refuse_these(because: str) -> None:
        if context is None:
            return
        for parameter in context.command.params:
            if parameter.name in names and context.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE:
                raise UsageError(f"{_shown(parameter)} does nothing here: {because}; leave it out")

    return refuse_these


class AudiologCommand(TyperCommand):
    """A command that enforces the rules of its options, and lists them under their headings."""

    def invoke(self, ctx: Context) -> object:
        """Check the options, then run the command."""
        check(ctx)
        return super().invoke(ctx)

    def format_options(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Arguments first, then options; each heading applies from its option on."""
        extras = _annotations(self)
        sections: dict[str, list[tuple[str, str]]] = {}
        title = "Options"
        for parameter in self.get_params(ctx):
            own = extras.get(parameter.name or "", ())
            title = next((each for each in own if isinstance(each, Heading)), title)
            if record := parameter.get_help_record(ctx):
                names, text = record
                hints = "; ".join(filter(None, (rule.hint() for rule in own if isinstance(rule, Rule))))
                place = "Arguments" if isinstance(parameter, TyperArgument) else title
                head, bracket, tail = text.partition("  [")  # hints come before what the program adds in brackets
                sections.setdefault(place, []).append((names, f"{head} ({hints}){bracket}{tail}" if hints else text))
        if OTHER in sections and set(sections) <= {"Arguments", "Options", OTHER}:
            sections["Options"] = sections.pop("Options", []) + sections.pop(OTHER)
        for place, records in sections.items():
            with formatter.section(place):
                formatter.write_dl(records)


class AudiologGroup(TyperGroup):
    """A group of commands whose help shows each command's first sentence in full."""

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:
        """One line, or as many as needed, for each command."""
        rows = [(name, " ".join((below.help or "").split("\n\n")[0].split())) for name, below in self.commands.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)
