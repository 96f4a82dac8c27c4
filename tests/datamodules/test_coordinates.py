import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from datamodules.coordinates import Box, pixel_centres, to_normalised, to_pixels, within_box

sizes = st.tuples(st.integers(1, 300), st.integers(1, 300))
numbers = st.floats(-3, 3, allow_nan=False)


@given(sizes, st.lists(st.tuples(numbers, numbers), min_size=1, max_size=5))
def test_pixels_and_back(size, points):
    xy = np.array(points)
    np.testing.assert_allclose(to_normalised(to_pixels(xy, size), size), xy, atol=1e-12)
    tensor = torch.tensor(points, dtype=torch.float64)
    torch.testing.assert_close(to_pixels(tensor, size).numpy(), to_pixels(xy, size))


@given(sizes)
def test_edges_and_centre(size):
    height, width = size
    corners = np.array([[-1.0, -1.0], [1.0, 1.0], [0.0, 0.0]])
    expected = [
        [-0.5, -0.5],
        [width - 0.5, height - 0.5],
        [(width - 1) / 2, (height - 1) / 2],
    ]
    np.testing.assert_allclose(to_pixels(corners, size), expected, atol=1e-12)


@given(st.integers(2, 40), st.integers(2, 40))
def test_pixel_centres_are_the_identity_of_grid_sample(height, width):
    image = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))
    grid = pixel_centres((height, width))[None]
    sampled = functional.grid_sample(image, grid, align_corners=False)
    torch.testing.assert_close(sampled, image, atol=1e-5, rtol=0)
    pixels = to_pixels(grid[0], (height, width))
    torch.testing.assert_close(pixels[..., 0], torch.arange(width).float().expand(height, width))


def test_a_box_is_a_picture_of_its_own():
    # Pixels 10..19 of x and 20..59 of y, so the first pixel's centre is half a pixel inside.
    box = Box(10, 20, 20, 60)
    inside = within_box(np.array([[10.0, 20.0], [19.5, 59.5]]), box)
    np.testing.assert_allclose(inside, [[-0.9, -0.975], [1, 1]])
    assert box.scaled(0.5) == Box(12.5, 30, 17.5, 50)


@pytest.mark.parametrize("points", [np.array([[1, 2]]), torch.tensor([[1, 2]])])
def test_whole_numbers_are_refused(points):
    with pytest.raises(TypeError, match="floating"):
        to_pixels(points, (4, 4))
