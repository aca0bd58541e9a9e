"""`audiolog train`: a pool of windows in, a checkpoint out; one JSON record per epoch on stdout."""

from pathlib import Path
from typing import Annotated

import typer

from audiolog_cli import terminal
from audiolog_cli.commands.options import Quiet


def train(
    pool: Annotated[Path, typer.Argument(metavar="POOL", help="Folder of training windows, made by `audiolog mix --windows`.")],
    validation: Annotated[Path, typer.Option(metavar="POOL", help="Folder of validation windows.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where last.pt, best.pt and model.safetensors go.")],
    model: Annotated[str, typer.Option(help="htsat, crnn; joint, cnn-bigru, cnn or task4b to compare with.")] = "htsat",
    preset: Annotated[str, typer.Option(help="Size of the network: base, small, tiny.")] = "small",
    init: Annotated[
        Path | None, typer.Option(metavar="CHECKPOINT", help="Start from these weights; new heads start at random.")
    ] = None,
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
    contrastive_weight: Annotated[float, typer.Option(min=0, help="Factor of the contrastive loss; 0 leaves it out.")] = 0.1,
    tag_weight: Annotated[float, typer.Option(min=0, help="Factor of the distillation loss.")] = 0.0,
    squared: Annotated[bool, typer.Option("--squared", help="Squared error for the events, as task4b is trained.")] = False,
    smoothing: Annotated[float, typer.Option(min=0, max=1, help="Label smoothing of the scenes.")] = 0.0,
    mixup: Annotated[float, typer.Option(min=0, max=1, help="Share of windows averaged with another one.")] = 0.0,
    gain: Annotated[float, typer.Option(min=0, help="Random change of level, dB.")] = 0.0,
    roll: Annotated[bool, typer.Option("--roll", help="Rotate windows in time.")] = False,
    windows: Annotated[int | None, typer.Option(min=1, help="Use only the first so many windows of POOL.")] = None,
    validation_windows: Annotated[int | None, typer.Option(min=1, help="Validate on only so many windows.")] = None,
    seed: Annotated[int, typer.Option(help="Of weights, order and variation.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    precision: Annotated[str, typer.Option(help="fp32, bf16 or fp16.")] = "fp32",
    tensorboard: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Also draw the records' figures for TensorBoard.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Train a network on a pool of windows: AudioLog's losses, and a teacher's tags where the pool has them.

    Example: audiolog train pool/train --validation pool/val --out runs/first
    """
    import json

    from audiolog_cli.model.batches import Variation
    from audiolog_cli.model.board import drawn
    from audiolog_cli.model.experiment import Experiment, run
    from audiolog_cli.model.losses import LossWeights
    from audiolog_cli.model.tagger import find_device
    from audiolog_cli.model.training import TrainOptions

    weights = LossWeights(scene_weight, event_weight, contrastive_weight, tag_weight, smoothing, squared)
    options = TrainOptions(
        epochs, steps, batch_size, accumulate, learning_rate, weight_decay, schedule, warmup,
        ema=ema, patience=patience, metric=metric, seed=seed, device=str(find_device(device)), precision=precision, weights=weights,
    )  # fmt: skip
    experiment = Experiment(
        pool, validation, out, model, preset, init, resume, Variation(gain, roll, mixup), windows, validation_windows
    )
    records = run(experiment, options, terminal.say, terminal.show_progress)
    if tensorboard is not None:
        records = drawn(records, tensorboard)
    terminal.write_lines(json.dumps(record) + "\n" for record in records)
