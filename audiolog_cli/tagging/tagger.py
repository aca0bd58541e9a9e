"""Windows of sound in, probabilities out: the network applied to a recording, batch by batch.

    chunks -> windows -> batches -> network -> WindowScores, of which cells.py makes cells

Decoding runs in one thread, the network in `jobs` others, each on one core: the work is in native code that lets go of Python's
lock, so threads share the weights and need no copies between processes. One batch per thread and as many again wait or are being
analysed. A batch never depends on how fast the windows arrive, on how many threads there are or on where an interrupted run goes on:
a second run gives the same bytes, and so do a file and a pipe where batches are equally large, as they are on a CPU.
"""

import os
import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import nn

from audiolog_cli import __version__
from audiolog_cli.cells import Labels, Rule, Scores, WindowScores, cell_scores, cells, smoothed
from audiolog_cli.errors import DeviceError, UsageError, WeightsError
from audiolog_cli.model import allocator, checkpoint
from audiolog_cli.model.precision import check, multiply_in_full
from audiolog_cli.model.prepared import prepared
from audiolog_cli.records import Cell, End
from audiolog_cli.sound.audio import Window, windows_at
from audiolog_cli.sound.audio import windows as cut_windows
from audiolog_cli.tagging.journal import Journal, is_live, resumed
from audiolog_cli.tagging.scores import score_file, written

Item = TypeVar("Item")

# Windows. On a CPU four at once take a seventh to a quarter less time, but a live pipe would wait for 40 s of sound before its first
# line. On a GPU it is where to begin: what does not fit is halved, for good.
BATCH_SIZES = {"cpu": 1, "cuda": 64, "mps": 8}
LIVE_BATCH_SIZE = 1  # of what comes through a pipe, on every device: no line waits for sound that is still to come
GPU_JOBS = 2  # one copies while the other computes


@dataclass(slots=True)
class Room:
    """How many windows at once the device has not refused yet; shared by the threads of a tagger."""

    n_windows: int


@dataclass(frozen=True, slots=True)
class Tagger:
    """A network ready to hear windows."""

    name: str  # of the weights, as End records say it
    network: nn.Module
    card: checkpoint.Card
    device: torch.device
    batch_size: int  # windows
    live_batch_size: int  # windows, of a recording that comes through a pipe
    jobs: int  # batches analysed at the same time
    precision: str  # of the network's products, one of `precision.PRECISIONS`
    room: Room


def load(weights: Path, device: str = "auto", batch_size: int = 0, jobs: int = 0, precision: str = "fp32") -> Tagger:
    """Bring the checkpoint at `weights` onto a device; batch_size and jobs 0 take the device's own.

    Raises WeightsError for a checkpoint that cannot be used, DeviceError for a device that is not there or has no use for the
    precision, UsageError for a network that has none.
    """
    where = find_device(device)
    check(precision, where)
    multiply_in_full()
    allocator.keep_buffers()
    with one_thread():
        network, card = checkpoint.load(weights)
        if not card.events and not card.scenes:
            raise WeightsError(f"{weights}: knows no labels, it is a backbone to train from: `audiolog train --init {weights}`")
        network = prepared(network.to(where).eval(), precision)
    n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    jobs = jobs or {"cpu": n_cores, "cuda": GPU_JOBS, "mps": 1}[where.type]
    live_batch_size = batch_size or LIVE_BATCH_SIZE
    batch_size = batch_size or BATCH_SIZES[where.type]
    return Tagger(weights.stem, network, card, where, batch_size, live_batch_size, jobs, precision, Room(batch_size))


@contextmanager
def one_thread() -> Iterator[None]:
    """Work that is too small for several threads: they would wait for each other, and wait busily."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)


def find_device(name: str) -> torch.device:
    """The device of that name; `auto` is the first there is of cuda, mps, cpu. Any other is that one or a DeviceError."""
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


@dataclass(frozen=True, slots=True)
class TagOptions:
    """How the windows of a recording are laid and their probabilities become cells."""

    hop: float = 0.0  # seconds from window to window; 0 = the checkpoint's own. Overlapping windows are averaged
    cell: float = 1.0  # seconds of a cell
    pool: Rule = "max"  # over the frames of a cell
    smooth: float | None = None  # seconds over which events' scores are averaged; None is the checkpoint's own
    smooth_scene: float | None = None  # the same for scenes
    thresholds: Mapping[str, float] = field(default_factory=dict)  # per event, instead of the checkpoint's
    scores_dir: Path | None = None  # where the probabilities of all events go, one file per recording
    journal: Journal | None = None  # where the scores of windows are kept, to go on after an interruption


def tag(
    tagger: Tagger, chunks: Iterable[Scores], filename: str, spans: Sequence[tuple[float, float]] | None, options: TagOptions
) -> Iterator[Cell | End]:
    """Cells of one recording from its decoded chunks, then its `End`.

    `spans` are the [onset, offset) seconds to analyse, in order of onset; None is all of the recording, window after window.
    """
    card = tagger.card
    rate = card.front_end.sample_rate
    hop = options.hop or card.hop or card.window
    windows = cut_windows(chunks, card.window, hop, rate) if spans is None else windows_at(chunks, spans, card.window, rate)
    batch_size = tagger.live_batch_size if is_live(filename) else tagger.batch_size
    score = partial(score_windows, tagger, batch_size=batch_size, hop=hop if spans is None else 0.0)
    journal = options.journal
    heard = resumed(journal.file_of(filename, spans), windows, score, batch_size) if journal else score(windows)
    scores = cell_scores(heard, options.cell, options.pool, rate)
    smooth = card.smooth if options.smooth is None else options.smooth
    smooth_scene = card.smooth_scene if options.smooth_scene is None else options.smooth_scene
    if smooth or smooth_scene:
        scores = smoothed(scores, smooth, smooth_scene)
    if options.scores_dir:
        scores = written(scores, card.events, score_file(options.scores_dir, filename))
    n_cells, last = 0, 0.0
    for cell in cells(scores, filename, labels_of(card, options.thresholds)):
        n_cells, last = n_cells + 1, cell.offset
        yield cell
    yield End(filename, last, n_cells, tagger.name, __version__)


def labels_of(card: checkpoint.Card, thresholds: Mapping[str, float], place: str = "thresholds") -> Labels:
    """The card's labels with its thresholds, where none is given instead; UsageError that names `place` for an unknown label."""
    if unknown := sorted(set(thresholds) - set(card.events)):
        raise UsageError(f"{place}: unknown label {unknown[0]!r}; this model's events are {', '.join(card.events[:5])}, ...")
    numbers = [thresholds.get(event, threshold) for event, threshold in zip(card.events, card.thresholds, strict=True)]
    return Labels(card.scenes, card.events, np.array(numbers, np.float32))


