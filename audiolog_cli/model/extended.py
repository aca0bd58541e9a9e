"""Labels added to a finished network: its features in, the scores of new events and scenes beside its own out.

The network underneath stays as it is, bit by bit, and so do its scores: an added head reads `Output.steps`, the features of
each time step, and its columns are put beside the network's own. Any network whose `Output` has `steps` can be added to,
several times over.

    examples   events and scenes by logistic regression on the features, learned from clips (`teaching/`)
    words      events that are words: the projection, temperature and text embeddings of a CLAP (Elizalde et al., 2023; Wu et
    al., 2023)
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from audiolog_cli.model.htsat import Output
from audiolog_cli.model.precision import enough_rows

KINDS = ("examples", "words")


@dataclass(frozen=True, slots=True)
class Head:
    """One head beside a network, as a card says it."""

    kind: str  # one of KINDS
    n_features: int  # channels of the steps that it reads
    n_events: int
    n_scenes: int = 0  # of `examples`: each has a score of its own, from 0 to 1, and does not change those of the other scenes
    kept_events: tuple[int, ...] | None = None  # which of the scores before this head's stay, by index; None is all of them
    kept_scenes: tuple[int, ...] | None = None  # the same for scenes, the network's own first, then those of earlier heads
    embedding_dim: int = 0  # of `words`: channels of the space that sounds and words share
    n_contrasts: int = 0  # of `words`: what a word's probability is measured against
    span_steps: int = 0  # of `words`: steps heard together; 0 is the whole window, as CLAP was trained


def compressed(steps: Tensor) -> Tensor:
    """The signed square root of features: a few large ones no longer decide alone, which few examples learn better from."""
    return steps.sign() * steps.abs().sqrt()


class ExampleHead(nn.Module):
    """A score for each event and step, and for each scene and window, linear in compressed features."""

    def __init__(self, head: Head) -> None:
        super().__init__()
        self.events = nn.Linear(head.n_features, head.n_events) if head.n_events else None
        self.scenes = nn.Linear(head.n_features, head.n_scenes) if head.n_scenes else None

    def forward(self, steps: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, n_features) -> logits (B, T, n_events), (B, n_scenes)."""
        B, T, _ = steps.shape
        x = compressed(steps)
        events = self.events(x) if self.events else x.new_zeros(B, T, 0)
        return events, self.scenes(x.mean(dim=1)) if self.scenes else x.new_zeros(B, 0)


class WordHead(nn.Module):
    """How much more a sound is like a word than like all of the contrasts together.

    The logit of word w is s_w - log(sum over contrasts c of exp(s_c)), s = temperature x cosine; its sigmoid is the softmax of
    w among w and the contrasts. Other words do not matter: a sound may be two of them.
    """

    def __init__(self, head: Head) -> None:
        super().__init__()
        self.span_steps = head.span_steps
        self.linear1 = nn.Linear(head.n_features, head.embedding_dim)
        self.linear2 = nn.Linear(head.embedding_dim, head.embedding_dim)
        self.words = nn.Parameter(torch.zeros(head.n_events, head.embedding_dim))  # of length 1, as the contrasts
        self.contrasts = nn.Parameter(torch.zeros(head.n_contrasts, head.embedding_dim))
        self.logit_scale = nn.Parameter(torch.zeros(()))  # the temperature's logarithm

    def forward(self, steps: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, n_features) -> logits (B, T or 1, n_events), (B, 0)."""
        embedding = self.embed(steps)
        texts = torch.cat([self.words, self.contrasts])
        similarities = self.logit_scale.exp() * enough_rows(lambda rows: rows @ texts.T, embedding)
        words, contrasts = similarities.split([len(self.words), len(self.contrasts)], dim=-1)
        return words - contrasts.logsumexp(dim=-1, keepdim=True), words.new_zeros(len(words), 0)

    def embed(self, steps: Tensor) -> Tensor:
        """(B, T, n_features) -> unit vectors (B, T, embedding_dim), or (B, 1, embedding_dim) of the whole window."""
        x = steps.mean(dim=1, keepdim=True) if not self.span_steps else _moving_mean(steps, self.span_steps)
        return F.normalize(self.linear2(F.relu(self.linear1(x))), dim=-1)


def _moving_mean(steps: Tensor, n_steps: int) -> Tensor:
    """(B, T, C), same out: each step with its neighbours, `n_steps` (made odd) in all, fewer at the ends."""
    margin = n_steps // 2
    return F.avg_pool1d(steps.transpose(1, 2), 2 * margin + 1, 1, margin, count_include_pad=False).transpose(1, 2)


class Extended(nn.Module):
    """A network and the heads added to it; scores as the network does, in the order: its own labels, then those of each head."""

    def __init__(self, base: nn.Module, heads: Iterable[Head]) -> None:
        super().__init__()
        heads = tuple(heads)
        self.base, self.kinds = base, heads
        self.heads = nn.ModuleList(ExampleHead(one) if one.kind == "examples" else WordHead(one) for one in heads)
        self.config: Any = base.config
        self.front_end: Any = base.front_end

    def over(self, base: nn.Module) -> "Extended":
        """The same heads over another copy of the network."""
        other = Extended(base, self.kinds)
        other.heads = self.heads
        return other.eval()

    def forward(self, wave: Tensor) -> Output:
        """Score waves (B, n_samples). `scene_logits` stay the network's own; added scenes are in `own_scene_logits`."""
        return self._extended(self.base(wave))

    def forward_features(self, log_mel: Tensor) -> Output:
        """The same of the network's spectrograms."""
        return self._extended(self.base.forward_features(log_mel))  # type: ignore[operator]

    def _extended(self, output: Output) -> Output:
        assert output.steps is not None
        for kind, head in zip(self.kinds, self.heads, strict=True):
            events, scenes = head(output.steps.float())
            shared, own = _kept_scenes(output.scene_logits, output.own_scene_logits, kind.kept_scenes)
            output = replace(
                output,
                event_logits=_beside(_kept(output.event_logits, kind.kept_events), events),
                scene_logits=shared,
                own_scene_logits=scenes if own is None else torch.cat([own, scenes], dim=-1),
            )
        return output


