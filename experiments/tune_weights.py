"""Writes a checkpoint again with thresholds tuned on composed recordings, and with its provenance.

    audiolog mix DATA/everyday DATA/extra --split val --recordings 36 --seed 8 --out tuning
    python experiments/tune_weights.py run/model.safetensors tuning weights/everyday.safetensors key=value...

The checkpoint will ask `tag` for a window every HOP seconds and to average events over SMOOTH and scenes over SMOOTH_SCENE seconds; the
thresholds are of such scores. The recordings must not be those that `evaluate_weights.py` measures on: another seed. Thresholds are those of the highest micro F1 (`validation.py`).
"""

import sys
from dataclasses import replace
from pathlib import Path

from evaluate_weights import composed_scores

from audiolog_cli.model import checkpoint, tagger
from audiolog_cli.model.validation import tuned_thresholds

# Seconds, each measured on the tuning recordings (weights/README.md)
SMOOTH = 3.0  # better than 0, 2, 4 and 5 in macro AP and in micro F1
SMOOTH_SCENE = 31.0  # as good as 3 in accuracy, and half as many changes of scene
HOP = 5.0  # twice the network's work


def main(weights: Path, folder: Path, out: Path, provenance: dict[str, str]) -> None:
    tagged = tagger.load(weights, "cpu")
    tagged = replace(tagged, card=replace(tagged.card, smooth=SMOOTH, smooth_scene=SMOOTH_SCENE, hop=HOP))
    scores = composed_scores(tagged, folder, {event: (event,) for event in tagged.card.events})
    network, _ = checkpoint.load(weights)
    card = replace(tagged.card, thresholds=tuple(tuned_thresholds(scores)), provenance=tagged.card.provenance | provenance)
    checkpoint.save(out, network, card)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), dict(entry.split("=", 1) for entry in sys.argv[4:]))
