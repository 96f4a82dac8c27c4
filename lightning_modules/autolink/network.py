"""AutoLink's detector, edges and painter (He, Wandt and Rhodin, NeurIPS 2022).

Sizes are those of the released code at 128 px. Of a picture most is masked; what is missing is
painted by help of one map alone, on which edges are drawn between all pairs of K points.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lightning_modules.layers.blocks import Norm, normalisation
from lightning_modules.layers.points import anchored, moments, pixel_centres, sunflower

_SLOPE = 0.2
_RADIUS = 0.7


@dataclass(frozen=True)
class AutoLinkShape:
    """Sizes; the defaults are the released code's.

    Args:
        n_keypoints: points K.
        down: widths of the detector's residual blocks, each of which halves the side.
        up: widths of its blocks that double it.
        painter: widths of the painter, each after the first at half the side of the one before.
        thickness: squared distance at which an edge has fallen to 1/e, in units of [-1, 1].
        edge_rate: factor on the stored weights of edges, so that they learn that much faster.
        anchor: reach of the Gaussian that draws every point to a place of its own; 0 for none
            (paper).
        norm: ``batch`` (paper) or ``group``.
    """

    n_keypoints: int = 8
    down: Sequence[int] = (64, 128, 256, 512)
    up: Sequence[int] = (256, 128)
    painter: Sequence[int] = (64, 128, 256, 512, 512)
    thickness: float = 2.5e-3
    edge_rate: float = 512.0
    anchor: float = 0.0
    norm: Norm = "batch"


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


def _half() -> nn.Upsample:
    return nn.Upsample(scale_factor=0.5, mode="bilinear", align_corners=False)


def _double() -> nn.Upsample:
    return nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)


def _leaky() -> nn.LeakyReLU:
    return nn.LeakyReLU(_SLOPE)


class ResidualBlock(nn.Module):
    """Two convolutions beside one, at half the side."""

    def __init__(self, inputs: int, outputs: int, norm: Norm) -> None:
        super().__init__()
        self.beside = nn.Sequential(_conv(inputs, outputs), _half(), normalisation(norm, outputs))
        self.main = nn.Sequential(
            _conv(inputs, outputs),
            _half(),
            normalisation(norm, outputs),
            _leaky(),
            _conv(outputs, outputs),
            normalisation(norm, outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H / 2, W / 2)."""
        return F.leaky_relu(self.main(x) + self.beside(x), _SLOPE)


