"""Processor time of the light commands beyond that of `python -c pass`, medians of several runs.

    python benchmarks/start_up.py

The aim: `--help` within 0.15 s.
"""

import resource
import subprocess
import sys
from statistics import median

RUNS = 9
CELL = b"filename\tonset\toffset\tkind\tlabel\tscore\na.wav\t0.000\t1.000\tscene\tpark\t0.900\n"
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "audiolog --help": ["-m", "audiolog_cli", "--help"],
    "audiolog tag --help": ["-m", "audiolog_cli", "tag", "--help"],
    "audiolog table": ["-m", "audiolog_cli", "table"],
    "audiolog summarize": ["-m", "audiolog_cli", "summarize", "--quiet"],
}


def processor_seconds(arguments: list[str]) -> float:
    """User and system time of one run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], input=CELL, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    bare = 0.0
    for name, arguments in COMMANDS.items():
        processor_seconds(arguments)  # fills the file cache
        seconds = median(processor_seconds(arguments) for _ in range(RUNS))
        bare = bare or seconds
        print(f"{name:22} {seconds:.3f} s, {seconds - bare:+.3f} s")
