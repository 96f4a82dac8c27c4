"""Random brightness, contrast and saturation, picture by picture, on the device."""

from __future__ import annotations

from torch import Tensor

from lightning_modules.layers.processes import shared


def jittered(image: Tensor, strength: float) -> Tensor:
    """Pictures with brightness, contrast and saturation times numbers around 1.

    Each number is drawn evenly from 1 - strength to 1 + strength, in this order, for every picture
    by itself, from the default random generator of the device.

    Args:
        image: (B, 3, H, W) in [0, 1].
        strength: 0 changes nothing.

    Returns:
        The same shape, in [0, 1].
    """
    drawn = shared(lambda n: image.new_empty(3, n, 1, 1, 1).uniform_(), len(image), dim=1)
    by = 1 + strength * (2 * drawn - 1)
    image = (image * by[0]).clamp(0, 1)
    mean = image.mean((1, 2, 3), keepdim=True)
    image = (mean + (image - mean) * by[1]).clamp(0, 1)
    grey = image.mean(1, keepdim=True)
    return (grey + (image - grey) * by[2]).clamp(0, 1)
