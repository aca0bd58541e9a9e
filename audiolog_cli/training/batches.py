"""Batches from a pool: the windows of each step, their targets, and what is varied on the fly.

In: a filled `WindowPool`. Out: a function from the number of a training step to a `Batch`; the same step gives the same batch in
every process, so a resumed run sees what the uninterrupted one would have seen.

Scene recordings and clips hold events that nobody labelled, and these must not be trained as absent. An event that was not mixed
in has no weight if the scene may hold it (`plausible`), if the teacher is sure of it, or if it may describe the same sound
(`akin`). In a place without a label, only what the teacher does not hear at all counts as absent.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from audiolog_cli.errors import UsageError
from audiolog_cli.mixing.pool import MISSING, NO_SCENE, NOWHERE, SOMEWHERE, Facts, WindowPool, decode
from audiolog_cli.model.features import FRONT_END, FrontEnd
from audiolog_cli.training.losses import Targets
from audiolog_cli.training.ranges import Amount, Share

SURE = 0.4  # from this teacher's probability on, a class that was not mixed in is masked
ABSENT = 0.03  # below this teacher's probability, a class counts as absent where there is no label
STYLE_BETA = 0.4  # of the distribution of shares: most windows keep most of their style
Wanted = int | NDArray[np.int64] | None  # windows of a pool: the first n, those with these indices, or all
ROLL_STEPS = 4  # windows are rolled by multiples of this many steps (125 of 1000 frames), so that no position is special


@dataclass(slots=True)
class Batch:
    """Spectrograms (B, n_frames, n_mels) as the front-end makes them, and their targets."""

    features: Tensor
    targets: Targets


@dataclass(frozen=True, slots=True, kw_only=True)
class Variation:
    """What is varied on the fly; all of it is cheap on a finished spectrogram."""

    gain_db: Amount = 0.0  # level, uniformly within +-
    colour_db: Amount = 0.0  # a random frequency response, within +- this
    roll: bool = False  # rotate in time, with the targets
    mixup: Share = 0.0  # share of windows that are averaged with another
    mix_style: Share = 0.0  # share of windows that are heard as if recorded like another


@dataclass(frozen=True, slots=True)
class LabelTables:
    """How scenes and the teacher's classes relate to the events."""

    plausible: NDArray[np.bool_]  # (n_scenes + 3, n_events): may the scene hold it unlabelled? Last: NOWHERE, SOMEWHERE, NO_SCENE
    columns: tuple[tuple[int, ...], ...]  # of the teacher's classes, for each event; empty without a teacher
    akin: NDArray[np.bool_]  # (n_events, n_events): may the second label describe a sound of the first?


def labels_of(facts: Facts) -> LabelTables:
    """The tables of a pool's note as arrays."""
    rows = [[event in facts.plausible.get(scene, ()) for event in facts.events] for scene in facts.scenes]
    column = {tag: i for i, tag in enumerate(facts.tags)}
    columns = tuple(tuple(column[tag] for tag in facts.mapping[event]) for event in facts.events) if facts.tags else ()
    codes = [[code == SOMEWHERE] * len(facts.events) for code in (NOWHERE, SOMEWHERE, NO_SCENE)]
    akin = [[other in facts.akin.get(event, ()) for other in facts.events] for event in facts.events]
    return LabelTables(
        np.array(rows + codes, dtype=bool), columns, np.array(akin, dtype=bool).reshape(len(facts.events), len(facts.events))
    )


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
            orders.clear()  # one pass at a time; a batch across two passes recomputes both orders, which is cheap
            orders[turn] = np.random.default_rng((seed, turn)).permutation(indices)
        return int(orders[turn][place])

    def batch(step: int) -> Batch:
        chosen = [window_at(position) for position in range(step * batch_size, (step + 1) * batch_size)]
        rng = np.random.default_rng((seed, 1 << 32, step))
        return vary(read_batch(pool, chosen, labels, soft), variation, rng, pool.facts.front_end)

    return batch


def made_windows(pool: WindowPool, wanted: Wanted = None) -> NDArray[np.int64]:
    """The indices of the wanted windows; UsageError if some of them have not been made yet."""
    indices = wanted if isinstance(wanted, np.ndarray) else np.arange(len(pool))[:wanted]
    n_missing = int((pool.state[indices] == MISSING).sum())
    if n_missing:
        raise UsageError(f"the pool lacks {n_missing} of {len(indices)} windows; finish it with `audiolog mix` or use fewer")
    return indices


def read_batch(pool: WindowPool, chosen: Sequence[int], labels: LabelTables, soft: bool = True) -> Batch:
    """The windows as they are, with their targets: `soft` labels where the pool has them."""
    index = np.asarray(chosen)
    features = torch.from_numpy(pool.log_mel[index]).float()
    scene = torch.from_numpy(pool.scene[index]).long()
    hard = torch.from_numpy(pool.events[index]).float()
    scenes = one_hot(scene, len(labels.plausible) - 3)
    if pool.tags is None:
        events = hard if pool.soft is None or not soft else torch.from_numpy(pool.soft[index]).float() / 255
        return Batch(features, Targets(events, torch.ones_like(hard), scenes))
    tags = decode(torch.from_numpy(pool.tags[index]))
    return Batch(features, Targets(hard, event_weights(hard, tags, scene, labels), scenes, tags))


