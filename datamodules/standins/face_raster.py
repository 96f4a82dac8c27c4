"""Ray-casting ellipsoids into depth pictures, in closed form and without a loop over faces."""

from typing import NamedTuple

import torch
from torch import Tensor

from datamodules.standins.face_camera import Camera
from datamodules.standins.face_geometry import Ellipsoids, smooth_max_

#: Depth of a pixel that no surface covers.
FAR = -1.6


class Grid(NamedTuple):
    """Pixel centres in picture coordinates: x (B or 1, 1, W), y (B or 1, H, 1); pixel's size."""

    x: Tensor
    y: Tensor
    pixel: float

    @classmethod
    def of(cls, height: int, width: int, device: torch.device | None = None) -> "Grid":
        """The grid of a whole picture; the pixel's size is that of its height."""
        x = (2 * torch.arange(width, dtype=torch.float32, device=device) + 1) / width - 1
        y = (2 * torch.arange(height, dtype=torch.float32, device=device) + 1) / height - 1
        return cls(x[None, None, :], y[None, :, None], 2.0 / height)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.y.shape[1], self.x.shape[2]

    def part(self, box: tuple[slice, slice]) -> "Grid":
        """The rows and columns of a box."""
        return Grid(self.x[..., box[1]], self.y[:, box[0]], self.pixel)


class Quadrics(NamedTuple):
    """Ellipsoids seen through a camera.

    ``table`` is (fields, E, B, 1, 1), float32; ``blend`` has E widths; ``low`` and ``high`` (B, 2)
    are the corners of the box around all outlines, in picture coordinates.
    """

    table: Tensor
    blend: tuple[float, ...]
    low: Tensor
    high: Tensor

    def faces(self, which: slice | Tensor) -> "Quadrics":
        """The quadrics of some faces."""
        return Quadrics(self.table[:, :, which], self.blend, self.low[which], self.high[which])


def quadrics(solids: Ellipsoids, camera: Camera) -> Quadrics:
    """Ellipsoids in world coordinates as quadratic functions of picture coordinates.

    Depth is ``linear + sqrt(u)``, and goes on along the root's tangent where u is below ``rim``;
    ``u = reach - across dx^2 - t^2`` with ``t = along (dy + shear dx)``, and ``edge * u`` is about
    the distance to the outline.
    """
    zz = solids.form[..., 2, 2]
    slope = solids.form[..., :2, 2] / zz[..., None]
    flat = (
        solids.form[..., :2, :2] / zz[..., None, None] - slope[..., :, None] * slope[..., None, :]
    )
    matrix = camera.matrix[:, None]
    flat = matrix.mT @ flat @ matrix
    middle = camera.project(solids.centre)
    tilt = -(matrix.mT @ slope[..., None])[..., 0]
    along = flat[..., 1, 1]
    shear = flat[..., 0, 1] / along
    across = flat[..., 0, 0] - along * shear**2
    # The geometric mean radius; exact for circles, and only the width of soft edges hangs on it.
    radius = (along * across * zz**2).clamp(min=1e-12) ** -0.25
    rim = torch.tensor(solids.softness, dtype=zz.dtype, device=zz.device) / zz
    # The smallest ellipse around has half-extents sqrt of the inverse form's diagonal.
    reach = torch.stack(
        [(1 / (across * zz)).sqrt(), (1 / (along * zz) + shear**2 / (across * zz)).sqrt()], -1
    )
    parts = (
        middle[..., 0],
        middle[..., 1],
        solids.centre[..., 2],
        tilt[..., 0],
        tilt[..., 1],
        1 / zz,
        across,
        along.sqrt(),
        shear,
        radius * zz / 2,
        rim,
        0.5 / rim.sqrt(),
    )
    table = torch.stack(parts).permute(0, 2, 1)[..., None, None].float()
    low, high = (middle - reach).amin(dim=1), (middle + reach).amax(dim=1)
    return Quadrics(table, solids.blend, low, high)


def cast(q: Quadrics, part: int, grid: Grid) -> tuple[Tensor, Tensor]:
    """Depth and distance to the outline (positive inside) of one ellipsoid, each (B, H, W)."""
    x, y, z, slope_x, slope_y, reach, across, along, shear, edge, rim, fall = q.table[:, part]
    # Whatever varies along one axis alone is computed on that axis alone.
    dx, dy = grid.x - x, grid.y - y
    t = along * dy + (along * shear) * dx
    under = torch.addcmul(reach - across * dx * dx, t, t, value=-1)
    depth = torch.maximum(under, rim).sqrt_()
    depth += z + slope_x * dx
    depth += slope_y * dy
    depth.addcmul_((under - rim).clamp_(max=0), fall)
    return depth, under.mul_(edge)


def union(
    q: Quadrics, grid: Grid, start: tuple[Tensor, Tensor] | None = None
) -> tuple[Tensor, Tensor]:
    """Depth and distance to the outline of the smooth union of all parts, on top of ``start``."""
    depth, inside = start if start is not None else cast(q, 0, grid)
    for part in range(0 if start is not None else 1, len(q.blend)):
        more, edge = cast(q, part, grid)
        depth = smooth_max_(depth, more, q.blend[part])
        inside = torch.maximum(inside, edge, out=inside)
    return depth, inside


def cover(inside: Tensor, pixel: float) -> Tensor:
    """Share of a pixel covered, from the distance to an outline in the same unit as ``pixel``."""
    return inside.mul(1.0 / pixel).add_(0.5).clamp_(0, 1)


class Frame(NamedTuple):
    """Head coordinates as linear functions of picture coordinates and depth, each (B, 3)."""

    origin: Tensor
    right: Tensor
    down: Tensor
    near: Tensor

    def faces(self, which: slice | Tensor) -> "Frame":
        """The frames of some faces."""
        return Frame(*(field[which] for field in self))

    def axis(self, number: int, grid: Grid, depth: Tensor) -> Tensor:
        """Coordinate 0, 1 or 2 of the points seen at ``depth`` (B, H, W)."""
        origin, right, down, near = (field[:, number, None, None] for field in self)
        out = depth * near
        out += origin + right * grid.x
        out += down * grid.y
        return out


def frame(turn: Tensor, camera: Camera, pivot: Tensor) -> Frame:
    """The frame of solids turned by ``turn`` (B, 3, 3) about ``pivot`` (3,)."""
    back = turn.mT
    plane = torch.nn.functional.pad(camera.offset, (0, 1)) - pivot
    origin = (back @ plane[..., None])[..., 0] + pivot
    sides = back[..., :2] @ camera.matrix
    parts = (origin, sides[..., 0], sides[..., 1], back[..., 2])
    return Frame(*(part.float() for part in parts))
