"""Clip -> posterior of its codes: what amortised learning of clips has in place of chains."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lightning_modules.layers.deconv import START, certain, mirrored


class ClipEncoder(nn.Module):
    """Posterior of z_0 and every xi of one stream, each number a normal of its own.

    Every frame is read by convolutions. z_0 is told from the first frame and from the mean over
    frames; xi_t from how frame t differs from the first one and from the one before, for the first
    state is zero, so that a state says how its frame differs from the first.

    Args:
        image_channels: 3 for colour, 1 for grey.
        channels: of the convolutions, the last one's first, like those of a `Tower`.
        kernels: of them, in the same order.
        features: numbers that a frame is read as.
        state: length of z_0.
        noise: length of xi.

    Shapes: clips (B, T, C, S, S) -> mean and log-variance, (B, state + (T - 1) * noise) each, in
    the order of `Transition.unroll`.
    """

    def __init__(
        self,
        image_channels: int,
        channels: Sequence[int],
        kernels: Sequence[int],
        features: int,
        state: int,
        noise: int,
    ) -> None:
        super().__init__()
        self.frame = nn.Sequential(
            mirrored(image_channels, channels, kernels),
            nn.Flatten(),
            nn.LayerNorm(channels[0] * START**2),
            nn.Linear(channels[0] * START**2, features),
        )
        self.first = nn.Sequential(
            nn.LayerNorm(2 * features), certain(nn.Linear(2 * features, 2 * state))
        )
        # Not normalised: how far a frame has moved is what it is about.
        self.step = nn.Sequential(
            nn.Linear(2 * features, features),
            nn.ReLU(),
            certain(nn.Linear(features, 2 * noise)),
        )

    def forward(self, clip: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of all codes of clips."""
        read = self.frame(clip.flatten(0, 1)).view(*clip.shape[:2], -1)
        beginning = self.first(torch.cat([read[:, 0], read.mean(1)], 1))
        moved = torch.cat([read[:, 1:] - read[:, :1], read[:, 1:] - read[:, :-1]], 2)
        parts = zip(beginning.chunk(2, 1), self.step(moved).chunk(2, 2), strict=True)
        mean, log_variance = (torch.cat([z, xi.flatten(1)], 1) for z, xi in parts)
        return mean, log_variance
