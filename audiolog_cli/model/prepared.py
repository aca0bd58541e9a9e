"""A network for inference only: the same scores to a few millionths in less processor time or, on request, with fewer bits.

In: a network in evaluation mode, on its device. Out: a copy without gradients: HTS-AT's stages, an EfficientAT network's
convolutions and all GRUs in ONNX Runtime (`onnx_htsat.py`, `onnx_runtime.py`), BatchNorms folded into the convolutions before
them, images stored channels last, and, if there is an event branch, no AudioSet head, which only training uses. What has large
buffers (the spectrogram, HTS-AT's first stages) is computed window by window, where a core's cache holds them and a batch gains
nothing. With `precision` int8, the layers that do most of the work are of 8 bits; with bf16, HTS-AT's stages on a processor are
the ones here; else bf16 and fp16 lower the whole network. The given network is not changed, and the copy is neither saved nor
trained: its parameters have other names. Where there is nothing to gain (fp32 on a GPU, or a CRNN on a processor without oneDNN)
the network itself is returned.
"""

import copy
from dataclasses import replace
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from audiolog_cli.errors import UsageError
from audiolog_cli.model import crnn, htsat, onnx_htsat, onnx_runtime
from audiolog_cli.model.efficientat import EfficientAT
from audiolog_cli.model.extended import Extended
from audiolog_cli.model.mobilenet import MobileNet
from audiolog_cli.model.precision import (
    LOWERED,
    Bf16Linear,
    EachWindow,
    Int8Conv2d,
    PlainLinear,
    has_bf16_kernels,
    has_one_dnn,
    lowered,
)

Network = TypeVar("Network", bound=nn.Module)
N_LARGE_STAGES = 2  # of HTS-AT: a window has so many tokens in them that a batch gains nothing


@torch.no_grad()
def prepared(network: Network, precision: str = "fp32") -> Network:
    """The inference copy of a network in a precision that its device supports; the network itself if nothing would be faster.

    Raises UsageError for int8 with a kind of network that has no 8-bit layers.
    """
    device = next(network.parameters()).device
    if network.training:
        return network
    if isinstance(network, Extended):
        over = network.over(prepared(network.base, precision))
        if device.type == "cpu":
            over.heads = _steady(copy.deepcopy(over.heads).requires_grad_(False))
        return over  # type: ignore[return-value]  # of the same kind as `network`
    in_bf16 = precision == "bf16" and isinstance(network, htsat.HTSAT) and device.type == "cpu" and has_bf16_kernels()
    if precision in LOWERED and not in_bf16:
        return lowered(copy.deepcopy(network).requires_grad_(False), LOWERED[precision])
    if precision == "int8" and not isinstance(network, htsat.HTSAT | crnn.CRNN):
        raise UsageError(f"--precision int8: not for networks of the kind {type(network).__name__}; leave it out")
    if device.type != "cpu" or not isinstance(network, htsat.HTSAT | crnn.CRNN | MobileNet | EfficientAT):
        return network
    if isinstance(network, crnn.CRNN) and not has_one_dnn():
        return network
    others = _in_onnx(network, precision) if isinstance(network, htsat.HTSAT) else {}
    copied = copy.deepcopy(network, others).requires_grad_(False)
    if not isinstance(copied, EfficientAT):
        copied.config = replace(copied.config, n_classes=0) if copied.config.n_events else copied.config
        copied.logmel_extractor = EachWindow(copied.logmel_extractor)
    if isinstance(copied, crnn.CRNN):
        _prepare_crnn(copied, precision == "int8")
    elif not isinstance(copied, htsat.HTSAT):
        merge_norms(copied.features)
        copied.features = onnx_runtime.Convolutions(copied.features)  # type: ignore[assignment]
    return _steady(copied)  # type: ignore[return-value]  # of the same kind as `network`


HEADS = ("sed_conv", "tscam_conv_sed", "tscam_conv_asc")  # convolutions over the steps of a window


def _steady(network: Network) -> Network:
    """Replace, in place, the layers that are left and whose sums would depend on the batch."""
    for module in network.modules():
        for name, layer in module.named_children():
            if name in HEADS:
                setattr(module, name, OverSteps(layer))
            elif isinstance(layer, nn.Linear):
                setattr(module, name, PlainLinear(layer))
            elif isinstance(layer, nn.GRU):
                setattr(module, name, onnx_runtime.Gru(layer))
    return network


class OverSteps(nn.Module):
    """A convolution over the steps of a window as one product: no sum depends on the batch, and oneDNN need not sort weights."""

    def __init__(self, convolution: nn.Module) -> None:
        super().__init__()
        assert isinstance(convolution, nn.Conv1d | nn.Conv2d) and not isinstance(convolution.padding, str)
        weight, bias = convolution.weight, convolution.bias  # (n_out, n_in, steps), or (n_out, n_in, rows, steps)
        if weight.dim() == 4:
            weight = weight[:, :, convolution.padding[0]]  # of one row; above and below it is padding
        self.width, self.padding = weight.shape[2], convolution.padding[-1]
        linear = nn.Linear(weight[0].numel(), len(weight), bias=bias is not None)
        linear.weight, linear.bias = nn.Parameter(weight.flatten(1)), bias  # type: ignore[assignment]
        self.linear = PlainLinear(linear)  # rows may be few

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T) or (B, C, 1, T), as the convolution's own."""
        around = F.pad(x.flatten(2), (self.padding, self.padding)).unfold(2, self.width, 1)  # (B, C, T, width)
        y: Tensor = self.linear(around.transpose(1, 2).flatten(2)).transpose(1, 2)  # (B, n_out, T)
        return y if x.dim() == 3 else y.unsqueeze(2)


