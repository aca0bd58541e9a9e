"""Calibrates a checkpoint and gives it thresholds, both from composed recordings, and its provenance.

    audiolog mix DATA/everyday DATA/extra --split val --recordings 40 --seed 8 --out older
    audiolog mix DATA/world --split val --recordings 40 --seed 8 --out world
    python experiments/tune_weights.py run/model.safetensors weights/everyday.safetensors older world [EVENTS.txt] -- key=value...

Scores become probabilities (`calibration.py`): a temperature goes into the scene head, a slope and a shift of each event into the
event head. The card then asks `tag` for a window every HOP seconds and to average events over SMOOTH and scenes over SMOOTH_SCENE
seconds. One threshold serves all events, the highest whose micro F1 is within SLACK of the best; for `--sure` the lowest with
precision SURE. Places are named where RIGHT of the names are right on the worse of the folders. The recordings must not be those
that `evaluate_weights.py` measures on: use another seed. Scenes outside the default vocabulary lose their outputs, and so do
events outside it or, where EVENTS.txt (one event a line) is given, outside that list.
"""

import sys
from collections.abc import Collection
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from calibration import Array, best_temperature, calibrated, named_shares, one_threshold, slopes_and_shifts, tempered
from evaluate_weights import composed_scores, joined_scores

from audiolog_cli.cells import CellScores, Labels, smoothed
from audiolog_cli.mixing.vocabulary import EVENTS, SCENES
from audiolog_cli.model import checkpoint
from audiolog_cli.tagging.options import LoadOptions
from audiolog_cli.tagging.tagger import Tagger, load
from audiolog_cli.training.validation import Scores
from audiolog_cli.weights.labels import EVERYDAY

# Seconds, each measured on the tuning recordings (weights/README.md)
SMOOTH = 4.5
SMOOTH_SCENE = 31.0
HOP = 6.25
SLACK = 0.002  # of micro F1, given up for a higher threshold
SURE = 0.86  # precision on the tuning recordings; on others it is lower
RIGHT = 0.895  # of the seconds for which a place is named, on the worse material
NAMED_BY_A_SCENE = 0.5  # of the seconds, at least, where RIGHT allows it
EVERY = 5  # one second in so many is counted for RIGHT: means of 31 s hardly change in between
ROUNDS = 3  # of calibration: averages over time are not calibrated by what calibrates their parts


@cache
def averaging(n_seconds: int, over: float) -> Array:
    """(n_seconds, n_seconds): the weights with which `tag` averages scores over so many seconds."""
    cells = (CellScores(i, i + 1.0, row, row) for i, row in enumerate(np.eye(n_seconds, dtype=np.float32)))
    return np.stack([cell.events for cell in smoothed(cells, over, 0.0)])


def averaged(parts: list[Scores], events: float, scene: float) -> Scores:
    """The scores of recordings, each averaged over time as `tag` does it."""

    def over_time(scores: Array, seconds: float) -> Array:
        return averaging(len(scores), seconds) @ scores

    return joined_scores([replace(p, events=over_time(p.events, events), scenes=over_time(p.scenes, scene)) for p in parts])


def event_calibration(parts: list[Scores]) -> tuple[Array, Array]:
    """Slopes and shifts of the logits of frames, such that `tag`'s averages of them are calibrated."""
    n_events = parts[0].events.shape[1]
    slopes, shifts = np.ones(n_events), np.zeros(n_events)
    for _ in range(ROUNDS):
        scores = averaged([calibrated(part, slopes, shifts) for part in parts], SMOOTH, 0.0)
        a, b = slopes_and_shifts(scores)
        slopes, shifts = a * slopes, a * shifts + b
    return slopes, shifts


def bars(materials: list[Scores], scenes: tuple[str, ...], groups: dict[str, tuple[str, ...]]) -> tuple[float, float]:
    """The bars of scenes and of groups that name most seconds of all materials, given RIGHT on the worst of them and
    NAMED_BY_A_SCENE; RIGHT comes first if both are impossible.
    """
    thinned = [replace(m, scenes=m.scenes[::EVERY], scene=m.scene[::EVERY]) for m in materials]
    best: tuple[Any, ...] = ()
    for scene_bar, group_bar in product(np.arange(0.4, 0.96, 0.05), np.arange(0.5, 0.96, 0.05)):
        labels = Labels(scenes, (), np.zeros(0, np.float32), groups, float(scene_bar), float(group_bar))
        found = [named_shares(material, scenes, labels) for material in thinned]
        named, by_a_scene = (float(np.mean([shares[name] for shares in found])) for name in ("named", "named by a scene"))
        worst = min(shares["right of the named"] for shares in found)
        value = named + min(0.0, by_a_scene - NAMED_BY_A_SCENE) if worst >= RIGHT else -1.0
        best = max(best, (worst >= RIGHT, value, worst, float(scene_bar), float(group_bar)))
    return round(best[3], 3), round(best[4], 3)


