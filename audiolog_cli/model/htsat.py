"""HTS-AT with AudioLog's two branches: mono waves in; scores of scenes, of events over time, and their embeddings out.

The hierarchical token-semantic audio transformer (Chen et al., 2022) folds a 10-s log-mel spectrogram into a square picture and
runs a Swin transformer over it. AudioLog (section 2.2) puts two branches on its last feature map: one names the scene of the
whole window, one the events of every token (0.3125 s), and the two embeddings feed the contrastive loss. The AudioSet head of
HTS-AT (527 classes over time) is here as well. Parameter names are those of the released checkpoints, except that the convolution
of the event branch, which AudioLog calls `tscam_conv` like the AudioSet head it replaced, is `tscam_conv_sed`: a network may have
both.

Sizes are a `Config`; `PRESETS` holds the paper's `base` and smaller ones. Losses, training and files are elsewhere.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from audiolog_cli.model.features import FRONT_END, FrontEnd, LogMel

SPEC_SIZE = 256  # side of the picture that the spectrogram is folded into, pixels
PATCH = 4  # side of a patch, pixels
WINDOW = 8  # side of an attention window, tokens
MLP_RATIO = 4
INITIAL_LOGIT_SCALE = math.log(1 / 0.07)  # the paper's tau = 2.6592 is this logarithm


@dataclass(frozen=True, slots=True)
class Config:
    """The sizes of a network and which heads it has; a count of 0 leaves the head out."""

    embed_dim: int = 96  # channels of the first stage; every stage doubles them
    depths: tuple[int, ...] = (2, 2, 6, 2)  # blocks of each stage
    heads: tuple[int, ...] = (4, 8, 16, 32)  # attention heads of each stage
    branch_dim: int = 128  # channels of the two branches and of their embeddings
    n_classes: int = 0  # AudioSet head: classes tagged over time
    n_scenes: int = 0  # scene branch
    n_events: int = 0  # event branch
    drop_path: float = 0.1  # stochastic depth of the last block; earlier blocks less, the first none
    time_stripe: int = 64  # SpecAugment in training: stripes of 0 to time_stripe - 1 frames ...
    mel_stripe: int = 8  # ... and of 0 to mel_stripe - 1 mel bands are blanked, two of each; 0 switches it off


PRESETS = {
    "base": Config(),
    "small": Config(embed_dim=32, depths=(2, 2, 4, 2), heads=(1, 2, 4, 8)),
    "tiny": Config(embed_dim=24, depths=(2, 2, 2, 2), heads=(1, 2, 4, 8), branch_dim=32),
}


def sized(presets: Mapping[str, Any], name: str, n_scenes: int = 0, n_events: int = 0, n_classes: int = 0) -> Any:
    """The preset of that name with these heads, here and for other kinds of networks; KeyError if there is none."""
    return replace(presets[name], n_scenes=n_scenes, n_events=n_events, n_classes=n_classes)


preset = partial(sized, PRESETS)


@dataclass(slots=True)
class Output:
    """A network's output for a batch of windows; None for the heads it does not have.

    T time steps divide the window evenly: step t covers [t, t + 1) * duration / T.
    """

    latent: Tensor  # (B, C) mean of the last feature map
    steps: Tensor | None = None  # (B, T, C) features of each step: what heads added later read (`extended.py`); None without such
    event_logits: Tensor | None = None  # (B, T, n_events); the tag logits where there is no event branch
    scene_logits: Tensor | None = None  # (B, n_scenes)
    own_scene_logits: Tensor | None = None  # (B, n) of scenes that were added, each apart from the others: sigmoid, not softmax
    event_embedding: Tensor | None = None  # (B, branch_dim), length 1
    scene_embedding: Tensor | None = None  # (B, branch_dim), length 1
    tag_logits: Tensor | None = None  # (B, T, n_classes) of the AudioSet head


class HTSAT(nn.Module):
    """The network. `forward` takes waves, `forward_features` log-mel spectrograms."""

    def __init__(self, config: Config, front_end: FrontEnd = FRONT_END) -> None:
        super().__init__()
        self.config, self.front_end = config, front_end
        n_stages = len(config.depths)
        chunks = SPEC_SIZE // front_end.n_mels  # stretches of time, one below the other in the picture
        side = SPEC_SIZE // PATCH
        last_side = side >> (n_stages - 1)
        self.n_frames = SPEC_SIZE * chunks  # frames that the spectrogram is resized to
        self.n_rows, self.n_steps = last_side // chunks, last_side * chunks  # of the last feature map: frequency, time
        n_features = config.embed_dim << (n_stages - 1)

        self.logmel_extractor = LogMel(front_end)
        self.bn0 = nn.BatchNorm2d(front_end.n_mels)
        self.patch_embed = PatchEmbedding(config.embed_dim)
        drop_path = iter(torch.linspace(0, config.drop_path, sum(config.depths)).tolist())
        self.layers = nn.ModuleList(
            Stage(
                dim=config.embed_dim << i,
                side=side >> i,
                n_heads=config.heads[i],
                drop_paths=[next(drop_path) for _ in range(config.depths[i])],
                merges=i < n_stages - 1,
            )
            for i in range(n_stages)
        )
        self.norm = nn.LayerNorm(n_features)
        if config.n_classes:
            self.tscam_conv = nn.Conv2d(n_features, config.n_classes, (self.n_rows, 3), padding=(0, 1))
        if config.n_events:
            self.tscam_conv_sed = nn.Conv2d(n_features, config.branch_dim, 3, padding=1)
            self.bn_sed = nn.BatchNorm2d(config.branch_dim)
            self.sed_proj = nn.Linear(self.n_steps, 1)
            self.sed_head = nn.Linear(config.branch_dim, config.n_events)
        if config.n_scenes:
            self.tscam_conv_asc = nn.Conv2d(n_features, config.branch_dim, (1, self.n_steps))
            self.bn_asc = nn.BatchNorm2d(config.branch_dim)
            self.asc_head = nn.Linear(config.branch_dim, config.n_scenes)
        if config.n_scenes and config.n_events:
            self.logit_scale = nn.Parameter(torch.tensor(INITIAL_LOGIT_SCALE))  # of the contrastive loss, used as exp()
        self.apply(_initialise)

    def forward(self, wave: Tensor) -> Output:
        """Score waves (B, n_samples) at the front-end's sample rate, 10 s each; see `forward_features` for other lengths."""
        return self.forward_features(self.logmel_extractor(wave))

    def forward_features(self, log_mel: Tensor) -> Output:
        """Score spectrograms (B, frames, n_mels) in decibels.

        They are stretched in time to the 1024 frames that the network sees (10 s make 1001), as in the reference code; a
        spectrogram much shorter than 10 s is therefore slowed down, and should be padded or repeated first. At most 1024 frames.
        """
        x = self.bn0(log_mel.transpose(1, 2).unsqueeze(-1)).squeeze(-1).transpose(1, 2)  # (B, frames, mels)
        if self.training:
            x = spec_augment(x, self.config.time_stripe, self.config.mel_stripe)
        x = self.patch_embed(self._fold(x).to(self.norm.weight.dtype))  # (B, rows, columns, C)
        for stage in self.layers:
            x = stage(x)
        return self._heads(self._unfold(self.norm(x)))

    def _fold(self, x: Tensor) -> Tensor:
        """(B, frames, mels) -> (B, 1, 256, 256): row = chunk * n_mels + mel, column = frame within the chunk."""
        B, n_frames, n_mels = x.shape
        assert n_frames <= self.n_frames, f"at most {self.n_frames} frames fit the picture, got {n_frames}: window the audio"
        x = x.unsqueeze(1)
        if n_frames < self.n_frames:
            x = F.interpolate(x, (self.n_frames, n_mels), mode="bicubic", align_corners=True)
        x = x.view(B, -1, SPEC_SIZE, n_mels).transpose(2, 3)  # (B, chunks, mels, frames of the chunk)
        return x.reshape(B, 1, SPEC_SIZE, SPEC_SIZE)

    def _unfold(self, x: Tensor) -> Tensor:
        """(B, side, side, C) -> (B, C, n_rows, n_steps): the chunks side by side again, in one time axis."""
        B, side, _, C = x.shape
        x = x.view(B, -1, self.n_rows, side, C).permute(0, 4, 2, 1, 3)  # (B, C, rows, chunks, steps of the chunk)
        return x.reshape(B, C, self.n_rows, self.n_steps)

    def _heads(self, x: Tensor) -> Output:
        output = Output(latent=x.mean(dim=(2, 3)), steps=x.mean(dim=2).transpose(1, 2))
        if self.config.n_classes:
            output.tag_logits = output.event_logits = self.tscam_conv(x).squeeze(2).transpose(1, 2)
        pooled = x.mean(dim=2, keepdim=True)  # (B, C, 1, n_steps)
        if self.config.n_events:
            frames = F.relu(self.bn_sed(self.tscam_conv_sed(pooled))).squeeze(2)  # (B, branch_dim, n_steps)
            output.event_embedding = F.normalize(self.sed_proj(frames).squeeze(-1), dim=-1)
            output.event_logits = self.sed_head(frames.transpose(1, 2))
        if self.config.n_scenes:
            scene = F.relu(self.bn_asc(self.tscam_conv_asc(pooled))).flatten(1)  # (B, branch_dim)
            output.scene_embedding = F.normalize(scene, dim=-1)
            output.scene_logits = self.asc_head(output.scene_embedding)
        return output


