import pytest
import torch

from benchmarks.perf.plain_deformable import PlainDeformable
from lightning_modules.deformable.network import Generators, GeneratorShape
from lightning_modules.langevin import langevin
from lightning_modules.layers.noise import normal_noise


def test_the_plain_reference_gives_the_same_codes_loss_and_gradients():
    torch.manual_seed(0)
    generators = Generators(GeneratorShape())
    image = torch.rand(3, 3, 64, 64)
    codes, steps, sigma = torch.randn(3, 128), 8, 1.0
    noise = [normal_noise(0, torch.arange(3), step, size=128) for step in range(steps)]

    plain_codes, plain_loss = PlainDeformable(generators, sigma, 0.1).visit(image, codes, noise)
    plain = [p.grad.clone() for p in generators.parameters()]
    generators.zero_grad()

    moved, _ = langevin(
        codes,
        lambda z: generators.error(generators(z).picture, image) / (2 * sigma**2),
        steps=steps,
        step_size=0.1,
        noise=noise.__getitem__,
    )
    loss = generators.error(generators(moved).picture, image).mean() / 2
    loss.backward()
    torch.testing.assert_close(moved, plain_codes, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(loss, plain_loss, atol=1e-4, rtol=1e-4)
    for parameter, wanted in zip(generators.parameters(), plain, strict=True):
        assert (parameter.grad - wanted).norm() < 1e-3 * wanted.norm()


def test_without_geometry_there_is_no_reference():
    with pytest.raises(ValueError, match="has a geometry"):
        PlainDeformable(Generators(GeneratorShape(geometry_dim=0)), 1.0, 0.1)
