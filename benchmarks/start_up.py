"""Processor time of the light commands beyond that of `python -c pass`, and of `tag` against importing what it is made of.

    python benchmarks/start_up.py

The aims: `--help` within 0.15 s; `tag` of ten seconds of sound, from start to end, within 1.3 times `import torch, torchaudio`.
Medians of several runs; those of `tag` and of the import in turn, so that whatever else the machine does meets both.
"""

import resource
import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from audiolog_cli.tagging.bench import write_noise

RUNS = 9
CELL = b"filename\tonset\toffset\tkind\tlabel\tscore\na.wav\t0.000\t1.000\tscene\tpark\t0.900\n"
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "audiolog --help": ["-m", "audiolog_cli", "--help"],
    "audiolog tag --help": ["-m", "audiolog_cli", "tag", "--help"],
    "audiolog table": ["-m", "audiolog_cli", "table"],
    "audiolog summarize": ["-m", "audiolog_cli", "summarize", "--quiet"],
}
IMPORTS = ["-c", "import torch, torchaudio"]


def processor_seconds(arguments: list[str]) -> float:
    """User and system time of one run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], input=CELL, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def tag_and_imports(folder: Path, runs: int) -> list[tuple[float, float]]:
    """Seconds of `tag` on ten seconds of noise, and of the imports, run in turn, after one run of each that does not count."""
    recording = folder / "ten-seconds.wav"
    write_noise(recording, 10)
    tag = ["-m", "audiolog_cli", "tag", str(recording)]
    return [(processor_seconds(tag), processor_seconds(IMPORTS)) for _ in range(runs + 1)][1:]


def main() -> None:
    bare = 0.0
    for name, arguments in COMMANDS.items():
        processor_seconds(arguments)  # fills the file cache
        seconds = median(processor_seconds(arguments) for _ in range(RUNS))
        bare = bare or seconds
        print(f"{name:22} {seconds:.3f} s, {seconds - bare:+.3f} s")
    with TemporaryDirectory() as folder:
        pairs = tag_and_imports(Path(folder), RUNS)
    tag, imports = (median(seconds) for seconds in zip(*pairs, strict=True))
    print(f"{'import torch, torchaudio':22} {imports:.3f} s")
    print(f"{'audiolog tag, 10 s':22} {tag:.3f} s, {median(tag / imports for tag, imports in pairs):.2f} times that")


if __name__ == "__main__":
    main()
