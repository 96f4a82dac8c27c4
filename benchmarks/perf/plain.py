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
from lightning_modules.dlp.parts import BACKGROUND_LOG_VARIANCE, MAP_SIZE, Gaussian
from lightning_modules.layers.pointnet import MessageLayer
from lightning_modules.layers.points import pixel_centres


class PlainMaskedDLP:
    """Loops around the layers of a `MaskedDLP`.

    Args:
        network: the model whose weights are used.
    """

    def __init__(self, network: MaskedDLP) -> None:
        self.network = network
        self.shape = network.shape

    def losses(self, image: Tensor, prior_image: Tensor, beta_kl: float) -> Tensor:
        """The training loss with the posterior's means in place of samples, MSE reconstruction."""
        maps, position = self.network.position(image)
        points = position.mean
        gaussians, background = self._gaussians(points)
        feature = self._features(maps.detach(), points.detach(), background)
        origin = torch.zeros_like(points[:, :1])
        constant = torch.full_like(origin, BACKGROUND_LOG_VARIANCE)
        points = torch.cat([points, origin], 1)
        log_variance = torch.cat([position.log_variance, constant], 1)
        painted = self._point_map(points, feature.mean)
        rebuilt = self.network.decoder(
            torch.cat([gaussians, (1 - background) * painted, background * maps.detach()], 1)
        )
        reconstruction = (rebuilt - image).square().sum() / len(image)
        chamfer = self._chamfer(points, log_variance, self._proposals(prior_image))
        loss: Tensor = reconstruction + beta_kl * (chamfer + 1e-3 * feature_kl(*feature))
        return loss

    def _gaussians(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """One full grid of squared distances a particle; the union of masks by a running sum."""
        centres = pixel_centres(MAP_SIZE, like=points)
        rows, cols = torch.meshgrid(centres, centres, indexing="ij")
        maps, union = [], torch.zeros(len(points), MAP_SIZE, MAP_SIZE)
        for k in range(points.shape[1]):
            x, y = points[:, k, 0, None, None], points[:, k, 1, None, None]
            map_k = torch.exp(-0.5 * ((cols - x) ** 2 + (rows - y) ** 2) / self.shape.sigma**2)
            maps.append(map_k)
            union = (union + (map_k.detach() > MASK_THRESHOLD).float()).clamp(0, 1)
        return torch.stack(maps, 1), 1 - union.unsqueeze(1)

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

    def _point_map(self, points: Tensor, features: Tensor) -> Tensor:
        """Message passing with explicit edges; batch statistics over all pictures' messages."""
        point_map = self.network.point_map
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

    def _proposals(self, image: Tensor) -> Tensor:
        """Every patch cut out by itself; all go through the network as one batch."""
        prior, patch = self.network.prior, self.shape.patch_size
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

    def _chamfer(self, mean: Tensor, log_variance: Tensor, prior: Tensor) -> Tensor:
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
