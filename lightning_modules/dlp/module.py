"""Deep Latent Particles, masked model, as a LightningModule (Daniel and Tamar, ICML 2022)."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torchmetrics.functional.image import peak_signal_noise_ratio

from lightning_modules.dlp.initialisation import spread_particles
from lightning_modules.dlp.learner import (
    Initialisation,
    ParticleLearner,
    PositionKL,
    Reconstruction,
    Schedule,
)
from lightning_modules.dlp.losses import feature_kl
from lightning_modules.dlp.network import MASK_THRESHOLD, MaskedDLP
from lightning_modules.dlp.parts import Sizes
from lightning_modules.interface import Batch, Codes, Keypoints, Particles
from lightning_modules.layers.blocks import Norm


class DeepLatentParticles(ParticleLearner):
    """A VAE whose latent is a set of particles: position with variance, and appearance.

    Trained on ``image`` and, where the datamodule gives pairs, proposals from ``pair``, a more
    strongly warped view of the same picture (section 4, CelebA).

    Args:
        image_size: side of the picture, pixels.
        n_keypoints: particles K, the constant background particle not counted.
        n_proposals: proposals L the prior keeps; None for as many as particles.
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
        position_kl: ``chamfer`` (paper), ``matched``, where particle i belongs to proposal i, or
            ``none``, without a prior of positions (the suite's).
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

    painted_by: ClassVar[tuple[str, ...]] = ("position", "feature", "background", "context")

    def __init__(
        self,
        image_size: int = 128,
        n_keypoints: int = 30,
        n_proposals: int | None = 50,
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
        reconstruction: Reconstruction = "mse",
        beta_kl: float | None = None,
        kl_balance: float = 1e-3,
        background_in_chamfer: bool = True,
        position_kl: PositionKL = "chamfer",
        initialisation: Initialisation = "paper",
        train_prior: bool = True,
        learning_rate: float = 2e-4,
        wide_layer_rate: float = 1.0,
        adam_epsilon: float = 1e-4,
        schedule: Schedule = "multistep",
        milestones: tuple[int, ...] = (50, 80, 100),
        gamma: float = 0.1,
        warmup_steps: int = 0,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        shape = Sizes.of(self.hparams)
        self.network = MaskedDLP(shape).to(memory_format=torch.channels_last)
        if initialisation == "spread":
            spread_particles(self.network)
        self.prepare(shape, self.network.prior)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """The negative evidence bound with its parts; sums over pixels, particles and features."""
        image = batch["image"].contiguous(memory_format=torch.channels_last)
        posterior, points, features = self.network.encode(image, sample=True)
        rebuilt = self.network.decode(points, features, posterior.maps)
        reconstruction = self.reconstruction_loss(rebuilt, image)
        position = self.position_loss(posterior.position, batch)
        appearance = feature_kl(*posterior.feature)
        kl = position + self.hparams["kl_balance"] * appearance
        return {
            "loss": reconstruction + self.beta_kl * kl,
            "reconstruction": reconstruction,
            "position_kl": position,
            "feature_kl": appearance,
            "psnr": peak_signal_noise_ratio(rebuilt.detach(), image, data_range=1.0),
        }

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Adam with the paper's epoch milestones, or a trapezoid over all steps."""
        return self.optimiser([self.network.position.head, self.network.appearance.background])

    def keypoints(self, image: Tensor) -> Keypoints:
        """Means and log-variances (B, K, 2) of the K particles, the background one left out."""
        _, position = self.network.position(image)
        return Keypoints(position.mean, position.log_variance)

    def encode(self, image: Tensor) -> Codes:
        """Positions (B, K, 2) as *where*; features (B, K + 1, d), background's last, as *what*."""
        _, points, features = self.network.encode(image, sample=False)
        return Codes(points[:, :-1], features)

    def particles(self, image: Tensor) -> Particles:
        """Particles at their means; heat maps of the picture (B, K, 16, 16) as ``context``.

        A particle's size is that of its Gaussian where it is above the mask's threshold.
        """
        posterior, points, features = self.network.encode(image, sample=False)
        side = 2 * self.hparams["sigma"] * math.sqrt(-2 * math.log(MASK_THRESHOLD))
        return Particles(
            position=points[:, :-1],
            log_variance=posterior.position.log_variance[:, :-1],
            size=torch.full_like(points[:, :-1], side),
            feature=features[:, :-1],
            background=features[:, -1],
            context=posterior.maps,
        )

    def render(self, particles: Particles) -> Tensor:
        """Picture of particles, which must be K and come with their picture's heat maps.

        Raises:
            ValueError: they are not K, or lack background or context.
        """
        background, context = particles.background, particles.context
        given, wanted = particles.position.shape[1], self.hparams["n_keypoints"]
        if given != wanted:
            raise ValueError(f"the masked model paints {wanted} particles, {given} are given")
        if background is None or context is None:
            raise ValueError("the masked model paints from particles with background and context")
        origin = torch.zeros_like(particles.position[:, :1])
        points = torch.cat([particles.position, origin], 1)
        features = torch.cat([particles.feature, background.unsqueeze(1)], 1)
        return self.network.decode(points, features, context)

    def reconstruct(self, image: Tensor) -> Tensor:
        """The picture from the means of its posterior."""
        return self.render(self.particles(image))
