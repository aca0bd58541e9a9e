"""EfficientAT: small MobileNetV3 taggers of AudioSet; mono waves in, scores of 527 classes for every second out.

The networks `mnXX` of Schmid et al. (2023), "Efficient large-scale audio tagging via transformer-to-CNN knowledge distillation",
at any width; parameter names are those of the published checkpoints. A tagger scores a stretch of sound as a whole. Scores over
time come from stretches of 1, 2 and 3 s around each second, whose probabilities are averaged. There is no scene branch and no
training code for these networks here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from audiolog_cli.model.features import KALDI_FRONT_END, FrontEnd, KaldiMel
from audiolog_cli.model.htsat import Output

FRONT_END = KALDI_FRONT_END
SPANS = (1, 2, 3)

WIDTH_OF_HIDDEN = 1280  # units of the classifier's hidden layer at width 1
STEM_CHANNELS = 16  # at width 1, as the channels below
LAST_EXPANSION = 6
BatchNorm = partial(nn.BatchNorm2d, eps=1e-3, momentum=0.01)


@dataclass(frozen=True, slots=True)
class BlockSizes:
    """An inverted residual block at width 1."""

    kernel: int
    expanded: int  # channels inside
    channels: int  # channels out
    squeezes: bool  # has squeeze and excitation
    activation: Callable[[], nn.Module]
    stride: int


BLOCKS = (
    BlockSizes(3, 16, 16, False, nn.ReLU, 1),
    BlockSizes(3, 64, 24, False, nn.ReLU, 2),
    BlockSizes(3, 72, 24, False, nn.ReLU, 1),
    BlockSizes(5, 72, 40, True, nn.ReLU, 2),
    BlockSizes(5, 120, 40, True, nn.ReLU, 1),
    BlockSizes(5, 120, 40, True, nn.ReLU, 1),
    BlockSizes(3, 240, 80, False, nn.Hardswish, 2),
    BlockSizes(3, 200, 80, False, nn.Hardswish, 1),
    BlockSizes(3, 184, 80, False, nn.Hardswish, 1),
    BlockSizes(3, 184, 80, False, nn.Hardswish, 1),
    BlockSizes(3, 480, 112, True, nn.Hardswish, 1),
    BlockSizes(3, 672, 112, True, nn.Hardswish, 1),
    BlockSizes(5, 672, 160, True, nn.Hardswish, 2),
    BlockSizes(5, 960, 160, True, nn.Hardswish, 1),
    BlockSizes(5, 960, 160, True, nn.Hardswish, 1),
)


@dataclass(frozen=True, slots=True)
class Config:
    """mn04 is width 0.4, mn10 width 1.0, mn40 width 4.0."""

    width: float = 0.4
    n_classes: int = 527
    spans: tuple[int, ...] = SPANS  # seconds around each second whose scores are averaged; the work grows with their sum


def scaled(channels: float, width: float) -> int:
    """Channels at a width: a multiple of 8, at least 8 and not below 90 % of the product (MobileNet's rule)."""
    wanted = channels * width
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * wanted else rounded + 8


class EfficientAT(nn.Module):
    """The network. `forward` scores every second, `forward_features` a stretch of any length as a whole."""

    def __init__(self, config: Config, front_end: FrontEnd = FRONT_END) -> None:
        super().__init__()
        self.config, self.front_end = config, front_end
        self.mel = BandsFirst(front_end)
        self.features, n_map = convolutions(config.width)
        self.classifier = class_head(n_map, config.width, config.n_classes, nn.AdaptiveAvgPool2d(1), nn.Flatten())

    def forward(self, wave: Tensor) -> Output:
        """Score waves (B, n_samples), any number of seconds: one step of T for each second begun.

        The logit of a step is that of the mean probability of its stretches; beyond the ends there is silence.
        """
        return self.forward_mel(self.mel(wave))

    def forward_mel(self, mel: Tensor) -> Output:
        """The same from spectrograms (B, n_mels, frames)."""
        frames_per_second = self.front_end.sample_rate // self.front_end.hop_length
        T = max(1, -(-(mel.shape[-1] - 1) // frames_per_second))
        probabilities, latents = zip(*(self._spans(mel, T, span * frames_per_second) for span in self.config.spans), strict=True)
        logits = torch.stack(probabilities).mean(dim=0).logit(eps=1e-7)
        steps = torch.stack(latents).mean(dim=0)  # (B, T, C)
        return Output(latent=steps.mean(dim=1), steps=steps, event_logits=logits, tag_logits=logits)

    def _spans(self, mel: Tensor, T: int, n_frames: int) -> tuple[Tensor, Tensor]:
        """Probabilities (B, T, n_classes) and latents (B, T, C) of T stretches of n_frames, centred on their seconds."""
        hop = self.front_end.sample_rate // self.front_end.hop_length
        margin = (n_frames - hop) // 2
        padded = F.pad(mel, (margin, T * hop + margin - mel.shape[-1]), value=self.mel.silence)
        spans = padded.unfold(-1, n_frames, hop).transpose(1, 2)  # (B, T, n_mels, n_frames)
        logits, latent = self.forward_features(spans.flatten(0, 1))
        return logits.sigmoid().unflatten(0, (-1, T)), latent.unflatten(0, (-1, T))

    def forward_features(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, n_classes) and pooled features (B, C) of spectrograms (B, n_mels, frames), each scored as a whole."""
        x: Tensor = self.features(mel.unsqueeze(1))
        return self.classifier(x), x.mean(dim=(2, 3))


class Convolutions(nn.Sequential):
    """The layers from a spectrogram to the last feature map."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, n_mels, frames) -> (B, C, rows, T), channels last, which is much faster on a processor."""
        first, *others = self
        x = first(x.to(next(self.parameters()).dtype))
        x = x.contiguous(memory_format=torch.channels_last)  # one channel has no order, so it comes after
        for layer in others:
            x = layer(x)
        return x


def convolutions(width: float) -> tuple[Convolutions, int]:
    """The convolutions of a network of that width, from a spectrogram to its last feature map, and how many channels that has."""
    before = [STEM_CHANNELS, *(block.channels for block in BLOCKS)]
    last = scaled(BLOCKS[-1].channels, width)
    layers = (
        convolution(1, scaled(STEM_CHANNELS, width), 3, stride=2, activation=nn.Hardswish),
        *(InvertedResidual(n_in, block, width) for n_in, block in zip(before, BLOCKS, strict=False)),
        convolution(last, LAST_EXPANSION * last, 1, activation=nn.Hardswish),
    )
    return Convolutions(*layers), LAST_EXPANSION * last


def class_head(n_map: int, width: float, n_classes: int, *pooling: nn.Module) -> nn.Sequential:
    """AudioSet's head, numbered as published, which counts two layers of pooling and the dropout."""
    hidden = scaled(WIDTH_OF_HIDDEN, width)
    layers = nn.Linear(n_map, hidden), nn.Hardswish(), nn.Dropout(0.2), nn.Linear(hidden, n_classes)
    return nn.Sequential(*pooling, *layers)


class BandsFirst(KaldiMel):
    """EfficientAT's spectrogram with the bands first."""

    def forward(self, wave: Tensor) -> Tensor:
        """(B, n_samples) in [-1, 1] -> (B, n_mels, frames); frames = 1 + (n_samples - 1) // hop_length."""
        return super().forward(wave).transpose(1, 2)


class InvertedResidual(nn.Module):
    """Expand, convolve each channel, squeeze and excite, project; added to the input where the shapes allow."""

    def __init__(self, channels_before: int, block: BlockSizes, width: float) -> None:
        super().__init__()
        n_in, n_inside, n_out = (scaled(n, width) for n in (channels_before, block.expanded, block.channels))
        self.adds = block.stride == 1 and n_in == n_out
        layers: list[nn.Module] = []
        if n_inside != n_in:
            layers.append(convolution(n_in, n_inside, 1, activation=block.activation))
        layers.append(convolution(n_inside, n_inside, block.kernel, block.stride, n_inside, block.activation))
        if block.squeezes:
            layers.append(SqueezeExcitation(n_inside))
        layers.append(convolution(n_inside, n_out, 1))
        self.block = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.block(x)
        return x + y if self.adds else y


class SqueezeExcitation(nn.Module):
    """Weight the channels by a function of their means. The published code can combine several of these; its networks use one."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conc_se_layers = nn.ModuleList([ChannelWeights(channels, scaled(channels // 4, 1))])

    def forward(self, x: Tensor) -> Tensor:
        weights: Tensor = self.conc_se_layers[0](x.mean(dim=(2, 3)))  # (B, C)
        return x * weights[:, :, None, None]


class ChannelWeights(nn.Module):
    def __init__(self, channels: int, bottleneck: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, bottleneck)
        self.fc2 = nn.Linear(bottleneck, channels)

    def forward(self, means: Tensor) -> Tensor:
        return torch.sigmoid(self.fc2(F.relu(self.fc1(means))))


def convolution(
    n_in: int, n_out: int, kernel: int, stride: int = 1, groups: int = 1, activation: Callable[[], nn.Module] | None = None
) -> nn.Sequential:
    """Convolution, BatchNorm and, if there is one, the activation."""
    conv = nn.Conv2d(n_in, n_out, kernel, stride, padding=(kernel - 1) // 2, groups=groups, bias=False)
    return ConvNorm(conv, BatchNorm(n_out), *([activation()] if activation else []))


class ConvNorm(nn.Sequential):
    """A convolution, its BatchNorm and perhaps an activation; a norm with frozen statistics is folded into the convolution.

    The same output and gradients in fewer passes over memory. On a CPU, autocast leaves depthwise convolutions in float32: oneDNN
    has no fast bf16 gradient for them (a training step of mn04 takes 0.7 times as long as in float32; with them in bf16, 0.9
    times).
    """

    def forward(self, x: Tensor) -> Tensor:
        conv, norm = self[0], self[1]
        if not isinstance(conv, nn.Conv2d) or not isinstance(norm, nn.BatchNorm2d) or norm.training:
            y: Tensor = super().forward(x)
            return y
        assert norm.running_mean is not None and norm.running_var is not None and not isinstance(conv.padding, str)
        scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
        weight, bias = conv.weight * scale[:, None, None, None], norm.bias - norm.running_mean * scale
        if conv.groups > 1 and x.device.type == "cpu":
            with torch.autocast("cpu", enabled=False):
                x = F.conv2d(x.float(), weight.float(), bias.float(), conv.stride, conv.padding, groups=conv.groups)
        else:
            x = F.conv2d(x, weight, bias.to(weight.dtype), conv.stride, conv.padding, groups=conv.groups)
        return self[2](x) if len(self) > 2 else x
