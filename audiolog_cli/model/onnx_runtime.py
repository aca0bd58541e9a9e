"""Graphs for ONNX Runtime, and in it the convolutions of an EfficientAT network, or a GRU: on a processor, faster than torch's.

In: that part of a network, in evaluation mode. Out: a module that takes its place, for inference only; its numbers are the same
within 1e-5. The graph is built here, node by node; it holds the weights, of any width, and takes images of any size. Each window
is computed by itself, in one thread: nothing is gained by a batch, a window's numbers do not depend on one, and the buffers stay
small. Python's lock is free meanwhile. A session can be neither copied nor pickled.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from audiolog_cli.model import efficientat

OPSETS, IR_VERSION = {"": 23, "com.microsoft": 1}, 10
LARGEST_SHAPE = 16  # numbers of a constant that is read while the graph is planned
LANES = 16 if torch.backends.cpu.get_cpu_capability() == "AVX512" else 8  # of a vector; channels are a multiple of 8 anyway
ACTIVATIONS = {nn.ReLU: "Relu", nn.Hardswish: "HardSwish"}


class Graph:
    """The nodes of a graph, in the order in which they are computed; values are named by what `add` and `constant` return."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.weights: dict[str, Any] = {}  # constants whose numbers ONNX Runtime reads where they are

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """A node of ONNX's operator `kind`, or of another `domain`'s, and its one output."""
        from onnx import helper

        output = f"value{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def constant(self, value: Tensor) -> str:
        """Weights, or the numbers of a shape."""
        from onnx import TensorProto, helper, numpy_helper
        from onnxruntime import OrtValue

        name, array = f"constant{len(self.constants)}", value.detach().contiguous().numpy()
        if array.size <= LARGEST_SHAPE:
            self.constants.append(numpy_helper.from_array(array, name))
            return name
        self.weights[name] = OrtValue.ortvalue_from_numpy(array)
        kind, elsewhere = helper.np_dtype_to_tensor_dtype(array.dtype), TensorProto.EXTERNAL
        self.constants.append(TensorProto(name=name, data_type=kind, dims=array.shape, data_location=elsewhere))
        self.constants[-1].external_data.add(key="location", value="memory")
        return name

    def session(self, x: str, y: str, n_dims: tuple[int, int]) -> Any:
        """ONNX Runtime's `InferenceSession` of the graph from x to y, arrays of these numbers of dimensions of any length."""
        import onnxruntime
        from onnx import TensorProto, helper

        values = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [f"{name}.{i}" for i in range(n)])
            for name, n in zip((x, y), n_dims, strict=True)
        ]
        graph = helper.make_graph(self.nodes, "audiolog", values[:1], values[1:], self.constants)
        opsets = [helper.make_opsetid(*opset) for opset in OPSETS.items()]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors
        options.add_external_initializers(list(self.weights), list(self.weights.values()))
        return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


class Part(nn.Module):
    """A part of a network in ONNX Runtime."""

    session: Any

    def run(self, x: Tensor) -> Tensor:
        """Windows (B, ...) in, their results (B, ...) out."""
        windows = [self.session.run(None, {"x": one.contiguous().numpy()})[0] for one in x.split(1)]
        y: NDArray[np.float32] = windows[0] if len(windows) == 1 else np.concatenate(windows)
        return torch.from_numpy(y)


