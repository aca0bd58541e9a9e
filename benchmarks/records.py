"""Records per second through the readers and writers, and cells per second through `table` and `summarize` as whole commands.

    python benchmarks/records.py

A day of cells, scores all different, and for `table` a week of them as well, of which Python's start is a smaller part; the best
of five in processor time, which other programs on the machine disturb least. A plain pass (take the lines apart, make numbers of
three fields) runs in turn with them: it says how fast the machine is at it.
"""

import gc
import random
import resource
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from audiolog_cli.reading import read_records
from audiolog_cli.records import CELL_COLUMNS, Cell, jsonl_lines, tsv_lines

N_SECONDS = 86_400  # a day
EVENTS = ("bird", "car", "dog_bark", "speech")
ROUNDS = 5
DAYS = 7
WEEK = "audiolog table, a week"


def day() -> list[Cell]:
    """A day of cells: a scene every second, and events that come and go."""
    score = random.Random(0).random
    cells = []
    for second in range(N_SECONDS):
        scene = "street" if second // 600 % 2 else "park"
        cells.append(Cell("recordings/20261122_000000.WAV", float(second), float(second + 1), "scene", scene, score()))
        for i, event in enumerate(EVENTS):
            if second // (5 + 2 * i) % 3 == 0:
                cells.append(Cell("recordings/20261122_000000.WAV", float(second), float(second + 1), "event", event, score()))
    return cells


def drain(items: Iterable[object]) -> None:
    deque(items, maxlen=0)


def plain_pass(lines: list[str]) -> None:
    for line in lines[1:]:
        filename, onset, offset, kind, label, score = line.split("\t")
        (filename, float(onset), float(offset), kind, label, float(score))


def command(name: str, table: Path) -> None:
    """The whole command, Python's start included, on a file."""
    arguments = [sys.executable, "-m", "audiolog_cli", name, "--quiet", str(table)]
    subprocess.run(arguments, stdout=subprocess.DEVNULL, check=True)


def processor_time() -> float:
    """Seconds of this process and of those that it started and that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def best_times(passes: dict[str, Callable[[], object]]) -> dict[str, float]:
    best = dict.fromkeys(passes, float("inf"))
    for _ in range(ROUNDS):
        for name, run in passes.items():
            start = processor_time()
            run()
            best[name] = min(best[name], processor_time() - start)
    return best


def main() -> None:
    gc.disable()
    cells = day()
    tsv, jsonl = list(tsv_lines(cells, CELL_COLUMNS)), list(jsonl_lines(cells))
    with TemporaryDirectory() as folder:
        table, week = Path(folder) / "day.tsv", Path(folder) / "week.tsv"
        table.write_text("".join(tsv), encoding="utf-8")
        days = [table.read_text(encoding="utf-8").replace("20261122", f"2026112{day}") for day in range(DAYS)]
        week.write_text("".join(days), encoding="utf-8")
        best = best_times(
            {
                "plain pass": lambda: plain_pass(tsv),
                "read TSV": lambda: drain(read_records(tsv, "tsv")),
                "write TSV": lambda: drain(tsv_lines(cells, CELL_COLUMNS)),
                "read JSON Lines": lambda: drain(read_records(jsonl, "jsonl")),
                "write JSON Lines": lambda: drain(jsonl_lines(cells)),
                "audiolog table": lambda: command("table", table),
                WEEK: lambda: command("table", week),
                "audiolog summarize": lambda: command("summarize", table),
            }
        )
    print("what\tseconds\tcells_per_s\ttimes_plain")
    for name, seconds in best.items():
        n_days = DAYS if name == WEEK else 1
        print(f"{name}\t{seconds:.3f}\t{n_days * len(cells) / seconds:.0f}\t{seconds / n_days / best['plain pass']:.2f}")


if __name__ == "__main__":
    main()
