"""The head as a smooth union of ellipsoids, morphed by identity and expression.

Under parallel projection an ellipsoid's front is a linear function of the picture plane plus the
square root of a quadratic one, so a head of twenty of them is ray-cast in closed form, in any pose.

Head coordinates: x to the picture's right, y down, z to the viewer, one unit about ten centimetres,
the origin midway between the ears at the height of the eyes.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from datamodules.standins.face_expressions import ACTIONS
from datamodules.standins.face_factors import TRAITS, FaceFactors

#: The head turns about this point, which the neck carries.
PIVOT = (0.0, 0.35, -0.05)

# part: (centre x, y, z, radii x, y, z, tilt in radians about x, blend width, softness). Parts with
# x > 0 have a mirror image. The first group shapes the outline; the second lies in the feature
# window.
_OUTLINE = {
    "cranium": (0.0, -0.34, -0.05, 0.73, 0.80, 0.92, 0.0, 0.10, 0.02),
    "face": (0.0, 0.20, 0.16, 0.64, 0.86, 0.62, 0.0, 0.10, 0.02),
    "jaw": (0.33, 0.56, 0.14, 0.23, 0.37, 0.34, 0.0, 0.24, 0.12),
    "chin": (0.0, 0.90, 0.42, 0.25, 0.20, 0.29, 0.0, 0.18, 0.25),
    "cheek": (0.34, 0.31, 0.40, 0.25, 0.27, 0.25, 0.0, 0.16, 0.45),
    "ear": (0.70, 0.13, -0.10, 0.075, 0.22, 0.13, -0.15, 0.03, 0.02),
}
_FEATURES = {
    "brow": (0.22, -0.21, 0.54, 0.28, 0.13, 0.23, 0.0, 0.14, 0.45),
    "bridge": (0.0, 0.15, 0.735, 0.085, 0.36, 0.13, 0.36, 0.10, 0.40),
    "tip": (0.0, 0.365, 0.855, 0.108, 0.098, 0.125, 0.0, 0.09, 0.10),
    "ala": (0.098, 0.405, 0.78, 0.068, 0.066, 0.11, 0.0, 0.06, 0.12),
    "muzzle": (0.0, 0.66, 0.52, 0.31, 0.23, 0.22, 0.0, 0.16, 0.40),
    "upper_lip": (0.0, 0.625, 0.68, 0.17, 0.05, 0.085, 0.0, 0.06, 0.40),
    "lower_lip": (0.0, 0.715, 0.67, 0.15, 0.055, 0.09, 0.0, 0.06, 0.40),
    "eyeball": (0.315, 0.0, 0.57, 0.135, 0.12, 0.13, 0.0, 0.06, 0.40),
}
_PARTS = _OUTLINE | _FEATURES
_FIELDS = ("x", "y", "z", "rx", "ry", "rz", "tilt")

# What one unit of a trait (one standard deviation) or action (its full amount) adds.
_MORPHS: dict[str, dict[str, float]] = {
    "face_width": {"cranium.rx": 0.022, "face.rx": 0.026, "jaw.x": 0.014, "cheek.x": 0.010}
    | {"ear.x": 0.022},
    "face_length": {"face.ry": 0.03, "chin.y": 0.032, "jaw.y": 0.018, "muzzle.y": 0.01},
    "jaw_width": {"jaw.x": 0.030, "jaw.rx": 0.008, "jaw.y": 0.012, "chin.rx": 0.012},
    "chin_size": {"chin.rx": 0.025, "chin.ry": 0.014},
    "chin_forward": {"chin.z": 0.032},
    "cheek_full": {"cheek.y": 0.014, "cheek.rx": 0.014, "cheek.ry": 0.018, "jaw.rx": 0.014},
    "cheekbone": {"cheek.y": -0.02, "cheek.z": 0.018, "cheek.x": 0.012},
    "brow_ridge": {"brow.z": 0.018, "brow.ry": 0.006},
    "head_depth": {"cranium.rz": 0.035, "cranium.z": -0.01},
    "forehead": {"cranium.ry": 0.04, "cranium.y": -0.01, "cranium.z": 0.012},
    "eye_distance": {"eyeball.x": 0.015, "brow.x": 0.010},
    "nose_length": {"tip.y": 0.024, "ala.y": 0.022, "bridge.ry": 0.018, "bridge.y": 0.006},
    "nose_width": {"ala.x": 0.013, "ala.rx": 0.006, "tip.rx": 0.010, "bridge.rx": 0.007},
    "nose_forward": {"tip.z": 0.026, "bridge.z": 0.014, "ala.z": 0.012},
    "nose_bridge": {"bridge.z": 0.018, "bridge.tilt": -0.035},
    "mouth_width": {"upper_lip.rx": 0.006, "lower_lip.rx": 0.006, "muzzle.rx": 0.014},
    "mouth_height": {"upper_lip.y": 0.016, "lower_lip.y": 0.016, "muzzle.y": 0.016},
    "lip_upper": {"upper_lip.ry": 0.007, "upper_lip.z": 0.008},
    "lip_lower": {"lower_lip.ry": 0.008, "lower_lip.z": 0.008},
    "ear_size": {"ear.ry": 0.022, "ear.rz": 0.012, "ear.y": 0.005},
    "ear_out": {"ear.x": 0.018, "ear.rx": 0.008},
    "brow_raise_inner": {"brow.y": -0.02},
    "brow_raise_outer": {"brow.y": -0.02},
    "brow_lower": {"brow.y": 0.04, "brow.z": 0.015},
    "cheek_raise": {"cheek.y": -0.04, "cheek.z": 0.04},
    "nose_wrinkle": {"ala.y": -0.03, "tip.y": -0.015, "bridge.rx": 0.02, "cheek.z": 0.02},
    "upper_lip_raise": {"upper_lip.y": -0.035, "ala.y": -0.01, "muzzle.ry": 0.02},
    "smile": {"cheek.z": 0.018, "cheek.x": 0.006, "muzzle.rx": 0.05, "muzzle.z": -0.025}
    | {"upper_lip.rx": 0.02, "upper_lip.z": -0.02, "lower_lip.z": -0.015, "ala.x": 0.012},
    "frown": {"chin.z": 0.02, "lower_lip.y": -0.01, "chin.y": -0.02},
    "mouth_open": {"chin.y": 0.20, "jaw.y": 0.10, "face.ry": 0.08, "face.y": 0.04, "chin.z": -0.05}
    | {"lower_lip.y": 0.21, "lower_lip.z": -0.05, "muzzle.y": 0.06, "muzzle.ry": 0.08},
    "lip_stretch": {"muzzle.rx": 0.03, "upper_lip.z": -0.01, "lower_lip.z": -0.01},
    "lip_press": {"upper_lip.ry": -0.012, "lower_lip.ry": -0.014, "lower_lip.y": -0.015}
    | {"chin.z": 0.015},
    "lip_pucker": {"upper_lip.rx": -0.06, "lower_lip.rx": -0.05, "upper_lip.z": 0.06}
    | {"lower_lip.z": 0.06, "muzzle.rx": -0.04},
}


class Ellipsoids(NamedTuple):
    """Ellipsoids of a batch in some frame: centre (B, E, 3), form (B, E, 3, 3).

    A point p lies inside where (p - centre)^T form (p - centre) < 1. ``blend`` is how far each one
    runs into the others, ``softness`` the share of its depth below which its front goes on as a
    paraboloid, without the sphere's upright rim; one number for each of the E parts.
    """

    centre: Tensor
    form: Tensor
    blend: tuple[float, ...]
    softness: tuple[float, ...]


class Head(NamedTuple):
    """A morphed head: the two groups of parts, and each part's seven numbers by name."""

    outline: Ellipsoids
    features: Ellipsoids
    numbers: dict[str, Tensor]


