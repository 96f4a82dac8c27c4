"""Deep Latent Particles, object model, as a LightningModule (Daniel and Tamar, ICML 2022)."""

from __future__ import annotations

from typing import Literal

import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.nn import functional as F
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
from lightning_modules.dlp.object_network import Drawn, ObjectDLP, Posterior
from lightning_modules.dlp.object_parts import BackgroundSees, ObjectSizes, Order, PositionFrom
from lightning_modules.dlp.parts import PositionEncoder, ProposalFilter
from lightning_modules.interface import Batch, Codes, Keypoints, Particles
from lightning_modules.layers.blocks import Norm

_VGG_SIDE = 32


class DLPObjects(ParticleLearner):
    """A VAE whose latent is a set of particles, each of which paints a glimpse over a background.

    Its training has phases (appendix): first the picture is not painted, glimpses alone are; then
    presences are random and alphas noisy, so that every particle learns to paint; then all is as
    it will be used. Defaults are the paper's CLEVRER model, with `mse` as the loss that needs no
    weights file; ``proposal_filter``, ``learned_size``,
    ``order``, ``background_sees`` and ``norm`` have settings of the authors' second version.

    Args:
        image_size: side of the picture, pixels.
        n_keypoints: particles K, the background one not counted.
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
        decoder_channels: widths of the doubling blocks of the background's decoder.
        decoder_last: channels before its last layer; None for the paper's rule.
        glimpse_channels: widths of the glimpse encoder, and half those of the glimpse decoder.
        norm: ``batch`` (paper) or ``group``.
        prior_norm: of the proposal network; None for ``norm``.
        glimpse_norm: of the glimpses' encoders and painter; None for ``norm``.
        proposal_filter: ``distance`` (paper) or ``variance``, see `Sizes`.
        learned_size: particles stretch their glimpses (paper: no).
        order: ``index`` (paper) or ``depth``: who hides whom.
        background_sees: ``particles`` (paper) or ``feature``: what the background is painted from.
        position_from: ``heat_maps`` (paper) or ``proposals``: where particles are found.
        reconstruction: ``mse``, ``vgg`` (needs a weights file, see `VGGLoss`), ``vgg_or_mse``,
            which `resolve_arguments` settles aloud, or ``gradients`` (not the paper's, see
            `OrientedGradientLoss`).
        beta_kl: weight of all KL terms; None for the authors' 0.1 with mse and 40 with vgg.
        kl_balance: weight of the KL of appearance, sizes and depths within them.
        background_in_chamfer: let the background particle take part in the Chamfer-KL.
        position_kl: ``chamfer`` (paper), ``matched``, where particle i belongs to proposal i, or
            ``none``, without a prior of positions (the suite's).
        glimpse_phase: how long glimpses alone are painted.
        noise_phase: until when, from the start, presences and alphas are noisy.
        phases_in: unit of the two, ``epochs`` (paper) or ``steps``.
        initialisation: ``paper``, or ``spread`` for short budgets (see `spread_particles`).
        train_prior: learn the proposal network, or leave it as it started.
        learning_rate: of Adam.
        wide_layer_rate: factor on it for the three layers that read whole heat maps (paper: 1).
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
        n_keypoints: int = 10,
        n_proposals: int | None = 20,
        patch_size: int = 16,
        feature_dim: int = 5,
        glimpse_ratio: float = 0.25,
        sigma: float = 0.1,
        channels: tuple[int, ...] = (32, 64, 128, 256),
        first_kernel: int = 7,
        first_stride: int = 1,
        prior_channels: tuple[int, ...] = (16, 32, 64),
        hidden: tuple[int, ...] = (256, 128),
        point_channels: tuple[int, ...] = (64, 128, 256, 512),
        decoder_channels: tuple[int, ...] = (256, 128, 64),
        decoder_last: int | None = None,
        glimpse_channels: tuple[int, ...] = (16, 16, 32),
        norm: Norm = "batch",
        prior_norm: Norm | None = None,
        glimpse_norm: Norm | None = None,
        proposal_filter: ProposalFilter = "distance",
        learned_size: bool = False,
        order: Order = "index",
        background_sees: BackgroundSees = "particles",
        position_from: PositionFrom = "heat_maps",
        reconstruction: Reconstruction = "mse",
        beta_kl: float | None = None,
        kl_balance: float = 1e-3,
        background_in_chamfer: bool = False,
        position_kl: PositionKL = "chamfer",
        glimpse_phase: int = 1,
        noise_phase: int = 5,
        phases_in: Literal["epochs", "steps"] = "epochs",
        initialisation: Initialisation = "paper",
        train_prior: bool = True,
        learning_rate: float = 2e-4,
        wide_layer_rate: float = 1.0,
        adam_epsilon: float = 1e-4,
        schedule: Schedule = "multistep",
        milestones: tuple[int, ...] = (30, 60, 100),
        gamma: float = 0.1,
        warmup_steps: int = 0,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        shape = ObjectSizes.of(self.hparams)
        self.network = ObjectDLP(shape).to(memory_format=torch.channels_last)
        if initialisation == "spread":
            spread_particles(self.network)
        self.prepare(shape, self.network.prior)
        self.painted_by = (
            "position",
            "feature",
            "presence",
            "background",
            *(["size"] if learned_size else []),
            *(["depth"] if order == "depth" else []),
        )

    def _progress(self) -> int:
        return self.current_epoch if self.hparams["phases_in"] == "epochs" else self.global_step

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """The negative evidence bound with its parts; sums over pixels, particles and features.

        In training's first phase `glimpses` stands for the reconstruction, and there is no PSNR.
        """
        h = self.hparams
        image = batch["image"].contiguous(memory_format=torch.channels_last)
        posterior, drawn = self.network.encode(image, sample=True)
        position = self.position_loss(posterior.position, batch)
        appearance = feature_kl(*posterior.feature)
        if posterior.extra.mean.shape[-1]:
            appearance = appearance + feature_kl(*posterior.extra)
        kl = position + h["kl_balance"] * appearance
        found = {"position_kl": position, "feature_kl": appearance}
        if self.training and self._progress() < h["glimpse_phase"]:
            painted = self._glimpse_loss(posterior, drawn)
            return {"loss": painted + self.beta_kl * kl, "glimpses": painted, **found}
        noisy = self.training and self._progress() < h["noise_phase"]
        rebuilt = self.network.decode(drawn, noisy=noisy)
        reconstruction = self.reconstruction_loss(rebuilt, image)
        return {
            "loss": reconstruction + self.beta_kl * kl,
            "reconstruction": reconstruction,
            **found,
            "psnr": peak_signal_noise_ratio(rebuilt.detach(), image, data_range=1.0),
        }

    def _glimpse_loss(self, posterior: Posterior, drawn: Drawn) -> Tensor:
        """Painted colours against the glimpses themselves, mean over B and K; alpha plays no part.

        VGG16 sees glimpses of at least 32 px.
        """
        painted = self.network.painter(drawn.features)[:, :, 1:].flatten(0, 1)
        crops = posterior.crops.flatten(0, 1)
        if self.painted_for == "vgg" and len(crops[0, 0]) < _VGG_SIDE:
            painted, crops = (
                F.interpolate(x, _VGG_SIDE, mode="bilinear", align_corners=False)
                for x in (painted, crops)
            )
        return self.reconstruction_loss(painted, crops)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Adam with the paper's epoch milestones, or a trapezoid over all steps."""
        network = self.network
        position = network.position
        slots = [position.head, network.presence] if isinstance(position, PositionEncoder) else []
        return self.optimiser([*slots, network.background])

    def keypoints(self, image: Tensor) -> Keypoints:
        """Means and log-variances (B, K, 2) of the K particles, the background one left out."""
        _, position = self.network.locate(image)
        return Keypoints(position.mean, position.log_variance)

    def particles(self, image: Tensor) -> Particles:
        """Particles at the means of their posterior."""
        posterior, drawn = self.network.encode(image, sample=False)
        return Particles(
            position=drawn.points,
            log_variance=posterior.position.log_variance[:, :-1],
            size=drawn.size,
            feature=drawn.features,
            presence=drawn.presence,
            depth=drawn.depth,
            background=drawn.background,
        )

    def render(self, particles: Particles) -> Tensor:
        """Picture of particles; glimpses are painted of any number of them.

        With ``background_sees="particles"`` the background is painted from the first K, so there
        must be as many; a presence of 0 leaves a particle out.

        Raises:
            ValueError: there are fewer, or they lack presence, background or, if learned, depth.
        """
        return self.network.decode(self._drawn(particles))

    def masks(self, particles: Particles) -> Tensor:
        """Share of every pixel that each particle paints, (B, K, H, W); the background's is left.

        Raises:
            ValueError: particles lack presence, background or, if learned, depth.
        """
        painted = self.network.painter(particles.feature)
        placed, weights = self.network.lay(painted, self._drawn(particles))
        side = self.network.shape.image_size
        flat = weights.new_zeros(*weights.shape[:2], side**2 + 1)
        flat = flat.scatter(2, placed.pixels, weights)
        return flat[..., :-1].view(*weights.shape[:2], side, side)

    def _drawn(self, particles: Particles) -> Drawn:
        presence, background = particles.presence, particles.background
        h = self.hparams
        by_depth = h["order"] == "depth"
        if presence is None or background is None or (by_depth and particles.depth is None):
            needed = ", ".join(self.painted_by)
            raise ValueError(f"this object model paints from {needed}; one of them is None")
        return Drawn(
            particles.position,
            particles.feature,
            background,
            presence,
            particles.size if h["learned_size"] else self.network.own_size(particles.position),
            particles.depth if by_depth else None,
        )

    def encode(self, image: Tensor) -> Codes:
        """*Where* (B, K, 2) and, if learned, sizes and depth; *what* (B, K + 1, d + 1).

        A particle's *what* is its features and its presence; the background's, the last, has 1.
        """
        found = self.particles(image)
        where = [found.position]
        if self.hparams["learned_size"]:
            where.append(found.size)
        if found.depth is not None:
            where.append(found.depth.unsqueeze(-1))
        assert found.presence is not None and found.background is not None
        what = torch.cat([found.feature, found.presence.unsqueeze(-1)], -1)
        behind = F.pad(found.background, (0, 1), value=1.0).unsqueeze(1)
        return Codes(torch.cat(where, -1), torch.cat([what, behind], 1))

    def decode(self, codes: Codes) -> Tensor:
        """The picture of codes as `encode` gives them."""
        where, what = codes
        shape = self.network.shape
        return self.network.decode(
            Drawn(
                where[..., :2],
                what[:, :-1, :-1],
                what[:, -1, :-1],
                what[:, :-1, -1],
                where[..., 2:4] if shape.learned_size else self.network.own_size(where[..., :2]),
                where[..., -1] if shape.order == "depth" else None,
            )
        )

    def reconstruct(self, image: Tensor) -> Tensor:
        """The picture from the means of its posterior."""
        return self.render(self.particles(image))
