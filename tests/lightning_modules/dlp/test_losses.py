"""Chamfer-KL and feature KL against numbers worked out by hand and against torch.distributions."""

import math

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from lightning_modules.dlp.losses import chamfer_kl, feature_kl, pairwise_position_kl

SIGMA = 0.1
LOG_VARIANCE = 2 * math.log(SIGMA)


def constant(mean):
    return torch.full_like(mean, LOG_VARIANCE)


def test_equal_gaussians_have_no_chamfer_kl():
    mean = torch.tensor([[[0.3, -0.2]]])
    assert chamfer_kl(mean, constant(mean), mean, SIGMA).item() == pytest.approx(0, abs=1e-6)


def test_a_shift_of_one_sigma_costs_half_a_nat_each_way():
    mean = torch.tensor([[[0.3, -0.2]]])
    shifted = mean + torch.tensor([0.1, 0.0])
    assert chamfer_kl(mean, constant(mean), shifted, SIGMA).item() == pytest.approx(1.0, abs=1e-5)


def test_pairwise_kl_agrees_with_torch_distributions():
    torch.manual_seed(0)
    mean, log_variance, prior = torch.randn(2, 4, 2), torch.randn(2, 4, 2), torch.randn(2, 3, 2)
    ours = pairwise_position_kl(mean, log_variance, prior, SIGMA)
    q = Normal(mean[:, :, None], (0.5 * log_variance[:, :, None]).exp())
    wanted = kl_divergence(q, Normal(prior[:, None], SIGMA)).sum(-1)
    torch.testing.assert_close(ours, wanted, rtol=1e-5, atol=1e-3)


def test_sets_have_no_order():
    torch.manual_seed(1)
    mean, prior = torch.randn(2, 5, 2), torch.randn(2, 7, 2)
    log_variance = torch.randn(2, 5, 2)
    once = chamfer_kl(mean, log_variance, prior, SIGMA)
    order = torch.randperm(5)
    again = chamfer_kl(mean[:, order], log_variance[:, order], prior.flip(1), SIGMA)
    torch.testing.assert_close(once, again)


def test_every_proposal_wants_a_particle_and_every_particle_a_proposal():
    near = torch.tensor([[[0.0, 0.0], [0.0, 0.0]]])
    spread = torch.tensor([[[0.0, 0.0], [0.5, 0.0]]])
    # One of the two proposals is 5 sigma away from both particles: 12.5 nats, once.
    assert chamfer_kl(near, constant(near), spread, SIGMA).item() == pytest.approx(12.5, abs=1e-3)
    # One of the two particles is 5 sigma away from both proposals: the same.
    assert chamfer_kl(spread, constant(spread), near, SIGMA).item() == pytest.approx(12.5, abs=1e-3)


def test_feature_kl_sums_over_particles_and_averages_over_the_batch():
    mean = torch.ones(4, 3, 5)
    assert feature_kl(mean, torch.zeros_like(mean)).item() == pytest.approx(0.5 * 3 * 5)
    wanted = kl_divergence(Normal(mean, math.e**0.5), Normal(0.0, 1.0)).sum((1, 2)).mean()
    torch.testing.assert_close(feature_kl(mean, torch.ones_like(mean)), wanted)
