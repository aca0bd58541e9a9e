"""Windows mixed on the fly: the same whoever mixes them, with targets that say what was mixed in."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from audiolog_cli.mixing import windows
from audiolog_cli.mixing.composing import write_flac
from audiolog_cli.mixing.pool import Facts, event_steps
from audiolog_cli.mixing.windows import PLAIN, Bank
from audiolog_cli.model.features import LogMel
from audiolog_cli.training.batches import Variation
from audiolog_cli.training.mixed import Mixed, mixed_batches
from tests.shell import audiolog
from tests.sounds import SCENES, TONES, made_clips

FACTS = Facts(0, tuple(TONES), tuple(SCENES), seconds=2.0)
STYLE = replace(PLAIN, seconds=2.0)


BANK = windows.make_bank(*made_clips())


def made_bank() -> Bank:
    return BANK


def source(seed: int = 7, facts: Facts = FACTS) -> Mixed:
    return Mixed(made_bank, STYLE, facts, 3, seed, Variation(gain_db=3.0), BANK)


def test_batches_hold_the_windows_of_their_numbers_and_what_was_mixed_into_them() -> None:
    batch = mixed_batches(replace(source(), variation=Variation()), jobs=0)(5)
    for i in range(3):
        sound = windows.mix_window(BANK, STYLE, 7, 5 * 3 + i)
        assert torch.allclose(batch.features[i], LogMel(FACTS.front_end)(torch.from_numpy(sound.wave)[None])[0], atol=1e-3)
        assert np.array_equal(batch.targets.events[i].numpy(), event_steps(sound.events, FACTS.events, 2.0))
        assert (batch.targets.scene[i].max() == 1) == bool(sound.scenes)


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
    in_scene = batch.targets.scene.amax(dim=1) == 1  # silence and noise are all scenes alike
    weights = batch.targets.event_weights[in_scene]
    assert in_scene.any()
    assert torch.equal(weights[..., low], batch.targets.events[in_scene][..., low])
    assert weights[..., 1 - low].all()


def test_train_mixes_what_it_learns_from_and_resumes_in_the_same_series(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    made, cache = made_clips()
    lines = ["path\tsource_id\tkind\tlabel\tonset\toffset\tduration\tsplit\n"]
    for clip in made:
        name = clip.path.with_suffix(".flac").name
        write_flac(cache.read(clip.path), tmp_path / "clips" / name)
        lines.append(f"{name}\t{clip.source_id}\t{clip.kind}\t{clip.label}\t0\t{clip.offset}\t{clip.duration}\ttrain\n")
    (tmp_path / "clips" / "clips.tsv").write_text("".join(lines))
    train = (
        "train clips --validation val --cache cache --device cpu -q "
        "--set model=crnn --set preset=tiny --set steps=2 --set batch_size=2 --set"
    )
    made = audiolog("mix -q clips --all-labels --windows 2 --style plain --cache cache --out val", tmp_path)
    first = audiolog(f"{train} epochs=1 --out run", tmp_path)
    second = audiolog(f"{train} epochs=2 --out run --resume --mixers 2", tmp_path)
    assert (made.code, first.code, second.code) == (0, 0, 0), first.stderr + second.stderr
    records = [json.loads(line) for line in (first.stdout + second.stdout).splitlines()]
    assert [record["epoch"] for record in records] == [0, 1]
    assert all(0 <= record["waiting"] <= 1 for record in records)
    started = audiolog(f"{train} epochs=1 --out again --init run/model.safetensors", tmp_path)
    assert started.code == 0, started.stderr
    unknown = audiolog(f"{train} epochs=1 --out none --init nobody", tmp_path)
    assert unknown.code == 2 and unknown.stderr.startswith("audiolog: no weights are called 'nobody'; available here: everyday. ")
    unknown = audiolog("mix clips --all-labels --windows 2 --cache cache --out x --for-model vgg", tmp_path)
    assert unknown == (2, "", "audiolog: --for-model vgg: expected htsat, crnn, mobilenet, joint, cnn-bigru, cnn, task4b\n")
    refused = audiolog(f"{train} epochs=1 --set windows=9 --out none", tmp_path)
    assert refused.stderr == (
        "audiolog: windows 9: clips are mixed into new ones without end; `audiolog mix` makes a pool of so many\n"
    )
    refused = audiolog("train clips --out x", tmp_path)
    assert (refused.code, refused.stderr) == (
        2,
        "audiolog: clips is a folder of clips: it needs --validation POOL\n",
    )
