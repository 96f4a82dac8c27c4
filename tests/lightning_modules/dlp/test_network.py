"""The masked model: sizes of the paper, the background particle, routes of gradients."""

import dataclasses
import math

import pytest
import torch

from lightning_modules.dlp.network import MaskedDLP
from lightning_modules.dlp.parts import BACKGROUND_LOG_VARIANCE, Decoder, Sizes

SMALL = Sizes(
    image_size=64,
    n_keypoints=5,
    n_proposals=12,
    channels=(8, 16, 16),
    prior_channels=(4, 8),
    hidden=(32, 16),
    point_channels=(16, 16),
    decoder_channels=(16, 8),
    decoder_last=8,
)

# Millions of parameters of the CelebA model, K = 30, d = 10, 128 px.
PUBLISHED = {
    "position.maps": 1.185,
    "position.head": 2.015,
    "appearance.background": 2.002,
    "appearance.particle": 0.067,
    "prior": 0.072,
    "point_map": 1.522,
    "decoder": 0.613,
}


@pytest.fixture(scope="module")
def faithful() -> MaskedDLP:
    return MaskedDLP(Sizes())


def millions(module) -> float:
    return sum(p.numel() for p in module.parameters()) / 1e6


@pytest.mark.parametrize(("part", "expected"), PUBLISHED.items())
def test_each_part_of_the_celeba_model_has_the_papers_parameters(faithful, part, expected):
    assert millions(faithful.get_submodule(part)) == pytest.approx(expected, rel=0.01)


def test_the_celeba_model_has_the_papers_parameters(faithful):
    assert millions(faithful) == pytest.approx(7.475, rel=0.001)


def test_shapes_of_the_celeba_model(faithful):
    image = torch.rand(2, 3, 128, 128)
    with torch.no_grad():
        particles, points, features = faithful.encode(image, sample=True)
        rebuilt = faithful.decode(points, features, particles.maps)
        proposals = faithful.prior(image)
    assert rebuilt.shape == image.shape
    assert particles.maps.shape == (2, 30, 16, 16)
    assert particles.position.mean.shape == (2, 31, 2)
    assert particles.feature.mean.shape == (2, 31, 10)
    assert proposals.shape == (2, 50, 2)
    assert particles.position.mean.abs().max() <= 1


def test_the_background_particle_is_constant_and_its_feature_is_not():
    torch.manual_seed(0)
    network = MaskedDLP(SMALL).eval()
    with torch.no_grad():
        for values in network.position.maps.parameters():  # as drawn, maps vary by rounding alone
            values.mul_(10 if values.ndim > 1 else 1)
    particles, points, _ = network.encode(torch.rand(3, 3, 64, 64), sample=True)
    assert torch.equal(particles.position.mean[:, -1], torch.zeros(3, 2))
    assert torch.equal(points[:, -1], torch.zeros(3, 2))
    assert particles.position.log_variance[:, -1].unique().tolist() == [
        pytest.approx(math.log(0.01))
    ]
    assert pytest.approx(-4.605, abs=1e-3) == BACKGROUND_LOG_VARIANCE
    assert particles.feature.mean[:, -1].std(0).max() > 1e-4


def test_painted_squares_leave_no_lattice():
    def lattice(image: torch.Tensor) -> float:
        inner = image[..., 4:-4, 4:-4]
        signs = torch.tensor([1.0, -1.0]).repeat(inner.shape[-1] // 2)
        return max((inner * sign).mean().abs().item() for sign in (signs, signs[:, None]))

    shape = dataclasses.replace(SMALL, decoder_channels=(16,))
    decoder = Decoder(15, shape).eval()
    torch.nn.init.normal_(decoder.head[0].bias)  # the four pixels of a square differ
    maps = torch.randn(2, 15, 16, 16)
    with torch.no_grad():
        assert lattice(decoder.head[:2](decoder.blocks(maps))) > 0.05
        assert lattice(decoder(maps)) < 1e-6


def test_a_flat_picture_proposes_the_patch_centres():
    network = MaskedDLP(SMALL)
    points, within = network.prior.all_patches(torch.full((1, 3, 64, 64), 0.3))
    centres = (torch.arange(8) + 0.5) / 4 - 1
    rows, cols = torch.meshgrid(centres, centres, indexing="ij")
    assert torch.allclose(within.mean, torch.zeros_like(within.mean), atol=1e-6)
    assert torch.allclose(points[0], torch.stack([cols, rows], -1).view(-1, 2), atol=1e-6)


def test_the_prior_keeps_the_patches_with_most_contrast():
    network = MaskedDLP(SMALL)
    image = torch.full((1, 3, 64, 64), 0.3)
    image[:, :, 16:24, 40:43] = 1.0  # one patch that is not flat: row 2, column 5
    kept = network.prior(image)
    inside = (kept[0, :, 0] > 0.25) & (kept[0, :, 0] < 0.5)
    inside &= (kept[0, :, 1] > -0.5) & (kept[0, :, 1] < -0.25)
    assert inside.sum() == 1


def test_appearance_sends_no_gradient_into_positions():
    network = MaskedDLP(SMALL)
    _, _, features = network.encode(torch.rand(2, 3, 64, 64), sample=False)
    features.sum().backward()
    assert all(p.grad is None for p in network.position.parameters())


def test_reconstruction_reaches_positions_through_the_gaussian_maps_alone():
    network = MaskedDLP(SMALL)
    points = (torch.rand(2, 6, 2) - 0.5).requires_grad_(True)
    bypass = torch.rand(2, 5, 16, 16, requires_grad=True)
    network.decode(points, torch.rand(2, 6, 10), bypass).square().sum().backward()
    assert bypass.grad is None
    assert points.grad is not None
    assert points.grad[:, :-1].abs().sum() > 0
    assert points.grad[:, -1].abs().sum() == 0


def test_the_proposals_gradient_reaches_only_the_prior():
    network = MaskedDLP(SMALL)
    network.prior(torch.rand(2, 3, 64, 64)).square().sum().backward()
    assert all(p.grad is not None for p in network.prior.parameters())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"channels": (8, 16)}, "32, not 16"),
        ({"decoder_channels": (16, 8, 8)}, "too often"),
        ({"n_proposals": 65}, "64 proposals"),
        ({"patch_size": 7}, "patches of 7 px"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(change, said):
    with pytest.raises(ValueError, match=said):
        Sizes(**({"image_size": 64, "channels": (8, 16, 16), "decoder_channels": (8,)} | change))
