"""The training loop: batches in, checkpoints and one record per epoch out.

AdamW, gradient clipping and accumulation, an exponential moving average (EMA) of the weights that is what gets
validated and shipped, early stopping, mixed precision; the learning rate is `schedules.py`'s. Runs can be cut anywhere: `last.pt` holds everything, is replaced
atomically after every epoch and on Ctrl-C, and a resumed run computes the same losses as one that was never cut, because batch and
random numbers of a step depend on its number alone. What a batch is, and how a network is scored, is the caller's (`batches.py`,
`validation.py`).
"""

import copy
import math
import os
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler

from audiolog_cli.errors import UsageError, WeightsError
from audiolog_cli.model.networks import Trainable
from audiolog_cli.training.batches import Batch
from audiolog_cli.training.distributed import World, average_gradients, from_first, means
from audiolog_cli.training.losses import LossWeights, Targets, total_loss
from audiolog_cli.training.schedules import SCHEDULES, cosine, htsat

Progress = Callable[[str], None]
Validate = Callable[[Trainable], dict[str, float]]
ALONE = World()
BAR = 20  # characters
PRECISIONS = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """How to train; the defaults are HTS-AT's and the paper's where those are published."""

    epochs: int = 200
    steps: int = 100  # of the optimiser, in an epoch
    batch_size: int = 32  # windows in a step's forward pass
    accumulate: int = 1  # forward passes in a step
    learning_rate: float = 1e-4
    weight_decay: float = 0.05
    schedule: str = "cosine"  # one of SCHEDULES
    warmup: int = 300  # steps until the full learning rate, of the cosine
    clip: float = 1.0  # norm of the gradient
    ema: float = 0.999
    patience: int = 50  # epochs without a better score before stopping
    metric: str = "score"  # key of the validation result that is to rise
    seed: int = 0
    device: str = "cpu"
    precision: str = "fp32"
    weights: LossWeights = LossWeights()


