"""Our own checkpoints: what is saved is loaded, and a file that is incomplete or does not fit its card is never used."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from audiolog_cli.errors import WeightsError
from audiolog_cli.model import checkpoint, crnn, efficientat, mobilenet
from audiolog_cli.model.checkpoint import Card, card_of, load, metadata_of, save
from audiolog_cli.model.features import FrontEnd
from audiolog_cli.weights.find import Header, read_header
from tests.layout_files import mini

SCENES, EVENTS = ("home", "street"), ("car", "dog", "siren")


def example() -> tuple[checkpoint.Network, Card]:
    network = mini(n_scenes=2, n_events=3)
    return network, Card.of(network, SCENES, EVENTS, thresholds=(0.3, 0.5, 0.25), provenance={"licence": "CC BY-NC 4.0"})


def written(folder: Path) -> Path:
    save(folder / "w.safetensors", *example())
    return folder / "w.safetensors"


def rewritten(
    path: Path,
    tensors: Callable[[dict[str, Tensor]], object] = lambda _: None,
    metadata: Callable[[dict[str, str]], object] = lambda _: None,
) -> Path:
    """The same file with its tensors or its card changed in place, the way another program might."""
    with safe_open(path, framework="pt") as file:
        held, card = {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata())  # noqa: SIM118 - it is no dict
    tensors(held)
    metadata(card)
    save_file(held, path, card)
    return path


# What comes back


@pytest.mark.parametrize(
    "network",
    [
        mini(n_scenes=2, n_events=3),
        mini(n_classes=3, n_scenes=2),
        crnn.CRNN(crnn.Config(channels=(8, 8, 8), stem=8, gru_dim=8, branch_dim=8, n_scenes=2, n_events=3)),
        mobilenet.MobileNet(mobilenet.preset("tiny", 2, 3, 5)),
    ],
    ids=["htsat", "htsat with the AudioSet head", "crnn", "mobilenet"],
)
def test_a_network_and_its_card_come_back(tmp_path: Path, network: checkpoint.Network) -> None:
    card = Card.of(network, SCENES, EVENTS, provenance={"data": "clips, 8 h", "note": "Geräusche; 声音"})
    save(tmp_path / "w.safetensors", network.eval(), card)
    found, found_card = load(tmp_path / "w.safetensors")
    assert found_card == card == load(tmp_path / "w.safetensors")[1]
    assert not found.training
    state = network.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in found.state_dict().items())
    wave = torch.rand(1, 320_000) - 0.5
    with torch.inference_mode():
        assert torch.equal(found(wave).event_logits, network(wave).event_logits)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"groups": {"outdoors": ("street", "park")}}, "'park' is in a group of scenes, and no scene"),
        ({"groups": {"home": ("street",)}}, "'home' is a scene and a group of scenes"),
        ({"sure_thresholds": (0.5,)}, "expected 3 thresholds for --sure, or none, found 1"),
        ({"scene_bar": 1.5}, "a threshold is not a number from 0 to 1"),
    ],
)
def test_a_card_that_contradicts_itself_is_not_saved(tmp_path: Path, changed: dict[str, object], message: str) -> None:
    network, card = example()
    with pytest.raises(WeightsError, match=message):
        save(tmp_path / "w.safetensors", network, replace(card, **changed))  # type: ignore[arg-type]
    good = replace(card, groups={"any": SCENES}, scene_bar=0.8, group_bar=0.9, sure_thresholds=(0.5, 0.6, 0.7))
    save(tmp_path / "w.safetensors", network, good)
    assert load(tmp_path / "w.safetensors")[1] == good


def test_a_tagger_without_scenes(tmp_path: Path) -> None:
    network = efficientat.EfficientAT(efficientat.Config(0.1, n_classes=3))
    save(tmp_path / "w.safetensors", network, Card.of(network, events=EVENTS))
    found, card = load(tmp_path / "w.safetensors")
    assert (card.architecture, card.scenes, card.front_end.n_mels) == ("efficientat", (), 128)
    assert found(torch.zeros(1, 64_000)).event_logits.shape == (1, 2, 3)


def test_half_precision_on_the_disk_is_float32_in_memory(tmp_path: Path) -> None:
    def halve(tensors: dict[str, Tensor]) -> None:
        tensors |= {name: tensor.half() for name, tensor in tensors.items() if tensor.is_floating_point()}

    network, _ = load(rewritten(written(tmp_path), halve))
    assert {tensor.dtype for tensor in network.state_dict().values()} == {torch.float32, torch.int64}


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), unique=True, min_size=3, max_size=3),
    st.lists(st.floats(0, 1), min_size=3, max_size=3),
)
def test_any_labels_and_thresholds_survive_the_metadata(events: list[str], thresholds: list[float]) -> None:
    card = Card(
        "htsat", {"n_scenes": 0, "n_events": 3}, FrontEnd(fmax=16000.0), (), tuple(events), tuple(thresholds), {"a": "b"}, 7.5
    )
    assert card_of(Path("w"), Header(metadata_of(card), {}, {})) == card


# What is refused


def drop(tensors: dict[str, Tensor]) -> None:
    del tensors["bn0.bias"], tensors["norm.bias"]


def spoil(tensors: dict[str, Tensor]) -> None:
    tensors["sed_head.bias"][1] = float("inf")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop, "bn0.bias, norm.bias are missing; get or convert the file again"),
        (lambda tensors: tensors.update(extra=torch.zeros(3)), "extra is not part of the network; get or convert the file again"),
        (lambda tensors: tensors.update({"bn0.bias": torch.zeros(65)}), "bn0.bias has shape (65,), expected (64,)"),
        (spoil, "sed_head.bias holds 1 values that are not finite; the training that made it went wrong"),
    ],
    ids=["missing", "extra", "shape", "infinite"],
)
def test_tensors_that_are_not_the_networks(tmp_path: Path, change: Callable[[dict[str, Tensor]], object], message: str) -> None:
    path = rewritten(written(tmp_path), tensors=change)
    with pytest.raises(WeightsError) as caught:
        load(path)
    assert str(caught.value) == f"{path}: {message}"
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("entry", "value", "message"),
    [
        ("events", '["car", "dog"]', "expected 3 event labels, one per output of the network, found 2"),
        ("scenes", '["a", "b", "c"]', "expected 2 scene labels, one per output of the network, found 3"),
        ("thresholds", "[0.5]", "expected 3 thresholds, one per output of the network, found 1"),
        ("thresholds", "[0.5, 2, 0.5]", "a threshold is not a number from 0 to 1"),
        ("events", '["car", "car", "dog"]', "its labels are not all different words"),
        ("window", "0", "expected a window of some seconds, found 0"),
        ("smooth", "-1", "expected seconds to average scores over, 0 or more, found -1"),
        ("smooth_scene", '"long"', "expected seconds to average scores over, 0 or more, found 'long'"),
        ("hop", "11", "expected a hop of 0 to 10 s, the window, found 11"),
        (
            "architecture",
            '"wavenet"',
            "a network of kind 'wavenet'; this program knows htsat, crnn, mobilenet, efficientat, joint, task4b: update audiolog",
        ),
        ("format_version", "2", "format version 2, this program reads 1; update audiolog"),
        ("format", "pt", "a safetensors file without audiolog's card;"),
        ("events", "[", "its card is damaged"),
        ("front_end", '{"sample_rat": 1}', "its card is damaged"),
        ("config", '{"n_scenes": 2, "n_events": 3, "depth": 1}', "its configuration does not make a network of kind htsat"),
        ("config", '{"n_scenes": 2, "n_events": 3, "heads": [3, 3, 3, 3]}', ""),  # which tensor is named first does not matter
    ],
)
def test_a_card_that_does_not_fit(tmp_path: Path, entry: str, value: str, message: str) -> None:
    path = rewritten(written(tmp_path), metadata=lambda card: card.update({entry: value}))
    with pytest.raises(WeightsError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "\n" not in str(caught.value)


def test_a_card_older_than_smoothing_does_not_smooth(tmp_path: Path) -> None:
    def older(*entries: str) -> Card:
        return load(rewritten(written(tmp_path), metadata=lambda card: [card.pop(entry) for entry in entries]))[1]

    first = older("smooth", "smooth_scene", "hop")
    assert (first.smooth, first.smooth_scene, first.hop) == (0.0, 0.0, 0.0)


def test_an_entry_of_the_card_is_missing(tmp_path: Path) -> None:
    path = rewritten(written(tmp_path), metadata=lambda card: card.pop("events"))
    with pytest.raises(WeightsError, match="its card has no entry 'events'; convert or train it again"):
        load(path)


@pytest.mark.parametrize("n_bytes", [0, 5, 8, 9, 500, -1])
def test_a_file_that_was_cut_off(tmp_path: Path, n_bytes: int) -> None:
    whole = written(tmp_path).read_bytes()
    path = tmp_path / "cut.safetensors"
    path.write_bytes(whole[:n_bytes])
    with pytest.raises(WeightsError, match=f"^{path}: "):
        load(path)


def test_bytes_after_the_end(tmp_path: Path) -> None:
    path = written(tmp_path)
    size = path.stat().st_size
    with open(path, "ab") as file:
        file.write(b"more")
    with pytest.raises(WeightsError, match=f"expected {size} bytes, found {size + 4}"):
        load(path)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b'{"a": ', "the header is damaged"),
        (b"[1, 2, 3]", "not a checkpoint"),
        (b'{"a": {"shape": [1]}}', "the header is damaged"),
    ],
)
def test_a_header_that_is_not_a_table_of_tensors(tmp_path: Path, header: bytes, message: str) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(WeightsError, match=message):
        read_header(path)


def test_the_error_for_a_pytorch_file_names_convert(tmp_path: Path) -> None:
    torch.save({}, tmp_path / "w.pt")
    with pytest.raises(
        WeightsError, match="a PyTorch file, not a checkpoint of audiolog's own format; `audiolog weights convert`"
    ):
        load(tmp_path / "w.pt")


def test_finite_weights_whose_scores_are_not(tmp_path: Path) -> None:
    def swell(tensors: dict[str, Tensor]) -> None:
        tensors["bn_sed.bias"].fill_(1e30)
        tensors["sed_head.weight"].fill_(1e30)

    network, card = load(rewritten(written(tmp_path), swell))
    with pytest.raises(WeightsError, match="its scores of events are not finite"):
        checkpoint.check_scores(tmp_path / "w.safetensors", network, card)


# Saving


def test_what_cannot_be_loaded_is_not_saved(tmp_path: Path) -> None:
    network, card = example()
    with pytest.raises(WeightsError, match="expected 3 event labels, one per output of the network, found 1"):
        save(tmp_path / "w.safetensors", network, replace(card, events=("car",)))
    with torch.no_grad():
        network.norm.bias[0] = float("nan")  # type: ignore[union-attr]
    with pytest.raises(WeightsError, match="norm.bias holds 1 values that are not finite"):
        save(tmp_path / "w.safetensors", network, card)
    assert list(tmp_path.iterdir()) == []


FULL_DISK = """
import resource, sys
from pathlib import Path
from audiolog_cli.errors import WeightsError
from tests.test_checkpoint import example
from audiolog_cli.model.checkpoint import save
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    save(Path(sys.argv[1]), *example())
except WeightsError as error:
    print(error)
"""


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(b"what was there")
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(path)],
        cwd=root,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(root)},
    )
    assert done.stdout == f"{path}: cannot be written: file too large; nothing was changed\n"
    assert path.read_bytes() == b"what was there"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot be written: no such file or directory; nothing was changed"):
        save(tmp_path / "nowhere" / "w.safetensors", *example())


def test_others_may_read_it(tmp_path: Path) -> None:
    mask = os.umask(0o022)
    try:
        assert written(tmp_path).stat().st_mode & 0o777 == 0o644
    finally:
        os.umask(mask)


def test_the_card_can_be_read_by_any_program(tmp_path: Path) -> None:
    """Metadata of safetensors, each field of the card as JSON."""
    with safe_open(written(tmp_path), framework="np") as file:
        metadata = file.metadata()
    assert (metadata["format"], metadata["format_version"]) == ("audiolog", "1")
    assert json.loads(metadata["events"]) == list(EVENTS)
    assert json.loads(metadata["front_end"])["sample_rate"] == 32000
