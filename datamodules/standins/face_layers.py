"""What surrounds the face: background, neck and clothes, hair, beard and ears, glasses."""

import math

import torch
from torch import Tensor

from datamodules.standins import face_palette as palette
from datamodules.standins.face_factors import FaceFactors
from datamodules.standins.face_geometry import Ellipsoids, ellipsoids
from datamodules.standins.face_looks import Numbers, named
from datamodules.standins.face_paint import bump, paint, soft
from datamodules.standins.face_raster import Grid


def background_numbers(factors: FaceFactors) -> Numbers:
    """Colours and patterns behind the head: numbers (B,) and colours (B, 3)."""
    c = named(factors)

    def colour(name: str) -> Tensor:
        raw = torch.stack([c[f"{name.format(k)}"] for k in "rgb"], dim=1)
        return torch.lerp(raw, raw.mean(dim=1, keepdim=True), 0.5)

    out = {f"back_{i}": colour(f"background_{{}}{i}") for i in range(3)}
    for kind in ("gradient", "stripe", "marble"):
        angle = c[f"{kind}_angle"] * math.pi
        frequency = 1 + 9 * c[f"{kind}_frequency"].square() if kind != "gradient" else 0.5
        out[f"{kind}_x"], out[f"{kind}_y"] = angle.cos() * frequency, angle.sin() * frequency
    for kind in ("stripe", "marble"):
        out[f"{kind}_phase"] = c[f"{kind}_phase"] * 6.28
        out[f"{kind}_strength"] = (c[f"{kind}_strength"] * 1.5 - 0.85).clamp(0, 0.6)
    for i in range(4):
        out[f"blob{i}_x"] = 2.4 * c[f"blob{i}_x"] - 1.2
        out[f"blob{i}_y"] = 2.4 * c[f"blob{i}_y"] - 1.2
        out[f"blob{i}_rx"] = 0.12 + 0.5 * c[f"blob{i}_size"]
        out[f"blob{i}_ry"] = out[f"blob{i}_rx"] * (0.5 + 1.5 * c[f"blob{i}_ratio"])
        out[f"blob{i}_soft"] = 0.04 + 0.5 * c[f"blob{i}_soft"].square()
        out[f"blob{i}_alpha"] = (1.7 * c[f"blob{i}_tone"] - 0.4).clamp(0, 0.95)
        out[f"blob{i}"] = colour(f"blob{i}_{{}}")
    return out


def background(grid: Grid, n: Numbers) -> Tensor:
    """Gradients, stripes, marble and discs of colour, (B, 3, H, W)."""
    ramp = (n["gradient_x"] * grid.x + 0.5) + n["gradient_y"] * grid.y
    picture = torch.lerp(n["back_0"], n["back_1"], ramp.clamp_(0, 1)[:, None])
    stripe = n["stripe_x"] * grid.x + n["stripe_phase"] + n["stripe_y"] * grid.y * 1.2
    stripe = (stripe.mul_(2.2).sin_() * 2).add_(0.5).clamp_(0, 1)
    picture = paint(picture, n["back_2"], stripe.mul_(n["stripe_strength"]))
    bend = (2.1 * grid.y + n["marble_phase"]).sin() * 1.5
    marble = n["marble_x"] * 1.7 * grid.x + (n["marble_y"] * 1.7 * grid.y + bend)
    marble = marble.add_((3.1 * grid.x - n["marble_phase"]).sin()).sin_().mul_(0.5).add_(0.5)
    picture = paint(picture, n["back_1"], marble.mul_(n["marble_strength"]))
    for i in range(4):
        dx = (grid.x - n[f"blob{i}_x"]) / n[f"blob{i}_rx"]
        dy = (grid.y - n[f"blob{i}_y"]) / n[f"blob{i}_ry"]
        inside = soft(1 - (dx * dx + dy * dy), n[f"blob{i}_soft"])
        picture = paint(picture, n[f"blob{i}"], inside.mul_(n[f"blob{i}_alpha"]))
    return picture


