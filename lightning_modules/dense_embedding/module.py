"""Dense embeddings as a LightningModule (Thewlis et al., NeurIPS 2017 and ICCV 2019)."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pytorch_lightning.utilities.types import LRSchedulerConfigType, OptimizerLRScheduler
from torch import Tensor
from torch.nn import functional as F
from torch.optim.lr_scheduler import MultiStepLR

from lightning_modules.dense_embedding.jitter import jittered
from lightning_modules.dense_embedding.losses import exchanged, misplaced, places
from lightning_modules.dense_embedding.network import SmallNet
from lightning_modules.interface import Batch, Method
from lightning_modules.layers.processes import next_of_batch, processes
from lightning_modules.schedules import trapezoid


class DenseEmbedding(Method):
    """A network that gives what is the same in two warped views of a picture the same vector.

    The defaults are DVE's (2019), SmallNet with 64 numbers. ``dim=3`` and ``exchange=False`` are
    the method of 2017 as DVE's code has it.

    Args:
        image_size: side of the picture, pixels; even.
        image_channels: 3 for colour, 1 for grey.
        dim: length C of a vector.
        exchange: compare vectors through a third picture, the next one of the batch.
        channels: of SmallNet's five convolutions.
        every: compare only every so many-th place of a view, down and across (paper: 1).
        jitter: strength of random brightness, contrast and saturation of both views.
        learning_rate: of Adam (amsgrad).
        schedule: ``multistep`` (paper), or ``trapezoid``: constant, then linear to zero over the
            last fifth of the run.
        milestones: epochs of the multistep schedule.
        gamma: its factor.

    Raises:
        ValueError: the side of the picture is odd.
    """

    pairs: ClassVar[bool] = True

    def __init__(
        self,
        image_size: int = 64,
        image_channels: int = 3,
        dim: int = 64,
        exchange: bool = True,
        channels: tuple[int, ...] = (20, 48, 64, 80, 256),
        every: int = 1,
        jitter: float = 0.4,
        learning_rate: float = 1e-3,
        schedule: Literal["multistep", "trapezoid"] = "multistep",
        milestones: tuple[int, ...] = (70, 90),
        gamma: float = 0.1,
    ) -> None:
        super().__init__()
        if image_size % 2:
            raise ValueError(f"image_size must be even, SmallNet halves it; got {image_size}")
        self.save_hyperparameters()
        self.network = SmallNet(dim, channels, image_channels)
        self.exchange, self.every, self.jitter = exchange, every, jitter
        self.pixels = image_size / 2
        self.learning_rate, self.schedule = learning_rate, schedule
        self.milestones, self.gamma = list(milestones), gamma

    def embedding(self, image: Tensor) -> Tensor:
        """Vectors (B, C, S / 2, S / 2)."""
        found: Tensor = self.network(image)
        return found

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Mean root of how far, in pixels, vectors of ``pair`` point from where they come from.

        Raises:
            ValueError: the batch has no pairs, or is too small to exchange vectors.
        """
        if "pair" not in batch:
            raise ValueError(
                "dense_embedding learns from pairs of views: give the datamodule `pairs: true`"
            )
        image, pair = batch["image"], batch["pair"]
        if self.exchange and len(image) * processes()[1] < 2:
            raise ValueError("vectors are exchanged with another picture of the batch: it has none")
        if self.jitter:
            image, pair = jittered(image, self.jitter), jittered(pair, self.jitter)
        # One pass, so that both views are normalised by the same statistics.
        ours, theirs = self.network(torch.cat([pair, image])).chunk(2)
        where = places(*theirs.shape[-2:], like=theirs)
        source = F.interpolate(
            batch["pair_source"].permute(0, 3, 1, 2), size=ours.shape[-2:], mode="area"
        )
        few = slice(self.every // 2, None, self.every)
        vectors = ours[..., few, few].flatten(2).mT
        if self.exchange:
            vectors = exchanged(vectors, next_of_batch(ours).flatten(2).mT)
        loss = misplaced(
            vectors,
            source[..., few, few].flatten(2).mT * self.pixels,
            theirs.flatten(2).mT,
            where * self.pixels,
        )
        return {"loss": loss}

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Nothing: pictures that are not trained on come in one view."""

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Adam as amsgrad."""
        optimizer = torch.optim.Adam(
            self.parameters(), lr=self.learning_rate, amsgrad=True, fused=True
        )
        if self.schedule == "trapezoid":
            return trapezoid(optimizer, int(self.trainer.estimated_stepping_batches))
        schedule: LRSchedulerConfigType = {
            "scheduler": MultiStepLR(optimizer, self.milestones, self.gamma),
            "interval": "epoch",
        }
        return {"optimizer": optimizer, "lr_scheduler": schedule}
