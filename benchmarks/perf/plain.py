"""The masked DLP model as the paper reads: one particle, one patch, one pair of points at a time.

The yardstick of `benchmarks.perf`: the same weights, the same numbers, and none of the care. A
glimpse is a mask and a shift of the whole map, then a slice; Gaussian maps are painted particle by
particle over the full grid; the Chamfer-KL runs over pairs; the point cloud's neighbours are
gathered picture by picture.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from lightning_modules.dlp.losses import feature_kl
from lightning_modules.dlp.network import MASK_THRESHOLD, MaskedDLP
from lightning_modules.dlp.parts import (
    BACKGROUND_LOG_VARIANCE,
    MAP_SIZE,
    Gaussian,
    PointMap,
    ProposalPrior,
    Sizes,
)
from lightning_modules.layers.pointnet import MessageLayer
from lightning_modules.layers.points import pixel_centres


class PlainParticles:
    """What the plain references of both models share.

    Args:
        shape: sizes of the model.
        prior: its proposals.
        point_map: its point-cloud map.
    """

    def __init__(self, shape: Sizes, prior: ProposalPrior, point_map: PointMap) -> None:
        self.shape, self.prior, self.point_map = shape, prior, point_map

    def gaussians(self, points: Tensor) -> Tensor:
        """One full grid of squared distances a particle, (B, K, 16, 16)."""
        centres = pixel_centres(MAP_SIZE, like=points)
        rows, cols = torch.meshgrid(centres, centres, indexing="ij")
        maps = []
        for k in range(points.shape[1]):
            x, y = points[:, k, 0, None, None], points[:, k, 1, None, None]
            maps.append(torch.exp(-0.5 * ((cols - x) ** 2 + (rows - y) ** 2) / self.shape.sigma**2))
        return torch.stack(maps, 1)

    def cloud_map(self, points: Tensor, features: Tensor) -> Tensor:
        """Message passing with explicit edges; batch statistics over all pictures' messages."""
        point_map = self.point_map
        cloud = point_map.points
        points = points.detach()
        senders, receivers = [], []
        count = points.shape[1]
        for b in range(len(points)):
            for i in range(count):
                distance = (points[b] - points[b, i]).norm(dim=-1)
                near = distance.topk(min(cloud.neighbours, count), largest=False).indices
                senders.append(b * count + near)
                receivers.append(torch.full_like(near, b * count + i))
        sender, receiver = torch.cat(senders), torch.cat(receivers)
        place = points.flatten(0, 1)
        hidden = torch.cat([place, features.flatten(0, 1)], -1)
        for layer in cloud.layers:
            assert isinstance(layer, MessageLayer)
            edge = torch.cat([hidden[sender], place[sender] - place[receiver]], -1)
            message = layer.first_norm(layer.first(edge)).relu()
            message = layer.second_norm(layer.second(message))
            hidden = message.view(len(hidden), -1, message.shape[-1]).amax(1).relu()
        pooled = hidden.view(len(points), count, -1).amax(1)
        seed = point_map.seed(pooled).relu()
        grid = point_map.seed_size
        maps: Tensor = point_map.up(seed.view(len(points), -1, grid, grid))
        return maps

    def proposals(self, image: Tensor) -> Tensor:
        """Every patch cut out by itself; all go through the network as one batch."""
        prior, patch = self.prior, self.shape.patch_size
        side = image.shape[-1] // patch
        cells = [(row, col) for row in range(side) for col in range(side)]
        patches = [
            image[:, :, row * patch : (row + 1) * patch, col * patch : (col + 1) * patch]
            for row, col in cells
        ]
        maps = prior.maps(torch.stack(patches, 1).flatten(0, 1)).view(len(image), len(cells), -1)
        grid = int(maps.shape[-1] ** 0.5)
        across = torch.linspace(-1, 1, grid)
        points, offsets = [], []
        for n, (row, col) in enumerate(cells):
            logits = maps[:, n].view(-1, grid, grid)
            x = (logits.mean(1).softmax(-1) * across).sum(-1)
            y = (logits.mean(2).softmax(-1) * across).sum(-1)
            offset = torch.stack([x, y], -1)
            pixel = (offset + 1) / 2 * (patch - 1) + torch.tensor([col * patch, row * patch])
            points.append((2 * pixel + 1) / image.shape[-1] - 1)
            offsets.append(offset.square().sum(-1))
        kept = torch.stack(offsets, 1).topk(self.shape.n_proposals, dim=1).indices
        return torch.stack([torch.stack(points, 1)[b, kept[b]] for b in range(len(image))])

    def chamfer(self, mean: Tensor, log_variance: Tensor, prior: Tensor) -> Tensor:
        """Both sums of the Chamfer-KL, one particle and one proposal at a time."""
        t2 = self.shape.sigma**2
        table = []
        for i in range(mean.shape[1]):
            row = []
            for j in range(prior.shape[1]):
                ratio = log_variance[:, i].exp() / t2
                gap = (mean[:, i] - prior[:, j]) ** 2 / t2
                row.append(0.5 * (ratio - ratio.log() - 1 + gap).sum(-1))
            table.append(torch.stack(row, -1))
        kl = torch.stack(table, 1)
        return (kl.amin(2).sum(1) + kl.amin(1).sum(1)).mean()


