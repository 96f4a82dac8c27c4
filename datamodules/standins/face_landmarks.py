"""Facial features on the head's surface, and the 5 and 68 landmarks that mark them.

The numbers of :func:`features` place eyes, brows and mouth in head coordinates (x, y). The painter
draws from the same numbers, so a landmark lies on its feature by construction.
"""

import torch
from torch import Tensor

from datamodules.standins.face_expressions import ACTIONS
from datamodules.standins.face_factors import TRAITS, FaceFactors
from datamodules.standins.face_geometry import Ellipsoids, Head, surface_depth

_JAW_PLANE = 0.05  # the jaw line is the outline of the head cut at this z
_JAW_CENTRE = (0.0, 0.22)


def features(factors: FaceFactors, head: Head) -> dict[str, Tensor]:
    """Place and size of the features, each (B,), double precision, in head units."""
    t = {name: factors.traits[:, i].double() for i, name in enumerate(TRAITS)}
    a = {name: factors.actions[:, i].double() for i, name in enumerate(ACTIONS)}
    lid = 1 + 0.45 * a["eye_wide"] - 0.34 * a["eye_squint"] - 0.9 * a["eye_close"]
    lower = 1 + 0.2 * a["eye_wide"] - 0.45 * a["eye_squint"] - 0.75 * a["cheek_raise"]
    thin = 1 - 0.55 * a["lip_press"]
    return {
        "eye_x": head.numbers["eyeball.x"],
        "eye_y": head.numbers["eyeball.y"],
        "eye_width": 0.164 + 0.007 * t["eye_size"],
        "eye_upper": (0.086 + 0.009 * t["eye_size"] + 0.006 * t["eye_height"])
        * lid.clamp(min=0.03),
        "eye_lower": 0.05 * lower.clamp(min=0.1) + 0.003 * t["eye_size"],
        "eye_tilt": -0.05 - 0.05 * t["eye_tilt"],
        "iris_radius": 0.077 + 0.002 * t["eye_size"],
        "brow_y": -0.2
        - 0.012 * t["brow_height"]
        + 0.025 * a["nose_wrinkle"]
        - 0.4 * (0.05 - 0.05 * lid.clamp(max=1.0)),
        "brow_arch": 0.042 + 0.015 * t["brow_arch"],
        "brow_inner": -0.085 * a["brow_raise_inner"] + 0.085 * a["brow_lower"],
        "brow_outer": -0.095 * a["brow_raise_outer"] + 0.02 * a["brow_lower"],
        "brow_pinch": 0.035 * a["brow_lower"],
        "brow_thick": 0.027 + 0.006 * t["brow_thickness"],
        "mouth_y": head.numbers["upper_lip.y"] + 0.048 + 0.035 * a["upper_lip_raise"],
        "mouth_width": 0.232
        + 0.012 * t["mouth_width"]
        + 0.06 * a["smile"]
        + 0.045 * a["lip_stretch"]
        - 0.07 * a["lip_pucker"]
        - 0.03 * a["mouth_open"],
        "corner": -0.012 - 0.07 * a["smile"] + 0.06 * a["frown"] + 0.06 * a["mouth_open"],
        "open_upper": 0.02 * a["mouth_open"] + 0.05 * a["upper_lip_raise"] + 0.018 * a["smile"],
        "open_lower": 0.22 * a["mouth_open"] + 0.03 * a["lip_stretch"] + 0.004,
        "lip_upper": (0.046 + 0.009 * t["lip_upper"]) * thin * (1 - 0.2 * a["smile"]),
        "lip_lower": (0.062 + 0.010 * t["lip_lower"]) * thin,
        "nose_x": head.numbers["ala.x"],
        "nose_y": head.numbers["ala.y"],
        "tip_y": head.numbers["tip.y"],
    }


def brow_curve(f: dict[str, Tensor], s: Tensor) -> Tensor:
    """Height y of a brow's middle line; s runs from 0 (inner end) to 1 (outer end)."""
    arch = f["brow_arch"] * 4 * s * (1 - s) + f["brow_arch"] * 0.5 * s
    return f["brow_y"] - arch + f["brow_inner"] * (1 - s) + f["brow_outer"] * s


