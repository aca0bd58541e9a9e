"""Windows of sound in, probabilities out: the network applied to a recording, batch by batch.

    windows -> batches -> network -> WindowScores, of which cells.py makes cells

Decoding runs in one thread, the network in `jobs` others, each on one core: the work is in native code that releases the GIL, so
threads share the weights and nothing is copied between processes. At most two batches per thread are waiting or being analysed. A
batch never depends on how fast the windows arrive, on the number of threads or on where an interrupted run resumes: a second run
gives the same bytes, and so do a file and a pipe if their batches are of one size, as they are on a CPU.
"""

import os
import queue
import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import nn

from audiolog_cli.cells import Scores, WindowScores
from audiolog_cli.errors import DeviceError, WeightsError
from audiolog_cli.model import allocator, checkpoint
from audiolog_cli.model.precision import check, multiply_in_full
from audiolog_cli.model.prepared import prepared
from audiolog_cli.sound.audio import Window
from audiolog_cli.tagging.options import LoadOptions
from audiolog_cli.weights.find import find

Item = TypeVar("Item")

# Windows. On a CPU, four at once take a seventh to a quarter less time, but a live pipe would wait for 40 s of sound before its
# first line. On a GPU this is where to begin: a batch that does not fit is halved, for good.
BATCH_SIZES = {"cpu": 1, "cuda": 64, "mps": 8}
LIVE_BATCH_SIZE = 1  # for pipes, on every device: no line waits for later sound
GPU_JOBS = 2  # one copies while the other computes


@dataclass(slots=True)
class Room:
    """The largest batch, in windows, that the device has not refused; shared by the threads of a tagger."""

    n_windows: int


@dataclass(frozen=True, slots=True)
class Tagger:
    """A network ready to score windows."""

    path: Path  # of the weights
    network: nn.Module
    card: checkpoint.Card
    device: torch.device
    batch_size: int  # windows
    live_batch_size: int  # windows, for a recording that comes through a pipe
    jobs: int  # batches analysed at the same time
    precision: str  # of the network's products, one of `precision.PRECISIONS`
    room: Room

    @property
    def name(self) -> str:
        """The weights' name, as End records give it."""
        return self.path.stem


def load(options: LoadOptions) -> Tagger:
    """Load a checkpoint onto a device.

    Raises WeightsError for a checkpoint that is missing or cannot be used, DeviceError for a device that is missing or does not
    support the precision, UsageError for a network that does not.
    """
    path = find(options.weights)
    where = find_device(options.device)
    check(options.precision, where)
    multiply_in_full()
    allocator.keep_buffers()
    with one_thread():
        network, card = checkpoint.load(path)
        if not card.events and not card.scenes:
            raise WeightsError(f"{path}: knows no labels, it is a backbone to train from: `audiolog train --init {path}`")
        network = prepared(network.to(where).eval(), options.precision)
    n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    jobs = options.jobs or {"cpu": n_cores, "cuda": GPU_JOBS, "mps": 1}[where.type]
    live_batch_size = options.batch_size or LIVE_BATCH_SIZE
    batch_size = options.batch_size or BATCH_SIZES[where.type]
    return Tagger(path, network, card, where, batch_size, live_batch_size, jobs, options.precision, Room(batch_size))


@contextmanager
def one_thread() -> Iterator[None]:
    """For work too small for several threads, which would busy-wait for each other."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)


def find_device(name: str) -> torch.device:
    """The device of that name; `auto` is the first available of cuda, mps, cpu. DeviceError if a named one is not available."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, is_there in there.items() if is_there))
    kind, colon, number = name.partition(":")
    if kind not in there or (colon and not (number.isdigit() and kind == "cuda")):
        raise DeviceError(f"--device {name}: expected auto, cpu, cuda, cuda:N or mps")
    if not there[kind]:
        raise DeviceError(f"--device {name}: there is none here; --device auto takes what there is")
    if number and int(number) >= torch.cuda.device_count():
        raise DeviceError(f"--device {name}: there are only {torch.cuda.device_count()} CUDA devices here, counted from 0")
    return torch.device(name)


