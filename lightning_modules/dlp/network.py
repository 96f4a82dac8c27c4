"""The masked DLP model: position encoder, proposals, appearance, PointNet++ map, decoder.

Daniel and Tamar, ICML 2022, section 3 and appendix. Section numbers in the docstrings are those of
the paper's own parts; every width is an argument, its default the paper's CelebA model.
Differs from the released code: coordinates are (x, y) instead of (row, column), and every map
lives on pixel centres instead of a grid that touches the picture's edge (at most half a pixel).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lightning_modules.layers.blocks import (
    ConvBlock,
    FeatureCNN,
    Norm,
    mlp,
    painting_head,
)
from lightning_modules.layers.pointnet import PointCloudEncoder
from lightning_modules.layers.points import gaussian_maps, glimpses, marginal_softmax

MAP_SIZE = 16
BACKGROUND_LOG_VARIANCE = math.log(0.01)
MASK_THRESHOLD = 0.2


class Gaussian(NamedTuple):
    """A diagonal Gaussian: mean and log-variance of equal shape."""

    mean: Tensor
    log_variance: Tensor

    def sample(self) -> Tensor:
        """One reparametrised sample."""
        return self.mean + (0.5 * self.log_variance).exp() * torch.randn_like(self.mean)


@dataclass(frozen=True)
class MaskedShape:
    """Sizes of a masked model; the defaults are the paper's CelebA model (128 px, K = 30).

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

    def __init__(self, shape: MaskedShape) -> None:
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

    Of all patches the ``n_proposals`` stay whose keypoint lies farthest from the patch centre; on
    a flat patch it is the centre itself.
    """

    def __init__(self, shape: MaskedShape) -> None:
        super().__init__()
        self.patch = shape.patch_size
        self.keep = shape.n_proposals
        self.maps = FeatureCNN(3, shape.prior_channels, 1, norm=shape.norm)

    def all_patches(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Keypoint of every patch: global position (B, N, 2), offset in the patch (B, N, 2).

        Both (x, y); offsets in [-1, 1], +-1 at the centres of the patch's outermost pixels.
        """
        batch, channels, height, width = image.shape
        p, rows, cols = self.patch, height // self.patch, width // self.patch
        patches = image.view(batch, channels, rows, p, cols, p).permute(0, 2, 4, 1, 3, 5)
        maps = self.maps(patches.reshape(batch * rows * cols, channels, p, p))[:, 0]
        across = torch.linspace(-1, 1, maps.shape[-1], device=image.device, dtype=image.dtype)
        over_cols, over_rows = marginal_softmax(maps)
        offset = torch.stack([over_cols @ across, over_rows @ across], -1)
        offset = offset.view(batch, rows, cols, 2)
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
        return ((2 * pixel + 1) / size - 1).flatten(1, 2), offset.flatten(1, 2)

    def forward(self, image: Tensor) -> Tensor:
        """Proposals (B, L, 2) of a picture (B, 3, S, S)."""
        points, offset = self.all_patches(image)
        kept = offset.square().sum(-1).topk(self.keep, dim=1).indices
        return points.gather(1, kept.unsqueeze(-1).expand(-1, -1, 2))


class AppearanceEncoder(nn.Module):
    """Heat-map glimpses at the particles, and the rest of the maps, -> features (section 3.3).

    Takes detached maps and positions: no gradient from appearance to position.
    """

    def __init__(self, shape: MaskedShape) -> None:
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


class PointMap(nn.Module):
    """All K + 1 particles -> K maps of 16 x 16 through the point-cloud encoder."""

    def __init__(self, shape: MaskedShape) -> None:
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

    def __init__(self, inputs: int, shape: MaskedShape) -> None:
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


class Particles(NamedTuple):
    """Posterior of a picture, the background particle last.

    Shapes: ``maps`` (B, K, 16, 16); ``position`` of (B, K + 1, 2); ``feature`` of (B, K + 1, d).
    """

    maps: Tensor
    position: Gaussian
    feature: Gaussian


class MaskedDLP(nn.Module):
    """Deep Latent Particles with the masked decoder, for pictures of one object such as a face."""

    def __init__(self, shape: MaskedShape) -> None:
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

    def encode(self, image: Tensor, *, sample: bool) -> tuple[Particles, Tensor, Tensor]:
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
        origin = torch.zeros_like(points[:, :1])
        constant = torch.full_like(origin, BACKGROUND_LOG_VARIANCE)
        position = Gaussian(
            torch.cat([position.mean, origin], 1), torch.cat([position.log_variance, constant], 1)
        )
        points = torch.cat([points, origin], 1)
        return Particles(maps, position, feature), points, features

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

    def forward(self, image: Tensor, prior_image: Tensor) -> tuple[Tensor, Particles, Tensor]:
        """Reconstruction, posterior and proposals (B, L, 2) of a picture and its second view."""
        particles, points, features = self.encode(image, sample=True)
        return self.decode(points, features, particles.maps), particles, self.prior(prior_image)
