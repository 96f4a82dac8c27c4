"""Pixel centres, spatial softmax, Gaussian maps and glimpses, each against a plain computation."""

import math

import pytest
import torch

from lightning_modules.layers.points import (
    anchored,
    gaussian_maps,
    glimpses,
    marginal_softmax,
    moments,
    pixel_centres,
    sunflower,
)


def test_pixel_centres_span_the_picture_without_touching_its_edge():
    assert pixel_centres(4, like=torch.zeros(1)).tolist() == [-0.75, -0.25, 0.25, 0.75]


def test_marginal_softmax_finds_a_peak():
    logits = torch.zeros(1, 6, 8)
    logits[0, 2, 5] = 400.0
    over_cols, over_rows = marginal_softmax(logits)
    assert over_cols.argmax().item() == 5
    assert over_rows.argmax().item() == 2
    assert over_cols.sum().item() == pytest.approx(1)


def test_a_gaussian_map_peaks_at_its_point_and_falls_as_a_gaussian():
    point = torch.tensor([[[-0.4375, 0.3125]]])  # centre of column 4, row 10 of 16
    maps = gaussian_maps(point, 16, 0.1)
    assert maps.shape == (1, 1, 16, 16)
    assert maps[0, 0, 10, 4].item() == pytest.approx(1)
    assert maps[0, 0, 10, 5].item() == pytest.approx(math.exp(-0.5 * (0.125 / 0.1) ** 2))
    assert maps[0, 0, 11, 5].item() == pytest.approx(math.exp(-((0.125 / 0.1) ** 2)))


def test_a_glimpse_at_pixel_centres_is_a_slice():
    maps = torch.rand(2, 3, 16, 16)
    # A 4x4 crop is centred on the corner between pixels 6|7 (x) and 9|10 (y).
    centre = torch.tensor([[[-0.125, 0.25]]]).expand(2, -1, -1)
    crop = glimpses(maps, centre, 4)
    torch.testing.assert_close(crop[:, 0], maps[:, :, 8:12, 5:9])


def test_glimpses_of_several_points_are_those_of_each_alone():
    maps = torch.rand(2, 3, 16, 16)
    centres = torch.rand(2, 5, 2) * 2 - 1
    together = glimpses(maps, centres, 3)
    for k in range(5):
        torch.testing.assert_close(together[:, k : k + 1], glimpses(maps, centres[:, k : k + 1], 3))


def test_outside_the_picture_a_glimpse_is_zero():
    crop = glimpses(torch.ones(1, 1, 8, 8), torch.tensor([[[3.0, 3.0]]]), 2)
    assert crop.abs().sum().item() == 0


def test_a_sunflower_fills_its_disc():
    points = sunflower(200, 0.5, like=torch.zeros(1))
    far = points.norm(dim=1)
    assert far.max().item() == pytest.approx(0.5, abs=0.01)
    # As many in the inner half of the area as in the outer.
    assert (far < 0.5 / 2**0.5).float().mean().item() == pytest.approx(0.5, abs=0.01)
    assert points.mean(0).abs().max() < 0.01


def test_an_anchored_map_peaks_at_its_place_with_its_reach():
    places = torch.tensor([[0.25, -0.5], [-0.1, 0.3]])
    maps = anchored(places, 64, 0.1)
    mean, variance = moments(maps.flatten(1).softmax(1).view(1, 2, 64, 64))
    torch.testing.assert_close(mean[0], places, atol=1e-3, rtol=0)
    torch.testing.assert_close(variance[0].sqrt(), torch.full((2, 2), 0.1), atol=1e-3, rtol=0)
