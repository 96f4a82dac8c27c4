"""How far predicted states are from those that were encoded: as sets, or particle by particle."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

HOP = 0.05
"""Errors beyond this count linearly: a tracked particle may hop from one thing to another."""


def chamfer(predicted: Tensor, encoded: Tensor) -> Tensor:
    """Squared distance of every state to the nearest of the other set, both ways.

    Summed over the particles of both sets, mean over all else; (..., K, S) twice. One of the three
    losses of the authors' first code.
    """
    have, want = (x.flatten(0, -3) for x in (predicted, encoded))
    distance = (have.unsqueeze(2) - want.unsqueeze(1)).square().sum(-1)
    nearest = distance.amin(2).sum(1) + distance.amin(1).sum(1)
    return nearest.mean()


def matched(predicted: Tensor, encoded: Tensor, feature_weight: float) -> Tensor:
    """Particle k against particle k, (..., K, S) twice: Huber loss, summed over a state.

    differs from the paper, whose sets are unordered: here particles are tracked.

    Args:
        predicted: states.
        encoded: those to be predicted.
        feature_weight: of the features' part; the positions' has 1.
    """
    loss = F.huber_loss(predicted, encoded, reduction="none", delta=HOP)
    parts = torch.stack([loss[..., :2].sum(-1).mean(), loss[..., 2:].sum(-1).mean()])
    return parts[0] + feature_weight * parts[1]
