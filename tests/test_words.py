"""Words made into events by a CLAP: the scores are those of transformers' own model, with random weights."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from audiolog_cli.errors import UsageError, WeightsError
from audiolog_cli.model import checkpoint
from audiolog_cli.model.extended import Head, WordHead
from audiolog_cli.teaching.words import PROMPT, WordOptions, make
from tests.audio_files import noise, write_wav
from tests.shell import audiolog

transformers = pytest.importorskip("transformers")

WORDS, CONTRASTS = ("chainsaw", "rifle shot"), ("silence", "wind", "speech")


def clap(folder: Path, fusion: bool = False) -> Path:
    """A ClapModel of random weights as transformers saves it, with its tokenizer and feature extractor."""
    from transformers import ClapAudioConfig, ClapConfig, ClapFeatureExtractor, ClapModel, ClapTextConfig, RobertaTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()
    folder.mkdir()
    letters = [chr(code) for code in range(33, 127)] + ["Ġ"]
    vocabulary = {token: index for index, token in enumerate(["<s>", "<pad>", "</s>", "<unk>", "<mask>", *letters])}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    RobertaTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    text = ClapTextConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        projection_dim=48,
    )
    sound = ClapAudioConfig(
        hidden_size=64, patch_embeds_hidden_size=8, depths=[1, 2, 1, 1], num_attention_heads=[1, 2, 2, 4], projection_dim=48,
        enable_fusion=fusion, fusion_type="aff_2d" if fusion else None, num_mel_bins=64, spec_size=256, window_size=8,
    )  # fmt: skip
    model = ClapModel(ClapConfig(text_config=text.to_dict(), audio_config=sound.to_dict(), projection_dim=48)).eval()
    with torch.no_grad():
        for name, tensor in model.named_buffers():
            if name.endswith(("running_mean", "running_var")):
                tensor.uniform_(0.5, 1.5)
        for parameter in model.audio_projection.parameters():
            parameter.normal_(0, 0.3)  # so that sounds differ
    model.save_pretrained(folder)
    ClapFeatureExtractor(frequency_min=50, truncation="fusion" if fusion else "rand_trunc").save_pretrained(folder)
    return folder


@pytest.mark.parametrize("fusion", [False, True], ids=["unfused", "fused"])
def test_scores_are_those_of_transformers(tmp_path: Path, fusion: bool) -> None:
    from transformers import AutoTokenizer, ClapFeatureExtractor, ClapModel

    folder = clap(tmp_path / "clap", fusion)
    network, card = make(folder, WordOptions(WORDS, CONTRASTS))
    model = ClapModel.from_pretrained(folder).eval()
    waves = [noise(10.0, 48000, 0.1, seed=seed) for seed in range(2)]
    extractor = ClapFeatureExtractor.from_pretrained(folder)
    sound = extractor(waves, sampling_rate=48000, return_tensors="pt")
    tokens = AutoTokenizer.from_pretrained(folder)(
        [PROMPT.format(text) for text in (*WORDS, *CONTRASTS)], padding=True, return_tensors="pt"
    )
    with torch.inference_mode():
        theirs = model(
            input_features=sound["input_features"].float(), is_longer=torch.zeros(2, 1, dtype=torch.bool),
            input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"],
        )  # fmt: skip
        ours = network(torch.from_numpy(np.stack(waves)))
        embedding = network.heads[0].embed(network.base(torch.from_numpy(np.stack(waves))).steps)[:, 0]
    assert (embedding - theirs.audio_embeds).abs().max() < 1e-5
    assert (torch.cat([network.heads[0].words, network.heads[0].contrasts]) - theirs.text_embeds).abs().max() < 1e-5
    # for each word, the softmax over itself and the contrasts
    for index in range(len(WORDS)):
        choice = theirs.logits_per_audio[:, [index, 2, 3, 4]].softmax(dim=1)[:, 0]
        assert (ours.event_logits[:, 0, index].sigmoid() - choice).abs().max() < 1e-5
    assert card.events == WORDS and card.scenes == ()


def test_a_word_is_held_against_the_contrasts_alone() -> None:
    head = WordHead(Head("words", n_features=2, n_events=2, embedding_dim=2, n_contrasts=1))
    eye = torch.eye(2)
    head.load_state_dict(
        {"linear1.weight": eye, "linear1.bias": torch.zeros(2), "linear2.weight": eye, "linear2.bias": torch.zeros(2),
         "words": torch.tensor([[1.0, 0.0], [0.6, 0.8]]), "contrasts": torch.tensor([[0.0, 1.0]]),
         "logit_scale": torch.tensor(10.0).log()}
    )  # fmt: skip
    steps = torch.tensor([[[5.0, 0.0], [5.0, 0.0]]])  # the sound is the first word, in all steps
    logits, scenes = head(steps)
    assert torch.allclose(logits, torch.tensor([[[10.0, 6.0]]])) and scenes.shape == (1, 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("words")
    clap(folder / "clap")
    write_wav(folder / "yard.wav", noise(20.0, 48000, 0.1), 48000)
    return folder


def test_from_words_to_a_table(folder: Path) -> None:
    done = audiolog('weights words ./clap "chainsaw" "rifle shot" --calibrate yard.wav --out forest.safetensors', folder)
    assert (done.code, done.stdout) == (0, ""), done.stderr
    assert "forest.safetensors: htsat" in done.stderr and "0 scenes, 2 events" in done.stderr
    card = checkpoint.load(folder / "forest.safetensors")[1]
    assert card.events == ("chainsaw", "rifle shot") and card.thresholds != (0.5, 0.5)
    done = audiolog("tag yard.wav --weights forest.safetensors --threshold 0", folder)
    assert done.code == 0 and done.stdout.count("\tevent\trifle shot\t") == 20


def test_scores_of_less_than_a_window(folder: Path) -> None:
    network, _ = make(folder / "clap", WordOptions(WORDS, CONTRASTS, span=1.0))
    logits = network(torch.from_numpy(noise(10.0, 48000, 0.1))[None]).event_logits
    assert logits.shape == (1, 32, 2) and logits.std(dim=1).min() > 0


def test_words_that_cannot_be_labels(folder: Path) -> None:
    for words, said in (
        (("a;b",), "'a;b' cannot be a label"),
        (("a", "a"), "'a' is named twice"),
        (("wind",), "--contrast 'wind': is one of the words"),
    ):
        with pytest.raises(UsageError, match=said):
            make(folder / "clap", WordOptions(words))


def test_a_folder_that_holds_no_clap(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="expected a CLAP as transformers saves it: config.json"):
        make(tmp_path, WordOptions(WORDS))
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes((folder / "clap" / "model.safetensors").read_bytes())
    with pytest.raises(WeightsError, match="its texts cannot be read"):
        make(tmp_path, WordOptions(WORDS))
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(WeightsError, match=r"config.json: cannot be read"):
        make(tmp_path, WordOptions(WORDS))
