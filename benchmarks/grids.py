"""A square grid of canonical pictures, as it lies on the pictures warped from them.

After Figures 2 and 19 of Xing et al. (TPAMI 2022). Its line x = c is where the pixels look at
x = c: a level line of the map. All pictures at once, for those of a clip are many.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import torch
from matplotlib.colors import to_rgb
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from benchmarks.canvas import INK, VERMILION, enlarged
from lightning_modules.layers.warp import base_grid

Array = NDArray[Any]

LINES: Final = 9
"""Of a grid in each direction, the picture's edges among them."""
_WIDTHS: Final = {INK: 5 / 256, VERMILION: 3 / 256}
"""Of a line and of its middle, as a share of the picture."""
_FLATTEST: Final = 0.2
"""Where the map stretches the canonical picture more than fivefold, lines get as much thicker."""


def lay_grid(images: Array, field: Tensor | None, tile: tuple[int, int]) -> Array:
    """Enlarge pictures and draw the grid on them.

    Args:
        images: (N, H, W, 3 or 1) uint8.
        field: displacement (N, 2, h, w), (x, y) in [-1, 1] units; None for the straight grid of
            canonical pictures.
        tile: height and width to give them.

    Returns:
        (N, *tile, 3) uint8.
    """
    if field is None:
        field = torch.zeros(1, 2, *images.shape[1:3])
    looked = base_grid(*field.shape[-2:], like=field).permute(2, 0, 1) + field
    distance = _distance(F.interpolate(looked.float(), tile, mode="bilinear")).cpu().numpy()
    drawn = np.stack([enlarged(image, tile) for image in images]).astype(np.float32)
    for colour, width in _WIDTHS.items():
        # A pixel that the line's edge crosses is covered in part.
        cover = np.clip(width * tile[0] / 2 + 0.5 - distance, 0, 1)[..., None]
        drawn += cover * (255 * np.array(to_rgb(colour), np.float32) - drawn)
    return drawn.round().astype(np.uint8)


def _distance(looked: Tensor) -> Tensor:
    """How many pixels the nearest line is away, (N, H, W), to first order; looked (N, 2, H, W)."""
    step = 2 / (LINES - 1)
    level = (looked / step).round().clamp(-(LINES // 2), LINES // 2) * step
    down, right = torch.gradient(looked, dim=(2, 3))
    least = _FLATTEST * 2 / max(looked.shape[-2:])
    slope = (down.square() + right.square()).sqrt().clamp_min(least)
    return ((looked - level).abs() / slope).amin(1)
