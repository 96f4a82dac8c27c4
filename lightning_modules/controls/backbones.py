"""Frozen networks of torchvision or timm that others trained: an anchor of dense protocols.

Nothing is downloaded. The weights are a file of the user's, named by `WEIGHTS_VARIABLE`; where none
is, `resolve_arguments` says aloud that they are random, and the cell's arguments say it too.
"""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path
from typing import Any, Final, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import get_model
from torchvision.models.feature_extraction import create_feature_extractor

from lightning_modules.controls.points import Untrained
from lightning_modules.layers.perceptual import (
    IMAGENET_DEVIATION,
    IMAGENET_MEAN,
    MissingWeightsError,
)

log = logging.getLogger(__name__)

WEIGHTS_VARIABLE: Final = "WHATWHERE_BACKBONE"
RANDOM: Final = "random"
LOCAL_OR_RANDOM: Final = "local_or_random"
_DIGITS: Final = 12

Library = Literal["torchvision", "timm"]


class FrozenBackbone(Untrained):
    """The maps of one layer of a frozen network, as dense vectors.

    Args:
        image_size: side of the picture, pixels.
        backbone: the network's name in its library, e.g. ``resnet18``.
        library: ``torchvision``, or ``timm``, which has to be installed.
        layer: in torchvision the name of a node (``layer2``), in timm the number of a stage.
        enlarge: by how much pictures are enlarged before; a layer of stride 8 gives a map of a
            fourth of the picture's side with 2.
        weights: ``random``; ``local_or_random``, which `resolve_arguments` settles; or the first 12
            hexadecimal digits of the SHA-256 of the file that `WEIGHTS_VARIABLE` names.

    Raises:
        ImportError: timm is asked for and not installed.
        MissingWeightsError: the file is not there, is another one, or is not of this network.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        image_size: int = 64,
        backbone: str = "resnet18",
        library: Library = "torchvision",
        layer: str = "layer2",
        enlarge: int = 2,
        weights: str = LOCAL_OR_RANDOM,
    ) -> None:
        super().__init__()
        weights = self.resolve_arguments({"weights": weights})["weights"]
        self.save_hyperparameters()
        self.layer, self.enlarge = layer, enlarge
        network = get_model(backbone, weights=None) if library == "torchvision" else _timm(backbone)
        if weights != RANDOM:
            _load(network, weights, backbone)
        self.stages = library == "timm"
        if not self.stages:
            network = create_feature_extractor(network, {layer: "maps"})
        self.network = network.requires_grad_(False).eval()
        shape = (1, 3, 1, 1)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(shape), persistent=False)
        deviation = torch.tensor(IMAGENET_DEVIATION).view(shape)
        self.register_buffer("deviation", deviation, persistent=False)

    @classmethod
    def resolve_arguments(cls, arguments: dict[str, Any]) -> dict[str, Any]:
        """Settle ``local_or_random`` by whether this machine has weights, and say which."""
        if arguments.get("weights", LOCAL_OR_RANDOM) != LOCAL_OR_RANDOM:
            return arguments
        path = _path()
        if path is None:
            log.warning(
                "no weights of a backbone (%s is not set): they are random, and this row is no "
                "anchor of what pretraining knows",
                WEIGHTS_VARIABLE,
            )
        return arguments | {"weights": RANDOM if path is None else _digits(path)}

    def train(self, mode: bool = True) -> FrozenBackbone:
        """Stay in evaluation mode: the network is frozen."""
        return super().train(False)

    def embedding(self, image: Tensor) -> Tensor:
        """The layer's maps (B, C, h, w)."""
        seen = (image - self.mean) / self.deviation
        seen = F.interpolate(seen, scale_factor=self.enlarge, mode="bilinear", align_corners=False)
        if self.stages:
            # timm's own; torch types every attribute of a module as a tensor or a module.
            intermediates: Any = self.network.forward_intermediates
            (found,) = intermediates(
                seen, indices=[int(self.layer)], intermediates_only=True, output_fmt="NCHW"
            )
        else:
            found = self.network(seen)["maps"]
        maps: Tensor = found
        if maps.ndim != 4:
            raise ValueError(f"layer '{self.layer}' gives {list(maps.shape)}, no maps (B, C, h, w)")
        return maps


def _timm(name: str) -> nn.Module:
    try:
        import timm
    except ImportError as error:
        raise ImportError(
            f"backbone '{name}' is to come from timm, which is not installed: pip install timm"
        ) from error
    made: nn.Module = timm.create_model(name, pretrained=False)
    return made


def _path() -> Path | None:
    value = os.environ.get(WEIGHTS_VARIABLE)
    return Path(value) if value else None


def _digits(path: Path) -> str:
    if not path.is_file():
        raise MissingWeightsError(f"{WEIGHTS_VARIABLE}={path}: no such file")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:_DIGITS]


def _load(network: nn.Module, wanted: str, backbone: str) -> None:
    path = _path()
    if path is None:
        raise MissingWeightsError(
            f"weights {wanted} of '{backbone}': {WEIGHTS_VARIABLE} has to name their file"
        )
    if _digits(path) != wanted:
        raise MissingWeightsError(
            f"{path} has the SHA-256 {_digits(path)}..., {wanted}... is asked for"
        )
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except RuntimeError as error:
        raise MissingWeightsError(f"{path} holds no weights of '{backbone}': {error}") from error
