"""A miniature CelebA tree of stand-in faces that are not aligned, as ``img_celeba`` holds them.

Pictures of several sizes and shapes, with the face anywhere near the middle, near or far; landmark
and box files in the genuine formats, lists as in the aligned tree.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from datamodules.standins.celeba_tree import RECIPE_VERSION as TREE_VERSION
from datamodules.standins.celeba_tree import Drawn, View, write_celeba_tree
from datamodules.standins.counter import uniforms
from datamodules.standins.faces import face_landmarks, render_faces, sample_factors

__all__ = ["RECIPE_VERSION", "write_wild_tree"]

#: Raised whenever a change moves any pixel, landmark, box or list of the tree.
RECIPE_VERSION = 10 * TREE_VERSION + 1

_SHAPES = ((120, 96), (112, 112), (96, 120), (128, 88))
"""Heights and widths, pixels; the genuine pictures are larger, and shown no larger than this."""
_NEAR, _FAR = 0.45, -0.1
"""Logarithms of the largest and least size of a head, 0 being that of the portrait frame."""
_AWAY = (0.25, 0.15)
"""How far from the middle a head may be, of the picture's half width and height."""


def _wild(index: NDArray[np.int64], seed: int, people: NDArray[np.int64]) -> Drawn:
    draws = uniforms(seed, index, ["wild/shape", "wild/scale", "wild/x", "wild/y"])
    shapes = (draws[:, 0] * len(_SHAPES)).astype(np.int64)
    factors = sample_factors(index, seed, identity=people)
    factors = factors.replace(
        scale=torch.from_numpy(np.exp(_FAR + draws[:, 1] * (_NEAR - _FAR))).float(),
        shift=torch.from_numpy((draws[:, 2:] * 2 - 1) * np.array(_AWAY)).float(),
    )
    pictures: dict[int, NDArray[np.uint8]] = {}
    landmarks = np.zeros((len(index), 5, 2), dtype=np.int64)
    boxes = np.zeros((len(index), 4), dtype=np.int64)
    for kind, (height, width) in enumerate(_SHAPES):
        rows = np.flatnonzero(shapes == kind)
        if not len(rows):
            continue
        some = factors[torch.from_numpy(rows)]
        images = render_faces(some, (height, width), dtype=torch.uint8)
        half = np.array([width / 2, height / 2])
        five, outline = (
            (face_landmarks(some, (height, width), count=count).numpy() + 1) * half - 0.5
            for count in (5, 68)
        )
        landmarks[rows] = np.rint(five)
        low, high = outline.min(1), outline.max(1)
        # Landmarks end at the brows; the boxes of CelebA take in the forehead and a little more.
        low, high = low - (high - low) * [0.08, 0.35], high + (high - low) * [0.08, 0.05]
        boxes[rows] = np.rint(np.concatenate([low, high - low], 1))
        pictures |= dict(
            zip(rows.tolist(), images.permute(0, 2, 3, 1).contiguous().numpy(), strict=True)
        )
    return Drawn([pictures[row] for row in range(len(index))], landmarks, boxes)


WILD = View("img_celeba", "list_landmarks_celeba.txt", _wild)


def write_wild_tree(
    out: Path,
    sizes: Mapping[str, int],
    seed: int = 0,
    *,
    progress: Callable[[int, int], None] | None = None,
    **settings: Any,
) -> Path:
    """Write ``out/celeba`` whole or not at all, see `write_celeba_tree`."""
    return write_celeba_tree(out, sizes, seed, progress=progress, view=WILD, **settings)
