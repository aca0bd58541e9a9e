"""The start of fine-tuning: copy the weights of any known checkpoint into a new network, and report what was copied.

Every tensor of the same name and shape is taken; the last layers of the two branches, whose outputs are labels, only if the old
task has the same labels. The mel filter bank is taken only if both networks use the same spectrum: at another sample rate its
bands would mean other frequencies. Nothing is matched by similarity, cropped or resized.
"""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from audiolog_cli.errors import WeightsError
from audiolog_cli.model import checkpoint, layouts
from audiolog_cli.model.checkpoint import Card, Network
from audiolog_cli.model.features import FrontEnd
from audiolog_cli.weights.find import FORMAT, is_safetensors, read_header

SCENE_LAYER, EVENT_LAYER = "asc_head.", "sed_head."
FRONT_END_LAYERS = ("logmel_extractor.", "mel.")


@dataclass(frozen=True, slots=True)
class Transfer:
    """What happened to every parameter."""

    source: str  # the file and its kind
    taken: tuple[str, ...]  # names in the network
    new: tuple[str, ...]  # names in the network that keep their random values
    left: tuple[str, ...]  # names in the checkpoint that have no counterpart

    def __str__(self) -> str:
        """Three lines at most: what was taken, what is new, what was left, each as modules with their number of tensors."""
        lines = [f"from {self.source}: {len(self.taken)} tensors taken ({modules(self.taken)})"]
        lines += [f"new: {modules(self.new)}"] if self.new else []
        lines += [f"left: {modules(self.left)}"] if self.left else []
        return "\n".join(lines)


def take(network: Network, path: Path, scenes: tuple[str, ...] = (), events: tuple[str, ...] = ()) -> Transfer:
    """Put the weights of the checkpoint at `path`, of our own format or any known layout, into `network`.

    `scenes` and `events` are the labels the network will score, in its order.
    Raises WeightsError if the file cannot be used, or nothing in it fits.
    """
    is_own = is_safetensors(path) and read_header(path).metadata.get("format") == FORMAT
    source, card = checkpoint.load(path) if is_own else layouts.read(path)
    given, state = source.state_dict(), network.state_dict()
    fitting = {name: value for name, value in given.items() if name in state and state[name].shape == value.shape}
    taken = {name: value for name, value in fitting.items() if _means_same(name, network.front_end, scenes, events, card)}
    if not any(value.dim() > 1 and not name.startswith(FRONT_END_LAYERS) for name, value in taken.items()):
        raise WeightsError(
            f"{path}: no tensor fits this network ({card.architecture} of other sizes?); choose the same preset as it has"
        )
    network.load_state_dict(state | taken)
    return Transfer(
        source=f"{path} ({card.provenance.get('layout', card.architecture)})",
        taken=tuple(taken),
        new=tuple(name for name in state if name not in taken),
        left=tuple(name for name in given if name not in taken),
    )


def _means_same(name: str, front_end: FrontEnd, scenes: tuple[str, ...], events: tuple[str, ...], card: Card) -> bool:
    """Whether the parameter of that name means the same for these inputs and labels as in the network of that card."""
    if name.startswith(FRONT_END_LAYERS):
        return (front_end.sample_rate, front_end.n_fft) == (card.front_end.sample_rate, card.front_end.n_fft)
    if name.startswith(SCENE_LAYER):
        return scenes == card.scenes
    return events == card.events if name.startswith(EVENT_LAYER) else True


def modules(names: tuple[str, ...]) -> str:
    """Names of parameters by their module, each with how many there are.

    >>> modules(("bn0.weight", "bn0.bias", "layers.0.blocks.0.norm1.bias", "logit_scale"))
    'bn0: 2, layers.0: 1, logit_scale: 1'
    """
    found = Counter(match[0] for name in names if (match := re.match(r"(?:layers|features|stages)\.\d+|[^.]+", name)))
    return ", ".join(f"{module}: {count}" for module, count in found.items())
