"""The DLP model for scenes of objects: every particle paints a glimpse over a background.

Daniel and Tamar, ICML 2022, section 3 and appendix; the defaults are the paper's CLEVRER model.
What the paper does not have are options that are off by default: `ObjectSizes` names them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

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
from lightning_modules.layers.blocks import ConvBlock, FeatureCNN, Norm, conv_head, mlp
from lightning_modules.layers.compositing import (
    Placed,
    lay_over,
    place,
    reach_of,
    weights_by_depth,
    weights_in_order,
)
from lightning_modules.layers.points import gaussian_maps, glimpses, pixel_centres

SEED_SIZE = 8
ALPHA_NOISE = 0.1
LARGEST = 2.0
"""How far a particle with a learned size may stretch or shrink its glimpse along an axis."""

Order = Literal["index", "depth"]
BackgroundSees = Literal["particles", "feature"]


@dataclass(frozen=True)
class ObjectSizes(Sizes):
    """Sizes of an object model; the defaults are the paper's CLEVRER model (128 px, K = 10).

    Args:
        glimpse_channels: widths of the glimpse encoder; the last one is that of the glimpse
            decoder's seed too, whose blocks are twice as wide.
        learned_size: every particle stretches its glimpse by factors of its own, from a half to
            two (paper: no).
        order: who hides whom: the particles' ``index`` (paper), or a learned ``depth``.
        background_sees: what the background is painted from: all ``particles`` (paper), or its own
            ``feature`` alone, so that no particle can paint but in its own glimpse.
    """

    n_keypoints: int = 10
    n_proposals: int = 20
    patch_size: int = 16
    feature_dim: int = 5
    glimpse_ratio: float = 0.25
    glimpse_channels: Sequence[int] = (16, 16, 32)
    learned_size: bool = False
    order: Order = "index"
    background_sees: BackgroundSees = "particles"

    @property
    def glimpse_side(self) -> int:
        """Side of a glimpse, pixels."""
        return round(self.glimpse_ratio * (self.image_size - 1))

    @property
    def extras(self) -> int:
        """Numbers of a particle beside position, features and presence: its size and depth."""
        return 2 * self.learned_size + (self.order == "depth")

    def __post_init__(self) -> None:
        super().__post_init__()
        doublings = math.log2(self.glimpse_side / SEED_SIZE)
        if doublings < 0 or doublings % 1:
            raise ValueError(
                f"glimpse_ratio {self.glimpse_ratio} of {self.image_size} px makes glimpses of "
                f"{self.glimpse_side} px, which is not {SEED_SIZE} doubled some times"
            )


class GlimpseEncoder(nn.Module):
    """Glimpses of the picture -> features, the same network for every particle (section 3.3)."""

    def __init__(self, shape: ObjectSizes) -> None:
        super().__init__()
        channels = shape.glimpse_channels
        self.cnn = FeatureCNN(3, channels, channels[-1], norm=shape.norm)
        side = shape.glimpse_side // 2 ** (len(channels) - 1)
        outputs = 2 * (shape.feature_dim + shape.extras)
        self.head = mlp(channels[-1] * side**2, *shape.hidden, outputs)

    def forward(self, crops: Tensor) -> Gaussian:
        """Glimpses (B, K, 3, S, S) -> posterior of features and extras (B, K, d + extras)."""
        out = self.head(self.cnn(crops.flatten(0, 1)).flatten(1))
        return Gaussian(*out.view(*crops.shape[:2], -1).chunk(2, -1))


class GlimpsePainter(nn.Module):
    """Features of a particle -> what it looks like: alpha and colour, both in (0, 1)."""

    def __init__(self, shape: ObjectSizes) -> None:
        super().__init__()
        seed, norm = shape.glimpse_channels[-1], shape.norm
        doublings = int(math.log2(shape.glimpse_side / SEED_SIZE))
        widths = [seed, *[2 * seed] * doublings]
        self.seed = mlp(shape.feature_dim, shape.hidden[0], seed * SEED_SIZE**2)
        self.blocks = nn.Sequential(
            *(
                ConvBlock(a, b, norm=norm, activation="leaky_relu", upsample=True)
                for a, b in itertools.pairwise(widths)
            ),
            ConvBlock(widths[-1], seed, norm=norm, activation="leaky_relu"),
            conv_head(seed, 4),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Features (B, K, d) -> (B, K, 4, S, S): alpha, red, green, blue."""
        seed = self.seed(features.flatten(0, 1)).relu()
        seed = seed.view(len(seed), -1, SEED_SIZE, SEED_SIZE)
        painted: Tensor = self.blocks(seed).sigmoid()
        return painted.view(*features.shape[:2], *painted.shape[1:])


