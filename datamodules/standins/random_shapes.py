"""Random shapes on cyan, by the recipe of Deep Latent Particles' synthetic data.

Two to five rectangles, circles, triangles and ellipses of 11 to 13 px in pictures of 64, each of
one colour, none upon another, in the manner of scikit-image's ``random_shapes``: a shape that finds
no free place in a hundred tries is left out. A picture is a function of (seed, index).

differs from the authors' recipe: the squares about two shapes do not overlap, where theirs asks
that of the shapes themselves; places, sizes and colours are other draws, for theirs has no seed.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from datamodules.standins.counter import uniforms

__all__ = ["KINDS", "MOST", "Drawn", "draw_shapes", "paint_shapes"]

KINDS: Final = ("rectangle", "circle", "triangle", "ellipse")
FEWEST: Final = 2
MOST: Final = 5
SIZES: Final = (11, 13)
TRIES: Final = 100
GROUND: Final = (0, 255, 255)
BRIGHTEST: Final = 200

Ints = NDArray[np.int64]


class Drawn(NamedTuple):
    """What B pictures of up to `MOST` shapes show.

    ``kind`` (B, N), an index into `KINDS`, -1 for none; ``corner`` (B, N, 2), its first pixel (x,
    y); ``size`` (B, N, 2), pixels (x, y); ``colour`` (B, N, 3), 0 to `BRIGHTEST`.
    """

    kind: Ints
    corner: Ints
    size: Ints
    colour: Ints


def draw_shapes(index: Ints, side: int, seed: int) -> Drawn:
    """The shapes of some pictures.

    Args:
        index: (B,) which pictures.
        side: of the pictures, pixels; sizes are of 64 and grow with it.
        seed: any integer.
    """

    def draw(name: str, count: NDArray[np.int64] | int) -> Ints:
        return (uniforms(seed, index, [f"shapes/{name}"])[:, 0] * count).astype(np.int64)

    many = FEWEST + draw("many", MOST - FEWEST + 1)
    low, high = (round(size * side / 64) for size in SIZES)
    kind = np.full((len(index), MOST), -1, np.int64)
    corner = np.zeros((len(index), MOST, 2), np.int64)
    size = np.zeros((len(index), MOST, 2), np.int64)
    colour = np.zeros((len(index), MOST, 3), np.int64)
    for n in range(MOST):
        size[:, n] = low + np.stack([draw(f"{n}/{axis}", high - low + 1) for axis in "wh"], 1)
        which = draw(f"{n}/kind", len(KINDS))
        # A circle is as wide as it is tall; a triangle has three equal sides.
        round_ = which == KINDS.index("circle")
        size[round_, n, 1] = size[round_, n, 0]
        pointed = which == KINDS.index("triangle")
        size[pointed, n, 1] = np.round(size[pointed, n, 0] * np.sqrt(3) / 2)
        colour[:, n] = np.stack([draw(f"{n}/{c}", BRIGHTEST + 1) for c in "rgb"], 1)
        waiting = np.flatnonzero(many > n)
        for again in range(TRIES):
            if not len(waiting):
                break
            at = np.stack(
                [draw(f"{n}/{again}/{a}", side - size[:, n, k] + 1) for k, a in enumerate("xy")], 1
            )[waiting]
            apart = (
                (at[:, None] >= (corner + size)[waiting, :n])
                | (corner[waiting, :n] >= (at + size[waiting, n])[:, None])
            ).any(2) | (kind[waiting, :n] < 0)
            free = apart.all(1)
            corner[waiting[free], n] = at[free]
            kind[waiting[free], n] = which[waiting[free]]
            waiting = waiting[~free]
    return Drawn(kind, corner, size, colour)


def paint_shapes(drawn: Drawn, side: int) -> NDArray[np.uint8]:
    """Pictures (B, side, side, 3)."""
    pictures = np.empty((len(drawn.kind), side, side, 3), np.uint8)
    pictures[:] = GROUND
    y, x = np.mgrid[:side, :side] + 0.5
    for n in range(MOST):
        # From -1 to 1 across the shape.
        across = _across(x, drawn.corner[:, n, 0], drawn.size[:, n, 0])
        down = _across(y, drawn.corner[:, n, 1], drawn.size[:, n, 1])
        within = (np.abs(across) <= 1) & (np.abs(down) <= 1)
        kind = drawn.kind[:, n, None, None]
        curved = (kind == KINDS.index("circle")) | (kind == KINDS.index("ellipse"))
        within &= ~curved | (across**2 + down**2 <= 1)
        # One pixel wider than the lines, for the tip lies between pixels.
        tip = 1 / np.maximum(drawn.size[:, n, 0], 1)[:, None, None]
        within &= (kind != KINDS.index("triangle")) | (np.abs(across) <= (down + 1) / 2 + tip)
        within &= kind >= 0
        pictures = np.where(within[..., None], drawn.colour[:, n, None, None], pictures)
    return pictures.astype(np.uint8)


def _across(pixels: NDArray[np.float64], first: Ints, size: Ints) -> NDArray[np.float64]:
    middle = (first + size / 2)[:, None, None]
    across: NDArray[np.float64] = 2 * (pixels - middle) / np.maximum(size, 1)[:, None, None]
    return across
