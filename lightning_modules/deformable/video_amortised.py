"""The Dynamic Deformable Generator learned with encoders in place of chains.

The paper infers a clip's codes by Langevin dynamics through time and names amortised learning, as in
a VAE, as the other way (Xing et al. 2022, end of section 3.3, of pictures). Here it is of clips: the
same generators, transitions and prior, and the evidence bound of the first codes and of every noise.
"""

from __future__ import annotations

import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn

from lightning_modules.deformable.clip_encoder import ClipEncoder
from lightning_modules.deformable.dynamics import TransitionKind
from lightning_modules.deformable.network import Head, Painted
from lightning_modules.deformable.painter import geometry_apart
from lightning_modules.deformable.video_network import VideoGenerators, VideoShape
from lightning_modules.deformable.video_painter import ClipPainter, per_frame, watched
from lightning_modules.interface import Batch
from lightning_modules.layers.warp import BaseGrid
from lightning_modules.schedules import trapezoid


class AmortisedDeformableVideo(ClipPainter):
    """The generators of clips with an encoder for each stream.

    Args:
        image_size: as in `DeformableVideo`, and so all arguments not named here.
        encoder_channels: of each encoder's convolutions, the last one's first.
        encoder_kernels: of them.
        features: numbers that an encoder reads a frame as.
        balance: beta of the second balance scheme; None, with plain weights, by default.
        learning_rate: of Adam; constant, then linear to zero over the last fifth of the run.
        geometry_rate: of the geometric generator, transition and encoder, relative to it.
        sigma: standard deviation of the noise of pixels, in the range the head speaks of.
        beta: weight of the KL divergence; 1 is the bound.
        warmup: share of the run over which that weight rises from zero.
        template: share of the run in which the appearance codes are hidden, so that one template
            has to be warped to all frames.
        still: share of the run in which the noise of the appearance is hidden, so that whatever
            moves has to be a deformation.
    """

    def __init__(
        self,
        image_size: int = 64,
        image_channels: int = 3,
        frames: int = 60,
        appearance_dim: int = 60,
        geometry_dim: int = 30,
        appearance_noise: int = 3,
        geometry_noise: int = 10,
        appearance_channels: tuple[int, ...] = (512, 512, 256, 128, 64),
        appearance_kernels: tuple[int, ...] = (3, 3, 3, 3, 5),
        appearance_strides: tuple[int, ...] = (2, 2, 2, 2, 1),
        geometry_channels: tuple[int, ...] = (256, 128, 64),
        geometry_kernels: tuple[int, ...] = (4, 4, 5),
        geometry_strides: tuple[int, ...] = (4, 4, 1),
        encoder_channels: tuple[int, ...] = (128, 64, 32, 16),
        encoder_kernels: tuple[int, ...] = (3, 3, 5, 5),
        features: int = 128,
        appearance_ratio: float = 1.0,
        balance: float | None = None,
        bound: float = 20 / 64,
        head: Head = "tanh",
        base: BaseGrid = "identity",
        field_start: float = 0.3,
        hidden: tuple[int, ...] = (20, 20),
        transition: TransitionKind = "mlp",
        truncate: int = 0,
        transition_start: float = 1.0,
        learning_rate: float = 1e-3,
        geometry_rate: float = 1.0,
        sigma: float = 0.3,
        beta: float = 1.0,
        warmup: float = 0.1,
        template: float = 0.1,
        still: float = 0.0,
    ) -> None:
        shape = VideoShape(
            image_size=image_size,
            image_channels=image_channels,
            appearance_dim=appearance_dim,
            geometry_dim=geometry_dim,
            bound=bound,
            head=head,
            base=base,
            balance=balance,
            field_start=field_start,
            appearance_noise=appearance_noise,
            geometry_noise=geometry_noise,
            appearance_channels=appearance_channels,
            appearance_kernels=appearance_kernels,
            appearance_strides=appearance_strides,
            geometry_channels=geometry_channels,
            geometry_kernels=geometry_kernels,
            geometry_strides=geometry_strides,
            appearance_ratio=appearance_ratio,
            hidden=hidden,
            transition=transition,
            truncate=truncate,
            transition_start=transition_start,
        )
        super().__init__(VideoGenerators(shape), frames)
        sizes = {
            "appearance": (appearance_dim, appearance_noise),
            "geometry": (geometry_dim, geometry_noise),
        }
        read = (image_channels, encoder_channels, encoder_kernels, features)
        self.encoders = nn.ModuleDict(
            {name: ClipEncoder(*read, *codes) for name, codes in sizes.items()}
        )
        self.learning_rate, self.geometry_rate = learning_rate, geometry_rate
        self.sigma, self.beta = sigma, beta
        self.warmup, self.template, self.still = warmup, template, still
        self.save_hyperparameters()

    def posterior(self, clip: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance (B, size) of the flat codes of clips."""
        parts = zip(*(encoder(clip) for encoder in self.encoders.values()), strict=True)
        mean, log_variance = (torch.cat(part, 1) for part in parts)
        return mean, log_variance

    def infer(self, clip: Tensor, *, chain: int = 0) -> Tensor:
        """The posterior's mean; the same for every chain."""
        return self.posterior(clip)[0]

    def begin_finetuning(self) -> None:
        """Nothing is warmed up or hidden again."""
        self.warmup = self.template = self.still = 0.0

    def progress(self) -> float:
        """Share of the run that is done; 1 outside training."""
        if not self.training:
            return 1.0
        return self.global_step / float(self.trainer.estimated_stepping_batches)

    def visible(self, codes: Tensor, frames: int) -> Tensor:
        """What the generators see of flat codes (B, size) now: ones and zeros (1, size)."""
        visible = torch.ones_like(codes[:1])
        appearance, _ = self.generators.dynamics.sizes(frames)
        progress = self.progress()
        if progress < self.template:
            visible[:, :appearance] = 0
        if progress < self.still:
            visible[:, self.generators.shape.appearance_dim : appearance] = 0
        return visible

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """The negative evidence bound in nats a clip, with its parts.

        ``reconstruction`` is the squared error of a frame in [0, 1].

        Raises:
            ValueError: the batch has no clips, or some of other sizes than this model's.
        """
        clip = self.clips_of(batch)
        mean, log_variance = self.posterior(clip)
        noise = torch.randn_like(mean) if self.training else 0.0
        visible = self.visible(mean, clip.shape[1])
        codes = (mean + (0.5 * log_variance).exp() * noise) * visible
        painted: Painted = self.generators(codes, clip.shape[1])
        error = self.generators.error(painted.picture, clip).mean()
        nats = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance) * visible
        kl = nats.sum(1).mean()
        weight = self.beta * min(1.0, self.progress() / self.warmup) if self.warmup else self.beta
        return {
            "loss": error / (2 * self.sigma**2) + weight * kl,
            "reconstruction": per_frame(painted.picture.detach(), clip),
            "kl": kl,
            **watched(painted, clip),
        }

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Adam with a trapezoid over all steps."""
        groups = geometry_apart(self, self.learning_rate, self.geometry_rate)
        optimizer = torch.optim.Adam(groups, fused=True)
        return trapezoid(optimizer, int(self.trainer.estimated_stepping_batches))
