"""The teacher of windows: its shapes, its speed-up that changes nothing, and what it hears with the published weights."""

from pathlib import Path

import numpy as np
import pytest
import torch

from audiolog_cli.errors import RecordError, WeightsError
from audiolog_cli.mixing import teacher
from audiolog_cli.mixing.production import read_mapping
from audiolog_cli.model import checkpoint, efficientat, layouts
from audiolog_cli.model.efficientat import EfficientAT
from audiolog_cli.model.networks import new_network
from audiolog_cli.model.prepared import prepared
from tests.sounds import tone


@pytest.fixture(scope="module")
def small() -> EfficientAT:
    torch.manual_seed(0)
    network = EfficientAT(efficientat.Config(width=0.1, n_classes=5))
    for module in network.modules():  # as if it had been trained: norms that do something
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.running_mean, std=0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
    return network.eval()


def test_the_inference_copy_teaches_the_same(small: EfficientAT) -> None:
    wave = torch.from_numpy(tone(500, 4.0))
    with torch.inference_mode():
        assert torch.allclose(teacher.listen(small, wave), teacher.listen(prepared(small), wave), atol=1e-5)


def test_opinion_has_a_row_for_every_step_and_is_a_probability(small: EfficientAT) -> None:
    with torch.inference_mode():
        opinion = teacher.listen(small, torch.from_numpy(tone(500, 10.0)))
    assert opinion.shape == (32, 5)
    assert ((opinion >= 0) & (opinion <= 1)).all()


def test_only_a_tagger_can_teach(tmp_path: Path) -> None:
    network = new_network("crnn", "tiny", 1, 1)
    checkpoint.save(tmp_path / "own.safetensors", network, checkpoint.Card.of(network, ("a",), ("b",)))
    with pytest.raises(WeightsError, match="a network of kind crnn; a teacher is an EfficientAT checkpoint"):
        teacher.load_teacher(tmp_path / "own.safetensors")


def test_the_published_tagger_hears_a_rooster_where_it_crows(shared: Path) -> None:
    from audiolog_cli.sound import audio

    network, card = layouts.read(shared / "data" / "teacher" / "mn04_as_mAP_432.pt")
    example = Path(__file__).resolve().parents[1] / "examples" / "farm_morning.flac"
    with torch.inference_mode():
        opinion = teacher.listen(prepared(network), torch.from_numpy(audio.whole(example)[: 10 * audio.SAMPLE_RATE]))
    crowing = opinion[:, card.events.index("Crowing, cock-a-doodle-doo")].numpy()
    centres = (np.arange(32) + 0.5) * 10 / 32
    assert 6.0 <= centres[crowing.argmax()] <= 8.0  # examples/farm_morning.events.tsv
    assert crowing.max() > 0.3
    assert crowing[centres < 4.5].max() < 0.05


def test_mapping_names_what_is_missing(tmp_path: Path) -> None:
    table = tmp_path / "map.tsv"
    table.write_text("event_label\taudioset\ndog_bark\tDog | Bark\n")
    assert read_mapping(table, ("dog_bark",), ("Dog", "Cat", "Bark")) == {"dog_bark": ("Dog", "Bark")}
    with pytest.raises(RecordError, match="map.tsv: no line for the event cow"):
        read_mapping(table, ("dog_bark", "cow"), ("Dog", "Bark"))
    with pytest.raises(RecordError, match="map.tsv: dog_bark: the teacher has no class 'Bark'"):
        read_mapping(table, ("dog_bark",), ("Dog",))
