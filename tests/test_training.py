"""Training: pools, batches, the loop, its checkpoints, and the command; tiny networks on synthetic sounds."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from audiolog_cli.errors import UsageError, WeightsError
from audiolog_cli.mixing import pool, windows
from audiolog_cli.mixing.augment import SAMPLE_RATE
from audiolog_cli.mixing.pool import Facts, WindowPool
from audiolog_cli.mixing.windows import MixStyle, Span
from audiolog_cli.model import checkpoint
from audiolog_cli.model.networks import new_network, own_front_end
from audiolog_cli.training import batches, loop, validation
from audiolog_cli.training.batches import Variation
from audiolog_cli.training.experiment import Experiment, run
from audiolog_cli.training.loop import Training, TrainOptions
from audiolog_cli.training.recipe import NetworkChoice, Recipe, read_recipe
from tests.shell import audiolog, sh
from tests.sounds import SCENES, TONES, made_clips

EVENTS, PLACES = tuple(TONES), tuple(SCENES)
STYLE = MixStyle(max_events=2, snr_db=(10, 20), scene_share=1.0, speed_share=0, room_share=0, tone_share=0, narrow_share=0)
TAGS = ("tonal", "noisy", "silent")
FACTS = Facts(8, EVENTS, PLACES)
SHORT = {"epochs": 2, "steps": 3, "batch_size": 4, "learning_rate": 1e-3, "warmup": 2, "seed": 3}
QUICK = TrainOptions(**SHORT)


def made_pool(folder: Path, facts: Facts = FACTS, seed: int = 0) -> WindowPool:
    """Windows of synthetic sounds; the teacher, if any, hears `tonal` with the level of the wave."""
    bank = windows.make_bank(*made_clips())

    def teacher(wave: torch.Tensor) -> torch.Tensor:
        levels = wave[: wave.numel() // pool.STEPS * pool.STEPS].view(pool.STEPS, -1).square().mean(dim=1).sqrt().clamp(max=1)
        return torch.stack([levels, 1 - levels, torch.zeros_like(levels)], dim=1)

    filled = pool.make_pool(folder, facts)
    pool.fill(filled, range(len(filled)), lambda i: windows.mix_window(bank, STYLE, seed, i), teacher if facts.tags else None)
    return filled


def experiment(pool: Path, out: Path, model: str = "crnn", preset: str = "tiny", **training: float) -> Experiment:
    """A short run on a pool that is validated on itself; `training` changes its recipe."""
    recipe = Recipe(network=NetworkChoice(model=model, preset=preset), training=Training(**SHORT | training))
    return Experiment(pool=pool, validation=pool, out=out, recipe=recipe)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pool")
    made_pool(path)
    return path


# Pools


def test_a_pool_made_in_parts_equals_one_made_at_once(tmp_path: Path, folder: Path) -> None:
    bank = windows.make_bank(*made_clips())
    parts = pool.make_pool(tmp_path, FACTS)
    for part in (1, 0):
        assert pool.fill(parts, range(part, 8, 2), lambda i: windows.mix_window(bank, STYLE, 0, i), None) == 4
    assert pool.fill(parts, range(8), lambda i: windows.mix_window(bank, STYLE, 0, i), None) == 0  # all there
    whole = pool.open_pool(folder)
    for name in ("log_mel", "events", "scene", "state"):
        assert np.array_equal(getattr(parts, name), getattr(whole, name)), name


def test_a_pool_says_what_it_is_and_refuses_to_become_another(tmp_path: Path) -> None:
    facts = replace(FACTS, plausible={"hiss": ("low",)}, source={"seed": "1"})
    pool.make_pool(tmp_path, facts)
    assert pool.read_facts(tmp_path) == facts
    with pytest.raises(UsageError, match="made from other clips or settings"):
        pool.make_pool(tmp_path, FACTS)
    (tmp_path / "scene.i8").write_bytes(b"\0")
    with pytest.raises(UsageError, match=r"scene.i8: expected 8 bytes for \(8,\), found 1"):
        pool.open_pool(tmp_path)


def test_scenes_alone_can_be_trained(tmp_path: Path) -> None:
    """Without events their file is empty, and cannot be mapped into memory."""
    filled = pool.make_pool(tmp_path / "pool", replace(FACTS, n_windows=4, events=()))
    filled.scene[:], filled.state[:] = [0, 1, 0, 1], pool.MADE
    list(run(experiment(tmp_path / "pool", tmp_path / "run", epochs=1, steps=1, batch_size=2), lambda message: None))
    _, card = checkpoint.load(tmp_path / "run" / "model.safetensors")
    assert (card.scenes, card.events) == (PLACES, ())


def test_missing_pool_and_unfinished_pool_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"pool.json: no such file; a pool is made by `audiolog mix --windows`"):
        pool.open_pool(tmp_path)
    empty = pool.make_pool(tmp_path, FACTS)
    with pytest.raises(UsageError, match="lacks 8 of 8 windows"):
        batches.pool_batches(empty, 2, 0)


def test_short_events_count_and_edges_do_not() -> None:
    steps = pool.event_steps([Span(0.30, 0.32, "low"), Span(1.25, 1.90, "high")], EVENTS, seconds=10.0)  # steps of 0.3125 s
    assert steps[:, EVENTS.index("low")].nonzero()[0].tolist() == [0]  # all of it: 12.5 ms in step 0, 7.5 ms in step 1
    assert steps[:, EVENTS.index("high")].nonzero()[0].tolist() == [4, 5]  # 25 ms of step 6 are an edge


def test_teachers_bytes_keep_small_probabilities() -> None:
    values = torch.tensor([0.0, 1e-4, 0.01, 0.3, 1.0])
    back = pool.decode(torch.from_numpy(pool.encode(values.numpy())))
    assert back.sub(values).abs().max() < 2e-3
    assert back[1] > 0


# Batches


def test_batches_depend_on_the_step_alone_and_passes_see_every_window(folder: Path) -> None:
    opened = pool.open_pool(folder)
    forward, again = (batches.pool_batches(opened, 4, 7, Variation(gain_db=6, roll=True, mixup=0.5)) for _ in range(2))
    late = again(5)
    for step in range(6):
        batch = forward(step)
    assert torch.equal(batch.features, late.features)
    assert torch.equal(batch.targets.events, late.targets.events)
    plain = batches.pool_batches(opened, 4, 7)
    seen = torch.cat([plain(step).features for step in (0, 1)])
    stored = torch.from_numpy(np.array(opened.log_mel)).float()
    assert sorted(seen.sum(dim=(1, 2)).tolist()) == sorted(stored.sum(dim=(1, 2)).tolist())


def test_colour_changes_each_window_by_its_own_smooth_response() -> None:
    drawn = batches.responses(50, 64, 8.0, np.random.default_rng(0))
    assert drawn.shape == (50, 64) and drawn.abs().max() <= 8.0
    assert (drawn[0] - drawn[1]).abs().max() > 1.0
    bends = drawn.diff(n=2, dim=1).abs() > 1e-4  # straight lines between at most 6 points: a bend lies between two bands
    assert bends.sum(dim=1).max() <= 2 * 4


def test_rolling_moves_sound_and_targets_together() -> None:
    features = torch.zeros(1, 1001, 64)
    features[0, 250:500] = 1.0  # steps 8..15 of 32
    events = torch.zeros(1, 32, 1)
    events[0, 8:16] = 1.0
    batch = batches.Batch(features, batches.Targets(events, torch.ones_like(events), None))
    rolled = batches.vary(batch, Variation(roll=True), np.random.default_rng(1))
    active = rolled.targets.events[0, :, 0].nonzero().flatten()
    assert active.numel() == 8
    frames = rolled.features[0, :1000, 0]
    for step in range(32):
        middle = round((step + 0.5) * 1000 / 32)
        assert frames[middle].item() == rolled.targets.events[0, step, 0].item()


def test_what_may_sound_unlabelled_is_not_trained_as_silence() -> None:
    labels = batches.labels_of(
        replace(
            FACTS,
            tags=TAGS,
            plausible={"hiss": ("low",)},
            akin={"high": ("low",)},
            mapping={"low": ("tonal",), "high": ("noisy",)},
        )
    )
    silent, heard, unsure = [0.0, 0.0, 0.0], [0.7, 0.9, 0.0], [0.2, 0.01, 0.0]  # the teacher's tags
    cases = [  # scene, mixed in (low, high), tags, weights (low, high)
        (PLACES.index("hiss"), [0.0, 0.0], silent, [0.0, 1.0]),  # the scene may hold low
        (PLACES.index("hiss"), [1.0, 0.0], silent, [1.0, 1.0]),
        (pool.NOWHERE, [0.0, 0.0], heard, [0.0, 0.0]),  # the teacher is sure that both are there
        (pool.NOWHERE, [0.0, 1.0], silent, [0.0, 1.0]),  # high may be called low as well
        (pool.SOMEWHERE, [0.0, 0.0], unsure, [0.0, 1.0]),  # only what the teacher does not hear at all
        (pool.NO_SCENE, [0.0, 0.0], unsure, [1.0, 1.0]),
    ]
    for scene, mixed_in, tags, expected in cases:
        weights = batches.event_weights(torch.tensor([[mixed_in]]), torch.tensor([[tags]]), torch.tensor([scene]), labels)
        assert weights[0, 0].tolist() == expected, (scene, mixed_in, tags)


def test_no_place_is_learned_as_every_scene_alike_and_an_unknown_one_not_at_all() -> None:
    scenes = batches.one_hot(torch.tensor([1, pool.NOWHERE, pool.SOMEWHERE, pool.NO_SCENE]), 2)
    assert scenes.tolist() == [[0.0, 1.0], [0.5, 0.5], [0.0, 0.0], [0.0, 0.0]]


def test_mixup_mixes_targets_as_it_mixes_sound() -> None:
    events = torch.tensor([[[1.0]], [[0.0]]])
    batch = batches.Batch(torch.tensor([[[2.0]], [[0.0]]]), batches.Targets(events, torch.ones_like(events), torch.eye(2)))
    mixed = batches.vary(batch, Variation(mixup=1.0), np.random.default_rng(0))
    share = mixed.features[0].item() / 2
    assert 0.5 <= share <= 1.0
    assert mixed.targets.events[0].item() == pytest.approx(share)
    assert mixed.targets.scene[0].tolist() == pytest.approx([share, 1 - share])


def test_mixed_styles_move_level_and_spread_of_each_band_and_nothing_else() -> None:
    quiet, loud = torch.randn(2, 50, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([[[0.0]], [[10.0]]])
    features = quiet + loud  # two windows whose bands differ in level
    nothing = batches.Targets(torch.zeros(2, 1, 1), torch.ones(2, 1, 1), torch.eye(2))
    styled = batches.vary(batches.Batch(features.clone(), nothing), Variation(mix_style=1.0), np.random.default_rng(0)).features
    levels = styled.mean(dim=(1, 2)).tolist()
    assert 0 < levels[0] <= 5.1 and 4.9 <= levels[1] < 10  # towards each other, and not past the middle
    shape = [(x - x.mean(dim=1, keepdim=True)) / x.std(dim=1, keepdim=True) for x in (features, styled)]
    assert torch.allclose(shape[0], shape[1], atol=0.01)


# The loop


def losses_of(folder: Path, out: Path, options: TrainOptions, stop_after: int | None = None) -> list[float]:
    """Train the tiny CRNN; the loss of every epoch. With `stop_after`, cut after that many epochs and resume in a new run."""
    opened = pool.open_pool(folder)
    draw = batches.pool_batches(opened, options.batch_size, options.seed, Variation(gain_db=3, mixup=0.5))
    records = []
    first = loop.start(new_network("crnn", "tiny", 2, 2, seed=1), options)
    for record in loop.train(first, draw, lambda network: {"score": 0.0}, options, out):
        records.append(record)
        if len(records) == stop_after:
            break
    if stop_after:
        second = loop.start(new_network("crnn", "tiny", 2, 2, seed=99), options)
        second.restore(torch.load(out / "last.pt", weights_only=True))
        records += loop.train(second, draw, lambda network: {"score": 0.0}, options, out)
    return [record["loss"] for record in records]


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_resumed_run_has_the_losses_of_one_that_was_never_cut(tmp_path: Path, folder: Path, accumulate: int) -> None:
    options = replace(QUICK, epochs=3, accumulate=accumulate, batch_size=2)
    whole = losses_of(folder, tmp_path / "whole", options)
    cut = losses_of(folder, tmp_path / "cut", options, stop_after=1)
    assert cut == whole
    whole_end, cut_end = (torch.load(tmp_path / name / "last.pt", weights_only=True) for name in ("whole", "cut"))
    for name, value in whole_end["average"].items():
        assert torch.equal(value, cut_end["average"][name]), name


def test_records_say_what_happened(tmp_path: Path, folder: Path) -> None:
    opened = pool.open_pool(folder)
    state = loop.start(new_network("crnn", "tiny", 2, 2), QUICK)
    draw = batches.pool_batches(opened, 4, 0)
    first, second = loop.train(state, draw, lambda n: validation.summary(validation.score(n, opened)), QUICK, tmp_path)
    assert (first["epoch"], first["step"], second["epoch"], second["step"]) == (0, 3, 1, 6)
    assert {
        "loss",
        "scene",
        "event",
        "contrastive",
        "macro_ap",
        "micro_f1",
        "scene_accuracy",
        "clips_per_second",
        "waiting",
    } <= set(first)
    assert first["loss"] == pytest.approx(0.3 * first["scene"] + 0.6 * first["event"] + 0.1 * first["contrastive"], abs=1e-4)


def test_training_stops_when_nothing_gets_better(tmp_path: Path, folder: Path) -> None:
    options = replace(QUICK, epochs=50, steps=1, patience=2)
    scores = iter([0.5, 0.6, 0.1, 0.2, 0.3])
    state = loop.start(new_network("crnn", "tiny", 2, 2), options)
    draw = batches.pool_batches(pool.open_pool(folder), 4, 0)
    records = list(loop.train(state, draw, lambda network: {"score": next(scores)}, options, tmp_path))
    assert [record["score"] for record in records] == [0.5, 0.6, 0.1, 0.2]
    assert state.best_epoch == 1
    again = list(loop.train(state, draw, lambda network: {"score": next(scores)}, options, tmp_path))
    assert again == []  # resumed, it is still at its end


def test_thresholds_are_the_best_together_not_class_by_class() -> None:
    """One class that is heard well, one that is noise: naming the second wherever it could be costs more than it gives."""
    reference = np.array([[1, 0], [1, 0], [0, 1], [0, 0], [0, 0], [0, 0]], dtype=bool)
    events = np.array([[0.9, 0.5], [0.8, 0.6], [0.1, 0.4], [0.2, 0.7], [0.1, 0.8], [0.0, 0.9]], dtype=np.float32)
    scores = validation.Scores(events, reference, np.ones_like(reference), np.zeros((0, 1), np.float32), np.zeros(0, np.int64))
    sure, never = validation.tuned_thresholds(scores)
    assert sure == pytest.approx(0.5)  # between 0.8 and 0.2
    assert never > 0.9
    assert validation.micro_f1(scores, (sure, never)) == pytest.approx(2 * 2 / (2 + 3))


def test_a_class_that_is_never_counted_gets_the_usual_threshold() -> None:
    """A scene may hold it unlabelled throughout: there is nothing to tune on."""
    reference, counted = np.array([[True, False], [False, False]]), np.array([[True, False], [True, False]])
    events = np.array([[0.8, 0.9], [0.2, 0.9]], dtype=np.float32)
    scores = validation.Scores(events, reference, counted, np.zeros((0, 1), np.float32), np.zeros(0, np.int64))
    assert validation.tuned_thresholds(scores) == [0.5, 0.5]


def test_a_scene_may_hold_what_nobody_put_there_without_being_charged_for_it(folder: Path) -> None:
    network = new_network("crnn", "tiny", 2, 2)
    opened = pool.open_pool(folder)
    strict = validation.score(network, opened)
    allowed = replace(opened, facts=replace(FACTS, plausible=dict.fromkeys(PLACES, EVENTS)))
    lenient = validation.score(network, allowed)
    assert strict.counted.all()
    assert np.array_equal(lenient.counted, lenient.reference)
    assert np.array_equal(strict.reference, lenient.reference)


def test_average_follows_the_weights_and_forgets_the_start() -> None:
    network, average = (torch.nn.Linear(1, 1, bias=False) for _ in range(2))
    torch.nn.init.constant_(network.weight, 1.0)
    torch.nn.init.constant_(average.weight, 0.0)
    loop.update_average(average, network, 0.1)  # of the old
    assert average.weight.item() == pytest.approx(0.9)
    loop.update_average(average, network, 0.75)
    assert average.weight.item() == pytest.approx(0.925)


def test_a_loss_that_is_not_a_number_ends_the_run_with_advice(tmp_path: Path, folder: Path) -> None:
    state = loop.start(new_network("crnn", "tiny", 2, 2), QUICK)
    batch = batches.pool_batches(pool.open_pool(folder), 4, 0)(0)
    batch.features[0, 0, 0] = float("nan")
    with pytest.raises(WeightsError, match="the loss is not a number at step 0"):
        loop.train_step(state, lambda step: batch, QUICK)


# From folders to a checkpoint


def test_an_experiment_ends_in_a_checkpoint_that_loads(tmp_path: Path, folder: Path) -> None:
    messages: list[str] = []
    whole = experiment(folder, tmp_path / "run")
    assert len(list(run(whole, messages.append))) == 2
    assert read_recipe(str(tmp_path / "run" / "recipe.toml")) == whole.recipe
    network, card = checkpoint.load(tmp_path / "run" / "model.safetensors")
    assert (card.architecture, card.events, card.scenes) == ("crnn", EVENTS, PLACES)
    assert all(0 <= threshold <= 1 for threshold in card.thresholds)
    output = network(torch.zeros(1, 320000))
    assert output.event_logits.shape == (1, 32, 2)
    with pytest.raises(UsageError, match="there is a run in this folder already"):
        list(run(whole, messages.append))
    with pytest.raises(
        UsageError, match=r"last.pt: not a run of this network; resume it with the model, preset and labels it began"
    ):
        list(run(replace(experiment(folder, tmp_path / "run", preset="small"), resume=True), messages.append))


@pytest.mark.parametrize(("kind", "scenes", "events"), [("cnn", PLACES, ()), ("cnn-bigru", (), EVENTS), ("task4b", (), EVENTS)])
def test_comparison_systems_end_in_a_checkpoint_with_the_branches_they_have(
    tmp_path: Path, kind: str, scenes: tuple[str, ...], events: tuple[str, ...]
) -> None:
    made_pool(tmp_path / "pool", replace(FACTS, n_windows=2, front_end=own_front_end(kind).at(SAMPLE_RATE)))
    list(run(experiment(tmp_path / "pool", tmp_path, kind, "small", epochs=1, steps=1, batch_size=2), lambda message: None))
    _, card = checkpoint.load(tmp_path / "model.safetensors")
    assert (card.scenes, card.events) == (scenes, events)


def test_init_takes_what_fits_and_says_what_is_new(tmp_path: Path, folder: Path) -> None:
    other = new_network("crnn", "tiny", 3, 5, seed=4)
    start = tmp_path / "start.safetensors"
    checkpoint.save(start, other, checkpoint.Card.of(other, ("a", "b", "c"), ("v", "w", "x", "y", "z")))
    messages: list[str] = []
    started = replace(experiment(folder, tmp_path / "run", epochs=1, steps=1, learning_rate=0.0, warmup=0), init=start)
    list(run(started, messages.append))
    assert any("new: " in message and "sed_head" in message and "asc_head" in message for message in messages)
    trained, _ = checkpoint.load(tmp_path / "run" / "model.safetensors")
    assert torch.equal(trained.stem[0].weight, other.stem[0].weight)


def test_pools_of_different_words_do_not_go_together(tmp_path: Path, folder: Path) -> None:
    made_pool(tmp_path / "other", replace(FACTS, n_windows=2, scenes=("rumble", "hiss")))
    with pytest.raises(UsageError, match="its scenes are not those of"):
        list(run(replace(experiment(folder, tmp_path / "run"), validation=tmp_path / "other"), lambda message: None))


def test_unknown_networks_are_named() -> None:
    with pytest.raises(UsageError, match="model vgg: expected htsat, crnn, mobilenet, joint, cnn-bigru, cnn, task4b"):
        new_network("vgg", "tiny", 1, 1)
    with pytest.raises(UsageError, match="preset huge: crnn comes as base, small, tiny"):
        new_network("crnn", "huge", 1, 1)


def test_two_processes_do_what_one_does_with_twice_the_batches(tmp_path: Path, folder: Path) -> None:
    changes = ("model=crnn", "preset=tiny", "epochs=2", "steps=3", "batch_size=2", "warmup=2")
    settings = f"train {folder} --validation {folder} {' '.join(f'--set {change}' for change in changes)}"
    together = sh(
        f"python -m torch.distributed.run --standalone --nproc-per-node 2 -m audiolog_cli {settings} --device cpu -q --out two",
        tmp_path,
    )
    alone = audiolog(f"{settings} --device cpu -q --set accumulate=2 --out one", tmp_path)
    assert (together.code, alone.code) == (0, 0), together.stderr
    both, single = ([json.loads(line) for line in result.stdout.splitlines()] for result in (together, alone))
    assert len(both) == len(single) == 2
    for name in ("loss", "scene", "event", "contrastive"):
        assert [record[name] for record in both] == pytest.approx([record[name] for record in single], abs=2e-5), name
    ends = [torch.load(tmp_path / name / "last.pt", weights_only=True)["network"] for name in ("two", "one")]
    for name, value in ends[0].items():
        if "running" not in name and "num_batches" not in name:  # BatchNorm's statistics are the first process's
            assert torch.allclose(value.float(), ends[1][name].float(), atol=1e-4), name


PROGRAM = [sys.executable, "-m", "audiolog_cli"]


def test_ctrl_c_saves_and_resume_goes_on(tmp_path: Path, folder: Path) -> None:
    """The resumed run takes its recipe from its folder, except for changes."""
    command = [*PROGRAM, "train", str(folder), "--validation", str(folder), "--out", str(tmp_path), "--device", "cpu"]
    changes = ("model=crnn", "preset=tiny", "steps=2", "batch_size=2", "warmup=2", "epochs=10000", "patience=10000")
    settings = [word for change in changes for word in ("--set", change)]
    process = subprocess.Popen([*command, *settings], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    first = json.loads(process.stdout.readline())
    os.kill(process.pid, signal.SIGINT)
    rest, _ = process.communicate(timeout=120)
    assert process.returncode == 130
    records = [first, *(json.loads(line) for line in rest.splitlines())]  # whole lines only
    saved = torch.load(tmp_path / "last.pt", weights_only=True)["step"]
    assert saved >= 2 * len(records)
    more = subprocess.run(
        [*command, "--resume", "--set", f"epochs={len(records) + 2}"], capture_output=True, text=True, timeout=120
    )
    assert more.returncode == 0, more.stderr
    assert f"continues at step {saved}" in more.stderr
    assert json.loads(more.stdout.splitlines()[-1])["epoch"] == len(records) + 1
    assert (tmp_path / "model.safetensors").is_file()
