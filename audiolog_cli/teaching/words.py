"""Words in; a checkpoint whose events are these words out: a CLAP's embeddings of sounds and of texts, combined in one file.

CLAP (Wu et al., 2023) maps sounds and texts into one space. The text tower is needed once, for the embeddings of the words;
`tag` then needs only the sound tower (HTS-AT), its projection, the temperature and those embeddings. A cosine by itself
says little, so each word competes with contrasts, texts of what is heard everywhere: its score is the softmax over itself
and them. Checkpoints are those of transformers' `ClapModel`; with and without fusion the scores are that model's (see
tests/test_words.py).
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from audiolog_cli.columns import first_repeated
from audiolog_cli.errors import UsageError, WeightsError
from audiolog_cli.host import extra
from audiolog_cli.model import checkpoint, layouts
from audiolog_cli.model.extended import Extended, Head, WordHead
from audiolog_cli.records import check_text
from audiolog_cli.tagging.hearing import Notes, resolved, samples_of, score_samples
from audiolog_cli.tagging.options import CellOptions, Job, TagOptions
from audiolog_cli.tagging.tagger import Tagger
from audiolog_cli.teaching.regression import logit, sigmoid
from audiolog_cli.terminal import first_line

CONTRASTS = (
    "silence", "background noise", "wind", "rain", "speech", "music", "traffic", "footsteps", "birds singing",
    "an engine running",
)  # fmt: skip
PROMPT = "This is a sound of {}."  # as in the evaluation of LAION-CLAP
HOP = 2.5  # seconds; a score covers 10 s, so windows overlap
STEPS = 32  # of a window, if scores cover less than all of it
WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")
SPREADS = 4.0  # a word counts from this many spreads above its median score on recordings mostly without it
MAD = 1.4826  # spread of a normal distribution in median absolute deviations


@dataclass(frozen=True, slots=True)
class WordOptions:
    """What to make a checkpoint of."""

    words: tuple[str, ...]
    contrasts: tuple[str, ...] = CONTRASTS
    span: float = 0.0  # seconds that a score covers; 0: the whole window, as CLAP was trained


def make(folder: Path, options: WordOptions) -> tuple[Extended, checkpoint.Card]:
    """Network and card that score words, from a transformers CLAP in `folder` (config.json, weights, tokenizer).

    Raises UsageError for words that cannot be labels or if the extra `clap` is missing, WeightsError for a folder without
    such a CLAP.
    """
    _check_words(options)
    weights = next((folder / name for name in WEIGHT_FILES if (folder / name).is_file()), None)
    if weights is None or not (folder / "config.json").is_file():
        raise WeightsError(
            f"{folder}: expected a CLAP as transformers saves it: config.json, {' or '.join(WEIGHT_FILES)}, a tokenizer"
        )
    activation = _config(folder).get("audio_config", {}).get("projection_hidden_act", "relu")
    if activation != "relu":
        raise WeightsError(f"{folder}: its projection uses {activation}, expected relu")
    base, card = layouts.read(weights)
    if card.provenance["layout"] != "CLAP of transformers":
        raise WeightsError(f"{weights}: a checkpoint of {card.provenance['layout']}, expected a CLAP as transformers saves it")
    head = _head(layouts.read_tensors(weights), weights, embed_texts(folder, (*options.words, *options.contrasts)), options, card)
    network = Extended(base, [head[0]])
    network.heads[0] = head[1]
    card = replace(
        card,
        events=options.words,
        thresholds=(checkpoint.DEFAULT_THRESHOLD,) * len(options.words),
        heads=(head[0],),
        hop=HOP,
        provenance=card.provenance | {"what": "words of a CLAP", "contrasts": "; ".join(options.contrasts), "prompt": PROMPT},
    )
    return network.eval(), card


def _check_words(options: WordOptions) -> None:
    if (twice := first_repeated(options.words)) is not None:
        raise UsageError(f"{twice!r} is named twice; expected different words")
    for word in options.words:
        check_text(word, "label")
        if not word.strip() or ";" in word:
            raise UsageError(f"{word!r} cannot be a label: expected some text without ;")
    if both := set(options.words) & set(options.contrasts):
        raise UsageError(f"--contrast {min(both)!r}: is one of the words; a word cannot be distinguished from itself")
    if not options.contrasts:
        raise UsageError("--contrast: expected one or more; without, a score means nothing")


def _config(folder: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{folder / 'config.json'}: cannot be read ({error})") from None
    return found


def _head(
    tensors: dict[str, Tensor], path: Path, texts: Tensor, options: WordOptions, card: checkpoint.Card
) -> tuple[Head, WordHead]:
    """A head for these texts (words, then contrasts), with the file's projection and temperature."""
    named = {f"linear{layer}.{part}": f"audio_projection.linear{layer}.{part}" for layer in (1, 2) for part in ("weight", "bias")}
    named["logit_scale"] = "logit_scale_a"
    if missing := [name for name in named.values() if name not in tensors]:
        raise WeightsError(f"{path}: no {missing[0]} in it; expected the whole ClapModel, with both towers")
    dim, n_features = tensors["audio_projection.linear1.weight"].shape
    if texts.shape[1] != dim:
        raise WeightsError(f"{path}: sounds come to {dim} dimensions, texts to {texts.shape[1]}; get the files again")
    n_words = len(options.words)
    span_steps = max(1, round(options.span * STEPS / card.window)) if 0 < options.span < card.window else 0
    config = Head("words", n_features, n_words, embedding_dim=dim, n_contrasts=len(texts) - n_words, span_steps=span_steps)
    head = WordHead(config)
    given = {ours: tensors[theirs].float() for ours, theirs in named.items()}
    head.load_state_dict(given | {"words": texts[:n_words], "contrasts": texts[n_words:]})
    return config, head


@torch.inference_mode()
def embed_texts(folder: Path, texts: Sequence[str]) -> Tensor:
    """Unit vectors (n, dim) of the texts, each put into PROMPT, from transformers' own tokenizer and text tower."""
    with extra("clap", "weights words"):
        from transformers import AutoTokenizer, ClapTextModelWithProjection
        from transformers.utils import logging
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        tower = ClapTextModelWithProjection.from_pretrained(folder, local_files_only=True).eval().float()
    except (OSError, ValueError, KeyError) as error:
        raise WeightsError(
            f"{folder}: its texts cannot be read ({first_line(error)}); expected config.json and a tokenizer beside the weights"
        ) from None
    tokens = tokenizer([PROMPT.format(text) for text in texts], padding=True, return_tensors="pt")
    embeddings: Tensor = tower(tokens["input_ids"], attention_mask=tokens["attention_mask"]).text_embeds
    return F.normalize(embeddings, dim=-1).clone()


# Thresholds from sound that is mostly something else


def calibrated(tagger: Tagger, recordings: Sequence[str], say: Callable[[str], None]) -> tuple[float, ...]:
    """A threshold for each event, from its scores in every second of recordings mostly without it.

    Middle and spread of the logits are medians, which the few seconds with the sound hardly move.
    """
    notes = Notes(say)
    plan = resolved(tagger.card, TagOptions(cells=CellOptions(smooth=0.0)))
    cells = (cell for name in recordings for cell in score_samples(tagger, plan, Job(name), samples_of(name, plan, notes), notes))
    logits = logit(np.stack([cell.events for cell in cells]))
    middle = np.median(logits, axis=0)
    spread = MAD * np.median(np.abs(logits - middle), axis=0)
    thresholds = sigmoid(middle + SPREADS * np.maximum(spread, 0.1))
    return tuple(round(float(threshold), 4) for threshold in thresholds)
