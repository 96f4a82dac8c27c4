"""A network that reads MoCoGAN's codes from clips; the model itself has no encoder."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lightning_modules.layers.blocks import normalisation
from lightning_modules.mocogan.network import START, ClipShape

_SLOPE = 0.2
_WIDEST = 4


class Found(NamedTuple):
    """Codes of clips: ``motion`` (B, T, M), ``content`` (B, D), logits of ``category`` (B, K)."""

    motion: Tensor
    content: Tensor
    category: Tensor


class CodeRegressor(nn.Module):
    """Clips (B, T, C, S, S) in [0, 1] of any length -> the codes that painted them.

    Every frame goes through convolutions of 4 x 4 with stride 2 down to 4 x 4, all frames of a clip
    through a recurrent network in both directions. Groups are normalised, not batches: generated
    clips to learn from and real ones to read go through the same function.

    Args:
        shape: of the generator.
        width: channels after the first convolution; further ones double them, up to four times.
        hidden: width of the recurrent network in each direction.
    """

    def __init__(self, shape: ClipShape, width: int = 32, hidden: int = 64) -> None:
        super().__init__()
        self.content_dim = shape.content_dim
        halvings = len(shape.channels)
        widths = [width * min(2**n, _WIDEST) for n in range(halvings)]
        layers: list[nn.Module] = []
        for inputs, outputs in itertools.pairwise([shape.image_channels, *widths]):
            layers += [
                nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=False),
                normalisation("group", outputs),
                nn.LeakyReLU(_SLOPE),
            ]
        layers += [nn.Flatten(), nn.Linear(widths[-1] * START**2, 2 * hidden), nn.ReLU()]
        self.frames = nn.Sequential(*layers)
        self.context = nn.GRU(2 * hidden, hidden, batch_first=True, bidirectional=True)
        self.motion = nn.Linear(4 * hidden, shape.motion_dim)
        self.static = nn.Linear(4 * hidden, shape.what_dim)

    def forward(self, clip: Tensor) -> Found:
        """Codes of clips."""
        frames = self.frames(2 * clip.flatten(0, 1) - 1).view(*clip.shape[:2], -1)
        seen = torch.cat([frames, self.context(frames)[0]], 2)
        static = self.static(seen.mean(1))
        return Found(
            self.motion(seen), static[:, : self.content_dim], static[:, self.content_dim :]
        )
