import pytest
import torch

from benchmarks.perf.plain_ddr import PlainDDR
from lightning_modules.ddr.network import Noise
from tests.lightning_modules.ddr.made import clips, made


def test_the_plain_reference_gives_the_same_bound_and_gradients():
    network, clip = made(draw=4).network, clips(3, 4)
    noise = Noise(torch.randn(3, 5), torch.randn(3, 4, 2))
    plain_loss = PlainDDR(network).loss(clip, noise)
    plain_loss.backward()
    plain = [p.grad.clone() for p in network.parameters()]
    network.zero_grad()
    parts = network(clip, noise).parts()
    loss = (parts["kl_where"] + parts["kl_what"] - parts["reconstruction"]).mean()
    loss.backward()
    torch.testing.assert_close(loss, plain_loss)
    for parameter, wanted in zip(network.parameters(), plain, strict=True):
        torch.testing.assert_close(parameter.grad, wanted, rtol=1e-3, atol=1e-4)
        assert wanted.abs().max() > 0


def test_other_ways_of_comparing_have_no_reference():
    with pytest.raises(ValueError, match="compares frames once and concatenates"):
        PlainDDR(made(pairing="both").network)
