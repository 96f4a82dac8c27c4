"""What both DLP models are made of: position encoder, proposals, point-cloud map, decoder.

Daniel and Tamar, ICML 2022, section 3 and appendix. Section numbers in the docstrings are those of
the paper's own parts; every width is an argument.
Differs from the released code: coordinates are (x, y) instead of (row, column), and every map
lives on pixel centres instead of a grid that touches the picture's edge (at most half a pixel).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lightning_modules.layers.blocks import (
    ConvBlock,
    FeatureCNN,
    Norm,
    mlp,
    painting_head,
)
from lightning_modules.layers.pointnet import PointCloudEncoder
from lightning_modules.layers.points import marginal_softmax
from lightning_modules.layers.processes import normal_like

MAP_SIZE = 16
BACKGROUND_LOG_VARIANCE = math.log(0.01)

ProposalFilter = Literal["distance", "variance"]

_NARROW = 1e-6
_SURPASSED = 0.9


class Gaussian(NamedTuple):
    """A diagonal Gaussian: mean and log-variance of equal shape."""

    mean: Tensor
    log_variance: Tensor

    def sample(self) -> Tensor:
        """One reparametrised sample."""
        return self.mean + (0.5 * self.log_variance).exp() * normal_like(self.mean)


def with_background(position: Gaussian, points: Tensor) -> tuple[Gaussian, Tensor]:
    """Add the background particle to a posterior and to points (B, K, 2) drawn from it.

    It sits at (0, 0) with log-variance log 0.01, neither learned.
    """
    origin = torch.zeros_like(points[:, :1])
    constant = torch.full_like(origin, BACKGROUND_LOG_VARIANCE)
    together = Gaussian(
        torch.cat([position.mean, origin], 1), torch.cat([position.log_variance, constant], 1)
    )
    return together, torch.cat([points, origin], 1)


@dataclass(frozen=True)
class Sizes:
    """Sizes of a model; the defaults are the paper's masked model for CelebA (128 px, K = 30).

    Args:
        image_size: side of the picture, pixels.
        n_keypoints: particles K, the background particle not counted.
        n_proposals: proposals L the prior keeps.
        patch_size: side P of the prior's patches, pixels.
        feature_dim: appearance features d of a particle.
        glimpse_ratio: side of a glimpse relative to the picture.
        sigma: standard deviation of proposals and Gaussian maps.
        channels: widths of the position encoder, which must reach maps of 16 x 16.
        first_kernel: its first kernel, pixels.
        first_stride: stride of its first convolution (paper: 1).
        prior_channels: widths of the proposal network.
        hidden: widths of the three multilayer perceptrons.
        point_channels: widths of the point-cloud encoder.
        decoder_channels: widths of the doubling blocks. Where they stop short of ``image_size`` the
            last layer paints squares of pixels (paper: they do not), whose seams a binomial filter
            takes away.
        decoder_last: channels before the 1x1 convolution to RGB; None is the paper's rule, the
            smallest multiple of K + 1 above 32.
        norm: ``batch`` (paper) or ``group``.
        proposal_filter: proposals that stay: with the largest ``distance`` from their patch's
            centre (paper), or with the smallest ``variance`` of their spatial softmax (the
            authors' second version).
        prior_norm: normalisation of the proposal network; None for ``norm``. With ``group`` every
            patch is normalised by itself: a faint shade of the floor then says as much as an edge.
    """

    image_size: int = 128
    n_keypoints: int = 30
    n_proposals: int = 50
    patch_size: int = 8
    feature_dim: int = 10
    glimpse_ratio: float = 0.125
    sigma: float = 0.1
    channels: Sequence[int] = (32, 64, 128, 256)
    first_kernel: int = 7
    first_stride: int = 1
    prior_channels: Sequence[int] = (16, 32, 64)
    hidden: Sequence[int] = (256, 128)
    point_channels: Sequence[int] = (64, 128, 256, 512)
    decoder_channels: Sequence[int] = (256, 128, 64)
    decoder_last: int | None = None
    norm: Norm = "batch"
    proposal_filter: ProposalFilter = "distance"
    prior_norm: Norm | None = None

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Self:
        """Sizes among a method's ``arguments``; what it has no argument for keeps its default."""
        names = (field.name for field in fields(cls))
        given = {name: arguments[name] for name in names if name in arguments}
        if given.get("n_proposals", 0) is None:
            given["n_proposals"] = given.get("n_keypoints", cls.n_keypoints)
        return cls(**given)

    def __post_init__(self) -> None:
        reach = self.image_size / (self.first_stride * 2 ** (len(self.channels) - 1))
        if reach != MAP_SIZE:
            raise ValueError(
                f"channels {list(self.channels)} with first_stride {self.first_stride} take "
                f"{self.image_size} px to maps of {reach:g}, not {MAP_SIZE}; add or drop an entry"
            )
        if self.image_size % (MAP_SIZE * 2 ** len(self.decoder_channels)):
            raise ValueError(
                f"decoder_channels {list(self.decoder_channels)} double {MAP_SIZE} too often for "
                f"{self.image_size} px"
            )
        patches = (self.image_size // self.patch_size) ** 2
        if self.image_size % self.patch_size or self.n_proposals > patches:
            raise ValueError(
                f"patches of {self.patch_size} px cut {self.image_size} px into {patches} "
                f"proposals, n_proposals {self.n_proposals} are wanted"
            )


class PositionEncoder(nn.Module):
    """Picture -> heat maps -> position posterior of every particle (section 3.1).

    Positions come from one perceptron over all heat maps, so particle k is always the same
    output: that is why particles can be regressed to landmarks.
    """

    def __init__(self, shape: Sizes) -> None:
        super().__init__()
        self.maps = FeatureCNN(
            3,
            shape.channels,
            shape.n_keypoints,
            first_kernel=shape.first_kernel,
            first_stride=shape.first_stride,
            norm=shape.norm,
        )
        self.head = mlp(shape.n_keypoints * MAP_SIZE**2, *shape.hidden, 4 * shape.n_keypoints)

    def forward(self, image: Tensor) -> tuple[Tensor, Gaussian]:
        """Heat maps (B, K, 16, 16) and the posterior of positions (B, K, 2), means in [-1, 1]."""
        maps = self.maps(image)
        out = self.head(maps.flatten(1)).view(len(image), -1, 4)
        return maps, Gaussian(out[..., :2].tanh(), out[..., 2:])


class ProposalPrior(nn.Module):
    """Patch-wise spatial-softmax keypoints: the means of the position prior (section 3.2).

    Of all patches the ``n_proposals`` stay whose keypoint lies farthest from the patch centre, or
    whose softmax is narrowest; on a flat patch it is the centre itself, and as wide as can be.
    """

    def __init__(self, shape: Sizes) -> None:
        super().__init__()
        self.patch = shape.patch_size
        self.keep = shape.n_proposals
        self.narrowest = shape.proposal_filter == "variance"
        self.maps = FeatureCNN(3, shape.prior_channels, 1, norm=shape.prior_norm or shape.norm)

    def all_patches(self, image: Tensor) -> tuple[Tensor, Gaussian]:
        """Keypoint of every patch: global position (B, N, 2), and its softmax within the patch.

        The Gaussian (B, N, 2) has the softmax's moments. All are (x, y), the latter in units where
        +-1 are the centres of the patch's outermost pixels.
        """
        batch, channels, height, width = image.shape
        p, rows, cols = self.patch, height // self.patch, width // self.patch
        patches = image.view(batch, channels, rows, p, cols, p).permute(0, 2, 4, 1, 3, 5)
        maps = self.maps(patches.reshape(batch * rows * cols, channels, p, p))[:, 0]
        across = torch.linspace(-1, 1, maps.shape[-1], device=image.device, dtype=image.dtype)
        chances = torch.stack(marginal_softmax(maps), 1).view(batch, rows, cols, 2, -1)
        offset = chances @ across
        variance = chances.detach() @ across.square() - offset.detach().square()
        origin = torch.stack(
            torch.meshgrid(
                torch.arange(cols, device=image.device) * p,
                torch.arange(rows, device=image.device) * p,
                indexing="xy",
            ),
            -1,
        )
        pixel = (offset + 1) / 2 * (p - 1) + origin
        size = torch.tensor([width, height], device=image.device, dtype=image.dtype)
        within = Gaussian(offset.flatten(1, 2), variance.clamp(min=_NARROW).log().flatten(1, 2))
        return ((2 * pixel + 1) / size - 1).flatten(1, 2), within

    def _scores(self, within: Gaussian) -> Tensor:
        """How little a patch (B, N) looks like a flat one, at least 0 by distance."""
        if self.narrowest:
            return -within.log_variance.exp().sum(-1)
        return within.mean.square().sum(-1)

    def forward(self, image: Tensor) -> Tensor:
        """Proposals (B, L, 2) of a picture (B, 3, S, S)."""
        points, within = self.all_patches(image)
        return _taken(points, self._scores(within), self.keep)

    @torch.no_grad()
    def anchors(self, image: Tensor, count: int) -> Tensor:
        """The best proposals for particles to start from, (B, count, 2), apart where possible.

        Patches whose score none of their neighbours surpasses go first, so that one large object
        does not take them all.
        """
        points, within = self.all_patches(image)
        side = image.shape[-1] // self.patch
        scores = self._scores(within)
        scores = scores - scores.amin(1, keepdim=True)
        around = F.max_pool2d(scores.view(-1, 1, side, side), 3, stride=1, padding=1).flatten(1)
        return _taken(points, scores * (1 - _SURPASSED * (scores < around).to(scores)), count)


def _taken(points: Tensor, scores: Tensor, count: int) -> Tensor:
    """The ``count`` of ``points`` (B, N, 2) with the largest ``scores`` (B, N)."""
    kept = scores.topk(count, dim=1).indices
    return points.gather(1, kept.unsqueeze(-1).expand(-1, -1, 2))


class PointMap(nn.Module):
    """All K + 1 particles -> K maps of 16 x 16 through the point-cloud encoder."""

    def __init__(self, shape: Sizes) -> None:
        super().__init__()
        k = shape.n_keypoints
        self.points = PointCloudEncoder(shape.feature_dim, shape.point_channels)
        self.seed_size = MAP_SIZE // 2
        self.seed = nn.Linear(shape.point_channels[-1], k * self.seed_size**2)
        self.up = ConvBlock(k, k, norm=shape.norm, activation="leaky_relu", upsample=True)

    def forward(self, points: Tensor, features: Tensor) -> Tensor:
        """Points (B, K + 1, 2), features (B, K + 1, d) -> (B, K, 16, 16)."""
        seed = self.seed(self.points(points, features)).relu()
        maps: Tensor = self.up(seed.view(len(points), -1, self.seed_size, self.seed_size))
        return maps


class Decoder(nn.Module):
    """Maps of 16 x 16 -> picture; values are not squashed.

    Args:
        inputs: maps that come in.
        shape: sizes of the model.
    """

    def __init__(self, inputs: int, shape: Sizes) -> None:
        super().__init__()
        k, norm = shape.n_keypoints, shape.norm
        widths = [inputs, *shape.decoder_channels]
        last = shape.decoder_last or (k + 1) * (32 // (k + 1) + 1)
        square = shape.image_size // (MAP_SIZE * 2 ** len(shape.decoder_channels))
        self.blocks = nn.Sequential(
            *(
                ConvBlock(a, b, norm=norm, activation="leaky_relu", upsample=True)
                for a, b in itertools.pairwise(widths)
            ),
            ConvBlock(widths[-1], last, norm=norm, activation="leaky_relu"),
        )
        self.head = painting_head(last, square)

    def forward(self, maps: Tensor) -> Tensor:
        """Paint a picture (B, 3, S, S)."""
        image: Tensor = self.head(self.blocks(maps))
        return image
