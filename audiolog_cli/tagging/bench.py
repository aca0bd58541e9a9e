"""How fast this machine tags, and what limits it: a tagger and a recording in, one `Measured` per stage out.

    gemm       a product of fp32 matrices: what one core (or the GPU) can do at all, the floor under the network
    decode     the file to mono float32 at the network's rate
    features   waves to spectrograms
    network    spectrograms to scores
    post       scores of windows to cells, and cells to lines of TSV
    whole      all of it, as `tag` runs it, in `jobs` threads

All but `whole` run in one thread. Each stage runs once to warm up, then all of them in turn, several times, so that other load on
the machine affects all stages alike. Wall and processor time are measured; on a shared machine, go by the processor time.
Operations are counted by torch (`FlopCounterMode`; a multiplication and an addition are two) on the plain network, so an
optimized network is not credited with less work; the features' FFT is not counted.

`precisions` compares the number formats that the machine and the network have, and `advice` says in a line which one to take.
"""

import os
import platform
import resource
import sys
import time
import wave
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import islice
from math import ceil
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from audiolog_cli import __version__
from audiolog_cli.cells import WindowScores, cell_scores, cells
from audiolog_cli.errors import DeviceError, UsageError
from audiolog_cli.host import n_cores
from audiolog_cli.model import checkpoint, networks
from audiolog_cli.model.precision import PRECISIONS
from audiolog_cli.records import CELL_COLUMNS, tsv_lines
from audiolog_cli.sound.audio import DecodeOptions, decode, windows
from audiolog_cli.sound.pcm import Samples
from audiolog_cli.tagging.hearing import Notes, labels_of, resolved, tag_samples
from audiolog_cli.tagging.options import CellOptions, Job, LoadOptions, TagOptions
from audiolog_cli.tagging.tagger import Tagger, load, probabilities, scores_of

GEMM_SIZE = 1024  # rows and columns: 4 MB a matrix, two gigaflop a product
STAGE_WINDOWS = 6  # of the recording, for features and network, where the batch is no larger
POST_WINDOWS = 60  # ten minutes of scores, made from those
FORMAT_VERSION = 1  # of a saved run
RATE = 44_100  # Hz, of the generated recording
COMPARED_WINDOWS = 4  # of the recording, side by side, for the precisions
WORTH_IT = 1.1  # times as fast as fp32: less than that is no reason to lose digits


@dataclass(slots=True)
class Measured:
    """One stage: what it did in a pass, and how long the passes took."""

    stage: str
    audio: float  # seconds of sound in a pass; 0 for gemm
    gflop: float  # of matrix products and convolutions in a pass; 0 where there are none
    wall: list[float] = field(default_factory=list)  # seconds of each pass
    processor: list[float] = field(default_factory=list)  # seconds of each pass, all threads


def untrained(name: str, folder: Path) -> Path:
    """A checkpoint in `folder` of an untrained network, for when there is no trained one: eight scenes and thirty events.

    `name` is an architecture and its preset, such as htsat:base; UsageError if there is no such network.
    """
    kind, _, preset = name.partition(":")
    known = [f"{kind}:{preset}" for kind, (_, presets) in networks.KINDS.items() for preset in presets]
    if name not in known:
        raise UsageError(f"--untrained {name}: expected {', '.join(known)}")
    network = networks.new_network(kind, preset, n_scenes=8, n_events=30)
    n_scenes, n_events = checkpoint.output_counts(asdict(network.config))
    labels = [f"scene {i}" for i in range(n_scenes)], [f"event {i}" for i in range(n_events)]
    path = folder / f"{kind}-{preset}.safetensors"
    checkpoint.save(path, network, checkpoint.Card.of(network, *labels))
    return path


