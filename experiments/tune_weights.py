"""Calibrates a checkpoint and gives it thresholds, both from composed recordings, and its provenance.

    audiolog mix DATA/everyday DATA/extra --split val --recordings 40 --seed 8 --out older
    audiolog mix DATA/world --split val --recordings 40 --seed 8 --out world
    python experiments/tune_weights.py run/model.safetensors weights/everyday.safetensors older world -- key=value...

Scores become probabilities (`calibration.py`): a temperature goes into the scene head, a slope and a shift of each event into the
event head. The card then asks `tag` for a window every HOP seconds and to average events over SMOOTH and scenes over SMOOTH_SCENE
seconds. Thresholds are those of the highest micro F1, averaged with the best common one, and for `--sure` those of the highest
recall at precision SURE. The recordings must not be those that `evaluate_weights.py` measures on: use another seed. Scenes
outside the default vocabulary lose their outputs.
"""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from calibration import Array, best_temperature, calibrated, logit, named_shares, slopes_and_shifts, tempered
from evaluate_weights import composed_scores, joined_scores
from numpy.typing import NDArray

from audiolog_cli.cells import CellScores, Labels, smoothed
from audiolog_cli.mixing.vocabulary import SCENES
from audiolog_cli.model import checkpoint
from audiolog_cli.tagging.options import LoadOptions
from audiolog_cli.tagging.tagger import Tagger, load
from audiolog_cli.training.validation import Scores, micro_f1, sure_thresholds, tuned_thresholds
from audiolog_cli.weights.labels import EVERYDAY

# Seconds, each measured on the tuning recordings (weights/README.md)
SMOOTH = 3.0
SMOOTH_SCENE = 31.0
HOP = 10.0
SHARE = 0.5  # of an event's own threshold; on other recordings no share from 0 to 1 was better or worse by 0.01
SURE = 0.88  # precision on the tuning recordings: 0.80 and 0.81 on others
RIGHT = 0.92  # of the seconds for which a place is named
NAMED_BY_A_SCENE = 0.5  # of the seconds, at least, where RIGHT allows it
ROUNDS = 3  # of calibration: averages over time are not calibrated by what calibrates their parts


def shipped_thresholds(scores: Scores) -> tuple[float, ...]:
    """One threshold per event: the mean of its own and the best for all alike, weighted SHARE to 1 - SHARE, in logits."""
    own = np.asarray(tuned_thresholds(scores))
    common = max(np.arange(0.05, 0.6, 0.01), key=lambda threshold: micro_f1(scores, np.full(len(own), threshold)))
    logits = SHARE * logit(own) + (1 - SHARE) * logit(np.asarray(common))
    return tuple(np.round(1 / (1 + np.exp(-logits)), 4).tolist())


def averaged(parts: list[Scores], events: float, scene: float) -> Scores:
    """The scores of recordings, each averaged over time as `tag` does it."""
    done = []
    for part in parts:
        cells = [CellScores(i, i + 1.0, s, e) for i, (s, e) in enumerate(zip(part.scenes, part.events, strict=True))]
        found = list(smoothed(cells, events, scene))
        done.append(replace(part, events=np.stack([c.events for c in found]), scenes=np.stack([c.scene for c in found])))
    return joined_scores(done)


def event_calibration(parts: list[Scores]) -> tuple[Array, Array]:
    """Slopes and shifts of the logits of frames, such that `tag`'s averages of them are calibrated."""
    n_events = parts[0].events.shape[1]
    slopes, shifts = np.ones(n_events), np.zeros(n_events)
    for _ in range(ROUNDS):
        scores = averaged([calibrated(part, slopes, shifts) for part in parts], SMOOTH, 0.0)
        a, b = slopes_and_shifts(scores)
        slopes, shifts = a * slopes, a * shifts + b
    return slopes, shifts


