"""Locally normalised oriented gradients: pictures described by their edges, without weights."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms.functional import gaussian_blur


def oriented_gradients(
    image: Tensor,
    *,
    orientations: int = 8,
    cell: int = 2,
    reach: float = 2.0,
    floor: float = 1e-3,
) -> Tensor:
    """Dalal and Triggs' descriptor (CVPR 2005) on soft cells.

    Central differences of the grey picture, their positive parts along evenly spaced directions,
    means over cells, divided by the energy around. Light and colour weigh no more in it than the
    edges of eyes and mouth, as in the first layers of a trained network.

    Args:
        image: (B, 3, H, W) in [0, 1].
        orientations: directions over the full circle, the first to the right, the next clockwise.
        cell: side of a cell, pixels.
        reach: standard deviation of the Gaussian that gathers the energy, cells.
        floor: energy of a flat picture, which keeps noise from being blown up.

    Returns:
        (B, orientations, H // cell, W // cell), at least 0.

    Raises:
        ValueError: the picture has too few cells for the Gaussian to reach.
    """
    side = 2 * math.ceil(3 * reach) + 1
    if min(image.shape[-2:]) // cell <= side // 2:
        raise ValueError(
            f"a picture of {list(image.shape[-2:])} pixels has cells of {cell} px for less than "
            f"half a Gaussian {side} cells wide"
        )
    angle = torch.arange(orientations, device=image.device) * (2 * math.pi / orientations)
    x, y = (f(angle).to(image.dtype).view(-1, 1, 1) for f in (torch.cos, torch.sin))
    grey = F.pad(image.mean(1, keepdim=True), (1, 1, 1, 1), mode="replicate")
    across = grey[:, :, 1:-1, 2:] - grey[:, :, 1:-1, :-2]
    down = grey[:, :, 2:, 1:-1] - grey[:, :, :-2, 1:-1]
    cells = F.avg_pool2d((across * x + down * y).relu(), cell)
    energy = gaussian_blur(cells.square().sum(1, keepdim=True), [side, side], [reach, reach])
    described: Tensor = cells / (energy + floor).sqrt()
    return described
