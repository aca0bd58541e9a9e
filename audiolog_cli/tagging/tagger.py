"""A network ready to be used: weights and a device in, and, for a batch of windows of sound, their probabilities out.

On a processor with AVX2, a window's probabilities are the same to the bit whatever batch it is in (`model/precision.py`): a
second run, one that resumes, a file and a pipe give the same bytes, with any number of threads. Elsewhere a batch may change
their last bits.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from audiolog_cli.cells import Scores
from audiolog_cli.errors import DeviceError, WeightsError
from audiolog_cli.host import n_cores
from audiolog_cli.model import allocator, checkpoint
from audiolog_cli.model.precision import check, multiply_in_full, window_by_window
from audiolog_cli.model.prepared import prepared
from audiolog_cli.sound.audio import Window
from audiolog_cli.tagging.options import LoadOptions
from audiolog_cli.weights.find import find

# Windows, at most. On a CPU, eight take a sixth less time each than one alone, and more gain nothing. On a GPU this is where to
# begin: a batch that does not fit is halved, for good.
BATCH_SIZES = {"cpu": 8, "cuda": 64, "mps": 8}
GPU_JOBS = 4  # some decode while another computes


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
    batch_size: int  # windows, at most
    jobs: int  # threads
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
    jobs = options.jobs or {"cpu": n_cores(), "cuda": min(GPU_JOBS, n_cores()), "mps": 1}[where.type]
    batch_size = options.batch_size or BATCH_SIZES[where.type]
    return Tagger(path, network, card, where, batch_size, jobs, options.precision, Room(batch_size))


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
            parts.append(scores_of(tagger, _on_device(part, tagger.device)))
            done += len(part)
        except RuntimeError as error:
            if not (isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error)):  # on a CPU the message tells
                raise
            if len(part) == 1:
                raise DeviceError(
                    f"not enough memory on {tagger.device} for one window; try --jobs 1, or a smaller model"
                ) from None
            tagger.room.n_windows = min(tagger.room.n_windows, len(part) // 2)  # another thread may have found less
    scenes, events = zip(*parts, strict=True)
    return np.concatenate(scenes), np.concatenate(events)


@torch.inference_mode()
def scores_of(tagger: Tagger, waves: torch.Tensor) -> tuple[Scores, Scores]:
    """The same probabilities of waves (B, n_samples) on the device."""
    output = tagger.network(waves)
    scenes, events = np.zeros((len(waves), 0), np.float32), np.zeros((len(waves), 1, 0), np.float32)
    if output.scene_logits is not None:
        scenes = output.scene_logits.float().softmax(dim=-1).cpu().numpy()
    if output.own_scene_logits is not None:
        scenes = np.concatenate([scenes, _sigmoid(output.own_scene_logits)], axis=1)
    if output.event_logits is not None:
        events = _sigmoid(output.event_logits)
    return scenes, events


def _sigmoid(logits: torch.Tensor) -> Scores:
    """Of each window separately: torch rounds the last numbers of a tensor otherwise than those before them."""
    return window_by_window(torch.sigmoid, logits.float()).cpu().numpy()


def _on_device(waves: Scores, device: torch.device) -> torch.Tensor:
    """Samples on the network's device; copied to a GPU from pinned memory, so that the copy needs no core."""
    samples = torch.from_numpy(waves)
    return samples.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else samples.to(device)
