"""KeyNet as a LightningModule (Jakab, Gupta, Bilen and Vedaldi, NeurIPS 2018; also called IMM)."""

from __future__ import annotations

from typing import Any, Final, Literal

import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import StepLR
from torchmetrics.functional.image import peak_signal_noise_ratio

from lightning_modules.interface import Batch, Codes, Keypoints, Method
from lightning_modules.keynet.losses import BalancedError, edge_mask
from lightning_modules.keynet.network import KeyNetNetwork, KeyNetShape, start_at_scale
from lightning_modules.layers.blocks import Norm
from lightning_modules.layers.perceptual import described_by, settle_vgg
from lightning_modules.schedules import trapezoid

_TAPS: Final = (3, 8, 13, 20, 27)
"""After relu1_2, relu2_2, relu3_2, relu4_2 and relu5_2."""
_MAPS: Final = {"mse": 1, "gradients": 2, "vgg": 1 + len(_TAPS)}


class KeyNet(Method):
    """Points of a picture, found by painting it in the looks of a warped view of it.

    A training batch needs pairs: ``image`` is the target, ``pair`` gives the looks.

    Args:
        image_size: side of the picture, pixels.
        n_keypoints: points K.
        channels: widths of both encoders; each after the first halves the side.
        first_kernel: their first kernel, pixels.
        first_stride: stride of their first convolution.
        renderer_channels: widths of the renderer's pairs of convolutions.
        spot: distance at which a point's Gaussian spot has fallen to 1/e, in units of [-1, 1].
        sharpness: factor on the maps before their softmax (paper: 1).
        anchor: reach of the Gaussian that draws every point to a place of its own; 0 for none
            (paper).
        norm: ``batch`` (paper) or ``group``.
        reconstruction: what pictures are compared by: ``mse`` pixels, ``vgg`` pixels and VGG16's
            maps (needs a weights file), ``vgg_or_mse``, which `resolve_arguments` settles aloud, or
            ``gradients`` (not the paper's, see `oriented_gradients`).
        loss_decay: of the running means that balance them.
        mask_edge: frame in which errors do not count, and the ramp behind it, as parts of the side
            (released code: 10 and 20 of 128 px).
        initialisation: ``paper``, or ``scale`` for short budgets (see `start_at_scale`).
        learning_rate: of Adam.
        weight_decay: of the convolutions' weights.
        gradient_clip: largest norm of each parameter's gradient.
        schedule: ``staircase`` (released code: times 0.95 every 100,000 steps), or ``trapezoid``:
            constant, then linear to zero over the last fifth of the run.
        warmup_steps: steps of linear warm-up of the trapezoid.
    """

    def __init__(
        self,
        image_size: int = 128,
        n_keypoints: int = 30,
        channels: tuple[int, ...] = (32, 64, 128, 256),
        first_kernel: int = 7,
        first_stride: int = 1,
        renderer_channels: tuple[int, ...] = (256, 128, 64, 32),
        spot: float = 0.1,
        sharpness: float = 1.0,
        anchor: float = 0.0,
        norm: Norm = "batch",
        reconstruction: Literal["mse", "gradients", "vgg", "vgg_or_mse"] = "mse",
        loss_decay: float = 0.99,
        mask_edge: tuple[float, float] = (10 / 128, 20 / 128),
        initialisation: Literal["paper", "scale"] = "paper",
        learning_rate: float = 1e-3,
        weight_decay: float = 1e-5,
        gradient_clip: float = 1.0,
        schedule: Literal["staircase", "trapezoid"] = "staircase",
        warmup_steps: int = 0,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        kind = self.resolve_arguments({"reconstruction": reconstruction})["reconstruction"]
        self.network = KeyNetNetwork(
            KeyNetShape(
                image_size=image_size,
                n_keypoints=n_keypoints,
                channels=channels,
                first_kernel=first_kernel,
                first_stride=first_stride,
                renderer_channels=renderer_channels,
                spot=spot,
                sharpness=sharpness,
                anchor=anchor,
                norm=norm,
            )
        ).to(memory_format=torch.channels_last)
        if initialisation == "scale":
            start_at_scale(self.network)
        self._describe = described_by(kind, _TAPS)
        self.error = BalancedError(_MAPS[kind], loss_decay)

    @classmethod
    def resolve_arguments(cls, arguments: dict[str, Any]) -> dict[str, Any]:
        """Settle ``vgg_or_mse`` by whether this machine has VGG16 weights, and say which."""
        return settle_vgg(arguments)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """The balanced error of the target, painted from its points and its pair's looks.

        Raises:
            ValueError: a training batch has no pairs: there would be nothing for points to do.
        """
        image = batch["image"].contiguous(memory_format=torch.channels_last)
        if self.training and "pair" not in batch:
            raise ValueError("KeyNet learns from pairs of views: set `pairs: true` in the data")
        source = batch.get("pair", image)
        painted = self.network.render(self.network.points(image), self.network.looks(source))
        with torch.no_grad():
            wanted = self._describe(image)
        size = image.shape[-1]
        mask = edge_mask(size, *(part * size for part in self.hparams["mask_edge"]), like=image)
        return {
            "loss": 1000 * self.error(self._describe(painted), wanted, mask),
            "pixels": (painted.detach() - image).square().mean(),
            "psnr": peak_signal_noise_ratio(painted.detach(), image, data_range=1.0),
        }

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Clip the gradient of every parameter by itself, as the released code does."""
        for parameter in self.parameters():
            torch.nn.utils.clip_grad_norm_(parameter, self.hparams["gradient_clip"])

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Adam, decaying the convolutions' weights alone."""
        h = self.hparams
        weights = [p for p in self.parameters() if p.dim() > 1]
        others = [p for p in self.parameters() if p.dim() <= 1]
        optimizer = torch.optim.Adam(
            [{"params": weights, "weight_decay": h["weight_decay"]}, {"params": others}],
            lr=h["learning_rate"],
            fused=True,
        )
        if h["schedule"] == "staircase":
            falls = StepLR(optimizer, step_size=100_000, gamma=0.95)
            return {
                "optimizer": optimizer,
                "lr_scheduler": {"scheduler": falls, "interval": "step"},
            }
        steps = int(self.trainer.estimated_stepping_batches)
        return trapezoid(optimizer, steps, max(1, h["warmup_steps"]))

    def keypoints(self, image: Tensor) -> Keypoints:
        """Points (B, K, 2); the method knows no variance."""
        return Keypoints(self.network.points(image), None)

    def encode(self, image: Tensor) -> Codes:
        """Points (B, K, 2) as *where*; maps of appearance (B, C, M, M) as *what*."""
        return Codes(self.network.points(image), self.network.looks(image))

    def decode(self, codes: Codes) -> Tensor:
        """The picture with these points and these looks."""
        return self.network.render(codes.where, codes.what)

    def reconstruct(self, image: Tensor) -> Tensor:
        """The picture from its own points and its own looks."""
        return self.decode(self.encode(image))
