"""Writes a checkpoint again with thresholds tuned on composed recordings, and with its provenance.

    audiolog mix DATA/everyday DATA/extra --split val --recordings 36 --seed 8 --out tuning
    python experiments/tune_weights.py run/model.safetensors tuning weights/everyday.safetensors key=value...

The recordings must not be those that `evaluate_weights.py` measures on: another seed. Thresholds are those of the highest micro F1 (`validation.py`).
"""

import sys
from dataclasses import replace
from pathlib import Path

from evaluate_weights import composed_scores

from audiolog_cli.model import checkpoint, tagger
from audiolog_cli.model.validation import tuned_thresholds


def main(weights: Path, folder: Path, out: Path, provenance: dict[str, str]) -> None:
    tagged = tagger.load(weights, "cpu")
    scores = composed_scores(tagged, folder, {event: (event,) for event in tagged.card.events})
    network, card = checkpoint.load(weights)
    card = replace(card, thresholds=tuple(tuned_thresholds(scores)), provenance=card.provenance | provenance)
    checkpoint.save(out, network, card)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), dict(entry.split("=", 1) for entry in sys.argv[4:]))