def score_windows(tagger: Tagger, windows: Iterable[Window], batch_size: int, hop: float = 0.0) -> Iterator[WindowScores]:
    """Score windows in order of their start. `hop` (seconds, 0 = not regular) tells when a cell cannot change any more."""
    n_hop = round(hop * tagger.card.front_end.sample_rate)
    with ThreadPoolExecutor(tagger.jobs, initializer=_begin_thread, initargs=(tagger.device,)) as workers:
        submitted = ((batch, workers.submit(probabilities, tagger, batch)) for batch in batches(windows, batch_size))
        with closing(ahead(submitted, n_ahead=tagger.jobs)) as in_order:
            for batch, result in in_order:
                scenes, events = result.result()
                for window, scene, event in zip(batch, scenes, events, strict=True):
                    settled = window.start + n_hop
                    yield WindowScores(window.start, window.n_samples, len(window.samples), settled, scene, event)


def _begin_thread(device: torch.device) -> None:
    """One core for each thread; on a GPU a queue of its own, so that one's copies run beside the other's products."""
    torch.set_num_threads(1)
    if device.type == "cuda":
        stream = torch.cuda.Stream(device)
        stream.wait_stream(torch.cuda.default_stream(device))  # where the weights were prepared
        torch.cuda.set_stream(stream)


def probabilities(tagger: Tagger, batch: Sequence[Window]) -> tuple[Scores, Scores]:
    """Scene probabilities (B, S), softmax, and event probabilities (B, T, K), sigmoid, of B windows.

    A batch that does not fit into memory is halved, and so are all later ones; DeviceError if not even one window fits.
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
    """torch.OutOfMemoryError is a RuntimeError; on a CPU only its message tells."""
    return isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error)


@torch.inference_mode()
def _forward(tagger: Tagger, waves: Scores) -> tuple[Scores, Scores]:
    output = tagger.network(_on_device(waves, tagger.device))
    scenes, events = np.zeros((len(waves), 0), np.float32), np.zeros((len(waves), 1, 0), np.float32)
    if output.scene_logits is not None:
        scenes = output.scene_logits.float().softmax(dim=-1).cpu().numpy()
    if output.event_logits is not None:
        events = output.event_logits.float().sigmoid().cpu().numpy()
    return scenes, events


def _on_device(waves: Scores, device: torch.device) -> torch.Tensor:
    """Samples where the network is; to a GPU from memory that stays in its place, so that the copy needs no core."""
    samples = torch.from_numpy(waves)
    return samples.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else samples.to(device)


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Lists of `size` items, the last one shorter.

    >>> list(batches("abcde", 2))
    [['a', 'b'], ['c', 'd'], ['e']]
    """
    stream = iter(items)
    while batch := list(islice(stream, size)):
        yield batch


def ahead(items: Iterable[Item], n_ahead: int) -> Generator[Item, None, None]:
    """The same items, made up to `n_ahead` + 1 in advance by a thread; its errors are raised here. Close it to stop early."""
    ready: queue.Queue[tuple[Item | None, BaseException | None]] = queue.Queue(maxsize=n_ahead)
    stopped = threading.Event()

    def put(entry: tuple[Item | None, BaseException | None]) -> None:
        while not stopped.is_set():
            try:
                ready.put(entry, timeout=0.1)
            except queue.Full:
                continue
            return

    threading.Thread(target=_make, args=(items, put, stopped), daemon=True).start()
    try:
        while True:
            item, end = ready.get()
            if end is not None:
                if isinstance(end, StopIteration):
                    return
                raise end
            yield item  # type: ignore[misc]  # an entry without an end has an item
    finally:
        stopped.set()


def _make(
    items: Iterable[Item], put: Callable[[tuple[Item | None, BaseException | None]], None], stopped: threading.Event
) -> None:
    end: BaseException = StopIteration()
    try:
        for item in items:
            put((item, None))
            if stopped.is_set():
                return
    except BaseException as error:  # handed to the reader, which raises it
        end = error
    put((None, end))
