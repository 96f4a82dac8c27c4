import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_modules.layers.warp import backward_warp, base_grid, displacement_in_pixels


@settings(max_examples=20, deadline=None)
@given(height=st.integers(2, 17), width=st.integers(2, 17))
def test_no_displacement_is_the_identity(height, width):
    image = torch.rand(2, 3, height, width)
    warped = backward_warp(image, torch.zeros(2, 2, height, width))
    torch.testing.assert_close(warped, image, atol=1e-5, rtol=0)


def test_a_pixel_shows_what_lies_at_its_displacement():
    image = torch.rand(1, 3, 8, 10)
    field = torch.zeros(1, 2, 8, 10)
    field[:, 0] = 2 * 2 / 10  # two pixels to the right
    field[:, 1] = -1 * 2 / 8  # one pixel up
    warped = backward_warp(image, field)
    torch.testing.assert_close(warped[..., 1:, :-2], image[..., :-1, 2:], atol=1e-5, rtol=0)
    torch.testing.assert_close(warped[..., 0, :-2], image[..., 0, 2:], atol=1e-5, rtol=0)


def test_the_released_codes_grid_is_its_formula():
    """Literal: linspace(-1, 1, W) to pixels by (g + 1) W / 2, plus 20 pixels a unit, clamped."""
    size = 16
    image = torch.rand(2, 3, size, size, dtype=torch.float64)
    unit = torch.rand(2, 2, size, size, dtype=torch.float64) * 2 - 1
    line = (torch.linspace(-1, 1, size, dtype=torch.float64) + 1) * size / 2
    x = (line[None, None] + 5 * unit[:, 0]).clamp(1e-6, size - 1 - 1e-6)
    y = (line[None, :, None] + 5 * unit[:, 1]).clamp(1e-6, size - 1 - 1e-6)
    x0, y0 = x.floor().long(), y.floor().long()
    fx, fy = (x - x0)[:, None], (y - y0)[:, None]
    batch = torch.arange(2)[:, None, None]

    def at(row, column):
        return image[batch, :, row, column].permute(0, 3, 1, 2)

    top = at(y0, x0) * (1 - fx) + at(y0, x0 + 1) * fx
    bottom = at(y0 + 1, x0) * (1 - fx) + at(y0 + 1, x0 + 1) * fx
    literal = top * (1 - fy) + bottom * fy
    ours = backward_warp(image, unit * (5 * 2 / size), base="official")
    torch.testing.assert_close(ours, literal, atol=1e-5, rtol=0)


def test_the_official_grid_magnifies_by_64_over_63():
    grid = base_grid(64, 64, like=torch.zeros(1), kind="official")
    step = grid[0, 1:, 0] - grid[0, :-1, 0]
    assert step.mean().item() == pytest.approx(2 / 64 * 64 / 63, rel=1e-5)
    assert grid[0, 0, 0].item() == pytest.approx(1 / 64 - 1)


def test_lengths_are_in_pixels():
    field = torch.zeros(1, 2, 4, 8)
    field[0, 0], field[0, 1] = 3 * 2 / 8, 4 * 2 / 4
    torch.testing.assert_close(displacement_in_pixels(field), torch.full((1, 4, 8), 5.0))
