"""Checkpoints: a network and its card in, one safetensors file out, and back.

The card says what the tensors cannot: which network they belong to, its input, the meaning of its outputs, the score at which an
event counts, and where all of it comes from. It is kept in the file's metadata as JSON, one entry per field. Loading is strict:
every tensor of the network must be present with its shape, there may be no others, and all values must be finite. Files of other
projects are read by `layouts.py`.
"""

import dataclasses
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import safe_open
from torch import Tensor

from audiolog_cli.errors import WeightsError
from audiolog_cli.model import baselines, crnn, efficientat, extended, htsat, mobilenet
from audiolog_cli.model.features import FrontEnd
from audiolog_cli.side_files import replacing
from audiolog_cli.weights.find import FORMAT, FORMAT_VERSION, Header, read_header
from audiolog_cli.wording import some

Base = htsat.HTSAT | crnn.CRNN | mobilenet.MobileNet | efficientat.EfficientAT | baselines.Joint | baselines.TaskCRNN
Network = Base | extended.Extended

ARCHITECTURES: dict[str, tuple[type[Any], type[Base]]] = {
    "htsat": (htsat.Config, htsat.HTSAT),
    "crnn": (crnn.Config, crnn.CRNN),
    "mobilenet": (mobilenet.Config, mobilenet.MobileNet),
    "efficientat": (efficientat.Config, efficientat.EfficientAT),
    "joint": (baselines.JointConfig, baselines.Joint),
    "task4b": (baselines.TaskConfig, baselines.TaskCRNN),
}
WINDOW = 10.0  # seconds
DEFAULT_THRESHOLD = 0.5
MAX_NAMED = 3  # keys that an error names before it counts the rest


@dataclass(frozen=True, slots=True)
class Card:
    """What a checkpoint holds besides its tensors."""

    architecture: str  # a name of ARCHITECTURES
    config: dict[str, Any]  # the fields of the architecture's Config
    front_end: FrontEnd = FrontEnd()
    scenes: tuple[str, ...] = ()  # one label per scene output, those of added heads last; empty: no scene branch
    events: tuple[str, ...] = ()  # one label per event output, likewise; empty: a backbone to train from
    thresholds: tuple[float, ...] = ()  # one per event: the lowest score at which it is active
    provenance: dict[str, str] = field(default_factory=dict)  # source, licence, data, figures, ...
    window: float = WINDOW  # seconds that the network hears at once
    smooth: float = 0.0  # seconds over which `tag` averages events' scores by default; the thresholds are for such scores
    smooth_scene: float = 0.0  # the same for scenes
    hop: float = 0.0  # seconds from window to window by default; 0 = the window's length
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)  # of scenes: named where no single scene is probable enough
    scene_bar: float = 0.0  # the lowest probability at which a scene is named; 0 = the most probable one always is
    group_bar: float = 1.0  # the same for a group of scenes, where no scene is named
    sure_thresholds: tuple[float, ...] = ()  # one per event, for `tag --sure`; empty: it has no such thresholds
    heads: tuple[extended.Head, ...] = ()  # added beside the network's own (`extended.py`)

    @property
    def n_own_scenes(self) -> int:
        """How many of the scenes, the last ones, have scores of their own instead of a share in the network's choice."""
        n_scenes, n_events = output_counts(self.config)
        return extended.counts(n_events, n_scenes, self.heads)[2]

    @classmethod
    def of(cls, network: Base, scenes: Iterable[str] = (), events: Iterable[str] = (), **more: Any) -> "Card":
        """The card of a network made here; thresholds are 0.5 unless given. `more` are other fields of the card."""
        name = next(name for name, (_, kind) in ARCHITECTURES.items() if type(network) is kind)
        events = tuple(events)
        more.setdefault("thresholds", (DEFAULT_THRESHOLD,) * len(events))
        return cls(name, dataclasses.asdict(network.config), network.front_end, tuple(scenes), events, **more)