def body_solids(factors: FaceFactors) -> Ellipsoids:
    """Neck, trapezius and torso in world coordinates, turned a little with the head."""
    c = named(factors)
    rows = torch.tensor(
        [
            [0.0, 1.15, -0.18, 0.42, 0.95, 0.42, 0.0],
            [0.0, 1.66, -0.28, 0.80, 0.36, 0.38, 0.0],
            [0.0, 2.50, -0.25, 1.48, 1.0, 0.62, 0.0],
        ],
        dtype=torch.float64,
        device=factors.yaw.device,
    )
    values = rows.repeat(len(factors), 1, 1)
    values[:, 0, 3] += 0.025 * c["neck_width"] + 0.03 * c["dimorphism"]
    values[:, 1, 3] += 0.05 * c["neck_width"] + 0.06 * c["dimorphism"]
    values[:, 2, 3] += 0.07 * c["neck_width"] + 0.12 * c["dimorphism"]
    solids = ellipsoids(values[..., :3], values[..., 3:6], values[..., 6], (0.1, 0.2, 0.3))
    angle = torch.deg2rad(0.3 * factors.yaw.double() + 50 * (c["body_turn"].double() - 0.5))
    turn = torch.zeros(len(factors), 1, 3, 3, dtype=torch.float64, device=angle.device)
    turn[:, 0, 0, 0] = turn[:, 0, 2, 2] = angle.cos()
    turn[:, 0, 0, 2], turn[:, 0, 2, 0] = angle.sin(), -angle.sin()
    turn[:, 0, 1, 1] = 1.0
    return solids._replace(form=turn @ solids.form @ turn.mT)


def cloth_numbers(factors: FaceFactors) -> Numbers:
    """Colour, neckline and stripes of the clothes."""
    c = named(factors)
    raw = torch.stack([c[f"cloth_{k}"] for k in "rgb"], dim=1)
    colour = torch.lerp(raw, raw.mean(dim=1, keepdim=True), 0.3) * 0.9
    return {
        "cloth": colour,
        "cloth_second": (1 - colour) * 0.6 + 0.2,
        "cloth_neck": 1.38 + 0.35 * c["cloth_neck"],
        "cloth_depth": 1.2 * c["cloth_neck"],
        "cloth_stripes": (c["cloth_pattern"] > 0.7).float() * 0.8,
        "cloth_frequency": 8 + 20 * c["cloth_frequency"],
    }


def paint_body(x: Tensor, y: Tensor, n: Numbers) -> Tensor:
    """Skin and clothes of the body at world coordinates x, y (B, H, W); (B, 3, H, W)."""
    collar = n["cloth_neck"] - n["cloth_depth"] * (x * x).clamp_(max=0.4)
    cloth = soft(y - collar, n["soft"])
    stripes = (y * n["cloth_frequency"]).sin_().mul_(3).add_(0.5).clamp_(0, 1)
    fabric = torch.lerp(n["cloth"], n["cloth_second"], stripes.mul_(n["cloth_stripes"])[:, None])
    return torch.lerp(n["skin"] * 0.97, fabric, cloth[:, None])


