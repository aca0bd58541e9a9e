"""Checkpoints of other projects: each layout's file gives the network that it was made of; other files are refused."""

import json
import os
import zipfile
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from audiolog_cli.errors import WeightsError
from audiolog_cli.model import checkpoint, efficientat, htsat, layouts
from audiolog_cli.model.features import FRONT_END, FrontEnd
from audiolog_cli.model.htsat import HTSAT, preset
from audiolog_cli.training import initial
from audiolog_cli.weights import labels
from audiolog_cli.weights.labels import LabelList
from tests.layout_files import mini, original, prefixed, saved, transformers
from tests.parity import digest, projections, published

WORDS = LabelList(("home", "street"), ("car", "dog", "siren"))
SEVEN = LabelList((), tuple("abcdefg"))


def log_mels() -> Tensor:
    return torch.rand(2, 1001, 64, generator=torch.Generator().manual_seed(1)) * 60 - 80


def same(found: Any, expected: HTSAT) -> bool:
    """Whether both networks say exactly the same of two spectrograms."""
    with torch.inference_mode():
        one, other = found.forward_features(log_mels()), expected.forward_features(log_mels())
    return all(
        (getattr(one, name) is None) == (getattr(other, name) is None)
        and (getattr(one, name) is None or torch.equal(getattr(one, name), getattr(other, name)))
        for name in ("latent", "scene_logits", "event_logits", "tag_logits")
    )


# Every layout, small


def test_htsat_of_lightning(tmp_path: Path) -> None:
    """Behind `sed_model.`, with an optimizer, bookkeeping, and the head that nothing uses."""
    network = mini(n_classes=7)
    content = {
        "epoch": 9,
        "state_dict": prefixed(original(network, with_head=True), "sed_model."),
        "optimizer_states": [{"lr": 1e-4}],
    }
    found, card = layouts.read(saved(tmp_path / "saved.ckpt", content), SEVEN)
    assert same(found, network)
    assert (card.scenes, card.events, set(card.thresholds)) == ((), SEVEN.events, {0.2})
    assert card.provenance == {"layout": "HTS-AT", "file": "saved.ckpt"}
    assert card.front_end == FRONT_END


def test_audiolog(tmp_path: Path) -> None:
    network = mini(n_scenes=2, n_events=3)
    found, card = layouts.read(saved(tmp_path / "htsat_pretrain.pth", original(network)), WORDS)
    assert same(found, network)
    assert (card.scenes, card.events, card.thresholds) == (WORDS.scenes, WORDS.events, (0.5, 0.5, 0.5))
    assert card.provenance["layout"] == "AudioLog"


@pytest.mark.parametrize("prefix", ["audio_branch.", "module.audio_branch."])
def test_laion_clap(tmp_path: Path, prefix: str) -> None:
    network = mini()
    heads = {
        name: tensor for name, tensor in original(mini(n_classes=7), with_head=True).items() if name.startswith(("tscam", "head"))
    }
    content = prefixed(original(network) | heads, prefix) | {
        "module.text_branch.pooler.weight": torch.zeros(3),
        "logit_scale_a": torch.ones(()),
    }
    found, card = layouts.read(saved(tmp_path / "clap.pt", {"state_dict": content}))
    assert same(found, network)
    assert (card.scenes, card.events, card.front_end.sample_rate, card.front_end.hop_length) == ((), (), 48000, 480)


def test_msclap(tmp_path: Path) -> None:
    network = mini()
    content = prefixed(original(network), "audio_encoder.base.htsat.") | {
        "audio_encoder.projection.linear1.weight": torch.zeros(3)
    }
    found, card = layouts.read(saved(tmp_path / "CLAP_weights_2023.pth", {"model": content}))
    assert same(found, network)
    assert (card.front_end.sample_rate, card.window) == (44100, 7.0)


