"""Which particles of two pictures belong together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from lightning_modules.interface import Particles
from lightning_modules.particles import OF_PARTICLES, take, tracked

_LEAST_VARIANCE: Final = 1e-8


@dataclass(frozen=True)
class Other:
    """The particles of another picture, to paste from and to go to.

    Args:
        particles: of one picture.
        numbered: particle k of every picture of this method is the same part of it; else those
            that are near and alike belong together.
    """

    particles: Particles
    numbered: bool


def meet(particles: Particles, other: Other) -> tuple[Particles, Particles]:
    """The particles of two pictures, partners under one number.

    The first picture's numbers stay. Where one picture has more particles than the other, those
    without a partner get one in the same place with no presence: they fade.

    Args:
        particles: of one picture (B = 1), with a presence.
        other: of the other picture.

    Raises:
        ValueError: more than one picture, or the particles have numbers but are not as many.
    """
    there = tracked(other.particles)
    here_count, there_count = particles.position.shape[1], there.position.shape[1]
    if len(particles.position) != 1 or len(there.position) != 1:
        raise ValueError("particles are matched one picture at a time")
    if other.numbered:
        if here_count != there_count:
            raise ValueError(f"one picture has {here_count} particles, the other {there_count}")
        return particles, there
    rows, columns = linear_sum_assignment(_distance(particles, there).cpu().numpy())
    lonely_here = sorted(set(range(here_count)) - set(rows.tolist()))
    lonely_there = sorted(set(range(there_count)) - set(columns.tolist()))
    # The first picture's numbers in their order, then what only the second has.
    first = _joined(particles, _faded(take(there, lonely_there)))
    order = dict(zip(rows.tolist(), columns.tolist(), strict=True))
    partners = take(there, [order[row] for row in sorted(order)])
    second = _joined(partners, _faded(take(particles, lonely_here)))
    # Lonely ones of the first stand after all others in the second: back to their numbers.
    places = {row: place for place, row in enumerate([*sorted(order), *lonely_here])}
    second = take(second, [places[row] for row in range(here_count)])
    return first, _joined(second, take(there, lonely_there))


def _distance(here: Particles, there: Particles) -> Tensor:
    """Costs (K, K'): squared distance, and appearance in its variance, a feature on average.

    A quarter of the picture counts as much as a deviation of appearance, or as presence.
    """
    assert here.presence is not None and there.presence is not None
    moved = 4 * _squared(here.position[0], there.position[0])
    features = torch.cat([here.feature[0], there.feature[0]])
    variance = features.var(0, correction=0).clamp(min=_LEAST_VARIANCE)
    deviation = variance.sqrt()
    changed = _squared(here.feature[0] / deviation, there.feature[0] / deviation)
    faded = _squared(here.presence[0, :, None], there.presence[0, :, None])
    return moved + changed / features.shape[1] + faded


def _squared(first: Tensor, second: Tensor) -> Tensor:
    return torch.cdist(first, second).square()


def _faded(particles: Particles) -> Particles:
    assert particles.presence is not None
    return particles._replace(presence=torch.zeros_like(particles.presence))


def _joined(first: Particles, second: Particles) -> Particles:
    """Both pictures' particles, with what else the first has."""
    return first._replace(
        **{
            name: torch.cat([values, getattr(second, name)], 1)
            for name in OF_PARTICLES
            if (values := getattr(first, name)) is not None
        }
    )
