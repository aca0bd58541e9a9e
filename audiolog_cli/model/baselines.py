"""The comparison systems of the paper's Table 2 that can be rebuilt, with their published parameter counts.

    Joint with both branches     joint CNN-BiGRU of Imoto et al.   1 328 637    25 events, 4 scenes
    Joint without scenes         CNN-BiGRU                           425 817
    Joint without events         CNN                               1 200 036
    TaskCRNN                     DCASE 2023 task 4B's baseline       380 113    17 events

In: waves, or the spectrograms of a pool. Out: an `Output`. Joint takes every second frame of HTS-AT's log-mel spectrogram of 10
s: 64 bands every 20 ms. TaskCRNN has its own front-end, `TASK_FRONT_END`: 44.1 kHz, one transform of 400 ms every 200 ms,
magnitudes instead of logarithms; its recordings may be of any length (published: 40 s in training).
"""

from dataclasses import dataclass

from torch import Tensor, nn

from audiolog_cli.model.features import FRONT_END, TASK_FRONT_END, FrontEnd, LogMel, MagnitudeMel
from audiolog_cli.model.htsat import Output

N_CHANNELS = 128
MARGIN = 1e-4  # activities are kept this far from 0 and 1 before their log odds are taken


@dataclass(frozen=True, slots=True)
class JointConfig:
    """Which branches there are; a count of 0 leaves the branch out."""

    n_scenes: int = 4
    n_events: int = 25
    n_classes: int = 0  # these networks have no AudioSet head
    dropout: float = 0.15


@dataclass(frozen=True, slots=True)
class TaskConfig:
    """Task 4B's baseline scores events only."""

    n_events: int = 17
    n_scenes: int = 0
    n_classes: int = 0
    dropout: float = 0.2


def convolution(n_in: int, n_out: int, pool: tuple[int, int]) -> nn.Sequential:
    """3x3 convolution, BatchNorm, ReLU, max-pooling over (time, frequency)."""
    return nn.Sequential(nn.Conv2d(n_in, n_out, 3, padding=1), nn.BatchNorm2d(n_out), nn.ReLU(), nn.MaxPool2d(pool))


class Joint(nn.Module):
    """Shared convolutions, a recurrent branch for events, a convolutional one for the scene (Imoto et al., 2020)."""

    def __init__(self, config: JointConfig, front_end: FrontEnd = FRONT_END) -> None:
        super().__init__()
        self.config, self.front_end = config, front_end
        self.logmel_extractor = LogMel(front_end)
        self.standard = nn.BatchNorm1d(front_end.n_mels, affine=False)  # zero mean, unit variance of the training data
        self.shared = nn.Sequential(
            *(convolution(n, N_CHANNELS, (1, pool)) for n, pool in ((1, 8), (N_CHANNELS, 2), (N_CHANNELS, 2)))
        )
        n_rows = front_end.n_mels // 32
        if config.n_events:
            self.gru = nn.GRU(N_CHANNELS * n_rows, 64, bidirectional=True, batch_first=True)
            self.sed_head = dense(128, config.n_events, config.dropout)
        if config.n_scenes:
            self.scene = nn.Sequential(
                convolution(N_CHANNELS, 2 * N_CHANNELS, (25, 1)), convolution(2 * N_CHANNELS, 2 * N_CHANNELS, (20, 1))
            )
            self.asc_head = dense(2 * N_CHANNELS * n_rows, config.n_scenes, config.dropout)

    def forward(self, wave: Tensor) -> Output:
        """Score waves (B, n_samples) of 10 s."""
        return self.forward_features(self.logmel_extractor(wave))

    def forward_features(self, log_mel: Tensor) -> Output:
        """Score spectrograms (B, 1001, n_mels) in decibels; T = 500."""
        x = self.standard(log_mel[:, :1000:2].transpose(1, 2)).transpose(1, 2).unsqueeze(1)  # (B, 1, 500, mels)
        x = self.shared(x)  # (B, 128, 500, rows)
        output = Output(latent=x.mean(dim=(2, 3)))
        if self.config.n_events:
            output.steps = self.gru(x.transpose(1, 2).flatten(2))[0]
            output.event_logits = self.sed_head(output.steps)
        if self.config.n_scenes:
            output.scene_logits = self.asc_head(self.scene(x).flatten(1))
        return output


class TaskCRNN(nn.Module):
    """Three convolutions, a bidirectional GRU, two linear layers, no activation at the end (Martin-Morato et al., 2023).

    It is trained on soft labels with the squared error, so in training its `event_logits` are the activities themselves.
    Otherwise they are the activities' log odds: a sigmoid gives the activity back, and "above 0.5" means the same as in the
    published code.
    """

    def __init__(self, config: TaskConfig, front_end: FrontEnd = TASK_FRONT_END) -> None:
        super().__init__()
        self.config, self.front_end = config, front_end
        self.logmel_extractor = MagnitudeMel(front_end)
        self.standard = nn.BatchNorm1d(front_end.n_mels, affine=False)
        n_inputs = (1, N_CHANNELS, N_CHANNELS)
        layers = [
            layer
            for n, pool in zip(n_inputs, (5, 2, 2), strict=True)
            for layer in (convolution(n, N_CHANNELS, (1, pool)), nn.Dropout(config.dropout))
        ]
        self.shared = nn.Sequential(*layers)
        self.gru = nn.GRU(N_CHANNELS * (front_end.n_mels // 5 // 2 // 2), 32, bidirectional=True, batch_first=True)
        self.sed_head = nn.Sequential(nn.Linear(64, 32), nn.Linear(32, config.n_events))

    def forward(self, wave: Tensor) -> Output:
        """Score waves (B, n_samples); T = one step for each 200 ms."""
        return self.forward_features(self.logmel_extractor(wave))

    def forward_features(self, magnitude: Tensor) -> Output:
        """Score spectrograms (B, 1 + T, n_mels) of magnitudes; as published, step t uses the frame centred on its start."""
        x = self.standard(magnitude[:, :-1].transpose(1, 2)).transpose(1, 2).unsqueeze(1)  # (B, 1, T, mels)
        x = self.shared(x)  # (B, 128, T, rows)
        steps = self.gru(x.transpose(1, 2).flatten(2))[0]
        activities = self.sed_head(steps)
        event_logits = activities if self.training else activities.clamp(MARGIN, 1 - MARGIN).logit()
        return Output(latent=steps.mean(dim=1), steps=steps, event_logits=event_logits)


def dense(n_in: int, n_out: int, dropout: float) -> nn.Sequential:
    """Linear 32, ReLU, dropout, linear."""
    return nn.Sequential(nn.Linear(n_in, 32), nn.ReLU(), nn.Dropout(dropout), nn.Linear(32, n_out))
