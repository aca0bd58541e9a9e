"""The number format of inference: fp32, or fewer bits for speed.

In: a linear or convolutional layer, or a network. Out: the layer that does the same with packed or smaller numbers, or the
network with its products in bf16 or fp16. Spectrograms, sums along the residual path, norms, sigmoid and softmax stay in float32.
Which layers of a network are replaced is decided in `prepared.py`; the 8-bit products of HTS-AT are in `onnx_htsat.py`, those of
convolutions here. They are dynamic: weights have one scale per output channel, activations one per layer and window, computed on
the fly, so no calibration data is needed.

In fp32 and int8 no window depends on others in its batch, not even in the last bit: which batch a window gets into depends on how
fast its sound comes, and the scores must not. Most layers are like that by themselves; the others are here.
"""

from collections.abc import Callable
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from audiolog_cli.errors import DeviceError

LOWERED = {"bf16": torch.bfloat16, "fp16": torch.float16}
PRECISIONS = ("fp32", *LOWERED, "int8")
FEWEST_ROWS = 8  # of a product, so that it does not depend on the batch
ROWS = 1024  # tokens that oneDNN plans for: the weight order it then chooses suits all stages
LARGEST = 127  # of a signed 8-bit number, for weights
Network = TypeVar("Network", bound=nn.Module)


def has_one_dnn() -> bool:
    """Whether torch comes with oneDNN's kernels for this processor."""
    return torch.backends.mkldnn.is_available() and torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")


def has_bf16() -> bool:
    """Whether this processor multiplies bf16: without such instructions, bf16 products are slower than fp32."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def has_bf16_kernels() -> bool:
    """Whether oneDNN computes in bf16 here, be it fast or not."""
    return has_one_dnn() and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def check(precision: str, device: torch.device) -> None:
    """DeviceError for a precision that does not exist, or would not be faster than fp32 on that device."""
    if precision not in PRECISIONS:
        raise DeviceError(f"--precision {precision}: expected {', '.join(PRECISIONS)}")
    place, _, _ = str(device).partition(":")
    if precision == "bf16" and place == "cpu" and not has_bf16():
        raise DeviceError(
            "--precision bf16: this processor has no instructions for it (AVX512_BF16, AMX); leave it out, or try int8"
        )
    if precision == "bf16" and place == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise DeviceError("--precision bf16: this GPU has no instructions for it; try fp16")
    if precision == "fp16" and place == "cpu":
        raise DeviceError("--precision fp16: for GPUs only; on a processor leave it out, or try int8")
    if precision == "int8" and (place != "cpu" or not has_one_dnn()):
        raise DeviceError(f"--precision int8: for processors of the x86 kind with AVX2 only, not for {place} here; leave it out")


def multiply_in_full() -> None:
    """Make float32 on a GPU use all of its 24 bits; cuDNN's convolutions and GRUs round to 11 (TF32) unless told not to."""
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


def lowered(network: Network, dtype: torch.dtype) -> Network:
    """Make `network` multiply in `dtype`: weights of products are stored in it, and autocast converts the other operand.

    Changed in place. What autocast leaves alone (norms, residual sums) stays in float32.
    """
    device = next(network.parameters()).device.type
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d):
            module.to(dtype)
    network.forward = torch.autocast(device, dtype)(network.forward)
    for half in ("forward_features", "forward_mel"):  # of spectrograms, where `bench` begins
        if hasattr(network, half):
            setattr(network, half, torch.autocast(device, dtype)(getattr(network, half)))
    return network


