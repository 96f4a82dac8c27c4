"""Anchors of the dense landmark table: a field of zeros, raw pixels, and a supervised network."""

from __future__ import annotations

from typing import ClassVar

import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.nn import functional as F

from lightning_modules.controls.points import Untrained
from lightning_modules.interface import Batch, Keypoints, Method
from lightning_modules.layers.blocks import normalisation
from lightning_modules.schedules import trapezoid


class ZeroField(Untrained):
    """A displacement of zero everywhere: whatever is regressed from it is the mean shape.

    Args:
        image_size: side of the picture, pixels.
    """

    def __init__(self, image_size: int = 64) -> None:
        super().__init__()
        self.save_hyperparameters()

    def deformation(self, image: Tensor) -> Tensor:
        """Zeros (B, 2, H, W)."""
        return image.new_zeros(len(image), 2, *image.shape[-2:])


class GreyPixels(Untrained):
    """The picture itself as features: what the regressor reads without any method.

    Args:
        image_size: side of the picture, pixels; only for a signature like every method's.
    """

    def __init__(self, image_size: int = 64) -> None:
        super().__init__()
        self.save_hyperparameters()

    def features(self, image: Tensor) -> Tensor:
        """Mean over the channels, (B, H W)."""
        return image.mean(1).flatten(1)


class SupervisedLandmarks(Method):
    """A convolutional network trained on labelled pictures: the upper anchor of the scale.

    Args:
        n_landmarks: how many a picture has.
        image_size: side of the picture, pixels; halved until 4 are left.
        width: channels after the first convolution, doubled up to eight times as many.
        learning_rate: of Adam; constant, then linear to zero over the last fifth of the run.
    """

    learns_from: ClassVar[frozenset[str]] = frozenset({"landmarks"})
    trains_on: ClassVar[str | None] = "train"

    def __init__(
        self,
        n_landmarks: int = 5,
        image_size: int = 64,
        width: int = 16,
        learning_rate: float = 1e-3,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.learning_rate = learning_rate
        layers: list[nn.Module] = []
        channels, side = 3, image_size
        while side > 4:
            wider = min(8 * width, width if channels == 3 else 2 * channels)
            layers += [
                nn.Conv2d(channels, wider, 3, stride=2, padding=1),
                normalisation("group", wider),
                nn.ReLU(),
            ]
            channels, side = wider, side // 2
        self.trunk = nn.Sequential(*layers, nn.Flatten())
        self.head = nn.Linear(channels * side**2, 2 * n_landmarks)

    def features(self, image: Tensor) -> Tensor:
        """What the last layer reads, (B, D)."""
        found: Tensor = self.trunk(image)
        return found

    def keypoints(self, image: Tensor) -> Keypoints:
        """The predicted landmarks (B, L, 2) themselves; no variance."""
        return Keypoints(self.head(self.trunk(image)).unflatten(1, (-1, 2)), None)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Mean distance along an axis, in [-1, 1]; nothing where pictures have no landmarks."""
        if "landmarks" not in batch:
            raise ValueError("a supervised method needs `landmarks` in its batches")
        return {"loss": F.l1_loss(self.keypoints(batch["image"]).mean, batch["landmarks"])}

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Adam with a trapezoid over all steps."""
        optimizer = torch.optim.Adam(self.parameters(), lr=self.learning_rate, fused=True)
        return trapezoid(optimizer, int(self.trainer.estimated_stepping_batches))
