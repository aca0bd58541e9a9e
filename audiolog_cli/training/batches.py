"""Batches from a pool: which windows come at which step, how their targets are put together, and what is varied on the fly.

In: a filled `Pool`. Out: a function from the number of a training step to a `Batch`; the same step gives the same batch in every
process, so a resumed run sees what the uninterrupted one would have seen.

Where nobody labelled (scene recordings, what else sounds in a clip) the teacher speaks: an event that the scene may hold (`plausible`)
is learned from the teacher's probability, and any other event that the teacher is sure of is left out of the loss instead of being
trained as silence.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from audiolog_cli.errors import UsageError
from audiolog_cli.mixing.pool import MISSING, UNLABELLED, Facts, WindowPool, decode
from audiolog_cli.training.losses import Targets
from audiolog_cli.training.ranges import Amount, Share

SOFT_WEIGHT = 0.5  # of a target that only the teacher vouches for
SURE = 0.4  # from this probability on, the teacher's word against "nobody mixed it in" masks the class
Wanted = int | NDArray[np.int64] | None  # windows of a pool: the first so many, those of these indices, or all
ROLL_STEPS = 4  # windows are rolled by multiples of this many steps (125 of 1000 frames), so that no place is special


@dataclass(slots=True)
class Batch:
    """Spectrograms (B, n_frames, n_mels) in decibels, and what they should be heard as."""

    features: Tensor
    targets: Targets


@dataclass(frozen=True, slots=True, kw_only=True)
class Variation:
    """What is varied on the fly, each cheap on a finished spectrogram."""

    gain_db: Amount = 0.0  # level, uniformly within +-
    colour_db: Amount = 0.0  # a random frequency response, within +- this
    roll: bool = False  # rotate in time, with the targets
    mixup: Share = 0.0  # share of windows that are averaged with another one


@dataclass(frozen=True, slots=True)
class Labels:
    """How the scenes and the teacher's classes bear on the events."""

    plausible: NDArray[np.bool_]  # (n_scenes + 1, n_events): may the scene hold it unlabelled? The last row is for no scene
    columns: tuple[tuple[int, ...], ...]  # of the teacher's classes, for each event; empty without a teacher


def labels_of(facts: Facts) -> Labels:
    """The tables that a pool's note describes in words."""
    rows = [[event in facts.plausible.get(scene, ()) for event in facts.events] for scene in facts.scenes]
    column = {tag: i for i, tag in enumerate(facts.tags)}
    columns = tuple(tuple(column[tag] for tag in facts.mapping[event]) for event in facts.events) if facts.tags else ()
    return Labels(np.array([*rows, [False] * len(facts.events)], dtype=bool), columns)


def pool_batches(
    pool: WindowPool, batch_size: int, seed: int, variation: Variation = Variation(), wanted: Wanted = None, soft: bool = True
) -> Callable[[int], Batch]:
    """The endless series of batches over the wanted windows of a pool, in a new random order for each pass.

    `soft`: learn soft labels where the pool has them. UsageError if some of the windows have not been made yet.
    """
    indices, labels = made_windows(pool, wanted), labels_of(pool.facts)
    orders: dict[int, NDArray[np.int64]] = {}

    def window_at(position: int) -> int:
        turn, place = divmod(position, len(indices))
        if turn not in orders:
            orders.clear()  # one pass at a time; a batch across the border makes two orders twice, which is cheap
            orders[turn] = np.random.default_rng((seed, turn)).permutation(indices)
        return int(orders[turn][place])

    def batch(step: int) -> Batch:
        chosen = [window_at(position) for position in range(step * batch_size, (step + 1) * batch_size)]
        rng = np.random.default_rng((seed, 1 << 32, step))
        return vary(read_batch(pool, chosen, labels, soft), variation, rng, pool.facts.front_end.magnitude)

    return batch


def made_windows(pool: WindowPool, wanted: Wanted = None) -> NDArray[np.int64]:
    """The indices of the wanted windows; UsageError if some of them have not been made yet."""
    indices = wanted if isinstance(wanted, np.ndarray) else np.arange(len(pool))[:wanted]
    n_missing = int((pool.state[indices] == MISSING).sum())
    if n_missing:
        raise UsageError(f"the pool lacks {n_missing} of {len(indices)} windows; finish it with `audiolog mix` or use fewer")
    return indices


def read_batch(pool: WindowPool, chosen: Sequence[int], labels: Labels, soft: bool = True) -> Batch:
    """The windows as they are, with their targets: `soft` labels where the pool has them."""
    index = np.asarray(chosen)
    features = torch.from_numpy(pool.log_mel[index]).float()
    scene = torch.from_numpy(pool.scene[index]).long()
    hard = torch.from_numpy(pool.events[index]).float()
    scenes = one_hot(scene, len(labels.plausible) - 1)
    labelled = torch.from_numpy(pool.state[index] != UNLABELLED)[:, None, None]
    if pool.tags is None:
        events = hard if pool.soft is None or not soft else torch.from_numpy(pool.soft[index]).float() / 255
        return Batch(features, Targets(events, torch.ones_like(hard) * labelled, scenes))
    tags = decode(torch.from_numpy(pool.tags[index]))
    events, weights = event_targets(hard, tags, scene, labels)
    return Batch(features, Targets(events, weights * labelled, scenes, tags))


