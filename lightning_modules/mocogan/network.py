"""MoCoGAN's generator: a recurrent path of motion codes, and one painter of frames.

Tulyakov, Liu, Yang and Kautz, *MoCoGAN: Decomposing Motion and Content for Video Generation*, CVPR
2018, section 3. A clip has one content code, one category and a path of motion codes; every frame
is painted by itself, from all three.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

START = 4
"""Side of the first map of the painter, pixels."""


@dataclass(frozen=True)
class ClipShape:
    """Sizes of the codes and of the generator.

    Args:
        image_size: side of a frame, pixels; the doublings must reach it.
        image_channels: 3 for colour, 1 for grey.
        content_dim: length of the content code.
        motion_dim: length of a frame's motion code.
        categories: how many there are; 0 for none.
        channels: widths of the painter, the first at 4 x 4; a last doubling makes the frame.

    Raises:
        ValueError: the doublings do not reach the size, or there is a single category.
    """

    image_size: int = 64
    image_channels: int = 3
    content_dim: int = 50
    motion_dim: int = 10
    categories: int = 6
    channels: Sequence[int] = (512, 256, 128, 64)

    def __post_init__(self) -> None:
        reach = START * 2 ** len(self.channels)
        if reach != self.image_size:
            raise ValueError(
                f"{len(self.channels)} doublings grow frames of {reach} px, image_size is "
                f"{self.image_size}; give channels another length"
            )
        if self.categories < 0 or self.categories == 1:
            raise ValueError(f"categories is 0 for none, or 2 and more, got {self.categories}")

    @property
    def what_dim(self) -> int:
        """Length of content and category together."""
        return self.content_dim + self.categories


class ClipGenerator(nn.Module):
    """Codes -> frames in [0, 1].

    Transposed convolutions of 4 x 4, batch normalisation and ReLU between them, tanh at the end.
    """

    def __init__(self, shape: ClipShape) -> None:
        super().__init__()
        self.shape = shape
        self.cell = nn.GRUCell(shape.motion_dim, shape.motion_dim)
        first = shape.channels[0]
        layers: list[nn.Module] = [
            nn.ConvTranspose2d(shape.what_dim + shape.motion_dim, first, START, bias=False),
            *_activated(first),
        ]
        for inputs, outputs in itertools.pairwise(shape.channels):
            layers += [_doubling(inputs, outputs), *_activated(outputs)]
        layers += [_doubling(shape.channels[-1], shape.image_channels), nn.Tanh()]
        self.layers = nn.Sequential(*layers)

    def path(self, start: Tensor, noise: Tensor) -> Tensor:
        """Motion codes (N, T, M): the states of the cell, fed with fresh noise at every step.

        Args:
            start: (N, M) the state before the first frame, standard normal under the prior.
            noise: (N, T, M) standard normal under the prior.
        """
        state, states = start, []
        for step in noise.unbind(1):
            state = self.cell(step, state)
            states.append(state)
        return torch.stack(states, 1)

    def what(self, content: Tensor, category: Tensor) -> Tensor:
        """Content (N, D) with a category (N,) int64 behind it as a one-hot code."""
        if not self.shape.categories:
            return content
        chosen = F.one_hot(category, self.shape.categories).to(content.dtype)
        return torch.cat([content, chosen], 1)

    def forward(self, where: Tensor, what: Tensor) -> Tensor:
        """Frames (..., C, S, S) in [0, 1] of motion codes (..., M) and static codes (..., W)."""
        codes = torch.cat([what, where], -1)
        painted: Tensor = self.layers(codes.flatten(0, -2)[:, :, None, None])
        return ((painted + 1) / 2).reshape(*codes.shape[:-1], *painted.shape[1:])


def repeated(static: Tensor, frames: int) -> Tensor:
    """Static codes (N, D) once for every frame, (N, frames, D)."""
    return static[:, None].expand(-1, frames, -1)


@contextlib.contextmanager
def settled(module: nn.Module) -> Iterator[None]:
    """Let batch normalisation use its running statistics while the block runs."""
    training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(training)


def _doubling(inputs: int, outputs: int) -> nn.Module:
    return nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=False)


def _activated(channels: int) -> list[nn.Module]:
    return [nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