@pytest.mark.parametrize("kind", ["bin", "safetensors"])
def test_clap_of_transformers(tmp_path: Path, kind: str) -> None:
    network = mini()
    content = transformers(network) | {"text_model.pooler.dense.weight": torch.zeros(3)}
    if kind == "bin":
        path = saved(tmp_path / "pytorch_model.bin", content)
    else:
        path = tmp_path / "model.safetensors"
        save_file(content, path, {"format": "pt"})
    found, card = layouts.read(path)
    assert same(found, network)
    assert card.provenance["layout"] == "CLAP of transformers"


@pytest.mark.parametrize("width", [0.1, 0.5, 1.0])
def test_efficientat_of_any_width(tmp_path: Path, width: float) -> None:
    torch.manual_seed(0)
    network = efficientat.EfficientAT(efficientat.Config(width, n_classes=7)).eval()
    found, card = layouts.read(saved(tmp_path / "mn_as.pt", network.state_dict()), SEVEN)
    wave = torch.rand(1, 32000) - 0.5
    with torch.inference_mode():
        assert torch.equal(found(wave).event_logits, network(wave).event_logits)
    assert (card.config["width"], card.events) == (width, SEVEN.events)


def test_the_files_own_filter_bank_is_honoured(tmp_path: Path) -> None:
    """Whatever a configuration says: a network trained up to 16 kHz hears up to 16 kHz, a bank of one's own stays."""
    for name, fmax in (("published", 16000.0), ("own", 12345.0)):
        network = HTSAT(mini(n_classes=7).config, FrontEnd(fmax=fmax))
        content = {"state_dict": prefixed(original(network), "sed_model.")}
        found, card = layouts.read(saved(tmp_path / f"{name}.ckpt", content), SEVEN)
        assert torch.equal(found.state_dict()["logmel_extractor.melW"], network.logmel_extractor.melW)
        assert card.front_end.fmax == (fmax if name == "published" else FRONT_END.fmax)


def test_a_converted_checkpoint_scores_as_the_published_one(tmp_path: Path) -> None:
    network = mini(n_scenes=2, n_events=3)
    found, card = layouts.read(saved(tmp_path / "published.pth", original(network)), WORDS)
    checkpoint.save(tmp_path / "own.safetensors", found, card)
    again, card_again = checkpoint.load(tmp_path / "own.safetensors")
    assert same(again, network)
    assert card_again == card


# What is refused


def changed(change: str) -> dict[str, Tensor]:
    content = prefixed(original(mini(n_classes=7)), "sed_model.")
    key = "sed_model.layers.0.blocks.0.mlp.fc1.weight"
    if change == "missing":
        del content[key]
    elif change == "extra":
        content["sed_model.layers.0.blocks.0.mlp.fc3.weight"] = torch.zeros(3)
    elif change == "shape":
        content[key] = torch.zeros(32, 9)
    elif change == "nan":
        content[key] = content[key].clone()
        content[key][3, 1:3] = float("nan")
    return content


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("missing", "layers.0.blocks.0.mlp.fc1.weight is missing"),
        ("extra", "layers.0.blocks.0.mlp.fc3.weight is not part of the network"),
        ("shape", "layers.0.blocks.0.mlp.fc1.weight has shape (32, 9), expected (32, 8)"),
        ("nan", "layers.0.blocks.0.mlp.fc1.weight holds 2 values that are not finite"),
    ],
)
def test_a_tensor_that_is_wrong_is_named(tmp_path: Path, change: str, message: str) -> None:
    path = saved(tmp_path / "x.ckpt", {"state_dict": changed(change)})
    with pytest.raises(WeightsError) as caught:
        layouts.read(path, SEVEN)
    assert str(caught.value).startswith(f"{path}: {message}")


