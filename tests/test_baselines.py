"""The comparison systems have their published sizes, score what they should, and learn."""

import pytest
import torch

from audiolog_cli.model import training
from audiolog_cli.model.baselines import Joint, JointConfig, TaskConfig, TaskCRNN
from audiolog_cli.model.batches import Batch
from audiolog_cli.model.losses import LossWeights, Targets
from audiolog_cli.model.training import TrainOptions


def n_parameters(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_published_numbers_of_parameters() -> None:
    assert n_parameters(TaskCRNN(TaskConfig())) == 380_113
    assert n_parameters(Joint(JointConfig(n_events=0))) == 1_200_036
    assert n_parameters(Joint(JointConfig(n_scenes=0))) == 425_817
    assert n_parameters(Joint(JointConfig())) == 1_328_637


def test_ten_seconds_give_500_and_50_steps() -> None:
    wave = torch.randn(2, 320000) * 0.1
    both = Joint(JointConfig()).eval()(wave)
    assert both.event_logits.shape == (2, 500, 25)
    assert both.scene_logits.shape == (2, 4)
    assert TaskCRNN(TaskConfig()).eval()(wave).event_logits.shape == (2, 50, 17)


def test_a_branch_that_was_left_out_says_nothing() -> None:
    wave = torch.zeros(1, 320000)
    assert Joint(JointConfig(n_scenes=0)).eval()(wave).scene_logits is None
    assert Joint(JointConfig(n_events=0)).eval()(wave).event_logits is None


def test_magnitude_of_a_steady_sound_is_the_root_of_its_power() -> None:
    heard = []
    network = TaskCRNN(TaskConfig()).eval()
    network.standard.register_forward_pre_hook(lambda module, given: heard.append(given[0]))
    network.forward_features(torch.full((1, 1001, 64), -20.0))
    assert heard[0].shape == (1, 64, 50)
    assert torch.allclose(heard[0], torch.tensor(0.1), atol=1e-6)


@pytest.mark.parametrize(
    ("network", "weights"),
    [
        (Joint(JointConfig(n_scenes=2, n_events=3, dropout=0.0)), LossWeights(1.0, 1.0, 0.0)),
        (TaskCRNN(TaskConfig(n_events=3, dropout=0.0)), LossWeights(0.0, 1.0, 0.0, squared=True)),
    ],
    ids=["joint", "task4b"],
)
def test_one_batch_is_learned_by_heart(network: Joint | TaskCRNN, weights: LossWeights) -> None:
    torch.manual_seed(0)
    features = torch.full((2, 1001, 64), -60.0) + torch.randn(2, 1001, 64)
    events = torch.zeros(2, 32, 3)
    for window, start, event in ((0, 4, 0), (0, 20, 1), (1, 12, 2)):
        events[window, start : start + 8, event] = 1.0
        frames = slice(round(start * 31.25), round((start + 8) * 31.25))
        features[window, frames, 20 * event : 20 * event + 16] += 45.0
    features[1] += 6.0  # the scenes differ in level
    batch = Batch(features, Targets(events, torch.ones_like(events), torch.eye(2)))
    options = TrainOptions(epochs=1, steps=100, learning_rate=4e-3, warmup=3, ema=0.0, weight_decay=0.0, weights=weights)
    state = training.start(network, options)
    for _ in range(30):
        training.train_step(state, lambda step: batch, options)
    with torch.inference_mode():
        output = network.train().forward_features(features)
    scores = output.event_logits if weights.squared else output.event_logits.sigmoid()
    heard = torch.nn.functional.interpolate(scores.transpose(1, 2), 32).transpose(1, 2) > 0.5
    assert 2 * (heard & (events > 0)).sum() / (heard.sum() + (events > 0).sum()) > 0.9  # edges fall between steps
    if output.scene_logits is not None:
        assert output.scene_logits.argmax(dim=1).tolist() == [0, 1]
