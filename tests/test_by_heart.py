"""Every network memorises one batch, with the loop and losses that users train with: event F1 above 0.99, every scene right."""

from dataclasses import replace

import pytest
import torch

from audiolog_cli.model import crnn, htsat, mobilenet
from audiolog_cli.model.baselines import Joint, JointConfig, TaskConfig, TaskCRNN
from audiolog_cli.model.networks import KINDS, Trainable
from audiolog_cli.training import loop
from audiolog_cli.training.batches import Batch
from audiolog_cli.training.loop import TrainOptions
from audiolog_cli.training.losses import LossWeights, Targets, at_steps

N_STEPS = 32
# window, first step, step after the last, class
EVENTS = ((0, 4, 12, 0), (0, 20, 26, 1), (1, 12, 20, 2), (1, 2, 10, 1), (2, 22, 30, 0), (2, 16, 28, 2))
SCENES = [0, 1, 0, 1]  # of the windows; the last one holds no event

MOSTLY_EVENTS = LossWeights(scene_weight=0.3, event_weight=3.0, contrastive_weight=0.01)
ALIKE = LossWeights(scene_weight=1.0, event_weight=1.0, contrastive_weight=0.0)
NETWORKS = {  # nothing dropped, nothing blanked; weights of scenes, events, contrast; learning rate, steps
    "htsat": (
        lambda: htsat.HTSAT(
            htsat.Config(24, (1, 1, 1, 1), (1, 1, 2, 2), 64, 0, 2, 3, drop_path=0.0, time_stripe=0, mel_stripe=0)
        ),
        MOSTLY_EVENTS, 2e-3, 20,
    ),
    "crnn": (
        lambda: crnn.CRNN(replace(crnn.preset("tiny", 2, 3), dropout=0.0, time_stripe=0, mel_stripe=0)),
        MOSTLY_EVENTS, 4e-3, 70,
    ),
    "mobilenet": (
        lambda: mobilenet.MobileNet(replace(mobilenet.preset("tiny", 2, 3), dropout=0.0, time_stripe=0, mel_stripe=0)),
        MOSTLY_EVENTS, 4e-3, 70,
    ),
    "joint": (lambda: Joint(JointConfig(2, 3, dropout=0.0)), ALIKE, 4e-3, 14),
    "cnn-bigru": (lambda: Joint(JointConfig(0, 3, dropout=0.0)), ALIKE, 4e-3, 14),
    "cnn": (lambda: Joint(JointConfig(2, 0, dropout=0.0)), ALIKE, 4e-3, 8),
    "task4b": (lambda: TaskCRNN(TaskConfig(3, dropout=0.0)), replace(ALIKE, squared_error=True), 4e-3, 20),
}  # fmt: skip


def batch_for(network: Trainable) -> Batch:
    """Four windows (two for the large networks): noise whose level is the scene; an event makes its mel bands 45 dB louder."""
    n_frames = 51 if network.front_end.magnitude else 1001
    n_windows = 2 if isinstance(network, Joint) else 4
    generator = torch.Generator().manual_seed(0)
    decibels = (
        torch.randn(len(SCENES), n_frames, network.front_end.n_mels, generator=generator)
        - 60
        + 6 * torch.tensor(SCENES).view(-1, 1, 1)
    )
    events = torch.zeros(len(SCENES), N_STEPS, 3)
    for window, first, last, event in EVENTS:
        events[window, first:last, event] = 1.0
        frames = slice(round(first / N_STEPS * (n_frames - 1)), round(last / N_STEPS * (n_frames - 1)))
        decibels[window, frames, 20 * event : 20 * event + 16] += 45.0
    if network.front_end.magnitude:
        features = 10 ** (decibels / 20)
    else:
        features = decibels / 20 + 2 if network.front_end.kaldi else decibels
    targets = Targets(events[:n_windows], torch.ones_like(events)[:n_windows], torch.eye(2)[SCENES[:n_windows]])
    return Batch(features[:n_windows], targets)


def test_every_kind_is_here() -> None:
    assert list(NETWORKS) == list(KINDS)


@pytest.mark.parametrize("kind", NETWORKS)
def test_one_batch_is_memorised(kind: str) -> None:
    make, weights, learning_rate, n_steps = NETWORKS[kind]
    torch.manual_seed(0)
    network = make()
    batch = batch_for(network)
    options = TrainOptions(
        epochs=1, steps=n_steps, learning_rate=learning_rate, warmup=5, ema=0.0, weight_decay=0.0, loss=weights
    )
    state = loop.start(network, options)
    for _ in range(n_steps):
        loop.train_step(state, lambda step: batch, options)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                module.momentum = 1.0  # its statistics, which follow the weights slowly, become those of this batch
        network.train().forward_features(batch.features)
        output = network.eval().forward_features(batch.features)
    if network.config.n_events:
        heard = output.event_logits.sigmoid() > 0.5
        true = at_steps(batch.targets.events, heard.shape[1]) > 0.5
        assert 2 * (heard & true).sum() / (heard.sum() + true.sum()) > 0.99
    if network.config.n_scenes:
        assert output.scene_logits.argmax(dim=1).tolist() == SCENES[: len(batch.features)]