@dataclass(slots=True)
class Run:
    """Everything that changes while training, and everything a resumed run needs."""

    network: Trainable
    average: Trainable  # the EMA of `network`
    optimizer: torch.optim.Optimizer
    scaler: GradScaler
    step: int = 0
    best: float = -math.inf
    best_epoch: int = -1
    sums: dict[str, float] = field(default_factory=dict)  # of the losses of the epoch that is under way

    def state(self) -> dict[str, Any]:
        """What `last.pt` holds."""
        parts = {name: getattr(self, name).state_dict() for name in ("network", "average", "optimizer", "scaler")}
        return parts | {"step": self.step, "best": self.best, "best_epoch": self.best_epoch, "sums": dict(self.sums)}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` gave."""
        for name in ("network", "average", "optimizer", "scaler"):
            getattr(self, name).load_state_dict(state[name])
        self.step, self.best, self.best_epoch = state["step"], state["best"], state["best_epoch"]
        self.sums = dict(state["sums"])


def check(options: TrainOptions) -> None:
    """UsageError for a schedule or a precision that does not exist, or that the device does not have."""
    for name, value, known in (
        ("schedule", options.schedule, SCHEDULES),
        ("precision", options.precision, tuple(PRECISIONS)),
    ):
        if value not in known:
            raise UsageError(f"--{name} {value}: expected {', '.join(known)}")
    if options.batch_size < 2:
        raise UsageError(
            "--batch-size 1: batch norms need two windows at least; --batch-size 2 --accumulate N takes little memory"
        )
    if options.precision == "fp16" and options.device == "cpu":
        raise UsageError("--precision fp16: a CPU has no use for it; take bf16 or fp32, or a GPU")


def start(network: Trainable, options: TrainOptions) -> Run:
    """A run at step 0. Biases, norms and other vectors are not decayed, as is usual. UsageError for options that cannot be."""
    check(options)
    network.to(options.device)
    matrices = [p for p in network.parameters() if p.dim() > 1]
    vectors = [p for p in network.parameters() if p.dim() <= 1]
    groups = [{"params": matrices, "weight_decay": options.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=options.learning_rate, betas=(0.9, 0.999), eps=1e-8)
    scaler = GradScaler(options.device.partition(":")[0], enabled=options.precision == "fp16")
    return Run(network, copy.deepcopy(network).eval().requires_grad_(False), optimizer, scaler)


def train(
    run: Run,
    batches: Callable[[int], Batch],
    validate: Validate,
    options: TrainOptions,
    folder: Path,
    world: World = ALONE,
    progress: Progress = lambda text: None,
) -> Iterator[dict[str, Any]]:
    """Train to the end, yielding one record per epoch; `folder/last.pt` and `folder/best.pt` (the EMA's weights) are kept up to date.

    Ctrl-C and SIGTERM finish the step, save, and raise KeyboardInterrupt. Of several processes, all yield the records, the first writes.
    `progress` gets a line after every step that says how far the epoch is, and an empty one at its end.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with stop_requests() as stopping:
        while (epoch := run.step // options.steps) < options.epochs and epoch - 1 - run.best_epoch < options.patience:
            began, waited = time.perf_counter(), 0.0
            first_step = run.step
            while run.step < (epoch + 1) * options.steps:
                waited += train_step(run, batches, options, world)
                progress(progress_line(run, options, (run.step - first_step) / (time.perf_counter() - began)))
                if any(means([float(bool(stopping))], options.device, world)):
                    progress("")
                    save(run.state(), folder / "last.pt", world)
                    raise KeyboardInterrupt
            seconds = time.perf_counter() - began
            record = _record(run, epoch, options, from_first(validate(run.average) if world.first else None, world), world)
            n_clips = (run.step - first_step) * options.batch_size * options.accumulate * world.size
            record |= {"clips_per_second": round(n_clips / seconds, 2), "waiting": round(waited / seconds, 4)}
            if options.metric not in record:
                raise UsageError(
                    f"--metric {options.metric}: the validation windows do not allow it; --metric score is what they allow"
                )
            if record[options.metric] > run.best:
                run.best, run.best_epoch = record[options.metric], epoch
                save(run.average.state_dict(), folder / "best.pt", world)
            run.sums = {}
            save(run.state(), folder / "last.pt", world)
            progress("")
            yield record


def _record(run: Run, epoch: int, options: TrainOptions, scores: dict[str, float], world: World) -> dict[str, Any]:
    sums = dict(zip(run.sums, means(list(run.sums.values()), options.device, world), strict=True))
    losses = {name: round(value / options.steps, 6) for name, value in sums.items()}
    rate = learning_rate(run.step - 1, options)
    return {
        "epoch": epoch,
        "step": run.step,
        "learning_rate": round(rate, 8),
        **losses,
        **{k: round(v, 5) for k, v in scores.items()},
    }


def train_step(run: Run, batches: Callable[[int], Batch], options: TrainOptions, world: World = ALONE) -> float:
    """One step of the optimiser; returns the seconds that were spent waiting for batches."""
    run.network.train()
    for group in run.optimizer.param_groups:
        group["lr"] = learning_rate(run.step, options)
    waited, sums = 0.0, defaultdict(float, run.sums)
    for part in range(options.accumulate):
        number = (run.step * options.accumulate + part) * world.size + world.rank
        torch.manual_seed(options.seed * 1_000_003 + number)  # dropout, SpecAugment: of the batch, not of the run's history
        began = time.perf_counter()
        batch = batches(number)
        waited += time.perf_counter() - began
        losses = forward(run.network, batch, options)
        run.scaler.scale(losses["loss"] / options.accumulate).backward()
        for name, value in losses.items():
            sums[name] += value.item() / options.accumulate
    if not math.isfinite(sums["loss"]):
        raise WeightsError(f"the loss is not a number at step {run.step}; a lower learning rate or --precision fp32 helps")
    average_gradients(run.network, world)
    run.scaler.unscale_(run.optimizer)
    nn.utils.clip_grad_norm_(run.network.parameters(), options.clip)
    run.scaler.step(run.optimizer)
    run.scaler.update()
    run.optimizer.zero_grad(set_to_none=True)
    update_average(run.average, run.network, ema_decay(run.step, options.ema))
    run.sums = dict(sums)
    run.step += 1
    return waited


def forward(network: Trainable, batch: Batch, options: TrainOptions) -> dict[str, Tensor]:
    """The losses of a batch, in the precision that was asked for (the losses themselves in fp32)."""
    dtype, device = PRECISIONS[options.precision], torch.device(options.device)
    features, targets = batch.features.to(device), to_device(batch.targets, device)
    with torch.autocast(device.type, dtype=dtype or torch.bfloat16, enabled=dtype is not None):
        output = network.forward_features(features)
    for name in ("scene_logits", "event_logits", "tag_logits", "scene_embedding", "event_embedding"):
        if (value := getattr(output, name)) is not None:
            setattr(output, name, value.float())
    return total_loss(output, targets, options.weights, getattr(network, "logit_scale", None))


def to_device(targets: Targets, device: torch.device) -> Targets:
    """The same targets there."""
    moved = (None if x is None else x.to(device) for x in (targets.events, targets.event_weights, targets.scene, targets.tags))
    return Targets(*moved)


def learning_rate(step: int, options: TrainOptions) -> float:
    """The rate of one step, by the schedule that was asked for."""
    if options.schedule == "htsat":
        return options.learning_rate * htsat(step // options.steps)
    return options.learning_rate * cosine(step, options.warmup, options.epochs * options.steps)


def progress_line(run: Run, options: TrainOptions, steps_per_second: float) -> str:
    """How far the epoch is: a bar, the mean loss so far, the seconds that are left of its steps.

    >>> run = Run(None, None, None, None, step=125, sums={"loss": 10.0})
    >>> progress_line(run, TrainOptions(epochs=4, steps=100), steps_per_second=5.0)
    'epoch 1 of 4  [#####...............]  25 of 100  loss 0.4000  15 s left'
    """
    done = (run.step - 1) % options.steps + 1
    bar = "#" * (BAR * done // options.steps)
    loss, left = run.sums.get("loss", 0.0) / done, (options.steps - done) / steps_per_second
    epoch = (run.step - 1) // options.steps
    return f"epoch {epoch} of {options.epochs}  [{bar:.<{BAR}}]  {done} of {options.steps}  loss {loss:.4f}  {left:.0f} s left"


def ema_decay(step: int, decay: float) -> float:
    """Shorter memory in the beginning, so that the random start is forgotten."""
    return min(decay, (1 + step) / (10 + step))


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Move the averaged parameters towards the network's; buffers (BatchNorm's statistics) likewise, counters are copied."""
    current = network.state_dict()
    for name, value in average.state_dict().items():
        if value.is_floating_point():
            value.lerp_(current[name], 1 - decay)
        else:
            value.copy_(current[name])


def save(state: dict[str, Any], path: Path, world: World = ALONE) -> None:
    """Write with torch.save under another name, then rename: a reader finds the old file or the new one, never half of it."""
    if not world.first:
        return
    partial = path.with_name(path.name + ".partial")
    torch.save(state, partial)
    os.replace(partial, path)


@contextmanager
def stop_requests() -> Iterator[list[int]]:
    """A list that is empty until SIGINT or SIGTERM arrives; the handlers are put back at the end."""
    received: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        received.append(number)

    previous = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
