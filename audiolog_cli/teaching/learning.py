"""A network and a folder of sounds in; the same network with new columns, and their cross-validation, out.

    material -> lessons -> features of the frozen network -> regression, fold by fold, then on everything

Each clip is tested with columns that were learned without it, in the units of `tag`: seconds, smoothed as the weights ask.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from audiolog_cli.cells import WindowScores, cell_scores, smoothed
from audiolog_cli.errors import UsageError, WeightsError
from audiolog_cli.model.checkpoint import Card, Network, load
from audiolog_cli.model.extended import Extended, Head, compressed
from audiolog_cli.model.prepared import prepared
from audiolog_cli.tagging.options import LoadOptions
from audiolog_cli.tagging.tagger import Tagger, one_thread
from audiolog_cli.tagging.tagger import load as load_tagger
from audiolog_cli.teaching.bank import Bank, find_bank
from audiolog_cli.teaching.figures import Figure, HeldOut, figures_of
from audiolog_cli.teaching.lessons import N_FOLDS, Hearing, Lessons, make_lessons
from audiolog_cli.teaching.material import SCENE, Material
from audiolog_cli.teaching.regression import Floats, Linear, fit
from audiolog_cli.teaching.targets import Targets, targets

Say = Callable[[str], None]

CELL = 1.0  # seconds
BATCH = 4  # windows
BANK_WEIGHT = 3.0  # of the bank, in steps of the lessons where a label is not heard
RARE, PLACE_RARE = 0.05, 0.2  # share of seconds in which a sound is expected, and a place
MOST_FALSE, MOST_FALSE_PLACES = 0.003, 0.05  # share of the bank that an event may be named for, and a place


@dataclass(frozen=True, slots=True)
class TeachOptions:
    """What to do with existing labels."""

    only: bool = False  # drop them
    replace: bool = False  # drop one that has a new label's name
    device: str = "auto"
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Taught:
    """The result of teaching."""

    network: Extended  # to be saved
    card: Card
    tagger: Tagger  # with the same network
    figures: tuple[Figure, ...]
    remarks: tuple[str, ...]


def teach(weights: Path, material: Material, options: TeachOptions, say: Say) -> Taught:
    """Learn the material's labels in addition to those of the checkpoint at `weights`.

    UsageError for a label that exists already, WeightsError for a network without features over time, InputError for too few
    clips.
    """
    network, card = load(weights)
    _check_labels(card, material, options)
    tagger = load_tagger(LoadOptions(weights=str(weights.absolute()), device=options.device))
    lessons = make_lessons(material, Hearing(card.front_end.sample_rate, card.window), options.seed)
    steps = embed(tagger, weights, [lesson.samples for lesson in lessons.windows])
    bank = find_bank(network, weights)
    if bank is None:
        say(f"{weights}: no bank of other sounds beside it; false alarms are learned from your own background and noise alone")
        bank = Bank.empty(steps.shape[2])
    with one_thread():
        events = _learned_events(steps, lessons, material.events, bank, card)
        scenes = _learned_scenes(steps, lessons, material.scenes, bank, len(material.events))
        extended = _extended(network, card, events, scenes, options)
    card = _extended_card(card, extended.kinds[-1], material, events, weights)
    whole = replace(tagger, network=prepared(extended.to(tagger.device)), card=card)
    return Taught(extended, card, whole, (*events.figures, *scenes.figures), tuple(lessons.remarks))


def _check_labels(card: Card, material: Material, options: TeachOptions) -> None:
    for kind, known, wanted in (("event", card.events, material.events), ("scene", card.scenes, material.scenes)):
        if (both := sorted(set(known) & set(wanted))) and not (options.only or options.replace):
            raise UsageError(
                f"{both[0]}: a label of these weights already ({kind}); rename the folder, or take its place with --replace"
            )


def embed(tagger: Tagger, weights: Path, windows: Sequence[Floats]) -> Floats:
    """Compressed features (N, T, C) of the steps of N windows; WeightsError for a network that has none."""

    def heard(batch: Sequence[Floats]) -> Floats:
        with torch.inference_mode():
            output = tagger.network(torch.from_numpy(np.stack(batch)).to(tagger.device))
        if output.steps is None:
            raise WeightsError(
                f"{weights}: this network has no features over time, nothing can be added to it; take other weights"
            )
        features: Floats = compressed(output.steps.float()).cpu().numpy()
        return features

    with ThreadPoolExecutor(tagger.jobs, initializer=torch.set_num_threads, initargs=(1,)) as workers:
        batches = (windows[first : first + BATCH] for first in range(0, len(windows), BATCH))
        return np.concatenate(list(workers.map(heard, batches)))


# Learning


@dataclass(frozen=True, slots=True)
class Learned:
    """Columns for all events, or all scenes."""

    linear: Linear
    figures: tuple[Figure, ...]


def _learned_events(steps: Floats, lessons: Lessons, labels: tuple[str, ...], bank: Bank, card: Card) -> Learned:
    """Columns for events, from the features of steps."""
    if not labels:
        return Learned(Linear.empty(steps.shape[2]), ())
    of_steps = targets(lessons.windows, steps.shape[1], len(labels), card.window)
    linear, scores, others = _learned(steps, of_steps, lessons.folds, bank.steps)
    held = [lesson for lesson in lessons.windows if lesson.fold >= 0]
    cells = in_cells(scores, card)
    of_cells = targets(held, cells.shape[1], len(labels), card.window, mostly=0.3)
    tested = HeldOut(labels, cells, of_cells, others, lessons.names, lessons.clips_of(0, len(labels)))
    return Learned(linear, figures_of(tested, lessons.alike, RARE, MOST_FALSE))


def _learned_scenes(steps: Floats, lessons: Lessons, labels: tuple[str, ...], bank: Bank, n_events: int) -> Learned:
    """Columns for places, from the mean features of windows; the threshold is moved to a score of 0.5."""
    if not labels:
        return Learned(Linear.empty(steps.shape[2]), ())
    means = steps.mean(axis=1, keepdims=True)
    place = np.array([lesson.scene for lesson in lessons.windows])[:, None]  # (N, 1)
    clip = np.array([lesson.spans[0].clip if lesson.scene >= 0 else -1 for lesson in lessons.windows])[:, None]
    heard = (place[..., None] == np.arange(len(labels))).astype(np.float32)
    found = Targets(heard, np.ones_like(heard), clip)
    linear, scores, others = _learned(means, found, lessons.folds, bank.windows)
    clips = lessons.clips_of(n_events, len(labels))
    tested = HeldOut(tuple(map(SCENE.__add__, labels)), scores, _rows(found, lessons.folds >= 0), others, lessons.names, clips)
    figures = figures_of(tested, (), PLACE_RARE, MOST_FALSE_PLACES)
    return Learned(linear.moved(np.array([figure.threshold for figure in figures])), figures)


def _learned(steps: Floats, found: Targets, folds: NDArray[np.int64], bank: Floats) -> tuple[Linear, Floats, Floats]:
    """Columns, the scores (N', T, L) of the windows that are held out in turn, and those (n, L) of the bank."""
    n_labels = found.heard.shape[2]
    scores, others = np.zeros((*steps.shape[:2], n_labels), np.float32), np.zeros((len(bank), n_labels), np.float32)
    bank_folds = np.arange(len(bank)) * N_FOLDS // max(1, len(bank))  # in stretches: features of one sound follow each other
    for fold in range(N_FOLDS):
        linear = _fitted(steps[folds != fold], _rows(found, folds != fold), bank[bank_folds != fold])
        scores[folds == fold] = linear.scores(steps[folds == fold])
        others[bank_folds == fold] = linear.scores(bank[bank_folds == fold])
    return _fitted(steps, found, bank), scores[folds >= 0], others


def _rows(found: Targets, chosen: NDArray[np.bool_]) -> Targets:
    return Targets(found.heard[chosen], found.known[chosen], found.clip[chosen])


def _fitted(steps: Floats, found: Targets, bank: Floats) -> Linear:
    """Regression on windows and bank. Each clip weighs 1, the bank BANK_WEIGHT times the steps where a label is not heard."""
    flat = (-1, found.heard.shape[2])
    weights = found.known * _per_clip(found.clip)[..., None]
    heard, weights = found.heard.reshape(flat), weights.reshape(flat)
    silent = (weights * (1 - heard)).sum(axis=0)
    share = np.broadcast_to(BANK_WEIGHT * silent / max(1, len(bank)), (len(bank), flat[1])).astype(np.float32)
    features = np.concatenate([steps.reshape(-1, steps.shape[2]), bank])
    return fit(features, np.concatenate([heard, np.zeros_like(share)]), np.concatenate([weights, share]).astype(np.float32))


def _per_clip(clip: NDArray[np.int64]) -> Floats:
    """(N, T) weights: those of a clip's steps add up to 1; a step without a clip weighs as much as the average step of one."""
    weights = np.full(clip.shape, 1.0, np.float32)
    heard = clip >= 0
    if heard.any():
        counts = np.bincount(clip[heard])
        weights[heard] = 1.0 / counts[clip[heard]]
        weights[~heard] = weights[heard].mean()
    return weights


def in_cells(scores: Floats, card: Card) -> Floats:
    """Windows' scores (N, T, L) by second (N, n_cells, L), smoothed as in `tag`."""
    rate = 1000  # of positions in a window; only their order matters
    n_window = round(card.window * rate)
    none = np.zeros(0, np.float32)
    found = []
    for window in scores:
        cells = cell_scores([WindowScores(0, n_window, n_window, n_window, none, window)], CELL, "max", rate)
        found.append(np.stack([cell.events for cell in smoothed(cells, card.smooth, 0.0)]))
    return np.stack(found)


# The new checkpoint


def _extended(network: Network, card: Card, events: Learned, scenes: Learned, options: TeachOptions) -> Extended:
    """The network with one more head for the new columns."""
    labels = {
        kind: tuple(figure.label.removeprefix(SCENE) for figure in one.figures) for kind, one in (("e", events), ("s", scenes))
    }
    head = Head(
        "examples",
        n_features=events.linear.weight.shape[1],
        n_events=len(labels["e"]),
        n_scenes=len(labels["s"]),
        kept_events=_kept(card.events, labels["e"], options),
        kept_scenes=_kept(card.scenes, labels["s"], options),
    )
    base, kinds, modules = (
        (network.base, network.kinds, list(network.heads)) if isinstance(network, Extended) else (network, (), [])
    )
    extended = Extended(base, (*kinds, head))
    for index, module in enumerate(modules):
        extended.heads[index] = module
    columns = {"events": events.linear, "scenes": scenes.linear}
    new = {
        f"{name}.{part}": torch.from_numpy(getattr(linear, part))
        for name, linear in columns.items()
        for part in ("weight", "bias")
    }
    extended.heads[-1].load_state_dict({name: values for name, values in new.items() if len(values)})
    return extended.eval()


def _kept(old: tuple[str, ...], new: tuple[str, ...], options: TeachOptions) -> tuple[int, ...] | None:
    """Which of the old labels stay; None means all."""
    if options.only:
        return ()
    return tuple(index for index, label in enumerate(old) if label not in new) if set(old) & set(new) else None


def _extended_card(card: Card, head: Head, material: Material, events: Learned, weights: Path) -> Card:
    kept_events = range(len(card.events)) if head.kept_events is None else head.kept_events
    kept_scenes = range(len(card.scenes)) if head.kept_scenes is None else head.kept_scenes
    kept = {card.scenes[index] for index in kept_scenes}
    return replace(
        card,
        events=(*(card.events[index] for index in kept_events), *material.events),
        thresholds=(*(card.thresholds[index] for index in kept_events), *(figure.threshold for figure in events.figures)),
        scenes=(*(card.scenes[index] for index in kept_scenes), *material.scenes),
        groups={name: tuple(scene for scene in members if scene in kept) for name, members in card.groups.items()}
        if kept
        else {},
        sure_thresholds=(*(card.sure_thresholds[index] for index in kept_events), *(figure.sure for figure in events.figures))
        if card.sure_thresholds
        else (),
        heads=(*card.heads, head),
        provenance=card.provenance | {"extends": weights.stem, "taught": ", ".join((*material.events, *material.scenes))},
    )