def write_noise(path: Path, seconds: int) -> None:
    """A stereo 16-bit WAV of 44.1 kHz whose level changes every second; a network takes the same time for any sound."""
    generator = np.random.default_rng(0)
    n_seconds = min(seconds, 60)
    noise = (
        generator.standard_normal((n_seconds * RATE, 2)) * np.repeat(generator.uniform(50, 5000, n_seconds), RATE)[:, np.newaxis]
    )
    minute = noise.clip(-32_767, 32_767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE)
        for start in range(0, seconds, 60):
            file.writeframes(minute[: min(60, seconds - start) * RATE].tobytes())


def measure(tagger: Tagger, recording: str, repeats: int, say: Callable[[str], None]) -> list[Measured]:
    """Run every stage once to warm up, then `repeats` times in turn. AudioError if the recording cannot be decoded."""
    torch.set_num_threads(1)
    passes = _passes(tagger, recording)
    for number in range(repeats + 1):
        say(f"pass {number} of {repeats}" if number else "warming up")
        for measured, run in passes:
            if number:
                _take_time(measured, run, tagger.device)
            else:
                run()
    return [measured for measured, _ in passes]


@dataclass(frozen=True, slots=True)
class Compared:
    """A precision beside fp32."""

    precision: str
    speed: float  # times as fast as fp32, spectrogram and network
    difference: float  # the largest of a probability, in the first windows of the recording


def precisions(options: LoadOptions, recording: str, repeats: int) -> list[Compared]:
    """Every precision but fp32 that this machine and this network have, each timed in turn with fp32 on the same windows.

    The quickest of `repeats` passes counts. Processor time is compared; on a GPU, wall time.
    """
    taggers = _loadable(options)
    plain = taggers["fp32"]
    decoding = DecodeOptions(plain.card.front_end.sample_rate)
    waves = stage_batches(replace(plain, batch_size=COMPARED_WINDOWS), recording, decoding)[0]
    scores = {name: np.concatenate(list(map(np.ravel, scores_of(tagger, waves)))) for name, tagger in taggers.items()}  # warms up
    timed = {name: Measured(name, 0.0, 0.0) for name in taggers}
    with torch.inference_mode():
        for _ in range(repeats):
            for name, tagger in taggers.items():
                _take_time(timed[name], partial(tagger.network, waves), tagger.device)
    on_gpu = plain.device.type != "cpu"
    best = {name: min(measured.wall if on_gpu else measured.processor) for name, measured in timed.items()}
    return [
        Compared(name, best["fp32"] / best[name], float(np.abs(scores[name] - scores["fp32"]).max()))
        for name in taggers
        if name != "fp32"
    ]


def _loadable(options: LoadOptions) -> dict[str, Tagger]:
    """The taggers of the precisions that the device and the network support, fp32 first."""
    taggers = {}
    for precision in PRECISIONS:
        try:
            taggers[precision] = load(replace(options, precision=precision))
        except (DeviceError, UsageError):
            if precision == "fp32":
                raise
    return taggers


def advice(compared: Sequence[Compared]) -> str:
    """Which precision to take on this machine, in a line.

    >>> advice([Compared("bf16", 1.5, 0.004), Compared("int8", 1.84, 0.0123)])
    '--precision int8: the network 1.8 times as fast here; scores differed by at most 0.012'
    >>> advice([Compared("bf16", 0.86, 0.004)])
    'leave --precision at fp32: bf16 is 0.9 times as fast here'
    """
    fastest = max(compared, key=lambda one: one.speed, default=None)
    if fastest is not None and fastest.speed >= WORTH_IT:
        return (
            f"--precision {fastest.precision}: the network {fastest.speed:.1f} times as fast here; "
            f"scores differed by at most {fastest.difference:.3f}"
        )
    slower = " and ".join(f"{one.precision} is {one.speed:.1f} times as fast here" for one in compared)
    return f"leave --precision at fp32: {slower or 'this network has no other on this device'}"


def _take_time(measured: Measured, run: Callable[[], object], device: torch.device) -> None:
    wall, processor = time.perf_counter(), time.process_time()
    run()
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
    measured.wall.append(time.perf_counter() - wall)
    measured.processor.append(time.process_time() - processor)


