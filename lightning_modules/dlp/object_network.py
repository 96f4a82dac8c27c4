"""The DLP model for scenes of objects: every particle paints a glimpse over a background.

Daniel and Tamar, ICML 2022, section 3 and appendix.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lightning_modules.dlp.object_parts import (
    BackgroundSeed,
    GlimpseEncoder,
    GlimpsePainter,
    ObjectSizes,
    ProposalPositions,
)
from lightning_modules.dlp.parts import (
    MAP_SIZE,
    Decoder,
    Gaussian,
    PointMap,
    PositionEncoder,
    ProposalPrior,
    with_background,
)
from lightning_modules.layers.blocks import mlp
from lightning_modules.layers.compositing import (
    Placed,
    lay_over,
    place,
    reach_of,
    weights_by_depth,
    weights_in_order,
)
from lightning_modules.layers.points import gaussian_maps, glimpses, pixel_centres
from lightning_modules.layers.processes import normal_like, uniform_like

ALPHA_NOISE = 0.1
LARGEST = 2.0
"""How far a particle with a learned size may stretch or shrink its glimpse along an axis."""
NEAREST = 3.0
"""Learned depths lie within this of 0. Free ones ran off in training, and particles paled."""


class Drawn(NamedTuple):
    """Particles as the decoder takes them.

    Shapes: ``points`` (B, K, 2); ``features`` (B, K, d); ``background`` (B, d); ``presence``
    (B, K); ``size`` (B, K, 2), sides of a painted glimpse, the picture's being 2; ``depth`` (B, K)
    in [-3, 3], larger is nearer, or None.
    """

    points: Tensor
    features: Tensor
    background: Tensor
    presence: Tensor
    size: Tensor
    depth: Tensor | None


class Posterior(NamedTuple):
    """Posterior of a picture, the background particle last.

    Shapes: ``position`` of (B, K + 1, 2); ``feature`` of (B, K + 1, d); ``extra``, sizes and
    depths, of (B, K, 0 to 3); ``presence`` (B, K); ``crops``, the glimpses, (B, K, 3, S, S).
    """

    position: Gaussian
    feature: Gaussian
    extra: Gaussian
    presence: Tensor
    crops: Tensor


class ObjectDLP(nn.Module):
    """Deep Latent Particles with glimpses over a background, for scenes of several objects."""

    def __init__(self, shape: ObjectSizes) -> None:
        super().__init__()
        self.shape = shape
        k, d = shape.n_keypoints, shape.feature_dim
        reads = k * MAP_SIZE**2
        numbers = 2 * (d + shape.extras)
        self.anchored = shape.position_from == "proposals"
        if self.anchored:
            self.position: PositionEncoder | ProposalPositions = ProposalPositions(shape)
            numbers += 1  # presence, which a slot of its own has no meaning for here
        else:
            self.position = PositionEncoder(shape)
            self.presence = mlp(reads, *shape.hidden, k)
        self.prior = ProposalPrior(shape)
        self.appearance = GlimpseEncoder(shape, numbers)
        self.background = mlp(reads, *shape.hidden, 2 * d)
        self.painter = GlimpsePainter(shape)
        if shape.background_sees == "particles":
            self.point_map: nn.Module = PointMap(shape)
        else:
            self.point_map = BackgroundSeed(d, k, shape.hidden[0], shape.norm)
        self.decoder = Decoder((1 + (shape.background_sees == "particles")) * k, shape)

    def locate(self, image: Tensor) -> tuple[Tensor, Gaussian]:
        """Heat maps (B, K, 16, 16) and the posterior of positions (B, K, 2)."""
        if not self.anchored:
            maps, position = self.position(image)
            return maps.detach(), position
        maps, position = self.position(image, self.prior.anchors(image, self.shape.n_keypoints))
        return maps, position

    def encode(self, image: Tensor, *, sample: bool) -> tuple[Posterior, Drawn]:
        """Posterior of a picture; particles drawn from it, or its means.

        No gradient reaches positions through a glimpse's place, nor, where positions come from heat
        maps, these through presence and background.
        """
        shape, d = self.shape, self.shape.feature_dim
        maps, position = self.locate(image)
        centres = position.mean.detach()
        crops = glimpses(image, centres, shape.glimpse_side)
        read = self.appearance(crops)
        if self.anchored:
            presence, read = read[..., -1].sigmoid(), read[..., :-1]
        else:
            presence = self.presence(maps.flatten(1)).sigmoid()
        mean, log_variance = read.chunk(2, -1)
        extra = Gaussian(mean[..., d:], log_variance[..., d:])
        behind = self.background((maps * ~_squares(centres, shape.glimpse_ratio)).flatten(1))
        behind_mean, behind_log_variance = behind.unsqueeze(1).chunk(2, -1)
        feature = Gaussian(
            torch.cat([mean[..., :d], behind_mean], 1),
            torch.cat([log_variance[..., :d], behind_log_variance], 1),
        )
        points, features, numbers = (
            g.sample() if sample else g.mean for g in (position, feature, extra)
        )
        whole, _ = with_background(position, points)
        size = self.own_size(points)
        if shape.learned_size:
            size = size * (math.log(LARGEST) * numbers[..., :2].tanh()).exp()
        drawn = Drawn(
            points,
            features[:, :-1],
            features[:, -1],
            presence,
            size,
            NEAREST * (numbers[..., -1] / NEAREST).tanh() if shape.order == "depth" else None,
        )
        return Posterior(whole, feature, extra, presence, crops), drawn

    def own_size(self, points: Tensor) -> Tensor:
        """Sides (B, K, 2) of a glimpse that nothing stretches, for ``points`` (B, K, 2)."""
        return torch.full_like(points, 2 * self.shape.glimpse_side / self.shape.image_size)

    def paint_background(self, drawn: Drawn) -> Tensor:
        """The picture without its particles' glimpses, (B, 3, S, S), not squashed.

        As in the paper it is painted from the particles too, their positions by Gaussian maps and
        as a cloud, though of their features none is taught by it. It looks at the first
        ``n_keypoints`` of them.

        Raises:
            ValueError: there are fewer particles.
        """
        shape = self.shape
        if shape.background_sees == "feature":
            image: Tensor = self.decoder(self.point_map(drawn.background))
            return image
        k = shape.n_keypoints
        if drawn.points.shape[1] < k:
            raise ValueError(
                f"the background is painted from {k} particles, {drawn.points.shape[1]} are given; "
                "to leave one out, set its presence to 0"
            )
        points, features = drawn.points[:, :k], drawn.features[:, :k]
        cloud = torch.cat([points, torch.zeros_like(points[:, :1])], 1)
        features = torch.cat([features.detach(), drawn.background.unsqueeze(1)], 1)
        gaussians = gaussian_maps(points, MAP_SIZE, shape.sigma)
        image = self.decoder(torch.cat([gaussians, self.point_map(cloud, features)], 1))
        return image

    def lay(self, painted: Tensor, drawn: Drawn) -> tuple[Placed, Tensor]:
        """Put painted glimpses in their places.

        Args:
            painted: alpha and colour of every particle, (B, K, 4, S, S).
            drawn: the particles, any number.

        Returns:
            Alpha and colour on the pixels they reach, and the particles' shares of these pixels
            (B, K, T).
        """
        canvas = self.shape.image_size
        stretch = LARGEST if self.shape.learned_size else 1.0
        reach = reach_of(self.shape.glimpse_side, stretch)
        placed = place(painted, drawn.points, drawn.size, canvas, reach)
        alpha = placed.values[:, :, 0] * drawn.presence.unsqueeze(-1)
        if drawn.depth is None:
            return placed, weights_in_order(alpha, placed.pixels, canvas)
        return placed, weights_by_depth(alpha, placed.pixels, drawn.depth, canvas)

    def decode(self, drawn: Drawn, *, noisy: bool = False) -> Tensor:
        """Paint a picture (B, 3, S, S), not squashed.

        Args:
            drawn: the particles; see `lay` and `paint_background` for how many.
            noisy: noise on the alphas, and presences drawn at random: the paper's first epochs.
        """
        painted = self.painter(drawn.features)
        if noisy:
            alpha = painted[:, :, :1]
            noise = ALPHA_NOISE * normal_like(alpha) * (alpha > ALPHA_NOISE)
            painted = torch.cat([(alpha + noise).clamp(0, 1), painted[:, :, 1:]], 2)
            drawn = drawn._replace(presence=uniform_like(drawn.presence))
        placed, weights = self.lay(painted, drawn)
        background = self.paint_background(drawn)
        return lay_over(background, placed.values[:, :, 1:], weights, placed.pixels)


def _squares(centres: Tensor, ratio: float) -> Tensor:
    """Cells of the heat maps, (B, 1, 16, 16), that lie in a glimpse of any particle."""
    cells = pixel_centres(MAP_SIZE, like=centres)
    near = (centres.unsqueeze(-1) - cells).abs() <= ratio  # (B, K, 2, 16)
    return (near[:, :, 1, :, None] & near[:, :, 0, None, :]).any(1, keepdim=True)
