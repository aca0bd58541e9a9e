"""An option that would have no effect is an error that says so: every rule of every command."""

import shlex
from collections.abc import Iterator

import pytest
from typer._click.core import Command, Parameter
from typer._click.types import FloatParamType, IntParamType
from typer._types import TyperChoice
from typer.core import TyperArgument, TyperGroup, TyperOption

from audiolog_cli import cli
from audiolog_cli.commands.needs import Rule, rules_of
from tests.shell import audiolog


def leaves(command: Command, *path: str) -> Iterator[tuple[tuple[str, ...], Command]]:
    """Every command that does something, with the words that call it."""
    if isinstance(command, TyperGroup):
        for name, below in command.commands.items():
            yield from leaves(below, *path, name)
    else:
        yield path, command


def cases() -> Iterator[tuple[str, list[str], str]]:
    """For every rule of every command: its name, a command line that breaks it, and the message that this must give."""
    for path, command in leaves(cli.commands()):
        for name, rules in rules_of(command).items():
            option = next(each for each in command.params if each.name == name)
            for rule in rules:
                message = rule.text(max(option.opts, key=len))
                yield " ".join([*path, message]), [*path, *breaking(command, option, rule)], message


def breaking(command: Command, option: Parameter, rule: Rule) -> list[str]:
    """Arguments that break a rule of an option: what it needs is left out, or what it does not go with is there."""
    words = written(option, rule.when)
    there = {option.name}
    if not rule.is_needed:
        name, _, value = rule.others[0].partition(" ")
        other = next(each for each in command.params if name in (*each.opts, each.name))
        words += written(other, value)
        there.add(other.name)
    return words + [word for each in command.params if each.required and each.name not in there for word in written(each)]


def written(parameter: Parameter, value: str = "") -> list[str]:
    """A parameter as it stands on the command line, with that value or any that it takes."""
    names = [] if isinstance(parameter, TyperArgument) else [max(parameter.opts, key=len)]
    if isinstance(parameter, TyperOption) and parameter.is_flag:
        return names
    if isinstance(parameter.type, TyperChoice):
        return [*names, value or str(list(parameter.type.choices)[-1])]
    return [*names, value or ("1" if isinstance(parameter.type, FloatParamType | IntParamType) else "x")]


@pytest.mark.parametrize(("arguments", "message"), [case[1:] for case in cases()], ids=[case[0] for case in cases()])
def test_an_option_without_effect_is_an_error_that_names_both(arguments: list[str], message: str) -> None:
    code, _, line = audiolog(shlex.join(arguments))
    assert code == 2 and line.startswith("audiolog: ") and line.count("\n") == 1 and message in line


def test_a_variable_is_a_default_for_all_commands() -> None:
    """AUDIOLOG_MATCH is ignored without --recursive."""
    done = audiolog("tag missing.wav", AUDIOLOG_MATCH="*.wav")
    assert (done.code, done.stderr) == (1, "audiolog: missing.wav: no such file\n")


def test_what_an_option_needs_may_come_from_its_variable() -> None:
    done = audiolog("tag --match '*.wav' nowhere/", AUDIOLOG_RECURSIVE="1")
    assert (done.code, done.stderr) == (1, "audiolog: nowhere/: no such file\n")


def test_an_option_that_is_needed_does_not_count_at_its_default() -> None:
    """--llm outline is no language model, whether written out, left out or in the variable."""
    message = "audiolog: --parallel needs --llm: the outline asks no language model; see `audiolog summarize --help`\n"
    assert audiolog("summarize --llm outline --parallel 4") == (2, "", message)
    assert audiolog("summarize --parallel 4", AUDIOLOG_LLM="outline") == (2, "", message)


def test_the_error_leads_to_the_help() -> None:
    assert audiolog("tag --match '*.wav' --tz UTC rec.wav") == (
        2,
        "",
        "audiolog: --match needs --recursive; --tz needs --start-time, --name-time or --header-time; see `audiolog tag --help`\n",
    )


@pytest.mark.parametrize(("variable", "value"), [("TZ", "Europe/Berlin"), ("ENGINE", "ray"), ("SPLIT_FILES", "1")])
def test_a_variable_is_ignored_where_it_would_have_no_effect(variable: str, value: str) -> None:
    done = audiolog("tag missing.wav", **{f"AUDIOLOG_{variable}": value})
    assert (done.code, done.stderr) == (1, "audiolog: missing.wav: no such file\n")
