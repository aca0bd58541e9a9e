"""Records per second through the readers and writers, and cells per second through `table` and `summarize` as whole commands.

python benchmarks/records.py
"""

import gc
import subprocess
import sys
import time
from collections.abc import Callable

from audiolog_cli.records import CELL_COLUMNS, Cell, jsonl_lines, read, tsv_lines

N_SECONDS = 86_400  # a day
EVENTS = ("bird", "car", "dog_bark", "speech")


def day() -> list[Cell]:
    """A day of cells: a scene every second, and events that come and go."""
    cells = []
    for second in range(N_SECONDS):
        scene = "street" if second // 600 % 2 else "park"
        cells.append(Cell("recordings/20261122_000000.WAV", float(second), float(second + 1), "scene", scene, 0.731))
        for i, event in enumerate(EVENTS):
            if second // (5 + 2 * i) % 3 == 0:
                cells.append(Cell("recordings/20261122_000000.WAV", float(second), float(second + 1), "event", event, 0.5))
    return cells


def rate(n: int, run: Callable[[], object]) -> str:
    """The best of three, in records per second."""
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    return f"{n / best:12,.0f} /s"


if __name__ == "__main__":
    gc.disable()
    cells = day()
    tsv, jsonl = list(tsv_lines(cells, CELL_COLUMNS)), list(jsonl_lines(cells))
    print(f"{len(cells):,} cells")
    print("write TSV           ", rate(len(cells), lambda: sum(1 for _ in tsv_lines(cells, CELL_COLUMNS))))
    print("read TSV            ", rate(len(cells), lambda: sum(1 for _ in read(tsv, "tsv"))))
    print("write JSON Lines    ", rate(len(cells), lambda: sum(1 for _ in jsonl_lines(cells))))
    print("read JSON Lines     ", rate(len(cells), lambda: sum(1 for _ in read(jsonl, "jsonl"))))
    text = "".join(tsv).encode()
    for command in ("table", "summarize"):
        line = [sys.executable, "-m", "audiolog_cli", command, "--quiet"]
        run = lambda line=line: subprocess.run(line, input=text, stdout=subprocess.DEVNULL, check=True)  # noqa: E731
        print(f"audiolog {command:11}", rate(len(cells), run))
