"""What the training loop promises besides resuming (`test_training.py`): schedules, precisions, progress, curves, learning."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from audiolog_cli.errors import UsageError
from audiolog_cli.model import htsat
from audiolog_cli.model.networks import new_network
from audiolog_cli.training import loop
from audiolog_cli.training.batches import Batch
from audiolog_cli.training.board import drawn
from audiolog_cli.training.loop import TrainOptions
from audiolog_cli.training.losses import LossWeights, Targets

QUICK = TrainOptions(epochs=2, steps=3, batch_size=4, learning_rate=1e-3, warmup=2, seed=3)


def batch_of(number: int) -> Batch:
    """Four windows of 2 s: noise whose level is the scene, with one of two events."""
    generator = torch.Generator().manual_seed(number)
    scene = torch.tensor([0, 1, 0, 1])
    features = torch.randn(4, 201, 64, generator=generator) * 5 - 60 + 10 * scene.view(-1, 1, 1)
    events = torch.zeros(4, 32, 2)
    events[:, 8:16] = torch.eye(2)[scene].unsqueeze(1)
    return Batch(features, Targets(events, torch.ones_like(events), torch.eye(2)[scene]))


def trained(options: TrainOptions, folder: Path, **more: object) -> tuple[loop.Run, list[dict[str, float]]]:
    state = loop.start(new_network("crnn", "tiny", 2, 2, seed=1), options)
    return state, list(loop.train(state, batch_of, lambda network: {"score": 0.5}, options, folder, **more))


def test_htsats_stairs_come_instead_of_the_cosine(tmp_path: Path) -> None:
    _, records = trained(replace(QUICK, epochs=4, steps=1, schedule="htsat", learning_rate=1e-4), tmp_path)
    assert [record["learning_rate"] for record in records] == [2e-5, 5e-5, 1e-4, 1e-4]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "fp16"}, "precision fp16: a CPU has no use for it; take bf16 or fp32, or a GPU"),
        (
            {"learning_rates": {"backbone": 1e-4}},
            "learning_rates: this network has nothing of that kind in 'backbone'; its parts are logmel_extractor, bn0, stem, ",
        ),
        (
            {"frozen_norms": ("gru",)},
            "frozen_norms: this network has nothing of that kind in 'gru'; its parts are logmel_extractor, bn0, stem, ",
        ),
    ],
)
def test_impossible_options_are_refused_before_the_first_step(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        loop.start(new_network("crnn", "tiny", 2, 2), replace(QUICK, **options))


def test_parts_of_a_network_have_their_own_learning_rate(tmp_path: Path) -> None:
    """The stem stands still, the scene's head learns, and a part within a part has the last word."""
    rates = {"stem": 0.0, "stem.0": 1e-3, "bn0": 0.0}
    state = loop.start(new_network("crnn", "tiny", 2, 2, seed=1), replace(QUICK, learning_rates=rates, weight_decay=0.0))
    before = {name: value.clone() for name, value in state.network.named_parameters()}
    loop.train_step(state, batch_of, QUICK)
    moved = {name for name, value in state.network.named_parameters() if not torch.equal(value, before[name])}
    assert {name for name in moved if name.startswith(("stem.", "bn0."))} == {"stem.0.weight"}
    assert any(name.startswith("asc_head.") for name in moved)


def test_frozen_norms_keep_their_statistics_and_still_learn(tmp_path: Path) -> None:
    state = loop.start(new_network("crnn", "tiny", 2, 2, seed=1), replace(QUICK, frozen_norms=("bn0",)))
    norm = state.network.bn0
    weight = norm.weight.clone()
    loop.train_step(state, batch_of, replace(QUICK, frozen_norms=("bn0",)))
    assert not norm.running_mean.any() and not torch.equal(norm.weight, weight)
    loop.train_step(state, batch_of, QUICK)
    assert norm.running_mean.any()


def test_bf16_learns_what_fp32_learns(tmp_path: Path) -> None:
    """Autocast on the CPU: losses within 2 % of fp32's at every epoch, and falling; the weights stay in fp32."""
    options = replace(QUICK, epochs=4, steps=5, loss=LossWeights(scene_weight=0.5, event_weight=0.5, contrastive_weight=0.0))
    _, full = trained(options, tmp_path / "fp32")
    state, half = trained(replace(options, precision="bf16"), tmp_path / "bf16")
    assert [record["loss"] for record in half] == pytest.approx([record["loss"] for record in full], rel=0.02)
    assert half[-1]["loss"] < 0.85 * half[0]["loss"]
    assert [record["loss"] for record in half] != [record["loss"] for record in full]
    assert all(parameter.dtype == torch.float32 for parameter in state.network.parameters())


def test_a_metric_that_the_windows_do_not_define_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="metric macro_ap: the validation windows do not define it; use score"):
        trained(replace(QUICK, metric="macro_ap"), tmp_path)


@pytest.mark.parametrize(("weight", "moves"), [(0.1, True), (0.0, False)])
def test_the_scale_of_the_contrastive_loss_is_learned_where_there_is_one(tmp_path: Path, weight: float, moves: bool) -> None:
    state, records = trained(replace(QUICK, epochs=1, loss=LossWeights(contrastive_weight=weight)), tmp_path)
    assert (state.network.logit_scale.item() != pytest.approx(htsat.INITIAL_LOGIT_SCALE, abs=1e-7)) == moves
    assert ("contrastive" in records[0]) == moves


def test_progress_is_shown_after_every_step_and_removed_at_the_end(tmp_path: Path) -> None:
    told: list[str] = []
    trained(QUICK, tmp_path, progress=told.append)
    assert [text.partition("  loss")[0] for text in told] == [
        "epoch 0 of 2  [######..............]  1 of 3",
        "epoch 0 of 2  [#############.......]  2 of 3",
        "epoch 0 of 2  [####################]  3 of 3",
        "",
        "epoch 1 of 2  [######..............]  1 of 3",
        "epoch 1 of 2  [#############.......]  2 of 3",
        "epoch 1 of 2  [####################]  3 of 3",
        "",
    ]


def test_every_number_of_a_record_is_a_curve_for_tensorboard(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    records = [{"epoch": 0, "step": 3, "loss": 0.5, "score": 0.25}, {"epoch": 1, "step": 6, "loss": 0.25, "score": 0.5}]
    assert list(drawn(iter(records), tmp_path)) == records
    curves = accumulator.EventAccumulator(str(tmp_path)).Reload()
    assert sorted(curves.Tags()["scalars"]) == ["loss", "score"]
    assert [(point.step, point.value) for point in curves.Scalars("loss")] == [(3, 0.5), (6, 0.25)]


def test_without_tensorboard_the_way_out_is_named_before_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", None)
    with pytest.raises(UsageError, match=r"pip install 'audiolog\[tensorboard\]'"):
        next(drawn(iter([{"epoch": 0}]), tmp_path))
