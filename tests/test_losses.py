"""AudioLog's losses, each by hand; the doctests of losses.py hold the smallest cases."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from audiolog_cli.model.htsat import Output
from audiolog_cli.training.losses import LossWeights, Targets, contrastive_loss, event_loss, scene_loss, tag_loss, total_loss


def test_scene_loss_is_the_mean_over_windows_that_have_a_scene() -> None:
    logits = torch.tensor([[math.log(3.0), 0.0], [0.0, 0.0], [5.0, -5.0]])
    loss = scene_loss(logits, torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]))  # -ln 3/4, -ln 1/2, not counted
    assert loss.item() == pytest.approx((math.log(4 / 3) + math.log(2)) / 2, abs=1e-6)


def test_scene_loss_without_any_scene_is_zero_and_has_a_gradient_of_zero() -> None:
    logits = torch.randn(3, 4, requires_grad=True)
    loss = scene_loss(logits, torch.zeros(3, 4))
    loss.backward()
    assert loss.item() == 0.0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_scene_loss_takes_mixed_scenes_and_smoothing() -> None:
    logits = torch.tensor([[math.log(3.0), 0.0]])
    mixed = scene_loss(logits, torch.tensor([[0.25, 0.75]]))
    assert mixed.item() == pytest.approx(0.25 * math.log(4 / 3) + 0.75 * math.log(4), abs=1e-6)
    smoothed = scene_loss(logits, torch.tensor([[1.0, 0.0]]), smoothing=0.2)
    assert smoothed.item() == pytest.approx(0.9 * math.log(4 / 3) + 0.1 * math.log(4), abs=1e-6)


def test_event_loss_with_soft_targets_and_weights() -> None:
    logits = torch.tensor([[[math.log(4.0), 0.0]]])  # p = 0.8, 0.5
    events, weights = torch.tensor([[[0.25, 1.0]]]), torch.tensor([[[1.0, 0.5]]])
    first = -(0.25 * math.log(0.8) + 0.75 * math.log(0.2))
    assert event_loss(logits, events, weights).item() == pytest.approx((first + 0.5 * math.log(2)) / 1.5, abs=1e-6)


def test_event_loss_with_nothing_known_is_zero() -> None:
    assert event_loss(torch.randn(1, 2, 3), torch.ones(1, 2, 3), torch.zeros(1, 2, 3)).item() == 0.0


def test_contrastive_loss_by_hand_and_its_symmetry() -> None:
    scene = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    event = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    # S = [[1, 0.6], [0, 0.8]]; rows: ln(1 + e^-0.4), ln(1 + e^-0.8); columns: ln(1 + e^-1), ln(1 + e^-0.2)
    by_hand = sum(math.log1p(math.exp(-d)) for d in (0.4, 0.8, 1.0, 0.2)) / 4
    assert contrastive_loss(scene, event, torch.tensor(0.0)).item() == pytest.approx(by_hand, abs=1e-6)
    assert contrastive_loss(event, scene, torch.tensor(0.0)).item() == pytest.approx(by_hand, abs=1e-6)


def test_contrastive_loss_of_unrelated_pairs_is_the_logarithm_of_the_batch() -> None:
    same = torch.tensor([[1.0, 0.0]]).repeat(8, 1)
    assert contrastive_loss(same, same, torch.tensor(2.6592)).item() == pytest.approx(math.log(8), abs=1e-5)


@given(st.lists(st.floats(0.01, 0.99), min_size=1, max_size=20))
def test_tag_loss_is_zero_only_for_the_teacher_itself(probabilities: list[float]) -> None:
    tags = torch.tensor(probabilities).view(1, 1, -1)
    assert tag_loss(tags.logit(), tags).item() == pytest.approx(0.0, abs=1e-5)
    assert tag_loss(tags.logit() + 1.0, tags).item() > 1e-4


def test_total_is_the_papers_weighted_sum() -> None:
    torch.manual_seed(0)
    B, T, K, S = 4, 3, 5, 2
    scene, event = torch.nn.functional.normalize(torch.randn(2, B, 8), dim=-1)
    output = Output(
        latent=torch.randn(B, 6),
        event_logits=torch.randn(B, T, K),
        scene_logits=torch.randn(B, S),
        event_embedding=event,
        scene_embedding=scene,
    )
    targets = Targets(torch.rand(B, T, K), torch.ones(B, T, K), torch.eye(S)[[0, 1, 1, 0]])
    scale = torch.tensor(1.0)
    terms = total_loss(output, targets, LossWeights(), scale)
    expected = 0.3 * scene_loss(output.scene_logits, targets.scene) + 0.6 * event_loss(
        output.event_logits, targets.events, targets.event_weights
    )
    expected = expected + 0.1 * contrastive_loss(scene, event, scale)
    assert terms["loss"].item() == pytest.approx(expected.item(), abs=1e-6)
    assert set(terms) == {"loss", "scene", "event", "contrastive"}
    assert set(total_loss(output, targets, LossWeights(contrastive_weight=0.0), scale)) == {"loss", "scene", "event"}
