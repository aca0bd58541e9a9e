"""Recipes: the numbers of a training run, from a TOML file and individual changes to it, checked.

In: the name of a shipped recipe (a file in `recipes/`) or a path, and changes `NAME=VALUE`. Out: a `Recipe`, one frozen dataclass
for each table of the file. What a file leaves out keeps its default, which is the paper's (`recipes/paper.toml` says all of
them). A name has one place in a recipe, so a change needs no table: `learning_rate=1e-3`, `learning_rates.features=3e-4`.
"""

import json
import sys
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from audiolog_cli.errors import UsageError
from audiolog_cli.terminal import reason
from audiolog_cli.training.batches import Variation
from audiolog_cli.training.loop import Training
from audiolog_cli.training.losses import LossWeights
from audiolog_cli.training.ranges import Count, Range

SHIPPED = Path(__file__).parent / "recipes"
LARGEST = sys.float_info.max
KEPT = "recipe.toml"  # in a run's folder: every number of its training


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkChoice:
    """Which network to train: a kind and a size of `model/networks.py`."""

    model: str = "htsat"
    preset: str = "base"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataChoice:
    """What to use of the data."""

    hard_labels: bool = False  # learn soft labels as on or off: on above 0.5
    windows: Count = 0  # use only the first n training windows; 0: all
    validation_windows: Count = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """The tables of a recipe file."""

    network: NetworkChoice = NetworkChoice()
    training: Training = Training()
    loss: LossWeights = LossWeights()
    variation: Variation = Variation()
    data: DataChoice = DataChoice()


TABLES = {field.name: field.type for field in fields(Recipe) if isinstance(field.type, type)}
TABLE_OF = {field.name: table for table, kind in TABLES.items() for field in fields(kind)}  # a name's table


def shipped() -> dict[str, Path]:
    """The recipes that come with the package, by name."""
    return {path.stem: path for path in sorted(SHIPPED.glob("*.toml"))}


def read_recipe(name: str, changes: Iterable[str] = ()) -> Recipe:
    """The recipe of that name, or in that file, with changes `NAME=VALUE`.

    UsageError in one line for a file that cannot be read, and for a name or a value that no recipe has.
    """
    path = shipped().get(name) or Path(name)
    tables = {table: _checked(table, values, f"{path}") for table, values in _read(path, name).items()}
    for change in changes:
        table, values = _change(change)
        before = tables.setdefault(table, {})
        for key, value in _checked(table, values, f"--set {change}").items():
            is_part = "." in change.partition("=")[0]  # learning_rates.features=1e-4 adds, learning_rates={} replaces
            before[key] = before.get(key, {}) | value if is_part else value
    return Recipe(**{table: TABLES[table](**values) for table, values in tables.items()})


def recipe_of_run(name: str, changes: Iterable[str], resumed: Path | None) -> Recipe:
    """The recipe that was named, the paper's, or that of the run in the folder `resumed`, with changes.

    UsageError if a resumed run kept no recipe, as those of earlier versions did not.
    """
    if resumed is None or name:
        return read_recipe(name or "paper", changes)
    kept = resumed / KEPT
    if not kept.is_file():
        raise UsageError(
            f"{kept}: no such file; there is no run to resume, or one of an earlier version: name the --recipe it began with"
        )
    return read_recipe(str(kept), changes)


def _read(path: Path, name: str) -> dict[str, dict[str, Any]]:
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise UsageError(f"--recipe {name}: neither a file nor a shipped recipe; there are {', '.join(shipped())}") from None
    except OSError as error:
        raise UsageError(f"{path}: {reason(error)}") from None
    except ValueError as error:  # not TOML, or not UTF-8
        raise UsageError(f"{path}: not a recipe: {error}") from None
    for table, values in tables.items():
        if table not in TABLES or not isinstance(values, dict):
            raise UsageError(f"{path}: {table!r} is no table of a recipe; there are {', '.join(f'[{name}]' for name in TABLES)}")
    return tables


def _change(change: str) -> tuple[str, dict[str, Any]]:
    """The table that a change `NAME=VALUE` belongs to, and the value by its name; what is not TOML is text."""
    name, equals, text = change.partition("=")
    name, _, part = name.strip().partition(".")
    if not equals:
        raise UsageError(f"--set {change}: expected NAME=VALUE, such as learning_rate=1e-3")
    if name not in TABLE_OF:
        raise UsageError(f"--set {change}: no recipe has a {name!r}; there are {', '.join(TABLE_OF)}")
    try:
        value = tomllib.loads(f"value = {text.strip()}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    return TABLE_OF[name], {name: {part: value} if part else value}


def _checked(table: str, values: Mapping[str, Any], place: str) -> dict[str, Any]:
    """The values of a table as its dataclass holds them."""
    kinds = get_type_hints(TABLES[table], include_extras=True)
    for name in values:
        if name not in kinds:
            raise UsageError(f"{place}: [{table}] has no {name!r}; it has {', '.join(kinds)}")
    try:
        return {name: _fitting(kinds[name], value, name) for name, value in values.items()}
    except ValueError as error:
        raise UsageError(f"{place}: {error}") from None


def _fitting(kind: Any, value: Any, name: str) -> Any:
    """The value as the annotation of its field says; ValueError that says what was expected."""
    bounds = Range()
    if get_origin(kind) is Annotated:
        kind, bounds = get_args(kind)
    if get_origin(kind) is Literal:
        allowed, good = f"one of {', '.join(get_args(kind))}", value in get_args(kind)
    elif kind is bool:
        allowed, good = "true or false", isinstance(value, bool)
    elif kind in (int, float):
        wanted = (int,) if kind is int else (int, float)
        allowed = f"a {'whole number' if kind is int else 'number'} {bounds}"
        good = isinstance(value, wanted) and not isinstance(value, bool) and abs(value) <= LARGEST and value in bounds
    elif kind is str:
        allowed, good = "text", isinstance(value, str)
    elif get_origin(kind) is tuple:
        allowed = 'a list of names, such as ["features"]'
        good = isinstance(value, list) and all(isinstance(each, str) for each in value)
    else:
        return _fitting_table(get_args(kind)[1], value, name)
    if not good:
        raise ValueError(f"{name} = {json.dumps(value, default=str)}: expected {allowed}")
    return kind(value) if kind is float else tuple(value) if isinstance(value, list) else value


def _fitting_table(kind: Any, value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{name} = {json.dumps(value, default=str)}: expected a table, such as {name}.features = 1e-4")
    return {part: _fitting(kind, number, f"{name}.{part}") for part, number in value.items()}


def recipe_text(recipe: Recipe) -> str:
    """A recipe as a file that `read_recipe` reads: every name, in every table."""
    lines = []
    for table, values in asdict(recipe).items():
        lines += [f"[{table}]", *(f"{name} = {_toml(value)}" for name, value in values.items()), ""]
    return "\n".join(lines)


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml(name)} = {_toml(inner)}" for name, inner in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)
