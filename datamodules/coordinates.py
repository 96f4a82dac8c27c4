"""The one owner of conversions between pixels and [-1, 1].

Normalised coordinates are (x, y), x to the right, y down; the outer edges of the picture lie at
-1 and +1 (the ``align_corners=False`` convention of PyTorch). Pixel coordinates are (x, y) too,
with the centres of pixels at whole numbers: the picture reaches from -0.5 to W - 0.5.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Points = TypeVar("Points", Tensor, NDArray[Any])
"""Points (..., 2) as a floating tensor or array; functions return what they were given."""


class Box(NamedTuple):
    """A rectangle of a picture, measured from the picture's outer corner, in pixels.

    A whole picture is ``Box(0, 0, width, height)``; the centre of its first pixel is (0.5, 0.5).
    """

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """Extent along x, in pixels."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Extent along y, in pixels."""
        return self.bottom - self.top

    def scaled(self, factor: float) -> Box:
        """The rectangle of ``factor`` times the size about the same centre."""
        x, y = (self.left + self.right) / 2, (self.top + self.bottom) / 2
        half_width, half_height = self.width * factor / 2, self.height * factor / 2
        return Box(x - half_width, y - half_height, x + half_width, y + half_height)


def _pair(points: Points, x: float, y: float) -> Points:
    """(x, y) as the same kind of array as ``points``."""
    if isinstance(points, Tensor):
        if not points.is_floating_point():
            raise TypeError(f"coordinates must be floating numbers, got {points.dtype}")
        return torch.tensor([x, y], dtype=points.dtype, device=points.device)
    if not np.issubdtype(points.dtype, np.floating):
        raise TypeError(f"coordinates must be floating numbers, got {points.dtype}")
    return np.array([x, y], dtype=points.dtype)


def to_pixels(xy: Points, size: tuple[int, int]) -> Points:
    """Normalised (..., 2) to pixel coordinates of a picture of ``size`` (height, width).

    Example:
        >>> to_pixels(np.array([[-1.0, 1.0]]), (64, 128))
        array([[-0.5, 63.5]])
    """
    height, width = size
    pixels: Points = (xy + 1) * _pair(xy, width / 2, height / 2) - 0.5
    return pixels


def to_normalised(xy_pixels: Points, size: tuple[int, int]) -> Points:
    """Pixel coordinates (..., 2) in a picture of ``size`` (height, width) to normalised ones.

    Example:
        >>> to_normalised(np.array([[-0.5, 31.5]]), (64, 64))
        array([[-1.,  0.]])
    """
    height, width = size
    return within_box(xy_pixels, Box(0, 0, width, height))


def within_box(xy_pixels: Points, box: Box) -> Points:
    """Pixel coordinates (..., 2) of a picture to normalised ones of a rectangle cut from it.

    Where the rectangle is then resized, the answer stays the same: normalised coordinates know no
    size. The two axes may be scaled differently.
    """
    corner = _pair(xy_pixels, box.left, box.top)
    half = _pair(xy_pixels, box.width / 2, box.height / 2)
    normalised: Points = (xy_pixels + 0.5 - corner) / half - 1
    return normalised


def pixel_centres(size: tuple[int, int], device: torch.device | str | None = None) -> Tensor:
    """Normalised coordinates (height, width, 2) of the pixels' centres, float32.

    As the grid of ``torch.nn.functional.grid_sample(..., align_corners=False)`` it is the identity.
    """
    height, width = size
    y = (2 * torch.arange(height, device=device) + 1) / height - 1
    x = (2 * torch.arange(width, device=device) + 1) / width - 1
    return torch.stack([x.expand(height, width), y[:, None].expand(height, width)], dim=-1)
