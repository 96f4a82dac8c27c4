"""Colours of skin, hair and eyes, interpolated between named swatches (RGB in [0, 1])."""

import torch
from torch import Tensor

SKIN = (
    (0.99, 0.84, 0.75),
    (0.95, 0.76, 0.64),
    (0.88, 0.67, 0.52),
    (0.76, 0.55, 0.40),
    (0.60, 0.41, 0.29),
    (0.44, 0.29, 0.21),
)
HAIR = (
    (0.08, 0.07, 0.07),
    (0.15, 0.10, 0.08),
    (0.27, 0.17, 0.11),
    (0.38, 0.24, 0.14),
    (0.50, 0.24, 0.12),
    (0.62, 0.46, 0.27),
    (0.84, 0.68, 0.42),
    (0.66, 0.65, 0.64),
    (0.88, 0.87, 0.85),
)
DYED = ((0.75, 0.25, 0.40), (0.30, 0.35, 0.75), (0.20, 0.55, 0.55), (0.55, 0.25, 0.65))
IRIS = (
    (0.20, 0.12, 0.07),
    (0.33, 0.20, 0.10),
    (0.45, 0.33, 0.16),
    (0.36, 0.45, 0.27),
    (0.30, 0.50, 0.62),
    (0.38, 0.55, 0.75),
)
RIM = ((0.06, 0.06, 0.07), (0.30, 0.16, 0.09), (0.55, 0.12, 0.14), (0.72, 0.66, 0.52))


def shade(swatches: tuple[tuple[float, float, float], ...], place: Tensor) -> Tensor:
    """Colours (B, 3) at places (B,) in [0, 1] along a row of swatches."""
    table = torch.tensor(swatches, dtype=torch.float32, device=place.device)
    at = place.float().clamp(0, 1) * (len(swatches) - 1)
    low = at.long().clamp(max=len(swatches) - 2)
    return torch.lerp(table[low], table[low + 1], (at - low)[:, None])
