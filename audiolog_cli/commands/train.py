"""`audiolog train`: labelled recordings or a pool of windows in, a checkpoint out; one JSON record per epoch on stdout."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audiolog_cli import terminal
from audiolog_cli.commands.options import Quiet, complete_weights
from audiolog_cli.errors import UsageError

if TYPE_CHECKING:
    from audiolog_cli.datasets.dataset import Dataset


def train(
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA",
            help="MAESTRO Real, TUT, a folder of audio with events.tsv, a pool made by `audiolog mix --windows`, or clips to mix.",
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where last.pt, best.pt, model.safetensors and the test lists go.")
    ] = None,
    check_data: Annotated[
        bool, typer.Option("--check-data", help="Print counts, minutes and problems of a data set; train nothing.")
    ] = False,
    fold: Annotated[str, typer.Option(metavar="NAME", help="Which fold of a data set [default: the first].")] = "",
    lists: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH", help="MAESTRO's folder of folds, Imoto's lists, a TSV filename, fold [default: those in DATA]."
        ),
    ] = None,
    labels: Annotated[
        str, typer.Option(metavar="NAME|FILE", help="maestro-soft for all 17 classes; for your own folder a TSV kind, label.")
    ] = "",
    cache: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="A data set's spectrograms, or clips decoded, kept for all runs [default: OUT/cache]."),
    ] = None,
    validation: Annotated[
        Path | None, typer.Option(metavar="POOL", help="Folder of validation windows, beside a pool or clips.")
    ] = None,
    model: Annotated[str, typer.Option(help="htsat, crnn; joint, cnn-bigru, cnn or task4b to compare with.")] = "htsat",
    preset: Annotated[str, typer.Option(help="Size of the network: base, small, tiny.")] = "small",
    init: Annotated[
        str,
        typer.Option(
            metavar="NAME|PATH", help="Start from these weights; new heads start at random.", autocompletion=complete_weights
        ),
    ] = "",
    resume: Annotated[bool, typer.Option("--resume", help="Continue from last.pt in --out.")] = False,
    epochs: Annotated[int, typer.Option(min=1)] = 200,
    steps: Annotated[int, typer.Option(min=1, help="Optimiser steps in an epoch.")] = 100,
    batch_size: Annotated[int, typer.Option(min=1, help="Windows in a forward pass.")] = 32,
    accumulate: Annotated[int, typer.Option(min=1, help="Forward passes in a step.")] = 1,
    learning_rate: Annotated[float, typer.Option(min=0)] = 1e-4,
    weight_decay: Annotated[float, typer.Option(min=0)] = 0.05,
    schedule: Annotated[str, typer.Option(help="How the learning rate goes on: cosine, or htsat (HTS-AT's stairs).")] = "cosine",
    warmup: Annotated[int, typer.Option(min=0, help="Steps until the full learning rate of the cosine.")] = 300,
    ema: Annotated[float, typer.Option(min=0, max=1, help="Decay of the averaged weights.")] = 0.999,
    patience: Annotated[int, typer.Option(min=1, help="Epochs without a better score before stopping.")] = 50,
    metric: Annotated[str, typer.Option(help="Figure that decides which epoch is best.")] = "score",
    scene_weight: Annotated[float, typer.Option(min=0, help="Factor of the scene loss (alpha).")] = 0.3,
    event_weight: Annotated[float, typer.Option(min=0, help="Factor of the event loss (beta).")] = 0.6,
    contrastive: Annotated[bool, typer.Option(help="Whether there is a contrastive loss.")] = True,
    contrastive_weight: Annotated[float, typer.Option(min=0, help="Factor of the contrastive loss.")] = 0.1,
    tag_weight: Annotated[float, typer.Option(min=0, help="Factor of the distillation loss.")] = 0.0,
    hard: Annotated[bool, typer.Option("--hard", help="Learn soft labels as on or off: on above 0.5.")] = False,
    squared: Annotated[bool, typer.Option("--squared", help="Squared error for the events, as task4b is trained.")] = False,
    smoothing: Annotated[float, typer.Option(min=0, max=1, help="Label smoothing of the scenes.")] = 0.0,
    mixup: Annotated[float, typer.Option(min=0, max=1, help="Share of windows averaged with another one.")] = 0.0,
    gain: Annotated[float, typer.Option(min=0, help="Random change of level, dB.")] = 0.0,
    colour: Annotated[float, typer.Option(min=0, help="Random frequency response, within so many dB.")] = 0.0,
    roll: Annotated[bool, typer.Option("--roll", help="Rotate windows in time.")] = False,
    windows: Annotated[int | None, typer.Option(min=1, help="Use only the first so many training windows.")] = None,
    validation_windows: Annotated[int | None, typer.Option(min=1, help="Validate on only so many windows.")] = None,
    mixers: Annotated[int, typer.Option(min=0, help="Processes that mix windows ahead, where DATA holds clips.")] = 1,
    seed: Annotated[int, typer.Option(help="Of weights, order and variation.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    precision: Annotated[str, typer.Option(help="fp32, bf16 or fp16.")] = "fp32",
    tensorboard: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Also draw the records' figures for TensorBoard.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Train a network: AudioLog's losses, and a teacher's tags where a pool has them.

    Example: audiolog train maestro_real --fold 1 --out runs/first
    """
    from audiolog_cli.datasets.folders import layout_of, read_dataset

    layout = layout_of(data)
    made = layout in ("pool", "clips")  # by `audiolog mix`, or as it mixes
    if not made and validation is not None:
        raise UsageError(f"--validation {validation}: {data} is no pool; its folds say what validates")
    if made and (validation is None or check_data or fold or lists or labels or (cache and layout == "pool")):
        kind, without = ("pool", ", --labels or --cache") if layout == "pool" else ("folder of clips", " or --labels")
        raise UsageError(f"{data} is a {kind}: it needs --validation POOL and has no --check-data, --fold, --lists{without}")
    if layout == "clips" and windows is not None:
        raise UsageError(
            f"--windows {windows}: clips are mixed into new windows without end; `audiolog mix` makes a pool of so many"
        )
    dataset = None if made else read_dataset(data, lists, labels)
    if dataset is not None and check_data:
        _report(dataset, data)
        return
    if out is None:
        raise UsageError("train needs --out DIR, where the checkpoint goes")
    import json

    from audiolog_cli.tagging.tagger import find_device
    from audiolog_cli.training.batches import Variation
    from audiolog_cli.training.board import drawn
    from audiolog_cli.training.experiment import Experiment, on_recordings, run
    from audiolog_cli.training.loop import TrainOptions
    from audiolog_cli.training.losses import LossWeights
    from audiolog_cli.weights.find import find

    weights = LossWeights(scene_weight, event_weight, contrastive_weight if contrastive else 0.0, tag_weight, smoothing, squared)
    options = TrainOptions(
        epochs, steps, batch_size, accumulate, learning_rate, weight_decay, schedule, warmup,
        ema=ema, patience=patience, metric=metric, seed=seed, device=str(find_device(device)), precision=precision, weights=weights,
    )  # fmt: skip
    store = cache or out / "cache"
    pool = data if layout == "pool" else validation or store
    experiment = Experiment(
        pool, validation or pool, out, model, preset, find(init) if init else None, resume, Variation(gain, roll, mixup, colour), windows, validation_windows,
        not hard, data if layout == "clips" else None, store, mixers,
    )  # fmt: skip
    if dataset is not None:
        experiment = on_recordings(experiment, dataset, fold, terminal.say, terminal.show_progress)
    records = run(experiment, options, terminal.say, terminal.show_progress)
    if tensorboard is not None:
        records = drawn(records, tensorboard)
    terminal.write_lines(json.dumps(record) + "\n" for record in records)


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
