"""What training minimises: AudioLog's three losses (paper, section 2.2) and the distillation of a teacher's tags.

    L = alpha L_scene + beta L_event + (1 - alpha - beta) L_contrastive  [+ delta L_tag]

In: a network's `Output` and a `Targets`. Out: scalars. L_tag is ours, not the paper's: it lets a small network learn from what a
larger one hears in the same sound (function matching; Beyer et al., 2022). A term without its head, or a teacher's tags, is left
out.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from audiolog_cli.model.htsat import Output
from audiolog_cli.training.ranges import Amount, Share


@dataclass(slots=True)
class Targets:
    """The targets of a batch of windows."""

    events: Tensor  # (B, T, n_events) in [0, 1]: hard or soft
    event_weights: Tensor  # (B, T, n_events): 0 where the target is not known
    scene: Tensor  # (B, n_scenes) probabilities; all zero where the scene is not known
    tags: Tensor | None = None  # (B, T, n_classes) a teacher's probabilities


@dataclass(frozen=True, slots=True, kw_only=True)
class LossWeights:
    """Factors of the terms; the paper's alpha and beta, and ours."""

    scene_weight: Amount = 0.3  # alpha
    event_weight: Amount = 0.6  # beta
    contrastive_weight: Amount = 0.1  # 1 - alpha - beta; 0: no such loss
    tag_weight: Amount = 0.0  # delta: 0 without a teacher
    label_smoothing: Share = 0.0  # of the scene targets
    squared_error: bool = False  # for the events instead of cross-entropy; scores are then activities (task 4B)


def scene_loss(logits: Tensor, scene: Tensor, smoothing: float = 0.0) -> Tensor:
    """Cross-entropy of the scene, mean over the windows that have one: L = -sum of scene x log softmax(logits).

    Both (B, n_scenes); `scene` holds probabilities (mixup), all zero where it is not known. 0 if no window has a scene.

    >>> logits = torch.tensor([[0.0, 0.0], [9.0, 0.0]])
    >>> round(scene_loss(logits, torch.tensor([[1.0, 0.0], [0.0, 0.0]])).item(), 4)  # ln 2; the second has no scene
    0.6931
    """
    share = scene.sum(dim=1)  # 1 where known, 0 where not, in between after mixup
    smoothed = scene * (1 - smoothing) + share.unsqueeze(1) * smoothing / logits.shape[1]
    return -(smoothed * logits.log_softmax(dim=1)).sum() / share.sum().clamp(min=1e-6)


def event_loss(logits: Tensor, events: Tensor, weights: Tensor) -> Tensor:
    """Binary cross-entropy of the events, the weighted mean over windows, steps and classes.

    L = -[y log p + (1 - y) log(1 - p)], p = sigmoid(logits); all (B, T, n_events), y in [0, 1].

    >>> y, w = torch.tensor([[[1.0, 0.0]]]), torch.tensor([[[1.0, 0.0]]])
    >>> round(event_loss(torch.tensor([[[0.0, 5.0]]]), y, w).item(), 4)  # the wrong second class has weight 0
    0.6931
    """
    return F.binary_cross_entropy_with_logits(logits, events, weights, reduction="sum") / weights.sum().clamp(min=1e-6)


def squared_loss(activities: Tensor, events: Tensor, weights: Tensor) -> Tensor:
    """Mean squared error of event activities, as in DCASE 2023 task 4B's baseline; shapes as in `event_loss`.

    >>> squared_loss(torch.tensor([[[0.5, 1.0]]]), torch.tensor([[[0.0, 1.0]]]), torch.ones(1, 1, 2)).item()
    0.125
    """
    return ((activities - events).square() * weights).sum() / weights.sum().clamp(min=1e-6)


def at_steps(targets: Tensor, n_steps: int) -> Tensor:
    """Targets (B, T, K) for a network with `n_steps` steps over the same window: each takes the target at its centre.

    >>> at_steps(torch.tensor([[[1.0], [2.0]]]), 4).flatten().tolist()
    [1.0, 1.0, 2.0, 2.0]
    >>> at_steps(torch.tensor([[[1.0], [2.0]]]), 1).flatten().tolist()  # a window as a whole
    [1.5]
    """
    if n_steps == 1:
        return targets.mean(dim=1, keepdim=True)
    if targets.shape[1] == n_steps:
        return targets
    centres = (torch.arange(n_steps, device=targets.device) + 0.5) * targets.shape[1] / n_steps
    return targets[:, centres.long()]


def contrastive_loss(scene_embedding: Tensor, event_embedding: Tensor, logit_scale: Tensor) -> Tensor:
    """Symmetric cross-entropy between the embeddings of the two branches, as in CLIP (Radford et al., 2021).

    S = exp(logit_scale) * E_scene E_event^T, (B, B); L = [CE(S, i) + CE(S^T, i)] / 2: the two embeddings of one window are the
    positive pair, the other windows of the batch the negatives. The paper's text does not give the equation; this is our reading
    of its description. `scene_embedding` and `event_embedding` (B, C) have length 1; `logit_scale` is the learned ln(1 / tau).

    >>> e = torch.eye(2)
    >>> round(contrastive_loss(e, e, torch.tensor(0.0)).item(), 4)  # -ln(e / (e + 1))
    0.3133
    """
    similarity = logit_scale.exp() * scene_embedding @ event_embedding.T
    own = torch.arange(len(similarity), device=similarity.device)
    return (F.cross_entropy(similarity, own) + F.cross_entropy(similarity.T, own)) / 2


def tag_loss(logits: Tensor, tags: Tensor) -> Tensor:
    """Binary cross-entropy against a teacher's probabilities, minus the teacher's entropy: 0 for a perfect student.

    L = mean over windows, steps and classes of KL(teacher || student); both (B, T, n_classes).

    >>> p = torch.tensor([[[0.25]]])
    >>> abs(round(tag_loss(p.logit(), p).item(), 6))
    0.0
    >>> round(tag_loss(torch.zeros(1, 1, 1), p).item(), 4)  # ln 2 - H(0.25) = 0.6931 - 0.5623
    0.1308
    """
    entropy = F.binary_cross_entropy(tags, tags)
    return F.binary_cross_entropy_with_logits(logits, tags) - entropy


def total_loss(output: Output, targets: Targets, weights: LossWeights, logit_scale: Tensor | None = None) -> dict[str, Tensor]:
    """The weighted sum as `loss`, and its unweighted terms by name."""
    terms: dict[str, Tensor] = {}
    if output.scene_logits is not None:
        terms["scene"] = scene_loss(output.scene_logits, targets.scene, weights.label_smoothing)
    if output.event_logits is not None:
        measure = squared_loss if weights.squared_error else event_loss
        n_steps = output.event_logits.shape[1]
        terms["event"] = measure(output.event_logits, at_steps(targets.events, n_steps), at_steps(targets.event_weights, n_steps))
    scene, event = output.scene_embedding, output.event_embedding
    if weights.contrastive_weight and scene is not None and event is not None and logit_scale is not None:
        terms["contrastive"] = contrastive_loss(scene, event, logit_scale)
    if weights.tag_weight and output.tag_logits is not None and targets.tags is not None:
        terms["tag"] = tag_loss(output.tag_logits, at_steps(targets.tags, output.tag_logits.shape[1]))
    assert terms, "a network without a head that these targets could train"
    loss = torch.stack([getattr(weights, f"{name}_weight") * term for name, term in terms.items()]).sum()
    return {"loss": loss, **terms}
