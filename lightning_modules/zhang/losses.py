"""Losses of Zhang et al. (CVPR 2018), section 3.1: what makes heat maps landmarks.

As in the released code, concentration and separation are in units of the picture's side, so
coordinates in [-1, 1] are halved first; equivariance is in those coordinates as they are.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def concentration(deviation: Tensor) -> Tensor:
    """Exponential of the entropy of every landmark's Gaussian, summed over landmarks.

    Args:
        deviation: (B, K) in units of [-1, 1].

    Returns:
        Mean over the batch of the sum of 2 pi e sigma^2.
    """
    return (2 * math.pi * math.e * (deviation / 2).square()).sum(1).mean()


def separation(points: Tensor, bandwidth: float) -> Tensor:
    """How near landmarks come to each other.

    Args:
        points: (B, K, 2) in [-1, 1].
        bandwidth: distance at which they begin to mind, in units of the picture's side.

    Returns:
        Mean over the batch of the sum of exp(-d^2 / (2 b^2)) over ordered pairs.
    """
    square = (points.unsqueeze(2) - points.unsqueeze(1)).div(2).square().sum(-1)
    near = torch.exp(-square / (2 * bandwidth**2))
    return (near.sum((1, 2)) - near.diagonal(dim1=1, dim2=2).sum(1)).mean()


def carried_back(points: Tensor, origin: Tensor) -> Tensor:
    """Where a pair's ``points`` (B, K, 2) lie in the picture, by its ``origin`` (B, 2, H, W)."""
    found = F.grid_sample(origin, points.unsqueeze(2), padding_mode="border", align_corners=False)
    return found[..., 0].transpose(1, 2)


def equivariance(points: Tensor, pair_points: Tensor, origin: Tensor) -> Tensor:
    """Squared distance of landmarks from where the warped picture's say they are.

    Args:
        points: of the picture, (B, K, 2) in [-1, 1].
        pair_points: of its warped copy, the same.
        origin: where every pixel of the copy lies in the picture, (B, 2, H, W).

    Returns:
        Mean over the batch of the sum over landmarks and axes, in units of [-1, 1].
    """
    away = carried_back(pair_points, origin) - points
    return away.square().sum((1, 2)).mean()
