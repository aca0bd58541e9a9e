"""PyTorch's own files, read without ever running what they contain: a path in, plain containers and tensors out.

`torch.save` writes pickles, and a pickle may call any function while it is read. Here only tensors and plain containers are read
(`weights_only=True`); whatever else a file asks for is refused and named, never allowed.
"""

import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

import torch

from audiolog_cli.errors import WeightsError

FORBIDDEN = re.compile(r"(?:GLOBAL|function|class|type|global) ([\w.]+)")


def read(path: Path) -> Any:
    """What `torch.save` wrote to `path`; WeightsError if it is something else, damaged, or asks to run code."""
    try:
        with open(path, "rb") as file:
            head = file.read(4)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read: {error.strerror}") from None
    if not head.startswith((b"PK", b"\x80")):
        raise WeightsError(f"{path}: not a PyTorch file: expected a zip archive or a pickle, found {head!r}")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if forbidden := FORBIDDEN.search(str(error)):
            raise WeightsError(
                f"{path}: refused: reading it would run {forbidden[1]}, expected tensors and plain values only;"
                " ask its author for a safetensors file"
            ) from None
        raise WeightsError(f"{path}: damaged, not readable as a PyTorch file") from None
    except (
        RuntimeError,
        EOFError,
        OSError,
        ValueError,
        KeyError,
        IndexError,
        AttributeError,
        TypeError,
        zipfile.BadZipFile,
    ) as error:
        raise WeightsError(f"{path}: damaged, not readable as a PyTorch file: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0] or type(error).__name__
