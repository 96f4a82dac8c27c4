"""Keypoints that look at nothing: constant ones and random ones."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lightning_modules.interface import Batch, Keypoints, Method
from lightning_modules.layers.points import sunflower

_MASK = (1 << 63) - 1


class Untrained(Method):
    """A control without parameters: a trainer may run it, and nothing changes."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch: Batch, batch_idx: int) -> None:  # type: ignore[override]
        """Nothing to learn."""

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Nothing to log."""

    def configure_optimizers(self) -> Any:
        """No optimiser."""
        return None


class FixedPoints(Untrained):
    """The same points for every picture.

    A linear regression from them predicts the mean shape of the training pictures, whatever the
    points are: this is the mean-shape control.

    Args:
        n_keypoints: points K, on a sunflower spiral.
        image_size: side of the picture, pixels; only for a signature like every method's.
    """

    def __init__(self, n_keypoints: int = 30, image_size: int = 64) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.register_buffer("points", sunflower(n_keypoints, 1.0, like=torch.zeros(())))

    def keypoints(self, image: Tensor) -> Keypoints:
        """The constant points (B, K, 2); no variance."""
        points: Tensor = self.points  # type: ignore[assignment]
        return Keypoints(points.to(image.dtype).expand(len(image), -1, -1), None)


class RandomPoints(Untrained):
    """Independent uniform points, a pure function of the seed and of the picture's pixels.

    Args:
        n_keypoints: points K.
        image_size: side of the picture, pixels; only for a signature like every method's.
        seed: another seed, other points.
    """

    def __init__(self, n_keypoints: int = 30, image_size: int = 64, seed: int = 0) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.n_keypoints = n_keypoints
        self.seed = seed

    def keypoints(self, image: Tensor) -> Keypoints:
        """Random points (B, K, 2) in [-1, 1]; the same picture always gets the same ones."""
        pixels = (image * 255).round().long().flatten(1)
        place = torch.arange(pixels.shape[1], device=image.device) + 1
        picture = (pixels * _mix(place)).sum(1, keepdim=True)
        slot = torch.arange(2 * self.n_keypoints, device=image.device) + 1
        bits = _mix(_mix(picture + self.seed) + _mix(slot))
        uniform = (bits & ((1 << 24) - 1)).to(image.dtype) / (1 << 24)
        return Keypoints((2 * uniform - 1).view(len(image), -1, 2), None)


def _mix(x: Tensor) -> Tensor:
    """A well-mixed non-negative int64 of an int64 (multiply and xor-shift, as SplitMix64 does)."""
    for shift, factor in ((30, 0x3F58476D1CE4E5B9), (27, 0x14D049BB133111EB)):
        x = (x ^ ((x & _MASK) >> shift)) * factor
    return (x ^ ((x & _MASK) >> 31)) & _MASK