def counts(n_events: int, n_scenes: int, heads: Iterable[Head]) -> tuple[int, int, int]:
    """The numbers of events, scenes of the network's choice and scenes with scores of their own, given the network's and these
    heads."""
    n_own = 0
    for head in heads:
        if head.kept_events is not None:
            n_events = len(head.kept_events)
        if head.kept_scenes is not None:
            n_kept = sum(index < n_scenes for index in head.kept_scenes)
            n_scenes, n_own = n_kept, len(head.kept_scenes) - n_kept
        n_events, n_own = n_events + head.n_events, n_own + head.n_scenes
    return n_events, n_scenes, n_own


def _kept(scores: Tensor | None, kept: tuple[int, ...] | None) -> Tensor | None:
    """The columns that stay; None where none does."""
    if scores is None or kept is None:
        return scores
    return scores[..., list(kept)] if kept else None


def _kept_scenes(shared: Tensor | None, own: Tensor | None, kept: tuple[int, ...] | None) -> tuple[Tensor | None, Tensor | None]:
    """The same for scenes, whose indices go on from the network's to those of heads."""
    if kept is None:
        return shared, own
    n_shared = 0 if shared is None else shared.shape[-1]
    in_shared = tuple(index for index in kept if index < n_shared)
    in_own = tuple(index - n_shared for index in kept if index >= n_shared)
    return _kept(shared, in_shared), _kept(own, in_own)


def _beside(own: Tensor | None, new: Tensor) -> Tensor:
    """Columns of (B, T, K) beside those of (B, T', N): a step of the coarser series covers several of the finer."""
    if own is None:
        return new
    T = max(own.shape[1], new.shape[1])
    return torch.cat([_at_steps(own, T), _at_steps(new, T)], dim=-1)


def _at_steps(x: Tensor, T: int) -> Tensor:
    """(B, T', K) -> (B, T, K), each step what it was at that time."""
    return x if x.shape[1] == T else x[:, torch.arange(T, device=x.device) * x.shape[1] // T]


def from_dicts(entries: Iterable[Mapping[str, Any]]) -> tuple[Head, ...]:
    """From what a card keeps; TypeError or ValueError where it is something else."""
    heads = tuple(Head(**with_tuples(entry)) for entry in entries)
    for head in heads:
        if head.kind not in KINDS:
            raise ValueError(f"a head of kind {head.kind!r}; known are {', '.join(KINDS)}")
    return heads


def with_tuples(entry: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has lists where a card has tuples."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in entry.items()}
