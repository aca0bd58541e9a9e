"""Environment variables of options: one variable never means two things."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer._click.core import Command
from typer._click.types import FloatParamType
from typer.core import TyperGroup, TyperOption

from audiolog_cli.cli import commands
from audiolog_cli.variables import NAMED_BY_COMMAND, Finite
from tests.shell import ROOT, audiolog, sh

CELLS = b"filename\tonset\toffset\tkind\tlabel\tscore\na.wav\t0.000\t1.000\tscene\tpark\t0.900\n"


def options(command: Command, path: str = "audiolog") -> Iterator[tuple[str, TyperOption]]:
    """Every option of every command, with the command's name."""
    yield from ((path, option) for option in command.params if isinstance(option, TyperOption))
    if isinstance(command, TyperGroup):
        for name, below in command.commands.items():
            yield from options(below, f"{path} {name}")


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_what_is_not_a_number_is_refused_everywhere(value: str, tmp_path: Path) -> None:
    """Both pass every range; a threshold of nan would silence all events."""
    done = audiolog(f"table --max-gap {value}", tmp_path, stdin=CELLS)
    variable = "(env var: 'AUDIOLOG_MAX_GAP')"
    message = f"audiolog: Invalid value for '--max-gap' {variable}: '{value}' is not a number; see `audiolog table --help`\n"
    assert done == (2, "", message)
    numbers = [option.type for _, option in options(commands()) if isinstance(option.type, FloatParamType)]
    assert len(numbers) > 10 and all(isinstance(number, Finite) for number in numbers)


def meaning(option: TyperOption) -> tuple[Any, ...]:
    """What two options of one meaning have in common: values, how many of them, and the words that explain them."""
    values = vars(option.type) if option.type.name != "path" else {}
    return option.is_flag, option.multiple, option.type.name, repr(sorted(values.items())), option.help


def uses() -> dict[str, list[tuple[str, TyperOption]]]:
    """Each variable with the options that read it."""
    found = defaultdict(list)
    for command, option in options(commands()):
        if option.envvar:
            assert isinstance(option.envvar, str)
            found[option.envvar].append((command, option))
    return found


def test_a_variable_has_one_meaning() -> None:
    """If this fails: give the options one meaning and one help text, or name the option in variables.NAMED_BY_COMMAND."""
    for variable, readers in uses().items():
        places = {command: meaning(option) for command, option in readers}
        assert len(set(places.values())) == 1, (variable, places)


def test_a_variable_carries_the_command_only_where_it_must() -> None:
    meanings = defaultdict(set)
    for _, option in options(commands()):
        meanings[option.name].add(meaning(option))
    assert {name for name in NAMED_BY_COMMAND if name not in meanings} == set()
    alike = {name for name in NAMED_BY_COMMAND if len(meanings[name]) == 1}
    assert alike == set(), "one meaning everywhere: take these out of NAMED_BY_COMMAND"


def test_every_option_has_a_variable_but_those_that_are_asked_for() -> None:
    without = {name for _, option in options(commands()) if not option.envvar for name in option.opts}
    assert without == {"--version", "--install-completion", "--show-completion"}
    assert audiolog("table", ROOT, CELLS, AUDIOLOG_VERSION="1").stdout.startswith("filename\t")


def test_a_folder_for_tag_is_not_a_switch_for_train() -> None:
    for command, kind in (("tag", "TAG_RESUME]"), ("train", "TRAIN_RESUME]")):
        text = " ".join(audiolog(f"{command} --help", ROOT).stdout.split())
        assert f"AUDIOLOG_{kind}" in text


def test_a_format_set_for_one_command_leaves_the_next_alone() -> None:
    done = sh("audiolog table | audiolog summarize --quiet", ROOT, CELLS, AUDIOLOG_TABLE_FORMAT="jsonl")
    assert (done.code, done.stderr) == (0, "") and done.stdout.startswith("Log of a.wav")
    wrong = audiolog("table", ROOT, CELLS, AUDIOLOG_TABLE_FORMAT="xml")
    assert wrong.code == 2 and "AUDIOLOG_TABLE_FORMAT" in wrong.stderr


def test_the_command_line_wins() -> None:
    done = audiolog("table --format tsv", ROOT, CELLS, AUDIOLOG_TABLE_FORMAT="csv")
    assert done.stdout == "filename\tonset\toffset\tscene\tevents\na.wav\t0.000\t1.000\tpark\t\n"