class PatchEmbedding(nn.Module):
    """4x4 patches of the picture as tokens: (B, 1, 256, 256) -> (B, 64, 64, dim)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(1, dim, PATCH, stride=PATCH)
        self.norm = nn.LayerNorm(dim)

    def forward(self, picture: Tensor) -> Tensor:
        tokens: Tensor = self.norm(self.proj(picture).permute(0, 2, 3, 1))
        return tokens


class Stage(nn.Module):
    """Blocks at one resolution, then (except in the last stage) four neighbours merged into one token of twice the channels."""

    def __init__(self, dim: int, side: int, n_heads: int, drop_paths: list[float], merges: bool) -> None:
        super().__init__()
        shifts = [WINDOW // 2 if i % 2 and side > WINDOW else 0 for i in range(len(drop_paths))]
        self.blocks = nn.ModuleList(
            Block(dim, side, n_heads, shift, drop_path) for shift, drop_path in zip(shifts, drop_paths, strict=True)
        )
        self.downsample = PatchMerging(dim) if merges else None

    def forward(self, x: Tensor) -> Tensor:
        """(B, side, side, dim) -> (B, side / 2, side / 2, 2 * dim), or the same shape in the last stage."""
        for block in self.blocks:
            x = block(x)
        return x if self.downsample is None else self.downsample(x)


class Block(nn.Module):
    """x + Attention(LN(x)), then x + MLP(LN(x)); every other block attends in windows shifted by half a window."""

    attn_mask: Tensor | None

    def __init__(self, dim: int, side: int, n_heads: int, shift: int, drop_path: float) -> None:
        super().__init__()
        self.shift, self.drop_path = shift, drop_path
        self.norm1 = nn.LayerNorm(dim)
        self.attn = WindowAttention(dim, n_heads)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = MLP(dim)
        self.register_buffer("attn_mask", shift_mask(side, shift) if shift else None, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, side, side, dim), same out."""
        x = x + self._dropped(self._attend(self.norm1(x)))
        return x + self._dropped(self.mlp(self.norm2(x)))

    def _attend(self, x: Tensor) -> Tensor:
        side = x.shape[1]
        if self.shift:
            x = x.roll((-self.shift, -self.shift), dims=(1, 2))
        x = from_windows(self.attn(to_windows(x), self.attn_mask), side)
        return x.roll((self.shift, self.shift), dims=(1, 2)) if self.shift else x

    def _dropped(self, x: Tensor) -> Tensor:
        """Stochastic depth (Huang et al., 2016): in training, leave out the residual for part of the batch."""
        if not (self.training and self.drop_path):
            return x
        kept = x.new_empty((len(x), 1, 1, 1)).bernoulli_(1 - self.drop_path)
        return x * kept / (1 - self.drop_path)