def ellipsoids(
    centre: Tensor,
    radii: Tensor,
    tilt: Tensor,
    blend: tuple[float, ...],
    softness: tuple[float, ...] | None = None,
) -> Ellipsoids:
    """Ellipsoids from centres (B, E, 3), radii (B, E, 3) and a turn about x (B, E)."""
    form = torch.diag_embed(radii.clamp(min=1e-3) ** -2)
    turn = torch.zeros_like(form)
    turn[..., 0, 0] = 1.0
    turn[..., 1, 1] = turn[..., 2, 2] = tilt.cos()
    turn[..., 1, 2], turn[..., 2, 1] = -tilt.sin(), tilt.sin()
    return Ellipsoids(centre, turn @ form @ turn.mT, blend, softness or (0.02,) * len(blend))


def head(factors: FaceFactors) -> Head:
    """The head of each face in head coordinates, double precision."""
    inputs = torch.cat([factors.traits, factors.actions], dim=1).double()
    names = (*TRAITS, *ACTIONS)
    device = inputs.device
    table = torch.zeros(len(names), len(_PARTS), 7, dtype=torch.float64)
    for name, changes in _MORPHS.items():
        for target, amount in changes.items():
            part, field = target.split(".")
            table[names.index(name), list(_PARTS).index(part), _FIELDS.index(field)] = amount
    base = torch.tensor([row[:7] for row in _PARTS.values()], dtype=torch.float64)
    base, table = base.to(device), table.to(device)
    values = base + torch.einsum("bn,npf->bpf", inputs, table)
    numbers = {
        f"{part}.{field}": values[:, p, f]
        for p, part in enumerate(_PARTS)
        for f, field in enumerate(_FIELDS)
    }
    return Head(_grouped(values, list(_OUTLINE)), _grouped(values, list(_FEATURES)), numbers)


