"""Writes a checkpoint again with thresholds tuned on composed recordings, and with its provenance.

    audiolog mix DATA/everyday DATA/extra --split val --recordings 108 --seed 8 --out tuning
    python experiments/tune_weights.py run/model.safetensors tuning weights/everyday.safetensors key=value...

The checkpoint will ask `tag` for a window every HOP seconds and to average events over SMOOTH and scenes over SMOOTH_SCENE seconds; the
thresholds are of such scores. The recordings must not be those that `evaluate_weights.py` measures on: another seed. Thresholds are those of the
highest micro F1 (`validation.py`), drawn a little towards the best single one: most events have only some clips to be tuned on.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from evaluate_weights import composed_scores

from audiolog_cli.model import checkpoint
from audiolog_cli.tagging import tagger
from audiolog_cli.tagging.options import LoadOptions
from audiolog_cli.training.validation import Scores, micro_f1, tuned_thresholds

# Seconds, each measured on the tuning recordings (weights/README.md)
SMOOTH = 3.0  # better than 0, 2, 4 and 5 in macro AP and in micro F1
SMOOTH_SCENE = 31.0  # as good as 3 in accuracy, and half as many changes of scene
HOP = 5.0  # twice the network's work


SHARE = 0.9  # of an event's own threshold; as good as 1 and better than 0.8, 0.7, 0.6 and 0.5 on thirds of the 108 tuning recordings not tuned on


def shipped_thresholds(scores: Scores) -> tuple[float, ...]:
    """One threshold per event: the mean of its own and the best for all alike, weighted SHARE to 1 - SHARE, in logits."""
    own = np.asarray(tuned_thresholds(scores))
    common = max(np.arange(0.05, 0.6, 0.01), key=lambda threshold: micro_f1(scores, np.full(len(own), threshold)))
    logits = SHARE * logit(own) + (1 - SHARE) * logit(common)
    return tuple(np.round(1 / (1 + np.exp(-logits)), 4).tolist())


def logit(p: npt.ArrayLike) -> npt.NDArray[np.float64]:
    p = np.clip(p, 1e-4, 1 - 1e-4)
    return np.log(p / (1 - p))


def main(weights: Path, folder: Path, out: Path, provenance: dict[str, str]) -> None:
    tagged = tagger.load(LoadOptions(weights=str(weights), device="cpu"))
    tagged = replace(tagged, card=replace(tagged.card, smooth=SMOOTH, smooth_scene=SMOOTH_SCENE, hop=HOP))
    scores = composed_scores(tagged, folder, {event: (event,) for event in tagged.card.events})
    network, _ = checkpoint.load(weights)
    card = replace(tagged.card, thresholds=shipped_thresholds(scores), provenance=tagged.card.provenance | provenance)
    checkpoint.save(out, network, card)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), dict(entry.split("=", 1) for entry in sys.argv[4:]))
