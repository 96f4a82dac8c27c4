"""The object DLP model as the paper reads: one particle after the other over the full canvas.

Weights and numbers are those of `ObjectDLP`; see `benchmarks.perf.plain` for what a plain reference
is. A glimpse is cut out by shifting the whole picture, and put into place by padding it to the
picture's size and shifting that; particles are laid over each other in a loop.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.perf.plain import PlainParticles
from lightning_modules.dlp.losses import feature_kl
from lightning_modules.dlp.object_network import Drawn, ObjectDLP
from lightning_modules.dlp.parts import MAP_SIZE, Gaussian, PointMap
from lightning_modules.layers.points import pixel_centres


class PlainObjectDLP(PlainParticles):
    """Loops around the layers of an `ObjectDLP` that is built as in the paper.

    Args:
        network: the model whose weights are used.
    """

    def __init__(self, network: ObjectDLP) -> None:
        shape = network.shape
        if shape.extras or shape.background_sees == "feature" or shape.position_from == "proposals":
            raise ValueError("the plain reference has none of the second version's options")
        super().__init__(shape, network.prior, cast(PointMap, network.point_map))
        self.network = network
        self.side, self.ratio = shape.glimpse_side, shape.glimpse_ratio

    def losses(self, image: Tensor, prior_image: Tensor, beta_kl: float) -> Tensor:
        """The training loss with the posterior's means in place of samples, MSE reconstruction."""
        network = self.network
        maps, position = network.position(image)
        points, seen = position.mean, maps.detach()
        presence = network.presence(seen.flatten(1)).sigmoid()
        crops = self._crops(image, points.detach())
        feature = Gaussian(*network.appearance(crops).chunk(2, -1))
        behind = (seen * self._outside(points.detach())).flatten(1)
        mean, log_variance = network.background(behind).unsqueeze(1).chunk(2, -1)
        drawn = Drawn(points, feature.mean, mean[:, 0], presence, points, None)
        rebuilt = self.decode(drawn)
        reconstruction = (rebuilt - image).square().sum() / len(image)
        chamfer = self.chamfer(points, position.log_variance, self.proposals(prior_image))
        whole = Gaussian(
            torch.cat([feature.mean, mean], 1), torch.cat([feature.log_variance, log_variance], 1)
        )
        loss: Tensor = reconstruction + beta_kl * (chamfer + 1e-3 * feature_kl(*whole))
        return loss

    def decode(self, drawn: Drawn) -> Tensor:
        """Paint a picture (B, 3, S, S)."""
        painted = self.network.painter(drawn.features)
        return self.compose(painted, drawn, self._background(drawn))

    def compose(self, painted: Tensor, drawn: Drawn, background: Tensor) -> Tensor:
        """Every glimpse (B, K, 4, S, S) on a canvas of its own, then one over the other."""
        count, side = painted.shape[1], self.side
        edge = (self.shape.image_size - side) // 2
        canvases = []
        for k in range(count):
            padded = F.pad(painted[:, k], (edge, edge, edge, edge))
            canvases.append(_shift(padded, -drawn.points[:, k]).clamp(0, 1))
        picture = torch.zeros_like(background)
        taken = torch.zeros_like(background[:, :1])
        for k, canvas in enumerate(canvases):
            alpha = canvas[:, :1] * drawn.presence[:, k].view(-1, 1, 1, 1)
            weight = torch.minimum(1 - taken.detach(), alpha)
            taken = taken + weight
            picture = picture + weight * canvas[:, 1:]
        return picture + (1 - taken.clamp(0, 1)) * background

    def _background(self, drawn: Drawn) -> Tensor:
        points = drawn.points
        cloud = torch.cat([points, torch.zeros_like(points[:, :1])], 1)
        features = torch.cat([drawn.features.detach(), drawn.background.unsqueeze(1)], 1)
        maps = torch.cat([self.gaussians(points), self.cloud_map(cloud, features)], 1)
        image: Tensor = self.network.decoder(maps)
        return image

    def _crops(self, image: Tensor, points: Tensor) -> Tensor:
        """Each particle's glimpse: shift the picture so that it is in the middle, then cut."""
        side, size = self.side, self.shape.image_size
        low = (size - side) // 2
        crops = [
            _shift(image, points[:, k])[:, :, low : low + side, low : low + side]
            for k in range(points.shape[1])
        ]
        return torch.stack(crops, 1)

    def _outside(self, points: Tensor) -> Tensor:
        """Cells of the heat maps that no glimpse covers, one square after the other."""
        centres = pixel_centres(MAP_SIZE, like=points)
        rows, cols = torch.meshgrid(centres, centres, indexing="ij")
        union = torch.zeros(len(points), MAP_SIZE, MAP_SIZE)
        for k in range(points.shape[1]):
            x, y = points[:, k, 0, None, None], points[:, k, 1, None, None]
            square = ((rows - y).abs() <= self.ratio) & ((cols - x).abs() <= self.ratio)
            union = (union + square.float()).clamp(0, 1)
        return 1 - union.unsqueeze(1)


def _shift(picture: Tensor, towards: Tensor) -> Tensor:
    """The whole picture (B, C, S, S) shifted so that ``towards`` (B, 2) comes into its middle."""
    theta = torch.eye(2, 3).repeat(len(picture), 1, 1)
    theta = torch.cat([theta[:, :, :2], towards.unsqueeze(-1)], 2)
    grid = F.affine_grid(theta, list(picture.shape), align_corners=False)
    return F.grid_sample(picture, grid, align_corners=False)
