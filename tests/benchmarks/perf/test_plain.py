"""The plain reference and the suite's model are the same function, gradients included."""

import pytest
import torch

from benchmarks.perf.plain import PlainMaskedDLP
from lightning_modules.dlp.losses import chamfer_kl, feature_kl
from lightning_modules.dlp.network import MaskedDLP
from lightning_modules.dlp.parts import Sizes

SHAPE = Sizes(
    image_size=64,
    n_keypoints=6,
    n_proposals=20,
    channels=(8, 16, 16),
    prior_channels=(4, 8),
    hidden=(32, 16),
    point_channels=(16, 24),
    decoder_channels=(16, 8),
    decoder_last=8,
)
BETA = 0.1


def spread_out(network):
    """Weights as after some training: points apart, heat maps of size one, patches that differ."""
    torch.manual_seed(1)
    with torch.no_grad():
        network.position.maps.head.weight.mul_(100)
        network.prior.maps.head.weight.mul_(1000)
        network.position.head[-1].bias.uniform_(-1, 1)
    return network


def vectorised(network: MaskedDLP, image: torch.Tensor, pair: torch.Tensor) -> torch.Tensor:
    particles, points, features = network.encode(image, sample=False)
    rebuilt = network.decode(points, features, particles.maps)
    chamfer = chamfer_kl(*particles.position, network.prior(pair), SHAPE.sigma)
    reconstruction = (rebuilt - image).square().flatten(1).sum(1).mean()
    return reconstruction + BETA * (chamfer + 1e-3 * feature_kl(*particles.feature))


@pytest.mark.parametrize("training", [True, False])
def test_the_plain_reference_gives_the_same_loss_and_gradients(training):
    torch.manual_seed(0)
    network = spread_out(MaskedDLP(SHAPE)).double().train(training)
    image, pair = torch.rand(3, 3, 64, 64).double(), torch.rand(3, 3, 64, 64).double()
    torch.set_default_dtype(torch.float64)
    try:
        ours = vectorised(network, image, pair)
        ours.backward()
        gradients = {n: p.grad.clone() for n, p in network.named_parameters() if p.grad is not None}
        network.zero_grad()
        plain = PlainMaskedDLP(network).losses(image, pair, BETA)
        plain.backward()
    finally:
        torch.set_default_dtype(torch.float32)
    torch.testing.assert_close(ours, plain, rtol=1e-8, atol=1e-8)
    for name, parameter in network.named_parameters():
        if name in gradients:
            assert parameter.grad is not None, name
            torch.testing.assert_close(
                parameter.grad, gradients[name], rtol=1e-5, atol=1e-5, msg=name
            )
