"""`audiolog train`: labelled recordings or a pool of windows in, a checkpoint out; one JSON record per epoch on stdout."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audiolog_cli import terminal
from audiolog_cli.commands.needs import needs, not_with, refuse
from audiolog_cli.commands.options import Quiet, complete_recipe, complete_weights
from audiolog_cli.commands.teaching import extend_weights
from audiolog_cli.errors import UsageError

if TYPE_CHECKING:
    from audiolog_cli.datasets.dataset import Dataset


def train(
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA",
            help="MAESTRO Real, TUT, a folder of audio with events.tsv, a pool made by `audiolog mix --windows`, or clips to "
            "mix; with --extend a folder of clips for each label.",
        ),
    ],
    recording: Annotated[
        Path | None, typer.Argument(metavar="[RECORDING]", help="With --suggest: a long recording to search.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Where last.pt, best.pt, model.safetensors and the test lists go; with --extend the new checkpoint.",
            rich_help_panel="Run",
        ),
    ] = None,
    extend: Annotated[
        str,
        typer.Option(
            metavar="NAME|PATH",
            help="Teach these weights the sounds in DATA in addition to their own, in a minute; see docs/own_sounds.md.",
            autocompletion=complete_weights,
            rich_help_panel="Your own sounds",
        ),
        not_with("--check-data", "--recipe", "--set", "--init", "--resume", "--fold", "--lists", "--labels"),
        not_with("--validation", "--cache", "--mixers", "--tensorboard"),
    ] = "",
    only: Annotated[
        bool,
        typer.Option("--only", help="Leave out the labels that the weights already have.", rich_help_panel="Your own sounds"),
        needs("--extend"),
    ] = False,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace", help="A label in DATA replaces one of the same name in the weights.", rich_help_panel="Your own sounds"
        ),
        needs("--extend"),
        not_with("--only"),
    ] = False,
    suggest: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=0,
            help="Print the N least certain stretches of RECORDING, as an Audacity label track.",
            rich_help_panel="Your own sounds",
        ),
        needs("--extend"),
    ] = 0,
    check_data: Annotated[
        bool,
        typer.Option(
            "--check-data", help="Print counts, minutes and problems of a data set; train nothing.", rich_help_panel="Data"
        ),
        not_with("--out", "--recipe", "--set", "--init", "--resume", "--tensorboard"),
    ] = False,
    recipe: Annotated[
        str,
        typer.Option(
            metavar="NAME|FILE",
            help="Network, losses, augmentation and optimiser: paper, task4b, imoto, everyday, or a TOML file "
            "[default: paper; with --resume that of the run].",
            autocompletion=complete_recipe,
            rich_help_panel="Recipe",
        ),
    ] = "",
    set: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="Change one number of the recipe, such as learning_rate=1e-3; repeatable.",
            rich_help_panel="Recipe",
        ),
    ] = None,
    init: Annotated[
        str,
        typer.Option(
            metavar="NAME|PATH",
            help="Start from these weights; new heads start at random.",
            autocompletion=complete_weights,
            rich_help_panel="Recipe",
        ),
    ] = "",
    resume: Annotated[bool, typer.Option("--resume", help="Continue from last.pt in --out.", rich_help_panel="Run")] = False,
    fold: Annotated[
        str, typer.Option(metavar="NAME", help="Which fold of a data set [default: the first].", rich_help_panel="Data")
    ] = "",
    lists: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="MAESTRO's folder of folds, Imoto's lists, a TSV filename, fold [default: those in DATA].",
            rich_help_panel="Data",
        ),
    ] = None,
    labels: Annotated[
        str,
        typer.Option(
            metavar="NAME|FILE",
            help="maestro-soft for all 17 classes; for your own folder a TSV kind, label.",
            rich_help_panel="Data",
        ),
    ] = "",
    validation: Annotated[
        Path | None,
        typer.Option(metavar="POOL", help="A pool of validation windows, for a pool or clips.", rich_help_panel="Data"),
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="A data set's spectrograms, or decoded clips, kept for all runs [default: OUT/cache].",
            rich_help_panel="Data",
        ),
    ] = None,
    mixers: Annotated[
        int, typer.Option(min=0, help="Processes that mix windows ahead, where DATA holds clips.", rich_help_panel="Data")
    ] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.", rich_help_panel="Run")] = "auto",
    tensorboard: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Also write the figures for TensorBoard.", rich_help_panel="Run")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Train a network by a recipe: AudioLog's losses, and a teacher's tags where a pool has them.

    Example: audiolog train maestro_real --fold 1 --recipe paper --set preset=small --out runs/first
    """
    if not suggest:
        refuse("recording", because="only --suggest looks into one")
    if extend:
        extend_weights(data, extend, out, suggest, recording, only=only, replace=replace, device=device)
        return
    from audiolog_cli.datasets.folders import layout_of, read_dataset

    layout = layout_of(data)
    _refuse_what_does_nothing(layout, data)
    made = layout in ("pool", "clips")  # by `audiolog mix`, or mixed the same way during training
    if made and validation is None:
        raise UsageError(f"{data} is {KINDS[layout]}: it needs --validation POOL")
    dataset = None if made else read_dataset(data, lists, labels)
    if dataset is not None and check_data:
        _report(dataset, data)
        return
    if out is None:
        raise UsageError("train needs --out DIR, where the checkpoint goes")
    import json

    from audiolog_cli.tagging.tagger import find_device
    from audiolog_cli.training.board import drawn
    from audiolog_cli.training.experiment import Experiment, on_recordings, run
    from audiolog_cli.training.recipe import recipe_of_run
    from audiolog_cli.weights.find import find

    store = cache or out / "cache"
    pool = data if layout == "pool" else validation or store
    experiment = Experiment(
        pool=pool,
        validation=validation or pool,
        out=out,
        recipe=recipe_of_run(recipe, set or [], out if resume else None),
        device=str(find_device(device)),
        init=find(init) if init else None,
        resume=resume,
        clips=data if layout == "clips" else None,
        clip_cache=store,
        mixers=mixers,
    )
    if dataset is not None:
        experiment = on_recordings(experiment, dataset, fold, terminal.say, terminal.show_progress)
    records = run(experiment, terminal.say, terminal.show_progress)
    if tensorboard is not None:
        records = drawn(records, tensorboard)
    terminal.write_lines(json.dumps(record) + "\n" for record in records)


KINDS = {"pool": "a pool", "clips": "a folder of clips"}  # layouts that are not data sets


def _refuse_what_does_nothing(layout: str, data: Path) -> None:
    """UsageError for an option that has no effect with this kind of DATA."""
    if layout not in KINDS:
        refuse("validation", because=f"the folds of {data} say what validates")
        refuse("mixers", because=f"the windows of {data} are cut, not mixed")
        return
    refuse("fold", "lists", "labels", "check_data", because=f"{data} is {KINDS[layout]}, no data set")
    if layout == "pool":
        refuse("cache", "mixers", because=f"the windows of {data} are made")


def _report(dataset: "Dataset", folder: Path) -> None:
    """The summary on stdout, notes and problems on stderr; exit code 1 if there is a problem."""
    from audiolog_cli.datasets.dataset import check_archives, summarize, summary_lines

    terminal.write_lines(summary_lines(summarize(dataset)))
    for note in dataset.notes:
        terminal.say(note)
    problems = [*dataset.problems, *check_archives(folder)]
    for problem in problems:
        terminal.complain(problem)
    if problems:
        raise typer.Exit(1)