def hair_solids(factors: FaceFactors, numbers: Numbers) -> Ellipsoids:
    """Cap, curtain and bun of the hair, in head coordinates."""
    c = {name: value.double() for name, value in named(factors).items()}
    volume = 0.045 + 0.17 * c["hair_volume"] * (1 + 0.7 * c["hair_curl"])
    volume = torch.where(c["bald"] > 0, torch.full_like(volume, 0.03), volume)
    long = (c["hair_length"] - 0.42).div(0.58).clamp(0, 1) * (c["bald"] == 0)
    zero = torch.zeros_like(volume)
    shown = (long > 0).double()
    bun = c["bun"] * (c["dimorphism"] < 0.2) * (c["bald"] == 0)
    cap = [
        zero,
        numbers["cranium.y"] - 0.02,
        numbers["cranium.z"] - 0.02,
        numbers["cranium.rx"] + 0.6 * volume,
        numbers["cranium.ry"] + volume,
        numbers["cranium.rz"] + volume,
    ]
    curtain = [
        zero,
        zero + 0.30 + 0.2 * long,
        zero - 0.16,
        (numbers["cranium.rx"] + 0.15 + 0.7 * volume) * shown,
        (0.62 + 1.25 * long) * shown,
        (0.62 + 0.9 * volume) * shown,
    ]
    knot = [zero, zero - 1.05, zero - 0.62, 0.36 * bun, 0.34 * bun, 0.34 * bun]
    values = torch.stack([torch.stack(part, dim=1) for part in (cap, curtain, knot)], dim=1)
    flat = torch.zeros_like(values[..., 0])
    return ellipsoids(values[..., :3], values[..., 3:], flat, (0.1, 0.25, 0.06))


