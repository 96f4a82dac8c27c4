"""How far a picture's vectors point from where their places have gone (Thewlis et al. 2017, 2019).

A place u of one view has come from the place g(u) of the other. Its vector is compared with all
vectors of the other view, and the loss is how far from g(u) the softmax of these products lies:

    p(v | u) = softmax_v <a_u, b_v>,    loss = mean_u sum_v p(v | u) |v - g(u)|^(1/2).

With vector exchange (2019) a_u is first replaced by what a third picture makes of it, the mean of
that picture's vectors weighed by a softmax of their products with a_u. So vectors have to be alike
for the same part of other faces too. Without it, 2017, little keeps long vectors from telling one
face from another.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lightning_modules.layers.points import pixel_centres


def places(height: int, width: int, *, like: Tensor) -> Tensor:
    """Centres (H W, 2), (x, y) in [-1, 1], row by row."""
    y, x = torch.meshgrid(
        pixel_centres(height, like=like), pixel_centres(width, like=like), indexing="ij"
    )
    return torch.stack([x, y], -1).flatten(0, 1)


def exchanged(vectors: Tensor, others: Tensor) -> Tensor:
    """Vectors (B, N, C) as the mean of others (B, M, C), weighed by a softmax of their products."""
    return (vectors @ others.mT).softmax(-1) @ others


def misplaced(vectors: Tensor, source: Tensor, others: Tensor, where: Tensor) -> Tensor:
    """Mean root of the distance between where vectors point to and where their places came from.

    Args:
        vectors: of one view (B, N, C).
        source: where in the other view these places came from (B, N, 2), (x, y), in any unit.
        others: vectors of the other view (B, M, C).
        where: their places (M, 2), in the same unit.
    """
    chance = (vectors @ others.mT).softmax(-1)
    root = torch.cdist(source, where.expand(len(source), -1, -1)).sqrt()
    return (chance * root).sum(-1).mean()
