"""One training experiment from folders to a checkpoint: pools in, records per epoch out, `model.safetensors` at the end.

The parts are `recordings.py` (a data set's windows), `mixing/pool.py` (windows), `batches.py` (a step's data), `loop.py` (the
loop), `validation.py` (figures and thresholds).
"""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from audiolog_cli.datasets.dataset import Dataset, require_valid
from audiolog_cli.datasets.folders import divide
from audiolog_cli.errors import UsageError
from audiolog_cli.mixing.pool import Facts, open_pool
from audiolog_cli.model import checkpoint
from audiolog_cli.model.networks import Trainable, new_network, own_front_end
from audiolog_cli.model.pickles import DAMAGED
from audiolog_cli.model.precision import multiply_in_full
from audiolog_cli.side_files import alone, intact, write_whole
from audiolog_cli.training import validation
from audiolog_cli.training.batches import Wanted, pool_batches
from audiolog_cli.training.distributed import World, join, own_device
from audiolog_cli.training.initial import take
from audiolog_cli.training.loop import Progress, Run, TrainOptions, start, train
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
    for what in ("events", "scenes", "seconds", "front_end"):
        if getattr(pool.facts, what) != getattr(judge.facts, what):
            raise UsageError(
                f"{experiment.validation}: its {what} are not those of {experiment.pool}; make both with the same settings"
            )
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
    batches = pool_batches(
        pool,
        options.batch_size,
        options.seed,
        recipe.variation,
        _wanted(experiment.windows, recipe.data.windows),
        soft=not recipe.data.hard_labels,
    )
    wanted = _wanted(experiment.validation_windows, recipe.data.validation_windows)

    def judged(network: Trainable) -> Scores:
        return validation.score(network, judge, wanted=wanted)

    yield from train(
        state, batches, lambda average: validation.summary(judged(average)), options, experiment.out, world, progress
    )
    if world.first:
        finish(experiment, state, judge.facts, judged, say)


def _wanted(of_fold: NDArray[np.int64] | None, limit: int) -> Wanted:
    """The windows of a fold, or the first `limit` of a pool; 0: all."""
    return (limit or None) if of_fold is None else of_fold[: limit or None]


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


def finish(
    experiment: Experiment, state: Run, facts: Facts, judged: Callable[[Trainable], Scores], say: Callable[[str], None]
) -> None:
    """Write the best epoch's weights as a checkpoint, with the thresholds that were best on the validation windows."""
    network = state.average
    best = experiment.out / "best.pt"
    with intact(best, "the weights of the best epoch", "start the run again in another --out", DAMAGED):
        network.load_state_dict(torch.load(best, weights_only=True, map_location="cpu"))
    scores = judged(network)
    scenes = facts.scenes if network.config.n_scenes else ()  # a comparison system may have only one branch
    events = facts.events if network.config.n_events else ()
    card = checkpoint.Card.of(
        network, scenes, events, thresholds=tuple(validation.tuned_thresholds(scores)) if events else (),
        window=facts.seconds,
        provenance={"epoch": str(state.best_epoch), "score": f"{state.best:.4f}"},
    )  # fmt: skip
    path = experiment.out / "model.safetensors"
    checkpoint.save(path, network, card)
    say(f"{path}: best epoch {state.best_epoch}, {best}")