class WindowAttention(nn.Module):
    """Multi-head attention within each window of 64 tokens, with a learned bias for every relative position."""

    relative_position_index: Tensor

    def __init__(self, dim: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * WINDOW - 1) ** 2, n_heads))
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.register_buffer("relative_position_index", relative_position_index(), persistent=False)

    def forward(self, windows: Tensor, mask: Tensor | None) -> Tensor:
        """(B, n_windows, 64, dim), same out; `mask` (n_windows, 64, 64) is added to the attention scores."""
        B, N, T, C = windows.shape
        qkv = self.qkv(windows).view(B * N, T, 3, self.n_heads, C // self.n_heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (B * N, n_heads, T, C / n_heads)
        bias = self.bias(mask)
        bias = bias.repeat(B, 1, 1, 1) if len(bias) > 1 else bias
        x = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        projected: Tensor = self.proj(x.transpose(1, 2).reshape(B, N, T, C))
        return projected

    def bias(self, mask: Tensor | None) -> Tensor:
        """What is added to the attention scores, (1, n_heads, 64, 64), or (n_windows, n_heads, 64, 64) with a mask."""
        bias = self.relative_position_bias_table[self.relative_position_index].permute(2, 0, 1).unsqueeze(0)
        return bias if mask is None else bias + mask.to(bias.dtype).unsqueeze(1)


class MLP(nn.Module):
    """The same two layers for every token, with the exact (erf) GELU between them."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, MLP_RATIO * dim)
        self.fc2 = nn.Linear(MLP_RATIO * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return y


class PatchMerging(nn.Module):
    """Four neighbouring tokens become one: (B, side, side, C) -> (B, side / 2, side / 2, 2 * C)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)
        self.norm = nn.LayerNorm(4 * dim)

    def forward(self, x: Tensor) -> Tensor:
        corners = [x[:, row::2, column::2] for row, column in ((0, 0), (1, 0), (0, 1), (1, 1))]
        merged: Tensor = self.reduction(self.norm(torch.cat(corners, dim=-1)))
        return merged


