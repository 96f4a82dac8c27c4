"""Particles against true objects: who is near whom, who lies on whom, who counts."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

RADIUS: Final = 0.2
"""Farthest that a particle may be from the centre of the object it is matched with, where the
picture's side is 2: a tenth of the side."""
LEAST_SEEN: Final = 0.25
"""Objects of which less than this share is in view count as absent."""
_MISS: Final = 1e3

Array = np.ndarray


class Objects(NamedTuple):
    """True objects of N pictures: ``box`` (N, M, 4), ``centre`` (N, M, 2), ``counts`` (N, M)."""

    box: Array
    centre: Array
    counts: Array


class Matches(NamedTuple):
    """What a matching says of each picture: hits, objects, particles and summed distance, (N,)."""

    hits: Array
    objects: Array
    particles: Array
    distance: Array


def objects_of(box: Array, centre: Array, visible: Array) -> Objects:
    """Objects of a batch, see `datamodules.interface`: those in view, and seen enough."""
    counts = np.isfinite(box).all(-1) & np.isfinite(centre).all(-1) & (visible >= LEAST_SEEN)
    return Objects(box, centre, counts)


def match(positions: Array, chosen: Array, objects: Objects) -> Matches:
    """Pair particles with objects one by one: as many pairs as can be, then the nearest.

    Args:
        positions: (N, K, 2).
        chosen: (N, K), particles that take part.
        objects: of the same pictures.
    """
    rows = []
    for position, part, centre, counts in zip(
        positions, chosen, objects.centre, objects.counts, strict=True
    ):
        distance = cdist(position[part], centre[counts])
        near = distance <= RADIUS
        pairs = linear_sum_assignment(np.where(near, distance, _MISS))
        hit = near[pairs]
        rows.append((hit.sum(), counts.sum(), part.sum(), distance[pairs][hit].sum()))
    return Matches(*np.array(rows, dtype=float).T)


def inside(positions: Array, objects: Objects) -> Array:
    """Whether each particle lies in the box of each object that counts, (N, K, M)."""
    x, y = positions[..., None, 0], positions[..., None, 1]
    left, top, right, bottom = np.moveaxis(objects.box[:, None], -1, 0)
    with np.errstate(invalid="ignore"):  # a box out of view is NaN
        within = (left <= x) & (x <= right) & (top <= y) & (y <= bottom)
    return np.asarray(within & objects.counts[:, None])


def to_nearest(positions: Array, objects: Objects) -> Array:
    """Distance of each particle to the nearest object's centre, (N, K); inf without objects."""
    centre = np.where(objects.counts[..., None], objects.centre, np.inf)
    step = positions[:, :, None] - centre[:, None]
    return np.asarray(np.hypot(step[..., 0], step[..., 1]).min(-1, initial=np.inf))
