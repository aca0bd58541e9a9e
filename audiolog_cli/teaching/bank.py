"""Everything else: features of thousands of sounds outside the new labels, the negatives of a new sound.

A bank belongs to one network, whose compressed features it holds, and lies beside its weights as NAME.else.npz: 8-bit features of
steps (events) and of whole windows (places), and the network's fingerprint. It holds no audio, and none can be recovered from it.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from torch import nn

from audiolog_cli.errors import WeightsError
from audiolog_cli.model.extended import Extended
from audiolog_cli.teaching.regression import Floats
from audiolog_cli.weights.find import folders

SUFFIX = ".else.npz"


@dataclass(frozen=True, slots=True)
class Bank:
    """Features of sounds that belong to none of the labels."""

    steps: Floats  # (n, C)
    windows: Floats  # (m, C), means over windows

    @classmethod
    def empty(cls, n_features: int) -> "Bank":
        """A bank without features."""
        none = np.zeros((0, n_features), np.float32)
        return cls(none, none)


def fingerprint(network: nn.Module) -> str:
    """SHA-256 of a network's tensors, without any added heads."""
    base = network.base if isinstance(network, Extended) else network
    digest = hashlib.sha256()
    for name, tensor in sorted(base.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def find_bank(network: nn.Module, weights: Path) -> Bank | None:
    """The bank of a network: beside its weights, or beside any named weights; None if there is none."""
    wanted = fingerprint(network)
    for folder in (weights.parent, *folders()):
        for path in sorted(folder.glob(f"*{SUFFIX}")):
            if (bank := read_bank(path, wanted)) is not None:
                return bank
    return None


def read_bank(path: Path, wanted: str) -> Bank | None:
    """The bank in a file; None if it belongs to another network, WeightsError if it cannot be read."""
    try:
        with open(path, "rb") as stream, np.load(stream) as file:
            if str(file["network"]) != wanted:
                return None
            return Bank(file["steps"].astype(np.float32) * file["scale"], file["windows"].astype(np.float32) * file["scale"])
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise WeightsError(f"{path}: cannot be read as a bank of features ({error}); get it again, or delete it") from None


def write_bank(path: Path, network: nn.Module, steps: Floats, windows: Floats) -> None:
    """Write steps (n, C) and windows (m, C) in 8 bits, one scale for each feature."""
    largest = np.abs(np.concatenate([steps, windows])).max(axis=0)
    scale = (np.maximum(largest, 1e-9) / 127).astype(np.float32)
    coded = {name: np.round(values / scale).astype(np.int8) for name, values in (("steps", steps), ("windows", windows))}
    np.savez_compressed(path, network=np.array(fingerprint(network)), scale=scale, **coded)
