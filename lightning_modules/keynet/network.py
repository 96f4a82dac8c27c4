"""KeyNet's networks: pose and appearance encoders and a renderer (Jakab et al., NeurIPS 2018).

Section 3 of the paper, with the sizes of its released code (``imm``). What a target picture looks
like is taken from another picture of the same thing; all that is known of the target itself are K
points.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lightning_modules.layers.blocks import ConvBlock, FeatureCNN, Norm, painting_head
from lightning_modules.layers.points import (
    anchored,
    gaussian_maps,
    marginal_softmax,
    pixel_centres,
    sunflower,
)

_RADIUS = 0.7


@dataclass(frozen=True)
class KeyNetShape:
    """Sizes; the defaults are the released code's CelebA model at 128 px.

    Args:
        image_size: side of the picture, pixels.
        n_keypoints: points K.
        channels: widths of both encoders; each after the first halves the side.
        first_kernel: their first kernel, pixels.
        first_stride: stride of their first convolution (paper: 1).
        renderer_channels: widths of the renderer's pairs of convolutions, with a doubling between
            two pairs. Where they stop short of ``image_size`` the last layer paints squares of
            pixels (paper: they do not).
        spot: distance at which a Gaussian spot has fallen to 1/e, in units of [-1, 1].
        sharpness: factor on the maps before their softmax (paper: 1).
        anchor: reach of the Gaussian that draws every point to a place of its own, in units of
            [-1, 1]; 0 for none (paper). The places are spread over the middle of the picture.
        norm: ``batch`` (paper) or ``group``.
    """

    image_size: int = 128
    n_keypoints: int = 30
    channels: Sequence[int] = (32, 64, 128, 256)
    first_kernel: int = 7
    first_stride: int = 1
    renderer_channels: Sequence[int] = (256, 128, 64, 32)
    spot: float = 0.1
    sharpness: float = 1.0
    anchor: float = 0.0
    norm: Norm = "batch"

    def __post_init__(self) -> None:
        if self.image_size % (self.first_stride << (len(self.channels) - 1)):
            raise ValueError(
                f"channels {list(self.channels)} with first_stride {self.first_stride} halve "
                f"{self.image_size} px too often; drop an entry"
            )
        if self.image_size % (self.map_size << (len(self.renderer_channels) - 1)):
            raise ValueError(
                f"renderer_channels {list(self.renderer_channels)} double {self.map_size} too "
                f"often for {self.image_size} px; drop an entry"
            )

    @property
    def map_size(self) -> int:
        """Side of the encoders' maps."""
        return self.image_size // (self.first_stride << (len(self.channels) - 1))

    @property
    def square(self) -> int:
        """Side of what the last layer paints at a time, pixels; 1 in the paper."""
        return self.image_size // (self.map_size << (len(self.renderer_channels) - 1))

    def tower(self, outputs: int | None) -> FeatureCNN:
        """An encoder of pictures."""
        return FeatureCNN(
            3,
            self.channels,
            outputs,
            first_kernel=self.first_kernel,
            first_stride=self.first_stride,
            norm=self.norm,
        )


class Renderer(nn.Module):
    """Looks and spots, side by side as maps, -> picture; values are not squashed."""

    def __init__(self, shape: KeyNetShape) -> None:
        super().__init__()
        widths = [shape.channels[-1] + shape.n_keypoints, *shape.renderer_channels]
        blocks = []
        for place, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
            last = place == len(shape.renderer_channels) - 1
            blocks.append(ConvBlock(inputs, outputs, norm=shape.norm))
            if not last:
                blocks.append(ConvBlock(outputs, outputs, norm=shape.norm, upsample=True))
        self.blocks = nn.Sequential(*blocks)
        self.head = painting_head(widths[-1], shape.square, kernel=3)

    def forward(self, maps: Tensor) -> Tensor:
        """Paint a picture (B, 3, S, S)."""
        image: Tensor = self.head(self.blocks(maps))
        return image


class KeyNetNetwork(nn.Module):
    """Points of one picture, looks of another, and the picture they make.

    The two encoders share their form, not their weights.
    """

    drawn: Tensor

    def __init__(self, shape: KeyNetShape) -> None:
        super().__init__()
        self.shape = shape
        self.pose = shape.tower(shape.n_keypoints)
        self.appearance = shape.tower(None)
        self.renderer = Renderer(shape)
        places = sunflower(shape.n_keypoints, _RADIUS, like=torch.zeros(()))
        drawn = anchored(places, shape.map_size, shape.anchor) if shape.anchor else torch.zeros(())
        self.register_buffer("drawn", drawn, persistent=False)

    def points(self, image: Tensor) -> Tensor:
        """Points (B, K, 2) of a picture: means of each map's two marginals."""
        maps = self.pose(image) * self.shape.sharpness + self.drawn
        over_columns, over_rows = marginal_softmax(maps)
        centres = pixel_centres(over_rows.shape[-1], like=over_rows)
        return torch.stack([over_columns @ centres, over_rows @ centres], -1)

    def looks(self, image: Tensor) -> Tensor:
        """Appearance (B, C, M, M) of a picture."""
        maps: Tensor = self.appearance(image)
        return maps

    def render(self, points: Tensor, looks: Tensor) -> Tensor:
        """The picture (B, 3, S, S) with these points and these looks."""
        spots = gaussian_maps(points, self.shape.map_size, self.shape.spot / math.sqrt(2))
        picture: Tensor = self.renderer(torch.cat([looks, spots], 1))
        return picture


@torch.no_grad()
def start_at_scale(network: KeyNetNetwork) -> None:
    """Differs from the paper: convolutions start as He et al. (2015) have it, the picture as grey.

    From the paper's tiny ones, every point starts at the picture's centre and stays for long.
    """
    for module in network.modules():
        if isinstance(module, ConvBlock):
            nn.init.kaiming_normal_(module.conv.weight, nonlinearity="relu")
    head = network.pose.head
    assert isinstance(head, nn.Conv2d)
    nn.init.kaiming_normal_(head.weight)
    painter = network.renderer.head[0]
    assert isinstance(painter, nn.Conv2d) and painter.bias is not None
    painter.bias.fill_(0.45)
