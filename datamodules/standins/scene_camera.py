"""A pinhole camera above a plane: from pixels to rays, and from places to pixels.

Space has x to the right, y away from the camera and z up, the plane is z = 0. Pixels are (u, v)
from the upper left corner of the picture, u to the right and v down; the centre of the first one is
at (0.5, 0.5).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
UP: Final = np.array([0, 0, 1], np.float32)


@dataclass(frozen=True)
class Camera:
    """Where it stands, what it looks at, and how large its picture is.

    Args:
        eye: (x, y, z).
        target: (x, y, z), seen in the middle of the picture.
        width: of the picture, pixels.
        height: of the picture, pixels.
        zoom: focal length as a multiple of the picture's width.
    """

    eye: tuple[float, float, float]
    target: tuple[float, float, float]
    width: int
    height: int
    zoom: float

    @property
    def focal(self) -> float:
        """Focal length, pixels."""
        return self.zoom * self.width

    @cached_property
    def axes(self) -> Floats:
        """Right, down and forward (3, 3), in space."""
        forward = np.array(self.target, np.float32) - np.array(self.eye, np.float32)
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, UP)
        right /= np.linalg.norm(right)
        return np.stack([right, np.cross(forward, right), forward]).astype(np.float32)

    def project(self, places: NDArray[np.floating]) -> tuple[Floats, Floats]:
        """Pixels (..., 2) of places (..., 3), and how far in front of the eye (...,) they are."""
        seen = (places.astype(np.float32) - np.array(self.eye, np.float32)) @ self.axes.T
        far = seen[..., 2]
        pixels = self.focal * seen[..., :2] / far[..., None]
        middle = np.array([self.width / 2, self.height / 2], np.float32)
        return (pixels + middle).astype(np.float32), far

    def rays(self, u: Floats, v: Floats) -> tuple[Floats, Floats, Floats]:
        """Unit directions from the eye through pixels, as x, y and z of the pixels' shape."""
        right, down, forward = self.axes
        a, b = (u - self.width / 2) / self.focal, (v - self.height / 2) / self.focal
        parts = [a * right[k] + b * down[k] + forward[k] for k in range(3)]
        length = np.sqrt(parts[0] ** 2 + parts[1] ** 2 + parts[2] ** 2)
        x, y, z = (part / length for part in parts)
        return x, y, z

    def reach(self, far: Floats, radius: float) -> Floats:
        """Radius in pixels, at most, of a ball of ``radius`` whose centre is ``far`` away."""
        inner = np.maximum(far**2 - radius**2, 1e-3)
        pixels: Floats = (1.05 * self.focal * radius * far / inner).astype(np.float32)
        return pixels
