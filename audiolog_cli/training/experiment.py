"""One training experiment from folders to a checkpoint: pools in, records per epoch out, `model.safetensors` at the end.

The parts are `recordings.py` (a data set's windows), `mixing/pool.py` (windows), `batches.py` (a step's data), `loop.py` (the
loop), `validation.py` (figures and thresholds).
"""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from audiolog_cli.datasets.dataset import Dataset, require_valid
from audiolog_cli.datasets.folders import divide
from audiolog_cli.errors import UsageError
from audiolog_cli.mixing.augment import SAMPLE_RATE
from audiolog_cli.mixing.pool import Facts, WindowPool, open_pool
from audiolog_cli.mixing.production import Source, load_bank
from audiolog_cli.mixing.windows import MixStyle
from audiolog_cli.model import checkpoint
from audiolog_cli.model.networks import Trainable, new_network, own_front_end
from audiolog_cli.model.pickles import DAMAGED
from audiolog_cli.model.precision import multiply_in_full
from audiolog_cli.side_files import alone, intact, write_whole
from audiolog_cli.training import validation
from audiolog_cli.training.batches import Batch, Wanted, pool_batches
from audiolog_cli.training.distributed import World, from_first, join, own_device
from audiolog_cli.training.initial import take
from audiolog_cli.training.loop import Progress, Run, TrainOptions, start, train
from audiolog_cli.training.mixed import Mixed, mixed_batches
from audiolog_cli.training.recipe import KEPT, Recipe, recipe_text
from audiolog_cli.training.recordings import make_windows, windows_of, write_test_lists
from audiolog_cli.training.validation import Scores


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """What to train, and on which data."""

    pool: Path
    validation: Path
    out: Path
    recipe: Recipe
    device: str = "cpu"
    init: Path | None = None  # a checkpoint to start from: our own, or of any layout that layouts.py reads
    resume: bool = False
    windows: NDArray[np.int64] | None = None  # indices in the pool of a fold's part; None: all
    validation_windows: NDArray[np.int64] | None = None
    clips: Path | None = None  # a folder of clips: windows are mixed on the fly, with the labels of `pool`
    clip_cache: Path = Path("cache")  # where they are kept decoded
    mixers: int = 1  # processes that mix


def on_recordings(
    experiment: Experiment, dataset: Dataset, fold: str, say: Callable[[str], None], progress: Progress
) -> Experiment:
    """The same experiment on a fold of a data set, with windows made under `experiment.pool`; the test part is listed in
    `out/test`.

    InputError for a data set with problems.
    """
    require_valid(dataset)
    division, front_end = divide(dataset, fold), own_front_end(experiment.recipe.network.model)
    pool = experiment.pool / ("magnitude-mel" if front_end.magnitude else "kaldi-mel" if front_end.kaldi else "log-mel")
    make_windows(dataset, front_end, pool, say, progress)
    write_test_lists(dataset, division.test, experiment.out / "test")
    say(f"{dataset.name}: {len(division.train)} recordings train, {len(division.validation)} validate, {len(division.test)} test")
    return replace(
        experiment,
        pool=pool,
        validation=pool,
        windows=windows_of(dataset, division.train),
        validation_windows=windows_of(dataset, division.validation),
    )


def _silent(text: str) -> None:
    """Nothing."""


def run(experiment: Experiment, say: Callable[[str], None], progress: Progress = _silent) -> Iterator[dict[str, Any]]:
    """Train, yielding a record per epoch; afterwards the best weights are in `out/model.safetensors`, thresholds tuned.

    The recipe is kept in `out/recipe.toml`. Under torchrun every process trains; records, messages and progress come from the
    first.
    """
    experiment.out.mkdir(parents=True, exist_ok=True)
    busy = f"{experiment.out}: another run is using this folder; wait for it, or give another --out"
    with join(experiment.device) as world, alone(experiment.out / "lock", busy) if world.first else nullcontext():
        if not world.first:
            say = progress = _silent
        for record in _run(replace(experiment, device=own_device(experiment.device)), say, progress, world):
            if world.first:
                yield record


def _run(experiment: Experiment, say: Callable[[str], None], progress: Progress, world: World) -> Iterator[dict[str, Any]]:
    multiply_in_full()
    recipe = experiment.recipe
    options = TrainOptions(**asdict(recipe.training), loss=recipe.loss, device=experiment.device)
    pool, judge = open_pool(experiment.pool), open_pool(experiment.validation)
    check_alike(pool.facts, judge.facts, experiment)
    network = new_network(
        recipe.network.model, recipe.network.preset, len(pool.facts.scenes), len(pool.facts.events), len(pool.facts.tags),
        pool.facts.front_end, options.seed,
    )  # fmt: skip
    if experiment.init is not None:
        for line in str(take(network, experiment.init, pool.facts.scenes, pool.facts.events)).splitlines():
            say(line)
    state = start(network, options)
    last = experiment.out / "last.pt"
    if experiment.resume:
        restore(state, last)
        say(f"{last}: continues at step {state.step}")
    elif last.exists():
        raise UsageError(f"{last}: there is a run in this folder already; continue it with --resume or give another --out")
    if world.first:
        write_whole(experiment.out / KEPT, recipe_text(recipe))
    batches = _batches(experiment, pool, options, say, world)

    def validate(average: Trainable) -> dict[str, float]:
        return validation.summary(_judged(average, judge, experiment))

    yield from train(state, batches, validate, options, experiment.out, world, progress)
    if world.first:
        finish(experiment, state, say)


