"""Landmark encoder, descriptors and decoder of Zhang et al. (CVPR 2018).

Sizes are those of the released code (``lmdis-rep``, ``general_80x80``); sections those of the
paper. A picture becomes K landmarks with a spread, and a short descriptor of each; it is painted
again from these alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lightning_modules.layers.blocks import ConvBlock, Norm, conv_head, painting_head
from lightning_modules.layers.points import anchored, gaussian_maps, moments, sunflower

Levels = Sequence[Sequence[int]]
_RADIUS = 0.7


@dataclass(frozen=True)
class LandmarkShape:
    """Sizes; the defaults are the released code's at 80 px.

    Args:
        image_size: side of the picture, pixels.
        n_keypoints: landmarks K.
        pad: pixels by which the border is repeated about what the landmark encoder sees.
        landmark_levels: widths of the convolutions of the landmark hourglass, level by level; each
            level halves the side.
        painter_levels: the same of the hourglasses of descriptors and decoder.
        landmark_skips: convolutions on each of the landmark hourglass's bypasses.
        painter_skips: the same of the other two.
        stride: of a convolution before every hourglass (paper: 1, there is none).
        descriptor_dim: numbers of each landmark's descriptor, and of the background's.
        spot: standard deviation of the narrowest painted spots, in units of [-1, 1].
        spot_levels: how many widths are painted, each sqrt(2) times the one before.
        anchor: reach of the Gaussian that draws every landmark to a place of its own; 0 for none
            (paper).
        norm: ``batch`` (paper) or ``group``.
    """

    image_size: int = 80
    n_keypoints: int = 10
    pad: int = 8
    landmark_levels: Levels = ((32, 32), (64, 64), (64, 64), (64, 64))
    painter_levels: Levels = ((32, 64), (128,), (256,), (512,))
    landmark_skips: int = 3
    painter_skips: int = 2
    stride: int = 1
    descriptor_dim: int = 8
    spot: float = 0.25
    spot_levels: int = 5
    anchor: float = 0.0
    norm: Norm = "batch"

    def __post_init__(self) -> None:
        for side, levels in (
            (self.image_size + 2 * self.pad, self.landmark_levels),
            (self.image_size, self.painter_levels),
        ):
            if side % (self.stride << (len(levels) - 1)):
                raise ValueError(
                    f"{len(levels)} levels with stride {self.stride} halve {side} px too often; "
                    "drop a level or choose another pad"
                )


class Hourglass(nn.Module):
    """Down through ever smaller maps and up again, with a bypass at every level.

    Args:
        inputs: channels in.
        outputs: channels out.
        levels: widths of the convolutions of every level, from the top.
        skips: convolutions on every bypass.
        norm: ``batch`` or ``group``.

    Shapes: (B, inputs, H, W) -> (B, outputs, H, W).
    """

    def __init__(
        self, inputs: int, outputs: int, levels: Levels, skips: int, norm: Norm = "batch"
    ) -> None:
        super().__init__()
        widths = list(levels[0])
        self.enter = nn.Sequential(
            *(ConvBlock(a, b, norm=norm) for a, b in itertools.pairwise([inputs, *widths]))
        )
        last = widths[-1]
        self.inner = Hourglass(last, last, levels[1:], skips, norm) if levels[1:] else None
        self.skip = nn.Sequential(
            *(ConvBlock(last, last, norm=norm) for _ in range(skips if levels[1:] else 0))
        )
        back = [*reversed(widths), outputs]
        self.leave = nn.Sequential(
            *(ConvBlock(a, b, norm=norm) for a, b in itertools.pairwise(back))
        )

    def forward(self, x: Tensor) -> Tensor:
        """Apply it."""
        x = self.enter(x)
        if self.inner is not None:
            below = self.inner(F.max_pool2d(x, 2))
            x = F.interpolate(below, scale_factor=2, mode="nearest") + self.skip(x)
        left: Tensor = self.leave(x)
        return left


def _stem(inputs: int, levels: Levels, stride: int, norm: Norm) -> tuple[nn.Module, int]:
    """A convolution that shrinks what an hourglass sees, and its channels; nothing at stride 1."""
    if stride == 1:
        return nn.Identity(), inputs
    width = levels[0][0]
    return ConvBlock(inputs, width, 5, stride, norm=norm), width


class Landmarks(NamedTuple):
    """Means (B, K, 2) in [-1, 1] and isotropic standard deviations (B, K)."""

    mean: Tensor
    deviation: Tensor


class LandmarkEncoder(nn.Module):
    """Picture -> landmarks (section 3.1): every pixel is shared out among K of them and background.

    The softmax runs over the channels, so that landmarks contend for pixels; a landmark is the mean
    of its map, and its deviation the map's.
    """

    drawn: Tensor

    def __init__(self, shape: LandmarkShape) -> None:
        super().__init__()
        self.shape = shape
        levels = shape.landmark_levels
        self.stem, inputs = _stem(3, levels, shape.stride, shape.norm)
        width = levels[0][0]
        self.glass = Hourglass(inputs, width, levels, shape.landmark_skips, shape.norm)
        self.head = conv_head(width, shape.n_keypoints + 1, 3)
        side = (shape.image_size + 2 * shape.pad) // shape.stride
        drawn = torch.zeros(())
        if shape.anchor:
            places = sunflower(shape.n_keypoints, _RADIUS * self.share, like=drawn)
            drawn = F.pad(anchored(places, side, shape.anchor * self.share), (0, 0, 0, 0, 0, 1))
        self.register_buffer("drawn", drawn, persistent=False)

    @property
    def share(self) -> float:
        """Side of the picture over that with its repeated border."""
        return self.shape.image_size / (self.shape.image_size + 2 * self.shape.pad)

    def maps(self, image: Tensor) -> Tensor:
        """Share (B, K + 1, M, M) of every landmark in every pixel, the background's last."""
        wide = F.pad(image, (self.shape.pad,) * 4, mode="replicate")
        logits = self.head(self.glass(self.stem(wide))) + self.drawn
        shares: Tensor = logits.softmax(1)
        return shares

    def forward(self, image: Tensor) -> Landmarks:
        """Landmarks of a picture (B, 3, S, S)."""
        maps = self.maps(image)[:, :-1]
        mean, variance = moments(maps / maps.sum((2, 3), keepdim=True).clamp_min(1e-6))
        deviation = (variance + 1e-8).sqrt().mean(-1)
        return Landmarks(mean / self.share, deviation / self.share)