def event_weights(hard: Tensor, tags: Tensor, scene: Tensor, labels: LabelTables) -> Tensor:
    """Weights (B, T, n_events) of the events, from what the teacher hears and what the scene may hold."""
    opinion = torch.stack([tags[:, :, columns].amax(dim=(1, 2)) for columns in map(list, labels.columns)], dim=1)  # (B, n_events)
    anywhere = (hard > 0).any(dim=1)  # in the window
    known = ~torch.from_numpy(labels.plausible)[scene]  # codes below 0 are the last rows
    known = torch.where((scene == SOMEWHERE).unsqueeze(1), opinion < ABSENT, known)
    known &= anywhere | (opinion <= SURE)
    kin = (anywhere.float() @ torch.from_numpy(labels.akin).float()) > 0
    known &= anywhere | ~kin
    return torch.maximum(known.unsqueeze(1).expand_as(hard).to(hard.dtype), (hard > 0).to(hard.dtype))


def vary(batch: Batch, variation: Variation, rng: np.random.Generator, front_end: FrontEnd = FRONT_END) -> Batch:
    """Level, colour, position in time, mixup, style: drawn for each window; the features are those of `front_end`."""
    B, n_frames, _ = batch.features.shape
    if variation.gain_db:
        gains = torch.from_numpy(rng.uniform(-variation.gain_db, variation.gain_db, B).astype(np.float32))[:, None, None]
        batch.features = front_end.louder(batch.features, gains)
    if variation.colour_db:
        gains = responses(B, batch.features.shape[2], variation.colour_db, rng)[:, None, :]
        batch.features = front_end.louder(batch.features, gains)
    if variation.roll:
        batch = _rolled(batch, rng, front_end)
    if variation.mixup:
        batch = _mixed(batch, rng.random(B) < variation.mixup, rng)
    if variation.mix_style:
        batch.features = _styled(batch.features, rng.random(B) < variation.mix_style, rng)
    return batch


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


def _rolled(batch: Batch, rng: np.random.Generator, front_end: FrontEnd) -> Batch:
    targets = batch.targets
    B, n_steps = targets.events.shape[:2]
    n_frames = batch.features.shape[1] - (not front_end.kaldi)  # the last frame of a centred transform belongs to the next window
    for i, steps in enumerate(rng.integers(0, n_steps // ROLL_STEPS, B) * ROLL_STEPS):
        frames = int(steps) * n_frames // n_steps
        batch.features[i, :n_frames] = batch.features[i, :n_frames].roll(frames, dims=0)
        batch.features[i, n_frames:] = batch.features[i, n_frames - 1]
        for target in (targets.events, targets.event_weights, targets.tags):
            if target is not None:
                target[i] = target[i].roll(int(steps), dims=0)
    return batch


def _mixed(batch: Batch, chosen: NDArray[np.bool_], rng: np.random.Generator) -> Batch:
    """Mixup (Zhang et al., 2018) of spectrograms and targets with the next in the batch; a window's own part is the larger."""
    shares = np.where(chosen, rng.uniform(0.5, 1.0, len(chosen)), 1.0)
    own = torch.from_numpy(shares.astype(np.float32))

    def mixed(x: Tensor) -> Tensor:
        share = own.view(-1, *[1] * (x.dim() - 1))
        return share * x + (1 - share) * x.roll(1, dims=0)

    targets, weights = batch.targets, batch.targets.event_weights
    # unknown in either sound is unknown in the mixture
    weights = torch.where(own.view(-1, 1, 1) < 1, torch.minimum(weights, weights.roll(1, dims=0)), weights)
    tags = None if targets.tags is None else mixed(targets.tags)
    return Batch(mixed(batch.features), Targets(mixed(targets.events), weights, mixed(targets.scene), tags))


def _styled(features: Tensor, chosen: NDArray[np.bool_], rng: np.random.Generator) -> Tensor:
    """Freq-MixStyle (Schmid et al., DCASE 2022): each band's mean and spread over time, the mark of a microphone and a place, are
    mixed with those of any other window; a window's own part is the larger.
    """
    shares = rng.beta(STYLE_BETA, STYLE_BETA, len(chosen))
    own = torch.from_numpy(np.where(chosen, np.maximum(shares, 1 - shares), 1.0).astype(np.float32))[:, None, None]
    others = torch.from_numpy(rng.permutation(len(chosen)))
    mean, spread = features.mean(dim=1, keepdim=True), features.std(dim=1, keepdim=True) + 1e-3  # (B, 1, n_mels)
    mixed_mean, mixed_spread = (own * x + (1 - own) * x[others] for x in (mean, spread))
    return (features - mean) / spread * mixed_spread + mixed_mean


def one_hot(scene: Tensor, n_scenes: int) -> Tensor:
    """(B,) indices -> (B, n_scenes): all zero where the scene is unknown, all equal where there is no place."""
    return (scene.unsqueeze(1) == torch.arange(n_scenes)).float() + (scene.unsqueeze(1) == NOWHERE) / max(1, n_scenes)
