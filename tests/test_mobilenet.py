"""MobileNet: EfficientAT's convolutions under AudioLog's branches; every tensor of a published checkpoint has its place."""

from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from audiolog_cli.model import efficientat, mobilenet
from audiolog_cli.model.features import KALDI_FRONT_END
from audiolog_cli.training import initial, loop
from audiolog_cli.training.batches import Batch
from audiolog_cli.training.loop import TrainOptions
from audiolog_cli.training.losses import Targets
from audiolog_cli.training.recipe import read_recipe


def tiny(n_classes: int = 0) -> mobilenet.MobileNet:
    torch.manual_seed(0)
    config = mobilenet.Config(width=0.1, gru_dim=8, branch_dim=16, n_classes=n_classes, n_scenes=2, n_events=3)
    return mobilenet.MobileNet(config).eval()


def published(folder: Path, width: float) -> tuple[Path, efficientat.EfficientAT]:
    """A file as EfficientAT releases them, of a network whose norms have seen something."""
    torch.manual_seed(1)
    network = efficientat.EfficientAT(efficientat.Config(width, n_classes=527))
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.1, 0.1)  # type: ignore[union-attr]
            module.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
    torch.save(network.state_dict(), folder / "mn.pt")
    return folder / "mn.pt", network.eval()


@pytest.mark.parametrize(("seconds", "steps"), [(10.0, 32), (1.0, 4), (0.5, 2)])
@torch.inference_mode()
def test_32_steps_for_10_seconds(seconds: float, steps: int) -> None:
    output = tiny()(torch.rand(2, round(seconds * 32_000)) - 0.5)
    assert output.event_logits is not None and output.scene_logits is not None
    assert (output.event_logits.shape, output.scene_logits.shape) == ((2, steps, 3), (2, 2))


@pytest.mark.parametrize("width", [0.1, 0.4, 1.0])
def test_every_tensor_of_a_published_checkpoint_finds_its_place(tmp_path: Path, width: float) -> None:
    path, source = published(tmp_path, width)
    network = mobilenet.MobileNet(mobilenet.Config(width, n_classes=527, n_scenes=2, n_events=3)).eval()
    report = initial.take(network, path)
    assert (len(report.taken), report.left) == (len(source.state_dict()), ())
    assert {name.split(".")[0] for name in report.new} == {
        "gru", "sed_conv", "bn_sed", "sed_proj", "sed_head", "asc_proj", "bn_asc", "asc_head", "logit_scale",
    }  # fmt: skip
    wave = torch.rand(1, 64_000) - 0.5
    with torch.inference_mode():
        expected, _ = source.forward_features(source.mel(wave))
        heard = network(wave).tag_logits
    assert heard is not None
    torch.testing.assert_close(heard[:, 0], expected, atol=1e-5, rtol=0)


def test_a_settled_norm_is_part_of_its_convolution_and_still_learns() -> None:
    layer = efficientat.convolution(3, 4, 3, activation=torch.nn.ReLU).eval()
    layer[1].running_mean.uniform_(-1, 1)
    layer[1].running_var.uniform_(0.5, 2)
    x = torch.rand(2, 3, 8, 8)
    plain = torch.relu(layer[1](layer[0](x)))
    torch.testing.assert_close(layer(x), plain, atol=1e-6, rtol=0)
    gradients = [torch.autograd.grad(y.square().sum(), list(layer.parameters())) for y in (plain, layer(x))]
    for expected, found in zip(*gradients, strict=True):
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_the_shipped_recipe_trains_a_backbone_gently(tmp_path: Path) -> None:
    """Its convolutions learn at their own rate and their norms keep their statistics; new layers learn from the first step."""
    options = TrainOptions(**asdict(read_recipe("everyday", ["warmup=0", "batch_size=2"]).training))
    network = tiny(n_classes=5)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    state = loop.start(network, options)
    assert sorted(set(state.rates)) == [3e-4, 1e-3]
    targets = Targets(torch.ones(2, 32, 3), torch.ones(2, 32, 3), torch.eye(2))
    loop.train_step(state, lambda step: Batch(torch.rand(2, 1000, 128), targets), options)
    changed = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert {"features.0.0.weight", "sed_head.weight", "bn_sed.running_mean"} <= changed
    assert not {name for name in changed if name.startswith("features.") and "running" in name}


def test_level_is_a_sum_in_its_spectrogram() -> None:
    mel = mobilenet.MobileNet(mobilenet.preset("tiny")).logmel_extractor
    wave = (
        torch.randn(1, 32_000, generator=torch.Generator().manual_seed(0)) * 100
    )  # the floor added to each band is nothing beside it
    louder = KALDI_FRONT_END.louder(mel(wave), torch.tensor(-6.0))
    torch.testing.assert_close(louder, mel(wave * 10 ** (-6 / 20)), atol=5e-3, rtol=0)
    assert mel(wave).shape == (1, KALDI_FRONT_END.n_frames(32_000), 128)
