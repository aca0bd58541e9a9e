"""Finding checkpoints: a name or a path in, a file out; and a file's header, read without torch.

A name (`everyday`) means NAME.safetensors in one of three folders, in this order: the one that came with the installed
package, the checkout's `weights/`, the user's cache. Anything with a slash or a dot in it is a path. Loading is
`model/checkpoint.py`.

The format is safetensors (https://github.com/huggingface/safetensors): eight bytes with the length of a JSON header, the header
(shape, type and place of each tensor, and a table of strings), the tensors. Nothing in it can run code.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audiolog_cli.errors import WeightsError
from audiolog_cli.host import user_cache

SUFFIX = ".safetensors"
PACKAGE = Path(__file__).resolve().parents[1]
FORMAT = "audiolog"  # metadata["format"] of our own checkpoints
FORMAT_VERSION = 1
MAX_HEADER = 100_000_000  # bytes; safetensors' own limit


def folders() -> tuple[Path, ...]:
    """The folders of named checkpoints, in search order."""
    return PACKAGE / "_weights", PACKAGE.parent / "weights", user_cache("weights")


def find(name_or_path: str) -> Path:
    """The checkpoint of that name or path; WeightsError, with the available names, if there is none."""
    if "/" in name_or_path or "." in name_or_path or os.sep in name_or_path:
        path = Path(name_or_path)
        if not path.exists():
            raise WeightsError(f"{name_or_path}: no such file; `audiolog weights list` shows the names that need no path")
        return path
    for folder in folders():
        path = folder / f"{name_or_path}{SUFFIX}"
        if path.is_file():
            return path
    names = ", ".join(sorted(present())) or "none"
    raise WeightsError(
        f"no weights are called {name_or_path!r}; available here: {names}. `audiolog weights list` shows what can be pulled;"
        f" a file in this folder is ./{name_or_path}"
    )


def present() -> dict[str, Path]:
    """The named checkpoints on this machine."""
    found: dict[str, Path] = {}
    for folder in folders():
        for path in sorted(folder.glob(f"*{SUFFIX}")):
            found.setdefault(path.stem, path)
    return found


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a safetensors file."""

    metadata: dict[str, str]
    shapes: dict[str, tuple[int, ...]]
    dtypes: dict[str, str]  # F32, F16, I64, ...


def is_safetensors(path: Path) -> bool:
    """Whether the file could be safetensors: after the length of the header comes a brace."""
    try:
        with open(path, "rb") as file:
            return file.read(9)[8:] == b"{"
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}") from None


def read_header(path: Path) -> Header:
    """The header of a safetensors file, checked against the file's size.

    Raises WeightsError for a file that is missing, of another kind, or truncated.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(8)
            size = os.fstat(file.fileno()).st_size
            n_header = int.from_bytes(head, "little")
            if len(head) < 8 or n_header > MAX_HEADER or file.read(1) != b"{":
                raise WeightsError(f"{path}: {_kind(head)}")
            if 8 + n_header > size:
                raise WeightsError(_cut_off(path, size, 8 + n_header))
            text = b"{" + file.read(n_header - 1)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}") from None
    try:
        entries: dict[str, Any] = json.loads(text)
        metadata = {str(key): str(value) for key, value in entries.pop("__metadata__", {}).items()}
        shapes = {name: tuple(int(n) for n in entry["shape"]) for name, entry in entries.items()}
        dtypes = {name: str(entry["dtype"]) for name, entry in entries.items()}
        end = max((int(entry["data_offsets"][1]) for entry in entries.values()), default=0)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        raise WeightsError(f"{path}: the header is damaged; get or convert the file again") from None
    if 8 + n_header + end != size:
        raise WeightsError(_cut_off(path, size, 8 + n_header + end))
    return Header(metadata, shapes, dtypes)


def _cut_off(path: Path, size: int, expected: int) -> str:
    return f"{path}: the file is damaged: expected {expected} bytes, found {size}; get or convert it again"


def _kind(head: bytes) -> str:
    """Why a file with these first bytes is not one of our checkpoints."""
    if not head:
        return "the file is empty; expected a checkpoint (safetensors)"
    if head.startswith((b"PK\x03\x04", b"\x80")):
        return "a PyTorch file, not a checkpoint of audiolog's own format; `audiolog weights convert` makes one of it"
    return "not a checkpoint: expected a safetensors file"
