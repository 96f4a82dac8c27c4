"""The message-passing point-cloud encoder of DLP's decoder, on dense tensors.

DLP calls it PointNet++ but pools only once, at the end: every point keeps its nearest neighbours
in the plane through all layers. A picture has a few tens of points, so the graph is a dense index
tensor and one gather; no graph library is needed.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn


def nearest_neighbours(points: Tensor, k: int) -> Tensor:
    """Indices (B, N, k) of the ``k`` nearest points of each of ``points`` (B, N, 2), itself first.

    ``k`` is capped at the number of points.
    """
    distance = torch.cdist(points, points)
    return distance.topk(min(k, points.shape[1]), dim=-1, largest=False).indices


def gather_neighbours(values: Tensor, neighbours: Tensor) -> Tensor:
    """``values`` (B, N, C) of the ``neighbours`` (B, N, k): (B, N, k, C)."""
    batch, count, k = neighbours.shape
    flat = neighbours.reshape(batch, count * k, 1).expand(-1, -1, values.shape[-1])
    return values.gather(1, flat).view(batch, count, k, -1)


class MessageLayer(nn.Module):
    """h_i <- ReLU(max_j MLP([h_j, p_j - p_i])), with batch normalisation after each linear layer.

    The first linear layer acts on a sum, so it is applied to the points before they are gathered:
    the same numbers with k times fewer products.

    Args:
        inputs: features of a point.
        outputs: features that come out.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Linear(inputs + 2, outputs)
        self.first_norm = nn.BatchNorm1d(outputs)
        self.second = nn.Linear(outputs, outputs)
        self.second_norm = nn.BatchNorm1d(outputs)

    def forward(self, features: Tensor, points: Tensor, neighbours: Tensor) -> Tensor:
        """Features (B, N, inputs) at ``points`` (B, N, 2) -> (B, N, outputs)."""
        from_points = points @ self.first.weight[:, -2:].T
        sent = self.first(torch.cat([features, points], -1))
        message = gather_neighbours(sent, neighbours) - from_points.unsqueeze(2)
        shape = message.shape
        message = self.first_norm(message.flatten(0, 2)).relu()
        message = self.second_norm(self.second(message))
        received: Tensor = message.view(shape).amax(2).relu()
        return received


class PointCloudEncoder(nn.Module):
    """A set of points with features -> one vector.

    Args:
        inputs: features of a point (its position is added to them).
        channels: widths of the message layers.
        neighbours: size of a point's neighbourhood, itself included.

    Shapes: points (B, N, 2), features (B, N, inputs) -> (B, channels[-1]).
    """

    def __init__(self, inputs: int, channels: Sequence[int], neighbours: int = 10) -> None:
        super().__init__()
        widths = [inputs + 2, *channels]
        self.neighbours = neighbours
        self.layers = nn.ModuleList(MessageLayer(a, b) for a, b in itertools.pairwise(widths))

    def forward(self, points: Tensor, features: Tensor) -> Tensor:
        """Encode the set; no gradient reaches ``points``."""
        points = points.detach()
        neighbours = nearest_neighbours(points, self.neighbours)
        hidden = torch.cat([points, features], -1)
        for layer in self.layers:
            hidden = layer(hidden, points, neighbours)
        pooled: Tensor = hidden.amax(1)
        return pooled