def test_labels_of_the_wrong_count(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.pth", original(mini(n_scenes=2, n_events=3)))
    with pytest.raises(
        WeightsError, match="scores 2 scenes and 3 events, and no published label list has these sizes; name its labels with"
    ):
        layouts.read(path)
    with pytest.raises(WeightsError, match="expected labels for 2 scenes and 3 events, found 4 and 25 in the list given"):
        layouts.read(path, labels.TUT)


def test_an_unknown_layout_says_what_was_tried(tmp_path: Path) -> None:
    path = saved(tmp_path / "resnet.pth", {"conv1.weight": torch.zeros(3), "fc.weight": torch.zeros(3)})
    with pytest.raises(WeightsError) as caught:
        layouts.read(path)
    assert str(caught.value) == (
        f"{path}: of no known layout; tried AudioLog (no asc_head.weight), HTS-AT (no sed_model.patch_embed.proj.weight),"
        " EfficientAT (no features.0.0.weight), LAION-CLAP (no audio_branch.patch_embed.proj.weight),"
        " msclap (no audio_encoder.base.htsat.patch_embed.proj.weight),"
        " CLAP of transformers (no audio_model.audio_encoder.patch_embed.proj.weight); the file has conv1.weight, fc.weight, ..."
    )


def test_clap_with_feature_fusion_is_another_network(tmp_path: Path) -> None:
    content = prefixed(original(mini()), "audio_branch.") | {"audio_branch.patch_embed.mel_conv2d.weight": torch.zeros(3)}
    with pytest.raises(WeightsError, match="a CLAP with feature fusion"):
        layouts.read(saved(tmp_path / "fused.pt", content))


class Trap:
    """Pickled, it asks to run a command when it is read."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (self.command,)


@pytest.mark.parametrize("is_zip", [True, False], ids=["zip", "old pickle"])
def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path, is_zip: bool) -> None:
    content = {"state_dict": changed(""), "callback": Trap(f"touch {tmp_path}/ran")}
    torch.save(content, tmp_path / "trap.ckpt", _use_new_zipfile_serialization=is_zip)
    with pytest.raises(WeightsError, match=r"refused: reading it would run (posix|nt|os)\.system"):
        layouts.read(tmp_path / "trap.ckpt", SEVEN)
    assert not (tmp_path / "ran").exists()


def test_bookkeeping_of_training_programs_is_skipped_unread(tmp_path: Path) -> None:
    """NumPy's numbers and argparse's options are in many files; they are replaced by placeholders, not constructed."""
    content = {"state_dict": changed(""), "hyper_parameters": Namespace(lr=1e-4), "best": np.float64(0.47), "seen": np.arange(3)}
    found, _ = layouts.read(saved(tmp_path / "x.ckpt", content), SEVEN)
    assert same(found, mini(n_classes=7))


def not_a_checkpoint(folder: Path, kind: str) -> Path:
    path = folder / kind
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("readme.txt", "no tensors here")
    elif kind == "text":
        path.write_text("no tensors here\n")
    elif kind == "empty":
        path.touch()
    elif kind == "cut":
        whole = saved(folder / "whole", {"state_dict": changed("")}).read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
    elif kind == "cut_safetensors":
        save_file(transformers(mini()), folder / "whole")
        path.write_bytes((folder / "whole").read_bytes()[:-100])
    elif kind == "list":
        saved(path, [torch.zeros(3)])
    elif kind == "folder":
        path.mkdir()
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "cannot be read: no such file or directory"),
        ("folder", "cannot be read: is a directory"),
        ("empty", "not a PyTorch file: expected a zip archive or a pickle, found"),
        ("text", "not a PyTorch file: expected a zip archive or a pickle, found"),
        ("zip", "damaged, or not a PyTorch file"),
        ("cut", "damaged, or not a PyTorch file"),
        ("cut_safetensors", "the file is damaged: expected"),
        ("list", "holds no tensors by name, expected a checkpoint"),
    ],
)
def test_what_is_not_a_checkpoint(tmp_path: Path, kind: str, message: str) -> None:
    path = not_a_checkpoint(tmp_path, kind)
    with pytest.raises(WeightsError) as caught:
        layouts.read(path)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "\n" not in str(caught.value)


def test_our_own_format_needs_no_conversion(tiny_weights: Path) -> None:
    with pytest.raises(WeightsError, match="is a checkpoint of audiolog already"):
        layouts.read(tiny_weights)


# Fine-tuning's start


def test_a_backbone_is_taken_from_any_layout_and_accounted_for(tmp_path: Path) -> None:
    published = mini(n_classes=7)
    path = saved(tmp_path / "saved.ckpt", {"state_dict": prefixed(original(published), "sed_model.")})
    network = mini(n_scenes=2, n_events=3)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.raises(WeightsError, match="no published label list"):
        initial.take(network, path)  # of 7 classes nobody knows the labels; those of 527 are known
    checkpoint.save(tmp_path / "own.safetensors", *layouts.read(path, SEVEN))
    report = initial.take(network, tmp_path / "own.safetensors")
    after, source = network.state_dict(), published.state_dict()
    assert set(report.taken) | set(report.new) == set(after)
    assert set(report.left) == {"tscam_conv.weight", "tscam_conv.bias"}
    assert all(torch.equal(after[name], source[name]) for name in report.taken)
    assert all(torch.equal(after[name], before[name]) for name in report.new)
    assert {name.split(".")[0] for name in report.new} == {
        "tscam_conv_sed", "bn_sed", "sed_proj", "sed_head", "tscam_conv_asc", "bn_asc", "asc_head", "logit_scale"
    }  # fmt: skip
    assert str(report).splitlines()[1:] == [
        "new: logit_scale: 1, tscam_conv_sed: 2, bn_sed: 5, sed_proj: 2, sed_head: 2, tscam_conv_asc: 2, bn_asc: 5, asc_head: 2",
        "left: tscam_conv: 2",
    ]


def test_last_layers_are_taken_only_for_the_same_labels(tmp_path: Path) -> None:
    """Three events of another task are not these three."""
    path = tmp_path / "a.safetensors"
    checkpoint.save(path, *layouts.read(saved(tmp_path / "a.pth", original(mini(n_scenes=2, n_events=3))), WORDS))
    other = initial.take(mini(n_scenes=2, n_events=3), path, WORDS.scenes, ("cat", "cow", "hen"))
    assert other.new == other.left == ("sed_head.weight", "sed_head.bias")
    assert initial.take(mini(n_scenes=2, n_events=3), path, WORDS.scenes, WORDS.events).new == ()


def test_a_filter_bank_of_another_sample_rate_is_not_taken(tmp_path: Path) -> None:
    report = initial.take(mini(), saved(tmp_path / "clap.pt", prefixed(original(mini()), "audio_branch.")))
    assert report.new == ("logmel_extractor.melW",)


def test_a_backbone_of_other_sizes_does_not_fit(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = efficientat.EfficientAT(efficientat.Config(0.1, n_classes=7))
    with pytest.raises(WeightsError, match="no tensor fits this network"):
        initial.take(network, saved(tmp_path / "clap.pt", prefixed(original(mini()), "audio_branch.")))


# The published sizes; that such networks score as the reference does is in test_htsat.py


def shapes(tensors: dict[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def base(front_end: FrontEnd = FRONT_END, **heads: int) -> HTSAT:
    """A network of the published size, every tensor of it random: none can take another's place unnoticed."""
    torch.manual_seed(0)
    network = HTSAT(preset("base", **heads), front_end)
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point() and not name.startswith("logmel_extractor"):
            tensor.uniform_(-1, 1)
    return network


def same_tensors(found: nn.Module, expected: nn.Module) -> bool:
    tensors = expected.state_dict()
    return all(torch.equal(value, tensors[name]) for name, value in found.state_dict().items())


def test_the_audioset_checkpoint_is_read_whole(tmp_path: Path) -> None:
    made = base(n_classes=527)
    content = prefixed(original(made, with_head=True), "sed_model.")
    assert digest(shapes(content)) == published("a_htsat_audioset_lightning")
    network, card = layouts.read(saved(tmp_path / "HTSAT_AudioSet_Saved_1.ckpt", {"state_dict": content}))
    assert same_tensors(network, made)
    assert card.events[0] == "Speech" and len(card.events) == 527


def test_audiologs_checkpoint_is_read_whole(tmp_path: Path) -> None:
    made = base(FrontEnd(fmax=16000.0), n_scenes=5, n_events=11)
    content = original(made)
    assert digest(shapes(content)) == published("b_audiolog_2023T4")
    network, card = layouts.read(saved(tmp_path / "htsat_pretrain.pth", content))
    assert same_tensors(network, made)
    assert (card.scenes, card.events, card.front_end.fmax) == (labels.MAESTRO.scenes, labels.MAESTRO.events, 16000.0)


def test_audiologs_other_checkpoint_has_the_labels_of_tut(tmp_path: Path) -> None:
    content = original(base(n_scenes=4, n_events=25))
    assert digest(shapes(content)) == published("b_audiolog_2016-17TUT")
    _, card = layouts.read(saved(tmp_path / "htsat_pretrain.pth", content))
    assert (card.scenes, card.events) == (labels.TUT.scenes, labels.TUT.events)


@pytest.mark.parametrize("layout", ["c_hf_clap_unfused", "d_laion_clap_HTSAT-tiny", "d_msclap_2023"])
def test_clap_backbones_are_read_whole(tmp_path: Path, layout: str) -> None:
    """Whatever the file calls its tensors, they become HTS-AT's."""
    made = base(n_classes=527)
    if layout.startswith("c"):
        content = transformers(made)
    else:
        content = prefixed(original(made, with_head=True), "audio_branch." if "laion" in layout else "audio_encoder.base.htsat.")
    content |= {name: torch.zeros(shape) for name, shape in projections(layout).items()}
    assert digest(shapes(content)) == published(layout)
    network, _ = layouts.read(saved(tmp_path / "clap.pt", content))
    assert isinstance(network, HTSAT)
    network.logmel_extractor, made.logmel_extractor = nn.Identity(), nn.Identity()  # a CLAP has another sample rate
    assert same_tensors(network, made)


def test_the_larger_laion_clap_is_recognised(shared: Path) -> None:
    entries = json.loads((shared / "parity" / "keys" / "d_laion_clap_HTSAT-base.json").read_text())["keys"]
    tensors = {name: torch.empty(entry["shape"]) for name, entry in entries.items()}
    layout, own = layouts.recognise(Path("clap.pt"), tensors)
    assert layout.name == "LAION-CLAP"
    assert layouts.sizes_of(Path("clap.pt"), own) == htsat.Config(128, (2, 2, 12, 2), (4, 8, 16, 32))


def test_the_published_efficientat_has_the_published_labels(shared: Path) -> None:
    _, card = layouts.read(shared / "data" / "teacher" / "mn04_as_mAP_432.pt")
    assert list(card.events) == (shared / "data" / "teacher" / "labels.txt").read_text().splitlines()


@pytest.mark.filterwarnings("ignore")
def test_equals_the_clap_of_transformers_itself(tmp_path: Path) -> None:
    library = pytest.importorskip("transformers", reason="transformers is not installed")
    sizes = {"patch_embeds_hidden_size": 8, "depths": [1, 2, 1, 1], "num_attention_heads": [1, 2, 2, 4], "hidden_size": 64}
    torch.manual_seed(0)
    theirs = library.ClapAudioModel(library.ClapAudioConfig(**sizes)).eval()
    network, _ = layouts.read(saved(tmp_path / "pytorch_model.bin", prefixed(theirs.state_dict(), "audio_model.")))
    assert isinstance(network, HTSAT)
    with torch.inference_mode():
        expected = theirs(input_features=log_mels().unsqueeze(1)).pooler_output
        assert (network.forward_features(log_mels()).latent - expected).abs().max() < 1e-5
