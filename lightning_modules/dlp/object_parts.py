"""Parts of the DLP model for scenes: glimpses read and painted, positions, background.

Daniel and Tamar, ICML 2022, section 3 and appendix; the defaults are the paper's CLEVRER model.
What the paper does not have are options that are off by default: `ObjectSizes` names them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from lightning_modules.dlp.parts import MAP_SIZE, Gaussian, Sizes
from lightning_modules.layers.blocks import ConvBlock, FeatureCNN, Norm, conv_head, mlp
from lightning_modules.layers.points import glimpses

SEED_SIZE = 8

Order = Literal["index", "depth"]
BackgroundSees = Literal["particles", "feature"]
PositionFrom = Literal["heat_maps", "proposals"]


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
        position_from: where particles are: what a perceptron over all ``heat_maps`` says (paper),
            or at the best ``proposals``, moved by what a glimpse there says.
        glimpse_norm: normalisation of the glimpses' encoders and painter; None for ``norm``. With
            ``group`` every glimpse is normalised by itself, and how bright it is is lost.
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
    position_from: PositionFrom = "heat_maps"
    glimpse_norm: Norm | None = None

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
    """Glimpses of the picture -> numbers, the same network for every particle (section 3.3).

    Args:
        shape: sizes of the model.
        outputs: numbers that come out of a glimpse.
    """

    def __init__(self, shape: ObjectSizes, outputs: int) -> None:
        super().__init__()
        channels = shape.glimpse_channels
        norm = shape.glimpse_norm or shape.norm
        self.cnn = FeatureCNN(3, channels, channels[-1], norm=norm)
        side = shape.glimpse_side // 2 ** (len(channels) - 1)
        self.head = mlp(channels[-1] * side**2, *shape.hidden, outputs)

    def forward(self, crops: Tensor) -> Tensor:
        """Glimpses (B, K, 3, S, S) -> (B, K, outputs)."""
        out: Tensor = self.head(self.cnn(crops.flatten(0, 1)).flatten(1))
        return out.view(*crops.shape[:2], -1)


class ProposalPositions(nn.Module):
    """Picture and anchors -> position posterior of a particle at each: the authors' second way.

    Every particle looks at a glimpse around its anchor and says how far off it is, half a glimpse
    at most. One small network learns that for all of them, so it learns sooner than a perceptron
    that has to know every place of the picture; but particle k means nothing from one picture to
    the next.
    """

    def __init__(self, shape: ObjectSizes) -> None:
        super().__init__()
        self.side, self.reach = shape.glimpse_side, shape.glimpse_ratio
        self.maps = FeatureCNN(
            3,
            shape.channels,
            shape.n_keypoints,
            first_kernel=shape.first_kernel,
            first_stride=shape.first_stride,
            norm=shape.norm,
        )
        self.offset = GlimpseEncoder(shape, 4)

    def forward(self, image: Tensor, anchors: Tensor) -> tuple[Tensor, Gaussian]:
        """Heat maps (B, K, 16, 16), for the background, and the posterior (B, K, 2)."""
        out = self.offset(glimpses(image, anchors, self.side))
        mean = anchors + self.reach * out[..., :2].tanh()
        return self.maps(image), Gaussian(mean, out[..., 2:])


class GlimpsePainter(nn.Module):
    """Features of a particle -> what it looks like: alpha and colour, both in (0, 1)."""

    def __init__(self, shape: ObjectSizes) -> None:
        super().__init__()
        seed, norm = shape.glimpse_channels[-1], shape.glimpse_norm or shape.norm
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
        seed = seed.unflatten(1, (-1, SEED_SIZE, SEED_SIZE))
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
