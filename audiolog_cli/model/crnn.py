"""A convolutional recurrent network with AudioLog's two branches: what HTS-AT is compared with at the same cost.

In: mono waves at 32 kHz, half a second or longer. Out: the same `Output` as HTS-AT's. Residual blocks of plain 3x3 convolutions
(He et al., 2016) over the log-mel spectrogram, a bidirectional GRU over time, then the AudioSet head, the event branch and the
scene branch. A convolution has locality built in; a transformer has to learn it, which takes more data than an hour or two of
training sees. Sizes are a `Config`.
"""

from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from audiolog_cli.model.branches import RARE, TwoBranches
from audiolog_cli.model.features import FRONT_END, FrontEnd, LogMel
from audiolog_cli.model.htsat import Output, sized, spec_augment

STEM_STRIDE = (4, 2)  # time, frequency


@dataclass(frozen=True, slots=True)
class Config:
    """The sizes of a network and which heads it has; a count of 0 leaves the head out."""

    channels: tuple[int, ...] = (48, 96, 192)  # of the stages; each halves time and frequency
    blocks: tuple[int, ...] = (1, 1, 1)  # residual blocks of each stage
    stem: int = 32  # channels after the first convolution
    gru_dim: int = 128  # per direction
    branch_dim: int = 128  # channels of the two branches and of their embeddings
    n_classes: int = 0  # AudioSet head: classes tagged over time
    n_scenes: int = 0  # scene branch
    n_events: int = 0  # event branch
    dropout: float = 0.1
    time_stripe: int = 64  # SpecAugment, as in HTS-AT
    mel_stripe: int = 8


PRESETS = {
    "base": Config(channels=(64, 128, 256), blocks=(1, 1, 2)),
    "small": Config(),
    "tiny": Config(channels=(8, 16, 32), stem=8, gru_dim=16, branch_dim=32),
}
preset = partial(sized, PRESETS)


class CRNN(TwoBranches):
    """The network. `forward` takes waves, `forward_features` log-mel spectrograms; 32 time steps for 10 s."""

    def __init__(self, config: Config, front_end: FrontEnd = FRONT_END) -> None:
        super().__init__()
        self.config, self.front_end = config, front_end
        self.logmel_extractor = LogMel(front_end)
        self.bn0 = nn.BatchNorm2d(front_end.n_mels)
        self.stem = nn.Sequential(
            nn.Conv2d(1, config.stem, (7, 5), stride=STEM_STRIDE, padding=(3, 2), bias=False),
            nn.BatchNorm2d(config.stem),
            nn.ReLU(),
        )
        widths = [config.stem, *config.channels]
        self.stages = nn.Sequential(
            *(
                Residual(widths[i] if j == 0 else widths[i + 1], widths[i + 1], stride=2 if j == 0 else 1)
                for i in range(len(config.channels))
                for j in range(config.blocks[i])
            )
        )
        self.frames_per_step = STEM_STRIDE[0] << len(config.channels)
        n_rows = front_end.n_mels // STEM_STRIDE[1] >> len(config.channels)
        self.gru = nn.GRU(widths[-1] * n_rows, config.gru_dim, bidirectional=True, batch_first=True)
        self.dropout = nn.Dropout(config.dropout)
        n_features = widths[-1] + 2 * config.gru_dim
        if config.n_classes:
            self.tag_head = nn.Linear(n_features, config.n_classes)
            nn.init.constant_(self.tag_head.bias, RARE)
        self.add_branches(n_features)

    def forward_features(self, log_mel: Tensor) -> Output:
        """Score spectrograms (B, frames, n_mels) in decibels."""
        n_frames = log_mel.shape[1]
        x = self.bn0(log_mel.transpose(1, 2).unsqueeze(-1)).squeeze(-1).transpose(1, 2)  # (B, frames, mels)
        if self.training:
            x = spec_augment(x, self.config.time_stripe, self.config.mel_stripe)
        x = self.stem(x.to(self.stem[0].weight.dtype).unsqueeze(1).contiguous(memory_format=torch.channels_last))
        x = self.stages(x)  # (B, C, T, rows)
        steps = x.permute(0, 2, 1, 3).flatten(2)  # (B, T, C * rows)
        x = torch.cat([x.mean(dim=3).transpose(1, 2), self.gru(steps)[0]], dim=2)  # (B, T, C + 2 * gru_dim)
        x = self.dropout(on_even_steps(x, (n_frames - 1) / self.frames_per_step))
        output = Output(latent=x.mean(dim=1), steps=x)
        if self.config.n_classes:
            output.tag_logits = output.event_logits = self.tag_head(x)
        return self.branch(x, output, scores_normalised=True)


class Residual(nn.Module):
    """Two 3x3 convolutions with BatchNorm around a shortcut (average-pooled and projected where the shape changes)."""

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(n_out)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or n_in != n_out:
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(stride, ceil_mode=True), nn.Conv2d(n_in, n_out, 1, bias=False), nn.BatchNorm2d(n_out)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + self.shortcut(x))


def on_even_steps(x: Tensor, n_steps: float) -> Tensor:
    """Resample steps (B, T, C) centred at 0, 1, ... T - 1 to T equal parts of the window, `n_steps` long, by linear
    interpolation.

    A strided convolution with symmetric padding centres its first output on the first frame; `Output` promises equal parts.
    """
    T = x.shape[1]
    return at_positions(x, (torch.arange(T, device=x.device) + 0.5) * n_steps / T)


def at_positions(x: Tensor, positions: Tensor) -> Tensor:
    """Steps (B, T, C) read at N fractional positions, linearly interpolated; the ends are held: (B, N, C).

    >>> at_positions(torch.tensor([[[0.0], [10.0]]]), torch.tensor([-1.0, 0.25, 5.0])).flatten().tolist()
    [0.0, 2.5, 10.0]
    """
    T = x.shape[1]
    positions = positions.clamp(0, T - 1)
    left = positions.long().clamp(max=max(0, T - 2))
    share = (positions - left).to(x.dtype).unsqueeze(1)  # (N, 1)
    return x[:, left] * (1 - share) + x[:, (left + 1).clamp(max=T - 1)] * share