def _in_onnx(network: htsat.HTSAT, precision: str) -> dict[int, nn.Module]:
    """What replaces parts of the network, by the part's `id`, as `copy.deepcopy` wants it: their weights are not copied."""
    patches, stages, layers = network.patch_embed, network.layers, nn.ModuleList()
    if precision == "bf16":
        sides = (htsat.SPEC_SIZE // htsat.PATCH >> i for i in range(len(stages)))
        made = [Bf16Stage(stage, side) for stage, side in zip(copy.deepcopy(stages), sides, strict=True)]  # type: ignore[arg-type]
        stages, layers = layers, nn.ModuleList([EachWindow(nn.Sequential(*made[:N_LARGE_STAGES])), *made[N_LARGE_STAGES:]])
    product = onnx_htsat.in_8_bits if precision == "int8" else onnx_htsat.in_full
    return {id(patches): onnx_htsat.Transformer(patches, stages, product), id(network.layers): layers}


def _prepare_crnn(network: crnn.CRNN, in_int8: bool) -> None:
    network.stem[0], network.stem[1] = _folded(network.stem[0], network.stem[1])
    for module in network.stages:
        assert isinstance(module, crnn.Residual)
        module.conv1, module.bn1 = _folded(module.conv1, module.bn1)
        module.conv2, module.bn2 = _folded(module.conv2, module.bn2)
        if isinstance(module.shortcut, nn.Sequential):
            module.shortcut[1], module.shortcut[2] = _folded(module.shortcut[1], module.shortcut[2])
        if in_int8:  # the others are too small to be worth it
            module.conv1, module.conv2 = Int8Conv2d(module.conv1), Int8Conv2d(module.conv2)  # type: ignore[assignment]
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _folded(convolution: nn.Module, batch_norm: nn.Module) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    """The convolution with the BatchNorm in its weights, and what replaces the BatchNorm."""
    assert isinstance(convolution, nn.Conv2d) and isinstance(batch_norm, nn.BatchNorm2d)
    return fuse_conv_bn_eval(convolution, batch_norm), nn.Identity()  # type: ignore[return-value]


def merge_norms(network: nn.Module) -> None:
    """Fold every BatchNorm into the convolution before it, in place: the same output in two thirds of the time."""
    for module in network.modules():
        if isinstance(module, nn.Sequential):
            for i in range(len(module) - 1):
                convolution, norm = module[i], module[i + 1]
                if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    module[i], module[i + 1] = _folded(convolution, norm)


class Bf16Block(nn.Module):
    """`htsat.Block` over tokens ordered window by window, its products in bf16 but for the attention's: heads are too narrow."""

    bias: Tensor

    def __init__(self, block: htsat.Block) -> None:
        super().__init__()
        self.norm1, self.norm2, self.n_heads = block.norm1, block.norm2, block.attn.n_heads
        self.qkv, self.proj = Bf16Linear(block.attn.qkv), Bf16Linear(block.attn.proj)
        self.fc1, self.fc2 = Bf16Linear(block.mlp.fc1, "gelu"), Bf16Linear(block.mlp.fc2)
        self.register_buffer("bias", block.attn.bias(block.attn_mask).contiguous())

    def forward(self, x: Tensor) -> Tensor:
        """(B, n_windows * T, dim), same out."""
        x = self.proj(self._attend(self.qkv(self.norm1(x)).float()), x)
        y: Tensor = self.fc2(self.fc1(self.norm2(x)), x)
        return y

    def _attend(self, qkv: Tensor) -> Tensor:
        B, L, C = qkv.shape[0], qkv.shape[1], qkv.shape[2] // 3
        T = htsat.WINDOW**2
        q, k, v = qkv.view(B * L // T, T, 3, self.n_heads, C // self.n_heads).permute(2, 0, 3, 1, 4)  # (windows, heads, T, ...)
        bias = self.bias.repeat(B, 1, 1, 1) if len(self.bias) > 1 and B > 1 else self.bias
        return F.scaled_dot_product_attention(q, k, v, attn_mask=bias).transpose(1, 2).reshape(B, L, C)


class Bf16Stage(nn.Module):
    """`htsat.Stage`: between blocks the tokens move once, from the windows of one to those of the next."""

    def __init__(self, stage: htsat.Stage, side: int) -> None:
        super().__init__()
        self.side, self.downsample = side, stage.downsample
        if self.downsample is not None:
            self.downsample.reduction = Bf16Linear(self.downsample.reduction)  # type: ignore[assignment]
        blocks = [block for block in stage.blocks if isinstance(block, htsat.Block)]
        self.blocks = nn.ModuleList(Bf16Block(block) for block in blocks)
        raster = torch.arange(side * side)
        orders = [raster, *(onnx_htsat.window_order(side, block.shift) for block in blocks), raster]
        # the position of each token in the previous order
        self.moves = [torch.argsort(before)[after] for before, after in zip(orders, orders[1:], strict=False)]

    def forward(self, x: Tensor) -> Tensor:
        """(B, side, side, dim) -> (B, side / 2, side / 2, 2 * dim), or the same shape in the last stage."""
        shape = x.shape
        x = x.flatten(1, 2)
        for block, move in zip(self.blocks, self.moves, strict=False):
            x = block(x.index_select(1, move))
        x = x.index_select(1, self.moves[-1]).view(shape)
        return x if self.downsample is None else self.downsample(x).float()
