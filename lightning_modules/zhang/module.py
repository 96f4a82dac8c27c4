"""Zhang et al. (CVPR 2018): landmarks as structural representations, as a LightningModule."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.optim.lr_scheduler import MultiStepLR
from torchmetrics.functional.image import peak_signal_noise_ratio

from lightning_modules.interface import Batch, Codes, Keypoints, Method
from lightning_modules.layers.blocks import Norm
from lightning_modules.layers.perceptual import OrientedGradientLoss, summed_squared_error
from lightning_modules.schedules import trapezoid
from lightning_modules.zhang.losses import concentration, equivariance, separation
from lightning_modules.zhang.network import LandmarkAutoencoder, LandmarkShape


class _Released(NamedTuple):
    """What the released scripts set differently for few and for many landmarks."""

    separation_weight: float
    separation_bandwidth: float
    learning_rate: float
    reconstruction_weights: tuple[float, ...]


_MANY: Final = 20
_RELEASED: Final = {
    False: _Released(20.0, 0.08, 1e-3, (0.1, 1.0, 10.0)),  # K = 10
    True: _Released(10.0, 0.04, 1e-2, (0.1, 10.0, 100.0)),  # K = 30
}


def _given(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


class Zhang(Method):
    """Landmarks that follow warps, keep apart, and with short descriptors repaint the picture.

    A training batch needs pairs, with ``pair_source``.

    Args:
        image_size: side of the picture, pixels.
        n_keypoints: landmarks K.
        pad: pixels by which the border is repeated about what the landmark encoder sees; None for
            a tenth of the side (released code), rounded so that the hourglass fits.
        landmark_levels: widths of the landmark hourglass, level by level.
        painter_levels: the same of the hourglasses of descriptors and decoder.
        landmark_skips: convolutions on each of the landmark hourglass's bypasses.
        painter_skips: the same of the other two.
        stride: of a convolution before every hourglass (paper: 1, there is none).
        descriptor_dim: numbers of each descriptor.
        spot: standard deviation of the narrowest painted spots, in units of [-1, 1].
        spot_levels: how many widths are painted.
        anchor: reach of the Gaussian that draws every landmark to a place of its own; 0 for none
            (paper).
        norm: ``batch`` (paper) or ``group``.
        reconstruction: ``mse`` (paper), half the squared error summed over the picture; or
            ``gradients`` (not the paper's, see `OrientedGradientLoss`), likewise halved.
        concentration_weight: of `concentration`.
        separation_weight: of `separation`; None for what was released: 20, or 10 from K=20 on.
        separation_bandwidth: of it; None for 0.08, or 0.04 from K=20 on.
        equivariance_weight: of `equivariance`.
        reconstruction_weights: of the reconstruction before, between and after the milestones;
            None for (0.1, 1, 10), or (0.1, 10, 100) from K=20 on.
        milestones: steps at which it rises and the learning rate falls to a tenth.
        learning_rate: of Adam; None for 0.001, or 0.01 from K=20 on.
        weight_decay: of all parameters.
        schedule: ``multistep`` (paper), or ``trapezoid``: constant, then linear to zero over the
            last fifth of the run.
        warmup_steps: steps of linear warm-up of the trapezoid.

    Raises:
        ValueError: there is not one weight more than milestones.
    """

    def __init__(
        self,
        image_size: int = 80,
        n_keypoints: int = 10,
        pad: int | None = None,
        landmark_levels: tuple[tuple[int, ...], ...] = ((32, 32), (64, 64), (64, 64), (64, 64)),
        painter_levels: tuple[tuple[int, ...], ...] = ((32, 64), (128,), (256,), (512,)),
        landmark_skips: int = 3,
        painter_skips: int = 2,
        stride: int = 1,
        descriptor_dim: int = 8,
        spot: float = 0.25,
        spot_levels: int = 5,
        anchor: float = 0.0,
        norm: Norm = "batch",
        reconstruction: Literal["mse", "gradients"] = "mse",
        concentration_weight: float = 100.0,
        separation_weight: float | None = None,
        separation_bandwidth: float | None = None,
        equivariance_weight: float = 1e4,
        reconstruction_weights: tuple[float, ...] | None = None,
        milestones: tuple[int, ...] = (100_000, 200_000),
        learning_rate: float | None = None,
        weight_decay: float = 1e-6,
        schedule: Literal["multistep", "trapezoid"] = "multistep",
        warmup_steps: int = 0,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        released = _RELEASED[n_keypoints >= _MANY]
        self.separation_weight = _given(separation_weight, released.separation_weight)
        self.separation_bandwidth = _given(separation_bandwidth, released.separation_bandwidth)
        self.learning_rate = _given(learning_rate, released.learning_rate)
        self.reconstruction_weights = reconstruction_weights or released.reconstruction_weights
        if len(self.reconstruction_weights) != len(milestones) + 1:
            raise ValueError(
                f"{len(milestones)} milestones need {len(milestones) + 1} "
                f"reconstruction_weights, got {list(self.reconstruction_weights)}"
            )
        step = stride << (len(landmark_levels) - 1)
        tenth = round((1.2 * image_size) / step) * step - image_size
        self.network = LandmarkAutoencoder(
            LandmarkShape(
                image_size=image_size,
                n_keypoints=n_keypoints,
                pad=tenth // 2 if pad is None else pad,
                landmark_levels=landmark_levels,
                painter_levels=painter_levels,
                landmark_skips=landmark_skips,
                painter_skips=painter_skips,
                stride=stride,
                descriptor_dim=descriptor_dim,
                spot=spot,
                spot_levels=spot_levels,
                anchor=anchor,
                norm=norm,
            )
        ).to(memory_format=torch.channels_last)
        self._error = OrientedGradientLoss() if reconstruction == "gradients" else None

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """The weighted sum of its parts; pictures without a pair have no equivariance.

        Raises:
            ValueError: a training batch has no pairs.
        """
        h = self.hparams
        image = batch["image"].contiguous(memory_format=torch.channels_last)
        if self.training and "pair_source" not in batch:
            raise ValueError("Zhang learns from pairs of views: set `pairs: true` in the data")
        paired = "pair_source" in batch
        seen = torch.cat([image, batch["pair"]]) if paired else image
        found = self.network.landmarks(seen)
        points = found.mean[: len(image)]
        painted = self.network.paint(points, self.network.descriptors(image, points))
        error = summed_squared_error if self._error is None else self._error
        parts = {
            "reconstruction": 0.5 * error(painted, image),
            "concentration": concentration(found.deviation),
            "separation": separation(found.mean, self.separation_bandwidth),
            "equivariance": image.new_zeros(()),
        }
        if paired:
            # The released code takes squares in the frame with the repeated border, share^2 of
            # these, and divides by the share.
            away = equivariance(
                points, found.mean[len(image) :], batch["pair_source"].permute(0, 3, 1, 2)
            )
            parts["equivariance"] = self.network.landmarks.share * away
        passed = sum(self.global_step >= milestone for milestone in h["milestones"])
        loss = (
            self.reconstruction_weights[passed] * parts["reconstruction"]
            + h["concentration_weight"] * parts["concentration"]
            + self.separation_weight * parts["separation"]
            + h["equivariance_weight"] * parts["equivariance"]
        )
        psnr = peak_signal_noise_ratio(painted.detach(), image, data_range=1.0)
        return {"loss": loss, **parts, "psnr": psnr}

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Adam, its rate falling to a tenth at every milestone, or a trapezoid over all steps."""
        h = self.hparams
        optimizer = torch.optim.Adam(
            self.parameters(), lr=self.learning_rate, weight_decay=h["weight_decay"], fused=True
        )
        if h["schedule"] == "multistep":
            falls = MultiStepLR(optimizer, milestones=list(h["milestones"]), gamma=0.1)
            return {
                "optimizer": optimizer,
                "lr_scheduler": {"scheduler": falls, "interval": "step"},
            }
        steps = int(self.trainer.estimated_stepping_batches)
        return trapezoid(optimizer, steps, max(1, h["warmup_steps"]))

    def keypoints(self, image: Tensor) -> Keypoints:
        """Landmarks (B, K, 2) with the log-variance of their maps, the same along both axes."""
        found = self.network.landmarks(image)
        log_variance = 2 * found.deviation.log()
        return Keypoints(found.mean, log_variance.unsqueeze(-1).expand_as(found.mean))

    def encode(self, image: Tensor) -> Codes:
        """Landmarks (B, K, 2) as *where*; descriptors (B, K + 1, D) as *what*."""
        points = self.network.landmarks(image).mean
        return Codes(points, self.network.descriptors(image, points))

    def decode(self, codes: Codes) -> Tensor:
        """The picture with these landmarks and these descriptors."""
        return self.network.paint(codes.where, codes.what)

    def reconstruct(self, image: Tensor) -> Tensor:
        """The picture from its landmarks and their descriptors."""
        return self.decode(self.encode(image))
