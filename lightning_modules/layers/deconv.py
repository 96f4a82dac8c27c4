"""Towers of transposed convolutions, and the mirror images that encode."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

START = 4
"""Side of the map that a tower grows from, pixels."""

_INIT_STD = 0.1
_FIRST_LOG_VARIANCE = -4.0
_FIRST_SPREAD = 3.0


class Weights(nn.Module):
    """Weight and bias of a layer, plain or equalised.

    Plain, both are drawn from a normal of standard deviation 0.1 cut at two of them, as the
    Deformable Generator's code does. Equalised, the weight is drawn from a standard normal and
    multiplied at run time by ``balance * sqrt(2 / fan_in)``, which scales both the layer and its
    learning rate (the paper's second balance scheme, appendix on video).

    Args:
        shape: of the weight.
        outputs: length of the bias.
        fan_in: inputs of one output.
        balance: None for plain, else beta.
    """

    def __init__(
        self, shape: Sequence[int], outputs: int, fan_in: int, balance: float | None
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(*shape))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.scale = 1.0 if balance is None else balance * math.sqrt(2 / fan_in)
        if balance is None:
            for values in (self.weight, self.bias):
                nn.init.trunc_normal_(values, std=_INIT_STD, a=-2 * _INIT_STD, b=2 * _INIT_STD)
        else:
            nn.init.normal_(self.weight)

    def scaled(self) -> Tensor:
        """The weight that the layer multiplies with."""
        return self.weight if self.scale == 1.0 else self.weight * self.scale


class Growth(Weights):
    """A transposed convolution that multiplies height and width by its stride exactly.

    Alignment is TensorFlow's SAME: of the rows and columns too many, half are cut at the start, and
    the odd one at the end.

    Args:
        inputs: channels in.
        outputs: channels out.
        kernel: side of the kernel, at least the stride. One of the same size tiles the result
            without overlap.
        stride: 1 keeps the size.
        balance: see `Weights`. The fan-in is that of the kernel, as in the released code, though
            only one in stride^2 of its places meets an input.

    Shapes: (B, inputs, H, W) -> (B, outputs, stride * H, stride * W).

    Raises:
        ValueError: the kernel is smaller than the stride.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int, balance: float | None
    ) -> None:
        if not 1 <= stride <= kernel:
            raise ValueError(f"a kernel of {kernel} leaves gaps at stride {stride}")
        super().__init__((inputs, outputs, kernel, kernel), outputs, inputs * kernel**2, balance)
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer.

        Two cases are computed as what they are, for on CPUs torch's transposed convolution takes
        up to three times as long for them: a stride of 1 is a convolution with the kernel turned
        round, and a kernel that tiles is one product for every place.
        """
        weight, stride = self.scaled(), self.stride
        kernel = weight.shape[-1]
        if stride == 1 and kernel % 2:
            turned = weight.flip(2, 3).transpose(0, 1)
            return F.conv2d(x, turned, self.bias, padding=kernel // 2)
        if kernel == stride:
            tiles = F.conv2d(x, weight.flatten(1).T[..., None, None])
            return F.pixel_shuffle(tiles, stride) + self.bias[:, None, None]
        whole = F.conv_transpose2d(
            x, weight, self.bias, stride=stride, padding=(kernel - stride) // 2
        )
        return whole[..., : stride * x.shape[2], : stride * x.shape[3]]


class Doubling(Growth):
    """A `Growth` of stride 2, as every layer of the generators of pictures is.

    Args:
        inputs: channels in.
        outputs: channels out.
        kernel: side of the kernel, 3 or 5.
        balance: see `Weights`.

    Raises:
        ValueError: for another kernel.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, balance: float | None) -> None:
        if kernel not in (3, 5):
            raise ValueError(f"kernel is 3 or 5, got {kernel}")
        super().__init__(inputs, outputs, kernel, 2, balance)


class Dense(Weights):
    """A fully connected layer with the initialisation of `Weights`."""

    def __init__(self, inputs: int, outputs: int, balance: float | None = None) -> None:
        super().__init__((outputs, inputs), outputs, inputs, balance)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer."""
        return F.linear(x, self.scaled(), self.bias)


class Tower(nn.Module):
    """Code -> map of 4 x 4 -> doublings -> picture, ReLU in between, nothing after the last.

    Args:
        inputs: length of the code.
        channels: of the map of 4 x 4 and after every doubling but the last.
        kernels: of the doublings.
        outputs: channels of the picture.
        balance: see `Weights`.
        strides: of the layers where not all of them are doublings, see `Growth`.

    Shapes: (B, inputs) -> (B, outputs, S, S) with S = 4 * 2^len(channels), or 4 times the strides.
    """

    def __init__(
        self,
        inputs: int,
        channels: Sequence[int],
        kernels: Sequence[int],
        outputs: int,
        balance: float | None = None,
        strides: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.first = Dense(inputs, channels[0] * START**2, balance)
        widths = itertools.pairwise([*channels, outputs])
        steps = [None] * len(kernels) if strides is None else strides
        self.doublings = nn.ModuleList(
            Doubling(a, b, k, balance) if step is None else Growth(a, b, k, step, balance)
            for (a, b), k, step in zip(widths, kernels, steps, strict=True)
        )

    def forward(self, code: Tensor) -> Tensor:
        """Grow a picture from a code."""
        x: Tensor = self.first(code).view(len(code), -1, START, START)
        for layer in self.doublings:
            x = layer(x.relu())
        return x


class MirroredEncoder(nn.Module):
    """Picture -> mean and log-variance of a code, by the convolutions that mirror a `Tower`.

    Args:
        inputs: channels of the picture.
        channels: those of the tower, in the tower's order.
        kernels: those of the tower, in the tower's order.
        outputs: length of the code.

    Shapes: (B, inputs, S, S) -> two of (B, outputs).
    """

    def __init__(
        self, inputs: int, channels: Sequence[int], kernels: Sequence[int], outputs: int
    ) -> None:
        super().__init__()
        widths = itertools.pairwise([inputs, *reversed(channels)])
        self.convolutions = nn.Sequential(
            *(
                nn.Sequential(nn.Conv2d(a, b, k, stride=2, padding=k // 2), nn.ReLU())
                for (a, b), k in zip(widths, reversed(kernels), strict=True)
            )
        )
        self.norm = nn.LayerNorm(channels[0] * START**2)
        self.head = nn.Linear(channels[0] * START**2, 2 * outputs)
        # Codes that differ from picture to picture, and are almost certain, from the first step.
        nn.init.normal_(self.head.weight[:outputs], std=_FIRST_SPREAD / self.head.in_features**0.5)
        nn.init.constant_(self.head.bias[outputs:], _FIRST_LOG_VARIANCE)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance."""
        mean, log_variance = self.head(self.norm(self.convolutions(image).flatten(1))).chunk(2, 1)
        return mean, log_variance
