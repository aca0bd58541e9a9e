"""`audiolog train`: labelled recordings, a pool of windows or clips in, a checkpoint out; one JSON record per epoch on stdout.

With --extend: a folder of sounds in; out, a checkpoint that knows them, or what to listen to next.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Exit, Option

from audiolog_cli import terminal
from audiolog_cli.commands.jobs import AUDIO_SUFFIXES
from audiolog_cli.commands.needs import Heading, needs, not_with, refuse
from audiolog_cli.commands.options import Device, Quiet, complete_recipe, complete_weights
from audiolog_cli.errors import UsageError
from audiolog_cli.wording import counted

if TYPE_CHECKING:
    from audiolog_cli.datasets.dataset import Dataset


def train(
    data: Annotated[
        Path,
        Argument(
            metavar="DATA",
            help="MAESTRO Real, TUT, a folder of audio with events.tsv, a pool made by `audiolog mix --windows`, or clips to "
            "mix; with --extend a folder of clips for each label.",
        ),
    ],
    recording: Annotated[Path | None, Argument(metavar="[RECORDING]", help="With --suggest: a long recording to search.")] = None,
    out: Annotated[
        Path | None,
        Option(
            metavar="DIR|FILE",
            help="The run's folder: model.safetensors, best.pt, last.pt and the test lists; with --extend the new checkpoint.",
        ),
        Heading("Run"),
    ] = None,
    resume: Annotated[bool, Option("--resume", help="Continue from last.pt in --out.")] = False,
    device: Device = "auto",
    tensorboard: Annotated[Path | None, Option(metavar="DIR", help="Also write the figures for TensorBoard.")] = None,
    extend: Annotated[
        str,
        Option(
            metavar="NAME|PATH",
            help="Teach these weights the sounds in DATA in addition to their own, in a minute; see docs/own_sounds.md.",
            autocompletion=complete_weights,
        ),
        not_with("--check-data", "--recipe", "--set", "--init", "--resume", "--fold", "--lists", "--labels"),
        not_with("--validation", "--cache", "--mixers", "--tensorboard"),
        Heading("Your own sounds"),
    ] = "",
    only: Annotated[
        bool, Option("--only", help="Leave out the labels that the weights already have."), needs("--extend")
    ] = False,
    replace: Annotated[
        bool,
        Option("--replace", help="A label in DATA replaces one of the same name in the weights."),
        needs("--extend"),
        not_with("--only"),
    ] = False,
    suggest: Annotated[
        int,
        Option(metavar="N", min=0, help="Print the N least certain stretches of RECORDING, as an Audacity label track."),
        needs("--extend"),
    ] = 0,
    check_data: Annotated[
        bool,
        Option("--check-data", help="Print counts, minutes and problems of a data set; train nothing."),
        not_with("--out", "--recipe", "--set", "--init", "--resume", "--tensorboard"),
        Heading("Data"),
    ] = False,
    fold: Annotated[str, Option(metavar="NAME", help="Which fold of a data set [default: the first].")] = "",
    lists: Annotated[
        Path | None,
        Option(metavar="PATH", help="MAESTRO's folder of folds, Imoto's lists, a TSV filename, fold [default: those in DATA]."),
    ] = None,
    labels: Annotated[
        str, Option(metavar="NAME|FILE", help="maestro-soft for all 17 classes; for your own folder a TSV kind, label.")
    ] = "",
    validation: Annotated[Path | None, Option(metavar="POOL", help="A pool of validation windows, for a pool or clips.")] = None,
    cache: Annotated[
        Path | None,
        Option(metavar="DIR", help="A data set's spectrograms, or decoded clips, kept for all runs [default: OUT/cache]."),
    ] = None,
    mixers: Annotated[int, Option(min=0, help="Processes that mix windows ahead, where DATA holds clips.")] = 1,
    recipe: Annotated[
        str,
        Option(
            metavar="NAME|FILE",
            help="Network, losses, augmentation and optimiser: paper, task4b, imoto, everyday, or a TOML file "
            "[default: paper; with --resume that of the run].",
            autocompletion=complete_recipe,
        ),
        Heading("Recipe"),
    ] = "",
    set: Annotated[
        list[str] | None,
        Option(metavar="NAME=VALUE", help="Change one number of the recipe, such as learning_rate=1e-3; repeatable."),
    ] = None,
    init: Annotated[
        str,
        Option(metavar="NAME|PATH", help="Start from these weights; new heads start at random.", autocompletion=complete_weights),
    ] = "",
    quiet: Quiet = False,
) -> None:
    """Teach weights a few sounds of your own (--extend), or train a network on labelled recordings by a recipe.

    Example: audiolog train my_sounds/ --extend everyday --out mine.safetensors

    Example: audiolog train maestro_real --fold 1 --recipe paper --set preset=small --out runs/first
    """
    if not suggest:
        refuse("recording", because="only --suggest looks into one")
    if extend:
        _extend(data, extend, out, suggest, recording, only=only, replace=replace, device=device)
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
    from audiolog_cli.datasets.dataset import check_archives, summary_lines

    terminal.write_lines(summary_lines(dataset))
    for note in dataset.notes:
        terminal.say(note)
    problems = [*dataset.problems, *check_archives(folder)]
    for problem in problems:
        terminal.complain(problem)
    if problems:
        raise Exit(1)


def _extend(
    folder: Path, weights: str, out: Path | None, suggest: int, recording: Path | None, *, only: bool, replace: bool, device: str
) -> None:
    """Learn the folder's labels in addition to those of the weights; prints the table, or with `suggest` a label track."""
    if out is None and not suggest:
        raise UsageError("train --extend needs --out FILE, where the checkpoint goes, or --suggest N RECORDING")
    if suggest and recording is None:
        raise UsageError(f"--suggest {suggest}: needs a recording to look into: audiolog train {folder} RECORDING --extend ...")
    if out is not None and (out.is_dir() or not out.parent.is_dir()):
        raise UsageError(f"--out {out}: expected a file to write, as mine.safetensors, in a folder that is there")
    from audiolog_cli.model import checkpoint
    from audiolog_cli.teaching.learning import TeachOptions, teach
    from audiolog_cli.teaching.material import read_material
    from audiolog_cli.teaching.report import report_lines
    from audiolog_cli.teaching.suggest import suggestions, track_lines
    from audiolog_cli.weights.find import find

    material = read_material(folder, lambda name: Path(name).suffix.lower() in AUDIO_SUFFIXES)
    if suggest and not material.events:
        raise UsageError(f"--suggest: {folder} holds places only; it is sounds that are asked about")
    taught = teach(find(weights), material, TeachOptions(only, replace, device), terminal.say)
    for remark in taught.remarks:
        terminal.say(remark)
    if out is not None:
        checkpoint.save(out, taught.network, taught.card)
        counts = f"{counted(len(taught.card.scenes), 'scene')}, {counted(len(taught.card.events), 'event')}"
        terminal.say(f"{out}: {counts}; audiolog tag --weights {out}")
    if recording is not None:
        found = suggestions(taught.tagger, str(recording), material.events, suggest, terminal.say)
        terminal.write_lines(track_lines(found))
        return
    terminal.write_lines(report_lines(taught.figures))
