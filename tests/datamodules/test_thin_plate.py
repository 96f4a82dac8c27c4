import math

import pytest
import torch

from datamodules.coordinates import pixel_centres
from datamodules.thin_plate import Strength, ThinPlateWarp, basis, random_warp

PIXELS = 160 / 2  # of the paper's frame in units of [-1, 1]


def test_kernel_values():
    values = basis(torch.tensor([[-1.0, -1.0]]))[:, 0]
    step = 2 / 9
    assert values[0] == 0  # at the control point itself
    assert values[1] == pytest.approx(step**2 * math.log(step**2 + 1e-5), rel=1e-5)
    assert values[99] == pytest.approx(8 * math.log(8), rel=1e-5)  # the far corner
    assert values[100:].tolist() == [-1, -1, 1]


def test_control_points_run_along_x_first():
    values = basis(torch.tensor([[1.0, -1.0]]))[:, 0]
    assert values[9] == pytest.approx(0, abs=1e-6)


def test_strength_is_the_papers():
    torch.manual_seed(0)
    warp = random_warp(4000, Strength())
    affine, weights = warp.factors[:, :, 100:], warp.factors[:, :, :100]
    assert affine[:, :, 2].std().item() == pytest.approx(0.1, rel=0.05)
    scale = affine[:, 0, :2].norm(dim=-1)
    assert scale.mean().item() == pytest.approx(1, abs=0.01)
    assert scale.std().item() == pytest.approx(0.1, rel=0.05)
    angle = torch.atan2(affine[:, 1, 0], affine[:, 0, 0])
    assert math.degrees(angle.std()) == pytest.approx(5, rel=0.05)
    # Half of the weights at 0.001 and half at 0.01.
    assert weights.std().item() == pytest.approx(math.sqrt((1e-4 + 1e-6) / 2), rel=0.02)
    assert (weights.abs() > 0.004).float().mean().item() == pytest.approx(0.345, abs=0.01)


def test_draws_do_not_depend_on_strength():
    states = []
    for factor in (0.0, 0.1, 1.0):
        torch.manual_seed(3)
        random_warp(5, Strength().times(factor))
        states.append(torch.get_rng_state())
    assert torch.equal(states[0], states[1])
    assert torch.equal(states[0], states[2])


def test_shared_points_and_own_points_agree():
    torch.manual_seed(0)
    warp = random_warp(3, Strength())
    points = torch.rand(50, 2) * 2 - 1
    torch.testing.assert_close(
        warp.source(points), warp.source(points.expand(3, 50, 2)), atol=1e-5, rtol=1e-5
    )


def test_smooth_reading_is_exact_to_a_hundredth_of_a_pixel():
    torch.manual_seed(0)
    weak, strong = random_warp(64, Strength().times(0.1)), random_warp(64, Strength())
    points = strong.source(pixel_centres((32, 32)).view(-1, 2) * 0.8).clamp(-1.5, 1.5)
    error = (weak.source_smooth(points) - weak.source(points)).abs().max() * PIXELS
    assert error < 0.01


def test_what_lies_beyond_the_lattice_is_read_from_outside():
    torch.manual_seed(0)
    weak = random_warp(64, Strength().times(0.1))
    beyond = torch.tensor([[1.6, 0.0], [0.0, -2.5], [-1.7, 1.7]]).expand(64, 3, 2)
    assert (weak.source_smooth(beyond).abs().amax(-1) > 1.05).all()


def test_target_inverts_source():
    torch.manual_seed(0)
    for factor, tolerance in ((0.1, 1e-3), (1.0, 0.2)):
        warp = random_warp(256, Strength().times(factor))
        points = torch.rand(256, 5, 2) * 1.2 - 0.6
        back = warp.target(warp.source(points))
        error = (back - points).norm(dim=-1).amax(-1) * PIXELS
        assert error.quantile(0.98) < tolerance


def test_a_pure_translation_reads_from_the_left():
    factors = torch.zeros(1, 2, 103)
    factors[0, 0, 100] = factors[0, 1, 101] = 1
    factors[0, 0, 102] = -0.25
    warp = ThinPlateWarp(factors)
    origin = torch.zeros(1, 1, 2)
    torch.testing.assert_close(warp.source(origin), torch.tensor([[[-0.25, 0.0]]]))
    torch.testing.assert_close(warp.target(origin), torch.tensor([[[0.25, 0.0]]]))
