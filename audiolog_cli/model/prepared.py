"""A network for inference only: the same scores to a few millionths in less processor time or, on request, with fewer bits.

In: a network in evaluation mode, on its device. Out: a copy without gradients: linear layers and a MobileNet's convolutions in
oneDNN's weight order (activations and residual sums in the same pass), the attention's bias and mask summed beforehand,
BatchNorms folded into the convolutions before them, images stored channels last, and, if there is an event branch, no AudioSet
head, which only training uses. What has large buffers (the spectrogram, the first layers) is computed window by window, where a
core's cache holds them and a batch gains nothing. With `precision` int8, and with bf16 for HTS-AT on a processor, the layers that
do most of the work come from `precision.py`; else bf16 and fp16 lower the whole network. The given network is not changed, and
the copy is neither saved nor trained: its parameters have other names. Where there is nothing to gain (fp32 on a GPU, or on a
processor without oneDNN) the network itself is returned.
"""

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from audiolog_cli.errors import UsageError
from audiolog_cli.model import crnn, efficientat, htsat, mobilenet
from audiolog_cli.model.extended import Extended
from audiolog_cli.model.features import FrontEnd
from audiolog_cli.model.precision import (
    FEWEST_ROWS,
    LOWERED,
    Bf16Linear,
    EachWindow,
    Int8Conv2d,
    Int8Linear,
    PackedLinear,
    PlainLinear,
    fast_linear,
    has_bf16_kernels,
    has_one_dnn,
    lowered,
)

Network = TypeVar("Network", bound=nn.Module)
Linear = PlainLinear | PackedLinear | Bf16Linear | Int8Linear
MakeLinear = Callable[..., Linear]  # of a layer and the activation after it
LINEAR: dict[str, MakeLinear] = {"fp32": fast_linear, "bf16": Bf16Linear, "int8": Int8Linear}
N_LARGE_STAGES = 2  # of HTS-AT: a window has so many tokens in them that a batch gains nothing
N_LARGE_LAYERS = 4  # layers of a MobileNet whose maps are so large that a batch gains nothing


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
    by_one_dnn = precision == "bf16" and isinstance(network, htsat.HTSAT) and device.type == "cpu" and has_bf16_kernels()
    if precision in LOWERED and not by_one_dnn:
        return lowered(copy.deepcopy(network).requires_grad_(False), LOWERED[precision])
    if precision == "int8" and isinstance(network, mobilenet.MobileNet):
        raise UsageError("--precision int8: not for networks of the kind MobileNet; leave it out")
    if not isinstance(network, htsat.HTSAT | crnn.CRNN | mobilenet.MobileNet):
        if precision == "int8":
            raise UsageError(f"--precision int8: not for networks of the kind {type(network).__name__}; leave it out")
        return network
    if device.type != "cpu" or not has_one_dnn():
        return network
    copied = copy.deepcopy(network).requires_grad_(False)
    if copied.config.n_events:
        copied.config = replace(copied.config, n_classes=0)
    if isinstance(copied, htsat.HTSAT):
        _prepare_htsat(copied, LINEAR[precision])
    elif isinstance(copied, mobilenet.MobileNet):
        merge_norms(copied.features)
        copied.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        copied.features = _prepared_mobilenet(copied.features, copied.front_end)
    else:
        _prepare_crnn(copied, precision == "int8")
    copied.logmel_extractor = EachWindow(copied.logmel_extractor)
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
                setattr(module, name, TwoWays(layer))
            elif isinstance(layer, efficientat.ChannelWeights):
                setattr(module, name, PreparedWeights(layer))
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


class PreparedWeights(nn.Module):
    """`efficientat.ChannelWeights` of eight rows or a multiple of it.

    Torch computes the sigmoid of a tensor's last numbers in another way than the others, if they do not fill a vector.
    """

    def __init__(self, plain: efficientat.ChannelWeights) -> None:
        super().__init__()
        self.fc1, self.fc2 = PlainLinear(plain.fc1, "relu"), PlainLinear(plain.fc2)

    def forward(self, means: Tensor) -> Tensor:
        rows = F.pad(means, (0, 0, 0, -len(means) % FEWEST_ROWS))
        return torch.sigmoid(self.fc2(self.fc1(rows)))[: len(means)]


