"""The files of other projects, made from our own networks: the same values under their names, with all that surrounds them."""

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from audiolog_cli.model import htsat

MINI = htsat.Config(embed_dim=8, depths=(1, 2, 1, 1), heads=(1, 2, 2, 4), branch_dim=16)

TRANSFORMERS_NAMES = (
    ("bn0.", "batch_norm."),
    (".norm1.", ".layernorm_before."),
    (".norm2.", ".layernorm_after."),
    (".attn.proj.", ".attention.output.dense."),
    (".attn.", ".attention.self."),
    (".mlp.fc1.", ".intermediate.dense."),
    (".mlp.fc2.", ".output.dense."),
)


def original(network: nn.Module, with_head: bool = False) -> dict[str, Tensor]:
    """A network's tensors as HTS-AT's code saves them: with the tables that we compute, and the head that nothing uses."""
    tensors: dict[str, Tensor] = {}
    n = torch.arange(1024)
    for part, wave in (("real", torch.cos), ("imag", torch.sin)):
        kernel = wave(-2 * math.pi * torch.outer(torch.arange(513), n) / 1024) * torch.hann_window(1024)
        tensors[f"spectrogram_extractor.stft.conv_{part}.weight"] = kernel.unsqueeze(1)
    for name, tensor in network.state_dict().items():
        tensors[name.replace("tscam_conv_sed", "tscam_conv")] = tensor
    for name, tensor in network.named_buffers():
        if name.endswith(("attn_mask", "relative_position_index")):
            tensors[name] = tensor
    if with_head:
        n_classes = len(tensors["tscam_conv.bias"])
        tensors |= {"head.weight": torch.zeros(n_classes, n_classes), "head.bias": torch.zeros(n_classes)}
    return tensors


def transformers(network: nn.Module, prefix: str = "audio_model.audio_encoder.") -> dict[str, Tensor]:
    """A network's tensors as transformers names those of its CLAP: no spectrogram, query, key and value apart."""
    tensors: dict[str, Tensor] = {}
    for name, tensor in original(network).items():
        if "extractor" in name or name.endswith("attn_mask") or name.startswith(("tscam", "head")):
            continue
        for ours, theirs in TRANSFORMERS_NAMES:
            name = name.replace(ours, theirs)
        if ".qkv." not in name:
            tensors[prefix + name] = tensor
            continue
        for part, rows in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
            tensors[prefix + name.replace("qkv", part)] = rows.clone()
    return tensors


def prefixed(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The same tensors under longer names."""
    return {prefix + name: tensor for name, tensor in tensors.items()}


def mini(**heads: int) -> htsat.HTSAT:
    """A small seeded network of the reference's shape, with random running statistics, so that a lost one is noticed."""
    torch.manual_seed(0)
    network = htsat.HTSAT(replace(MINI, **heads)).eval()
    for name, buffer in network.named_buffers():
        if re.search(r"running_(mean|var)$", name):
            buffer.uniform_(0.5, 1.5)
    return network


def saved(path: Path, content: object) -> Path:
    """The path of a file that torch.save wrote."""
    torch.save(content, path)
    return path
