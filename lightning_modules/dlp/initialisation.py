"""Starting weights for short budgets; the paper's own are the layers' defaults.

The paper starts every particle near the picture's centre with a standard deviation of one, ten
times the prior's: for the first thousands of steps a position is noise, and the decoder learns to
do without it. Budgets of minutes cannot wait that long.
"""

from __future__ import annotations

import torch
from torch import nn

from lightning_modules.dlp.network import MaskedDLP
from lightning_modules.dlp.object_network import ObjectDLP
from lightning_modules.dlp.object_parts import ProposalPositions
from lightning_modules.layers.blocks import ConvBlock, FeatureCNN
from lightning_modules.layers.points import sunflower

_RADIUS = 0.7
_LOG_VARIANCE = -8.0
_FEATURE_LOG_VARIANCE = -4.0
_GREY = 0.45


@torch.no_grad()
def spread_particles(network: MaskedDLP | ObjectDLP) -> None:
    """Differs from the paper: particles start apart and nearly certain, convolutions at scale.

    Convolutions start as He et al. (2015) have it, heat maps included: from the paper's tiny ones,
    every step of Adam is a tenth of the weight and positions jump about. The picture starts as
    grey, and particles on a spiral over its middle, or on their anchors, with log-variance -8.
    Features of an object model start with -4, and its glimpses' maps at scale too: else what is
    painted stays grey for the first thousand steps.
    """
    for module in network.modules():
        if isinstance(module, ConvBlock):
            nn.init.kaiming_normal_(module.conv.weight, nonlinearity="relu")
    towers = [network.position.maps, network.prior.maps]
    if isinstance(network, ObjectDLP):
        towers += _glimpse_towers(network)
        _make_features_certain(network)
    for tower in towers:
        assert isinstance(tower.head, nn.Conv2d)
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


def _glimpse_towers(network: ObjectDLP) -> list[FeatureCNN]:
    position = network.position
    more = [position.offset.cnn] if isinstance(position, ProposalPositions) else []
    return [network.appearance.cnn, *more]


def _make_features_certain(network: ObjectDLP) -> None:
    shape = network.shape
    for perceptron, numbers in (
        (network.appearance.head, shape.feature_dim + shape.extras),
        (network.background, shape.feature_dim),
    ):
        last = perceptron[-1]
        assert isinstance(last, nn.Linear)
        last.bias[numbers : 2 * numbers] = _FEATURE_LOG_VARIANCE
