"""Lighting a depth picture: Lambert with subsurface wrap, cast shadows, occlusion, highlights."""

import torch
from torch import Tensor
from torch.nn import functional

from datamodules.standins.face_camera import Camera
from datamodules.standins.face_factors import FaceFactors
from datamodules.standins.face_looks import Numbers
from datamodules.standins.face_raster import FAR

_WRAP = (0.34, 0.18, 0.12)  # red light bleeds furthest under the skin
_TAPS = (0.07, 0.16, 0.32, 0.6)  # how far along the ray to the light occluders are looked for
_STEEPEST = 5.0


def light_numbers(factors: FaceFactors, camera: Camera, height: int, width: int) -> Numbers:
    """Light in the picture's axes: numbers (B,), colours (B, 3)."""
    step_x = camera.matrix[:, :, 0].norm(dim=1) * 2 / width
    step_y = camera.matrix[:, :, 1].norm(dim=1) * 2 / height
    light = factors.light.double()
    axes = camera.matrix / camera.matrix.norm(dim=1, keepdim=True)
    flat = (axes.mT @ light[:, :2, None])[..., 0]
    half = torch.stack([flat[:, 0], flat[:, 1], light[:, 2] + 1], dim=1)
    half = half / half.norm(dim=1, keepdim=True).clamp(min=1e-6)
    on_grid = (torch.linalg.inv(camera.matrix) @ light[:, :2, None])[..., 0]
    strength = 1.06 - factors.ambient
    return {
        "step_x": step_x,
        "step_y": step_y,
        "light_x": flat[:, 0],
        "light_y": flat[:, 1],
        "light_z": light[:, 2],
        "half_x": half[:, 0],
        "half_y": half[:, 1],
        "half_z": half[:, 2],
        "grid_x": on_grid[:, 0],
        "grid_y": on_grid[:, 1],
        "ambient": factors.ambient,
        "key": factors.light_colour * strength[:, None],
    }


def _slopes(depth: Tensor, n: Numbers) -> tuple[Tensor, Tensor]:
    """Central differences of depth (B, H, W) in world units."""
    right, down = torch.empty_like(depth), torch.empty_like(depth)
    torch.sub(depth[:, :, 2:], depth[:, :, :-2], out=right[:, :, 1:-1])
    right[:, :, 0], right[:, :, -1] = right[:, :, 1], right[:, :, -2]
    torch.sub(depth[:, 2:], depth[:, :-2], out=down[:, 1:-1])
    down[:, 0], down[:, -1] = down[:, 1], down[:, -2]
    right.mul_(0.5 / n["step_x"]).clamp_(-_STEEPEST, _STEEPEST)
    down.mul_(0.5 / n["step_y"]).clamp_(-_STEEPEST, _STEEPEST)
    return right, down


def _shadows(depth: Tensor, n: Numbers) -> tuple[Tensor, Tensor]:
    """Share of key light that arrives, and of light from around; each (B, H, W).

    Both are smooth, so they are found at half and quarter resolution.
    """
    height, width = depth.shape[1:]
    half = functional.interpolate(
        depth[:, None], size=((height + 1) // 2, (width + 1) // 2), mode="bilinear"
    )
    h, w = half.shape[2:]
    y = ((2 * torch.arange(h, device=depth.device) + 1) / h - 1)[None, :, None]
    x = ((2 * torch.arange(w, device=depth.device) + 1) / w - 1)[None, None, :]
    blocked = torch.zeros_like(half)
    for tap in _TAPS:
        place = torch.stack(
            [
                (x + n["grid_x"] * tap).expand(-1, h, -1),
                (y + n["grid_y"] * tap).expand(-1, -1, w),
            ],
            dim=-1,
        )
        there = functional.grid_sample(half, place, padding_mode="border", align_corners=False)
        over = (there - half).sub_((n["light_z"] * tap)[:, None]).sub_(0.015)
        blocked = torch.maximum(blocked, over.div_(0.05 + 0.25 * tap).clamp_(0, 1))
    size = max(3, round(0.09 * h) | 1)
    coarse = functional.avg_pool2d(half, (size, 1), 1, (size // 2, 0), count_include_pad=False)
    coarse = functional.avg_pool2d(coarse, (1, size), 1, (0, size // 2), count_include_pad=False)
    hollow = (coarse - half).clamp_(0, 0.25).mul_(1.9)
    both = torch.cat([blocked.mul_(-0.8).add_(1), hollow.neg_().add_(1)], dim=1)
    both = functional.interpolate(both, size=(height, width), mode="bilinear")
    return both[:, 0], both[:, 1]


def shade(albedo: Tensor, depth: Tensor, gloss: Tensor, n: Numbers) -> Tensor:
    """Light a picture.

    Args:
        albedo: (B, 3, H, W) in [0, 1], overwritten.
        depth: (B, H, W) world depth towards the viewer.
        gloss: (B, H, W) strength of highlights.
        n: Numbers of :func:`light_numbers` as columns.

    Returns:
        (B, 3, H, W), not clipped.
    """
    depth = depth.clamp(min=FAR)
    key, open_sky = _shadows(depth, n)
    right, down = _slopes(depth, n)
    facing = (right * right).addcmul_(down, down).add_(1).rsqrt_()
    lit = n["light_z"] - right * n["light_x"]
    lit.addcmul_(down, n["light_y"], value=-1).mul_(facing)
    shine = n["half_z"] - right * n["half_x"]
    shine.addcmul_(down, n["half_y"], value=-1).mul_(facing).clamp_(min=0)
    for _ in range(4):
        shine.square_()
    shine.mul_(gloss).mul_(key)
    around = (down * facing).mul_(0.22).add_(facing, alpha=0.35).add_(0.66)
    around.mul_(open_sky).mul_(n["ambient"])
    wrap = torch.tensor(_WRAP, device=depth.device)[None, :, None, None]
    light = (lit[:, None] + wrap).div_(1 + wrap).clamp_(min=0)
    light.mul_(key[:, None]).mul_(n["key"]).add_(around[:, None])
    return albedo.mul_(light).addcmul_(n["key"], shine[:, None])
