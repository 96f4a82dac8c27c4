"""Painting eyes, brows, nose and mouth on the skin, in head coordinates.

Everything is drawn from distances to curves, so edges are soft at any resolution. One formula
serves both sides: ``a`` is the distance outward from an eye's middle.
"""

import torch
from torch import Tensor

from datamodules.standins.face_landmarks import brow_curve, mouth_curves

Numbers = dict[str, Tensor]


def paint(picture: Tensor, colour: Tensor, alpha: Tensor) -> Tensor:
    """Lay a colour (B, 3, 1, 1) or picture over a picture (B, 3, H, W) in place."""
    return picture.lerp_(colour.expand_as(picture), alpha[:, None])


def soft(distance: Tensor, width: Tensor | float) -> Tensor:
    """1 where ``distance`` is positive, 0 where negative, over an edge ``width`` wide."""
    return (distance / width).add_(0.5).clamp_(0, 1)


def bump(*ratios: Tensor) -> Tensor:
    """A smooth bump of height 1 where all ratios are 0, gone for ratios well beyond 1."""
    total = ratios[0] * ratios[0]
    for ratio in ratios[1:]:
        total = total.addcmul(ratio, ratio)
    return total.add_(1).square_().reciprocal_()


def paint_features(skin: Tensor, x: Tensor, y: Tensor, z: Tensor, n: Numbers) -> Tensor:
    """Paint a face on the skin.

    Args:
        skin: (B, 3, h, w) picture, changed in place.
        x: Head coordinate x of each pixel, (B, h, w).
        y: Head coordinate y.
        z: Head coordinate z.
        n: Feature numbers (B, 1, 1), colours (B, 3, 1, 1) and the pixel's size in head units.
    """
    front = (z * 5 - 1.0).clamp_(0, 1)
    outward = x.abs()
    _cheeks(skin, outward, y, front, n)
    _nose(skin, outward, y, front, n)
    _eyes(skin, x, outward - n["eye_x"], y, front, n)
    _brows(skin, outward, y, front, n)
    _mouth(skin, x, outward, y, front, n)
    return skin


def _cheeks(skin: Tensor, outward: Tensor, y: Tensor, front: Tensor, n: Numbers) -> None:
    red = bump((outward - 0.37) / 0.17, (y - 0.33) / 0.15).mul_(front * n["blush"])
    paint(skin, n["colour_blush"], red)
    # The fold from the wing of the nose to beside the mouth's corner; it deepens with a smile.
    t = (y - 0.40) / (n["mouth_y"] - 0.36)
    fold = outward - (n["nose_x"] + 0.055 + (n["mouth_width"] - n["nose_x"] + 0.02) * t)
    line = bump(fold / (n["crease_width"] * 1.4), (t - 0.45) * 2.2).mul_(front * n["fold"])
    paint(skin, n["colour_shade"], line)


def _nose(skin: Tensor, outward: Tensor, y: Tensor, front: Tensor, n: Numbers) -> None:
    edge = n["soft"]
    dx, dy = (outward - n["nose_x"] * 0.62) / 0.042, (y - n["nose_y"] - 0.052) / 0.022
    dy = dy + 0.35 * dx
    hole = soft((1 - (dx * dx + dy * dy).sqrt_()) * 0.028, edge * 1.2).mul_(front)
    paint(skin, n["colour_nostril"], hole.mul_(0.75))
    wing = (outward - n["nose_x"] - 0.055) / n["crease_width"]
    paint(skin, n["colour_shade"], bump(wing, (y - n["nose_y"]) / 0.06).mul_(front * 0.35))
    wrinkle = bump((y + 0.03) / 0.02, outward / 0.07).mul_(front * n["nose_wrinkle"])
    paint(skin, n["colour_shade"], wrinkle)


