"""Windows mixed on the fly: the same whoever mixes them, with targets that say what was mixed in."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from audiolog_cli.model import mixing
from audiolog_cli.model.batches import Variation
from audiolog_cli.model.features import LogMel
from audiolog_cli.model.mixed import Mixed, mixed_batches
from audiolog_cli.model.mixing import PLAIN, Bank
from audiolog_cli.model.pool import Facts, event_steps
from tests.sounds import SCENES, TONES, made_clips

FACTS = Facts(0, tuple(TONES), tuple(SCENES), seconds=2.0)
RECIPE = replace(PLAIN, seconds=2.0)


BANK = mixing.make_bank(*made_clips())


def made_bank() -> Bank:
    return BANK


def source(seed: int = 7, facts: Facts = FACTS) -> Mixed:
    return Mixed(made_bank, RECIPE, facts, 3, seed, Variation(gain_db=3.0), BANK)


def test_batches_hold_the_windows_of_their_numbers_and_what_was_mixed_into_them() -> None:
    batch = mixed_batches(replace(source(), variation=Variation()), jobs=0)(5)
    for i in range(3):
        sound = mixing.mix_window(BANK, RECIPE, 7, 5 * 3 + i)
        assert torch.allclose(batch.features[i], LogMel(FACTS.front_end)(torch.from_numpy(sound.wave)[None])[0], atol=1e-3)
        assert np.array_equal(batch.targets.events[i].numpy(), event_steps(sound.events, FACTS.events, 2.0))
        assert batch.targets.scene[i].sum() == len(sound.scenes)


@pytest.mark.parametrize("stride", [1, 2])
def test_workers_give_what_one_process_gives_in_the_same_order(stride: int) -> None:
    alone, helped = mixed_batches(source(), 0, stride), mixed_batches(source(), 2, stride)
    for number in (4, 4 + stride, 4 + 2 * stride, 20):  # from the middle, as a resumed run; then a jump
        first, second = alone(number), helped(number)
        assert torch.equal(first.features, second.features)
        assert torch.equal(first.targets.events, second.targets.events)
    assert not torch.equal(alone(0).features, mixed_batches(source(seed=8), 0)(0).features)


def test_what_a_scene_may_hold_unlabelled_counts_for_nothing() -> None:
    batch = mixed_batches(source(facts=replace(FACTS, plausible=dict.fromkeys(SCENES, ("low",)))), jobs=0)(0)
    low = FACTS.events.index("low")
    in_scene = batch.targets.scene.sum(dim=1) > 0
    weights = batch.targets.event_weights[in_scene]
    assert in_scene.any()
    assert torch.equal(weights[..., low], batch.targets.events[in_scene][..., low])
    assert weights[..., 1 - low].all()
