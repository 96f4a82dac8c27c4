"""AutoLink's loss: absolute errors of feature maps, each averaged, all summed (section 3.4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor

from lightning_modules.layers.perceptual import Described, described_by

_TAPS: Final = (3, 8, 15, 22)
"""After relu1_2, relu2_2, relu3_3 and relu4_3."""
_VGG_SIZE: Final = 224


class FeatureError:
    """Mean absolute error of what pictures are compared by, summed over maps.

    Args:
        kind: ``vgg`` for VGG16's maps of the picture at 224 px, as the released code has it;
            ``mse`` for the pixels alone; ``gradients`` for pixels and oriented gradients.

    Raises:
        MissingWeightsError: ``vgg`` without a weights file.
    """

    def __init__(self, kind: Described) -> None:
        self.vgg = kind == "vgg"
        self._describe: Callable[[Tensor], list[Tensor]] = described_by(kind, _TAPS, size=_VGG_SIZE)

    def maps(self, image: Tensor) -> list[Tensor]:
        """What ``image`` (B, 3, S, S) in [0, 1] is compared by."""
        found = self._describe(image)
        return found[1:] if self.vgg else found  # VGG16 compares no pixels

    def __call__(self, painted: Tensor, image: Tensor) -> Tensor:
        """Error of ``painted`` against ``image``."""
        with torch.no_grad():
            wanted = self.maps(image)
        errors = [
            (have - want).abs().mean()
            for have, want in zip(self.maps(painted), wanted, strict=True)
        ]
        return torch.stack(errors).sum()
