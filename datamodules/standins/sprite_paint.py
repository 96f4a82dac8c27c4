"""Pixel art of round parts: capsules drawn with depth, four tones and dark outlines.

All poses are drawn at once, and each part only in a small window about it. Whatever is nearest is
seen; a garment is drawn on a layer of its own, but leaves out what the body hides.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from datamodules.sprites_sheets import CELL

__all__ = ["Canvas", "Part", "palette"]

_Array = NDArray[np.float32]

_PAD: Final = 1  # every pixel that is shown has four neighbours
_SIDE: Final = CELL + 2 * _PAD
_FAR: Final = np.float32(-1e6)
_LIGHT: Final = np.array([-0.42, -0.74, 0.53], np.float32)  # from the upper left, before us
_STEPS: Final = np.array([-0.15, 0.35, 0.8], np.float32)
_BEHIND: Final = 3.5
_OUTLINE: Final = 4


@dataclass(frozen=True)
class Part:
    """A capsule in P poses.

    Args:
        start: (P, 3) one end: x, y, depth.
        end: (P, 3) the other.
        radii: pixels, at the two ends.
        limb: what it belongs to: outlines part limbs. Not 0.
        ink: a row of the palette.
        bands: another ink, and how many stripes of both.
    """

    start: _Array
    end: _Array
    radii: tuple[float, float]
    limb: int
    ink: int
    bands: tuple[int, int] | None = None


class Canvas:
    """What is nearest at every pixel of P poses.

    Args:
        parts: in any order.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        shape = len(parts[0].start), _SIDE, _SIDE
        self.depth = np.full(shape, _FAR)
        self.limb, self.ink = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
        self.light = np.zeros(shape, np.float32)
        for part in parts:
            self._add(part)

    def _add(self, part: Part) -> None:
        thick = max(part.radii)
        low = np.minimum(part.start, part.end)[:, :2] - thick
        span = np.maximum(part.start, part.end)[:, :2] + thick - low
        side = min(int(span.max()) + 2, _SIDE)
        corner = (np.floor(low).astype(int) + _PAD).clip(0, _SIDE - side)
        x = corner[:, 0, None] + np.arange(side)
        y = corner[:, 1, None] + np.arange(side)
        at = np.arange(len(x))[:, None, None], y[:, :, None], x[:, None, :]
        bone = (part.end - part.start)[:, None, None]
        px = (x + 0.5 - _PAD - part.start[:, :1])[:, None, :]
        py = (y + 0.5 - _PAD - part.start[:, 1:2])[:, :, None]
        length = np.maximum(bone[..., 0] ** 2 + bone[..., 1] ** 2, 1e-6)
        along = ((px * bone[..., 0] + py * bone[..., 1]) / length).clip(0, 1)
        dx, dy = px - along * bone[..., 0], py - along * bone[..., 1]
        radius = part.radii[0] + (part.radii[1] - part.radii[0]) * along
        bulge = np.sqrt(np.maximum(radius**2 - dx**2 - dy**2, 0))
        depth = part.start[:, 2, None, None] + along * bone[..., 2] + bulge
        seen = (bulge > 0) & (depth > self.depth[at])
        if not seen.any():
            return
        where = tuple(np.broadcast_to(axis, seen.shape)[seen] for axis in at)
        self.depth[where] = depth[seen]
        self.limb[where] = part.limb
        ink = np.full(seen.shape, part.ink, np.uint8)
        if part.bands is not None:
            other, count = part.bands
            ink[(along * count).astype(int) % 2 == 1] = other
        self.ink[where] = ink[seen]
        facing = (dx * _LIGHT[0] + dy * _LIGHT[1] + bulge * _LIGHT[2]) / radius
        self.light[where] = facing[seen]

    def paint(
        self,
        colours: NDArray[np.uint8],
        behind: "Canvas | None" = None,
        middle: _Array | None = None,
    ) -> NDArray[np.uint8]:
        """The picture of every pose (P, 64, 64, 4), clear where there is nothing.

        Args:
            colours: (inks, 5, 4), see `palette`.
            behind: the body that wears this, whose nearer limbs hide it.
            middle: (P,) depth of the middle of the body: what is far behind lies in shadow.
        """
        covered, depth, limb = self.limb > 0, self.depth, self.limb
        if behind is not None:
            covered &= depth >= behind.depth
            depth = np.where(covered, depth, behind.depth)
            limb = np.where(covered, limb, behind.limb)
        inner = np.zeros_like(covered)
        inner[:, _PAD:-_PAD, _PAD:-_PAD] = covered[:, _PAD:-_PAD, _PAD:-_PAD]
        at = np.flatnonzero(inner)
        light = self.light.ravel()[at]
        if middle is not None:
            light -= 0.45 * (depth.ravel()[at] < middle[at // _SIDE**2] - _BEHIND)
        tone = np.searchsorted(_STEPS, light)
        tone[_edge(at, depth.ravel(), limb.ravel())] = _OUTLINE
        picture = np.zeros((*covered.shape, 4), np.uint8)
        picture.reshape(-1, 4)[at] = colours[self.ink.ravel()[at], tone]
        return picture[:, _PAD:-_PAD, _PAD:-_PAD]


def _edge(at: NDArray[np.int64], depth: _Array, limb: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """At which pixels another limb, or nothing, lies farther behind right beside them."""
    edge = np.zeros(len(at), bool)
    for step in (-1, 1, -_SIDE, _SIDE):
        edge |= (limb[at + step] != limb[at]) & (depth[at + step] < depth[at] - 0.2)
    return edge


def palette(inks: Iterable[tuple[int, ...]]) -> NDArray[np.uint8]:
    """Inks in shadow, half shadow, plain and in light, and their outlines: (inks, 5, 4).

    Args:
        inks: red, green, blue, and alpha where it is not 255.
    """
    return np.stack([_ramp(ink) for ink in inks])


def _ramp(colour: tuple[int, ...]) -> NDArray[np.uint8]:
    base = np.array(colour[:3], float)
    cool, warm = np.array([24, 16, 48.0]), np.array([255, 250, 224.0])
    tones = [
        0.55 * base + 0.12 * cool,
        0.78 * base + 0.06 * cool,
        base,
        base + 0.38 * (warm - base),
        0.22 * base + 0.3 * cool,
    ]
    alpha = np.full((5, 1), float(colour[3] if len(colour) > 3 else 255))
    return np.concatenate([np.round(tones), alpha], 1).astype(np.uint8)
