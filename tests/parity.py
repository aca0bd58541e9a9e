"""Reference values of published networks: parameters and two clips of sound are filled by formula; what the reference
implementations made of them is in `golden/parity.json`, some hundred numbers of each output.

The numbers come from the released code of HTS-AT (`htsat527`) and AudioLog (`audiolog_2023T4`), run once with these parameters.
"""

import hashlib
import json
import math
import zlib
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tests.shell import ROOT

GOLDEN: dict[str, Any] = json.loads((ROOT / "tests/golden/parity.json").read_text())
COMPUTED = ("relative_position_index", "attn_mask", "num_batches_tracked", "spectrogram_extractor.", "logmel_extractor.")
GAINS = {"asc_head.weight": 8.0, "sed_head.weight": 1.5}
RATE, SECONDS = 32000, 10
U32 = np.uint64(0xFFFFFFFF)


class Golden(NamedTuple):
    """Every `step`-th value of an output, flattened."""

    shape: tuple[int, ...]
    step: int
    values: NDArray[np.float64]


def golden(network: str, output: str) -> Golden:
    """The reference's output for the two clips."""
    entry = GOLDEN["networks"][network][output]
    return Golden(tuple(entry["shape"]), entry["step"], np.array(entry["values"]))


def farthest(found: Tensor, expected: Golden) -> float:
    """The largest difference between what was found and what was expected."""
    assert tuple(found.shape) == expected.shape
    return float(np.abs(found.detach().numpy().ravel()[:: expected.step] - expected.values).max())


def digest(shapes: dict[str, tuple[int, ...]]) -> dict[str, Any]:
    """The number of parameters and a hash of their names and shapes, as under `parameters` in the golden numbers."""
    listed = sorted((name, list(shape)) for name, shape in shapes.items())
    return {"n": len(listed), "sha256": hashlib.sha256(json.dumps(listed).encode()).hexdigest()}


def published(layout: str) -> dict[str, Any]:
    """The digest of the names and shapes in a published file."""
    return {name: GOLDEN["parameters"][layout][name] for name in ("n", "sha256")}


def projections(layout: str) -> dict[str, tuple[int, ...]]:
    """The tensors of a published CLAP outside its audio network."""
    return {name: tuple(shape) for name, shape in GOLDEN["parameters"][layout]["projections"].items()}


def uniform(seed: int, n: int) -> NDArray[np.float64]:
    """Numbers in [-1, 1) that are the same on every machine: a 32-bit integer hash of (seed, position), in steps of 2^-23."""
    x = (np.arange(n, dtype=np.uint64) * np.uint64(0x9E3779B1) + np.uint64(seed)) & U32
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        x = ((x ^ (x >> np.uint64(shift))) * np.uint64(factor)) & U32
    x ^= x >> np.uint64(16)
    return (x >> np.uint64(8)).astype(np.float64) / 2**23 - 1


def value_for(name: str, shape: tuple[int, ...]) -> NDArray[np.float32] | None:
    """The value of a parameter, from its name in HTS-AT's own layout; None for what a network computes for itself."""
    if any(part in name for part in COMPUTED):
        return None
    u = uniform(zlib.crc32(name.encode()), math.prod(shape))
    last = name.rpartition(".")[2]
    centre, width = {
        "logit_scale": (math.log(1 / 0.07), 0.0),
        "running_mean": (-30.0, 10.0) if name.startswith("bn0.") else (0.0, 0.1),
        "running_var": (400.0, 200.0) if name.startswith("bn0.") else (1.0, 0.5),
        "relative_position_bias_table": (0.0, 0.5),
        "bias": (0.0, 0.1),
    }.get(last, (1.0, 0.2) if len(shape) == 1 else (0.0, GAINS.get(name, 1.0) * math.sqrt(3.0 / math.prod(shape[1:]))))
    return (centre + width * u).astype(np.float32).reshape(shape)


def clips() -> Tensor:
    """Two clips (2, 320000): a swept tone that comes and goes over noise; tones on and off, a burst of noise, then silence."""
    n = RATE * SECONDS
    t = np.arange(n) / RATE
    sweep = np.sin(2 * np.pi * (100.0 * t + 395.0 * t * t))
    first = 0.4 * sweep * (0.6 + 0.4 * np.sin(2 * np.pi * 0.7 * t)) + 0.02 * uniform(12345, n)
    hiss, on = uniform(67890, n), np.floor(t) % 2 == 0
    tones = sum(level * np.sin(2 * np.pi * hertz * t) for level, hertz in ((0.2, 440), (0.15, 1000), (0.1, 3000)))
    second = tones * on + 0.3 * hiss * ((t >= 4.0) & (t < 5.5)) + 0.002 * hiss
    return torch.from_numpy(np.stack([first, np.where(t < 9.0, second, 0.0)]).astype(np.float32))


def filled(network: nn.Module) -> nn.Module:
    """The network with the formula's values, ready to score. AudioLog calls its event convolution as HTS-AT its AudioSet head."""
    tensors = network.state_dict()
    for name, tensor in tensors.items():
        value = value_for(name.replace("tscam_conv_sed", "tscam_conv"), tuple(tensor.shape))
        if value is not None:
            tensors[name] = torch.from_numpy(value).to(tensor.dtype)
    network.load_state_dict(tensors)
    return network.eval()
