"""What a GPU makes of the networks, beside this machine's processor: one JSON object on stdout.

    python benchmarks/gpu.py [--device cuda] [--small]

    products    GFLOP/s of a product of two square matrices in each precision: the floor under the networks
    networks    the paper's network and the default weights: how far scores are from the processor's in fp32, and for each
                precision and batch clips of 10 s per second, the share of `products`, and the device's memory at its peak
    tag         `audiolog tag` on an hour of FLAC and on 500 clips of 10 s: seconds by the clock, the processors' seconds, and of
                them decoding alone; the seconds that the network alone needs for as much sound
    train       steps of the paper's network at batch 32 in fp32 and bf16: windows per second, seconds for an epoch of 10 000
                windows, peak memory

`--small` shows on any machine that the script works, with a small network and seconds of sound; its figures say nothing.
`benchmarks/gpu.sh` runs the tests marked `gpu` before.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from audiolog_cli.errors import DeviceError
from audiolog_cli.mixing.composing import write_flac
from audiolog_cli.model.networks import Trainable, new_network
from audiolog_cli.model.precision import LOWERED, PRECISIONS, check
from audiolog_cli.sound.audio import SAMPLE_RATE, decode
from audiolog_cli.tagging import bench
from audiolog_cli.tagging.options import LoadOptions
from audiolog_cli.tagging.tagger import Tagger, find_device, load, scores_of
from audiolog_cli.training.batches import Batch
from audiolog_cli.training.loop import TrainOptions, start, train_step
from audiolog_cli.training.losses import Targets

WINDOW = 10  # seconds
EPOCH = 10_000  # windows
LONGEST = 3.0  # seconds that one figure may take


def clock(run: Callable[[], object], device: torch.device, longest: float = LONGEST) -> float:
    """Seconds by the clock of one call: the quickest of several, after one to warm up."""
    best, began = float("inf"), time.perf_counter()
    run()
    while best == float("inf") or time.perf_counter() - began < longest:
        synchronize(device)
        start = time.perf_counter()
        run()
        synchronize(device)
        best = min(best, time.perf_counter() - start)
    return best


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was given."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def peak_mb(device: torch.device) -> float | None:
    """The most memory that tensors on the GPU took since the last call; None for a processor."""
    if device.type != "cuda":
        return None
    peak = torch.cuda.max_memory_allocated(device) / 1e6
    torch.cuda.reset_peak_memory_stats(device)
    return round(peak, 1)


def offered(device: torch.device) -> Iterator[str]:
    """The precisions that the device has."""
    for precision in PRECISIONS:
        try:
            check(precision, device)
        except DeviceError:
            continue
        if precision != "int8":
            yield precision


def products(device: torch.device, size: int) -> dict[str, float]:
    """GFLOP/s of a product of two square matrices in each precision."""
    rates = {}
    for precision in offered(device):
        one = torch.rand(size, size, device=device, dtype=LOWERED.get(precision, torch.float32))
        rates[precision] = round(2 * size**3 / 1e9 / clock(lambda: one @ one, device), 1)  # noqa: B023  # called at once
    return rates


def network_figures(weights: str, device: torch.device, rates: dict[str, float], batches: list[int]) -> list[dict[str, Any]]:
    """A network's figures for each precision and batch."""
    options = LoadOptions(weights=weights, device="cpu", jobs=1)
    plain = load(options)
    waves = torch.rand(max(batches), WINDOW * SAMPLE_RATE) - 0.5
    expected = scores_of(plain, waves[:2])
    gflop = bench.network_gflop(plain.path, plain.card)
    figures = []
    for precision in offered(device):
        tagger = load(replace(options, device=str(device), precision=precision))
        found = scores_of(tagger, waves[:2].to(device))
        difference = max(float(np.abs(a - b).max(initial=0.0)) for a, b in zip(found, expected, strict=True))
        for batch in batches:
            peak_mb(device)
            seconds = _network_seconds(tagger, waves[:batch].to(device))
            share = gflop * batch / seconds / rates[precision]
            figures.append(
                {
                    "network": plain.name, "precision": precision, "batch": batch, "clips_per_s": round(batch / seconds, 2),
                    "share": round(share, 4), "difference": difference, "peak_mb": peak_mb(device),
                }
            )  # fmt: skip
    return figures


