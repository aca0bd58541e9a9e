"""A public AudioSet tagger as teacher: what it hears in every step of a window, live, on exactly the student's input.

In: an EfficientAT checkpoint (`audiolog weights convert` makes one) and 10-s waves. Out: probabilities of its classes per step.
Its usual way of scoring seconds (averaging stretches of 1, 2 and 3 s around each) costs six times as much as one pass over the
window. Cheaper, and better on mixtures of validation clips, is the geometric mean of two scores: of 2-s stretches, which are
sharp in time, and of the window's last feature map averaged over 4.8 s, which has context. Both must hear a class.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from audiolog_cli.errors import WeightsError
from audiolog_cli.mixing.pool import STEPS, Teacher
from audiolog_cli.model import checkpoint
from audiolog_cli.model.crnn import at_positions
from audiolog_cli.model.efficientat import EfficientAT
from audiolog_cli.model.prepared import prepared

CONTEXT = 15  # columns of the feature map to average: 4.8 s
COLUMN_SECONDS = 0.32
SPAN = 2  # seconds of a stretch; one is centred on every second


def load_teacher(path: Path) -> tuple[Teacher, tuple[str, ...]]:
    """The teacher at `path` and the names of its classes; WeightsError if it is another kind of network."""
    network, card = checkpoint.load(path)
    if not isinstance(network, EfficientAT):
        raise WeightsError(f"{path}: a network of kind {card.architecture}; a teacher is an EfficientAT checkpoint")
    ready = prepared(network)
    return lambda wave: listen(ready, wave), card.events


def listen(network: EfficientAT, wave: Tensor) -> Tensor:
    """Probabilities (STEPS, n_classes) of the equal parts of a wave (n_samples,) that lasts whole seconds."""
    rate, hop = network.front_end.sample_rate, network.front_end.sample_rate // network.front_end.hop_length
    seconds = len(wave) // rate
    mel = network.mel(wave.unsqueeze(0))[..., : seconds * hop]  # (1, n_mels, frames)
    columns = network.features(mel.unsqueeze(1)).mean(dim=2)  # (1, C, T)
    context = F.avg_pool1d(columns, CONTEXT, stride=1, padding=CONTEXT // 2, count_include_pad=False)
    wide = network.classifier[2:](context[0].T).sigmoid()  # (T, n_classes)
    margin = (SPAN - 1) * hop // 2
    spans = F.pad(mel, (margin, margin), value=network.mel.silence)[0].unfold(-1, SPAN * hop, hop).transpose(0, 1)
    sharp = network.forward_features(spans)[0].sigmoid()  # (seconds, n_classes)
    centres = (torch.arange(STEPS) + 0.5) * seconds / STEPS
    return (at_positions(wide[None], centres / COLUMN_SECONDS) * at_positions(sharp[None], centres - 0.5))[0].sqrt()