def _eyes(skin: Tensor, x: Tensor, a: Tensor, y: Tensor, front: Tensor, n: Numbers) -> None:
    edge = n["soft"]
    u = a / n["eye_width"]
    uu = u * u
    arc = 1 - uu
    b = y - n["eye_y"] - n["eye_tilt"] * a
    below_top = b + n["eye_upper"] * arc
    above_bottom = n["eye_lower"] * arc - b
    near = (uu < 1.7).to(x.dtype).mul_(front)
    # Lids: a shaded socket, the crease above and the soft bag below.
    socket = bump(a / 0.2, (b + 0.075) / 0.075).mul_(front * n["socket"])
    paint(skin, n["colour_lid"], socket)
    crease = bump((b + n["eye_upper"] * 1.12 * (1 - 0.55 * uu) + 0.03) / n["crease_width"])
    paint(skin, n["colour_shade"], crease.mul_(near * 0.55))
    bag = bump((above_bottom + 0.045) / (n["crease_width"] * 1.3)).mul_(near * n["bag"])
    paint(skin, n["colour_shade"], bag)
    open_eye = soft(below_top, edge).mul_(soft(above_bottom, edge)).mul_(near)
    paint(skin, n["colour_sclera"], open_eye)
    # Iris, pupil and the catch of light move with the gaze, which has the same sign in both eyes.
    side = torch.sign(x)
    ix = a - side * n["gaze_x"]
    iy = y - n["eye_y"] - n["gaze_y"]
    radius = (ix * ix).addcmul_(iy, iy).sqrt_()
    paint(skin, n["colour_limbus"], soft(n["iris_radius"] - radius, edge).mul_(open_eye))
    glow = soft(n["iris_radius"] * 0.86 - radius, edge * 1.5).mul_(open_eye)
    paint(skin, n["colour_iris"], glow.mul_((0.75 + iy / 0.16).clamp_(0.35, 1)))
    paint(skin, n["colour_pupil"], soft(n["iris_radius"] * 0.45 - radius, edge).mul_(open_eye))
    lid_shadow = (1 - below_top / 0.05).clamp_(0, 1).mul_(open_eye)
    paint(skin, n["colour_lid_shadow"], lid_shadow.mul_(0.5))
    gx, gy = ix - side * n["glint_x"], iy - n["glint_y"]
    glint = (gx * gx).addcmul_(gy, gy).sqrt_()
    paint(skin, n["colour_glint"], soft(0.019 - glint, edge).mul_(open_eye))
    # Lashes: a dark line that thickens outward and runs a little past the corner.
    thick = n["lash"] * (1.0 + 0.5 * u.clamp(-1, 1))
    reach = (1.28 - uu).mul_(4).clamp_(0, 1).mul_(front)
    lash = soft(thick - (below_top + thick * 0.4).abs(), edge).mul_(reach)
    paint(skin, n["colour_lash"], lash)
    lower = bump((above_bottom + 0.004) / (n["crease_width"] * 0.55)).mul_(near * 0.4)
    paint(skin, n["colour_lid_shadow"], lower)


def _brows(skin: Tensor, outward: Tensor, y: Tensor, front: Tensor, n: Numbers) -> None:
    s = (outward - (n["eye_x"] - 0.16 - n["brow_pinch"])) / 0.36
    clipped = s.clamp(0, 1)
    off = (y - brow_curve(n, clipped)).abs()
    thick = n["brow_thick"] * (1.05 - 0.75 * clipped * clipped)
    hair = soft(thick - off, n["soft"] + 0.016)
    ends = (s * 7 + 0.6).clamp_(0, 1).mul_(((1.0 - s) * 7 + 0.6).clamp_(0, 1))
    paint(skin, n["colour_brow"], hair.mul_(ends).mul_(front * n["brow_alpha"]))
    frown = bump((outward - 0.05) / n["crease_width"], (y + 0.17) / 0.05)
    paint(skin, n["colour_shade"], frown.mul_(front * n["frown_lines"]))
    worry = bump(
        ((y + 0.44 + 0.05 * outward).remainder_(0.09) - 0.045) / 0.014,
        (y + 0.42) / 0.10,
        outward / 0.3,
    )
    paint(skin, n["colour_shade"], worry.mul_(front * n["forehead_lines"]))


def _mouth(skin: Tensor, x: Tensor, outward: Tensor, y: Tensor, front: Tensor, n: Numbers) -> None:
    edge = n["soft"]
    t = x / n["mouth_width"]
    outer_top, inner_top, inner_bottom, outer_bottom = mouth_curves(n, t)
    near = (1.12 - t.abs()).mul_(8).clamp_(0, 1).mul_(front)
    upper = soft(y - outer_top, edge).mul_(soft(inner_top - y, edge)).mul_(near)
    lower = soft(y - inner_bottom, edge).mul_(soft(outer_bottom - y, edge)).mul_(near)
    below = bump((y - outer_bottom - 0.035) / 0.028, x / 0.16).mul_(front * 0.3)
    paint(skin, n["colour_shade"], below)
    inside = soft(y - inner_top, edge).mul_(soft(inner_bottom - y, edge)).mul_(near)
    paint(skin, n["colour_mouth"], inside)
    tongue = bump(x / 0.11, (y - inner_bottom - 0.01) / 0.06).mul_(inside)
    paint(skin, n["colour_tongue"], tongue)
    gap = (x.mul(1 / 0.058).remainder_(1.0) - 0.5).abs_()
    teeth = soft(inner_top + n["teeth"] * (1 - 0.35 * t * t) - y, edge * 1.3).mul_(inside)
    paint(skin, n["colour_teeth"], teeth.mul_((0.72 + gap).clamp_(max=1.0)))
    paint(skin, n["colour_lip_upper"], upper)
    shine = bump((y - 0.5 * (inner_bottom + outer_bottom)) / 0.02, x / 0.1).mul_(lower * n["gloss"])
    paint(skin, n["colour_lip_lower"], lower)
    paint(skin, n["colour_glint"], shine)
    seam = 0.5 * (inner_top + inner_bottom)
    line = bump((y - seam) / (n["crease_width"] * 0.6)).mul_(near * n["mouth_closed"])
    paint(skin, n["colour_mouth"], line)
    corner = bump((outward - n["mouth_width"]) / 0.025, (y - n["mouth_y"] - n["corner"]) / 0.025)
    paint(skin, n["colour_shade"], corner.mul_(front * 0.5))