def _judged(network: Trainable, judge: WindowPool, experiment: Experiment) -> Scores:
    """The scores of the validation windows."""
    return validation.score(
        network, judge, wanted=_wanted(experiment.validation_windows, experiment.recipe.data.validation_windows)
    )


def _wanted(of_fold: NDArray[np.int64] | None, limit: int) -> Wanted:
    """The windows of a fold, or the first `limit` of a pool; 0: all."""
    return (limit or None) if of_fold is None else of_fold[: limit or None]


def _batches(
    experiment: Experiment, pool: WindowPool, options: TrainOptions, say: Callable[[str], None], world: World
) -> Callable[[int], Batch]:
    """Windows of the pool, or windows mixed on the fly that the pool's labels describe."""
    variation = experiment.recipe.variation
    if experiment.clips is None:
        data = experiment.recipe.data
        wanted = _wanted(experiment.windows, data.windows)
        return pool_batches(pool, options.batch_size, options.seed, variation, wanted, not data.hard_labels)
    source = Source(folders=(experiment.clips,), split="train", cache=experiment.clip_cache)
    bank = load_bank(source, {}, say) if world.first else None
    from_first(True if world.first else None, world)  # now all clips are decoded
    facts, again = pool.facts, partial(load_bank, source, {}, _silent)
    mixed = Mixed(again, MixStyle(facts.seconds), facts, options.batch_size, options.seed, variation, bank or again())
    check_mixed(mixed, experiment)
    return mixed_batches(mixed, experiment.mixers, world.size)


def check_mixed(mixed: Mixed, experiment: Experiment) -> None:
    """UsageError if the clips hold scenes that the pool does not know, or its sample rate is not the mixer's."""
    assert mixed.bank is not None
    if unknown := sorted(set(mixed.bank.scenes) - set(mixed.facts.scenes)):
        raise UsageError(
            f"{experiment.clips}: its scene {unknown[0]!r} is not one of {experiment.validation}; make both from the same"
        )
    if windows := experiment.recipe.data.windows:
        raise UsageError(f"windows {windows}: clips are mixed into new ones without end; `audiolog mix` makes a pool of so many")
    if mixed.facts.front_end.sample_rate != SAMPLE_RATE:
        raise UsageError(f"{experiment.validation}: expected a pool that `audiolog mix` made, at {SAMPLE_RATE} Hz")


def check_alike(training: Facts, judging: Facts, experiment: Experiment) -> None:
    """UsageError if the two pools differ in labels or spectrograms."""
    for what in ("events", "scenes", "seconds", "front_end"):
        if getattr(training, what) != getattr(judging, what):
            raise UsageError(
                f"{experiment.validation}: its {what} are not those of {experiment.pool}; make both with the same settings"
            )


def restore(state: Run, last: Path) -> None:
    """Continue a run from its `last.pt`."""
    if not last.is_file():
        raise UsageError(f"{last}: no such file; there is nothing to resume")
    with intact(last, "the state of a run", "start the run again in another --out", DAMAGED):
        saved = torch.load(last, weights_only=True, map_location="cpu")
    try:
        state.restore(saved)
    except (RuntimeError, ValueError, LookupError, TypeError):  # torch's message lists every parameter that does not fit
        raise UsageError(
            f"{last}: not a run of this network; resume it with the model, preset and labels it began with"
        ) from None


def finish(experiment: Experiment, state: Run, say: Callable[[str], None]) -> None:
    """Write the best epoch's weights as a checkpoint, with the thresholds that were best on the validation windows."""
    network = state.average
    best = experiment.out / "best.pt"
    with intact(best, "the weights of the best epoch", "start the run again in another --out", DAMAGED):
        network.load_state_dict(torch.load(best, weights_only=True, map_location="cpu"))
    judge = open_pool(experiment.validation)
    scores = _judged(network, judge, experiment)
    scenes = judge.facts.scenes if network.config.n_scenes else ()  # a comparison system may have only one branch
    events = judge.facts.events if network.config.n_events else ()
    card = checkpoint.Card.of(
        network, scenes, events, thresholds=tuple(validation.tuned_thresholds(scores)) if events else (),
        window=judge.facts.seconds,
        provenance={"epoch": str(state.best_epoch), "score": f"{state.best:.4f}"},
    )  # fmt: skip
    path = experiment.out / "model.safetensors"
    checkpoint.save(path, network, card)
    say(f"{path}: best epoch {state.best_epoch}, {best}")
