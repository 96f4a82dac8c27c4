"""Dense backward warps: where each pixel of a picture looks in another one.

Coordinates are those of the suite: (x, y) in [-1, 1] with the picture's outer edges at -1 and +1.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from lightning_modules.layers.points import pixel_centres

BaseGrid = Literal["identity", "official"]


def base_grid(height: int, width: int, *, like: Tensor, kind: BaseGrid = "identity") -> Tensor:
    """Where every pixel looks under a displacement of zero.

    Args:
        height: of the picture, pixels.
        width: of the picture, pixels.
        like: gives device and type.
        kind: ``identity``, each pixel at its own centre; or ``official``, the grid of the
            Deformable Generator's released code, where pixel i looks at i W / (W - 1): a picture
            is magnified from its first corner, by one pixel at the far edge.

    Returns:
        (H, W, 2), (x, y).
    """
    sides = []
    for n in (height, width):
        centres = pixel_centres(n, like=like)
        if kind == "official":
            index = torch.arange(n, device=like.device, dtype=like.dtype)
            centres = (2 * index * n / (n - 1) + 1) / n - 1
        sides.append(centres)
    y, x = torch.meshgrid(sides[0], sides[1], indexing="ij")
    return torch.stack([x, y], -1)


def backward_warp(image: Tensor, displacement: Tensor, *, base: BaseGrid = "identity") -> Tensor:
    """Picture whose pixel p shows ``image`` at p plus its displacement, bilinearly.

    What lies outside shows the nearest pixel of the border.

    Args:
        image: (B, C, H, W).
        displacement: (B, 2, H', W'), (x, y) in units where the picture spans [-1, 1].
        base: where a displacement of zero looks, see `base_grid`.

    Returns:
        (B, C, H', W').
    """
    grid = base_grid(*displacement.shape[-2:], like=displacement, kind=base)
    warped: Tensor = F.grid_sample(
        image,
        grid + displacement.permute(0, 2, 3, 1),
        mode="bilinear",
        padding_mode="border",
        align_corners=False,
    )
    return warped


def displacement_in_pixels(displacement: Tensor) -> Tensor:
    """Length of every displacement in pixels, (B, H, W), from (B, 2, H, W) in [-1, 1] units."""
    height, width = displacement.shape[-2:]
    half = displacement.new_tensor([width / 2, height / 2])
    length: Tensor = torch.linalg.vector_norm(displacement * half.view(2, 1, 1), dim=1)
    return length


@torch.no_grad()
def watched_field(canonical: Tensor, displacement: Tensor, image: Tensor) -> dict[str, Tensor]:
    """Numbers that show whether one half of a method that warps explains the other away.

    ``without_field`` is the summed squared error of the canonical picture (B, C, H, W), unwarped;
    ``displacement`` the mean length of the field (B, 2, H, W) in pixels.
    """
    missed = (canonical - image).square().flatten(1).sum(1).mean()
    return {"without_field": missed, "displacement": displacement_in_pixels(displacement).mean()}
