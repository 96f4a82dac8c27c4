"""Particles of the frames of a clip, lined up so that particle k stays particle k.

A particle of DLP is an output slot, and mostly the same slot follows the same thing; but nothing
holds it there. So each frame's particles are assigned to those of the frame before, by where they
are and what they look like.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor

from lightning_modules.interface import Particles

OF_FRAME: Final = ("background", "context")
"""Fields of `Particles` that are of a whole frame."""
FEATURE_WEIGHT: Final = 0.05
"""A unit of squared difference in looks, mean over features, against one of squared distance."""


def of_fields(function: Callable[[Tensor], Tensor], particles: Particles) -> Particles:
    """``function`` of every field that is there."""
    return Particles._make(None if field is None else function(field) for field in particles)


def at(particles: Particles, frame: int) -> Particles:
    """One frame (B, K, ...) of particles (B, T, K, ...)."""
    return of_fields(lambda field: field[:, frame], particles)


def joined(parts: list[Particles], dim: int = 0) -> Particles:
    """Particles of several batches, one after the other along a dimension."""
    fields = zip(*parts, strict=True)
    return Particles._make(None if f[0] is None else torch.cat(f, dim) for f in fields)


def in_order(particles: Particles, order: Tensor) -> Particles:
    """The particles (B, K, ...) of a frame in another order (B, K)."""

    def ordered(field: Tensor) -> Tensor:
        place = order.view(*order.shape, *[1] * (field.ndim - 2)).expand_as(field)
        return field.gather(1, place)

    return Particles(
        **{
            name: field if field is None or name in OF_FRAME else ordered(field)
            for name, field in particles._asdict().items()
        }
    )


def nearest(cost: Tensor) -> Tensor:
    """A one-to-one assignment, the cheapest pair of all first: column (B, K) of every row.

    It is not the assignment of the least sum: a pair that suits is kept, whatever that costs the
    others. For particles that move little between frames the two agree, and this one is made for a
    whole batch at once.

    Args:
        cost: (B, K, K), finite.
    """
    batch, count, _ = cost.shape
    left, rows = cost.clone(), torch.arange(batch, device=cost.device)
    chosen = torch.zeros(batch, count, dtype=torch.long, device=cost.device)
    for _ in range(count):
        best = left.flatten(1).argmin(1)
        row, column = best // count, best % count
        chosen[rows, row] = column
        left[rows, row] = torch.inf
        left[rows, :, column] = torch.inf
    return chosen


def track(particles: Particles) -> Particles:
    """Line up the particles (B, T, K, ...) of clips, in the order of their first frames."""
    frames = [at(particles, t) for t in range(particles.position.shape[1])]
    lined = frames[:1]
    for frame in frames[1:]:
        lined.append(in_order(frame, nearest(_cost(lined[-1], frame))))
    return joined([of_fields(lambda f: f.unsqueeze(1), frame) for frame in lined], 1)


def _cost(before: Particles, after: Particles) -> Tensor:
    """Squared distance (B, K, K) of particles of two frames, in place and looks."""
    moved = before.position.unsqueeze(2) - after.position.unsqueeze(1)
    changed = before.feature.unsqueeze(2) - after.feature.unsqueeze(1)
    return moved.square().sum(-1) + FEATURE_WEIGHT * changed.square().mean(-1)
