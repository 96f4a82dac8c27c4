"""SmallNet: a vector for every second pixel of a picture (Thewlis et al. 2017 and 2019)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Final

from torch import nn

_KERNELS: Final = (5, 5, 5, 3, 3)
_DILATIONS: Final = (1, 1, 2, 4, 2)
_SLOPE: Final = 0.2


class SmallNet(nn.Sequential):
    """Five convolutions with batch normalisation and a leaky ReLU each, and one of 1 x 1.

    After the first, a maximum over 2 x 2 halves the side; then dilations widen what a vector sees.

    Args:
        dim: length C of a vector.
        channels: of the five convolutions; the paper's are the default.
        image_channels: 3 for colour, 1 for grey.

    Shapes: (B, image_channels, S, S) -> (B, C, S / 2, S / 2).

    Raises:
        ValueError: there are not five widths.
    """

    def __init__(
        self,
        dim: int,
        channels: Sequence[int] = (20, 48, 64, 80, 256),
        image_channels: int = 3,
    ) -> None:
        if len(channels) != len(_KERNELS):
            raise ValueError(f"SmallNet has {len(_KERNELS)} widths, got {list(channels)}")
        layers: list[nn.Module] = []
        widths = itertools.pairwise([image_channels, *channels])
        for (a, b), kernel, dilation in zip(widths, _KERNELS, _DILATIONS, strict=True):
            reach = dilation * (kernel // 2)
            layers += [
                nn.Conv2d(a, b, kernel, padding=reach, dilation=dilation),
                nn.BatchNorm2d(b),
                nn.LeakyReLU(_SLOPE),
            ]
            if len(layers) == 3:
                layers.append(nn.MaxPool2d(2))
        layers.append(nn.Conv2d(channels[-1], dim, 1))
        for layer in layers:
            if isinstance(layer, nn.Conv2d):
                nn.init.xavier_uniform_(layer.weight)
        super().__init__(*layers)