@torch.no_grad()
def put_in(network: Any, temperature: float, slopes: Array, shifts: Array, scenes: list[int], events: list[int]) -> None:
    """Make the last layers give calibrated logits, of these scenes and events only."""
    scale = torch.from_numpy(slopes).float()
    weight, bias = (getattr(network.sed_head, name)[events] for name in ("weight", "bias"))
    network.sed_head.weight = torch.nn.Parameter(weight * scale[:, None])
    network.sed_head.bias = torch.nn.Parameter(bias * scale + torch.from_numpy(shifts).float())
    for name in ("weight", "bias"):
        setattr(network.asc_head, name, torch.nn.Parameter(getattr(network.asc_head, name)[scenes] / temperature))


def main(weights: Path, out: Path, folders: list[Path], provenance: dict[str, str], wanted: Collection[str]) -> None:
    tagged = load(LoadOptions(weights=str(weights), device="cpu"))
    scenes = tuple(scene for scene in tagged.card.scenes if scene in SCENES)
    events = tuple(event for event in tagged.card.events if event in wanted)
    columns = [tagged.card.scenes.index(scene) for scene in scenes]
    plain = replace(tagged, card=replace(tagged.card, smooth=0.0, smooth_scene=0.0, hop=HOP))
    of_folders = [heard(plain, folder, events, columns) for folder in folders]
    parts = [part for of_folder in of_folders for part in of_folder]
    slopes, shifts = event_calibration(parts)
    lengths = np.cumsum([len(part.events) for part in parts])[:-1]

    def over_time(probabilities: Array) -> Array:
        pieces = np.split(probabilities.astype(np.float32), lengths)
        return averaged([replace(p, scenes=s) for p, s in zip(parts, pieces, strict=True)], 0.0, SMOOTH_SCENE).scenes

    everything = joined_scores(parts)
    temperature = best_temperature(everything.scenes, everything.scene, over_time)
    brought = [replace(calibrated(p, slopes, shifts), scenes=tempered(p.scenes, temperature).astype(np.float32)) for p in parts]
    first_parts = np.cumsum([len(of_folder) for of_folder in of_folders])[:-1]
    materials = [averaged(list(those), SMOOTH, SMOOTH_SCENE) for those in np.split(np.array(brought, object), first_parts)]
    scores = joined_scores(materials)
    usual, sure = one_threshold(scores, slack=SLACK), one_threshold(scores, SURE)
    scene_bar, group_bar = bars(materials, scenes, EVERYDAY.groups)
    network, card = checkpoint.load(weights)
    put_in(network, temperature, slopes, shifts, columns, [tagged.card.events.index(event) for event in events])
    card = replace(
        card, scenes=scenes, events=events, config=card.config | {"n_scenes": len(scenes), "n_events": len(events)},
        smooth=SMOOTH, smooth_scene=SMOOTH_SCENE, hop=HOP,
        thresholds=(usual,) * len(events), sure_thresholds=(sure,) * len(events),
        groups=EVERYDAY.groups, scene_bar=scene_bar, group_bar=group_bar, provenance=card.provenance | provenance,
    )  # fmt: skip
    checkpoint.save(out, network, card)
    print(f"temperature {temperature:.2f}, slopes {slopes.min():.2f} to {slopes.max():.2f}")
    print(f"thresholds {usual} and {sure}, bars {scene_bar} and {group_bar}")


def heard(tagged: Tagger, folder: Path, events: tuple[str, ...], kept: list[int]) -> list[Scores]:
    """The recordings of a folder, with the probabilities of these events and of the kept scenes alone."""
    parts = composed_scores(tagged, folder, {event: (event,) for event in events})
    return [replace(part, scenes=part.scenes[:, kept] / part.scenes[:, kept].sum(axis=1, keepdims=True)) for part in parts]


if __name__ == "__main__":
    names = sys.argv[1:]
    split = names.index("--") if "--" in names else len(names)
    first, second, *others = (Path(name) for name in names[:split])
    chosen = [event for path in others if path.is_file() for event in path.read_text(encoding="utf-8").split()]
    told = dict(entry.split("=", 1) for entry in names[split + 1 :])
    main(first, second, [path for path in others if path.is_dir()], told, chosen or EVENTS)
