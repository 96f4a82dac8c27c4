"""KeyNet's loss: errors of several maps, each measured by its own running mean (section 3.3)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lightning_modules.layers.processes import mean_over_processes

_SHARPNESS = 0.4


def edge_mask(size: int, blind: float, ramp: float, *, like: Tensor) -> Tensor:
    """Weight (1, 1, size, size) of every pixel: 0 at the edge, where warps bring in blackness.

    Args:
        size: side of the picture, pixels.
        blind: width of the frame that does not count, pixels.
        ramp: width of the smooth rise to 1 behind it, pixels.
        like: gives device and type.
    """
    middle = torch.arange(size, device=like.device, dtype=like.dtype) + 0.5
    depth = torch.minimum(middle, size - middle) - blind
    rise = torch.sigmoid(2 * (2 * depth / ramp - 1) / _SHARPNESS) * (depth > 0)
    return (rise[:, None] * rise).view(1, 1, size, size)


class BalancedError(nn.Module):
    """Squared errors of several maps, each over its own running mean, summed.

    So all weigh alike, whatever their scale, and a map that is matched well does not stop to
    count. The running mean is held fixed in the gradient, and starts at the first batch's error.

    Args:
        count: how many maps.
        decay: of the running means, 0.99 in the released code.
    """

    running: Tensor

    def __init__(self, count: int, decay: float = 0.99) -> None:
        super().__init__()
        self.decay = decay
        self.register_buffer("running", torch.zeros(count))

    def forward(self, have: Sequence[Tensor], want: Sequence[Tensor], mask: Tensor) -> Tensor:
        """Error of maps (B, C, H, W), their sizes differing, under a mask (1, 1, S, S).

        In training it also moves the running means.
        """
        errors = []
        for ours, theirs in zip(have, want, strict=True):
            weight = F.interpolate(mask, ours.shape[-2:], mode="bilinear", align_corners=False)
            errors.append(((ours - theirs).square().mean(1, keepdim=True) * weight).mean())
        found = torch.stack(errors)
        now = found.detach()
        if self.training:
            now = mean_over_processes(now)
            mean = torch.where(self.running > 0, torch.lerp(now, self.running, self.decay), now)
            self.running.copy_(mean)
        scale = torch.where(self.running > 0, self.running, now)
        return (found / scale.clamp_min(1e-12)).sum()
