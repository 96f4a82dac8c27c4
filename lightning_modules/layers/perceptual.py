"""Perceptual reconstruction losses: a frozen VGG16, and oriented gradients, which need no weights.

Nothing is downloaded. VGG16's file is torchvision's ``vgg16`` state dict (ImageNet weights), named
by the environment variable `WEIGHTS_VARIABLE`. Random weights are never used in silence: without
the file `VGGLoss` raises, and a method that has another loss configured says so and uses that one.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import vgg16

from lightning_modules.layers.gradients import oriented_gradients

logger = logging.getLogger(__name__)

WEIGHTS_VARIABLE: Final = "WHATWHERE_VGG16"
IMAGENET_MEAN: Final = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION: Final = (0.229, 0.224, 0.225)
"""Of the colours that torchvision's networks have learned from, in [0, 1]."""

Described = Literal["mse", "gradients", "vgg"]
"""What a picture is compared by: its pixels, and with them oriented gradients or VGG16's maps."""

# Activations after relu1_2, relu2_2, relu3_2, relu4_3 and pool5 (DLP's code, by index of
# torchvision's ``features``; its in-place ReLUs make the convolution outputs post-ReLU).
_TAPS: Final = (3, 8, 13, 22, 30)


class MissingWeightsError(FileNotFoundError):
    """The perceptual loss is wanted and its weights are not there, or are not VGG16's."""


def vgg_weights_path() -> Path | None:
    """The user's weights file, or None where the environment names none."""
    value = os.environ.get(WEIGHTS_VARIABLE)
    return Path(value) if value else None


def settle_vgg(arguments: dict[str, Any]) -> dict[str, Any]:
    """Settle ``reconstruction: vgg_or_mse`` by whether this machine has VGG16 weights, aloud."""
    if arguments.get("reconstruction") != "vgg_or_mse":
        return arguments
    found = vgg_weights_path() is not None
    if not found:
        logger.warning(
            "no VGG16 weights (%s is not set): the reconstruction loss is MSE, "
            "which differs from the paper",
            WEIGHTS_VARIABLE,
        )
    return arguments | {"reconstruction": "vgg" if found else "mse"}


class VGGFeatures(nn.Module):
    """Frozen feature maps of VGG16.

    Args:
        weights: state dict of torchvision's ``vgg16``; None asks the environment.
        taps: indices of the layers of torchvision's ``features`` whose output is taken.

    Raises:
        MissingWeightsError: no such file, or it does not hold VGG16's convolutions.
    """

    def __init__(self, weights: Path | None = None, taps: Sequence[int] = _TAPS) -> None:
        super().__init__()
        self.taps = tuple(taps)
        path = weights or vgg_weights_path()
        if path is None or not path.is_file():
            raise MissingWeightsError(
                f"the VGG loss needs torchvision's vgg16 weights; {WEIGHTS_VARIABLE}={path}. "
                f"Save them on a machine with access (torch.save(vgg16(weights='DEFAULT')"
                f".state_dict(), 'vgg16.pt')), set {WEIGHTS_VARIABLE}=/path/to/vgg16.pt, or choose "
                "reconstruction: mse"
            )
        features = vgg16(weights=None).features[: self.taps[-1] + 1]
        state = torch.load(path, map_location="cpu", weights_only=True)
        try:
            features.load_state_dict(
                {
                    name: state[f"features.{name}"]
                    for name in features.state_dict()
                    if f"features.{name}" in state
                }
            )
        except RuntimeError as error:
            raise MissingWeightsError(f"{path} holds no VGG16 convolutions: {error}") from error
        self.features = features.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> VGGFeatures:
        """Stay in evaluation mode: the network is a fixed measure."""
        return super().train(False)

    def activations(self, image: Tensor) -> list[Tensor]:
        """The maps of ``image`` (B, 3, H, W) in [0, 1]."""
        taken = []
        for index, layer in enumerate(self.features):
            image = layer(image)
            if index in self.taps:
                taken.append(image)
        return taken


class VGGLoss(VGGFeatures):
    """Squared error of pixels plus of five VGG16 feature maps, all summed (DLP, appendix).

    Pictures come in as (B, 3, H, W) in [0, 1] without ImageNet normalisation, as in the paper's
    code. Returns the sum over everything but the batch, averaged over the batch.
    """

    def forward(self, reconstruction: Tensor, image: Tensor) -> Tensor:
        """Loss of ``reconstruction`` against ``image``."""
        with torch.no_grad():
            wanted = self.activations(image)
        pairs = zip(self.activations(reconstruction), wanted, strict=True)
        total = summed_squared_error(reconstruction, image)
        return total + sum(summed_squared_error(have, want) for have, want in pairs)


class OrientedGradientLoss(nn.Module):
    """Squared error of pixels plus that of their `oriented_gradients`, all summed.

    Pictures come in as (B, 3, H, W) in [0, 1]. Returns the sum over everything but the batch,
    averaged over the batch.

    Args:
        weight: factor on the gradients' part; pixels have 1.
    """

    def __init__(self, weight: float = 10.0) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, reconstruction: Tensor, image: Tensor) -> Tensor:
        """Loss of ``reconstruction`` against ``image``."""
        edges = summed_squared_error(oriented_gradients(reconstruction), oriented_gradients(image))
        return summed_squared_error(reconstruction, image) + self.weight * edges


def described_by(
    kind: Described, taps: Sequence[int], *, size: int | None = None
) -> Callable[[Tensor], list[Tensor]]:
    """What pictures (B, 3, H, W) are compared by, as a list of maps (B, C, H', W').

    Args:
        kind: ``mse``, the picture; ``gradients``, with its `oriented_gradients`; ``vgg``, with
            VGG16's feature maps, of colours standardised as those it has learned from.
        taps: of VGG16, see `VGGFeatures`.
        size: side at which VGG16 sees pictures, pixels; None for theirs.

    Raises:
        MissingWeightsError: ``vgg`` without a weights file.
        ValueError: ``kind`` is something else.
    """
    if kind == "mse":
        return lambda image: [image]
    if kind == "gradients":
        return lambda image: [image, oriented_gradients(image)]
    if kind == "vgg":
        vgg = VGGFeatures(taps=taps)

        def seen(image: Tensor) -> list[Tensor]:
            mean, deviation = (
                image.new_tensor(v).view(1, 3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_DEVIATION)
            )
            shown = (image - mean) / deviation
            if size is not None:
                shown = F.interpolate(shown, size=size, mode="bilinear", align_corners=False)
            # Moved at each call: a frozen measure is no part of the method, nor of its checkpoints.
            return [image, *vgg.to(image.device).activations(shown)]

        return seen
    raise ValueError(f"reconstruction must be mse, gradients or vgg, got {kind!r}")


def summed_squared_error(have: Tensor, want: Tensor) -> Tensor:
    """Squared error summed over all but the batch, mean over the batch."""
    return (have - want).square().flatten(1).sum(1).mean()
