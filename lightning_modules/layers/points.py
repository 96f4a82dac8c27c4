"""Points and maps: pixel centres, spatial softmax, moments, Gaussian maps, glimpses.

Coordinates are (x, y) in [-1, 1] with the picture's outer edges at -1 and +1, so the centre of
pixel i of n lies at (2 i + 1) / n - 1: the ``align_corners=False`` convention of `grid_sample`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def pixel_centres(n: int, *, like: Tensor) -> Tensor:
    """Coordinates (n,) of the centres of ``n`` pixels that span [-1, 1]."""
    return (torch.arange(n, device=like.device, dtype=like.dtype) * 2 + 1) / n - 1


def sunflower(count: int, radius: float, *, like: Tensor) -> Tensor:
    """Evenly spread points (count, 2) on a disc: Vogel's spiral."""
    k = torch.arange(count, device=like.device, dtype=like.dtype) + 0.5
    angle, distance = k * math.pi * (3 - math.sqrt(5)), (k / count).sqrt() * radius
    return torch.stack([distance * angle.cos(), distance * angle.sin()], -1)


def anchored(points: Tensor, size: int, reach: float) -> Tensor:
    """Logits (K, size, size) that draw K maps' points to places of their own.

    Args:
        points: the places (K, 2).
        size: side of the maps in pixels.
        reach: standard deviation of the Gaussian that their softmax is, in units of [-1, 1].
    """
    far = ((points.unsqueeze(-1) - pixel_centres(size, like=points)) / reach).square() / -2
    return far[:, 1, :, None] + far[:, 0, None, :]


def moments(probabilities: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (B, K, 2) and variance (B, K, 2), (x, y), of maps (B, K, H, W) that sum to 1 each."""
    height, width = probabilities.shape[-2:]
    over_columns, over_rows = probabilities.sum(-2), probabilities.sum(-1)
    x, y = (pixel_centres(n, like=probabilities) for n in (width, height))
    mean = torch.stack([over_columns @ x, over_rows @ y], -1)
    square = torch.stack([over_columns @ x.square(), over_rows @ y.square()], -1)
    return mean, (square - mean.square()).clamp_min(0)


def marginal_softmax(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Softmax of a map's marginals, as KeyNet (Jakab et al. 2018) and DLP reduce heat maps.

    Args:
        logits: (..., H, W).

    Returns:
        Probabilities over columns (..., W) and over rows (..., H).
    """
    return logits.mean(-2).softmax(-1), logits.mean(-1).softmax(-1)


def gaussian_maps(points: Tensor, size: int, sigma: float) -> Tensor:
    """Isotropic Gaussians with peak 1, one map a point.

    The Gaussian is separable, so it costs two vectors and one outer product a point.

    Args:
        points: (B, K, 2).
        size: side of the maps in pixels.
        sigma: standard deviation in units of [-1, 1].

    Returns:
        (B, K, size, size).
    """
    centres = pixel_centres(size, like=points)
    rows_cols = torch.exp(-0.5 * ((points.unsqueeze(-1) - centres) / sigma) ** 2)  # (B, K, 2, n)
    return rows_cols[:, :, 1, :, None] * rows_cols[:, :, 0, None, :]


def glimpses(maps: Tensor, centres: Tensor, side: int) -> Tensor:
    """Square crops at given points, all in one `grid_sample`; outside the picture is zero.

    Args:
        maps: (B, C, H, W).
        centres: (B, K, 2).
        side: side of a crop in pixels of ``maps``.

    Returns:
        (B, K, C, side, side).
    """
    batch, channels, height, width = maps.shape
    count = centres.shape[1]
    offset = torch.arange(side, device=maps.device, dtype=maps.dtype) - (side - 1) / 2
    x = centres[..., 0, None] + offset * (2 / width)  # (B, K, side)
    y = centres[..., 1, None] + offset * (2 / height)
    grid = torch.stack(
        [x[:, :, None, :].expand(-1, -1, side, -1), y[:, :, :, None].expand(-1, -1, -1, side)], -1
    )
    crops = F.grid_sample(maps, grid.reshape(batch, count * side, side, 2), align_corners=False)
    return crops.view(batch, channels, count, side, side).transpose(1, 2)
