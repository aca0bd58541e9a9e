"""Networks as they stand and as `tag` runs them in each precision, beside a product of matrices in the same run.

    python benchmarks/networks.py [BATCH ...]        windows at once, 1 and 8

Medians of processor time of one thread for a window of 10 s, features included; `share` is of what the product of two 1024 x 1024
fp32 matrices reaches, `times` how many times as fast as fp32 in `tag`.
"""

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import torch

from audiolog_cli.model import allocator, checkpoint, networks
from audiolog_cli.model.precision import has_bf16
from audiolog_cli.model.prepared import prepared
from audiolog_cli.tagging.bench import GEMM_SIZE, network_gflop

NAMES: dict[str, list[str]] = {
    "mobilenet:mn04": [],
    "mobilenet:mn10": [],
    "crnn:small": ["int8"],
    "htsat:base": ["bf16", "int8"],
}  # with the precisions worth a look


def medians(runs: Sequence[Callable[[], object]], passes: int) -> list[float]:
    """Seconds of processor time of each, all of them in turn."""
    times: list[list[float]] = [[] for _ in runs]
    for number in range(passes + 1):
        for run, taken in zip(runs, times, strict=True):
            start = time.process_time()
            run()
            if number:  # the first pass warms up
                taken.append(time.process_time() - start)
    return [median(taken) for taken in times]


@torch.inference_mode()
def measure(name: str, batch: int) -> str:
    """A row of the table."""
    plain = networks.new_network(*name.split(":"), n_scenes=8, n_events=30).eval()  # type: ignore[misc, arg-type]
    waves, square = torch.rand(batch, 320_000) - 0.5, torch.rand(GEMM_SIZE, GEMM_SIZE)
    lower = [precision for precision in NAMES[name] if precision != "bf16" or has_bf16()]
    ways = [plain, prepared(plain), *(prepared(plain, precision) for precision in lower)]
    gemm, *taken = medians(
        [lambda: square @ square, *(lambda way=way: way(waves) for way in ways)], 11 if name == "htsat:base" else 41
    )
    labels = [f"scene {i}" for i in range(8)], [f"event {i}" for i in range(30)]
    gflop = network_gflop(Path(name), checkpoint.Card.of(plain, *labels)) * batch
    rate = 2 * GEMM_SIZE**3 / 1e9 / gemm
    cells = [f"{1000 * seconds / batch:.1f} ms, {gflop / seconds / rate:.2f}" for seconds in taken[:2]]
    cells += [
        f"{precision} {1000 * seconds / batch:.1f} ms, {taken[1] / seconds:.2f}"
        for precision, seconds in zip(lower, taken[2:], strict=True)
    ]
    return f"| {name} | {batch} | " + " | ".join([*cells[:2], "; ".join(cells[2:])]) + " |"


def main() -> None:
    torch.set_num_threads(1)
    allocator.keep_buffers()
    print("| network | windows at once | plain: a window, share | fp32 in tag | other precisions, times |\n|---|---|---|---|---|")
    for name in NAMES:
        for batch in [int(word) for word in sys.argv[1:]] or [1, 8]:
            print(measure(name, batch), flush=True)


if __name__ == "__main__":
    main()
