"""The masked DLP model, for pictures of one object such as a face.

Daniel and Tamar, ICML 2022, section 3 and appendix; the defaults are the paper's CelebA model.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from lightning_modules.dlp.parts import (
    MAP_SIZE,
    Decoder,
    Gaussian,
    PointMap,
    PositionEncoder,
    ProposalPrior,
    Sizes,
    with_background,
)
from lightning_modules.layers.blocks import mlp
from lightning_modules.layers.points import gaussian_maps, glimpses

MASK_THRESHOLD = 0.2


class AppearanceEncoder(nn.Module):
    """Heat-map glimpses at the particles, and the rest of the maps, -> features (section 3.3).

    Takes detached maps and positions: no gradient from appearance to position.
    """

    def __init__(self, shape: Sizes) -> None:
        super().__init__()
        self.side = round(shape.glimpse_ratio * (MAP_SIZE - 1))
        k, d = shape.n_keypoints, shape.feature_dim
        self.particle = mlp(k * self.side**2 + 2, *shape.hidden, 2 * d)
        self.background = mlp(k * MAP_SIZE**2, *shape.hidden, 2 * d)

    def forward(self, maps: Tensor, points: Tensor, background_mask: Tensor) -> Gaussian:
        """Posterior of features (B, K + 1, d), the background's last."""
        crops = glimpses(maps, points, self.side).flatten(2)
        particles = self.particle(torch.cat([crops, points], -1))
        background = self.background((maps * background_mask).flatten(1))
        mean, log_variance = torch.cat([particles, background.unsqueeze(1)], 1).chunk(2, -1)
        return Gaussian(mean, log_variance)


class Posterior(NamedTuple):
    """Posterior of a picture, the background particle last.

    Shapes: ``maps`` (B, K, 16, 16); ``position`` of (B, K + 1, 2); ``feature`` of (B, K + 1, d).
    """

    maps: Tensor
    position: Gaussian
    feature: Gaussian


class MaskedDLP(nn.Module):
    """Deep Latent Particles with the masked decoder, for pictures of one object such as a face."""

    def __init__(self, shape: Sizes) -> None:
        super().__init__()
        self.shape = shape
        k = shape.n_keypoints
        self.position = PositionEncoder(shape)
        self.prior = ProposalPrior(shape)
        self.appearance = AppearanceEncoder(shape)
        self.point_map = PointMap(shape)
        self.decoder = Decoder(3 * k, shape)

    def _masks(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Gaussian maps (B, K, 16, 16) of ``points`` and the background mask (B, 1, 16, 16)."""
        maps = gaussian_maps(points, MAP_SIZE, self.shape.sigma)
        covered = (maps.detach() > MASK_THRESHOLD).any(1, keepdim=True)
        return maps, (~covered).to(maps.dtype)

    def encode(self, image: Tensor, *, sample: bool) -> tuple[Posterior, Tensor, Tensor]:
        """Posterior of a picture; positions and features drawn from it, or its means.

        The background particle sits at (0, 0) with log-variance log 0.01, neither learned.

        Returns:
            The posterior, positions (B, K + 1, 2) and features (B, K + 1, d).
        """
        maps, position = self.position(image)
        points = position.sample() if sample else position.mean
        _, background = self._masks(points)
        feature = self.appearance(maps.detach(), position.mean.detach(), background)
        features = feature.sample() if sample else feature.mean
        position, points = with_background(position, points)
        return Posterior(maps, position, feature), points, features

    def decode(self, points: Tensor, features: Tensor, bypass: Tensor) -> Tensor:
        """Paint a picture.

        Args:
            points: positions (B, K + 1, 2), the background's last.
            features: (B, K + 1, d).
            bypass: heat maps (B, K, 16, 16) of the picture, seen only where no particle is.

        Returns:
            (B, 3, S, S), not squashed.
        """
        gaussians, background = self._masks(points[:, :-1])
        painted = self.point_map(points, features)
        image: Tensor = self.decoder(
            torch.cat([gaussians, (1 - background) * painted, background * bypass.detach()], 1)
        )
        return image
