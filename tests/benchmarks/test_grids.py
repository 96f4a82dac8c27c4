"""The grid on a picture: where its lines run, and what is left of the picture."""

import numpy as np
import torch
from matplotlib.colors import to_rgb

from benchmarks.canvas import VERMILION
from benchmarks.grids import LINES, lay_grid

GREY = np.full((1, 16, 16, 3), 128, np.uint8)
TILE = (160, 160)


def lines(pixels):
    """Places in [-1, 1] of the lines that cross a row of pixels (W, 3)."""
    coloured = np.abs(pixels - 255 * np.array(to_rgb(VERMILION))).max(-1) < 30
    starts = np.flatnonzero(np.diff(coloured.astype(int), prepend=0) == 1)
    ends = np.flatnonzero(np.diff(coloured.astype(int), append=0) == -1)
    return (starts + ends + 1) / len(pixels) - 1


def test_the_straight_grid_divides_the_picture():
    [drawn] = lay_grid(GREY, None, TILE)
    assert drawn.shape == (*TILE, 3)
    wanted = np.linspace(-1, 1, LINES)[1:-1]
    # A row and a column that lie between two lines.
    for crossed in (drawn[70], drawn[:, 70]):
        np.testing.assert_allclose(lines(crossed), wanted, atol=0.01)
    assert (drawn[70, 70] == 128).all()


def test_the_grid_moves_with_the_picture():
    """Where every pixel looks a quarter to the right, a line of the canonical picture goes left."""
    field = torch.zeros(2, 2, 16, 16)
    field[0, 0] = 0.1
    field[1, 1] = -0.1
    right, up = lay_grid(np.concatenate([GREY, GREY]), field, TILE)
    np.testing.assert_allclose(lines(right[70]), np.arange(-3, 5) / 4 - 0.1, atol=0.01)
    np.testing.assert_allclose(lines(right[:, 75]), np.arange(-3, 4) / 4, atol=0.01)
    np.testing.assert_allclose(lines(up[:, 70]), np.arange(-4, 4) / 4 + 0.1, atol=0.01)


def test_where_the_map_stretches_lines_stay_as_thin():
    """Pixels that look at half the canonical picture see half its lines, none of them thicker."""
    x = (torch.arange(16) + 0.5) / 8 - 1
    field = torch.zeros(1, 2, 16, 16)
    field[0, 0] = -0.5 * x
    [drawn] = lay_grid(GREY, field, TILE)
    np.testing.assert_allclose(lines(drawn[70]), [-0.5, 0, 0.5], atol=0.01)
    touched = [
        (picture[70] != 128).any(-1).sum() for picture in (drawn, lay_grid(GREY, None, TILE)[0])
    ]
    assert touched[0] / 3 == np.round(touched[1] / 7)


def test_fields_of_another_size_and_grey_pictures():
    grey = np.full((1, 8, 8, 1), 200, np.uint8)
    [drawn] = lay_grid(grey, torch.zeros(1, 2, 32, 32), TILE)
    assert drawn.shape == (*TILE, 3) and (drawn[70, 70] == 200).all()
    np.testing.assert_allclose(lines(drawn[70]), np.arange(-3, 4) / 4, atol=0.01)
