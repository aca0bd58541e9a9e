"""What goes wrong on GPUs only: tensors left on the CPU, products in fewer bits than were asked for.

Most of it shows without one: torch's `meta` device has shapes but no numbers, and refuses operands on two devices as a GPU does.
The tests marked `gpu` run where there is one.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from audiolog_cli.model import networks
from audiolog_cli.sound.audio import Window
from audiolog_cli.tagging.options import LoadOptions
from audiolog_cli.tagging.tagger import load, probabilities
from audiolog_cli.training import losses
from audiolog_cli.training.loop import update_average
from tests.conftest import write_wav
from tests.shell import ROOT, sh

SMALLEST = [(kind, list(presets)[-1]) for kind, (_, presets) in networks.KINDS.items()]
SECONDS = {"joint": 10, "cnn": 10}  # of sound; these two hear windows of one length only, the others take as little as two
EVERYDAY = ROOT / "weights" / "everyday.safetensors"
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def meta(*shape: int) -> Tensor:
    return torch.empty(*shape, device="meta")


@pytest.mark.parametrize(("kind", "preset"), SMALLEST, ids=[kind for kind, _ in SMALLEST])
def test_nothing_of_a_network_stays_behind_when_it_is_moved(kind: str, preset: str) -> None:
    """Spectrogram, both branches, SpecAugment, losses, gradients and the average of the weights."""
    network = networks.new_network(kind, preset, n_scenes=8, n_events=30).to("meta")
    average = networks.new_network(kind, preset, n_scenes=8, n_events=30).to("meta")
    log_mel = network.logmel_extractor.bands(meta(4, SECONDS.get(kind, 2) * network.front_end.sample_rate))
    for training in (False, True):
        output = network.train(training).forward_features(log_mel)
        shape = (4, 32, 30) if output.event_logits is None else output.event_logits.shape
        targets = losses.Targets(meta(*shape), meta(*shape), meta(4, 8))
        terms = losses.total_loss(output, targets, losses.LossWeights(), getattr(network, "logit_scale", None))
        assert {term.device.type for term in terms.values()} == {"meta"}
    terms["loss"].backward()
    update_average(average, network, 0.9)


def test_a_constant_left_behind_would_be_seen() -> None:
    with pytest.raises(RuntimeError, match="not on the expected device meta"):
        meta(4, 3) * torch.ones(3)


def test_fp32_on_a_gpu_is_not_rounded_to_tf32() -> None:
    """By default torch lets cuDNN round the factors of convolutions and GRUs to 11 bits; loading weights switches that off."""
    torch.backends.cudnn.allow_tf32 = True  # torch's own default
    load(LoadOptions(weights=str(EVERYDAY), device="cpu"))
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32


def noise(n: int) -> list[Window]:
    """`n` windows of ten seconds at 32 kHz."""
    random = np.random.default_rng(0)
    return [Window(i, 0, 0.0, 320_000, random.uniform(-0.5, 0.5, 320_000).astype(np.float32)) for i in range(n)]


@needs_gpu
@pytest.mark.gpu
@pytest.mark.parametrize(("precision", "within"), [("fp32", 1e-4), ("bf16", 0.05), ("fp16", 0.02)])
@pytest.mark.parametrize("weights", ["everyday", "htsat:base"])
def test_a_gpu_scores_like_a_cpu(weights: str, precision: str, within: float, tmp_path: Path) -> None:
    from audiolog_cli.tagging.bench import untrained

    path = untrained(weights, tmp_path) if ":" in weights else EVERYDAY
    heard = noise(3)
    here, there = (
        load(LoadOptions(weights=str(path), device=device, precision=given))
        for device, given in (("cpu", "fp32"), ("cuda", precision))
    )
    for one, other in zip(probabilities(here, heard), probabilities(there, heard), strict=True):
        np.testing.assert_allclose(one, other, atol=within)


@needs_gpu
@pytest.mark.gpu
def test_batches_and_threads_of_a_gpu_change_nothing(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", 200)
    tables = [
        sh(f"audiolog tag --device cuda --batch-size {size} --jobs {jobs} a.wav", tmp_path)
        for size, jobs in ((1, 1), (64, 2), (5, 3))
    ]
    assert [table.code for table in tables] == [0, 0, 0], tables[0].stderr
    scores = [[float(line.split("\t")[5]) for line in table.stdout.splitlines()[1:] if "\tscene\t" in line] for table in tables]
    np.testing.assert_allclose(scores[0], scores[1], atol=2e-3)
    np.testing.assert_allclose(scores[0], scores[2], atol=2e-3)


@needs_gpu
@pytest.mark.gpu
def test_a_gpu_is_benched_in_every_precision(tmp_path: Path) -> None:
    for precision in ("fp32", "bf16", "fp16"):
        done = sh(f"audiolog bench --device cuda --precision {precision} --repeats 1 --seconds 60", tmp_path)
        assert done.code == 0, done.stderr
        assert "whole" in done.stdout
