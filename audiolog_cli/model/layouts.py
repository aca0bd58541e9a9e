"""Checkpoints of other projects: a file in, one of our networks and its card out.

    HTS-AT       HTSAT_AudioSet_Saved_*.ckpt (Lightning): 527 classes over time
    AudioLog     htsat_pretrain.pth, both data sets: scenes and events
    EfficientAT  mnXX_as_mAP_*.pt, any width: 527 classes over time
    LAION-CLAP   *.pt, with and without `module.`       }
    msclap       CLAP_weights_2023.pth                  }  a backbone to train from: no heads, 48 kHz (msclap: 44.1 kHz)
    transformers ClapModel, model.safetensors or *.bin  }  with feature fusion too, which plays no part in 10 s

A layout is recognised from its keys alone. Loading is strict: what the network needs must be there, and every key of the audio
branch must be used or listed here as left out. The file's own mel filter bank is kept.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from audiolog_cli.errors import WeightsError
from audiolog_cli.model import efficientat, htsat, pickles
from audiolog_cli.model.checkpoint import WINDOW, Card, Network, check_finite, check_keys
from audiolog_cli.model.features import FrontEnd, mel_filter_bank
from audiolog_cli.weights.find import FORMAT, is_safetensors, read_header
from audiolog_cli.weights.labels import LabelList, for_counts

Tensors = Mapping[str, Tensor]

AUDIOSET_THRESHOLD = 0.2  # taggers of 527 classes rarely exceed 0.5, the default of other networks
CLAP_FRONT_END = FrontEnd(sample_rate=48000, n_fft=1024, hop_length=480, n_mels=64, fmin=50.0, fmax=14000.0)
# msclap hands waves of 44.1 kHz to a network made for 32 kHz (its models/config.py), so its bands are higher by that ratio.
MSCLAP_FRONT_END = FrontEnd(sample_rate=44100, n_fft=1024, hop_length=320, n_mels=64, fmin=68.90625, fmax=19293.75)
MSCLAP_WINDOW = 7.0  # seconds
FMAX = (14000.0, 16000.0)  # Hz; the upper ends of published filter banks

# Keys of HTS-AT files that are not weights, or are never used: fixed tables that we compute, a head that no code calls.
LEFT_OUT = re.compile(r"spectrogram_extractor\.|head\.(weight|bias)$|.*\.(attn_mask|relative_position_index)$")
CLASS_HEAD = re.compile(r"tscam_conv\.")
FUSION = re.compile(r"patch_embed\.(mel_conv2d|fusion_model)\.")


@dataclass(frozen=True, slots=True)
class Layout:
    """How one project writes its checkpoints."""

    name: str
    prefix: str  # of the keys that are read; others belong to other networks in the file (a text encoder)
    markers: tuple[str, ...]  # keys after the prefix that only this layout has together
    make: Callable[[Path, dict[str, Tensor], LabelList | None], tuple[Network, Card]]


def read(path: Path, labels: LabelList | None = None) -> tuple[Network, Card]:
    """Another project's checkpoint as one of our networks, ready to score, and its card.

    `labels` replaces the data set's list that matches the numbers of outputs. Raises WeightsError for a file that cannot be read,
    asks to run code, has no known layout (naming those tried and what each lacked) or does not fit its layout.
    """
    tensors = read_tensors(path)
    layout, own = recognise(path, tensors)
    network, card = layout.make(path, own, labels)
    card = replace(card, provenance={"layout": layout.name, "file": path.name, **card.provenance})
    return network.eval(), card


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors or PyTorch file by name, without the containers and prefixes added by training."""
    content = _read_safetensors(path) if is_safetensors(path) else pickles.read(path)
    for container in ("state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(container), dict):
            content = content[container]
    tensors = (
        {str(key): value for key, value in content.items() if isinstance(value, Tensor)} if isinstance(content, dict) else {}
    )
    if not tensors:
        raise WeightsError(f"{path}: holds no tensors by name, expected a checkpoint; was another file meant?")
    return {key.removeprefix("module."): value for key, value in tensors.items()}


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    if read_header(path).metadata.get("format") == FORMAT:
        raise WeightsError(f"{path}: is a checkpoint of audiolog already; use it as it is: `--weights {path}`")
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dict
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: the file is damaged ({error}); get it again") from None


def recognise(path: Path, tensors: Tensors) -> tuple[Layout, dict[str, Tensor]]:
    """The layout of these keys, and the tensors under its prefix; WeightsError if there is none."""
    tried = []
    for layout in LAYOUTS:
        own = {key.removeprefix(layout.prefix): value for key, value in tensors.items() if key.startswith(layout.prefix)}
        missing = [key for key in layout.markers if key not in own]
        if not missing:
            return layout, own
        tried.append(f"{layout.name} (no {layout.prefix}{missing[0]})")
    raise WeightsError(f"{path}: of no known layout; tried {', '.join(tried)}; the file has {', '.join(list(tensors)[:3])}, ...")


def _audioset(path: Path, tensors: dict[str, Tensor], labels: LabelList | None) -> tuple[Network, Card]:
    n_classes = tensors["tscam_conv.weight"].shape[0]
    labels = _labels(path, labels, 0, n_classes)
    config = replace(sizes_of(path, tensors), n_classes=n_classes)
    network = _filled(path, htsat.HTSAT(config, front_end_of(tensors, FrontEnd())), _needed(tensors))
    return network, Card.of(network, events=labels.events, thresholds=(AUDIOSET_THRESHOLD,) * n_classes)


def _audiolog(path: Path, tensors: dict[str, Tensor], labels: LabelList | None) -> tuple[Network, Card]:
    n_scenes, n_events = tensors["asc_head.weight"].shape[0], tensors["sed_head.weight"].shape[0]
    labels = _labels(path, labels, n_scenes, n_events)
    branch_dim = tensors["sed_head.weight"].shape[-1]
    config = replace(sizes_of(path, tensors), n_scenes=n_scenes, n_events=n_events, branch_dim=branch_dim)
    network = htsat.HTSAT(config, front_end_of(tensors, FrontEnd()))
    named = {re.sub(r"^tscam_conv\.", "tscam_conv_sed.", key): value for key, value in _needed(tensors).items()}
    return _filled(path, network, named), Card.of(network, labels.scenes, labels.events)


def _backbone(
    front_end: FrontEnd, window: float = WINDOW
) -> Callable[[Path, dict[str, Tensor], LabelList | None], tuple[Network, Card]]:
    """HTS-AT inside a CLAP: its class heads were not trained and are left out."""

    def make(path: Path, tensors: dict[str, Tensor], labels: LabelList | None) -> tuple[Network, Card]:
        if any(FUSION.match(key) for key in tensors):
            raise WeightsError(
                f"{path}: a CLAP with feature fusion, which this network lacks; take the variant without (unfused)"
            )
        network = htsat.HTSAT(sizes_of(path, tensors), front_end_of(tensors, front_end))
        needed = {key: value for key, value in _needed(tensors).items() if not CLASS_HEAD.match(key)}
        return _filled(path, network, needed), Card.of(network, window=window)

    return make


def _transformers(path: Path, tensors: dict[str, Tensor], labels: LabelList | None) -> tuple[Network, Card]:
    """Fusion is for sound longer than 10 s, which a window never is; but a CLAP with fusion hears other mel bands (its
    `ClapFeatureExtractor`, `mel_filters`)."""
    kept = {key: tensor for key, tensor in tensors.items() if not FUSION.match(key)}
    if len(kept) < len(tensors):
        kept["logmel_extractor.melW"] = _htk_bank(CLAP_FRONT_END)
    return _backbone(CLAP_FRONT_END)(path, renamed_from_transformers(path, kept), labels)


def _htk_bank(front_end: FrontEnd) -> Tensor:
    """(n_fft // 2 + 1, n_mels) triangles on the HTK scale, not normed."""
    from torchaudio.functional import melscale_fbanks  # here alone: it takes long to import

    f = front_end
    bank: Tensor = melscale_fbanks(f.n_fft // 2 + 1, f.fmin, f.fmax, f.n_mels, f.sample_rate, norm=None, mel_scale="htk")
    return bank


def _efficientat(path: Path, tensors: dict[str, Tensor], labels: LabelList | None) -> tuple[Network, Card]:
    if other := re.search(r"_(hop|mels)_\d+", path.name):  # the tensors do not say
        raise WeightsError(
            f"{path}: a variant with another spectrogram ({other[0][1:]}), expected one of the standard mnXX_as files"
        )
    n_classes, n_hidden = tensors["classifier.5.weight"].shape
    config = efficientat.Config(width=n_hidden / efficientat.WIDTH_OF_HIDDEN, n_classes=n_classes)
    labels = _labels(path, labels, 0, config.n_classes)
    network = _filled(path, efficientat.EfficientAT(config), tensors)
    return network, Card.of(network, events=labels.events, thresholds=(AUDIOSET_THRESHOLD,) * config.n_classes)


LAYOUTS = (
    Layout("AudioLog", "", ("asc_head.weight", "sed_head.weight", "tscam_conv.weight"), _audiolog),
    Layout("HTS-AT", "sed_model.", ("patch_embed.proj.weight", "tscam_conv.weight"), _audioset),
    Layout("EfficientAT", "", ("features.0.0.weight", "classifier.5.weight"), _efficientat),
    Layout("LAION-CLAP", "audio_branch.", ("patch_embed.proj.weight",), _backbone(CLAP_FRONT_END)),
    Layout("msclap", "audio_encoder.base.htsat.", ("patch_embed.proj.weight",), _backbone(MSCLAP_FRONT_END, MSCLAP_WINDOW)),
    Layout("CLAP of transformers", "audio_model.audio_encoder.", ("patch_embed.proj.weight", "batch_norm.weight"), _transformers),
)


def sizes_of(path: Path, tensors: Tensors) -> htsat.Config:
    """The sizes of an HTS-AT from the shapes of its tensors; no heads."""
    blocks: dict[int, int] = {}
    heads: dict[int, int] = {}
    for key, tensor in tensors.items():
        if match := re.fullmatch(r"layers\.(\d+)\.blocks\.(\d+)\.attn\.relative_position_bias_table", key):
            stage, block = int(match[1]), int(match[2])
            blocks[stage], heads[stage] = max(blocks.get(stage, 0), block + 1), tensor.shape[-1]
    if not blocks or sorted(blocks) != list(range(len(blocks))):
        raise WeightsError(f"{path}: expected the stages of a Swin transformer (layers.0, layers.1, ...), found {sorted(blocks)}")
    stages = range(len(blocks))
    return htsat.Config(
        embed_dim=tensors["patch_embed.proj.weight"].shape[0],
        depths=tuple(blocks[stage] for stage in stages),
        heads=tuple(heads[stage] for stage in stages),
    )


def front_end_of(tensors: Tensors, front_end: FrontEnd) -> FrontEnd:
    """The front-end with the upper frequency of the file's own filter bank, if it is a published one."""
    bank = tensors.get("logmel_extractor.melW")
    candidates = (replace(front_end, fmax=fmax) for fmax in FMAX if fmax <= front_end.sample_rate / 2)
    return next((one for one in candidates if bank is not None and _same_bank(bank, mel_filter_bank(one))), front_end)


def _same_bank(bank: Tensor, other: Tensor) -> bool:
    return bank.shape == other.shape and torch.allclose(bank.float(), other, atol=1e-5)


def renamed_from_transformers(path: Path, tensors: Tensors) -> dict[str, Tensor]:
    """The keys of `ClapAudioEncoder` as HTS-AT's: other names, and query, key and value as the rows of one matrix."""
    named: dict[str, Tensor] = {}
    for key, tensor in tensors.items():
        if match := re.fullmatch(r"(.*\.attn|.*\.attention\.self)\.query\.(weight|bias)", key):
            parts = [tensors.get(f"{match[1]}.{part}.{match[2]}") for part in ("query", "key", "value")]
            if any(part is None for part in parts):
                raise WeightsError(f"{path}: {key} has no key and value beside it; get the file again")
            named[f"{match[1]}.qkv.{match[2]}"] = torch.cat([part for part in parts if part is not None])
        elif not re.search(r"\.self\.(key|value)\.", key):
            named[key] = tensor
    for pattern, replacement in TRANSFORMERS_NAMES:
        named = {re.sub(pattern, replacement, key): tensor for key, tensor in named.items()}
    return named


TRANSFORMERS_NAMES = (
    (r"^batch_norm\.", "bn0."),
    (r"\.layernorm_before\.", ".norm1."),
    (r"\.layernorm_after\.", ".norm2."),
    (r"\.attention\.self\.", ".attn."),
    (r"\.attention\.output\.dense\.", ".attn.proj."),
    (r"\.intermediate\.dense\.", ".mlp.fc1."),
    (r"(\.blocks\.\d+)\.output\.dense\.", r"\1.mlp.fc2."),
)


def _needed(tensors: Tensors) -> dict[str, Tensor]:
    return {key: value for key, value in tensors.items() if not LEFT_OUT.match(key)}


def _filled(path: Path, network: Network, tensors: Mapping[str, Tensor]) -> Any:
    """The network with exactly these weights; a filter bank that is not in the file stays the computed one."""
    state = network.state_dict()
    given = dict(tensors)
    if "logmel_extractor.melW" in state:
        given.setdefault("logmel_extractor.melW", state["logmel_extractor.melW"])
    check_keys(path, state, {key: tuple(value.shape) for key, value in given.items()})
    check_finite(path, given)
    network.load_state_dict(given)
    return network


def _labels(path: Path, given: LabelList | None, n_scenes: int, n_events: int) -> LabelList:
    """The labels for these outputs: those given, or those of the data set with these sizes."""
    labels = given or for_counts(n_scenes, n_events)
    if labels is None:
        raise WeightsError(
            f"{path}: scores {n_scenes} scenes and {n_events} events, and no published label list has these sizes;"
            " name its labels with --labels FILE"
        )
    if (len(labels.scenes), len(labels.events)) != (n_scenes, n_events):
        raise WeightsError(
            f"{path}: expected labels for {n_scenes} scenes and {n_events} events,"
            f" found {len(labels.scenes)} and {len(labels.events)} in the list given"
        )
    return labels