def score_windows(tagger: Tagger, windows: Iterable[Window], batch_size: int, hop: float) -> Iterator[WindowScores]:
    """Score windows in order of start, `hop` seconds apart or after the end of a stretch, which tells when a cell is final."""
    n_hop = round(hop * tagger.card.front_end.sample_rate)
    with ThreadPoolExecutor(tagger.jobs, initializer=_begin_thread, initargs=(tagger.device,)) as workers:
        submitted = ((batch, workers.submit(probabilities, tagger, batch)) for batch in batches(windows, batch_size))
        with closing(ahead(submitted, n_ahead=tagger.jobs)) as in_order:
            for batch, result in in_order:
                scenes, events = result.result()
                for window, scene, event in zip(batch, scenes, events, strict=True):
                    settled = window.start + min(n_hop, window.n_samples)
                    yield WindowScores(window.start, window.n_samples, len(window.samples), settled, scene, event)


def _begin_thread(device: torch.device) -> None:
    """One core per thread; on a GPU a stream of its own, so that one thread's copies overlap another's computation."""
    torch.set_num_threads(1)
    if device.type == "cuda":
        stream = torch.cuda.Stream(device)
        stream.wait_stream(torch.cuda.default_stream(device))  # where the weights were prepared
        torch.cuda.set_stream(stream)


def probabilities(tagger: Tagger, batch: Sequence[Window]) -> tuple[Scores, Scores]:
    """Scene probabilities (B, S), softmax, and event probabilities (B, T, K), sigmoid, of B windows.

    A batch that does not fit into memory is halved, as are all later ones; DeviceError if not even one window fits.
    """
    waves = np.stack([window.samples for window in batch])
    parts: list[tuple[Scores, Scores]] = []
    done = 0
    while done < len(waves):
        part = waves[done : done + tagger.room.n_windows]
        try:
            parts.append(_forward(tagger, part))
            done += len(part)
        except RuntimeError as error:
            if not _is_out_of_memory(error):
                raise
            if len(part) == 1:
                raise DeviceError(
                    f"not enough memory on {tagger.device} for one window; try --jobs 1, or a smaller model"
                ) from None
            tagger.room.n_windows = min(tagger.room.n_windows, len(part) // 2)  # another thread may have found less
    scenes, events = zip(*parts, strict=True)
    return np.concatenate(scenes), np.concatenate(events)


def _is_out_of_memory(error: RuntimeError) -> bool:
    """Whether memory ran out: on a CPU only the message says so."""
    return isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error)


@torch.inference_mode()
def _forward(tagger: Tagger, waves: Scores) -> tuple[Scores, Scores]:
    output = tagger.network(_on_device(waves, tagger.device))
    scenes, events = np.zeros((len(waves), 0), np.float32), np.zeros((len(waves), 1, 0), np.float32)
    if output.scene_logits is not None:
        scenes = output.scene_logits.float().softmax(dim=-1).cpu().numpy()
    if output.own_scene_logits is not None:
        scenes = np.concatenate([scenes, output.own_scene_logits.float().sigmoid().cpu().numpy()], axis=1)
    if output.event_logits is not None:
        events = output.event_logits.float().sigmoid().cpu().numpy()
    return scenes, events


def _on_device(waves: Scores, device: torch.device) -> torch.Tensor:
    """Samples on the network's device; copied to a GPU from pinned memory, so that the copy needs no core."""
    samples = torch.from_numpy(waves)
    return samples.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else samples.to(device)


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Lists of `size` items; the last may be shorter.

    >>> list(batches("abcde", 2))
    [['a', 'b'], ['c', 'd'], ['e']]
    """
    stream = iter(items)
    while batch := list(islice(stream, size)):
        yield batch


def ahead(items: Iterable[Item], n_ahead: int) -> Generator[Item, None, None]:
    """The same items, made up to `n_ahead` + 1 in advance by a thread whose errors are raised here. Close it to stop early."""
    ready: queue.Queue[list[Item] | BaseException | None] = queue.Queue(maxsize=n_ahead)  # [an item], or how they end
    stopped = threading.Event()

    def put(entry: list[Item] | BaseException | None) -> None:
        while not stopped.is_set():
            try:
                ready.put(entry, timeout=0.1)
            except queue.Full:
                continue
            return

    def make() -> None:
        end: BaseException | None = None
        try:
            for item in items:
                put([item])
                if stopped.is_set():
                    return
        except BaseException as error:  # passed to the reader, which raises it
            end = error
        put(end)

    threading.Thread(target=make, daemon=True).start()
    try:
        while isinstance(entry := ready.get(), list):
            yield entry[0]
        if entry is not None:
            raise entry
    finally:
        stopped.set()
