"""The reference weights and outputs: a recipe that fills any network's parameters by formula, and what the reference made of them."""

import importlib.util
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from torch import Tensor, nn


@cache
def recipe(shared: Path) -> ModuleType:
    """`golden_fill.py`: `audio()`, two clips of 10 s; `value_for(key, shape)`, the value of a parameter or None."""
    spec = importlib.util.spec_from_file_location("golden_fill", shared / "parity" / "golden_fill.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def golden(shared: Path, name: str) -> Mapping[str, np.ndarray]:
    """What the reference put out for the two clips."""
    return np.load(shared / "parity" / "golden" / f"{name}.npz")


def filled(network: nn.Module, shared: Path) -> nn.Module:
    """The network with the recipe's values, ready to score. AudioLog calls its event convolution as HTS-AT its AudioSet head."""
    tensors = network.state_dict()
    for name, tensor in tensors.items():
        value = recipe(shared).value_for(name.replace("tscam_conv_sed", "tscam_conv"), tuple(tensor.shape))
        if value is not None:
            tensors[name] = torch.from_numpy(value).to(tensor.dtype)
    network.load_state_dict(tensors)
    return network.eval()


def farthest(found: Tensor, expected: np.ndarray) -> float:
    """The largest difference between what was found and what was expected."""
    assert tuple(found.shape) == expected.shape
    return float(np.abs(found.detach().numpy() - expected).max())