class LandmarkAutoencoder(nn.Module):
    """Landmarks, their descriptors, and the picture painted from both (section 3.2)."""

    def __init__(self, shape: LandmarkShape) -> None:
        super().__init__()
        self.shape = shape
        levels, norm = shape.painter_levels, shape.norm
        self.landmarks = LandmarkEncoder(shape)
        self.feature_stem, inputs = _stem(3, levels, shape.stride, norm)
        width = levels[0][-1]
        self.features = Hourglass(inputs, width, levels, shape.painter_skips, norm)
        size = (shape.n_keypoints + 1, width, shape.descriptor_dim)
        self.describe = nn.Parameter(torch.randn(size) / width**0.5)
        painted = shape.spot_levels * shape.descriptor_dim
        self.decoder = Hourglass(painted, width, levels, shape.painter_skips, norm)
        self.head = painting_head(width, shape.stride, kernel=3)
        for module in self.modules():
            if isinstance(module, ConvBlock):
                nn.init.kaiming_normal_(module.conv.weight, nonlinearity="relu")

    @property
    def map_size(self) -> int:
        """Side of the maps that are described and painted."""
        return self.shape.image_size // self.shape.stride

    def _shares(self, points: Tensor, deviation: float) -> Tensor:
        """Share (B, K + 1, M, M) of every landmark's spot in every pixel, the background's last."""
        spots = gaussian_maps(points, self.map_size, deviation)
        spots = spots / spots.sum((2, 3), keepdim=True).clamp_min(1e-6)
        flat = torch.full_like(spots[:, :1], 1 / self.map_size**2)
        shares = torch.cat([spots, flat], 1)
        return shares / shares.sum(1, keepdim=True)

    def descriptors(self, image: Tensor, points: Tensor) -> Tensor:
        """Descriptors (B, K + 1, D) of a picture at ``points`` (B, K, 2), the background's last."""
        features = self.features(self.feature_stem(image))
        shares = self._shares(points, self.shape.spot)
        weights = shares / shares.sum((2, 3), keepdim=True)
        pooled = torch.einsum("bkhw,bchw->bkc", weights, features)
        return torch.einsum("bkc,kcd->bkd", pooled, self.describe)

    def paint(self, points: Tensor, descriptors: Tensor) -> Tensor:
        """The picture (B, 3, S, S) of ``points`` (B, K, 2) and ``descriptors`` (B, K + 1, D)."""
        layers = [
            torch.einsum(
                "bkhw,bkd->bdhw", self._shares(points, self.shape.spot * 2 ** (i / 2)), descriptors
            )
            for i in range(self.shape.spot_levels)
        ]
        image: Tensor = self.head(self.decoder(torch.cat(layers, 1))).sigmoid()
        return image
