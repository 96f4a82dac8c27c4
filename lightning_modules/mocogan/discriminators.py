"""MoCoGAN's two judges (Tulyakov et al. 2018, 3.2): of single frames, and of clips.

The judge of clips also tells the category of a clip. Its convolutions in time have a kernel of 4
and no padding: five of them turn 16 frames into one logit, and longer clips into several.
"""

from __future__ import annotations

import itertools
from typing import Final, NamedTuple

from torch import Tensor, nn

SPAN: Final = 16
"""Frames that one logit of a clip is made of, and the fewest a clip can have."""

_SMALLEST = 16
_SLOPE = 0.2


class Judged(NamedTuple):
    """What the judge of clips says: logits (B,), above 0 for real; of categories (B, K)."""

    real: Tensor
    category: Tensor


class PictureDiscriminator(nn.Module):
    """Frames -> logits of overlapping patches, above 0 for what it holds to be real.

    Convolutions of 4 x 4 with stride 2, leaky ReLU, batch normalisation from the second on.

    Args:
        image_size: side of a frame, pixels, a power of two from 16 on.
        image_channels: 3 for colour, 1 for grey.
        width: channels after the first convolution; the next two double them.

    Shapes: (N, C, S, S) in [0, 1] -> (N, S / 16, S / 16).

    Raises:
        ValueError: for another size.
    """

    def __init__(self, image_size: int, image_channels: int = 3, width: int = 64) -> None:
        super().__init__()
        _check_side(image_size)
        self.shape = (image_channels, image_size, image_size)
        widths = [image_channels, width, 2 * width, 4 * width]
        trunk: list[nn.Module] = []
        for n, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
            trunk.append(nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=False))
            trunk += [nn.BatchNorm2d(outputs)] if n else []
            trunk.append(nn.LeakyReLU(_SLOPE))
        self.trunk = nn.Sequential(*trunk)
        self.head = nn.Conv2d(widths[-1], 1, 4, stride=2, padding=1, bias=False)

    def features(self, picture: Tensor) -> Tensor:
        """What the logits are made of, (N, 4 width, S / 8, S / 8)."""
        _check_pictures(picture, self.shape)
        found: Tensor = self.trunk(2 * picture - 1)
        return found

    def forward(self, picture: Tensor) -> Tensor:
        """Logits of patches."""
        logits: Tensor = self.head(self.features(picture))
        return logits[:, 0]


class ClipDiscriminator(nn.Module):
    """Clips -> a logit each, above 0 for what it holds to be real, and logits of categories.

    Convolutions of 4 x 4 x 4 that halve the sides of the frames four times; the last one reads all
    that is left of them, whatever their size was. Of a clip longer than 16 frames the logits of all
    its stretches are averaged.

    Args:
        image_size: side of a frame, pixels, a power of two from 16 on.
        image_channels: 3 for colour, 1 for grey.
        width: channels after the first convolution; the next three double them.
        categories: how many it tells apart; 0 for none.

    Raises:
        ValueError: for another size.
    """

    def __init__(
        self, image_size: int, image_channels: int = 3, width: int = 64, categories: int = 0
    ) -> None:
        super().__init__()
        _check_side(image_size)
        self.shape = (image_channels, image_size, image_size)
        widths = [image_channels, width, 2 * width, 4 * width, 8 * width]
        trunk: list[nn.Module] = []
        for n, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
            trunk.append(
                nn.Conv3d(inputs, outputs, 4, stride=(1, 2, 2), padding=(0, 1, 1), bias=False)
            )
            trunk += [nn.BatchNorm3d(outputs)] if n else []
            trunk.append(nn.LeakyReLU(_SLOPE))
        self.trunk = nn.Sequential(*trunk)
        left = image_size // 2 ** (len(widths) - 1)
        self.head = nn.Conv3d(widths[-1], 1 + categories, (4, left, left), bias=False)

    def forward(self, clip: Tensor) -> Judged:
        """Judge clips (B, T, C, S, S) in [0, 1].

        Raises:
            ValueError: the clips are shorter than 16 frames, or their frames of another size.
        """
        if clip.shape[1] < SPAN:
            raise ValueError(
                f"the judge of clips reads {SPAN} frames or more, got {clip.shape[1]}; give it "
                "longer clips"
            )
        _check_pictures(clip, self.shape)
        logits = self.head(self.trunk(2 * clip.transpose(1, 2) - 1)).mean((2, 3, 4))
        return Judged(logits[:, 0], logits[:, 1:])


def _check_side(side: int) -> None:
    if side < _SMALLEST or side & (side - 1):
        raise ValueError(f"image_size must be a power of two from {_SMALLEST} on, got {side}")


def _check_pictures(found: Tensor, wanted: tuple[int, ...]) -> None:
    if found.shape[-3:] != wanted:
        raise ValueError(
            f"frames are {list(found.shape[-3:])}, this network was made for {list(wanted)}; "
            "give image_size and image_channels as the dataset has them"
        )
