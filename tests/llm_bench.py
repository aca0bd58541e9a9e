"""A day with 4k of context on llama.cpp's real server: `python -m tests.llm_bench [HOURS]`, the figures of docs/llm.md.

The model is one of `language_models.py`: it answers every part with an empty list of entries, so that all of them come from the table;
the figures are of the program and the protocol, not of anyone's prose.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from audiolog_cli.records import CELL_COLUMNS, tsv_lines
from tests.language_models import llama_server, serving, write_model
from tests.test_parts import MEASURED, day


def main(hours: float) -> None:
    """Summarise that many hours of the synthetic day and print what it took."""
    program = llama_server()
    if program is None:
        sys.exit("no llama.cpp server; install it with `make llama-server`")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "day.tsv").write_text("".join(tsv_lines(day(hours), CELL_COLUMNS)))
        write_model(folder / "model.gguf", ["A day at home, in the street and in the park.", '{"entries": []}'])
        with serving(program, folder / "model.gguf", "-c", "8192", "-np", "2") as url:  # two slots of 4096 tokens
            for options in (["--estimate"], ["--cache", "off", "--parallel", "2"]):
                command = [sys.executable, "-c", MEASURED, "summarize", "day.tsv", "--llm", f"{url}#m", *options]
                done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
                *said, peak = done.stdout.splitlines()
                print(*said, done.stderr, f"exit {done.returncode}, peak memory {int(peak) / 1024:.0f} MB\n", sep="\n")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 24.0)