class PlainLinear(nn.Module):
    """A linear layer as MKL multiplies it, each row to the same bits however many rows there are."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight = linear.weight.detach()
        self.bias = None if linear.bias is None else linear.bias.detach()

    def forward(self, x: Tensor) -> Tensor:
        """(..., n_in) -> (..., n_out)."""
        return enough_rows(lambda rows: F.linear(rows, self.weight, self.bias), x)


def enough_rows(product: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """`product` of x (..., n_in), as at least FEWEST_ROWS rows: of fewer, MKL adds the products up in another order."""
    n_rows = x.numel() // x.shape[-1]
    if n_rows >= FEWEST_ROWS:
        return product(x)
    return product(F.pad(x.reshape(n_rows, -1), (0, 0, 0, FEWEST_ROWS - n_rows)))[:n_rows].view(*x.shape[:-1], -1)


class Bf16Linear(nn.Module):
    """A linear layer whose products are of bf16 numbers, summed in float32; bf16 out, or float32 with a residual.

    In oneDNN's own weight order; the activation after it is computed while the product is still in the cache.
    """

    def __init__(self, linear: nn.Linear, activation: str = "none") -> None:
        super().__init__()
        self.weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach().bfloat16(), ROWS)
        self.bias = None if linear.bias is None else linear.bias.detach().bfloat16()
        self.activation = activation  # "none" or "gelu"

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        """(..., n_in) -> (..., n_out), added to `residual` if there is one."""
        y: Tensor = torch.ops.mkldnn._linear_pointwise(x.bfloat16(), self.weight, self.bias, self.activation, [], "none")
        return y if residual is None else residual + y


class EachWindow(nn.Module):
    """A layer applied to each window of a batch separately: its sums would depend on the batch, or its buffers are large."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """As the layer's own."""
        return window_by_window(self.layer, x)


class Int8Conv2d(nn.Module):
    """A convolution of 8-bit numbers, in and out float32.

    Torch's own `quantized::conv2d_dynamic` is no use here: it squeezes its results into the 8-bit range of the input.
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        weight, bias = quantized(convolution.weight), convolution.bias
        assert bias is not None and not isinstance(convolution.padding, str)
        self.scales, self.zeros, self.bias = (
            weight.q_per_channel_scales().float(),
            weight.q_per_channel_zero_points(),
            bias.detach(),
        )
        of = (convolution.stride, convolution.padding, convolution.dilation)
        self.shape = [*map(list, of), convolution.groups]
        self.packed = torch.ops.onednn.qconv_prepack(weight.int_repr(), self.scales, 1.0, 0, *self.shape)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, height, width), as the convolution's own."""
        return window_by_window(self._one, x)

    def _one(self, x: Tensor) -> Tensor:
        x, scale, zero = in_7_bits(x)
        weight = self.packed, self.scales, self.zeros, self.bias
        y: Tensor = torch.ops.onednn.qconv_pointwise(x, scale, zero, *weight, *self.shape, 1.0, 0, torch.float32, "none", [], "")
        return y


def quantized(weight: Tensor) -> Tensor:
    """A weight (n_out, ...) in 8 bits, each output channel with its own scale."""
    weight = weight.detach()
    scales = weight.flatten(1).abs().amax(dim=1).double().clamp(min=torch.finfo(torch.float32).tiny) / LARGEST
    return torch.quantize_per_channel(weight, scales, torch.zeros(len(weight), dtype=torch.long), 0, torch.qint8)


def in_7_bits(x: Tensor) -> tuple[Tensor, float, int]:
    """Activations as integers from 0 to 127, the size of one step, and the integer that means 0.

    Processors without VNNI add pairs of products in 16 bits, which 8-bit activations overflow; 7 bits never do. They are used
    everywhere, for the same scores on every machine; `linear_dynamic` does the same with a reduced range.
    """
    low, high = (value.item() for value in x.aminmax())
    low, high = min(low, 0.0), max(high, 0.0)
    scale = max(high - low, torch.finfo(torch.float32).tiny * 256) / 127
    zero = round(-low / scale)
    return torch.quantize_per_tensor(x, scale, zero, torch.quint8).int_repr(), scale, zero


def window_by_window(layer: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Apply a dynamic 8-bit layer to each window of a batch separately."""
    parts = [layer(one) for one in x.split(1)]
    return parts[0] if len(parts) == 1 else torch.cat(parts)
