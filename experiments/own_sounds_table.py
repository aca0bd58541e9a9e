"""The table of docs/own_sounds.md from the runs of own_sounds.py: mean and spread over draws, one column for each number of
clips.

python experiments/own_sounds_table.py RUNS.jsonl... > table.md
"""

import json
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from tabulate import tabulate

FIGURES = ("ap", "f1", "alarms")
Runs = dict[str, dict[str, list[dict[str, float]]]]  # column -> label -> draws


def read_runs(paths: list[str]) -> Runs:
    runs: Runs = defaultdict(lambda: defaultdict(list))
    for path in paths:
        for line in Path(path).read_text(encoding="utf-8").splitlines():
            one = json.loads(line)
            column = f"{Path(path).stem}, {one['clips']}"
            for label, figures in one["labels"].items():
                runs[column][label].append(figures)
    return runs


def cell(draws: list[dict[str, float]], name: str) -> str:
    values = [one[name] for one in draws]
    if not values:
        return ""
    spread = f" ± {np.std(values):.2f}" if len(values) > 1 and name != "alarms" else ""
    return f"{np.mean(values):.{1 if name == 'alarms' else 2}f}{spread}"


def main() -> None:
    runs = read_runs(sys.argv[1:])
    labels = sorted({label for by_label in runs.values() for label in by_label})
    for name in FIGURES:
        rows = [[label, *(cell(by_label.get(label, []), name) for by_label in runs.values())] for label in labels]
        means = [[np.mean([one[name] for one in draws]) for draws in by_label.values()] for by_label in runs.values()]
        rows.append(
            ["**mean**", *(f"**{np.mean(each):.{1 if name == 'alarms' else 2}f}** ({len(each)} labels)" for each in means)]
        )
        print(tabulate(rows, [name, *runs], tablefmt="github", disable_numparse=True), end="\n\n")


if __name__ == "__main__":
    main()
