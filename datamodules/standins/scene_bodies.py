"""Where rays meet a ball, an upright cylinder or an upright box, and which way its surface faces.

All rays of a thing at once, in closed form. A ray starts at ``o`` and goes along the unit vector
``d``, both (x, y, z) relative to the thing's centre, of shapes that broadcast.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Vector = tuple[Floats, Floats, Floats]
_MISS = np.float32(np.inf)
_TINY = np.float32(1e-6)


class Hit(NamedTuple):
    """Distance along the ray, infinite where it misses, and the surface's unit normal."""

    distance: Floats
    normal: Vector


def ball(o: Vector, d: Vector, radius: float) -> Hit:
    """Of a ball."""
    along = _dot(o, d)
    root = along**2 - (_dot(o, o) - radius**2)
    distance = -along - np.sqrt(np.maximum(root, 0))
    distance = np.where((root > 0) & (distance > 0), distance, _MISS)
    x, y, z = (
        np.where(root > 0, (a + np.where(root > 0, distance, 0) * b) / radius, 0)
        for a, b in zip(o, d, strict=True)
    )
    return Hit(distance, (x, y, z))


def cylinder(o: Vector, d: Vector, radius: float, half: float) -> Hit:
    """Of an upright cylinder; what is seen of it from above is its side and its upper face."""
    flat = np.maximum(d[0] ** 2 + d[1] ** 2, _TINY)
    along = o[0] * d[0] + o[1] * d[1]
    root = along**2 - flat * (o[0] ** 2 + o[1] ** 2 - radius**2)
    side = (-along - np.sqrt(np.maximum(root, 0))) / flat
    on_side = (root > 0) & (side > 0) & (np.abs(o[2] + side * d[2]) <= half)
    top = (half - o[2]) / np.where(np.abs(d[2]) < _TINY, _TINY, d[2])
    within = (o[0] + top * d[0]) ** 2 + (o[1] + top * d[1]) ** 2 <= radius**2
    on_top = (top > 0) & within
    distance = np.minimum(np.where(on_side, side, _MISS), np.where(on_top, top, _MISS))
    facing_up = on_top & (top <= np.where(on_side, side, _MISS))
    reached = np.where(on_side, side, 0)
    x, y = (
        np.where(facing_up, 0, (a + reached * b) / radius)
        for a, b in zip(o[:2], d[:2], strict=True)
    )
    return Hit(distance, (x, y, facing_up.astype(np.float32)))


def box(o: Vector, d: Vector, half: tuple[float, float, float], turn: Floats) -> Hit:
    """Of a box with half sides ``half``, turned about the upright axis by ``turn``, radians."""
    cos, sin = np.cos(turn), np.sin(turn)
    o, d = _turned(o, cos, -sin), _turned(d, cos, -sin)
    near, far = [], []
    for a, b, reach in zip(o, d, half, strict=True):
        slope = np.where(np.abs(b) < _TINY, _TINY, b)
        one, other = (-reach - a) / slope, (reach - a) / slope
        near.append(np.minimum(one, other))
        far.append(np.maximum(one, other))
    entered = np.maximum(np.maximum(near[0], near[1]), near[2])
    left = np.minimum(np.minimum(far[0], far[1]), far[2])
    distance = np.where((entered < left) & (entered > 0), entered, _MISS)
    x, y, z = (
        np.where(entered == side, -np.sign(b), 0).astype(np.float32)
        for side, b in zip(near, d, strict=True)
    )
    return Hit(distance, _turned((x, y, z), cos, sin))


def _turned(v: Vector, cos: Floats, sin: Floats) -> Vector:
    return cos * v[0] - sin * v[1], sin * v[0] + cos * v[1], v[2]


def _dot(a: Vector, b: Vector) -> Floats:
    product: Floats = a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
    return product
