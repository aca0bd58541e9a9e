"""Figures of own_sounds.py into a document: mean and spread over draws, between the lines `<!-- figures -->` and `<!-- end -->`.

    python experiments/own_sounds_table.py docs/own_sounds.md RUNS.jsonl...

Three tables: means over labels; each label with the first network; each label with ten clips, network beside network.
"""

import json
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from textwrap import fill

import numpy as np
from tabulate import tabulate

BEGIN, END = "<!-- figures -->\n", "<!-- end -->\n"
CLIPS = 10  # of the comparison
Draws = list[dict[str, dict[str, float]]]  # of each draw: label -> figures
Runs = dict[tuple[str, int | str], Draws]  # by network and number of clips


def read_runs(paths: Iterable[Path]) -> tuple[Runs, dict[str, str]]:
    """Runs, of each network by number of clips, and the fingerprint of each network."""
    runs: Runs = defaultdict(list)
    fingerprints: dict[str, str] = {}
    lines = "".join(path.read_text(encoding="utf-8") for path in paths).splitlines()
    draws = [json.loads(line) for line in lines]
    networks = list(dict.fromkeys(one["network"] for one in draws))
    for one in sorted(draws, key=lambda one: (networks.index(one["network"]), one["clips"])):
        runs[one["network"], one["clips"]].append(one["labels"])
        fingerprints[one["network"]] = one["fingerprint"]
    return runs, fingerprints


def spread(values: Iterable[float], digits: int = 2) -> str:
    values = list(values)
    about = f" ± {np.std(values):.{digits}f}" if len(values) > 1 else ""
    return f"{np.mean(values):.{digits}f}{about}" if values else ""


def over_labels(draws: Draws, name: str, digits: int = 2) -> str:
    """Mean over labels, its spread over draws."""
    return spread((float(np.mean([figures[name] for figures in draw.values()])) for draw in draws), digits)


def of_label(draws: Draws, label: str, name: str) -> str:
    return spread(draw[label][name] for draw in draws if label in draw)


def table(header: list[str], rows: list[list[str]]) -> str:
    return tabulate(rows, header, tablefmt="github", disable_numparse=True) + "\n\n"


def means(runs: Runs) -> str:
    names = (("ap", 2), ("f1", 2), ("alarms", 1))
    rows = [
        [network, str(clips), str(len(draws)), str(len(draws[0])), *(over_labels(draws, name, digits) for name, digits in names)]
        for (network, clips), draws in runs.items()
    ]
    return table(["network", "clips", "draws", "labels", "AP", "F1", "false alarms an hour"], rows)


def by_label(columns: dict[str, tuple[Draws, str]]) -> str:
    """A row for each label; each column shows one figure of some draws."""
    labels = sorted({label for draws, _ in columns.values() for draw in draws for label in draw})
    rows = [[label, *(of_label(draws, label, name) for draws, name in columns.values())] for label in labels]
    return table(["label", *columns], rows)


def tables(runs: Runs) -> str:
    first = next(iter(runs))[0]
    own = {f"{clips}": draws for (network, clips), draws in runs.items() if network == first}
    beside = {network: draws for (network, clips), draws in runs.items() if clips in (CLIPS, "its own classes")}
    both = {f"{clips}: {title}": (draws, name) for clips, draws in own.items() for name, title in (("ap", "AP"), ("f1", "F1"))}
    text = f"{means(runs)}With {first}, by label and number of clips:\n\n{by_label(both)}"
    if len(beside) > 1:
        compared = {f"{network}: AP": (draws, "ap") for network, draws in beside.items()}
        text += f"With {CLIPS} clips, beside the other networks:\n\n{by_label(compared)}"
    return text


def main() -> None:
    document, *paths = (Path(argument) for argument in sys.argv[1:])
    runs, fingerprints = read_runs(paths)
    before, rest = document.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    hashes = ", ".join(f"{name} {digest[:12]}" for name, digest in fingerprints.items() if digest)
    which = fill(f"Networks, with the first digits of the SHA-256 of their tensors: {hashes}.", 128) + "\n\n"
    document.write_text(f"{before}{BEGIN}\n{which}{tables(runs)}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