def bars(scores: Scores, scenes: tuple[str, ...], groups: dict[str, tuple[str, ...]]) -> tuple[float, float]:
    """The bars of scenes and of groups that name most seconds, given RIGHT and NAMED_BY_A_SCENE; RIGHT comes first if both are
    impossible.
    """
    best: tuple[Any, ...] = ()
    for scene_bar in np.arange(0.3, 0.96, 0.025):
        for group_bar in np.arange(max(0.5, scene_bar), 0.96, 0.025):
            labels = Labels(scenes, (), np.zeros(0, np.float32), groups, float(scene_bar), float(group_bar))
            found = named_shares(scores, scenes, labels)
            right = found["right of the named"] >= RIGHT
            value = found["named"] + min(0.0, found["named by a scene"] - NAMED_BY_A_SCENE) if right else -1.0
            best = max(best, (right, value, found["right of the named"], float(scene_bar), float(group_bar)))
    return round(best[3], 3), round(best[4], 3)


@torch.no_grad()
def put_in(network: Any, temperature: float, slopes: Array, shifts: Array, kept: NDArray[np.int64]) -> None:
    """Make the last layers give calibrated logits, of the kept scenes only."""
    scale = torch.from_numpy(slopes).float()
    network.sed_head.weight.mul_(scale[:, None])
    network.sed_head.bias.mul_(scale).add_(torch.from_numpy(shifts).float())
    for name in ("weight", "bias"):
        setattr(network.asc_head, name, torch.nn.Parameter(getattr(network.asc_head, name)[torch.from_numpy(kept)] / temperature))


def main(weights: Path, out: Path, folders: list[Path], provenance: dict[str, str]) -> None:
    tagged = load(LoadOptions(weights=str(weights), device="cpu"))
    scenes = tuple(scene for scene in tagged.card.scenes if scene in SCENES)
    kept = np.array([tagged.card.scenes.index(scene) for scene in scenes])
    plain = replace(tagged, card=replace(tagged.card, smooth=0.0, smooth_scene=0.0, hop=HOP))
    parts = [part for folder in folders for part in heard(plain, folder, kept)]
    slopes, shifts = event_calibration(parts)
    lengths = np.cumsum([len(part.events) for part in parts])[:-1]

    def over_time(probabilities: Array) -> Array:
        pieces = np.split(probabilities.astype(np.float32), lengths)
        return averaged([replace(p, scenes=s) for p, s in zip(parts, pieces, strict=True)], 0.0, SMOOTH_SCENE).scenes

    everything = joined_scores(parts)
    temperature = best_temperature(everything.scenes, everything.scene, over_time)
    brought = [replace(calibrated(p, slopes, shifts), scenes=tempered(p.scenes, temperature).astype(np.float32)) for p in parts]
    scores = averaged(brought, SMOOTH, SMOOTH_SCENE)
    scene_bar, group_bar = bars(scores, scenes, EVERYDAY.groups)
    network, card = checkpoint.load(weights)
    put_in(network, temperature, slopes, shifts, kept)
    card = replace(
        card, scenes=scenes, config=card.config | {"n_scenes": len(scenes)}, smooth=SMOOTH, smooth_scene=SMOOTH_SCENE, hop=HOP,
        thresholds=shipped_thresholds(scores), sure_thresholds=tuple(sure_thresholds(scores, SURE)),
        groups=EVERYDAY.groups, scene_bar=scene_bar, group_bar=group_bar, provenance=card.provenance | provenance,
    )  # fmt: skip
    checkpoint.save(out, network, card)
    print(f"temperature {temperature:.2f}, bars {scene_bar} and {group_bar}, slopes {slopes.min():.2f} to {slopes.max():.2f}")


def heard(tagged: Tagger, folder: Path, kept: NDArray[np.int64]) -> list[Scores]:
    """The recordings of a folder, with the probabilities of the kept scenes alone."""
    parts = composed_scores(tagged, folder, {event: (event,) for event in tagged.card.events})
    return [replace(part, scenes=part.scenes[:, kept] / part.scenes[:, kept].sum(axis=1, keepdims=True)) for part in parts]


if __name__ == "__main__":
    names = sys.argv[1:]
    split = names.index("--") if "--" in names else len(names)
    first, second, *rest = names[:split]
    main(Path(first), Path(second), [Path(name) for name in rest], dict(entry.split("=", 1) for entry in names[split + 1 :]))