def paint_hair(
    x: Tensor, y: Tensor, z: Tensor, n: Numbers
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Cut and strands of the hair at head coordinates on its shell.

    Returns:
        Colour (B, 3, H, W), opacity of the cut, strand relief in [-1, 1], and height above the
        cut's edge, each (B, H, W).
    """
    across = (x - n["hair_part"]).abs_()
    flow = across * 14 - z * 11
    bend = (y * 3.5 + n["hair_phase"]).sin_().mul_(n["hair_wave"])
    wander = (flow * 0.6 + n["hair_phase"]).sin_()
    strand = (flow * 1.5 + bend).addcmul_(wander, n["hair_two"]).sin_()
    fine = (flow * 3.9 + bend * 1.7).addcmul_(wander, n["hair_two"]).sin_()
    strand.mul_(0.55).addcmul_(fine, n["hair_fine"])
    curl = (flow * 2.0).sin_().mul_((y * 11 + n["hair_phase"]).sin_())
    strand = torch.lerp(strand, curl, n["hair_curl"])
    # Below the chin the hair falls further back, or it would close over the throat.
    front = ((y - 0.7).clamp_(min=0).mul_(0.55).add_(z) - n["hair_near"]).div_(0.42).clamp_(0, 1)
    back = ((-0.02 - z) / 0.25).clamp_(0, 1)
    high = n["hair_front"] + n["hair_tilt"] * x + n["hair_lift"] * (across - 0.12).clamp_(min=0)
    side = n["hair_side"] + n["hair_back"] * back
    edge = torch.lerp(side, high, front).addcmul_(strand, n["hair_jag"])
    edge.sub_(y)
    opacity = soft(edge, n["soft"] + 0.03).mul_(n["hair_shown"])
    light = strand.mul(0.17).add_(1.0)
    return n["hair"] * light[:, None], opacity, strand, edge


def paint_surface(skin: Tensor, x: Tensor, y: Tensor, z: Tensor, n: Numbers) -> Tensor:
    """Beard, stubble, freckles and the hollows of the ears on the head's skin, in place."""
    outward = x.abs()
    bend = ((outward - 0.27) / 0.36).clamp_(0, 1.2)
    line = n["mouth_y"] - 0.03 - 0.55 * bend * bend
    jaw = soft(y - line - 0.02, 0.16).mul_(soft(z - 0.06, 0.22))
    grain = ((x * 61).sin_() * (y * 47 + z * 53).sin_()).mul_(0.08).add_(0.92)
    droop = outward * outward
    lip = soft(n["mouth_width"] + 0.06 - outward, 0.08)
    lip = lip.mul_(soft(y - n["nose_y"] - 0.075 - 0.5 * droop, 0.05))
    lip = lip.mul_(soft(n["mouth_y"] - 0.01 + 1.2 * droop - y, 0.06))
    lip = lip.mul_((z * 5 - 1).clamp_(0, 1))
    full = torch.maximum(jaw * n["beard"], lip * n["moustache"]).mul_(grain)
    thin = torch.maximum(jaw, lip).mul_(n["stubble"])
    paint(skin, n["colour_beard"], torch.maximum(full, thin))
    spots = (x * 43 + (y * 17).sin_()).sin_().mul_((y * 39 + (x * 23).sin_()).sin_())
    spots = (spots - 0.62).mul_(4).clamp_(0, 1).mul_(bump((outward - 0.25) / 0.3, (y - 0.2) / 0.2))
    paint(skin, n["colour_shade"], spots.mul_(n["freckles"] * 0.7))
    bowl = bump((y - n["ear_y"] + 0.02) / 0.085, (z - n["ear_z"] - 0.02) / 0.045)
    bowl = bowl.mul_(soft(outward - n["ear_x"], 0.06)).mul_(n["ear_paint"] * 0.8)
    return paint(skin, n["colour_shade"], bowl)


def glasses_solids(factors: FaceFactors, numbers: Numbers) -> Ellipsoids:
    """The curved sheet on which the glasses' rims lie, in head coordinates."""
    zero = torch.zeros_like(numbers["ear.x"])
    front = (numbers["bridge.z"] + 0.13).maximum(numbers["eyeball.z"] + 0.26)
    centre = torch.stack([zero, zero + 0.1, zero - 0.02], dim=1)[:, None]
    radii = torch.stack([numbers["ear.x"] + 0.06, zero + 2.2, front + 0.02], dim=1)[:, None]
    return ellipsoids(centre, radii, zero[:, None], (0.1,))


def glasses_numbers(factors: FaceFactors) -> Numbers:
    """Shape and colour of the glasses."""
    c = named(factors)
    return {
        "glasses": (c["glasses"] > 0).float(),
        "rim_round": 0.06 + 0.115 * c["glasses_round"],
        "rim_high": 0.145 + 0.03 * c["glasses_round"],
        "rim_thick": 0.011 + 0.02 * c["glasses_rim"].square(),
        "lens_dark": (c["glasses"] > 0.93).float() * 0.75 + 0.06,
        "rim": palette.shade(palette.RIM, c["glasses_colour"]),
    }


def paint_glasses(
    picture: Tensor, x: Tensor, y: Tensor, z: Tensor, seen: Tensor, n: Numbers
) -> Tensor:
    """Rims, bridge, temples and lenses at coordinates on the sheet, in place where ``seen``."""
    a, b = x.abs() - n["eye_x"] - 0.01, y - 0.035
    high, rounded = n["rim_high"], n["rim_round"]
    qx, qy = (a.abs() - 0.205 + rounded).clamp_(min=0), (b.abs() - high + rounded).clamp_(min=0)
    inner = torch.minimum(torch.maximum(a.abs() - 0.205, b.abs() - high), qx * 0) + rounded * 0
    distance = (qx * qx).addcmul_(qy, qy).sqrt_().sub_(rounded)
    distance = torch.where((qx > 0) | (qy > 0), distance, inner - rounded * 0.2)
    front = (z * 8 - 1.0).clamp_(0, 1)
    edge = n["soft"] * 0.9
    lens = soft(-distance, edge).mul_(front).mul_(seen)
    paint(picture, n["rim"] * 0.25, lens * n["lens_dark"])
    rim = soft(n["rim_thick"] - distance.abs(), edge).mul_(front)
    bridge = soft(n["rim_thick"] - (b + 0.06 - 0.6 * x * x).abs_(), edge).mul_(soft(-a - 0.2, edge))
    bar = soft(n["rim_thick"] - (y + 0.045).abs_(), edge)
    bar = bar.mul_(soft(a - 0.2, edge)).mul_(soft(z + 0.12, 0.03))
    metal = torch.maximum(torch.maximum(rim, bridge.mul_(front)), bar)
    return paint(picture, n["rim"], metal.mul_(seen))
