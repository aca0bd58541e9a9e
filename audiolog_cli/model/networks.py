"""New networks by name: which kinds can be trained, and how large they come.

In: a kind, a preset, and how many scenes, events and AudioSet classes there are. Out: a network with random weights, the same for the
same seed. Reading and writing weights is `checkpoint.py`'s work.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch

from audiolog_cli.errors import UsageError
from audiolog_cli.model import crnn, htsat
from audiolog_cli.model.features import FRONT_END, FrontEnd

KINDS: dict[str, tuple[type[Any], Mapping[str, Any], Callable[..., Any]]] = {
    "htsat": (htsat.HTSAT, htsat.PRESETS, htsat.preset),
    "crnn": (crnn.CRNN, crnn.PRESETS, crnn.preset),
}


def new_network(
    kind: str, size: str, n_scenes: int, n_events: int, n_classes: int = 0, front_end: FrontEnd = FRONT_END, seed: int = 0
) -> htsat.HTSAT | crnn.CRNN:
    """A network of `kind` ("htsat", "crnn") and `size` (a preset); UsageError if one of them does not exist."""
    if kind not in KINDS:
        raise UsageError(f"--model {kind}: expected {' or '.join(KINDS)}")
    network, presets, preset = KINDS[kind]
    if size not in presets:
        raise UsageError(f"--preset {size}: {kind} comes as {', '.join(presets)}")
    torch.manual_seed(seed)
    made: htsat.HTSAT | crnn.CRNN = network(preset(size, n_scenes, n_events, n_classes), front_end)
    return made
