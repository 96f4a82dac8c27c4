"""Amortised learning: encoders infer the codes, as in a VAE (Xing et al. 2022, end of 3.3)."""

from __future__ import annotations

import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn

from lightning_modules.deformable.network import GeneratorShape
from lightning_modules.deformable.painter import CodePainter, Finetune
from lightning_modules.interface import Batch
from lightning_modules.layers.deconv import MirroredEncoder
from lightning_modules.schedules import trapezoid


class AmortisedLearner(CodePainter):
    """A painter with one encoder a code, learned by the evidence bound.

    Args:
        shape: of the generators; each encoder mirrors the generator of its code.
        finetune: what `begin_finetuning` leaves trainable; ``appearance`` freezes the geometric
            code's encoder together with its generator.
        learning_rate: of Adam; constant, then linear to zero over the last fifth of the run.
        geometry_rate: of the geometric generator and encoder, relative to it.
        sigma: standard deviation of the noise of pixels.
        beta: weight of the KL divergence; 1 is the bound.
        warmup: share of the first training over which that weight rises from zero. Codes of full
            variance warp at random, and the quickest way to a better picture is then a field that
            hangs on no code, from which geometry does not recover.
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
    ) -> None:
        super().__init__(shape, finetune, geometry_rate)
        self.learning_rate, self.sigma, self.beta = learning_rate, sigma, beta
        self.warmup = warmup
        dims = {"appearance": shape.appearance_dim, "geometry": shape.geometry_dim}
        self.encoders = nn.ModuleDict(
            {
                name: MirroredEncoder(shape.image_channels, shape.channels, shape.kernels, dim)
                for name, dim in dims.items()
                if dim
            }
        )

    def begin_finetuning(self) -> None:
        """Also freeze the encoder of what is frozen; the KL divergence has its weight at once."""
        super().begin_finetuning()
        self.warmup = 0.0
        if self.finetune == "appearance" and "geometry" in self.encoders:
            self.encoders["geometry"].requires_grad_(False)

    def posterior(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance (B, D) of the codes."""
        found = [encoder(image) for encoder in self.encoders.values()]
        return torch.cat([mean for mean, _ in found], 1), torch.cat([v for _, v in found], 1)

    def infer(self, image: Tensor, *, chain: int = 0) -> Tensor:
        """The posterior's mean; the same for every chain."""
        return self.posterior(image)[0]

    def kl_weight(self) -> float:
        """Beta now."""
        rise = self.warmup * self.trainer.estimated_stepping_batches if self.training else 0.0
        return self.beta * min(1.0, self.global_step / rise) if rise else self.beta

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """The negative evidence bound in nats a picture, with its parts."""
        image = batch["image"]
        mean, log_variance = self.posterior(image)
        noise = torch.randn_like(mean) if self.training else 0.0
        painted = self.generators(mean + (0.5 * log_variance).exp() * noise)
        error = self.generators.error(painted.picture, image).mean()
        kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean()
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
