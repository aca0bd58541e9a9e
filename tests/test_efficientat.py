"""EfficientAT: sizes at several widths, scores over time, and the reference's outputs with the published weights."""

from pathlib import Path

import numpy as np
import pytest
import torch

from audiolog_cli.model import layouts
from audiolog_cli.model.efficientat import FRONT_END, BandsFirst, Config, EfficientAT, scaled
from tests.parity import clips


def narrow(**config: float) -> EfficientAT:
    torch.manual_seed(0)
    return EfficientAT(Config(width=0.1, n_classes=5, **config)).eval()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("channels", "width", "expected"), [(16, 0.4, 8), (64, 0.4, 24), (40, 0.4, 16), (112, 1.0, 112), (24, 0.4, 16)]
)
def test_channels_are_multiples_of_8_and_never_much_too_few(channels: int, width: float, expected: int) -> None:
    assert scaled(channels, width) == expected  # 24 * 0.4 = 9.6 would round to 8, below 90 %


@pytest.mark.parametrize(("width", "parameters"), [(0.4, 983_599), (1.0, 4_876_831)])
def test_sizes_are_the_published_ones(width: float, parameters: int) -> None:
    network = EfficientAT(Config(width=width))
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


@pytest.mark.parametrize(("seconds", "steps"), [(10.0, 10), (1.0, 1), (0.4, 1), (2.5, 3), (5.0005, 5)])
def test_one_step_for_each_second(seconds: float, steps: int) -> None:
    with torch.inference_mode():
        output = narrow()(torch.rand(2, round(seconds * 32_000)) - 0.5)
    assert output.event_logits is not None and output.event_logits.shape == (2, steps, 5)


def test_a_step_is_the_mean_probability_of_its_stretches() -> None:
    """The middle second of 5, scored alone: stretches of 1, 2 and 3 s around it."""
    network = narrow()
    mel = network.mel(torch.rand(1, 160_000, generator=torch.Generator().manual_seed(0)) - 0.5)  # 500 frames
    stretches = [mel[:, :, 200:300], mel[:, :, 150:350], mel[:, :, 100:400]]
    with torch.inference_mode():
        expected = torch.stack([network.forward_features(stretch)[0].sigmoid() for stretch in stretches]).mean(dim=0)
        output = network(torch.rand(1, 160_000, generator=torch.Generator().manual_seed(0)) - 0.5)
    assert output.event_logits is not None
    torch.testing.assert_close(output.event_logits[:, 2].sigmoid(), expected, atol=1e-6, rtol=0)


def test_silence_is_what_pads_the_ends() -> None:
    mel = BandsFirst(FRONT_END)
    assert torch.equal(mel(torch.zeros(1, 32_000)), torch.full((1, 128, 100), mel.silence))


def farthest(found: torch.Tensor, expected: np.ndarray) -> float:
    assert tuple(found.shape) == expected.shape
    return float(np.abs(found.numpy() - expected).max())


def test_equals_the_reference_with_the_published_weights(shared: Path) -> None:
    network, _ = layouts.read(shared / "data" / "teacher" / "mn04_as_mAP_432.pt")
    assert isinstance(network, EfficientAT)
    waves, expected = clips(), np.load(shared / "parity" / "golden" / "efficientat_mn04.npz")
    with torch.inference_mode():
        mel = network.mel(waves)
        logits, latent = network.forward_features(mel)
        first, _ = network.forward_features(network.mel(waves[:, :64_000]))
        x = mel.unsqueeze(1)
        for number, block in enumerate(network.features):
            x = block(x)
            seen = x[:, :4, :: max(1, x.shape[2] // 8), :: max(1, x.shape[3] // 8)]
            assert farthest(seen, expected[f"block{number}"]) < 1e-3, f"features.{number}"
    assert farthest(mel, expected["mel"].astype(np.float32)) < 2e-3  # stored in half precision
    assert farthest(logits, expected["logits"]) < 1e-4
    assert farthest(latent, expected["features"]) < 1e-4
    assert farthest(first.sigmoid(), expected["probs_first2s"]) < 1e-5
