"""Rules for the options of all commands: which environment variable each reads, what stands for its value in help texts, and that
numbers must be finite.

An option reads AUDIOLOG_<OPTION>, the same variable in all commands, so that a profile can set once which weights, device or
language model to use. An option that means something else, or takes other values, in another command has the command in its
variable: AUDIOLOG_TAG_RESUME is a folder, AUDIOLOG_TRAIN_RESUME a switch. With one variable for both, a value set for one
command would break or change the next one in the pipe. These names are listed here and not computed: a new command must not
rename the variables of the old ones. `tests/test_variables.py` checks the list against the commands.

--help, --version and the options of shell completion read no variable.
"""

from math import isfinite

from typer._click.core import Command, Context, Parameter  # typer carries its own click since 0.26
from typer._click.types import FloatParamType, FloatRange
from typer.core import TyperGroup, TyperOption

NAMED_BY_COMMAND = frozenset(
    {
        "batch_size",  # 0 chooses in `tag`
        "cache",  # answers of language models, decoded clips
        "format",  # different formats in nearly every command
        "hop",  # of segments, of the network's windows
        "labels",  # to be scored, of a checkpoint's outputs
        "out",
        "resume",  # a folder in `tag`, a switch in `train`
        "scores_dir",  # written by `tag`, read by `eval`
        "seconds",  # of a composed recording, of noise to measure with
        "threshold",  # `tag` counts a score that is equal, `eval` does not
    }
)


PLACEHOLDERS = {
    "float": "NUMBER",
    "float range": "NUMBER",
    "int": "N",
    "int range": "N",
    "str": "TEXT",
    "path": "PATH",
}  # by type


class Finite(FloatParamType):
    """A finite number: nan and infinity would pass any range check."""

    def convert(self, value: object, param: Parameter | None, ctx: Context | None) -> float:
        number: float = super().convert(value, param, ctx)
        if not isfinite(number):
            self.fail(f"{value!r} is not a number.", param, ctx)
        return number


class FiniteRange(Finite, FloatRange):
    """The same within bounds."""


def refuse_what_is_no_number(command: Command) -> None:
    """Make every option of a command and its subcommands that takes a number accept only finite ones."""
    for option in command.params:
        kind = option.type
        if isinstance(kind, FloatRange):
            option.type = FiniteRange(kind.min, kind.max, kind.min_open, kind.max_open, kind.clamp)
        elif isinstance(kind, FloatParamType):
            option.type = Finite()
    if isinstance(command, TyperGroup):
        for below in command.commands.values():
            refuse_what_is_no_number(below)


def name_variables(command: Command, *path: str) -> None:
    """Give every option of a command and its subcommands its variable and its placeholder; `path` are the command's names."""
    for option in command.params:
        if isinstance(option, TyperOption) and option.name and option.expose_value and not option.is_eager:
            own = path if option.name in NAMED_BY_COMMAND else ()
            option.envvar = "_".join(("audiolog", *own, option.name)).upper()
            option.metavar = option.metavar or PLACEHOLDERS.get(option.type.name)
    if isinstance(command, TyperGroup):
        for name, below in command.commands.items():
            name_variables(below, *path, name)
