"""Lower precision: how far outputs may be from fp32, what must not change them, and where a precision is refused."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from audiolog_cli.errors import DeviceError, UsageError
from audiolog_cli.model import baselines, crnn, efficientat, htsat
from audiolog_cli.model.onnx_htsat import in_7_bits, in_8_bits
from audiolog_cli.model.onnx_runtime import Graph
from audiolog_cli.model.precision import Int8Conv2d, check, has_bf16, has_one_dnn, quantized
from audiolog_cli.model.prepared import prepared
from tests.conftest import write_wav
from tests.shell import audiolog

in_int8 = pytest.mark.skipif(not has_one_dnn(), reason="this processor has no 8-bit kernels")
NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "htsat": lambda: htsat.HTSAT(htsat.preset("tiny", 3, 5)),
    "crnn": lambda: crnn.CRNN(crnn.preset("tiny", 3, 5)),
    "joint": lambda: baselines.Joint(baselines.JointConfig(3, 5)),
    "efficientat": lambda: efficientat.EfficientAT(efficientat.Config(n_classes=5)),
}


def new(name: str) -> nn.Module:
    torch.manual_seed(0)
    return NETWORKS[name]().eval()


def test_each_output_channel_has_its_own_scale() -> None:
    weight = torch.tensor([[1.27, -0.5], [0.0127, 0.001], [0.0, 0.0]])
    assert quantized(weight).int_repr().tolist() == [[127, -50], [127, 10], [0, 0]]


def test_the_7_bits_of_a_products_weight() -> None:
    integers, scales = in_7_bits(torch.tensor([[1.26, -0.5], [0.0126, 0.001], [0.0, 0.0]]))
    assert integers.tolist() == [[63, -25], [63, 5], [0, 0]]
    assert scales.tolist() == pytest.approx([0.02, 0.0002, 0.0])


def product(x: list[list[float]] | torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """Of 8-bit numbers, in ONNX Runtime."""
    graph = Graph()
    session = graph.session("x", in_8_bits(graph, "x", weight, bias), (2, 2))
    return torch.from_numpy(session.run(None, {"x": torch.as_tensor(x).numpy()})[0])


@in_int8
def test_8_bits_by_hand() -> None:
    """Activations of 0 to 2 become 0 to 255 in steps of 2 / 255; weights of 1 are exact: the sum of 0 and 2 has no error."""
    assert product([[0.0, 2.0]], torch.ones(1, 2), torch.tensor([0.5])).item() == pytest.approx(2.5, abs=1e-5)
    third = product([[2 / 3, 2.0]], torch.tensor([[1.0, -1.0]])).item()  # 85 - 255 steps
    assert third == pytest.approx(-4 / 3, abs=1e-5)
    assert product([[0.004, 2.0]], torch.tensor([[1.0, 0.0]])).item() == pytest.approx(2 / 255, abs=1e-5)  # half a step is one


@in_int8
@torch.inference_mode()
def test_sums_do_not_overflow_where_all_numbers_are_as_large_as_they_get() -> None:
    """With 8 bits for both, this is 194 instead of 384 on a processor without VNNI; a convolution has 7 for activations."""
    assert product(torch.ones(384, 384), torch.ones(384, 384))[0, 0].item() == pytest.approx(384, rel=1e-5)
    picture, kernel = torch.ones(1, 64, 8, 8), nn.Conv2d(64, 32, 3)
    nn.init.ones_(kernel.weight)
    nn.init.zeros_(kernel.bias)  # type: ignore[arg-type]
    assert Int8Conv2d(kernel)(picture)[0, 0, 0, 0].item() == pytest.approx(576, rel=0.01)


@in_int8
@torch.inference_mode()
@pytest.mark.parametrize("name", ["htsat", "crnn"])
def test_int8_is_near_fp32_and_a_loud_window_does_not_change_a_quiet_one_in_its_batch(name: str) -> None:
    network = new(name)
    fast = prepared(network, "int8")
    quiet, loud = (torch.rand(1, 320_000) - 0.5) * 1e-4, torch.rand(1, 320_000) * 2 - 1
    alone, together = fast(quiet), fast(torch.cat([quiet, loud]))
    torch.testing.assert_close(together.event_logits[:1], alone.event_logits, atol=1e-6, rtol=0)
    torch.testing.assert_close(together.scene_logits[:1], alone.scene_logits, atol=1e-6, rtol=0)
    plain = network(quiet)
    difference = (alone.event_logits - plain.event_logits).abs().max().item()
    assert 0 < difference < 0.1 * (plain.event_logits.max() - plain.event_logits.min()).item()


@torch.inference_mode()
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("name", NETWORKS)
def test_lowered_networks_are_near_fp32_and_hear_spectrograms_of_float32(name: str, precision: str) -> None:
    """torch computes both on any processor, if slowly: products in few bits, everything else in float32."""
    network = new(name)
    fast = prepared(network, precision)
    wave = torch.rand(1, 320_000) - 0.5
    plain, near = network(wave), fast(wave)
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
    assert near.event_logits is not None and not torch.equal(near.event_logits.float(), plain.event_logits)
    torch.testing.assert_close(near.event_logits.float(), plain.event_logits, atol=0.05, rtol=0.02)
    spectrogram = fast.mel if name == "efficientat" else fast.logmel_extractor
    assert spectrogram(wave).dtype == torch.float32  # type: ignore[operator]


def test_networks_without_8_bit_layers_say_so() -> None:
    with pytest.raises(UsageError, match=r"^--precision int8: not for networks of the kind Joint; leave it out$"):
        prepared(new("joint"), "int8")


def test_a_precision_that_would_not_be_faster_is_refused(tmp_path: Path, tiny_weights: Path) -> None:
    shutil.copy(tiny_weights, tmp_path / "w.safetensors")
    write_wav(tmp_path / "rec.wav", 3.0)
    half = audiolog("tag rec.wav --weights w.safetensors --device cpu --precision fp16", tmp_path)
    assert half == (
        2,
        "",
        "audiolog: --precision fp16: for GPUs only; on a processor leave it out, or try int8\n",
    )
    if not has_bf16():
        with pytest.raises(
            DeviceError, match=r"^--precision bf16: this processor has no instructions for it \(AVX512_BF16, AMX\)"
        ):
            check("bf16", torch.device("cpu"))
    with pytest.raises(DeviceError, match=r"^--precision int8: for processors of the x86 kind with AVX2 only, not for cuda here"):
        check("int8", torch.device("cuda", 0))


@in_int8
def test_a_journal_of_another_precision_is_refused_and_the_variable_asks_for_one(tmp_path: Path, tiny_weights: Path) -> None:
    shutil.copy(tiny_weights, tmp_path / "w.safetensors")
    write_wav(tmp_path / "rec.wav", 3.0)
    command = "tag rec.wav --weights w.safetensors --device cpu --quiet --resume journal"
    first = audiolog(command, tmp_path, AUDIOLOG_PRECISION="int8")
    assert first.code == 0 and len(re.findall("scene", first.stdout)) == 3
    assert audiolog(command, tmp_path) == (
        2,
        "",
        "audiolog: --resume journal: made with other parameters: precision was 'int8', is 'fp32'; name another folder\n",
    )
