"""AudioLog's event and scene branch over the features of time steps: what `crnn.py` and `mobilenet.py` end in.

In: features (B, T, C) of T steps. Out: the logits and embeddings of an `Output`. The parameters belong to the network itself, as
`sed_head`, `asc_head` and so on.
"""

from abc import ABC, abstractmethod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from audiolog_cli.model.htsat import INITIAL_LOGIT_SCALE, Output

RARE = -4.0  # initial bias of events and tags, 2 %: most are absent most of the time, which need not be learned


class TwoBranches(nn.Module, ABC):
    """A network that ends in the two branches; a count of 0 in its `config` leaves a branch out."""

    config: Any
    logmel_extractor: nn.Module

    def add_branches(self, n_features: int) -> None:
        """Make the branches over `n_features` features of each step."""
        config = self.config
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

    @abstractmethod
    def forward_features(self, log_mel: Tensor) -> Output:
        """Score spectrograms (B, frames, n_mels) as the front-end makes them."""

    def branch(self, x: Tensor, output: Output, scores_normalised: bool) -> Output:
        """Put the branches' scores and embeddings of features (B, T, C) into `output`.

        `scores_normalised`: the scene head reads the scene's features at length 1, as AudioLog's does.
        """
        if self.config.n_events:
            frames = F.relu(self.bn_sed(self.sed_conv(x.transpose(1, 2))))  # (B, branch_dim, T)
            output.event_embedding = F.normalize(self.sed_proj(frames.mean(dim=2)), dim=-1)
            output.event_logits = self.sed_head(frames.transpose(1, 2))
        if self.config.n_scenes:
            scene = F.relu(self.bn_asc(self.asc_proj(torch.cat([x.mean(dim=1), x.amax(dim=1)], dim=1))))
            output.scene_embedding = F.normalize(scene, dim=-1)
            output.scene_logits = self.asc_head(output.scene_embedding if scores_normalised else scene)
        return output