@torch.inference_mode()
def _network_seconds(tagger: Tagger, waves: torch.Tensor) -> float:
    return clock(lambda: tagger.network(waves), tagger.device)


def tag_figures(weights: str, device: torch.device, folder: Path, hour: int, n_clips: int) -> list[dict[str, Any]]:
    """`audiolog tag` from end to end on a long recording of `hour` seconds and on short ones."""
    rng = np.random.default_rng(0)
    minute = (rng.standard_normal(min(hour, 60) * SAMPLE_RATE) * 0.05).astype(np.float32)
    write_flac(np.tile(minute, max(1, hour // 60)), folder / "hour.flac")
    clips = [folder / f"{number:03}.flac" for number in range(n_clips)]
    for number, clip in enumerate(clips):
        write_flac(np.roll(minute, number * 997)[: WINDOW * SAMPLE_RATE], clip)
    tagger = load(LoadOptions(weights=weights, device=str(device), jobs=1))
    batch = torch.rand(tagger.batch_size, WINDOW * SAMPLE_RATE, device=tagger.device) - 0.5
    per_clip = _network_seconds(tagger, batch) / tagger.batch_size
    figures = []
    for name, files in (("hour", [folder / "hour.flac"]), ("clips", clips)):
        began = time.process_time()
        n_samples = sum(len(chunk) for file in files for chunk in decode(file))
        decoding = time.process_time() - began
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        command = [sys.executable, "-m", "audiolog_cli", "tag", "--quiet", "--weights", weights, "--device", str(device)]
        subprocess.run([*command, *map(str, files)], check=True, stdout=subprocess.DEVNULL)
        seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        sound = n_samples / SAMPLE_RATE
        figures.append(
            {
                "recordings": name, "files": len(files), "sound": round(sound, 1), "seconds": round(seconds, 2),
                "processor": round(used, 2), "decoding": round(decoding, 2), "network": round(sound / WINDOW * per_clip, 3),
            }
        )  # fmt: skip
    return figures


def train_figures(preset: str, device: torch.device, batch: int) -> list[dict[str, Any]]:
    """Training steps of HTS-AT on random spectrograms."""
    figures = []
    for precision in ("fp32", "bf16"):
        peak_mb(device)
        network: Trainable = new_network("htsat", preset, 8, 30)
        options = TrainOptions(precision=precision, device=str(device), batch_size=batch)
        with torch.no_grad():
            given = network.logmel_extractor(torch.rand(batch, WINDOW * SAMPLE_RATE) - 0.5)  # type: ignore[operator]
            steps = network.eval().forward_features(given[:1]).event_logits.shape[1]
        events = (torch.rand(batch, steps, 30) < 0.05).float()
        scene = torch.nn.functional.one_hot(torch.arange(batch) % 8, 8).float()
        made = Batch(given, Targets(events, torch.ones_like(events), scene))
        run = start(network, options)
        seconds = clock(lambda: train_step(run, lambda _: made, options), device)  # noqa: B023  # called at once
        figures.append(
            {
                "network": f"htsat:{preset}", "precision": precision, "batch": batch, "windows_per_s": round(batch / seconds, 2),
                "epoch_seconds": round(EPOCH * seconds / batch, 1), "peak_mb": peak_mb(device),
            }
        )  # fmt: skip
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What a GPU makes of the networks.")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--small", action="store_true", help="only show that the script works")
    given = parser.parse_args()
    device = find_device(given.device)
    preset, size, batches = ("tiny", 256, [1, 2]) if given.small else ("base", 8192, [1, 8, 32, 64, 128, 256])
    with TemporaryDirectory(prefix="audiolog-gpu-") as name:
        folder = Path(name)
        paper = str(bench.untrained(f"htsat:{preset}", folder))
        weights = paper if given.small else "everyday"
        rates = products(device, size)
        names = dict.fromkeys((paper, weights))
        run = {
            "machine": bench.machine(device),
            "device": str(device),
            "products": rates,
            "networks": [row for one in names for row in network_figures(one, device, rates, batches)],
            "tag": tag_figures(weights, device, folder, *((20, 3) if given.small else (3600, 500))),
            "train": train_figures(preset, device, 2 if given.small else 32),
        }
    json.dump(run, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
