"""Dense-DAE as a LightningModule (Shu et al., ECCV 2018)."""

from __future__ import annotations

from typing import Literal

import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor

from lightning_modules.dense_dae.losses import terms
from lightning_modules.dense_dae.network import Blocks, Deformed, DeformingAutoencoder, Norm, Shape
from lightning_modules.interface import Batch, Codes, Method
from lightning_modules.layers.perceptual import summed_squared_error
from lightning_modules.layers.warp import watched_field
from lightning_modules.schedules import trapezoid


class DenseDAE(Method):
    """An autoencoder that paints a texture and integrates a field that warps it.

    The defaults are the released code's, with dense blocks that work.

    Args:
        image_size: side of the picture, pixels.
        image_channels: 3 for colour, 1 for grey.
        channels: of the encoder's maps, see `Shape`; and so the arguments up to ``code_gain``.
        depths: convolutions of its dense blocks.
        code_dim: length of the code before it is parted.
        where_dim: length of the warp's code.
        what_dim: length of the texture's code.
        blocks: ``dense``, ``dense_as_released`` or ``plain``.
        norm: ``instance`` or ``batch``.
        affine: let an affine map follow the integrated field (paper; not in its code).
        code_gain: of the first weights that make codes.
        variation_weight: of the field's total variation, summed over a picture.
        bias_weight: of the batch's mean field.
        learning_rate: of Adam.
        betas: of Adam.
        template: share of the first training in which all textures of a batch are painted from the
            mean of their codes, so that the field has to tell faces apart (code: 0).
        schedule: ``constant`` (code), or ``trapezoid``: constant, then linear to zero over the last
            fifth of the run.
    """

    def __init__(
        self,
        image_size: int = 64,
        image_channels: int = 3,
        channels: tuple[int, ...] = (32, 64, 128, 256),
        depths: tuple[int, ...] = (6, 12, 24, 16),
        code_dim: int = 128,
        where_dim: int = 128,
        what_dim: int = 16,
        blocks: Blocks = "dense",
        norm: Norm = "instance",
        affine: bool = False,
        code_gain: float = 1.0,
        variation_weight: float = 1e-4,
        bias_weight: float = 1e-2,
        learning_rate: float = 2e-4,
        betas: tuple[float, float] = (0.5, 0.999),
        template: float = 0.0,
        schedule: Literal["constant", "trapezoid"] = "constant",
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.network = DeformingAutoencoder(
            Shape(
                image_size=image_size,
                image_channels=image_channels,
                channels=channels,
                depths=depths,
                code_dim=code_dim,
                where_dim=where_dim,
                what_dim=what_dim,
                blocks=blocks,
                norm=norm,
                affine=affine,
                code_gain=code_gain,
            )
        )
        self.variation_weight, self.bias_weight = variation_weight, bias_weight
        self.template = template
        self.learning_rate, self.betas, self.schedule = learning_rate, betas, schedule

    def encode(self, image: Tensor) -> Codes:
        """Code of the warp as *where*, that of the texture as *what*; all in [-1, 1]."""
        return Codes(*self.network.encode(image))

    def decode(self, codes: Codes) -> Tensor:
        """Pictures (B, C, S, S) in [0, 1]."""
        return self.paint(codes).picture

    def paint(self, codes: Codes) -> Deformed:
        """Pictures of codes, and how they came about."""
        painted: Deformed = self.network(codes.where, codes.what)
        return painted

    def reconstruct(self, image: Tensor) -> Tensor:
        """The picture painted again from its codes."""
        return self.decode(self.encode(image))

    def deformation(self, image: Tensor) -> Tensor:
        """Displacement (B, 2, S, S), (x, y) in [-1, 1] units."""
        return self.network.displacement(self.encode(image).where)

    def canonical(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of pictures (B, C, S, S): textures, displacement (B, 2, S, S), reconstruction."""
        painted = self.paint(self.encode(image))
        return painted.canonical, painted.displacement, painted.picture

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """The weighted sum of all terms; the terms; and what tells whether the field works."""
        image = batch["image"]
        codes = self.encode(image)
        if self.in_template():
            codes = codes._replace(what=codes.what.mean(0, keepdim=True).expand_as(codes.what))
        painted = self.paint(codes)
        found = terms(painted, image)
        loss = (
            found["absolute"]
            + self.variation_weight * found["variation"]
            + self.bias_weight * found["bias"]
        )
        return {
            "loss": loss,
            "reconstruction": summed_squared_error(painted.picture.detach(), image),
            **found,
            **watched_field(painted.canonical, painted.displacement, image),
        }

    def in_template(self) -> bool:
        """Whether training is still in its first part, see ``template``."""
        if not (self.template and self.training):
            return False
        return self.global_step < self.template * self.trainer.estimated_stepping_batches

    def begin_finetuning(self) -> None:
        """No template again: the pictures' own looks from the start."""
        self.template = 0.0

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Adam."""
        optimizer = torch.optim.Adam(
            self.parameters(), lr=self.learning_rate, betas=self.betas, fused=True
        )
        if self.schedule == "constant":
            return optimizer
        return trapezoid(optimizer, int(self.trainer.estimated_stepping_batches))
