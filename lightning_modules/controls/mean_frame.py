"""A control for clips: the mean of all frames, for every frame, with codes that tell nothing."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from lightning_modules.interface import Batch, Codes, Method, Unit


class MeanFrame(Method):
    """Paints the mean of its training frames, whatever the codes; *where* is 2, *what* 1 zero.

    Its bound is that of independent pixels that are Bernoulli with the same means in every frame.

    Args:
        image_size: side of a frame, pixels.
        image_channels: 3 for colour, 1 for grey.
    """

    sees: ClassVar[Unit] = "clips"

    def __init__(self, image_size: int = 64, image_channels: int = 3) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.automatic_optimization = False
        self.total: Tensor
        self.count: Tensor
        size = (image_channels, image_size, image_size)
        self.register_buffer("total", torch.zeros(size, dtype=torch.float64))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def training_step(self, batch: Batch, batch_idx: int) -> None:  # type: ignore[override]
        """Add the frames of one batch of clips."""
        clip: Tensor = batch["clip"]
        self.total += clip.flatten(0, 1).double().sum(0)
        self.count += clip.shape[0] * clip.shape[1]

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Nothing to log."""

    def configure_optimizers(self) -> Any:
        """No optimiser."""
        return None

    @property
    def mean(self) -> Tensor:
        """The mean frame (C, S, S) in [0, 1].

        Raises:
            RuntimeError: no frame was seen.
        """
        if not self.count:
            raise RuntimeError("MeanFrame has seen no frame; train it first")
        return (self.total / self.count).float()

    def encode_clip(self, clip: Tensor) -> Codes:
        """Zeros for every frame, (B, T, 2) and (B, T, 1)."""
        return Codes(clip.new_zeros(*clip.shape[:2], 2), clip.new_zeros(*clip.shape[:2], 1))

    def decode_clip(self, codes: Codes) -> Tensor:
        """The mean frame once for every frame, (B, T, C, S, S)."""
        return self.mean.expand(*codes.where.shape[:2], -1, -1, -1)

    def clip_bound(self, clip: Tensor, generator: Generator) -> dict[str, Tensor]:
        """Parts of the bound of every clip (B, T, C, S, S), (B,) each, see `HasClipBound`."""
        # Where all frames were black, a later one may not be: half a frame of doubt.
        doubt = 0.5 / (self.count + 1)
        likely = -F.binary_cross_entropy(
            self.mean.clamp(doubt, 1 - doubt).expand_as(clip), clip, reduction="none"
        )
        nothing = clip.new_zeros(len(clip))
        reconstruction = likely.flatten(1).sum(1)
        return {"reconstruction": reconstruction, "kl_where": nothing, "kl_what": nothing}
