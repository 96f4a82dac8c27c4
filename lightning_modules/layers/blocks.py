"""Convolution blocks and multilayer perceptrons with the initialisation of the DLP paper's code."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Norm = Literal["batch", "group"]
Activation = Literal["relu", "leaky_relu"]

_CONV_STD = 0.01


def normalisation(kind: Norm, channels: int) -> nn.Module:
    """Normalisation of a feature map (B, C, H, W).

    ``group`` has groups of at least four channels and does not depend on the batch: training and
    evaluation compute the same function, which matters at small batches.
    """
    if kind == "batch":
        return nn.BatchNorm2d(channels)
    groups = next(
        g for g in (8, 4, 2, 1) if channels % g == 0 and channels // g >= min(4, channels)
    )
    return nn.GroupNorm(groups, channels)


def repeat_border(x: Tensor, width: int) -> Tensor:
    """Replication padding: (B, C, H, W) -> (B, C, H + 2 width, W + 2 width)."""
    if not torch.compiler.is_compiling():
        return F.pad(x, (width,) * 4, mode="replicate")
    # The same in parts: torch 2.14's CPU compiler refuses the gradient of the above, which comes
    # with channels innermost where it expects them outermost.
    for dim in (2, 3):
        size = [-1] * 4
        size[dim] = width
        last = x.shape[dim] - 1
        x = torch.cat(
            [x.narrow(dim, 0, 1).expand(size), x, x.narrow(dim, last, 1).expand(size)], dim
        )
    return x


class ConvBlock(nn.Module):
    """Replication-padded convolution, normalisation, activation, optional bilinear doubling.

    Args:
        inputs: channels in.
        outputs: channels out.
        kernel: side of the kernel in pixels, odd.
        stride: stride of the convolution.
        norm: ``batch`` or ``group``.
        activation: ``relu`` (encoders) or ``leaky_relu`` with slope 0.01 (decoders).
        upsample: double height and width after the activation.

    Shapes: (B, inputs, H, W) -> (B, outputs, H', W').
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 3,
        stride: int = 1,
        *,
        norm: Norm = "batch",
        activation: Activation = "relu",
        upsample: bool = False,
    ) -> None:
        super().__init__()
        self.pad = kernel // 2
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, bias=False)
        self.norm = normalisation(norm, outputs)
        self.slope = 0.0 if activation == "relu" else 0.01
        self.upsample = upsample
        nn.init.normal_(self.conv.weight, std=_CONV_STD)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        x = repeat_border(x, self.pad) if self.pad else x
        x = F.leaky_relu(self.norm(self.conv(x)), self.slope, inplace=True)
        if self.upsample:
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        return x


class _BorderedConv(nn.Conv2d):
    """A convolution over pictures whose border is repeated, so that they keep their size."""

    def forward(self, input: Tensor) -> Tensor:
        width = self.kernel_size[0] // 2
        wide = repeat_border(input, width) if width else input
        return F.conv2d(wide, self.weight, self.bias)


def conv_head(inputs: int, outputs: int, kernel: int = 1) -> nn.Conv2d:
    """A convolution with bias: the last layer of an encoder or decoder."""
    conv = _BorderedConv(inputs, outputs, kernel)
    nn.init.normal_(conv.weight, std=_CONV_STD)
    nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
    return conv


class BinomialFilter(nn.Module):
    """Smooths a picture (B, C, H, W) by [1, 2, 1] / 4 along both axes.

    It takes away any pattern that repeats every two pixels, such as a `PixelShuffle` leaves and
    central differences cannot see.
    """

    def forward(self, image: Tensor) -> Tensor:
        """Apply the filter; the border is repeated outside."""
        channels = image.shape[1]
        side = image.new_tensor([0.25, 0.5, 0.25])
        kernel = (side[:, None] * side).expand(channels, 1, 3, 3)
        return F.conv2d(repeat_border(image, 1), kernel, groups=channels)


def painting_head(inputs: int, square: int = 1, kernel: int = 1) -> nn.Sequential:
    """A convolution to RGB that paints a square of pixels for each of its inputs.

    Args:
        inputs: channels in.
        kernel: side of the convolution's kernel, odd.
        square: side of the squares; above 1 a binomial filter takes their seams away.

    Shapes: (B, inputs, S, S) -> (B, 3, square S, square S).
    """
    head = nn.Sequential(conv_head(inputs, 3 * square**2, kernel), nn.PixelShuffle(square))
    if square > 1:
        head.append(BinomialFilter())
    return head


class FeatureCNN(nn.Module):
    """KeyNet's convolution tower, which DLP uses three times ("feature CNN" in its code).

    Two blocks at full resolution, then for every further width one block of stride 2 and one of
    stride 1, then a 1x1 convolution to the output maps.

    Args:
        inputs: channels of the picture.
        channels: widths; the first at full resolution, each further one halves the side.
        outputs: maps that come out; None leaves out the 1x1 convolution.
        first_kernel: side of the first kernel, pixels.
        first_stride: stride of the first convolution.
        norm: ``batch`` or ``group``.

    Shapes: (B, inputs, S, S) -> (B, outputs, S', S') with
    S' = S / (first_stride 2^(len(channels) - 1)).
    """

    def __init__(
        self,
        inputs: int,
        channels: Sequence[int],
        outputs: int | None,
        *,
        first_kernel: int = 3,
        first_stride: int = 1,
        norm: Norm = "batch",
    ) -> None:
        super().__init__()
        width = channels[0]
        blocks = [
            ConvBlock(inputs, width, first_kernel, first_stride, norm=norm),
            ConvBlock(width, width, norm=norm),
        ]
        for wider in channels[1:]:
            blocks += [
                ConvBlock(width, wider, stride=2, norm=norm),
                ConvBlock(wider, wider, norm=norm),
            ]
            width = wider
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Identity() if outputs is None else conv_head(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Output maps of a picture."""
        maps: Tensor = self.head(self.blocks(x))
        return maps


def mlp(*sizes: int) -> nn.Sequential:
    """Linear layers of the given sizes with ReLU between them (none after the last)."""
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers[:-1])