class BackgroundSeed(nn.Module):
    """The background's feature -> maps of 16 x 16, in place of the point-cloud map."""

    def __init__(self, features: int, width: int, hidden: int, norm: Norm) -> None:
        super().__init__()
        self.size = MAP_SIZE // 2
        self.seed = mlp(features, hidden, width * self.size**2)
        self.up = ConvBlock(width, width, norm=norm, activation="leaky_relu", upsample=True)

    def forward(self, feature: Tensor) -> Tensor:
        """Feature (B, d) -> (B, width, 16, 16)."""
        seed = self.seed(feature).relu().view(len(feature), -1, self.size, self.size)
        maps: Tensor = self.up(seed)
        return maps


class Drawn(NamedTuple):
    """Particles as the decoder takes them.

    Shapes: ``points`` (B, K, 2); ``features`` (B, K, d); ``background`` (B, d); ``presence``
    (B, K); ``size`` (B, K, 2), sides of a painted glimpse, the picture's being 2; ``depth`` (B, K)
    or None.
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
        self.position = PositionEncoder(shape)
        self.presence = mlp(reads, *shape.hidden, k)
        self.prior = ProposalPrior(shape)
        self.appearance = GlimpseEncoder(shape)
        self.background = mlp(reads, *shape.hidden, 2 * d)
        self.painter = GlimpsePainter(shape)
        if shape.background_sees == "particles":
            self.point_map: nn.Module = PointMap(shape)
        else:
            self.point_map = BackgroundSeed(d, k, shape.hidden[0], shape.norm)
        self.decoder = Decoder((1 + (shape.background_sees == "particles")) * k, shape)

    def encode(self, image: Tensor, *, sample: bool) -> tuple[Posterior, Drawn]:
        """Posterior of a picture; particles drawn from it, or its means.

        No gradient reaches positions through a glimpse's place, nor heat maps through presence and
        background.
        """
        shape = self.shape
        maps, position = self.position(image)
        seen = maps.detach()
        centres = position.mean.detach()
        presence = self.presence(seen.flatten(1)).sigmoid()
        crops = glimpses(image, centres, shape.glimpse_side)
        of_glimpse = self.appearance(crops)
        behind = (seen * ~_squares(centres, shape.glimpse_ratio)).flatten(1)
        mean, log_variance = self.background(behind).unsqueeze(1).chunk(2, -1)
        d = shape.feature_dim
        feature = Gaussian(
            torch.cat([of_glimpse.mean[..., :d], mean], 1),
            torch.cat([of_glimpse.log_variance[..., :d], log_variance], 1),
        )
        extra = Gaussian(of_glimpse.mean[..., d:], of_glimpse.log_variance[..., d:])
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
            numbers[..., -1] if shape.order == "depth" else None,
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

    def lay(self, drawn: Drawn, *, noisy: bool = False) -> tuple[Placed, Tensor]:
        """Paint every glimpse in its place.

        Args:
            drawn: the particles, any number.
            noisy: noise on the alphas, and presences drawn at random: the paper's first epochs.

        Returns:
            Alpha and colour of the glimpses on the pixels they reach, and their shares of these
            pixels (B, K, T).
        """
        canvas = self.shape.image_size
        painted, presence = self.painter(drawn.features), drawn.presence
        if noisy:
            alpha = painted[:, :, :1]
            noise = ALPHA_NOISE * torch.randn_like(alpha) * (alpha > ALPHA_NOISE)
            painted = torch.cat([(alpha + noise).clamp(0, 1), painted[:, :, 1:]], 2)
            presence = torch.rand_like(presence)
        stretch = LARGEST if self.shape.learned_size else 1.0
        reach = reach_of(self.shape.glimpse_side, stretch)
        placed = place(painted, drawn.points, drawn.size, canvas, reach)
        alpha = placed.values[:, :, 0] * presence.unsqueeze(-1)
        if drawn.depth is None:
            return placed, weights_in_order(alpha, placed.pixels, canvas)
        return placed, weights_by_depth(alpha, placed.pixels, drawn.depth, canvas)

    def decode(self, drawn: Drawn, *, noisy: bool = False) -> Tensor:
        """Paint a picture (B, 3, S, S); see `lay` and `paint_background`."""
        placed, weights = self.lay(drawn, noisy=noisy)
        background = self.paint_background(drawn)
        return lay_over(background, placed.values[:, :, 1:], weights, placed.pixels)


def _squares(centres: Tensor, ratio: float) -> Tensor:
    """Cells of the heat maps, (B, 1, 16, 16), that lie in a glimpse of any particle."""
    cells = pixel_centres(MAP_SIZE, like=centres)
    near = (centres.unsqueeze(-1) - cells).abs() <= ratio  # (B, K, 2, 16)
    return (near[:, :, 1, :, None] & near[:, :, 0, None, :]).any(1, keepdim=True)