def mouth_curves(f: dict[str, Tensor], t: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Heights y of the lips' outer top, inner top, inner bottom and outer bottom edges.

    Args:
        f: Numbers of :func:`features`, shaped to spread over ``t``.
        t: Place across the mouth, -1 and 1 at the corners.
    """
    tt = t * t
    c = 1 - tt
    seam = f["mouth_y"] + f["corner"] * tt
    inner_top = seam - f["open_upper"] * c
    inner_bottom = seam + f["open_lower"] * c
    bow = c * (1.12 - 0.3 / (1 + 40.0 * tt))
    outer_top = inner_top - f["lip_upper"] * bow
    outer_bottom = inner_bottom + f["lip_lower"] * (c + 0.4 * c * tt)
    return outer_top, inner_top, inner_bottom, outer_bottom


def _jaw_line(outline: Ellipsoids) -> Tensor:
    """Seventeen points (B, 17, 2) of the head's outline below the ears, left to right."""
    angle = torch.linspace(1.12, -0.12, 17, dtype=torch.float64) * torch.pi
    ray = torch.stack([angle.cos(), angle.sin()], dim=1).to(outline.centre.device)
    start = torch.tensor(_JAW_CENTRE, dtype=torch.float64, device=ray.device)
    reach = torch.zeros(len(outline.centre), 17, dtype=torch.float64, device=ray.device)
    for e in range(outline.centre.shape[1] - 2):  # the last pair is the ears
        form, centre = outline.form[:, e], outline.centre[:, e]
        p = torch.cat([start - centre[:, :2], _JAW_PLANE - centre[:, 2:]], dim=1)
        d = torch.cat([ray, torch.zeros_like(ray[:, :1])], dim=1)
        qa = torch.einsum("li,bij,lj->bl", d, form, d)
        qb = torch.einsum("bi,bij,lj->bl", p, form, d)
        qc = torch.einsum("bi,bij,bj->b", p, form, p)[:, None] - 1
        under = qb**2 - qa * qc
        far = (under.clamp(min=0).sqrt() - qb) / qa
        reach = torch.maximum(reach, torch.where(under > 0, far, torch.zeros_like(far)))
    return start + reach[..., None] * ray


def _eye_points(f: dict[str, Tensor]) -> list[Tensor]:
    """Right eye (x > 0): inner corner, two on the upper lid, outer corner, two on the lower."""
    places = ((-1.0, 0), (-0.38, -1), (0.38, -1), (1.0, 0), (0.38, 1), (-0.38, 1))
    points = []
    for across, side in places:
        lid = {-1: -f["eye_upper"], 0: 0 * f["eye_upper"], 1: f["eye_lower"]}[side]
        y = f["eye_y"] + f["eye_tilt"] * f["eye_width"] * across + lid * (1 - across**2)
        points.append(torch.stack([f["eye_x"] + f["eye_width"] * across, y], dim=-1))
    return points


def _mirror(points: list[Tensor], order: tuple[int, ...]) -> list[Tensor]:
    flip = torch.tensor([-1.0, 1.0], dtype=torch.float64, device=points[0].device)
    return [points[i] * flip for i in order]


def _on_surface(head: Head, flat: Tensor) -> Tensor:
    """Lift points (B, L, 2) to the head's front, (B, L, 3)."""
    both = Ellipsoids(
        torch.cat([head.outline.centre, head.features.centre], dim=1),
        torch.cat([head.outline.form, head.features.form], dim=1),
        head.outline.blend + head.features.blend,
        head.outline.softness + head.features.softness,
    )
    depth = surface_depth(both, flat[..., 0], flat[..., 1])
    return torch.cat([flat, depth[..., None]], dim=-1)


def landmarks_5(head: Head, f: dict[str, Tensor]) -> Tensor:
    """Eye centres, nose tip and mouth corners, left in the picture first; (B, 5, 3)."""
    zero = torch.zeros_like(f["eye_x"])
    eye_y = f["eye_y"] + 0.25 * (f["eye_lower"] - f["eye_upper"])
    corner_y = f["mouth_y"] + f["corner"]
    xs = [-f["eye_x"], f["eye_x"], zero, -f["mouth_width"], f["mouth_width"]]
    ys = [eye_y, eye_y, f["tip_y"], corner_y, corner_y]
    return _on_surface(head, torch.stack([torch.stack(xs, 1), torch.stack(ys, 1)], dim=-1))


def landmarks_68(head: Head, f: dict[str, Tensor]) -> Tensor:
    """The 68 points of the Multi-PIE and 300-W mark-up in head coordinates, (B, 68, 3).

    In order: jaw line 0-16, brows 17-26, nose 27-35, eyes 36-47, lips 48-67. The jaw line is fixed
    to the head: it does not slide to the outline as the head turns.
    """
    zero = torch.zeros_like(f["eye_x"])
    brow = []
    for s in (0.02, 0.26, 0.5, 0.74, 0.98):
        x = f["eye_x"] - 0.16 - f["brow_pinch"] + 0.36 * s
        brow.append(torch.stack([x, brow_curve(f, torch.full_like(zero, s))], dim=-1))
    nose = [torch.stack([zero, f["tip_y"] * k - 0.02 * (1 - k)], -1) for k in (0, 0.35, 0.7, 1)]
    for k in (-1.0, -0.5, 0.0, 0.5, 1.0):
        y = f["nose_y"] + 0.05 + 0.018 * (1 - abs(k))
        nose.append(torch.stack([f["nose_x"] * 1.2 * k, y], dim=-1))
    eye = _eye_points(f)
    lips = []
    outer: tuple[float, ...] = (-1.0, -0.62, -0.2, 0.0, 0.2, 0.62)
    for edge, places in ((0, outer), (3, (1.0, 0.55, 0.2, 0.0, -0.2, -0.55))):
        for t in places:
            y = mouth_curves(f, torch.full_like(zero, t))[edge]
            lips.append(torch.stack([f["mouth_width"] * t, y], dim=-1))
    for edge, places in ((1, (-0.9, -0.35, 0.0, 0.35)), (2, (0.9, 0.35, 0.0, -0.35))):
        for t in places:
            y = mouth_curves(f, torch.full_like(zero, t))[edge]
            lips.append(torch.stack([f["mouth_width"] * t, y], dim=-1))
    brows = [*_mirror(brow, (4, 3, 2, 1, 0)), *brow]
    eyes = [*_mirror(eye, (3, 2, 1, 0, 5, 4)), *eye]
    front = _on_surface(head, torch.stack([*brows, *nose, *eyes, *lips], dim=1))
    jaw = _jaw_line(head.outline)
    return torch.cat([torch.nn.functional.pad(jaw, (0, 1), value=_JAW_PLANE), front], dim=1)