def _passes(tagger: Tagger, recording: str) -> list[tuple[Measured, Callable[[], object]]]:
    """Each stage with the function that runs one pass of it."""
    card = tagger.card
    rate = card.front_end.sample_rate
    options = DecodeOptions(rate)
    n_samples = sum(len(chunk) for chunk in sound_of(recording, options))
    audio, hop = n_samples / rate, card.hop or card.window
    n_windows = 1 + ceil(max(0.0, audio - card.window) / hop)  # of `whole`; in the other stages windows do not overlap
    gflop = network_gflop(tagger.path, card)
    batches = stage_batches(tagger, recording, options)
    features, network = halves(tagger.network)
    with torch.inference_mode():
        spectrograms = [features(waves) for waves in batches]
    scored = list(_scored(tagger, recording, options))
    stage_audio = sum(len(waves) for waves in batches) * card.window

    def run_features() -> None:
        with torch.inference_mode():
            drain(features(waves) for waves in batches)

    def run_network() -> None:
        with torch.inference_mode():
            drain(network(spectrogram) for spectrogram in spectrograms)

    matrices = [torch.rand(GEMM_SIZE, GEMM_SIZE, device=tagger.device) for _ in range(2)]
    return [
        (Measured("gemm", 0.0, 4 * 2 * GEMM_SIZE**3 / 1e9), lambda: drain(matrices[0] @ matrices[1] for _ in range(4))),
        (Measured("decode", audio, 0.0), lambda: drain(sound_of(recording, options))),
        (Measured("features", stage_audio, 0.0), run_features),
        (Measured("network", stage_audio, gflop * stage_audio / card.window), run_network),
        (Measured("post", len(scored) * card.window, 0.0), lambda: drain(_lines(tagger, scored))),
        (Measured("whole", audio, gflop * n_windows), lambda: drain(_tagged(tagger, recording, options))),
    ]


def sound_of(recording: str, options: DecodeOptions) -> Iterator[Samples]:
    """The samples of a recording; `tag` reports what is wrong with it."""
    return decode(recording, options, lambda damage: None)


def drain(items: Iterable[object]) -> None:
    """Consume an iterable and keep nothing."""
    deque(items, maxlen=0)


def halves(network: Any) -> tuple[Callable[[torch.Tensor], torch.Tensor], Callable[[torch.Tensor], Any]]:
    """A network's two halves: waves to spectrograms, spectrograms to its output."""
    if hasattr(network, "logmel_extractor"):
        return network.logmel_extractor, network.forward_features
    return network.mel, network.forward_mel


def network_gflop(path: Path, card: checkpoint.Card) -> float:
    """Operations for one window, in 10^9, of the network that the card describes; `path` is for messages."""
    plain = checkpoint.build(path, card).eval()  # random weights: they do not change the count
    features, network = halves(plain)
    with torch.inference_mode():
        spectrogram = features(torch.zeros(1, round(card.window * card.front_end.sample_rate)))
        with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):  # fused attention is not counted
            network(spectrogram)
    return float(counter.get_total_flops()) / 1e9


def stage_batches(tagger: Tagger, recording: str, options: DecodeOptions) -> list[torch.Tensor]:
    """The first windows of the recording, repeated if it is short, as whole batches on the device."""
    size, card = tagger.batch_size, tagger.card
    laid = windows(sound_of(recording, options), card.window, card.window, options.sample_rate)
    heard = [torch.from_numpy(window.samples) for window in islice(laid, max(size, STAGE_WINDOWS))]
    n_batches = ceil(max(size, min(len(heard), STAGE_WINDOWS)) / size)
    picked = [heard[index % len(heard)] for index in range(n_batches * size)]
    return [torch.stack(picked[first : first + size]).to(tagger.device) for first in range(0, len(picked), size)]