class Detector(nn.Module):
    """Picture -> points, each the mean of its own map's softmax."""

    drawn: Tensor

    def __init__(self, shape: AutoLinkShape, image_size: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            ResidualBlock(a, b, shape.norm) for a, b in itertools.pairwise([3, *shape.down])
        ]
        for a, b in itertools.pairwise([shape.down[-1], *shape.up]):
            layers += [_double(), _conv(a, b), normalisation(shape.norm, b), _leaky()]
        last = [*shape.down, *shape.up][-1]
        self.layers = nn.Sequential(*layers, _conv(last, shape.n_keypoints))
        drawn = torch.zeros(())
        if shape.anchor:
            size = (image_size >> len(shape.down)) << len(shape.up)
            places = sunflower(shape.n_keypoints, _RADIUS, like=drawn)
            drawn = anchored(places, size, shape.anchor)
        self.register_buffer("drawn", drawn, persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """Points (B, K, 2) of a picture in [-1, 1]."""
        maps = self.layers(image) + self.drawn
        return moments(maps.flatten(2).softmax(-1).view_as(maps))[0]


class Edges(nn.Module):
    """One map of the edges between all pairs of points, each with a learned strength."""

    pairs: Tensor

    def __init__(self, shape: AutoLinkShape) -> None:
        super().__init__()
        self.thickness, self.rate = shape.thickness, shape.edge_rate
        count = shape.n_keypoints
        self.register_buffer("pairs", torch.triu_indices(count, count, 1), persistent=False)
        self.weight = nn.Parameter((torch.randn(self.pairs.shape[1]) / 10 - 4) / self.rate)

    @property
    def strength(self) -> Tensor:
        """Strength of every edge (E,), at least 0; pairs in the order of ``pairs`` (2, E)."""
        return F.softplus(self.weight * self.rate)

    def forward(self, points: Tensor, size: int) -> Tensor:
        """Map (B, 1, size, size) of ``points`` (B, K, 2): everywhere the strongest edge."""
        centres = pixel_centres(size, like=points)
        start, end = points[:, self.pairs[0]], points[:, self.pairs[1]]  # (B, E, 2)
        along = end - start
        x = centres - start[..., 0, None]  # (B, E, size)
        y = centres - start[..., 1, None]
        length = along.square().sum(-1, keepdim=True).clamp_min(1e-8)
        # Separable: a table of columns plus one of rows, not a product for every pixel.
        part = (
            ((x * along[..., :1] / length)[:, :, None, :])
            + ((y * along[..., 1:] / length)[..., None])
        )
        part = part.clamp(0, 1)
        away_x = x[:, :, None, :] - part * along[..., 0, None, None]
        away_y = y[..., None] - part * along[..., 1, None, None]
        drawn = torch.exp(-(away_x.square() + away_y.square()) / self.thickness)
        return (drawn * self.strength.view(1, -1, 1, 1)).amax(1, keepdim=True)


def _pair(inputs: int, outputs: int, norm: Norm) -> list[nn.Module]:
    """Two convolutions, each normalised and rectified."""
    return [
        _conv(inputs, outputs),
        normalisation(norm, outputs),
        _leaky(),
        _conv(outputs, outputs),
        normalisation(norm, outputs),
        _leaky(),
    ]


class Painter(nn.Module):
    """A U-shaped network from the masked picture and the map of edges to the picture."""

    def __init__(self, shape: AutoLinkShape) -> None:
        super().__init__()
        widths, norm = list(shape.painter), shape.norm
        self.light = nn.Parameter(torch.tensor(1.0))
        self.first = nn.Sequential(_conv(4, widths[0]), _leaky())
        self.down = nn.ModuleList()
        for a, b in itertools.pairwise(widths):
            *block, leaky = _pair(a, b, norm)
            self.down.append(nn.Sequential(*block, _half(), leaky))
        self.up = nn.ModuleList()
        inputs = widths[-1]
        for width in reversed(widths[:-1]):
            self.up.append(nn.Sequential(_double(), *_pair(inputs, width, norm)))
            inputs = 2 * width
        self.last = _conv(inputs, 3)

    def forward(self, masked: Tensor, edges: Tensor) -> Tensor:
        """The picture (B, 3, S, S) from its masked self and a map of edges (B, 1, S, S)."""
        seen = [self.first(torch.cat([masked * self.light, edges], 1))]
        for block in self.down:
            seen.append(block(seen[-1]))
        x = seen.pop()
        for block in self.up:
            x = torch.cat([block(x), seen.pop()], 1)
        painted: Tensor = self.last(x)
        return painted


class AutoLinkNetwork(nn.Module):
    """Detector, edges and painter; inside, pictures are in [-1, 1], and what is masked is 0."""

    def __init__(self, shape: AutoLinkShape, image_size: int) -> None:
        super().__init__()
        for side, halvings in (("down", len(shape.down)), ("painter", len(shape.painter) - 1)):
            if image_size % (1 << halvings):
                raise ValueError(
                    f"{side} halves {image_size} px {halvings} times, which leaves no whole "
                    "pixels; drop an entry"
                )
        self.detector = Detector(shape, image_size)
        self.edges = Edges(shape)
        self.painter = Painter(shape)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, a=_SLOPE)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def points(self, image: Tensor) -> Tensor:
        """Points (B, K, 2) of a picture (B, 3, S, S) in [0, 1]."""
        found: Tensor = self.detector(2 * image - 1)
        return found

    def paint(self, points: Tensor, masked: Tensor) -> Tensor:
        """The picture in [0, 1] of ``points`` and what is left of it, ``masked`` in [-1, 1]."""
        edges = self.edges(points, masked.shape[-1])
        painted: Tensor = self.painter(masked, edges)
        return (painted + 1) / 2


def kept_blocks(numbers: Tensor, share: float, size: int) -> Tensor:
    """Mask (B, 1, size, size) of the blocks that are kept.

    Args:
        numbers: standard normal, one a block (B, n, n).
        share: of blocks that are masked, in (0, 1).
        size: side of the mask in pixels.
    """
    bound = math.sqrt(2) * torch.erfinv(torch.tensor(2 * share - 1)).item()
    kept = (numbers > bound).to(numbers.dtype).unsqueeze(1)
    return F.interpolate(kept, size=size, mode="nearest")