def save(path: Path, network: Network, card: Card) -> None:
    """Write a checkpoint; `path` is complete or untouched at every moment, even if the disk is full.

    Raises WeightsError if the card does not fit the network, a value is not finite, or the file cannot be written.
    """
    check_card(path, card)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    check_finite(path, tensors)
    data = safetensors.torch.save(tensors, metadata_of(card))
    try:
        with replacing(path) as unfinished, unfinished.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise WeightsError(f"{path}: cannot be written: {(error.strerror or str(error)).lower()}; nothing was changed") from None


def load(path: Path) -> tuple[Network, Card]:
    """Read a checkpoint: the network, ready to score, and its card. Tensors stored in half precision come back in float32.

    Raises WeightsError that names the file, what was expected and what was found.
    """
    header = read_header(path)
    card = card_of(path, header)
    network = build(path, card)
    check_keys(path, network.state_dict(), header.shapes)
    try:
        with safe_open(path, framework="pt") as file:  # maps the file into memory: no second copy of the weights
            tensors = {name: file.get_tensor(name) for name in header.shapes}
            check_finite(path, tensors)
            network.load_state_dict(tensors)
    except (safetensors.SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: the file is damaged ({error}); get or convert it again") from None
    return network.eval(), card


def build(path: Path, card: Card) -> Network:
    """A new network as the card at `path` describes it, with random weights."""
    config_type, network_type = ARCHITECTURES[card.architecture]
    try:
        base = network_type(config_type(**card.config), card.front_end)
        return extended.Extended(base, card.heads) if card.heads else base
    except (TypeError, ValueError, ArithmeticError, RuntimeError, LookupError, AssertionError) as error:
        raise WeightsError(f"{path}: its configuration does not make a network of kind {card.architecture}: {error}") from None


def metadata_of(card: Card) -> dict[str, str]:
    """The card as the table of strings that safetensors keeps."""
    fields = {name: json.dumps(value, ensure_ascii=False) for name, value in dataclasses.asdict(card).items()}
    return {"format": FORMAT, "format_version": str(FORMAT_VERSION), **fields}


def card_of(path: Path, header: Header) -> Card:
    """The card in the metadata of the file at `path`, checked for consistency."""
    metadata = header.metadata
    if metadata.get("format") != FORMAT:
        raise WeightsError(
            f"{path}: a safetensors file without audiolog's card; if it is another project's checkpoint, "
            "`audiolog weights convert` makes one of ours of it"
        )
    version = metadata.get("format_version", "")
    if version != str(FORMAT_VERSION):
        raise WeightsError(f"{path}: format version {version or 'missing'}, this program reads {FORMAT_VERSION}; update audiolog")
    try:
        smooth = metadata.get("smooth", "0.0")  # the first cards lack it, later ones had one value for both
        later = {
            "smooth_scene": smooth, "hop": "0.0", "groups": "{}", "scene_bar": "0.0", "group_bar": "1.0", "sure_thresholds": "[]",
            "heads": "[]",
        }  # fmt: skip
        metadata = {"smooth": smooth, **later, **metadata}
        fields = {entry.name: json.loads(metadata[entry.name]) for entry in dataclasses.fields(Card)}
        fields |= {name: tuple(fields[name]) for name in ("scenes", "events", "thresholds", "sure_thresholds")}
        fields["groups"] = {name: tuple(members) for name, members in fields["groups"].items()}
        fields["front_end"] = FrontEnd(**fields["front_end"])
        fields["heads"] = extended.from_dicts(fields["heads"])
        fields["config"] = extended.with_tuples(fields["config"])
        card = Card(**fields)
    except KeyError as error:
        raise WeightsError(f"{path}: its card has no entry {error}; convert or train it again") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise WeightsError(f"{path}: its card is damaged ({error}); convert or train it again") from None
    check_card(path, card)
    return card


def output_counts(config: Mapping[str, Any]) -> tuple[int, int]:
    """How many scenes and events a network with this configuration scores; without an event branch, the tagged classes."""
    return int(config.get("n_scenes", 0)), int(config.get("n_events", 0) or config.get("n_classes", 0))


def check_card(path: Path, card: Card) -> None:
    if card.architecture not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise WeightsError(f"{path}: a network of kind {card.architecture!r}; this program knows {known}: update audiolog")
    n_scenes, n_events = output_counts(card.config)
    n_events, n_shared, n_own = extended.counts(n_events, n_scenes, card.heads)
    n_scenes = n_shared + n_own
    found = {"scene labels": card.scenes, "event labels": card.events, "thresholds": card.thresholds}
    for (what, entries), expected in zip(found.items(), (n_scenes, n_events, n_events), strict=True):
        if len(entries) != expected:
            raise WeightsError(f"{path}: expected {expected} {what}, one per output of the network, found {len(entries)}")
    for labels in (card.scenes, card.events):
        if len(set(labels)) < len(labels) or not all(isinstance(label, str) and label for label in labels):
            raise WeightsError(f"{path}: its labels are not all different words")
    if len(card.sure_thresholds) not in (0, n_events):
        raise WeightsError(f"{path}: expected {n_events} thresholds for --sure, or none, found {len(card.sure_thresholds)}")
    if unknown := sorted({scene for members in card.groups.values() for scene in members} - set(card.scenes)):
        raise WeightsError(f"{path}: {unknown[0]!r} is in a group of scenes, and no scene")
    if both := sorted(set(card.groups) & set(card.scenes)):
        raise WeightsError(f"{path}: {both[0]!r} is a scene and a group of scenes")
    numbers = (*card.thresholds, *card.sure_thresholds, card.scene_bar, card.group_bar)
    if not all(isinstance(number, float | int) and 0 <= number <= 1 for number in numbers):
        raise WeightsError(f"{path}: a threshold is not a number from 0 to 1")
    if not (isinstance(card.window, float | int) and 0 < card.window < float("inf")):
        raise WeightsError(f"{path}: expected a window of some seconds, found {card.window!r}")
    for seconds in (card.smooth, card.smooth_scene):
        if not (isinstance(seconds, float | int) and 0 <= seconds < float("inf")):
            raise WeightsError(f"{path}: expected seconds to average scores over, 0 or more, found {seconds!r}")
    if not (isinstance(card.hop, float | int) and 0 <= card.hop <= card.window):
        raise WeightsError(f"{path}: expected a hop of 0 to {card.window:g} s, the window, found {card.hop!r}")


def check_keys(path: Path, expected: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """WeightsError unless the file's tensors are those of the network, with their shapes."""
    if missing := [name for name in expected if name not in shapes]:
        raise WeightsError(f"{path}: {named(missing)} missing; get or convert the file again")
    if extra := [name for name in shapes if name not in expected]:
        raise WeightsError(f"{path}: {named(extra)} not part of the network; get or convert the file again")
    for name, tensor in expected.items():
        if shapes[name] != tuple(tensor.shape):
            raise WeightsError(f"{path}: {name} has shape {shapes[name]}, expected {tuple(tensor.shape)}")


def check_finite(path: Path, tensors: Mapping[str, Tensor]) -> None:
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            n_bad = int((~torch.isfinite(tensor)).sum())
            raise WeightsError(f"{path}: {name} holds {n_bad} values that are not finite; the training that made it went wrong")


@torch.inference_mode()
def check_scores(path: Path, network: Network, card: Card) -> None:
    """Run the network on one window of noise; WeightsError unless every scene and event gets a finite score."""
    noise = torch.rand(1, round(card.window * card.front_end.sample_rate), generator=torch.Generator().manual_seed(0)) - 0.5
    output = network(noise)
    outputs = {"scenes": [output.scene_logits, output.own_scene_logits], "events": [output.event_logits]}
    for what, labels in (("scenes", card.scenes), ("events", card.events)):
        logits = [one for one in outputs[what] if one is not None]
        n_found = sum(one.shape[-1] for one in logits)
        if n_found != len(labels):
            raise WeightsError(f"{path}: expected scores of {len(labels)} {what}, the network gives {n_found}")
        if not all(bool(one.isfinite().all()) for one in logits):
            raise WeightsError(f"{path}: its scores of {what} are not finite; get or train it again")


def named(names: list[str]) -> str:
    """The first few of many names, with the verb that goes with them.

    >>> named(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more are'
    """
    return f"{some(names, MAX_NAMED)} {'is' if len(names) == 1 else 'are'}"
