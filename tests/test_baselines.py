"""The comparison systems have their published sizes and score what they should; `test_by_heart.py` sees them learn."""

import pytest
import torch

from audiolog_cli.errors import UsageError
from audiolog_cli.model.baselines import Joint, JointConfig, TaskConfig, TaskCRNN
from audiolog_cli.model.features import FRONT_END
from audiolog_cli.model.networks import new_network, own_front_end


def n_parameters(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_published_numbers_of_parameters() -> None:
    assert n_parameters(TaskCRNN(TaskConfig())) == 380_113
    assert n_parameters(Joint(JointConfig(n_events=0))) == 1_200_036
    assert n_parameters(Joint(JointConfig(n_scenes=0))) == 425_817
    assert n_parameters(Joint(JointConfig())) == 1_328_637


def test_ten_seconds_give_500_and_50_steps() -> None:
    both = Joint(JointConfig()).eval()(torch.randn(2, 320000) * 0.1)
    assert both.event_logits.shape == (2, 500, 25)
    assert both.scene_logits.shape == (2, 4)
    assert TaskCRNN(TaskConfig()).eval()(torch.randn(2, 441000) * 0.1).event_logits.shape == (2, 50, 17)


def test_a_branch_that_was_left_out_says_nothing() -> None:
    wave = torch.zeros(1, 320000)
    assert Joint(JointConfig(n_scenes=0)).eval()(wave).scene_logits is None
    assert Joint(JointConfig(n_events=0)).eval()(wave).event_logits is None


def test_task_4bs_baseline_hears_magnitudes_at_44100_hertz() -> None:
    front_end = TaskCRNN(TaskConfig()).front_end
    assert (front_end.sample_rate, front_end.n_fft, front_end.hop_length, front_end.n_mels) == (44100, 17640, 8820, 64)
    assert own_front_end("task4b") == front_end
    with pytest.raises(
        UsageError, match=r"model task4b: hears other features .* make them with `audiolog mix --for-model task4b`"
    ):
        new_network("task4b", "small", 0, 17, front_end=FRONT_END)


def test_task_4bs_baseline_says_activities_again_once_trained() -> None:
    network = TaskCRNN(TaskConfig(n_events=3, dropout=0.0))
    magnitude = torch.rand(1, 51, 64)
    scores = network.eval().forward_features(magnitude).event_logits.sigmoid()
    network.training = True  # of itself alone: its layers go on as they are
    activities = network.forward_features(magnitude).event_logits
    assert torch.allclose(scores, activities.clamp(1e-4, 1 - 1e-4), atol=1e-6)