def event_targets(hard: Tensor, tags: Tensor, scene: Tensor, labels: Labels) -> tuple[Tensor, Tensor]:
    """Targets and weights (B, T, n_events) from what was mixed in, what the teacher hears, and what the scene may hold."""
    opinion = torch.stack([tags[:, :, columns].amax(dim=2) for columns in map(list, labels.columns)], dim=2)
    plausible = torch.from_numpy(labels.plausible)[scene].unsqueeze(1)  # scene -1 is the last row
    mixed_in = hard > 0
    events = torch.where(~mixed_in & plausible, opinion, hard)
    weights = torch.ones_like(hard)
    weights[~mixed_in & plausible.expand_as(mixed_in)] = SOFT_WEIGHT
    weights[~mixed_in & ~plausible & (opinion > SURE)] = 0.0
    return events, weights


def vary(batch: Batch, variation: Variation, rng: np.random.Generator, magnitude: bool = False) -> Batch:
    """Level, colour, place in time, mixup: drawn anew for each window. `magnitude`: the features are magnitudes, not decibels."""
    B, n_frames, _ = batch.features.shape
    if variation.gain_db:
        gains = torch.from_numpy(rng.uniform(-variation.gain_db, variation.gain_db, B).astype(np.float32))[:, None, None]
        batch.features = _louder(batch.features, gains, magnitude)
    if variation.colour_db:
        gains = responses(B, batch.features.shape[2], variation.colour_db, rng)[:, None, :]
        batch.features = _louder(batch.features, gains, magnitude)
    if variation.roll:
        batch = _rolled(batch, rng)
    if variation.mixup:
        batch = _mixed(batch, rng.random(B) < variation.mixup, rng)
    return batch


def _louder(features: Tensor, gains: Tensor, magnitude: bool) -> Tensor:
    """Features with gains (dB) applied; they are magnitudes or themselves in dB."""
    return features * 10 ** (gains / 20) if magnitude else features + gains


def responses(n: int, n_mels: int, within_db: float, rng: np.random.Generator) -> Tensor:
    """Frequency responses (n, n_mels) in dB, as of n unknown microphones and rooms.

    Straight lines between levels drawn within +- `within_db` at both ends and at one to four places between them: FilterAugment's
    linear type (Nam et al., ICASSP 2022).
    """
    rows = []
    for _ in range(n):
        places = np.sort(rng.uniform(0, n_mels - 1, rng.integers(1, 5)))
        levels = rng.uniform(-within_db, within_db, len(places) + 2)
        rows.append(np.interp(np.arange(n_mels), [0, *places, n_mels - 1], levels))
    return torch.from_numpy(np.array(rows, dtype=np.float32))


def _rolled(batch: Batch, rng: np.random.Generator) -> Batch:
    targets = batch.targets
    assert targets.events is not None
    B, n_steps = targets.events.shape[:2]
    n_frames = batch.features.shape[1] - 1  # the last frame of a centred transform belongs to the next window
    for i, steps in enumerate(rng.integers(0, n_steps // ROLL_STEPS, B) * ROLL_STEPS):
        frames = int(steps) * n_frames // n_steps
        batch.features[i, :n_frames] = batch.features[i, :n_frames].roll(frames, dims=0)
        batch.features[i, n_frames] = batch.features[i, n_frames - 1]
        for target in (targets.events, targets.event_weights, targets.tags):
            if target is not None:
                target[i] = target[i].roll(int(steps), dims=0)
    return batch


def _mixed(batch: Batch, chosen: NDArray[np.bool_], rng: np.random.Generator) -> Batch:
    """Mixup (Zhang et al., 2018) of spectrograms and targets with the neighbour in the batch; the own part is the larger one."""
    shares = np.where(chosen, rng.uniform(0.5, 1.0, len(chosen)), 1.0)
    own = torch.from_numpy(shares.astype(np.float32))

    def mixed(x: Tensor | None) -> Tensor | None:
        if x is None:
            return None
        share = own.view(-1, *[1] * (x.dim() - 1))
        return share * x + (1 - share) * x.roll(1, dims=0)

    targets, features = batch.targets, mixed(batch.features)
    assert features is not None
    weights = targets.event_weights
    if weights is not None:  # what is not known of either sound is not known of the mixture
        weights = torch.where(own.view(-1, 1, 1) < 1, torch.minimum(weights, weights.roll(1, dims=0)), weights)
    return Batch(features, Targets(mixed(targets.events), weights, mixed(targets.scene), mixed(targets.tags)))


def one_hot(scene: Tensor, n_scenes: int) -> Tensor:
    """(B,) indices with NO_SCENE -> (B, n_scenes), all zero for none."""
    return (scene.unsqueeze(1) == torch.arange(n_scenes)).float()
