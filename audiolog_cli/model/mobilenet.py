"""MobileNetV3 for audio with AudioLog's two branches: mono waves at 32 kHz in, the same `Output` as HTS-AT's out.

The convolutions of EfficientAT (`efficientat.py`, any width) run over the log-mel spectrogram of a whole window and give a map of
4 rows and 32 steps for 10 s. The rows are averaged; a bidirectional GRU adds what came before and after; the event branch scores
each step, the scene branch the mean and the maximum over all of them. `features` and `classifier` have the published names, so
that every tensor of an EfficientAT checkpoint finds its place (`training/initial.py`); the classifier, AudioSet's head, is used
only in training, so that the network keeps what it knew. Unlike AudioLog's, the scene head reads the scene's features before they
are normalised to length 1.
"""

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from audiolog_cli.model.branches import TwoBranches
from audiolog_cli.model.efficientat import FRONT_END, class_head, convolutions
from audiolog_cli.model.features import FrontEnd, KaldiMel
from audiolog_cli.model.htsat import Output, sized, spec_augment


@dataclass(frozen=True, slots=True)
class Config:
    """The sizes of a network and which heads it has; a count of 0 leaves the head out."""

    width: float = 0.4  # of the convolutions: mn04 is 0.4, mn10 is 1.0
    gru_dim: int = 96  # per direction
    branch_dim: int = 128  # channels of the two branches and of their embeddings
    n_classes: int = 0  # AudioSet head: classes of the window as a whole
    n_scenes: int = 0  # scene branch
    n_events: int = 0  # event branch
    dropout: float = 0.1
    time_stripe: int = 64  # SpecAugment, as in HTS-AT
    mel_stripe: int = 16


PRESETS = {"mn04": Config(), "mn10": Config(width=1.0), "tiny": Config(width=0.1, gru_dim=16, branch_dim=32)}
preset = partial(sized, PRESETS)


class MobileNet(TwoBranches):
    """The network. `forward` takes waves, `forward_features` log-mel spectrograms; 32 time steps for 10 s."""

    def __init__(self, config: Config, front_end: FrontEnd = FRONT_END) -> None:
        super().__init__()
        self.config, self.front_end = config, front_end
        self.logmel_extractor = KaldiMel(front_end)
        self.features, n_map = convolutions(config.width)
        self.gru = nn.GRU(n_map, config.gru_dim, bidirectional=True, batch_first=True)
        self.dropout = nn.Dropout(config.dropout)
        if config.n_classes:
            self.classifier = class_head(n_map, config.width, config.n_classes, nn.Identity(), nn.Identity())
        self.add_branches(n_map + 2 * config.gru_dim)

    def forward_features(self, log_mel: Tensor) -> Output:
        """Score spectrograms (B, frames, n_mels) as the front-end makes them."""
        x = log_mel
        if self.training:
            x = spec_augment(x, self.config.time_stripe, self.config.mel_stripe)
        x = self.features(x.transpose(1, 2).unsqueeze(1))  # of (B, 1, mels, frames)
        steps = x.mean(dim=2).transpose(1, 2)  # (B, T, C)
        output = Output(latent=steps.mean(dim=1), steps=steps)
        if self.config.n_classes:
            output.tag_logits = output.event_logits = self.classifier(output.latent).unsqueeze(1)  # (B, 1, n_classes)
        both = self.dropout(torch.cat([steps, self.gru(steps)[0]], dim=2))  # (B, T, C + 2 * gru_dim)
        return self.branch(both, output, scores_normalised=False)
