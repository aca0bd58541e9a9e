"""The training loop: batches in, checkpoints and one record per epoch out.

AdamW, gradient clipping and accumulation, an exponential moving average (EMA) of the weights, which is what gets validated and
shipped, early stopping, mixed precision; the learning rate is warmed up and falls by half a cosine, or in the steps that
HTS-AT was trained with. A run can be interrupted anywhere: `last.pt` holds everything and is replaced atomically after every
epoch and on Ctrl-C, and a resumed run computes the same losses as an uninterrupted one, because the batch, random numbers and
rate of a step depend only on its number. What a batch is, and how a network is scored, is up to the caller (`batches.py`,
`validation.py`).
"""

import copy
import math
import signal
import time
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Literal

import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler

from audiolog_cli.errors import UsageError, WeightsError
from audiolog_cli.model.networks import Trainable
from audiolog_cli.side_files import replacing
from audiolog_cli.training.batches import Batch
from audiolog_cli.training.distributed import World, average_gradients, from_first, means
from audiolog_cli.training.losses import LossWeights, Targets, total_loss
from audiolog_cli.training.ranges import Amount, Count, Positive, Range, Share

Progress = Callable[[str], None]
Validate = Callable[[Trainable], dict[str, float]]
ALONE = World()
BAR = 20  # characters
FLOOR = 0.01  # of the full rate, at the end of the cosine
STAIRS = ((0, 0.2), (1, 0.5), (2, 1.0), (11, 0.5), (21, 0.2))  # HTS-AT: from which epoch on, which share of the full rate
PRECISIONS = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """How to train; the defaults are HTS-AT's and the paper's where those are published."""

    epochs: Positive = 200
    steps: Positive = 100  # of the optimiser, per epoch
    batch_size: Annotated[int, Range(2)] = 32  # windows per forward pass; BatchNorm needs two
    accumulate: Positive = 1  # forward passes per step
    learning_rate: Amount = 1e-4
    learning_rates: dict[str, Amount] = field(default_factory=dict)  # of parts, by the prefix of their parameters' names
    weight_decay: Amount = 0.05
    schedule: Literal["cosine", "htsat"] = "cosine"
    warmup: Count = 300  # steps until the full learning rate, for the cosine
    clip: Amount = 1.0  # norm of the gradient
    ema: Share = 0.999
    frozen_norms: tuple[str, ...] = ()  # parts whose BatchNorms keep their statistics
    patience: Positive = 50  # epochs without improvement before stopping
    metric: Literal["score", "macro_ap", "micro_f1", "scene_accuracy"] = "score"  # of validation, to be maximised
    seed: Annotated[int, Range(0, 10**12)] = 0  # larger ones, times a step's number, pass 64 bits
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainOptions(Training):
    """All options of the loop."""

    loss: LossWeights = LossWeights()
    device: str = "cpu"


