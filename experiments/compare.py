"""The table of `make compare`: every system's best epoch on the validation windows, mean and spread over the seeds.

python experiments/compare.py RUNS SYSTEM...     # RUNS/SYSTEM.SEED/log.jsonl, as `audiolog train` prints it
"""

import json
import sys
from pathlib import Path

import numpy as np

FIGURES = ("macro_ap", "micro_f1", "scene_accuracy")


def best_epochs(runs: Path, system: str) -> list[dict[str, float]]:
    """The record of the best epoch of every seed."""
    logs = sorted(runs.glob(f"{system}.*/log.jsonl"))
    return [max(map(json.loads, log.read_text().splitlines()), key=lambda record: record["score"]) for log in logs]


def cell(values: list[float]) -> str:
    """Mean and half the range."""
    return f"{np.mean(values):.3f} ± {(max(values) - min(values)) / 2:.3f}"


def main(runs: Path, systems: list[str]) -> None:
    print("| system | seeds | windows seen | macro AP | micro F1 | scene accuracy |\n|---|---|---|---|---|---|")
    for system in systems:
        records = best_epochs(runs, system)
        figures = " | ".join(cell([record[name] for record in records]) for name in FIGURES)
        print(f"| {system} | {len(records)} | {int(records[0]['step'] * 16)} | {figures} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
