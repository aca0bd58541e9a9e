"""MobileNetV3 for audio with AudioLog's two branches: mono waves at 32 kHz in, the same `Output` as HTS-AT's out.

The convolutions of EfficientAT (`efficientat.py`, any width) run over the log-mel spectrogram of a whole window and give a map of
4 rows and 32 steps for 10 s. The rows are averaged; a bidirectional GRU adds what came before and after; the event branch scores
each step, the scene branch the mean and the maximum over all of them. `features` and `classifier` have the published names, so
that every tensor of an EfficientAT checkpoint finds its place (`training/initial.py`); the classifier, AudioSet's head, is used
only in training, so that the network keeps what it knew. Unlike AudioLog's, the scene head reads the scene's features before they
are normalised to length 1.
"""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from audiolog_cli.model import efficientat
from audiolog_cli.model.efficientat import BLOCKS, FRONT_END, LAST_EXPANSION, STEM_CHANNELS, WIDTH_OF_HIDDEN, scaled
from audiolog_cli.model.features import FrontEnd, KaldiMel
from audiolog_cli.model.htsat import INITIAL_LOGIT_SCALE, Output, spec_augment

RARE = -4.0  # initial bias of the events, 2 %: most are absent most of the time, which need not be learned


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


def preset(name: str, n_scenes: int = 0, n_events: int = 0, n_classes: int = 0) -> Config:
    """The preset of that name with these heads; KeyError if there is none."""
    return replace(PRESETS[name], n_scenes=n_scenes, n_events=n_events, n_classes=n_classes)


class MobileNet(nn.Module):
    """The network. `forward` takes waves, `forward_features` log-mel spectrograms; 32 time steps for 10 s."""

    def __init__(self, config: Config, front_end: FrontEnd = FRONT_END) -> None:
        super().__init__()
        self.config, self.front_end = config, front_end
        self.logmel_extractor = KaldiMel(front_end)
        last = scaled(BLOCKS[-1].channels, config.width)
        before = [STEM_CHANNELS, *(block.channels for block in BLOCKS)]
        self.features = nn.Sequential(
            efficientat.convolution(1, scaled(STEM_CHANNELS, config.width), 3, stride=2, activation=nn.Hardswish),
            *(efficientat.InvertedResidual(n, block, config.width) for n, block in zip(before, BLOCKS, strict=False)),
            efficientat.convolution(last, LAST_EXPANSION * last, 1, activation=nn.Hardswish),
        )
        n_map = LAST_EXPANSION * last
        n_features = n_map + 2 * config.gru_dim
        self.gru = nn.GRU(n_map, config.gru_dim, bidirectional=True, batch_first=True)
        self.dropout = nn.Dropout(config.dropout)
        if config.n_classes:
            hidden = scaled(WIDTH_OF_HIDDEN, config.width)
            self.classifier = nn.Sequential(  # numbered as published: the first two pool the map
                nn.Identity(),
                nn.Identity(),
                nn.Linear(n_map, hidden),
                nn.Hardswish(),
                nn.Dropout(0.2),
                nn.Linear(hidden, config.n_classes),
            )
        if config.n_events:
            self.sed_conv = nn.Conv1d(n_features, config.branch_dim, 3, padding=1, bias=False)
            self.bn_sed = nn.BatchNorm1d(config.branch_dim)
            self.sed_proj = nn.Linear(config.branch_dim, config.branch_dim)
            self.sed_head = nn.Linear(config.branch_dim, config.n_events)
            nn.init.constant_(self.sed_head.bias, RARE)
        if config.n_scenes:
            self.asc_proj = nn.Linear(2 * n_features, config.branch_dim, bias=False)
            self.bn_asc = nn.BatchNorm1d(config.branch_dim)
            self.asc_head = nn.Linear(config.branch_dim, config.n_scenes)
        if config.n_scenes and config.n_events:
            self.logit_scale = nn.Parameter(torch.tensor(INITIAL_LOGIT_SCALE))

    def forward(self, wave: Tensor) -> Output:
        """Score waves (B, n_samples) at the front-end's sample rate."""
        return self.forward_features(self.logmel_extractor(wave))

    def forward_features(self, log_mel: Tensor) -> Output:
        """Score spectrograms (B, frames, n_mels) as the front-end makes them."""
        x = log_mel
        if self.training:
            x = spec_augment(x, self.config.time_stripe, self.config.mel_stripe)
        x = x.transpose(1, 2).unsqueeze(1).to(next(self.features.parameters()).dtype)  # (B, 1, mels, frames)
        x = self.features[0](x).contiguous(memory_format=torch.channels_last)  # one channel has no order, so it comes after
        steps = self.features[1:](x).mean(dim=2).transpose(1, 2)  # (B, T, C)
        output = Output(latent=steps.mean(dim=1), steps=steps)
        if self.config.n_classes:
            output.tag_logits = output.event_logits = self.classifier(output.latent).unsqueeze(1)  # (B, 1, n_classes)
        both = self.dropout(torch.cat([steps, self.gru(steps)[0]], dim=2))  # (B, T, C + 2 * gru_dim)
        if self.config.n_events:
            frames = F.relu(self.bn_sed(self.sed_conv(both.transpose(1, 2))))  # (B, branch_dim, T)
            output.event_embedding = F.normalize(self.sed_proj(frames.mean(dim=2)), dim=-1)
            output.event_logits = self.sed_head(frames.transpose(1, 2))
        if self.config.n_scenes:
            scene = F.relu(self.bn_asc(self.asc_proj(torch.cat([both.mean(dim=1), both.amax(dim=1)], dim=1))))
            output.scene_embedding = F.normalize(scene, dim=-1)
            output.scene_logits = self.asc_head(scene)
        return output
