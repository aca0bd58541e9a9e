"""New networks by name: which kinds can be trained, and in which sizes.

In: a kind, a preset, and how many scenes, events and AudioSet classes there are. Out: a network with random weights, the same for
the same seed. Reading and writing weights is `checkpoint.py`'s work.
"""

from collections.abc import Callable, Mapping
from functools import partial
from types import ModuleType
from typing import Any

import torch

from audiolog_cli.errors import UsageError
from audiolog_cli.model import crnn, htsat, mobilenet
from audiolog_cli.model.baselines import Joint, JointConfig, TaskConfig, TaskCRNN
from audiolog_cli.model.features import FRONT_END, KALDI_FRONT_END, TASK_FRONT_END, FrontEnd

Trainable = htsat.HTSAT | crnn.CRNN | mobilenet.MobileNet | Joint | TaskCRNN
Make = Callable[[int, int, int], Any]  # scenes, events, classes -> a config


def _presets(kind: ModuleType) -> dict[str, Make]:
    return {size: partial(kind.preset, size) for size in kind.PRESETS}


KINDS: dict[str, tuple[type[Trainable], Mapping[str, Make]]] = {
    "htsat": (htsat.HTSAT, _presets(htsat)),
    "crnn": (crnn.CRNN, _presets(crnn)),
    "mobilenet": (mobilenet.MobileNet, _presets(mobilenet)),
    # the comparison systems of the paper's Table 2, which come in one size
    "joint": (Joint, {"small": lambda scenes, events, classes: JointConfig(scenes, events)}),
    "cnn-bigru": (Joint, {"small": lambda scenes, events, classes: JointConfig(0, events)}),
    "cnn": (Joint, {"small": lambda scenes, events, classes: JointConfig(scenes, 0)}),
    "task4b": (TaskCRNN, {"small": lambda scenes, events, classes: TaskConfig(events)}),
}
OWN_FRONT_ENDS = {"mobilenet": KALDI_FRONT_END, "task4b": TASK_FRONT_END}  # of kinds whose features differ from HTS-AT's


def own_front_end(kind: str, option: str = "model") -> FrontEnd:
    """The published front-end of that kind of network; UsageError that names `option` if there is no such kind."""
    if kind not in KINDS:
        raise UsageError(f"{option} {kind}: expected {', '.join(KINDS)}")
    return OWN_FRONT_ENDS.get(kind, FRONT_END)


def new_network(
    kind: str, size: str, n_scenes: int, n_events: int, n_classes: int = 0, front_end: FrontEnd | None = None, seed: int = 0
) -> Trainable:
    """A network of `kind` (one of KINDS) and `size` (a preset) with `front_end`, or its published one.

    UsageError for an unknown kind or size, or a front-end whose features the kind cannot take: magnitudes for decibels, say.
    """
    own = own_front_end(kind)
    network, sizes = KINDS[kind]
    if size not in sizes:
        raise UsageError(f"preset {size}: {kind} comes as {', '.join(sizes)}")
    front_end = front_end or own
    if (front_end.magnitude, front_end.kaldi) != (own.magnitude, own.kaldi):
        raise UsageError(
            f"model {kind}: hears other features than these windows hold; make them with `audiolog mix --for-model {kind}`"
        )
    torch.manual_seed(seed)
    return network(sizes[size](n_scenes, n_events, n_classes), front_end)
