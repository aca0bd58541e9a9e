"""Prints the rows of the paper's Table 2 from what `audiolog eval --format json` wrote, beside the published figures.

    python experiments/table2.py maestro SCORES SYSTEM...     # SCORES/SYSTEM.SEED.json, each over the test parts of all folds

Mean over the seeds and their sample standard deviation. A system without a branch has no figure for it.
"""

import json
import math
import sys
from pathlib import Path

import numpy as np

FIGURES = (("scene", "accuracy"), ("segment", "error_rate"), ("segment", "f1"))  # ACC, ER, F1_m
NO_EVENTS, NO_SCENES = ("cnn",), ("task4b", "cnn-bigru")
NAMES = {
    "htsat-base": "AudioLog, HTS-AT base",
    "htsat-base-alone": "the same without contrastive loss",
    "htsat-small": "AudioLog, HTS-AT small",
    "htsat-small-alone": "the same without contrastive loss",
    "htsat-tiny": "AudioLog, HTS-AT tiny",
    "htsat-tiny-alone": "the same without contrastive loss",
    "crnn": "AudioLog's branches and losses on our small CRNN",
    "crnn-alone": "the same without contrastive loss",
    "task4b": "CRNN, baseline of task 4B",
    "joint": "joint CNN-BiGRU (Imoto et al.)",
    "cnn-bigru": "CNN-BiGRU",
    "cnn": "CNN",
}
PROPOSED = {"maestro": ("0.897", "0.300", "0.836"), "tut": ("0.947", "0.727", "0.505")}
WITHOUT_CONTRASTIVE = {"maestro": ("0.884", "0.300", "0.807"), "tut": ("0.942", "0.767", "0.495")}
PUBLISHED = {
    ("maestro", "task4b"): ("", "0.487", "0.703"),
    ("tut", "joint"): ("0.894", "", "0.461"),
    ("tut", "cnn-bigru"): ("", "", "0.425"),
    ("tut", "cnn"): ("0.843", "", ""),
}


def published(dataset: str, system: str) -> tuple[str, ...]:
    """ACC, ER and F1_m in the paper; AudioLog's are those of the base size, started from AudioSet."""
    if system.startswith("htsat"):
        return (WITHOUT_CONTRASTIVE if system.endswith("-alone") else PROPOSED)[dataset]
    return PUBLISHED.get((dataset, system), ("", "", ""))


def measured(scores: Path, system: str) -> tuple[int, list[str]]:
    """How many seeds there are, and the three figures as text."""
    files = sorted(scores.glob(f"{system}.*.json"))
    pooled = [json.loads(path.read_text())["pooled"] for path in files]
    missing = "scene" if system in NO_SCENES else "segment" if system in NO_EVENTS else ""
    return len(files), [
        "" if part == missing else spread([number(figures[part][name]) for figures in pooled]) for part, name in FIGURES
    ]


def number(value: float | None) -> float:
    """A figure without a denominator, such as the F1 of a system that named nothing, is null in JSON: nan."""
    return math.nan if value is None else value


def spread(values: list[float]) -> str:
    """Mean and sample standard deviation.

    >>> spread([0.5, 0.7])
    '0.600 ± 0.141'
    """
    return f"{np.mean(values):.3f}" + (f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else "")


def main(dataset: str, scores: Path, systems: list[str]) -> None:
    print("| system | seeds | ACC | ER | F1_m | published ACC | ER | F1_m |\n|---|---|---|---|---|---|---|---|")
    for system in systems:
        n_seeds, figures = measured(scores, system)
        print("| " + " | ".join((NAMES.get(system, system), str(n_seeds), *figures, *published(dataset, system))) + " |")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
