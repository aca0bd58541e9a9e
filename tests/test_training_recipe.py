"""Training recipes: the shipped ones, files of one's own, single changes, and what is refused."""

import tomllib
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiolog_cli.errors import UsageError
from audiolog_cli.model.networks import new_network
from audiolog_cli.training import recipe
from audiolog_cli.training.batches import Variation
from audiolog_cli.training.loop import Training
from audiolog_cli.training.recipe import NetworkChoice, Recipe, read_recipe, recipe_text
from tests.shell import ROOT, audiolog


def test_the_papers_recipe_says_every_default() -> None:
    assert read_recipe("paper") == Recipe()
    assert tomllib.loads((recipe.SHIPPED / "paper.toml").read_text()) == tomllib.loads(recipe_text(Recipe()))


def test_the_shipped_recipes_are_those_that_help_and_the_manual_name() -> None:
    names = list(recipe.shipped())
    assert names == ["everyday", "imoto", "paper", "task4b"]
    manual = (ROOT / "docs/training.md").read_text()
    assert all(f"| `{name}` |" in manual for name in names)
    assert "paper, task4b, imoto, everyday, or a TOML file" in " ".join(audiolog("train --help", ROOT).stdout.split())


@pytest.mark.parametrize("name", recipe.shipped())
def test_a_shipped_recipe_names_a_network_that_exists(name: str) -> None:
    chosen = read_recipe(name).network
    assert new_network(chosen.model, chosen.preset, 2, 3)


def test_a_file_says_what_differs_and_changes_come_last(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(
        '[network]\nmodel = "crnn"\n'
        "[training]\nlearning_rate = 1e-3\nlearning_rates = {features = 3e-4}\nfrozen_norms = ['features']\n"
        "[variation]\ngain_db = 6\n"
    )
    changes = ["preset=tiny", "learning_rate = 2e-3", "learning_rates.features.0=1e-5", "roll=true", "metric=macro_ap"]
    assert read_recipe(str(own), changes) == Recipe(
        network=NetworkChoice(model="crnn", preset="tiny"),
        training=Training(
            learning_rate=2e-3,
            learning_rates={"features": 3e-4, "features.0": 1e-5},
            frozen_norms=("features",),
            metric="macro_ap",
        ),
        variation=Variation(gain_db=6.0, roll=True),
    )


def test_a_part_is_added_to_a_table_and_a_table_replaces_it() -> None:
    """So that the default weights' recipe can train a network of other parts."""
    added = read_recipe("everyday", ["learning_rates.se=1e-5"]).training.learning_rates
    assert added == read_recipe("everyday").training.learning_rates | {"se": 1e-5} != {"se": 1e-5}
    cleared = read_recipe("everyday", ["learning_rates={}", "frozen_norms=[]", "model=crnn", "preset=tiny"])
    assert (cleared.training.learning_rates, cleared.training.frozen_norms) == ({}, ())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("learning_rate", "--set learning_rate: expected NAME=VALUE, such as learning_rate=1e-3"),
        ("lerning_rate=1", f"--set lerning_rate=1: no recipe has a 'lerning_rate'; there are {', '.join(recipe.TABLE_OF)}"),
        ("epochs=0", "--set epochs=0: epochs = 0: expected a whole number from 1 on"),
        ("epochs=1.5", "--set epochs=1.5: epochs = 1.5: expected a whole number from 1 on"),
        ("batch_size=1", "--set batch_size=1: batch_size = 1: expected a whole number from 2 on"),
        ("ema=2", "--set ema=2: ema = 2: expected a number from 0 to 1"),
        ("ema=nan", "--set ema=nan: ema = NaN: expected a number from 0 to 1"),
        ("clip=true", "--set clip=true: clip = true: expected a number from 0 on"),
        (f"epochs=1{'0' * 400}", f"--set epochs=1{'0' * 400}: epochs = 1{'0' * 400}: expected a whole number from 1 on"),
        ("seed=-1", "--set seed=-1: seed = -1: expected a whole number from 0 to 1e+12"),
        ("frozen_norms=[1]", '--set frozen_norms=[1]: frozen_norms = [1]: expected a list of names, such as ["features"]'),
        ("roll=1", "--set roll=1: roll = 1: expected true or false"),
        ("model=3", "--set model=3: model = 3: expected text"),
        ("schedule=linear", '--set schedule=linear: schedule = "linear": expected one of cosine, htsat'),
        ("precision=fp8", '--set precision=fp8: precision = "fp8": expected one of fp32, bf16, fp16'),
        ("frozen_norms=stem", '--set frozen_norms=stem: frozen_norms = "stem": expected a list of names, such as ["features"]'),
        ("learning_rates=1", "--set learning_rates=1: learning_rates = 1: expected a table, such as learning_rates.features = "
                             "1e-4"),
        ("learning_rates.stem=-1", "--set learning_rates.stem=-1: learning_rates.stem = -1: expected a number from 0 on"),
    ],
)  # fmt: skip
def test_an_impossible_change_is_refused_with_what_is_possible(change: str, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_recipe("paper", [change])
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[optimiser]\n", "'optimiser' is no table of a recipe; there are [network], [training], [loss], [variation], [data]"),
        ("epochs = 3\n", "'epochs' is no table of a recipe; there are [network], [training], [loss], [variation], [data]"),
        ("[variation]\nreverb = 1\n", "[variation] has no 'reverb'; it has gain_db, colour_db, roll, mixup, mix_style"),
        ("[loss]\nscene_weight = 'much'\n", 'scene_weight = "much": expected a number from 0 on'),
        ("[loss\n", "not a recipe: Expected ']' at the end of a table declaration (at line 1, column 6)"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_a_recipe_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "own.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as refused:
        read_recipe(str(path))
    assert str(refused.value) == f"{path}: {message}"


def test_an_unknown_recipe_is_refused_by_the_command(tmp_path: Path) -> None:
    for folder in ("pool", "val"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "pool.json").write_text("{}")
    done = audiolog("train pool --validation val --out run --recipe papre", tmp_path)
    message = "--recipe papre: neither a file nor a shipped recipe; there are everyday, imoto, paper, task4b"
    assert done == (2, "", f"audiolog: {message}\n")
    done = audiolog("train pool --validation val --out run --resume", tmp_path)
    assert done.code == 2 and done.stderr.startswith("audiolog: run/recipe.toml: no such file; there is no run to resume")


numbers = st.floats(0, 1)
parts = st.text('abcdefgh_.0123456789 "\\é')


@given(
    st.builds(Training, learning_rate=numbers, ema=numbers, seed=st.integers(0, 10**12), frozen_norms=st.lists(parts).map(tuple),
              learning_rates=st.dictionaries(parts, numbers)),
    st.builds(Variation, mixup=numbers, roll=st.booleans()),
)  # fmt: skip
def test_a_kept_recipe_reads_back(training: Training, variation: Variation) -> None:
    kept = Recipe(training=training, variation=variation)
    tables = tomllib.loads(recipe_text(kept))
    assert {name: recipe.TABLES[name](**recipe._checked(name, table, "kept")) for name, table in tables.items()} == {
        name: getattr(kept, name) for name in asdict(kept)
    }
