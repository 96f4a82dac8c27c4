"""The plain reference and the suite's object model are the same function, gradients included."""

import pytest
import torch

from benchmarks.perf.plain_objects import PlainObjectDLP
from lightning_modules.dlp.losses import chamfer_kl, feature_kl
from lightning_modules.dlp.object_network import ObjectDLP
from lightning_modules.dlp.parts import Gaussian
from tests.benchmarks.perf.test_plain import spread_out
from tests.lightning_modules.dlp.test_object_network import SECOND, SMALL

BETA = 0.1


def vectorised(network: ObjectDLP, image: torch.Tensor, pair: torch.Tensor) -> torch.Tensor:
    posterior, drawn = network.encode(image, sample=False)
    rebuilt = network.decode(drawn)
    position = Gaussian(*(v[:, :-1] for v in posterior.position))
    chamfer = chamfer_kl(*position, network.prior(pair), network.shape.sigma)
    reconstruction = (rebuilt - image).square().flatten(1).sum(1).mean()
    return reconstruction + BETA * (chamfer + 1e-3 * feature_kl(*posterior.feature))


@pytest.mark.parametrize("training", [True, False])
def test_the_plain_reference_gives_the_same_loss_and_gradients(training):
    torch.manual_seed(0)
    network = spread_out(ObjectDLP(SMALL)).double().train(training)
    image, pair = torch.rand(2, 3, 3, 64, 64).double()
    torch.set_default_dtype(torch.float64)
    try:
        ours = vectorised(network, image, pair)
        ours.backward()
        gradients = {n: p.grad.clone() for n, p in network.named_parameters()}
        network.zero_grad()
        plain = PlainObjectDLP(network).losses(image, pair, BETA)
        plain.backward()
    finally:
        torch.set_default_dtype(torch.float32)
    torch.testing.assert_close(ours, plain, rtol=1e-8, atol=1e-8)
    for name, parameter in network.named_parameters():
        torch.testing.assert_close(parameter.grad, gradients[name], rtol=1e-5, atol=1e-5, msg=name)


def test_the_second_version_has_no_reference():
    with pytest.raises(ValueError, match="second version"):
        PlainObjectDLP(ObjectDLP(SECOND))
