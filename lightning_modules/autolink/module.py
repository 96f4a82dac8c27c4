"""AutoLink as a LightningModule (He, Wandt and Rhodin, NeurIPS 2022)."""

from __future__ import annotations

from typing import Any, Literal

import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torchmetrics.functional.image import peak_signal_noise_ratio

from lightning_modules.autolink.losses import FeatureError
from lightning_modules.autolink.network import AutoLinkNetwork, AutoLinkShape, kept_blocks
from lightning_modules.interface import Batch, Codes, Keypoints, Method
from lightning_modules.layers.blocks import Norm
from lightning_modules.layers.noise import content_key, normal_noise
from lightning_modules.layers.perceptual import settle_vgg
from lightning_modules.layers.processes import shared
from lightning_modules.schedules import trapezoid


class AutoLink(Method):
    """Points whose linking edges, drawn on one map, help to fill in a masked picture.

    It learns from single pictures; a pair is not looked at.

    Args:
        image_size: side of the picture, pixels.
        n_keypoints: points K.
        down: widths of the detector's residual blocks, each of which halves the side.
        up: widths of its blocks that double it.
        painter: widths of the painter, each after the first at half the side of the one before.
        thickness: squared distance at which an edge has fallen to 1/e, in units of [-1, 1].
        edge_rate: factor on the stored weights of edges.
        missing: share of the picture's blocks that are masked.
        blocks: of them along each side.
        anchor: reach of the Gaussian that draws every point to a place of its own; 0 for none
            (paper).
        norm: ``batch`` (paper) or ``group``.
        reconstruction: what pictures are compared by: ``vgg`` (paper; needs a weights file),
            ``vgg_or_mse``, which `resolve_arguments` settles aloud, ``mse`` for the pixels'
            absolute error, or ``gradients`` (not the paper's, see `oriented_gradients`).
        learning_rate: of AdamW.
        weight_decay: of AdamW.
        schedule: ``constant`` (paper), or ``trapezoid``: constant, then linear to zero over the
            last fifth of the run.
        warmup_steps: steps of linear warm-up of the trapezoid.
    """

    def __init__(
        self,
        image_size: int = 128,
        n_keypoints: int = 8,
        down: tuple[int, ...] = (64, 128, 256, 512),
        up: tuple[int, ...] = (256, 128),
        painter: tuple[int, ...] = (64, 128, 256, 512, 512),
        thickness: float = 2.5e-3,
        edge_rate: float = 512.0,
        missing: float = 0.8,
        blocks: int = 16,
        anchor: float = 0.0,
        norm: Norm = "batch",
        reconstruction: Literal["mse", "gradients", "vgg", "vgg_or_mse"] = "mse",
        learning_rate: float = 1e-4,
        weight_decay: float = 1e-3,
        schedule: Literal["constant", "trapezoid"] = "constant",
        warmup_steps: int = 0,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        kind = self.resolve_arguments({"reconstruction": reconstruction})["reconstruction"]
        shape = AutoLinkShape(
            n_keypoints=n_keypoints,
            down=down,
            up=up,
            painter=painter,
            thickness=thickness,
            edge_rate=edge_rate,
            anchor=anchor,
            norm=norm,
        )
        self.network = AutoLinkNetwork(shape, image_size).to(memory_format=torch.channels_last)
        self._error = FeatureError(kind)

    @classmethod
    def resolve_arguments(cls, arguments: dict[str, Any]) -> dict[str, Any]:
        """Settle ``vgg_or_mse`` by whether this machine has VGG16 weights, and say which."""
        return settle_vgg(arguments)

    def _masked(self, image: Tensor, numbers: Tensor) -> Tensor:
        """What is left of ``image``, in [-1, 1]; ``numbers`` (B, n, n) choose the blocks."""
        mask = kept_blocks(numbers, self.hparams["missing"], image.shape[-1])
        return (2 * image - 1) * mask

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Error of the picture, painted from its edges and the blocks that were left."""
        image = batch["image"].contiguous(memory_format=torch.channels_last)
        side = self.hparams["blocks"]
        drawn = shared(lambda n: torch.randn(n, side, side, device=image.device), len(image))
        left = self._masked(image, drawn)
        painted = self.network.paint(self.network.points(image), left)
        return {
            "loss": self._error(painted, image),
            "strongest_edge": self.network.edges.strength.detach().max(),
            "psnr": peak_signal_noise_ratio(painted.detach(), image, data_range=1.0),
        }

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW at a constant rate, or a trapezoid over all steps."""
        h = self.hparams
        optimizer = torch.optim.AdamW(
            self.parameters(), lr=h["learning_rate"], weight_decay=h["weight_decay"], fused=True
        )
        if h["schedule"] == "constant":
            return optimizer
        steps = int(self.trainer.estimated_stepping_batches)
        return trapezoid(optimizer, steps, max(1, h["warmup_steps"]))

    def keypoints(self, image: Tensor) -> Keypoints:
        """Points (B, K, 2); the method knows no variance."""
        return Keypoints(self.network.points(image), None)

    def encode(self, image: Tensor) -> Codes:
        """Points (B, K, 2) as *where*; the blocks that are left (B, 3, S, S) as *what*.

        Which blocks are left hangs on the picture's pixels alone.
        """
        side = self.hparams["blocks"]
        numbers = normal_noise(0, content_key(image), size=side**2).view(-1, side, side)
        return Codes(self.network.points(image), self._masked(image, numbers))

    def decode(self, codes: Codes) -> Tensor:
        """The picture with the edges of these points, about these blocks."""
        return self.network.paint(codes.where, codes.what)

    def reconstruct(self, image: Tensor) -> Tensor:
        """The picture from its points and a fifth of its blocks."""
        return self.decode(self.encode(image))
