"""Deep Latent Particles, masked model, as a LightningModule (Daniel and Tamar, ICML 2022)."""

from __future__ import annotations

from typing import Any, Literal

import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.optim.lr_scheduler import MultiStepLR
from torchmetrics.functional.image import peak_signal_noise_ratio

from lightning_modules.dlp.initialisation import spread_particles
from lightning_modules.dlp.losses import chamfer_kl, feature_kl
from lightning_modules.dlp.network import MaskedDLP, MaskedShape
from lightning_modules.interface import Batch, Codes, Keypoints, Method
from lightning_modules.layers.blocks import Norm
from lightning_modules.layers.perceptual import (
    OrientedGradientLoss,
    VGGLoss,
    settle_vgg,
    summed_squared_error,
)
from lightning_modules.schedules import trapezoid

_BETA_KL = {"mse": 0.1, "gradients": 0.1, "vgg": 40.0}
_PERCEPTUAL = {"gradients": OrientedGradientLoss, "vgg": VGGLoss}


class DeepLatentParticles(Method):
    """A VAE whose latent is a set of particles: position with variance, and appearance.

    Trained on ``image`` and, where the datamodule gives pairs, proposals from ``pair``, a more
    strongly warped view of the same picture (section 4, CelebA).

    Args:
        image_size: side of the picture, pixels.
        n_keypoints: particles K, the constant background particle not counted.
        n_proposals: proposals L the prior keeps.
        patch_size: side of the prior's patches, pixels.
        feature_dim: appearance features d of a particle.
        glimpse_ratio: side of a glimpse relative to the picture.
        sigma: standard deviation of proposals and of the Gaussian maps, in units of [-1, 1].
        channels: widths of the position encoder.
        first_kernel: its first kernel, pixels.
        first_stride: stride of its first convolution.
        prior_channels: widths of the proposal network.
        hidden: widths of the perceptrons.
        point_channels: widths of the point-cloud encoder.
        decoder_channels: widths of the decoder's doubling blocks.
        decoder_last: channels before its last layer; None for the paper's rule.
        norm: ``batch`` (paper) or ``group``.
        reconstruction: ``mse``, ``vgg`` (needs a weights file, see `VGGLoss`), ``vgg_or_mse``,
            which `resolve_arguments` settles aloud, or ``gradients`` (not the paper's, see
            `OrientedGradientLoss`).
        beta_kl: weight of both KL terms; None for the authors' 0.1 with mse and 40 with vgg.
        kl_balance: weight of the appearance KL within them.
        background_in_chamfer: let the background particle take part in the Chamfer-KL, as the
            authors say their CelebA numbers need.
        initialisation: ``paper``, or ``spread`` for short budgets (see `spread_particles`).
        train_prior: learn the proposal network; without it, proposals come from its start, which
            the authors say works too.
        learning_rate: of Adam.
        wide_layer_rate: factor on it for the two layers that read whole heat maps, thousands of
            inputs each (paper: 1).
        adam_epsilon: of Adam.
        schedule: ``multistep`` (paper), or ``trapezoid``: constant, then linear to zero over the
            last fifth of the run.
        milestones: epochs of the multistep schedule.
        gamma: its factor.
        warmup_steps: steps of linear warm-up of the trapezoid.
    """

    def __init__(
        self,
        image_size: int = 128,
        n_keypoints: int = 30,
        n_proposals: int = 50,
        patch_size: int = 8,
        feature_dim: int = 10,
        glimpse_ratio: float = 0.125,
        sigma: float = 0.1,
        channels: tuple[int, ...] = (32, 64, 128, 256),
        first_kernel: int = 7,
        first_stride: int = 1,
        prior_channels: tuple[int, ...] = (16, 32, 64),
        hidden: tuple[int, ...] = (256, 128),
        point_channels: tuple[int, ...] = (64, 128, 256, 512),
        decoder_channels: tuple[int, ...] = (256, 128, 64),
        decoder_last: int | None = None,
        norm: Norm = "batch",
        reconstruction: Literal["mse", "gradients", "vgg", "vgg_or_mse"] = "mse",
        beta_kl: float | None = None,
        kl_balance: float = 1e-3,
        background_in_chamfer: bool = True,
        initialisation: Literal["paper", "spread"] = "paper",
        train_prior: bool = True,
        learning_rate: float = 2e-4,
        wide_layer_rate: float = 1.0,
        adam_epsilon: float = 1e-4,
        schedule: Literal["multistep", "trapezoid"] = "multistep",
        milestones: tuple[int, ...] = (50, 80, 100),
        gamma: float = 0.1,
        warmup_steps: int = 0,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        loss = self.resolve_arguments({"reconstruction": reconstruction})["reconstruction"]
        self.network = MaskedDLP(
            MaskedShape(
                image_size=image_size,
                n_keypoints=n_keypoints,
                n_proposals=n_proposals,
                patch_size=patch_size,
                feature_dim=feature_dim,
                glimpse_ratio=glimpse_ratio,
                sigma=sigma,
                channels=channels,
                first_kernel=first_kernel,
                first_stride=first_stride,
                prior_channels=prior_channels,
                hidden=hidden,
                point_channels=point_channels,
                decoder_channels=decoder_channels,
                decoder_last=decoder_last,
                norm=norm,
            )
        ).to(memory_format=torch.channels_last)
        if initialisation == "spread":
            spread_particles(self.network)
        self.network.prior.requires_grad_(train_prior)
        # Not a registered module: a frozen measure belongs in no checkpoint.
        self._perceptual = [_PERCEPTUAL[loss]()] if loss in _PERCEPTUAL else []
        self.beta_kl = _BETA_KL[loss] if beta_kl is None else beta_kl

    @classmethod
    def resolve_arguments(cls, arguments: dict[str, Any]) -> dict[str, Any]:
        """Settle ``vgg_or_mse`` by whether this machine has VGG16 weights, and say which."""
        return settle_vgg(arguments)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """The negative evidence bound with its parts; sums over pixels, particles and features."""
        image = batch["image"].contiguous(memory_format=torch.channels_last)
        rebuilt, particles, proposals = self.network(image, batch.get("pair", image))
        reconstruction = self._reconstruction_loss(rebuilt, image)
        mean, log_variance = particles.position
        if not self.hparams["background_in_chamfer"]:
            mean, log_variance = mean[:, :-1], log_variance[:, :-1]
        position = chamfer_kl(mean, log_variance, proposals, self.hparams["sigma"])
        appearance = feature_kl(*particles.feature)
        kl = position + self.hparams["kl_balance"] * appearance
        return {
            "loss": reconstruction + self.beta_kl * kl,
            "reconstruction": reconstruction,
            "chamfer_kl": position,
            "feature_kl": appearance,
            "psnr": peak_signal_noise_ratio(rebuilt.detach(), image, data_range=1.0),
        }

    def _reconstruction_loss(self, rebuilt: Tensor, image: Tensor) -> Tensor:
        if not self._perceptual:
            return summed_squared_error(rebuilt, image)
        loss: Tensor = self._perceptual[0].to(image.device)(rebuilt, image)
        return loss

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Adam with the paper's epoch milestones, or a trapezoid over all steps."""
        h = self.hparams
        wide = [self.network.position.head[0].weight, self.network.appearance.background[0].weight]
        rest = [p for p in self.parameters() if p.requires_grad and all(p is not w for w in wide)]
        rate = h["learning_rate"]
        optimizer = torch.optim.Adam(
            [{"params": rest}, {"params": wide, "lr": rate * h["wide_layer_rate"]}],
            lr=rate,
            eps=h["adam_epsilon"],
            fused=True,
        )
        if h["schedule"] == "multistep":
            falls = MultiStepLR(optimizer, milestones=list(h["milestones"]), gamma=h["gamma"])
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": falls}}
        steps = int(self.trainer.estimated_stepping_batches)
        return trapezoid(optimizer, steps, max(1, h["warmup_steps"]))

    def keypoints(self, image: Tensor) -> Keypoints:
        """Means and log-variances (B, K, 2) of the K particles, the background one left out."""
        _, position = self.network.position(image)
        return Keypoints(position.mean, position.log_variance)

    def encode(self, image: Tensor) -> Codes:
        """Positions (B, K, 2) as *where*; features (B, K + 1, d), background's last, as *what*."""
        _, points, features = self.network.encode(image, sample=False)
        return Codes(points[:, :-1], features)

    def reconstruct(self, image: Tensor) -> Tensor:
        """The picture from the means of its posterior."""
        particles, points, features = self.network.encode(image, sample=False)
        return self.network.decode(points, features, particles.maps)
