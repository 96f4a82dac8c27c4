"""Principal components of pixels or edges: what a linear code of the same size knows."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from lightning_modules.interface import Batch, Codes, Method
from lightning_modules.layers.gradients import oriented_gradients


class PrincipalComponents(Method):
    """PCA in one pass over the unlabelled pictures, of whatever `values` makes of them.

    Sums and products are gathered batch by batch in float64 and solved at the epoch's end, so the
    result is exact and does not depend on the order of the pictures.

    Args:
        n_components: length of the code.
        size: numbers that describe a picture.
    """

    def __init__(self, n_components: int, size: int) -> None:
        super().__init__()
        self.automatic_optimization = False
        if n_components > size:
            raise ValueError(f"n_components {n_components} exceeds the {size} values of a picture")
        self.mean: Tensor
        self.components: Tensor
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("components", torch.zeros(n_components, size))
        self._reset()

    def values(self, image: Tensor) -> Tensor:
        """The numbers (B, size) that describe a picture (B, C, H, W)."""
        raise NotImplementedError

    def _reset(self) -> None:
        self._count = 0
        self._sum: Tensor | None = None
        self._products: Tensor | None = None

    def training_step(self, batch: Batch, batch_idx: int) -> None:  # type: ignore[override]
        """Gather sums and products of one batch."""
        values = self.values(batch["image"]).double()
        self._count += len(values)
        total, products = values.sum(0), values.T @ values
        self._sum = total if self._sum is None else self._sum + total
        self._products = products if self._products is None else self._products + products

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Nothing to log."""

    def on_train_epoch_end(self) -> None:
        """Solve for the components of largest variance."""
        if self._sum is None or self._products is None:
            return
        mean = self._sum / self._count
        covariance = self._products / self._count - mean.outer(mean)
        _, vectors = torch.linalg.eigh(covariance)
        count = len(self.components)
        self.mean.copy_(mean)
        self.components.copy_(vectors[:, -count:].T.flip(0))
        self._reset()

    def configure_optimizers(self) -> Any:
        """No optimiser."""
        return None

    def encode(self, image: Tensor) -> Codes:
        """Scores (B, n_components): one entangled code, given as both."""
        code = (self.values(image) - self.mean) @ self.components.T
        return Codes(code, code)


class PixelPCA(PrincipalComponents):
    """PCA of pictures shrunk to a small side.

    Args:
        n_components: length of the code.
        image_size: side of the picture, pixels.
        side: side to which a picture is shrunk by area averaging first.
        image_channels: 3 for colour, 1 for grey.
    """

    def __init__(
        self,
        n_components: int = 60,
        image_size: int = 64,
        side: int = 32,
        image_channels: int = 3,
    ) -> None:
        self.side, self.channels = min(side, image_size), image_channels
        super().__init__(n_components, self.channels * self.side**2)
        self.save_hyperparameters()

    def values(self, image: Tensor) -> Tensor:
        """Pixels (B, C side^2) of the shrunk picture."""
        return F.interpolate(image, size=(self.side, self.side), mode="area").flatten(1)

    def reconstruct(self, image: Tensor) -> Tensor:
        """The picture as its components tell it, at the full size."""
        small = (self.encode(image).where @ self.components + self.mean).view(
            len(image), self.channels, self.side, self.side
        )
        size = list(image.shape[-2:])
        return F.interpolate(small, size=size, mode="bilinear", align_corners=False)


class GradientPCA(PrincipalComponents):
    """PCA of `oriented_gradients`: what the edges tell linearly, with nothing learned about parts.

    Args:
        n_components: length of the code.
        image_size: side of the picture, pixels.
        cells: cells along a side.

    Raises:
        ValueError: the cells do not divide the picture.
    """

    def __init__(self, n_components: int = 60, image_size: int = 64, cells: int = 16) -> None:
        if image_size % cells:
            raise ValueError(f"{cells} cells do not divide a picture of {image_size} px")
        self.cell = image_size // cells
        super().__init__(n_components, 8 * cells**2)
        self.save_hyperparameters()

    def values(self, image: Tensor) -> Tensor:
        """Gradients (B, 8 cells^2) in eight directions."""
        return oriented_gradients(image, cell=self.cell).flatten(1)
