"""Aligning a face by three of its 68 landmarks: the affine map of OpenFace's ``AlignDlib``.

Three landmarks are sent to three fixed places of the square output, which fixes an affine map
(shear included). The places are those of OpenFace's mean face. Outer eye corners and nose do not
move with an expression; with inner eye corners and lower lip an opened mouth would be shut again.

differs from OpenFace: fractions are measured from the output's edge, not from its first pixel's
centre, so that the same part of the face is shown at every size (half a pixel); and pictures made
smaller are averaged over the source pixels they cover, where OpenFace picks single ones.
"""

from __future__ import annotations

import math
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from datamodules.coordinates import Box

Anchors = Literal["outer", "inner"]

ANCHORS: Final[dict[str, dict[int, tuple[float, float]]]] = {
    "outer": {36: (0.194157, 0.169267), 45: (0.788859, 0.158171), 33: (0.494951, 0.514441)},
    "inner": {39: (0.363785, 0.177947), 42: (0.618963, 0.172778), 57: (0.500204, 0.750584)},
}
"""Landmark (from 0, in the order of Multi-PIE and 300-W) -> place, as fractions of the output."""


def alignment(
    landmarks68: NDArray[np.floating[Any]],
    size: int,
    *,
    anchors: Anchors = "outer",
    zoom: float = 1.0,
) -> NDArray[np.float64]:
    """The affine map from a picture's pixels to those of its aligned crop.

    Args:
        landmarks68: (68, 2), (x, y) in pixels, pixel centres at whole numbers.
        size: side of the crop, pixels.
        anchors: which three landmarks are sent to their places.
        zoom: 1 for OpenFace's crop; less shows more around the face, about the same centre.

    Returns:
        (2, 3) matrix ``m``: a point (x, y) goes to ``m @ (x, y, 1)``.

    Raises:
        ValueError: there are not 68 points, or the three lie on a line.
    """
    if landmarks68.shape != (68, 2):
        raise ValueError(f"an alignment needs (68, 2) landmarks, got {landmarks68.shape}")
    places = ANCHORS[anchors]
    source = np.ones((3, 3))
    source[:, :2] = landmarks68[list(places)]
    # Twice the triangle's area; a face of one pixel is none.
    if not np.isfinite(source).all() or abs(np.linalg.det(source)) < 1.0:
        points = source[:, :2].tolist()
        raise ValueError(f"landmarks {', '.join(map(str, places))} span no triangle: {points}")
    fractions = (np.array(list(places.values())) - 0.5) * zoom + 0.5
    return np.linalg.solve(source, fractions * size - 0.5).T.astype(np.float64)


def box_map(box: Box, size: int) -> NDArray[np.float64]:
    """The map (2, 3) from a picture's pixels to those of the square about a box, of ``size`` px.

    The square has the box's centre and its longer side.
    """
    scale = size / max(box.width, box.height)
    x, y = (box.left + box.right) / 2, (box.top + box.bottom) / 2
    half = (size - 1) / 2
    return np.array([[scale, 0, half - scale * (x - 0.5)], [0, scale, half - scale * (y - 0.5)]])


def move(points: NDArray[np.floating[Any]], matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points (..., 2) in pixels of the picture, in pixels of the crop."""
    moved: NDArray[np.float64] = np.asarray(points, np.float64) @ matrix[:, :2].T + matrix[:, 2]
    return moved


def warp(image: Image.Image, matrix: NDArray[np.float64], size: int) -> NDArray[np.uint8] | str:
    """The aligned crop of a picture: (size, size) or (size, size, 3), bilinear, black outside.

    Args:
        image: any mode that Pillow resamples: grey or RGB.
        matrix: (2, 3), as of `alignment`.
        size: side of the crop, pixels.

    Returns:
        Or why there is none: its middle lies outside of the picture, so it shows no face.
    """
    back = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))
    middle = np.array([(size - 1) / 2, (size - 1) / 2, 1])
    x, y = (back @ middle)[:2] + 0.5
    if not (0 <= x <= image.width and 0 <= y <= image.height):
        return f"the face is said to lie at ({x:.0f}, {y:.0f}) of {image.width} x {image.height}"
    # So many source pixels lie along an output pixel; the crop is taken finer and averaged.
    finer = max(1, math.ceil(math.sqrt(abs(np.linalg.det(back[:2, :2]))) - 0.25))
    # Pillow measures from outer corners, and asks for the map from output to source.
    to_corner = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    from_fine = np.array([[1 / finer, 0, -0.5], [0, 1 / finer, -0.5], [0, 0, 1]])
    coefficients = (to_corner @ back @ from_fine)[:2].ravel().tolist()
    fine = image.transform(
        (size * finer, size * finer),
        Image.Transform.AFFINE,
        coefficients,
        resample=Image.Resampling.BILINEAR,
    )
    return np.asarray(fine if finer == 1 else fine.reduce(finer))
