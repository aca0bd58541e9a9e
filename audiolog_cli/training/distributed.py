"""Several processes training one network: what `torchrun` starts, on the GPUs of one machine or of many, or on CPUs.

Every process draws different batches and computes their gradients; all make the same step with the mean gradient and so stay
equal. W processes do what one process does with `accumulate` W times larger: the same batches, the same random numbers, the same
steps within rounding. Only BatchNorm's running statistics come from the first process's batches. The first process validates,
writes and reports.

Gradients are averaged after the backward pass, parameter by parameter, not during it as in torch's DistributedDataParallel: these
networks are small, and the code stays simple.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import nn

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class World:
    """Which process this is, of how many."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and reports."""
        return self.rank == 0


@contextmanager
def join(device: str) -> Iterator[World]:
    """The world that torchrun's environment describes; a single process where there is none."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield World()
        return
    dist.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    try:
        yield World(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()


def own_device(device: str) -> str:
    """`cuda` as the GPU that torchrun gave this process; any other device as it is."""
    return f"cuda:{os.environ['LOCAL_RANK']}" if device == "cuda" and "LOCAL_RANK" in os.environ else device


def average_gradients(network: nn.Module, world: World) -> None:
    """Replace every gradient by its mean over all processes."""
    if world.size == 1:
        return
    for parameter in network.parameters():
        if parameter.grad is not None:
            dist.all_reduce(parameter.grad)
            parameter.grad /= world.size


def means(values: list[float], device: str, world: World) -> list[float]:
    """The mean of each number over all processes."""
    if world.size == 1:
        return values
    total = torch.tensor(values, dtype=torch.float64 if device == "cpu" else torch.float32, device=device)
    dist.all_reduce(total)
    return [float(value) for value in total / world.size]


def from_first(value: Value | None, world: World) -> Value:
    """The first process's value, in all processes; the others pass None."""
    held = [value]
    if world.size > 1:
        dist.broadcast_object_list(held, src=0)
    assert held[0] is not None
    return held[0]
