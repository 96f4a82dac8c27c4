"""Starting weights for short budgets; the paper's own are the layers' defaults.

The paper starts every particle near the picture's centre with a standard deviation of one, ten
times the prior's: for the first thousands of steps a position is noise, and the decoder learns to
do without it. Budgets of minutes cannot wait that long.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from lightning_modules.dlp.network import MaskedDLP
from lightning_modules.dlp.object_network import ObjectDLP
from lightning_modules.dlp.object_parts import ProposalPositions
from lightning_modules.layers.blocks import ConvBlock

_RADIUS = 0.7
_LOG_VARIANCE = -8.0
_GREY = 0.45


def sunflower(count: int, radius: float, *, like: Tensor) -> Tensor:
    """Evenly spread points (count, 2) on a disc: Vogel's spiral."""
    k = torch.arange(count, device=like.device, dtype=like.dtype) + 0.5
    angle, distance = k * math.pi * (3 - math.sqrt(5)), (k / count).sqrt() * radius
    return torch.stack([distance * angle.cos(), distance * angle.sin()], -1)


@torch.no_grad()
def spread_particles(network: MaskedDLP | ObjectDLP) -> None:
    """Differs from the paper: particles start apart and nearly certain, convolutions at scale.

    Convolutions start as He et al. (2015) have it, heat maps included: from the paper's tiny ones,
    every step of Adam is a tenth of the weight and positions jump about. The picture starts as
    grey, and particles on a spiral over its middle, or on their anchors, with log-variance -8.
    """
    for module in network.modules():
        if isinstance(module, ConvBlock):
            nn.init.kaiming_normal_(module.conv.weight, nonlinearity="relu")
    for tower in (network.position.maps, network.prior.maps):
        nn.init.kaiming_normal_(tower.head.weight)
    painter = network.decoder.head[0]
    assert isinstance(painter, nn.Conv2d) and painter.bias is not None
    painter.bias.fill_(_GREY)
    position = network.position
    reader = position.offset if isinstance(position, ProposalPositions) else position
    last = reader.head[-1]
    assert isinstance(last, nn.Linear)
    last.weight.mul_(0.1)
    start = last.bias.view(-1, 4)
    spiral = sunflower(len(start), _RADIUS, like=start)
    start[:, :2] = torch.atanh(spiral) if reader is position else 0
    start[:, 2:] = _LOG_VARIANCE