def to_windows(x: Tensor) -> Tensor:
    """(B, side, side, C) -> (B, n_windows, 64, C), windows and tokens in raster order."""
    B, side, _, C = x.shape
    x = x.view(B, side // WINDOW, WINDOW, side // WINDOW, WINDOW, C).transpose(2, 3)
    return x.reshape(B, -1, WINDOW * WINDOW, C)


def from_windows(windows: Tensor, side: int) -> Tensor:
    """The inverse of `to_windows`."""
    B, _, _, C = windows.shape
    x = windows.view(B, side // WINDOW, side // WINDOW, WINDOW, WINDOW, C).transpose(2, 3)
    return x.reshape(B, side, side, C)


def shift_mask(side: int, shift: int) -> Tensor:
    """(n_windows, 64, 64): -100 between tokens that share a shifted window but were not neighbours before the roll."""
    last = torch.arange(side)
    band = (last >= side - WINDOW).int() + (last >= side - shift).int()  # 0, 1 or 2: regions that the roll brought together
    region = (3 * band.unsqueeze(1) + band).float()
    tokens = to_windows(region.view(1, side, side, 1)).view(-1, WINDOW * WINDOW)
    return (tokens.unsqueeze(1) != tokens.unsqueeze(2)).float() * -100.0


def relative_position_index() -> Tensor:
    """(64, 64): for each pair of tokens of a window, the row of the bias table for their offset (rows, columns)."""
    y, x = torch.meshgrid(torch.arange(WINDOW), torch.arange(WINDOW), indexing="ij")
    y, x = y.flatten(), x.flatten()
    dy, dx = y.unsqueeze(1) - y + WINDOW - 1, x.unsqueeze(1) - x + WINDOW - 1
    return dy * (2 * WINDOW - 1) + dx


def spec_augment(x: Tensor, time_stripe: int, mel_stripe: int) -> Tensor:
    """Blank two stripes of time and two of frequency in each normalised spectrogram (B, frames, mels) (Park et al., 2019)."""
    for _ in range(2):
        x = x * _stripes(x, dim=1, limit=time_stripe) * _stripes(x, dim=2, limit=mel_stripe)
    return x


def _stripes(x: Tensor, dim: int, limit: int) -> Tensor:
    """(B, frames, 1) or (B, 1, mels) of ones with one stripe of zeros, 0 to limit - 1 wide, for each of the batch."""
    size = x.shape[dim]
    width = (torch.rand(len(x), 1, device=x.device) * limit).floor()
    start = (torch.rand(len(x), 1, device=x.device) * (size - width)).floor()
    position = torch.arange(size, device=x.device)
    kept = ((position < start) | (position >= start + width)).to(x.dtype)  # (B, size)
    return kept.unsqueeze(3 - dim)


def _initialise(module: nn.Module) -> None:
    """Linear layers and bias tables as in Swin; convolutions keep torch's default."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, WindowAttention):
        nn.init.trunc_normal_(module.relative_position_bias_table, std=0.02)