class PlainMaskedDLP(PlainParticles):
    """Loops around the layers of a `MaskedDLP`.

    Args:
        network: the model whose weights are used.
    """

    def __init__(self, network: MaskedDLP) -> None:
        super().__init__(network.shape, network.prior, network.point_map)
        self.network = network

    def losses(self, image: Tensor, prior_image: Tensor, beta_kl: float) -> Tensor:
        """The training loss with the posterior's means in place of samples, MSE reconstruction."""
        maps, position = self.network.position(image)
        points = position.mean
        gaussians = self.gaussians(points)
        background = 1 - self._union(gaussians)
        feature = self._features(maps.detach(), points.detach(), background)
        origin = torch.zeros_like(points[:, :1])
        constant = torch.full_like(origin, BACKGROUND_LOG_VARIANCE)
        points = torch.cat([points, origin], 1)
        log_variance = torch.cat([position.log_variance, constant], 1)
        painted = self.cloud_map(points, feature.mean)
        rebuilt = self.network.decoder(
            torch.cat([gaussians, (1 - background) * painted, background * maps.detach()], 1)
        )
        reconstruction = (rebuilt - image).square().sum() / len(image)
        chamfer = self.chamfer(points, log_variance, self.proposals(prior_image))
        loss: Tensor = reconstruction + beta_kl * (chamfer + 1e-3 * feature_kl(*feature))
        return loss

    def _union(self, gaussians: Tensor) -> Tensor:
        """Union of the particles' masks by a running sum."""
        union = torch.zeros_like(gaussians[:, 0])
        for k in range(gaussians.shape[1]):
            union = (union + (gaussians[:, k].detach() > MASK_THRESHOLD).float()).clamp(0, 1)
        return union.unsqueeze(1)

    def _features(self, maps: Tensor, points: Tensor, background: Tensor) -> Gaussian:
        """Each particle's glimpse: shift all maps to the picture's centre, then cut it out."""
        appearance = self.network.appearance
        side, size = appearance.side, MAP_SIZE
        low = (size - side) // 2
        out = []
        for k in range(points.shape[1]):
            shift = torch.eye(2, 3).repeat(len(maps), 1, 1)
            shift[:, :, 2] = points[:, k]
            grid = F.affine_grid(shift, list(maps.shape), align_corners=False)
            centred = F.grid_sample(maps, grid, align_corners=False)
            crop = centred[:, :, low : low + side, low : low + side].flatten(1)
            out.append(appearance.particle(torch.cat([crop, points[:, k]], -1)))
        out.append(appearance.background((maps * background).flatten(1)))
        mean, log_variance = torch.stack(out, 1).chunk(2, -1)
        return Gaussian(mean, log_variance)