def _prepare_htsat(network: htsat.HTSAT, linear: MakeLinear) -> None:
    sides = (htsat.SPEC_SIZE // htsat.PATCH >> i for i in range(len(network.layers)))
    stages = zip(network.layers, sides, strict=True)
    prepared_stages = [PreparedStage(stage, side, linear) for stage, side in stages]  # type: ignore[arg-type]
    large, small = nn.Sequential(*prepared_stages[:N_LARGE_STAGES]), prepared_stages[N_LARGE_STAGES:]
    network.layers = nn.ModuleList([EachWindow(large), *small])


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


def _prepared_mobilenet(network: nn.Sequential, front_end: FrontEnd) -> nn.Sequential:
    size = front_end.n_mels, front_end.n_frames(round(USUAL_WINDOW * front_end.sample_rate))
    for module in network.modules():
        if isinstance(module, efficientat.ConvNorm):
            assert isinstance(module[0], nn.Conv2d)
            stride, activation = module[0].stride[0], ACTIVATIONS[type(module[2])] if len(module) > 2 else "none"
            module[0] = PackedConv2d(module[0], size, activation)
            for index in range(1, len(module)):
                module[index] = nn.Identity()
            size = (size[0] - 1) // stride + 1, (size[1] - 1) // stride + 1
    layers = [PreparedResidual(layer) if isinstance(layer, efficientat.InvertedResidual) else layer for layer in network]
    return nn.Sequential(EachWindow(nn.Sequential(*layers[:N_LARGE_LAYERS])), *layers[N_LARGE_LAYERS:])


ACTIVATIONS = {nn.ReLU: "relu", nn.Hardswish: "hardswish"}
BATCH, USUAL_WINDOW = 8, 10.0  # windows at once and the seconds of each for which oneDNN chooses the order of weights


class PackedConv2d(nn.Module):
    """A convolution in oneDNN's own weight order for images of one size, channels last; what comes after it in the same pass."""

    def __init__(self, convolution: nn.Conv2d, size: tuple[int, int], activation: str) -> None:
        super().__init__()
        of = (convolution.padding, convolution.stride, convolution.dilation)
        self.shape = [*map(list, of), convolution.groups]
        image = [BATCH, convolution.in_channels, *size]
        self.weight = torch.ops.mkldnn._reorder_convolution_weight(convolution.weight.detach(), *self.shape, image)
        self.bias = convolution.bias
        self.activation = activation

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        """(B, C, height, width), as the convolution's own; if there is a `residual`, it is added to that, in place."""
        layer = torch.ops.mkldnn
        weight = self.weight, self.bias, *self.shape
        y: Tensor = (
            layer._convolution_pointwise(x, *weight, self.activation, [], "")
            if residual is None
            else layer._convolution_pointwise_.binary(residual, x, *weight, "add", 1.0, None, [], "")
        )
        return y


class PreparedResidual(nn.Module):
    """`efficientat.InvertedResidual`, whose input takes up its output."""

    def __init__(self, residual: efficientat.InvertedResidual) -> None:
        super().__init__()
        last = residual.block[-1]
        assert isinstance(last, efficientat.ConvNorm)
        self.before, self.last, self.adds = residual.block[:-1], last[0], residual.adds

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.last(self.before(x), x if self.adds else None)
        return y


class TwoWays(nn.Module):
    """A bidirectional GRU whose directions step together: a third of the time of torch's, which runs one after the other."""

    hidden: Tensor
    shift: Tensor

    def __init__(self, gru: nn.GRU) -> None:
        super().__init__()
        tensors = gru.state_dict()
        both = {
            name: [tensors[f"{name}_l0{end}"] for end in ("", "_reverse")]
            for name in ("weight_ih", "bias_ih", "weight_hh", "bias_hh")
        }
        into = nn.Linear(gru.input_size, 6 * gru.hidden_size)
        into.weight, into.bias = nn.Parameter(torch.cat(both["weight_ih"])), nn.Parameter(torch.cat(both["bias_ih"]))
        self.into = fast_linear(into)
        self.register_buffer("hidden", torch.stack([weight.T for weight in both["weight_hh"]]).contiguous())  # (2, H, 3 H)
        self.register_buffer("shift", torch.stack(both["bias_hh"]).unsqueeze(1))  # (2, 1, 3 H)

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        """(B, T, C) -> (B, T, 2 H), as torch's; the state after the last step is not returned."""
        B, T, H = x.shape[0], x.shape[1], self.hidden.shape[1]
        ahead, back = self.into(x).view(B, T, 2, 3 * H).permute(2, 1, 0, 3)  # each (T, B, 3 H)
        gates = F.pad(torch.stack([ahead, back.flip(0)], dim=1), (0, 0, 0, max(0, FEWEST_ROWS - B)))  # (T, 2, 8 or B, 3 H)
        state, states = x.new_zeros(2, gates.shape[2], H), []
        for given in gates.unbind(0):
            own = torch.baddbmm(self.shift, state, self.hidden)
            reset, update = (given[..., : 2 * H] + own[..., : 2 * H]).sigmoid_().chunk(2, dim=-1)
            new = torch.addcmul(given[..., 2 * H :], reset, own[..., 2 * H :]).tanh_()
            state = torch.lerp(new, state, update)
            states.append(state)
        ahead, back = torch.stack(states, dim=2)[:, :B]  # each (B, T, H)
        return torch.cat([ahead, back.flip(1)], dim=2), None


def merge_norms(network: nn.Module) -> None:
    """Fold every BatchNorm into the convolution before it, in place: the same output in two thirds of the time."""
    for module in network.modules():
        if isinstance(module, nn.Sequential):
            for i in range(len(module) - 1):
                convolution, norm = module[i], module[i + 1]
                if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    module[i], module[i + 1] = _folded(convolution, norm)


class PreparedBlock(nn.Module):
    """`htsat.Block` over tokens ordered window by window; bias and mask of the attention are summed beforehand."""

    bias: Tensor

    def __init__(self, block: htsat.Block, linear: MakeLinear) -> None:
        super().__init__()
        self.norm1, self.norm2 = block.norm1, block.norm2
        attention, mask = block.attn, block.attn_mask
        self.n_heads = attention.n_heads
        self.qkv, self.proj = linear(attention.qkv), linear(attention.proj)
        self.fc1, self.fc2 = linear(block.mlp.fc1, "gelu"), linear(block.mlp.fc2)
        bias = attention.relative_position_bias_table[attention.relative_position_index].permute(2, 0, 1).unsqueeze(0)
        bias = bias if mask is None else bias + mask.unsqueeze(1)
        self.register_buffer("bias", bias.contiguous())  # (1 or n_windows, n_heads, T, T)

    def forward(self, x: Tensor) -> Tensor:
        """(B, n_windows * T, dim), same out."""
        x = self.proj(self._attend(self.qkv(self.norm1(x)).float()), x)  # heads are so narrow that bf16 is slower
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

    def __init__(self, stage: htsat.Stage, side: int, linear: MakeLinear) -> None:
        super().__init__()
        self.side, self.downsample = side, stage.downsample
        if self.downsample is not None:
            self.downsample.reduction = linear(self.downsample.reduction)  # type: ignore[assignment]
        blocks = [block for block in stage.blocks if isinstance(block, htsat.Block)]
        self.blocks = nn.ModuleList(PreparedBlock(block, linear) for block in blocks)
        raster = torch.arange(side * side)
        orders = [raster, *(window_order(side, block.shift) for block in blocks), raster]
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


def window_order(side: int, shift: int) -> Tensor:
    """(side * side,) raster positions, window after window, of an image rolled by `shift`."""
    raster = torch.arange(side * side).view(1, side, side, 1)
    return htsat.to_windows(raster.roll((-shift, -shift), dims=(1, 2))).flatten()