class Convolutions(Part):
    """`efficientat.Convolutions` whose BatchNorms are folded."""

    def __init__(self, plain: efficientat.Convolutions) -> None:
        super().__init__()
        graph = Graph()
        x, n = graph.add("Transpose", "x", perm=[0, 1, 3, 2]), 1  # quicker than in torch
        for layer in plain:
            x, n = _layer(graph, x, n, layer)
        self.session = graph.session("x", x, (4, 4))

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, mels, frames) -> (B, C, rows, T)."""
        return self.run(x.transpose(2, 3))  # in the order in which a spectrogram lies in memory


class Gru(Part):
    """A bidirectional `nn.GRU` of one layer, batch first."""

    def __init__(self, gru: nn.GRU) -> None:
        super().__init__()
        assert gru.batch_first and gru.bidirectional and gru.num_layers == 1
        graph, tensors = Graph(), gru.state_dict()
        both = {
            name: torch.stack([_in_onnx_order(tensors[f"{name}_l0{way}"]) for way in ("", "_reverse")])
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        }
        weights = both["weight_ih"], both["weight_hh"], torch.cat([both["bias_ih"], both["bias_hh"]], dim=1)
        x = graph.add("Transpose", "x", perm=[1, 0, 2])  # (T, B, C)
        attributes = {"hidden_size": gru.hidden_size, "direction": "bidirectional", "linear_before_reset": 1}
        x = graph.add("GRU", x, *map(graph.constant, weights), **attributes)  # (T, 2, B, H)
        x = graph.add("Transpose", x, perm=[2, 0, 1, 3])
        y = graph.add("Reshape", x, graph.constant(torch.tensor([0, 0, -1])))
        self.session = graph.session("x", y, (3, 3))

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        """(B, T, C) -> (B, T, 2 H), as torch's; the state after the last step is not returned."""
        return self.run(x), None


def _in_onnx_order(tensor: Tensor) -> Tensor:
    """The rows of a GRU's gates: torch has reset, update, new; ONNX update, reset, new."""
    reset, update, new = tensor.chunk(3)
    return torch.cat([update, reset, new])


def _layer(graph: Graph, x: str, n_in: int, layer: nn.Module) -> tuple[str, int]:
    """Add a layer that reads the `n_in` channels of `x`: its output and how many channels that has."""
    if isinstance(layer, efficientat.ConvNorm):
        return _convolution(graph, x, n_in, layer)
    if isinstance(layer, efficientat.SqueezeExcitation):
        return _squeeze_excitation(graph, x, n_in, layer), n_in
    assert isinstance(layer, efficientat.InvertedResidual)
    y, n = x, n_in
    for inner in layer.block:
        y, n = _layer(graph, y, n, inner)
    return graph.add("Add", y, x) if layer.adds else y, n


def _convolution(graph: Graph, x: str, n_in: int, layer: efficientat.ConvNorm) -> tuple[str, int]:
    """A convolution and its activation. It gets channels of zeros up to a multiple of LANES, else it would not be vectorised."""
    plain = layer[0]
    assert isinstance(plain, nn.Conv2d) and plain.bias is not None
    n_out = -(-plain.out_channels // LANES) * LANES
    is_depthwise = plain.groups > 1
    weights = _padded(plain.weight, n_out, 1 if is_depthwise else n_in), _padded(plain.bias, n_out)
    y = graph.add(
        "Conv",
        x,
        *map(graph.constant, weights),
        strides=plain.stride,
        pads=(*plain.padding, *plain.padding),
        group=n_out if is_depthwise else 1,
    )
    return graph.add(ACTIVATIONS[type(layer[2])], y) if len(layer) > 2 else y, n_out


def _squeeze_excitation(graph: Graph, x: str, n_channels: int, layer: efficientat.SqueezeExcitation) -> str:
    """The linear layers are convolutions of a single point, which need no other order of channels."""
    weights = layer.conc_se_layers[0]
    assert isinstance(weights, efficientat.ChannelWeights)
    fc1, fc2 = weights.fc1, weights.fc2
    into = _padded(fc1.weight[..., None, None], fc1.out_features, n_channels), fc1.bias
    out = _padded(fc2.weight[..., None, None], n_channels), _padded(fc2.bias, n_channels)
    y = graph.add("GlobalAveragePool", x)
    y = graph.add("Relu", graph.add("Conv", y, *map(graph.constant, into)))
    y = graph.add("Sigmoid", graph.add("Conv", y, *map(graph.constant, out)))
    return graph.add("Mul", x, y)


def _padded(weight: Tensor, n_out: int, n_in: int | None = None) -> Tensor:
    """A weight (n_out, n_in, ...) or bias (n_out) with zeros up to these sizes."""
    padded = weight.new_zeros(n_out, *(() if weight.dim() == 1 else (n_in or weight.shape[1], *weight.shape[2:])))
    padded[tuple(map(slice, weight.shape))] = weight
    return padded
