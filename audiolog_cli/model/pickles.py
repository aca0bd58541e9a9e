"""PyTorch's own files, read without ever running what they contain: a path in, plain containers and tensors out.

`torch.save` writes pickles, and a pickle may call any function while it is read. Here only tensors and plain containers are read
(`weights_only=True`); anything else in a file is refused and named. Bookkeeping that training programs leave in their files
(callbacks of Lightning, numbers of NumPy) becomes an inert placeholder: nothing of those packages is imported or run.
"""

import pickle
import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

from audiolog_cli.errors import WeightsError

PLACEHELD = ("pytorch_lightning.", "lightning.", "lightning_fabric.", "numpy.", "argparse.Namespace")
FORBIDDEN = re.compile(r"GLOBAL ([\w.]+)")
DAMAGED = (
    RuntimeError, EOFError, OSError, ValueError, LookupError, AttributeError, TypeError, AssertionError, zipfile.BadZipFile,
    pickle.UnpicklingError,
)  # fmt: skip  # what torch.load raises for incomplete files


class Inert:
    """A placeholder for an object that is not needed: accepts any arguments and does nothing with them."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass

    def __hash__(self) -> int:
        return 0


def read(path: Path) -> Any:
    """What `torch.save` wrote to `path`; WeightsError if it is something else, damaged, or asks to run code."""
    try:
        with open(path, "rb") as file:
            head = file.read(4)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}") from None
    if not head.startswith((b"PK", b"\x80")):
        raise WeightsError(f"{path}: not a PyTorch file: expected a zip archive or a pickle, found the bytes {head!r}")
    is_zip = head.startswith(b"PK")
    try:
        placeheld = _placeheld(path) if is_zip else []
        with safe_globals(placeheld), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about unusual pickle protocols: if one cannot be read, that is an error below
            return torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip)
    except DAMAGED as error:
        if forbidden := FORBIDDEN.search(str(error)):
            raise _refused(path, forbidden[1]) from None
        raise WeightsError(f"{path}: damaged, or not a PyTorch file ({_reason(error)}); get it again") from None


def _placeheld(path: Path) -> list[Any]:
    """The classes that the file names besides tensors and containers, with their placeholders; WeightsError for one without."""
    names = get_unsafe_globals_in_checkpoint(path)
    for name in names:
        if not name.startswith(PLACEHELD):
            raise _refused(path, name)
    return [(type("Placeholder", (Inert,), {}), name) for name in names]


def _reason(error: Exception) -> str:
    """torch's own reason in one sentence, without its advice to switch the protection off."""
    text = str(error).rpartition("WeightsUnpickler error:")[2].strip() or type(error).__name__
    return text.split("\n")[0].split(". ")[0].rstrip(". ")


def _refused(path: Path, name: str) -> WeightsError:
    return WeightsError(
        f"{path}: refused: reading it would run {name}, expected tensors and plain values only;"
        " ask its author for a safetensors file"
    )
