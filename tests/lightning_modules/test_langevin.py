import pytest
import torch

from lightning_modules.langevin import langevin
from lightning_modules.layers.noise import normal_noise


def noise(step):
    return normal_noise(0, torch.arange(4), step, size=5)


def silence(step):
    return torch.zeros(4, 5)


def test_one_step_is_the_papers_equation():
    z, wanted, d = torch.randn(4, 5), torch.randn(4, 5), 0.3
    moved, _ = langevin(
        z,
        lambda c: (c - wanted).square().sum(1) * 1.7,
        steps=1,
        step_size=d,
        noise=noise,
    )
    slope = 3.4 * (z - wanted) + z
    torch.testing.assert_close(moved, z - d * d / 2 * slope + d * noise(0))


def test_parts_are_moved_in_turn_where_the_others_are_now():
    z = torch.randn(4, 5)
    moved, _ = langevin(
        z, lambda c: c.sum(1).square() / 2, steps=1, step_size=1.0, noise=silence, blocks=(2, 3)
    )
    first = z[:, :2] - 0.5 * (z.sum(1, keepdim=True) + z[:, :2])
    total = first.sum(1, keepdim=True) + z[:, 2:].sum(1, keepdim=True)
    second = z[:, 2:] - 0.5 * (total + z[:, 2:])
    torch.testing.assert_close(moved, torch.cat([first, second], 1))


def test_even_steps_divide_each_parts_gradient_by_its_root_mean_square():
    z, d = torch.randn(4, 5), 0.3
    steep = torch.tensor([1e4, 1e4, 0.01, 0.02, 0.03])
    wanted = torch.randn(4, 5)

    def moved(rows):
        found, _ = langevin(
            z[rows],
            lambda c: ((c - wanted[rows]).square() * steep / 2).sum(1),
            steps=1,
            step_size=d,
            noise=lambda step: noise(step)[rows],
            even=(2, 3),
        )
        return found

    slope = steep * (z - wanted) + z
    scale = torch.cat(
        [
            1 / part.square().mean(1, keepdim=True).sqrt().expand_as(part)
            for part in slope.split([2, 3], 1)
        ],
        1,
    )
    whole = moved(slice(None))
    torch.testing.assert_close(whole, z - d * d / 2 * scale * slope + d * scale.sqrt() * noise(0))
    # A sample's steps are its own, whoever is in the batch.
    assert torch.equal(moved(slice(2, 3)), whole[2:3])


def test_long_chains_sample_the_posterior():
    """Misfit (c - 2)^2 / (2 s^2) under a standard normal prior: mean 2 / (1 + s^2), and so on."""
    s2 = 0.5
    rows = torch.arange(4000)
    z, _ = langevin(
        torch.zeros(4000, 1),
        lambda c: (c - 2).square().sum(1) / (2 * s2),
        steps=400,
        step_size=0.2,
        noise=lambda step: normal_noise(1, rows, step, size=1),
    )
    assert z.mean().item() == pytest.approx(2 / (1 + s2), abs=0.04)
    assert z.std().item() == pytest.approx((s2 / (1 + s2)) ** 0.5, abs=0.03)


def test_the_quiet_tail_has_no_noise_and_its_mean_comes_back():
    z = torch.randn(4, 5)
    seen = []

    def listened(step):
        seen.append(step)
        return noise(step)

    last, quiet = langevin(
        z,
        lambda c: c.square().sum(1),
        steps=6,
        step_size=0.5,
        noise=listened,
        quiet_from=4,
    )
    assert seen == [0, 1, 2, 3]
    before = last / (1 - 0.5**2 / 2 * 3)
    torch.testing.assert_close(quiet, (before + last) / 2)


def test_it_works_in_inference_mode_and_leaves_parameters_alone():
    weight = torch.nn.Parameter(torch.ones(5))
    with torch.inference_mode():
        z = torch.randn(4, 5)
        before = z.clone()
        moved, _ = langevin(
            z, lambda c: (c * weight).square().sum(1), steps=2, step_size=0.1, noise=noise
        )
    assert weight.grad is None and torch.equal(z, before) and not torch.equal(moved, before)
    assert not moved.requires_grad
