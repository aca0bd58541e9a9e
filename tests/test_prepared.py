"""The inference copy of a network says what the network says."""

from typing import Any

import pytest
import torch

from audiolog_cli.model import crnn, htsat, mobilenet
from audiolog_cli.model.onnx_htsat import neighbours, window_order
from audiolog_cli.model.precision import has_one_dnn
from audiolog_cli.model.prepared import prepared

Known = htsat.HTSAT | crnn.CRNN | mobilenet.MobileNet
NETWORKS: dict[Any, Any] = {htsat: htsat.HTSAT, crnn: crnn.CRNN, mobilenet: mobilenet.MobileNet}


def networks() -> list[Known]:
    """Small networks in which every value matters: random BatchNorm statistics, bias tables that are not zero."""
    torch.manual_seed(0)
    made: list[Known] = [NETWORKS[kind](kind.preset("tiny", 3, 5)) for kind in (htsat, crnn, mobilenet)]
    for network in made:
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
                module.running_mean.uniform_(-1, 1)  # type: ignore[union-attr]
                module.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
            elif isinstance(module, htsat.WindowAttention):
                torch.nn.init.normal_(module.relative_position_bias_table)
    for network in made:
        network.eval()
    return made


@pytest.mark.skipif(not has_one_dnn(), reason="this processor has no kernels of oneDNN")
@pytest.mark.parametrize("network", networks(), ids=["htsat", "crnn", "mobilenet"])
@torch.inference_mode()
def test_the_copy_gives_the_same_outputs_and_leaves_the_network_alone(network: Known) -> None:
    before = {name: value.clone() for name, value in network.state_dict().items()}
    copied = prepared(network)
    assert copied is not network
    waves = torch.rand(2, 320_000) - 0.5
    plain, fast = network(waves), copied(waves)
    for name in ("latent", "event_logits", "scene_logits", "event_embedding", "scene_embedding"):
        torch.testing.assert_close(getattr(fast, name), getattr(plain, name), atol=1e-5, rtol=0, msg=name)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


@pytest.mark.skipif(not has_one_dnn(), reason="this processor has no kernels of oneDNN")
@pytest.mark.parametrize("module", [htsat, crnn, mobilenet], ids=["htsat", "crnn", "mobilenet"])
@torch.inference_mode()
def test_the_audioset_head_speaks_only_where_there_is_no_event_branch(module: Any) -> None:
    waves = torch.rand(1, 320_000) - 0.5
    for n_events in (0, 5):
        network = with_audioset_head(module, n_events).eval()
        plain, fast = network(waves), prepared(network)(waves)
        assert plain.tag_logits is not None and (fast.tag_logits is None) == (n_events > 0)
        torch.testing.assert_close(fast.event_logits, plain.event_logits, atol=1e-5, rtol=0)


def with_audioset_head(module: Any, n_events: int) -> Known:
    """One with the AudioSet head, and an event branch where events are asked for."""
    return NETWORKS[module](module.preset("tiny", 3, n_events, 7))  # type: ignore[no-any-return]


def test_a_network_in_training_is_not_copied() -> None:
    network = crnn.CRNN(crnn.preset("tiny", 1, 1)).train()
    assert prepared(network) is network


def test_tokens_lie_window_after_window() -> None:
    assert window_order(16, 0)[:9].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 16]
    assert window_order(16, 4)[:9].tolist() == [68, 69, 70, 71, 72, 73, 74, 75, 84]  # from row 4, column 4


def test_neighbours_lie_one_after_the_other() -> None:
    """Of a 4 x 4 image: down the first column of a square of four, then down the second, as the weights expect."""
    assert neighbours(4).tolist() == [0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15]
