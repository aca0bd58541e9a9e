"""A network for scoring alone: the same numbers to a few millionths, in less processor time.

In: a network in evaluation mode, on its device. Out: a copy without gradients in which linear layers lie in the order that oneDNN
computes in (GELU in the same pass), the attention's bias and mask are added up beforehand, and a BatchNorm that follows a
convolution is part of it. The network given is not changed, and the copy is neither saved nor trained: its parameters have
other names. Where there is nothing to gain (a GPU, a processor without oneDNN) the network itself comes back.
"""

import copy
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from audiolog_cli.model import crnn, htsat

ROWS = 1024  # tokens that oneDNN plans for: the order of weights it then chooses serves all stages
Network = TypeVar("Network", bound=nn.Module)


@torch.no_grad()
def prepared(network: Network) -> Network:
    """The inference copy of a network; the network itself where nothing would be faster."""
    device = next(network.parameters()).device
    if network.training or device.type != "cpu" or not has_one_dnn() or not isinstance(network, htsat.HTSAT | crnn.CRNN):
        return network
    copied = copy.deepcopy(network).requires_grad_(False)
    if isinstance(copied, htsat.HTSAT):
        stages = enumerate(copied.layers)
        copied.layers = nn.ModuleList(PreparedStage(stage, htsat.SPEC_SIZE // htsat.PATCH >> i) for i, stage in stages)  # type: ignore[arg-type]
    for module in copied.modules():
        if isinstance(module, crnn.Residual):
            module.conv1, module.bn1 = _folded(module.conv1, module.bn1)
            module.conv2, module.bn2 = _folded(module.conv2, module.bn2)
            if isinstance(module.shortcut, nn.Sequential):
                module.shortcut[1], module.shortcut[2] = _folded(module.shortcut[1], module.shortcut[2])
        elif isinstance(module, crnn.CRNN):
            module.stem[0], module.stem[1] = _folded(module.stem[0], module.stem[1])
    return copied  # type: ignore[return-value]  # of the same kind as `network`


def has_one_dnn() -> bool:
    """Whether torch comes with oneDNN's kernels for this processor."""
    return torch.backends.mkldnn.is_available() and torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")


def _folded(convolution: nn.Module, batch_norm: nn.Module) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    """The convolution with the BatchNorm in its weights, and what now stands in the BatchNorm's place."""
    assert isinstance(convolution, nn.Conv2d) and isinstance(batch_norm, nn.BatchNorm2d)
    return fuse_conv_bn_eval(convolution, batch_norm), nn.Identity()  # type: ignore[return-value]


class PackedLinear(nn.Module):
    """A linear layer in oneDNN's own order of weights; what follows it is done while the product is still in the cache."""

    def __init__(self, linear: nn.Linear, activation: str = "none") -> None:
        super().__init__()
        self.weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), ROWS)
        self.bias = linear.bias.detach()
        self.activation = activation  # "none" or "gelu", the exact one

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        """(..., n_in) -> (..., n_out), added to `residual` if there is one."""
        layer = torch.ops.mkldnn._linear_pointwise
        y: Tensor = (
            layer(x, self.weight, self.bias, self.activation, [], "none")
            if residual is None
            else layer.binary(x, residual, self.weight, self.bias, "add")
        )
        return y


class PreparedBlock(nn.Module):
    """`htsat.Block` over tokens that lie window by window; bias and mask of the attention are added up beforehand."""

    bias: Tensor

    def __init__(self, block: htsat.Block) -> None:
        super().__init__()
        self.norm1, self.norm2 = block.norm1, block.norm2
        attention, mask = block.attn, block.attn_mask
        self.n_heads = attention.n_heads
        self.qkv, self.proj = PackedLinear(attention.qkv), PackedLinear(attention.proj)
        self.fc1, self.fc2 = PackedLinear(block.mlp.fc1, "gelu"), PackedLinear(block.mlp.fc2)
        bias = attention.relative_position_bias_table[attention.relative_position_index].permute(2, 0, 1).unsqueeze(0)
        bias = bias if mask is None else bias + mask.unsqueeze(1)
        self.register_buffer("bias", bias.contiguous())  # (1 or n_windows, n_heads, T, T)

    def forward(self, x: Tensor) -> Tensor:
        """(B, n_windows * T, dim), same out."""
        x = self.proj(self._attend(self.qkv(self.norm1(x))), x)
        y: Tensor = self.fc2(self.fc1(self.norm2(x)), x)
        return y

    def _attend(self, qkv: Tensor) -> Tensor:
        B, L, C = qkv.shape[0], qkv.shape[1], qkv.shape[2] // 3
        T = htsat.WINDOW**2
        q, k, v = qkv.view(B * L // T, T, 3, self.n_heads, C // self.n_heads).permute(2, 0, 3, 1, 4)  # (windows, heads, T, ...)
        bias = self.bias.repeat(B, 1, 1, 1) if len(self.bias) > 1 and B > 1 else self.bias
        return F.scaled_dot_product_attention(q, k, v, attn_mask=bias).transpose(1, 2).reshape(B, L, C)


class PreparedStage(nn.Module):
    """`htsat.Stage`: between blocks the tokens move once, from the windows of one to those of the next."""

    def __init__(self, stage: htsat.Stage, side: int) -> None:
        super().__init__()
        self.side, self.downsample = side, stage.downsample
        blocks = [block for block in stage.blocks if isinstance(block, htsat.Block)]
        self.blocks = nn.ModuleList(PreparedBlock(block) for block in blocks)
        raster = torch.arange(side * side)
        orders = [raster, *(window_order(side, block.shift) for block in blocks), raster]
        # where each token of an order stands in the order before
        self.moves = [torch.argsort(before)[after] for before, after in zip(orders, orders[1:], strict=False)]

    def forward(self, x: Tensor) -> Tensor:
        """(B, side, side, dim) -> (B, side / 2, side / 2, 2 * dim), or the same shape in the last stage."""
        shape = x.shape
        x = x.flatten(1, 2)
        for block, move in zip(self.blocks, self.moves, strict=False):
            x = block(x.index_select(1, move))
        x = x.index_select(1, self.moves[-1]).view(shape)
        return x if self.downsample is None else self.downsample(x)


def window_order(side: int, shift: int) -> Tensor:
    """(side * side,) places in the raster, window after window of a picture that was rolled by `shift`."""
    raster = torch.arange(side * side).view(1, side, side, 1)
    return htsat.to_windows(raster.roll((-shift, -shift), dims=(1, 2))).flatten()
