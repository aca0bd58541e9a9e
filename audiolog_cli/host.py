"""What this computer has: cores, a folder for what can be had again, the package's extras."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from audiolog_cli.errors import UsageError


def n_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def user_cache(kind: str) -> Path:
    """The folder for things of this kind that can be had again: audiolog/KIND in XDG_CACHE_HOME, or in ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "audiolog" / kind


@contextmanager
def extra(name: str, option: str) -> Iterator[None]:
    """What is imported inside comes with an extra of the package; UsageError, naming the option, if it is not installed."""
    try:
        yield
    except ImportError as error:
        raise UsageError(f"{option}: {error.name} is not installed; pip install 'audiolog[{name}]' brings it") from None
