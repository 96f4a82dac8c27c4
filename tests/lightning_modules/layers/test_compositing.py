"""Placement against `grid_sample`, shares of pixels against the paper's loop."""

import pytest
import torch
from torch.nn import functional as F

from lightning_modules.layers.compositing import (
    add_up,
    lay_over,
    place,
    reach_of,
    weights_by_depth,
    weights_in_order,
)

SIDE, CANVAS = 8, 24


def by_grid_sample(patches, centres, size):
    batch, count = centres.shape[:2]
    theta = torch.zeros(batch * count, 2, 3, dtype=patches.dtype)
    theta[:, 0, 0], theta[:, 1, 1] = (2 / size).flatten(0, 1).unbind(-1)
    theta[:, :, 2] = (-2 * centres / size).flatten(0, 1)
    grid = F.affine_grid(
        theta, [batch * count, patches.shape[2], CANVAS, CANVAS], align_corners=False
    )
    on_canvas = F.grid_sample(patches.flatten(0, 1), grid, align_corners=False)
    return on_canvas.unflatten(0, (batch, count))


def made(stretch=False):
    torch.manual_seed(0)
    patches = torch.rand(3, 5, 4, SIDE, SIDE, dtype=torch.float64)
    centres = torch.rand(3, 5, 2, dtype=torch.float64) * 2.6 - 1.3
    centres[0, 0] = 1.7  # wholly outside
    size = torch.full_like(centres, 2 * SIDE / CANVAS)
    if stretch:
        size = size * (torch.rand_like(size) + 0.6)
    return patches, centres, size


@pytest.mark.parametrize("stretch", [False, True])
def test_placement_is_that_of_grid_sample_with_its_gradients(stretch):
    patches, centres, size = (x.requires_grad_(True) for x in made(stretch))
    reach = reach_of(SIDE, 1.6 if stretch else 1.0)
    placed = place(patches, centres, size, CANVAS, reach)
    ours = torch.zeros(3, 5, 4, CANVAS**2 + 1, dtype=torch.float64)
    ours = ours.scatter_add(3, placed.pixels.unsqueeze(2).expand(-1, -1, 4, -1), placed.values)
    ours = ours[..., :-1].unflatten(3, (CANVAS, CANVAS))
    theirs = by_grid_sample(patches, centres, size)
    torch.testing.assert_close(ours, theirs)
    assert theirs[0, 0].abs().sum() == 0
    pull = torch.randn_like(theirs)
    for have, want in zip(
        torch.autograd.grad((ours * pull).sum(), [patches, centres, size]),
        torch.autograd.grad((theirs * pull).sum(), [patches, centres, size]),
        strict=True,
    ):
        torch.testing.assert_close(have, want)


def test_shares_in_order_are_those_of_the_papers_loop():
    patches, centres, size = made()
    patches.requires_grad_(True)
    placed = place(patches, centres, size, CANVAS, reach_of(SIDE))
    share = weights_in_order(placed.values[:, :, 0], placed.pixels, CANVAS)
    background = torch.rand(3, 3, CANVAS, CANVAS, dtype=torch.float64)
    ours = lay_over(background, placed.values[:, :, 1:], share, placed.pixels)

    canvas = by_grid_sample(patches, centres, size)
    taken, picture = torch.zeros(3, 1, CANVAS, CANVAS, dtype=torch.float64), 0
    for k in range(5):
        weight = torch.minimum(1 - taken.detach(), canvas[:, k, :1])
        taken, picture = taken + weight, picture + weight * canvas[:, k, 1:]
    theirs = picture + (1 - taken.clamp(0, 1)) * background
    torch.testing.assert_close(ours, theirs)
    assert taken.max().item() == pytest.approx(1)  # some pixels are fully taken
    pull = torch.randn_like(theirs)
    have, want = (torch.autograd.grad((x * pull).sum(), patches)[0] for x in (ours, theirs))
    torch.testing.assert_close(have, want)


def test_shares_by_depth_know_no_order_and_the_nearest_hides_the_others():
    patches, centres, size = made()
    placed = place(patches, centres, size, CANVAS, reach_of(SIDE))
    depth = torch.randn(3, 5, dtype=torch.float64)
    alpha = placed.values[:, :, 0]

    def total(alpha, pixels, depth):
        share = weights_by_depth(alpha, pixels, depth, CANVAS)
        return add_up(share.unsqueeze(2), pixels, CANVAS)[..., :-1]

    once = total(alpha, placed.pixels, depth)
    again = total(alpha.flip(1), placed.pixels.flip(1), depth.flip(1))
    torch.testing.assert_close(once, again)
    assert once.max() <= 1

    opaque = torch.ones(1, 2, 1)
    pixels = torch.zeros(1, 2, 1, dtype=torch.long)
    near = weights_by_depth(opaque, pixels, torch.tensor([[0.0, 12.0]]), CANVAS)
    assert near.flatten().tolist() == pytest.approx([0, 1], abs=1e-4)
    half = weights_by_depth(0.5 * opaque, pixels, torch.zeros(1, 2), CANVAS)
    assert half.sum().item() == pytest.approx(0.75, abs=1e-5)
