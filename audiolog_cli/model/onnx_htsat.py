"""HTS-AT's patches and stages in ONNX Runtime, with products of float32 or of 8-bit numbers.

In: these parts of a network, in evaluation mode. Out: one module that does the work of both, for inference only.
Tokens lie window after window, as attention reads them, and move once between blocks, from the windows of one to those of the
next; bias and mask of the attention are summed beforehand.

8-bit products are dynamic: weights have one scale per output channel, activations one per layer and window, computed on the fly,
so no calibration data is needed. Activations have 8 bits and weights 7: processors without VNNI add pairs of products in 16 bits,
which two times 8 bits overflow. They are used everywhere, for the same scores on every machine. Attention, norms, GELU and sums
along the residual path stay in float32.
"""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from audiolog_cli.model import htsat
from audiolog_cli.model.onnx_runtime import Graph, Part

LARGEST = 63  # of a signed 7-bit number
Product = Callable[[Graph, str, Tensor, Tensor | None], str]  # of rows (L, n_in) with a weight (n_out, n_in); a bias is added


def in_full(graph: Graph, x: str, weight: Tensor, bias: Tensor | None) -> str:
    """A product of float32 numbers."""
    given = (weight,) if bias is None else (weight, bias)
    return graph.add("Gemm", x, *map(graph.constant, given), transB=1)


def in_8_bits(graph: Graph, x: str, weight: Tensor, bias: Tensor | None) -> str:
    """A product of 8-bit numbers, in and out float32."""
    integers, scales = in_7_bits(weight)
    given = (integers.T, scales, integers.new_zeros(len(scales)), *(() if bias is None else (bias,)))
    return graph.add("DynamicQuantizeMatMul", x, *map(graph.constant, given), domain="com.microsoft")


def in_7_bits(weight: Tensor) -> tuple[Tensor, Tensor]:
    """A weight (n_out, n_in) as integers from -63 to 63, and the size of one step in each row."""
    scales = weight.abs().amax(dim=1).clamp(min=torch.finfo(torch.float32).tiny * LARGEST) / LARGEST
    return (weight / scales.unsqueeze(1)).round().to(torch.int8), scales


class Transformer(Part):
    """`htsat.PatchEmbedding` and the stages after it."""

    def __init__(self, patches: htsat.PatchEmbedding, stages: Iterable[nn.Module], product: Product) -> None:
        super().__init__()
        graph, side = Graph(), htsat.SPEC_SIZE // htsat.PATCH
        x, order = _embedded(graph, "x", patches, side), torch.arange(side * side)
        for stage in stages:
            assert isinstance(stage, htsat.Stage)
            for block in stage.blocks:
                assert isinstance(block, htsat.Block)
                windows = window_order(side, block.shift)
                x, order = _moved(graph, x, order, windows), windows
                x = _block(graph, x, block, product)
            if stage.downsample is not None:
                x = _merged(graph, _moved(graph, x, order, neighbours(side)), stage.downsample, product)
                side //= 2
                order = torch.arange(side * side)
        x = _shaped(graph, _moved(graph, x, order, torch.arange(side * side)), 1, side, side, -1)
        self.session = graph.session("x", x, (4, 4))

    def forward(self, picture: Tensor) -> Tensor:
        """(B, 1, 256, 256) -> (B, side, side, C) of the last stage."""
        return self.run(picture)


def window_order(side: int, shift: int) -> Tensor:
    """(side * side,) raster positions, window after window, of an image rolled by `shift`."""
    raster = torch.arange(side * side).view(1, side, side, 1)
    return htsat.to_windows(raster.roll((-shift, -shift), dims=(1, 2))).flatten()


def neighbours(side: int) -> Tensor:
    """(side * side,) raster positions, one after the other the four that `htsat.PatchMerging` makes one token."""
    raster = torch.arange(side * side).view(side // 2, 2, side // 2, 2)
    return raster.permute(0, 2, 3, 1).flatten()


def _shaped(graph: Graph, x: str, *shape: int) -> str:
    return graph.add("Reshape", x, graph.constant(torch.tensor(shape)))


def _moved(graph: Graph, x: str, before: Tensor, after: Tensor) -> str:
    """Tokens (L, C) in another order of raster positions."""
    moves = torch.argsort(before)[after]
    return graph.add("Gather", x, graph.constant(moves.int()), axis=0)


def _normed(graph: Graph, x: str, norm: nn.LayerNorm) -> str:
    return graph.add("LayerNormalization", x, graph.constant(norm.weight), graph.constant(norm.bias), epsilon=norm.eps)


def _linear(graph: Graph, x: str, linear: nn.Linear, product: Product) -> str:
    return product(graph, x, linear.weight.detach(), linear.bias)


def _embedded(graph: Graph, picture: str, patches: htsat.PatchEmbedding, side: int) -> str:
    """A picture (1, 1, 256, 256) as tokens (L, C) in raster order; patches do not overlap, so a product will do."""
    size = htsat.PATCH
    x = graph.add("Transpose", _shaped(graph, picture, side, size, side, size), perm=[0, 2, 1, 3])
    weight = patches.proj.weight.detach().flatten(1)
    return _normed(graph, in_full(graph, _shaped(graph, x, side * side, size * size), weight, patches.proj.bias), patches.norm)


def _block(graph: Graph, x: str, block: htsat.Block, product: Product) -> str:
    """`htsat.Block` over tokens (L, C) that lie window after window."""
    attended = _attention(graph, _normed(graph, x, block.norm1), block.attn, block.attn_mask, product)
    x = graph.add("Add", _linear(graph, attended, block.attn.proj, product), x)
    y = _linear(graph, _normed(graph, x, block.norm2), block.mlp.fc1, product)
    return graph.add("Add", _linear(graph, graph.add("Gelu", y), block.mlp.fc2, product), x)


def _attention(graph: Graph, x: str, attention: htsat.WindowAttention, mask: Tensor | None, product: Product) -> str:
    """`htsat.WindowAttention` without its last layer, over tokens (L, C)."""
    C, n_heads = attention.proj.in_features, attention.n_heads
    parts = zip(attention.qkv.weight.detach().chunk(3), attention.qkv.bias.chunk(3), strict=True)
    windows = [_shaped(graph, product(graph, x, *part), -1, htsat.WINDOW**2, C) for part in parts]  # (n_windows, T, C) each
    y = graph.add("Attention", *windows, graph.constant(attention.bias(mask)), q_num_heads=n_heads, kv_num_heads=n_heads)
    return _shaped(graph, y, -1, C)


def _merged(graph: Graph, x: str, merging: htsat.PatchMerging, product: Product) -> str:
    """`htsat.PatchMerging` of tokens (L, C) that lie neighbour after neighbour."""
    x = _shaped(graph, x, -1, merging.reduction.in_features)
    return _linear(graph, _normed(graph, x, merging.norm), merging.reduction, product)
