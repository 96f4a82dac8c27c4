r"""Thin-plate spline warps of the unit square, for a whole batch at once.

Realises the augmentation of Deep Latent Particles (Daniel & Tamar 2022; from Thewlis et al. 2019):
100 control points on a 10 x 10 grid over [-1, 1]^2 and the kernel U(r) = r^2 log(r^2 + 1e-5). A
warp says for every point p of the warped picture where in the source it is read from,

    source(p) = s R(theta) p + t + sum_c U(|p - c|) w_c,

with the weights w_c drawn directly rather than solved for, so any number of warps of a batch is
one matrix product.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

CONTROL_SIDE: Final = 10
CONTROL_POINTS: Final = CONTROL_SIDE**2
LATTICE_SIDE: Final = 49
LATTICE_REACH: Final = 1.5


@dataclass(frozen=True)
class Strength:
    """Standard deviations of a random warp; the defaults are the paper's.

    Args:
        translation: in units where the picture spans [-1, 1].
        scale: of the factor about 1.
        rotation: degrees.
        weight: of half of the kernel's weights.
        strong_weight: of the other half, chosen at random.
    """

    translation: float = 0.1
    scale: float = 0.1
    rotation: float = 5.0
    weight: float = 0.001
    strong_weight: float = 0.01

    def times(self, factor: float) -> Strength:
        """All deviations times ``factor``; 0 gives the identity."""
        return Strength(
            self.translation * factor,
            self.scale * factor,
            self.rotation * factor,
            self.weight * factor,
            self.strong_weight * factor,
        )


class ThinPlateWarp(NamedTuple):
    """A batch of warps, as the factors of their basis functions.

    Shapes: ``factors`` (B, 2, 103), for x and y: 100 weights of the kernel, then of x, y and 1.
    """

    factors: Tensor

    def part(self, number: int, parts: int) -> ThinPlateWarp:
        """One of so many equal parts of the batch, in its order."""
        return ThinPlateWarp(self.factors.chunk(parts)[number])

    def source(self, points: Tensor) -> Tensor:
        """Where the warped picture's ``points`` (B, N, 2) or (N, 2) are read from: (B, N, 2)."""
        return self.source_of(basis(points))

    def source_of(self, basis_values: Tensor) -> Tensor:
        """`source`, of points whose `basis` (103, N) or (B, 103, N) is known."""
        if basis_values.dim() == 3:
            return (self.factors @ basis_values).transpose(1, 2)
        # One (2 B, 103) x (103, N) product instead of B thin ones.
        flat = self.factors.flatten(0, 1) @ basis_values
        return flat.view(len(self.factors), 2, -1).transpose(1, 2)

    def source_smooth(self, points: Tensor) -> Tensor:
        """`source` at points (B, N, 2) of each warp's own, fast.

        Read from a lattice by bilinear interpolation, which spares a logarithm for every pair of
        point and control point. For the weak warp of a pair the error is below 0.01 pixel of 160 (a
        test holds it). Points beyond the lattice, which ends at 1.5, are taken at its edge: both
        are read from outside the picture.
        """
        lattice = self.source_of(_lattice_basis(points.device, points.dtype)).transpose(1, 2)
        sampled = functional.grid_sample(
            lattice.reshape(-1, 2, LATTICE_SIDE, LATTICE_SIDE),
            points[:, None] / LATTICE_REACH,
            padding_mode="border",
            align_corners=True,
        )
        return sampled[:, :, 0].transpose(1, 2)

    def target(self, points: Tensor, iterations: int = 12) -> Tensor:
        """Where the source's ``points`` (B, N, 2) come to lie in the warped picture: (B, N, 2).

        The inverse of `source`, by fixed-point iteration on the bend; it converges while the
        bend changes slower than the affine part, which holds at the paper's strength.
        """
        inverse = torch.linalg.inv(self.factors[:, :, -3:-1]).transpose(1, 2)
        moved = points
        for _ in range(iterations):
            moved = moved + (points - self.source(moved)) @ inverse
        return moved


def random_warp(
    count: int, strength: Strength, device: torch.device | str = "cpu"
) -> ThinPlateWarp:
    """``count`` warps from the default random generator of the device.

    How many numbers are drawn does not depend on the strength.
    """
    translation = torch.randn(count, 2, device=device) * strength.translation
    scale = 1 + torch.randn(count, device=device) * strength.scale
    angle = torch.randn(count, device=device) * math.radians(strength.rotation)
    cos, sin = scale * angle.cos(), scale * angle.sin()
    affine = torch.stack([cos, -sin, translation[:, 0], sin, cos, translation[:, 1]], dim=-1)
    strong = torch.rand(count, 2, CONTROL_POINTS, device=device) < 0.5
    deviation = torch.where(strong, strength.strong_weight, strength.weight)
    weights = torch.randn(count, 2, CONTROL_POINTS, device=device) * deviation
    return ThinPlateWarp(torch.cat([weights, affine.view(count, 2, 3)], dim=-1))


def basis(points: Tensor) -> Tensor:
    """Kernel about the 100 control points, x, y and 1, at points (..., N, 2): (..., 103, N)."""
    side = torch.linspace(-1, 1, CONTROL_SIDE, device=points.device, dtype=points.dtype)
    # Separable distances: two (10, N) tables, not 100 x N differences.
    squares = (points.transpose(-1, -2)[..., None, :] - side[:, None]).square()
    distance = squares[..., 1, :, None, :] + squares[..., 0, None, :, :]
    kernel = (distance * (distance + 1e-5).log()).flatten(-3, -2)
    xy = points.transpose(-1, -2)
    return torch.cat([kernel, xy, torch.ones_like(xy[..., :1, :])], dim=-2)


@lru_cache(maxsize=4)
def _lattice_basis(device: torch.device, dtype: torch.dtype) -> Tensor:
    side = torch.linspace(-LATTICE_REACH, LATTICE_REACH, LATTICE_SIDE, device=device, dtype=dtype)
    y, x = torch.meshgrid(side, side, indexing="ij")
    return basis(torch.stack([x, y], dim=-1).view(-1, 2))
