"""Regularised logistic regression: features of steps and what is heard in them in; a weight per feature and label out.

One problem per label, solved together: they share only the features. `POSITIVE_SHARE` of a label's weight is on what is heard,
however many examples there are, so that scores are those of sounds as rare as that. Features are standardised for the solver; the
result is for the features as they are.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

Floats = NDArray[np.float32]

POSITIVE_SHARE = 0.01  # with 0.1, AP on long recordings was 0.03 lower: means over seconds of scores near 1 blur
PENALTY = 1e-2  # of the squared weights of standardised features
ITERATIONS = 80  # of L-BFGS


@dataclass(frozen=True, slots=True)
class Linear:
    """Scores are sigmoids of features @ weight.T + bias."""

    weight: Floats  # (L, C)
    bias: Floats  # (L,)

    @classmethod
    def empty(cls, n_features: int) -> "Linear":
        """No labels."""
        return cls(np.zeros((0, n_features), np.float32), np.zeros(0, np.float32))

    def scores(self, features: Floats) -> Floats:
        """(..., C) -> (..., L), from 0 to 1."""
        return sigmoid(features @ self.weight.T + self.bias)

    def moved(self, thresholds: Floats) -> "Linear":
        """The same with each of these scores (L,) moved to 0.5."""
        return Linear(self.weight, (self.bias - logit(thresholds)).astype(np.float32))


def sigmoid(logits: Floats) -> Floats:
    """Logits as probabilities."""
    return np.asarray(1 / (1 + np.exp(-logits)), np.float32)


def logit(scores: Floats) -> Floats:
    """Probabilities as logits, those of 0 and 1 as of a millionth less than sure."""
    clipped = np.clip(np.asarray(scores, np.float64), 1e-6, 1 - 1e-6)
    return np.asarray(np.log(clipped / (1 - clipped)), np.float32)


def fit(features: Floats, heard: Floats, weights: Floats) -> Linear:
    """Logistic regression on features (n, C), heard (n, L) of 0 and 1, and weights (n, L), 0 where that is unknown.

    Every label needs something that is heard and something that is not.
    """
    mean, spread = features.mean(axis=0), features.std(axis=0) + 1e-3
    x = torch.from_numpy((features - mean) / spread)
    y, w = torch.from_numpy(heard), torch.from_numpy(_balanced(heard, weights))
    weight = torch.zeros(heard.shape[1], features.shape[1], requires_grad=True)
    bias = torch.full((heard.shape[1],), float(logit(np.array(POSITIVE_SHARE))), requires_grad=True)
    solver = torch.optim.LBFGS([weight, bias], max_iter=ITERATIONS, history_size=20, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        solver.zero_grad()
        entropy = (w * F.binary_cross_entropy_with_logits(x @ weight.T + bias, y, reduction="none")).sum()
        total = entropy + PENALTY * weight.square().sum()
        total.backward()
        return total

    solver.step(loss)
    scaled = weight.detach().numpy() / spread
    return Linear(scaled.astype(np.float32), (bias.detach().numpy() - scaled @ mean).astype(np.float32))


def _balanced(heard: Floats, weights: Floats) -> Floats:
    """Weights (n, L) whose sum is 1 for each label, POSITIVE_SHARE of it where the label is heard."""
    positive, negative = weights * heard, weights * (1 - heard)
    balanced: Floats = POSITIVE_SHARE * positive / np.maximum(positive.sum(axis=0), 1e-9)
    balanced += (1 - POSITIVE_SHARE) * negative / np.maximum(negative.sum(axis=0), 1e-9)
    return balanced.astype(np.float32)
