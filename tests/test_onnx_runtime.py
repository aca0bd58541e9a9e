"""Convolutions and GRUs in ONNX Runtime say what torch's say, whatever the width, the length, the batch and the thread."""

import copy
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor, nn

from audiolog_cli.model import efficientat, mobilenet, onnx_runtime
from audiolog_cli.model.prepared import prepared

RATE = 32_000


def network(width: float) -> mobilenet.MobileNet:
    """A network of that width whose BatchNorms do something."""
    torch.manual_seed(0)
    made = mobilenet.MobileNet(mobilenet.Config(width=width, n_scenes=3, n_events=5)).eval()
    for module in made.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.running_mean.uniform_(-0.1, 0.1)  # type: ignore[union-attr]
            module.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
    return made


def sound(n_windows: int, seconds: float) -> Tensor:
    torch.manual_seed(1)
    return (torch.rand(n_windows, round(seconds * RATE)) - 0.5) * torch.logspace(-3, 0, n_windows)[:, None]


@pytest.mark.parametrize("width", [0.1, 0.4, 1.0])
@torch.inference_mode()
def test_any_width_and_any_length_give_what_torch_gives(width: float) -> None:
    plain = network(width)
    fast = prepared(plain)
    assert isinstance(fast.features, onnx_runtime.Convolutions) and isinstance(fast.gru, onnx_runtime.Gru)
    for seconds, n_steps in ((10, 32), (3, 10), (0.25, 1)):
        wave = sound(2, seconds)
        expected, found = plain(wave), fast(wave)
        assert found.steps.shape == (2, n_steps, expected.steps.shape[2])
        for name in ("latent", "steps", "event_logits", "scene_logits", "event_embedding", "scene_embedding"):
            torch.testing.assert_close(
                getattr(found, name), getattr(expected, name), atol=1e-5, rtol=1e-5, msg=f"{name}, {seconds} s"
            )


@torch.inference_mode()
def test_a_tagger_of_audioset_is_as_exact() -> None:
    torch.manual_seed(0)
    plain = efficientat.EfficientAT(efficientat.Config(n_classes=5)).eval()
    fast = prepared(plain)
    assert isinstance(fast.features, onnx_runtime.Convolutions)
    wave = sound(2, 4)
    for name in ("latent", "steps", "event_logits"):
        torch.testing.assert_close(getattr(fast(wave), name), getattr(plain(wave), name), atol=1e-5, rtol=1e-5, msg=name)


@pytest.mark.parametrize(("n_features", "n_hidden"), [(3, 2), (48, 16)])
@torch.inference_mode()
def test_a_gru_has_its_gates_in_order(n_features: int, n_hidden: int) -> None:
    gru = nn.GRU(n_features, n_hidden, bidirectional=True, batch_first=True)
    for parameter in gru.parameters():
        nn.init.normal_(parameter)  # biases that matter: those of the new gate are kept apart
    x = torch.randn(3, 7, n_features)
    torch.testing.assert_close(onnx_runtime.Gru(gru)(x)[0], gru(x)[0], atol=1e-5, rtol=0)


@torch.inference_mode()
def test_a_window_has_the_same_bits_alone_in_a_batch_and_beside_other_threads() -> None:
    fast = prepared(network(0.4))
    waves = sound(5, 3)
    alone = [fast(wave).event_logits for wave in waves.split(1)]
    assert torch.equal(torch.cat(alone), fast(waves).event_logits)

    def heard(i: int) -> Tensor:
        torch.set_num_threads(1)
        with torch.inference_mode():
            return fast(waves[i % 5 : i % 5 + 1]).event_logits

    with ThreadPoolExecutor(4) as threads:
        assert all(torch.equal(found, alone[i % 5]) for i, found in enumerate(threads.map(heard, range(40))))


def test_a_session_is_not_copied_and_norms_must_be_folded() -> None:
    fast = prepared(network(0.1))
    with pytest.raises(TypeError, match="cannot pickle"):
        copy.deepcopy(fast)
    with pytest.raises(AssertionError):
        onnx_runtime.Convolutions(network(0.1).features)