@dataclass(slots=True)
class Run:
    """Everything that changes during training, which is everything a resumed run needs."""

    network: Trainable
    average: Trainable  # the EMA of `network`
    optimizer: torch.optim.Optimizer
    scaler: GradScaler
    rates: list[float]  # full learning rate of each group of the optimiser
    step: int = 0
    best: float = -math.inf
    best_epoch: int = -1
    sums: dict[str, float] = field(default_factory=dict)  # of the losses in the current epoch

    def state(self) -> dict[str, Any]:
        """What `last.pt` holds."""
        parts = {name: getattr(self, name).state_dict() for name in ("network", "average", "optimizer", "scaler")}
        return parts | {"step": self.step, "best": self.best, "best_epoch": self.best_epoch, "sums": dict(self.sums)}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore what `state` returned."""
        for name in ("network", "average", "optimizer", "scaler"):
            getattr(self, name).load_state_dict(state[name])
        self.step, self.best, self.best_epoch = state["step"], state["best"], state["best_epoch"]
        self.sums = dict(state["sums"])


def start(network: Trainable, options: TrainOptions) -> Run:
    """A run at step 0. UsageError for impossible options: fp16 on a CPU, parts that the network does not have."""
    if options.precision == "fp16" and options.device == "cpu":
        raise UsageError("precision fp16: a CPU has no use for it; take bf16 or fp32, or a GPU")
    _frozen(network, options)
    network.to(options.device)
    optimizer = torch.optim.AdamW(_groups(network, options), betas=(0.9, 0.999), eps=1e-8)
    scaler = GradScaler(options.device.partition(":")[0], enabled=options.precision == "fp16")
    rates = [group["lr"] for group in optimizer.param_groups]
    return Run(network, copy.deepcopy(network).eval().requires_grad_(False), optimizer, scaler, rates)


def _groups(network: nn.Module, options: TrainOptions) -> list[dict[str, Any]]:
    """The parameters grouped by learning rate and decay. Biases, norms and other vectors are not decayed, as usual."""
    for part in options.learning_rates:
        _refuse_unknown_part(network, "learning_rates", part, [name for name, _ in network.named_parameters()])
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for decayed in (True, False):
        for name, parameter in network.named_parameters():
            if (parameter.dim() > 1) == decayed:
                part = max((part for part in options.learning_rates if _within(name, part)), key=len, default="")
                groups.setdefault((options.learning_rates.get(part, options.learning_rate), decayed), []).append(parameter)
    return [
        {"params": parameters, "lr": rate, "weight_decay": options.weight_decay if decayed else 0.0}
        for (rate, decayed), parameters in groups.items()
    ]


def _within(name: str, part: str) -> bool:
    """Whether a parameter or module belongs to a part of the network.

    >>> _within("features.0.weight", "features"), _within("features2.weight", "features")
    (True, False)
    """
    return f"{name}.".startswith(f"{part}.")


def _frozen(network: nn.Module, options: TrainOptions) -> list[nn.Module]:
    """The BatchNorms that keep their initial statistics."""
    norms = {name: module for name, module in network.named_modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)}
    for part in options.frozen_norms:
        _refuse_unknown_part(network, "frozen_norms", part, norms)
    return [module for name, module in norms.items() if any(_within(name, part) for part in options.frozen_norms)]


def _refuse_unknown_part(network: nn.Module, option: str, part: str, names: Iterable[str]) -> None:
    if not any(_within(name, part) for name in names):
        parts = ", ".join(name for name, _ in network.named_children())
        raise UsageError(f"{option}: this network has nothing of that kind in {part!r}; its parts are {parts}")


def train(
    run: Run,
    batches: Callable[[int], Batch],
    validate: Validate,
    options: TrainOptions,
    folder: Path,
    world: World = ALONE,
    progress: Progress = lambda text: None,
) -> Iterator[dict[str, Any]]:
    """Train to the end, yielding one record per epoch; `folder/last.pt` and `folder/best.pt` (the EMA's weights) are kept up to
    date.

    Ctrl-C and SIGTERM finish the step, save, and raise KeyboardInterrupt. Of several processes, all yield the records, the first
    writes. `progress` gets a line after every step that shows the state of the epoch, and an empty one at its end.
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
                raise UsageError(f"metric {options.metric}: the validation windows do not define it; use score")
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
    rate = options.learning_rate * share_of_rate(run.step - 1, options)
    figures = losses | {name: round(value, 5) for name, value in scores.items()}
    return {"epoch": epoch, "step": run.step, "learning_rate": round(rate, 8)} | figures


def train_step(run: Run, batches: Callable[[int], Batch], options: TrainOptions, world: World = ALONE) -> float:
    """One step of the optimiser; returns the seconds spent waiting for batches."""
    run.network.train()
    for norm in _frozen(run.network, options):
        norm.eval()
    for group, rate in zip(run.optimizer.param_groups, run.rates, strict=True):
        group["lr"] = rate * share_of_rate(run.step, options)
    waited, sums = 0.0, defaultdict(float, run.sums)
    for part in range(options.accumulate):
        number = (run.step * options.accumulate + part) * world.size + world.rank
        torch.manual_seed(options.seed * 1_000_003 + number)  # dropout, SpecAugment: depend on the step, not on the run's history
        began = time.perf_counter()
        batch = batches(number)
        waited += time.perf_counter() - began
        losses = forward(run.network, batch, options)
        run.scaler.scale(losses["loss"] / options.accumulate).backward()
        for name, value in losses.items():
            sums[name] += value.item() / options.accumulate
    if not math.isfinite(sums["loss"]):
        raise WeightsError(f"the loss is not a number at step {run.step}; a lower learning rate or --set precision=fp32 helps")
    average_gradients(run.network, world)
    run.scaler.unscale_(run.optimizer)
    nn.utils.clip_grad_norm_(run.network.parameters(), options.clip)
    run.scaler.step(run.optimizer)
    run.scaler.update()
    run.optimizer.zero_grad(set_to_none=True)
    decay = min(options.ema, (1 + run.step) / (10 + run.step))  # lower at first: the random start is forgotten
    update_average(run.average, run.network, decay)
    run.sums = dict(sums)
    run.step += 1
    return waited


def forward(network: Trainable, batch: Batch, options: TrainOptions) -> dict[str, Tensor]:
    """The losses of a batch, in the chosen precision (the losses themselves in fp32)."""
    dtype, device = PRECISIONS[options.precision], torch.device(options.device)
    features, given = batch.features.to(device), batch.targets
    tags = None if given.tags is None else given.tags.to(device)
    targets = Targets(given.events.to(device), given.event_weights.to(device), given.scene.to(device), tags)
    with torch.autocast(device.type, dtype=dtype or torch.bfloat16, enabled=dtype is not None):
        output = network.forward_features(features)
    for name in ("scene_logits", "event_logits", "tag_logits", "scene_embedding", "event_embedding"):
        if (value := getattr(output, name)) is not None:
            setattr(output, name, value.float())
    return total_loss(output, targets, options.loss, getattr(network, "logit_scale", None))


def share_of_rate(step: int, options: TrainOptions) -> float:
    """The share of the full learning rates at one step, by the chosen schedule."""
    if options.schedule == "htsat":
        return htsat(step // options.steps)
    return cosine(step, options.warmup, options.epochs * options.steps)


def cosine(step: int, warmup: int, n_steps: int) -> float:
    """Share of the full rate: a linear rise over `warmup` steps, then half a cosine down to FLOOR at step `n_steps`.

    >>> [round(cosine(step, warmup=10, n_steps=100), 3) for step in (0, 9, 55, 99)]
    [0.1, 1.0, 0.505, 0.01]
    """
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(1, n_steps - warmup)
    return FLOOR + (1 - FLOOR) * (1 + math.cos(math.pi * min(1.0, progress))) / 2


def htsat(epoch: int) -> float:
    """Share of the full rate in an epoch: three epochs of warm-up, halved after the 11th, 0.2 from the 22nd on.

    Chen et al., 2022, as in the released configuration (`lr_rate`; 1.0 is its largest, a rate of 1e-4). The released code rises
    again to 0.3 after its 31st epoch, where its floor is above its last step; here the rate stays.

    >>> [htsat(epoch) for epoch in (0, 1, 2, 10, 11, 20, 21, 99)]
    [0.2, 0.5, 1.0, 1.0, 0.5, 0.5, 0.2, 0.2]
    """
    starts = [start for start, _ in STAIRS]
    return STAIRS[bisect_right(starts, epoch) - 1][1]


def progress_line(run: Run, options: TrainOptions, steps_per_second: float) -> str:
    """The state of the epoch: a bar, the mean loss so far, the seconds left for its steps.

    >>> run = Run(None, None, None, None, [], step=125, sums={"loss": 10.0})
    >>> progress_line(run, TrainOptions(epochs=4, steps=100), steps_per_second=5.0)
    'epoch 1 of 4  [#####...............]  25 of 100  loss 0.4000  15 s left'
    """
    done = (run.step - 1) % options.steps + 1
    bar = "#" * (BAR * done // options.steps)
    loss, left = run.sums.get("loss", 0.0) / done, (options.steps - done) / steps_per_second
    epoch = (run.step - 1) // options.steps
    return f"epoch {epoch} of {options.epochs}  [{bar:.<{BAR}}]  {done} of {options.steps}  loss {loss:.4f}  {left:.0f} s left"


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
    """Write with torch.save, in the first process; the file is the old one or the new one at any moment."""
    if not world.first:
        return
    with replacing(path) as unfinished:
        torch.save(state, unfinished)


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
