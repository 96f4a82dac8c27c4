"""Amortised learning: encoders infer the codes, as in a VAE (Xing et al. 2022, end of 3.3)."""

from __future__ import annotations

import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn

from lightning_modules.deformable.network import GeneratorShape
from lightning_modules.deformable.painter import CodePainter, Finetune
from lightning_modules.interface import Batch
from lightning_modules.layers.deconv import MirroredEncoder
from lightning_modules.layers.processes import normal_like
from lightning_modules.schedules import trapezoid


class AmortisedLearner(CodePainter):
    """A painter with one encoder a code, learned by the evidence bound.

    Args:
        shape: of the generators; both encoders mirror the geometric one.
        finetune: what `begin_finetuning` leaves trainable; ``appearance`` freezes the geometric
            code's encoder together with its generator.
        learning_rate: of Adam; constant, then linear to zero over the last fifth of the run.
        geometry_rate: of the geometric generator and encoder, relative to it.
        sigma: standard deviation of the noise of pixels.
        beta: weight of the KL divergence; 1 is the bound.
        warmup: share of the first training over which that weight rises from zero.
        template: share of the first training in which the appearance code is hidden, so that one
            template has to be warped to all pictures. Without it the appearance explains all, and
            the field soon hangs on no code.
    """

    def __init__(
        self,
        shape: GeneratorShape,
        finetune: Finetune,
        *,
        learning_rate: float,
        geometry_rate: float = 1.0,
        sigma: float,
        beta: float,
        warmup: float,
        template: float,
    ) -> None:
        super().__init__(shape, finetune, geometry_rate)
        self.learning_rate, self.sigma, self.beta = learning_rate, sigma, beta
        self.warmup = warmup
        self.template = template
        dims = {"appearance": shape.appearance_dim, "geometry": shape.geometry_dim}
        self.encoders = nn.ModuleDict(
            {
                name: MirroredEncoder(shape.image_channels, shape.channels, shape.kernels, dim)
                for name, dim in dims.items()
                if dim
            }
        )

    def begin_finetuning(self) -> None:
        """Also freeze the encoder of what is frozen; nothing is warmed up again."""
        super().begin_finetuning()
        self.warmup = self.template = 0.0
        if self.finetune == "appearance" and "geometry" in self.encoders:
            self.encoders["geometry"].requires_grad_(False)

    def posterior(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance (B, D) of the codes."""
        found = [encoder(image) for encoder in self.encoders.values()]
        return torch.cat([mean for mean, _ in found], 1), torch.cat([v for _, v in found], 1)

    def infer(self, image: Tensor, *, chain: int = 0) -> Tensor:
        """The posterior's mean; the same for every chain."""
        return self.posterior(image)[0]

    def progress(self) -> float:
        """Share of the run that is done; 1 outside training."""
        if not self.training:
            return 1.0
        return self.global_step / float(self.trainer.estimated_stepping_batches)

    def kl_weight(self) -> float:
        """Beta now."""
        return self.beta * min(1.0, self.progress() / self.warmup) if self.warmup else self.beta

    def visible(self, codes: Tensor) -> Tensor:
        """What the generators see of codes (B, D) now: ones and zeros (1, D)."""
        visible = torch.ones_like(codes[:1])
        if self.progress() < self.template:
            visible[:, : self.shape.appearance_dim] = 0
        return visible

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """The negative evidence bound in nats a picture, with its parts; in validation of means."""
        image = batch["image"]
        mean, log_variance = self.posterior(image)
        noise = normal_like(mean) if self.training else 0.0
        visible = self.visible(mean)
        painted = self.generators((mean + (0.5 * log_variance).exp() * noise) * visible)
        error = self.generators.error(painted.picture, image).mean()
        nats = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance)
        kl = (nats * visible).sum(1).mean()
        return {
            "loss": error / (2 * self.sigma**2) + self.kl_weight() * kl,
            "reconstruction": (painted.picture - image).detach().square().flatten(1).sum(1).mean(),
            "kl": kl,
            **self.watched(painted, batch),
        }

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Adam with a trapezoid over all steps."""
        optimizer = torch.optim.Adam(self.trained_groups(self.learning_rate), fused=True)
        return trapezoid(optimizer, int(self.trainer.estimated_stepping_batches))
