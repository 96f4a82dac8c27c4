"""Painted patches put into their places on a canvas and laid over each other, without a loop.

A patch covers a small part of the picture. Bilinear placement is separable, so it takes two small
matrix products, and yields the few pixels that the patch can reach. What particles do to each
other is settled on a flat canvas, which they read and add to by index.

Coordinates are those of `lightning_modules.layers.points`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

_OPAQUE = 1 - 1e-6


class Placed(NamedTuple):
    """Patches on the pixels they reach.

    Shapes: ``values`` (B, K, C, T); ``pixels`` (B, K, T), their places on the flat canvas of
    H x W pixels, H W for what falls outside.
    """

    values: Tensor
    pixels: Tensor


def reach_of(side: int, stretch: float = 1.0) -> int:
    """Side in pixels of the window that a patch of ``side`` pixels, stretched so far, may touch."""
    return math.ceil(stretch * (side + 1))


def place(patches: Tensor, centres: Tensor, size: Tensor, canvas: int, reach: int) -> Placed:
    """Put patches on a canvas, bilinearly, with nothing outside of them.

    The same values and gradients as one `grid_sample` of every patch over the whole canvas
    (``align_corners=False``, zeros).

    Args:
        patches: (B, K, C, S, S).
        centres: where their centres go, (B, K, 2).
        size: sides (width, height) they are stretched to, (B, K, 2), the canvas's being 2.
        canvas: side of the canvas, pixels.
        reach: side of the window of pixels that is looked at, see `reach_of`.
    """
    side = patches.shape[-1]
    centre = ((centres + 1) * canvas - 1) / 2  # in pixels of the canvas, as is all that follows
    stretch = size * (canvas / 2 / side)
    first = (centre - stretch * ((side + 1) / 2)).detach().floor() + 1
    pixel = first.unsqueeze(-1) + torch.arange(reach, device=patches.device)  # (B, K, 2, R)
    within = (pixel - centre.unsqueeze(-1)) / stretch.unsqueeze(-1) + (side - 1) / 2
    steps = torch.arange(side, device=patches.device, dtype=patches.dtype)
    tent = (1 - (within.unsqueeze(-1) - steps).abs()).relu().unsqueeze(2)  # (B, K, 1, 2, R, S)
    values = tent[:, :, :, 1] @ patches @ tent[:, :, :, 0].mT
    inside = (pixel >= 0) & (pixel < canvas)
    x, y = pixel.clamp(0, canvas - 1).long().unbind(2)
    flat = y.unsqueeze(-1) * canvas + x.unsqueeze(-2)
    seen = inside[:, :, 1].unsqueeze(-1) & inside[:, :, 0].unsqueeze(-2)
    return Placed(values.flatten(3), flat.masked_fill(~seen, canvas**2).flatten(2))


def weights_in_order(alpha: Tensor, pixels: Tensor, canvas: int) -> Tensor:
    """Share of a pixel that each particle paints; earlier ones hide later ones (DLP, appendix).

    Particle k takes its alpha, or what the ones before have left: min(a_k, 1 - sum of the shares
    before), where no gradient reaches those before. As alphas are not negative the sum of shares
    is min(1, sum of alphas), so one cumulative sum gives all of them exactly.

    Args:
        alpha: (B, K, T), at least 0.
        pixels: as in `Placed`.
        canvas: side of the canvas, pixels.

    Returns:
        (B, K, T).
    """
    batch, count = alpha.shape[:2]
    with torch.no_grad():
        flat = alpha.new_zeros(batch, count, canvas**2 + 1).scatter_(2, pixels, alpha)
        # The cumulative sum as a product with a triangle of ones: five times as fast on a CPU.
        earlier = alpha.new_ones(count, count).tril(-1)
        left = 1 - (earlier @ flat).gather(2, pixels)
    return torch.minimum(alpha, left.clamp(min=0))


def weights_by_depth(alpha: Tensor, pixels: Tensor, depth: Tensor, canvas: int) -> Tensor:
    """Share of a pixel that each particle paints; nearer ones hide farther ones, softly.

    Together they cover 1 - prod(1 - a_k), which particle k shares in by a_k exp(depth_k). The
    order of the particles means nothing, and every alpha and depth has its gradient.

    Args:
        alpha: (B, K, T), in [0, 1].
        pixels: as in `Placed`.
        depth: (B, K), larger is nearer.
        canvas: side of the canvas, pixels.

    Returns:
        (B, K, T).
    """
    near = (depth - depth.detach().amax(1, keepdim=True)).exp().unsqueeze(-1)
    claim = alpha * near
    clear = torch.log1p(-alpha.clamp(max=_OPAQUE))
    sums = gather_from(add_up(torch.stack([claim, clear], 2), pixels, canvas), pixels)
    claims, clears = sums.unbind(2)
    return claim / claims.clamp(min=1 - _OPAQUE) * -torch.expm1(clears)


def add_up(values: Tensor, pixels: Tensor, canvas: int) -> Tensor:
    """Sum over particles of ``values`` (B, K, C, T) on the flat canvas (B, C, H W + 1).

    The last pixel holds what falls outside.
    """
    batch, _, channels, _ = values.shape
    total = values.new_zeros(batch, channels, canvas**2 + 1)
    places = pixels.flatten(1).unsqueeze(1).expand(-1, channels, -1)
    return total.scatter_add(2, places, values.transpose(1, 2).flatten(2))


def gather_from(flat: Tensor, pixels: Tensor) -> Tensor:
    """What a flat canvas (B, C, H W + 1) holds at ``pixels`` (B, K, T): (B, K, C, T)."""
    batch, count, reached = pixels.shape
    places = pixels.flatten(1).unsqueeze(1).expand(-1, flat.shape[1], -1)
    return flat.gather(2, places).view(batch, -1, count, reached).transpose(1, 2)


def lay_over(background: Tensor, colour: Tensor, weight: Tensor, pixels: Tensor) -> Tensor:
    """Particles over a background.

    Args:
        background: (B, C, H, W), square.
        colour: (B, K, C, T).
        weight: share of each particle in its pixels, (B, K, T).
        pixels: as in `Placed`.

    Returns:
        (B, C, H, W): the weighted sum, with the background's weight 1 - min(1, sum of weights).
    """
    canvas = background.shape[-1]
    weight = weight.unsqueeze(2)
    flat = add_up(torch.cat([colour * weight, weight], 2), pixels, canvas)[..., :-1]
    flat = flat.view(len(flat), -1, canvas, canvas)
    return flat[:, :-1] + (1 - flat[:, -1:].clamp(0, 1)) * background