def _grouped(values: Tensor, parts: list[str]) -> Ellipsoids:
    """The ellipsoids of some parts, paired parts on both sides."""
    rows, sides = [], []
    for part in parts:
        paired = _PARTS[part][0] > 0
        rows += [part, part] if paired else [part]
        sides += [-1.0, 1.0] if paired else [1.0]
    picked = values[:, [list(_PARTS).index(part) for part in rows]]
    mirror = torch.tensor([[s, 1.0, 1.0] for s in sides], dtype=values.dtype).to(values.device)
    blend = tuple(_PARTS[part][7] for part in rows)
    softness = tuple(_PARTS[part][8] for part in rows)
    return ellipsoids(picked[..., :3] * mirror, picked[..., 3:6], picked[..., 6], blend, softness)


def rotation(yaw: Tensor, pitch: Tensor, roll: Tensor) -> Tensor:
    """Turns (B, 3, 3) from head to world: yaw first, then pitch, then roll; all in degrees."""
    y, p, r = (torch.deg2rad(angle.double()) for angle in (yaw, pitch, roll))
    zero, one = torch.zeros_like(y), torch.ones_like(y)
    about_y = _matrix([[y.cos(), zero, y.sin()], [zero, one, zero], [-y.sin(), zero, y.cos()]])
    about_x = _matrix([[one, zero, zero], [zero, p.cos(), -p.sin()], [zero, p.sin(), p.cos()]])
    about_z = _matrix([[r.cos(), -r.sin(), zero], [r.sin(), r.cos(), zero], [zero, zero, one]])
    return about_z @ about_x @ about_y


def _matrix(rows: list[list[Tensor]]) -> Tensor:
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)


def to_world(points: Tensor, turn: Tensor) -> Tensor:
    """Head coordinates (B, L, 3) to world coordinates: ``turn`` (B, 3, 3) about the pivot."""
    pivot = torch.tensor(PIVOT, dtype=points.dtype, device=points.device)
    return (points - pivot) @ turn.to(points.dtype).mT + pivot


def turned(solids: Ellipsoids, turn: Tensor) -> Ellipsoids:
    """Ellipsoids of the head frame in world coordinates."""
    form = turn[:, None] @ solids.form @ turn[:, None].mT
    return solids._replace(centre=to_world(solids.centre, turn), form=form)


def surface_depth(solids: Ellipsoids, x: Tensor, y: Tensor) -> Tensor:
    """Front z of the smooth union at points of the plane, each (B, L); far back where it misses."""
    depth = torch.full_like(x, -9.0)
    for e in range(solids.centre.shape[1]):
        a = solids.form[:, e]
        dx, dy = x - solids.centre[:, e, :1], y - solids.centre[:, e, 1:2]
        zz = a[:, 2, 2, None]
        slope = (a[:, 0, 2, None] * dx + a[:, 1, 2, None] * dy) / zz
        flat = a[:, 0, 0, None] * dx**2 + 2 * a[:, 0, 1, None] * dx * dy + a[:, 1, 1, None] * dy**2
        under = (1 - flat) / zz + slope**2
        rim = solids.softness[e] / zz
        rise = under.maximum(rim).sqrt() + (under - rim).clamp(max=0) * (0.5 / rim.sqrt())
        depth = smooth_max_(depth, solids.centre[:, e, 2:] - slope + rise, solids.blend[e])
    return depth


def smooth_max_(a: Tensor, b: Tensor, width: float) -> Tensor:
    """Raise ``a`` to the larger of two heights, rounded where they differ by under ``width``."""
    near = (a - b).abs_().clamp_(max=width).sub_(width)
    return torch.maximum(a, b, out=a).addcmul_(near, near, value=0.25 / width)