def _scored(tagger: Tagger, recording: str, options: DecodeOptions) -> Iterator[WindowScores]:
    """Scores of POST_WINDOWS windows that do not overlap: the network's scores of the first ones, repeated."""
    window, rate = tagger.card.window, options.sample_rate
    first = list(islice(windows(sound_of(recording, options), window, window, rate), STAGE_WINDOWS))
    scenes, events = probabilities(tagger, first)
    n_window = round(window * rate)
    for index in range(POST_WINDOWS):
        start, scene, event = index * n_window, scenes[index % len(scenes)], events[index % len(events)]
        yield WindowScores(start, n_window, n_window, start + n_window, scene, event)


def _lines(tagger: Tagger, scored: Iterable[WindowScores]) -> Iterator[str]:
    scores = cell_scores(scored, 1.0, "max", tagger.card.front_end.sample_rate)
    return tsv_lines(cells(scores, "bench.wav", labels_of(tagger.card, CellOptions())), CELL_COLUMNS)


def _tagged(tagger: Tagger, recording: str, options: DecodeOptions) -> Iterator[str]:
    plan = resolved(tagger.card, TagOptions())
    records = tag_samples(tagger, plan, Job("bench.wav"), sound_of(recording, options), Notes(drain))
    return tsv_lines(records, CELL_COLUMNS)


# Results


def stage_report(measured: Measured, window: float, gemm_rate: float, on_gpu: bool) -> dict[str, Any]:
    """A stage's figures, medians over its passes; `low` and `high` are the fastest and the slowest pass.

    GFLOP/s are per second of processor time, that is, of one core whatever the number of jobs; on a GPU, per second of wall time.
    """
    seconds, processor = median(measured.wall), median(measured.processor)
    busy = seconds if on_gpu else processor
    rate = measured.gflop / busy
    return {
        "stage": measured.stage,
        "seconds": round(seconds, 6),
        "low": round(min(measured.wall), 6),
        "high": round(max(measured.wall), 6),
        "processor": round(processor, 6),
        "audio": round(measured.audio, 3),
        "times_real_time": round(measured.audio / seconds, 2) if measured.audio else None,
        "clips_per_s": round(measured.audio / window / seconds, 3) if measured.audio else None,
        "processor_per_hour": round(processor * 3600 / measured.audio, 3) if measured.audio else None,
        "gflop_per_s": round(rate, 3) if measured.gflop else None,
        "share": round(rate / gemm_rate, 4) if measured.gflop else None,
    }


def report(tagger: Tagger, stages: Sequence[Measured], compared: Sequence[Compared], settings: dict[str, Any]) -> dict[str, Any]:
    """Everything known about a run, as the object of `--format json`; `settings` are added to the tagger's own."""
    on_gpu = tagger.device.type != "cpu"
    by_name = {stage.stage: stage for stage in stages}
    gemm, network, window = by_name["gemm"], by_name["network"], tagger.card.window
    gemm_rate = gemm.gflop / median(gemm.wall if on_gpu else gemm.processor)
    own = {
        "weights": tagger.name,
        "device": str(tagger.device),
        "precision": tagger.precision,
        "batch_size": tagger.batch_size,
        "jobs": tagger.jobs,
        "window": window,
        "seconds": round(by_name["whole"].audio, 3),
        "gflop_per_window": round(network.gflop * window / network.audio, 4),
    }
    return {
        "audiolog_bench": FORMAT_VERSION,
        "version": __version__,
        "settings": own | settings,
        "machine": machine(tagger.device),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _PEAK_UNIT, 1),
        "stages": [stage_report(stage, window, gemm_rate, on_gpu) for stage in stages],
        "precisions": [asdict(one) for one in compared],
        "advice": advice(compared),
    }


_PEAK_UNIT = 1 << 20 if sys.platform == "darwin" else 1 << 10  # of ru_maxrss: bytes there, kilobytes elsewhere


def machine(device: torch.device) -> dict[str, Any]:
    """The machine on which the figures were measured."""
    return {
        "processor": _processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "cores": n_cores(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "gpu": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
        "load": round(os.getloadavg()[0], 2),  # processes running or waiting in the last minute, including this one
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }


def _processor() -> str:
    """The processor's name as Linux gives it, or else its architecture."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text(encoding="utf-8").splitlines() if information.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
