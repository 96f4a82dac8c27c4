import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from datamodules.augment import PairWarp, centre_crop
from datamodules.coordinates import pixel_centres, to_pixels
from datamodules.thin_plate import Strength


@settings(max_examples=20, deadline=None)
@given(size=st.integers(8, 70), margin=st.integers(0, 20), seed=st.integers(0, 2**31))
def test_no_strength_is_the_identity(size, margin, seed):
    torch.manual_seed(seed)
    frame = torch.rand(2, 3, size + 2 * margin, size + 2 * margin)
    pair = PairWarp(size, Strength().times(0))(frame)
    expected = centre_crop(frame, size)
    torch.testing.assert_close(pair.view, expected, atol=1e-4, rtol=0)
    torch.testing.assert_close(pair.other, expected, atol=1e-4, rtol=0)


def test_views_are_a_function_of_the_seed():
    frame = torch.rand(4, 3, 80, 80)
    views = []
    for seed in (5, 5, 6):
        torch.manual_seed(seed)
        views.append(PairWarp(64)(frame))
    assert torch.equal(views[0].view, views[1].view)
    assert torch.equal(views[0].other, views[1].other)
    assert not torch.equal(views[0].other, views[2].other)


def test_the_second_view_is_warped_more():
    torch.manual_seed(0)
    ramp = pixel_centres((80, 80)).permute(2, 0, 1).expand(64, 2, 80, 80)
    pair = PairWarp(64, padding="border")(ramp.contiguous())
    plain = centre_crop(ramp, 64)
    weak, strong = ((view - plain).abs().mean().item() for view in (pair.view, pair.other))
    assert 0.005 < weak < 0.04
    assert strong > 5 * weak


def test_the_second_view_is_the_first_one_warped_again():
    torch.manual_seed(1)
    side, size = 80, 64
    frame = functional.interpolate(torch.rand(8, 3, 10, 10), (side, side), mode="bicubic")
    pair = PairWarp(size)(frame)
    points = pixel_centres((size, size)).view(-1, 2) * size / side
    grid = pair.weak.source(pair.strong.source(points)).view(8, size, size, 2)
    exact = functional.grid_sample(frame, grid, align_corners=False)
    torch.testing.assert_close(pair.other, exact, atol=5e-3, rtol=0)


def test_the_source_says_where_in_the_first_view_a_pixel_of_the_second_lies():
    torch.manual_seed(2)
    side, size = 80, 64
    frame = functional.interpolate(torch.rand(8, 3, 10, 10), (side, side), mode="bicubic")
    pair = PairWarp(size, padding="border")(frame)
    assert pair.source.shape == (8, size, size, 2)
    again = functional.grid_sample(pair.view, pair.source, align_corners=False)
    inside = (pair.source.abs() < 1 - 2 / size).all(-1)[:, None].expand_as(again)
    assert inside.float().mean() > 0.7
    # Read twice, so a little blurred; unwarped it would be ten times as far off.
    error = (again - pair.other)[inside].abs().mean()
    assert error < 0.1 * (pair.view - pair.other)[inside].abs().mean()


def test_margins_keep_blackness_out_of_the_weak_view():
    torch.manual_seed(0)
    white = torch.ones(256, 1, 80, 80)
    with_margin, without = PairWarp(64)(white), PairWarp(80)(white)
    assert (with_margin.view > 0.999).float().mean() > 0.999
    assert (without.view > 0.999).float().mean() < 0.99
    assert (PairWarp(64, padding="border")(white).other > 0.999).all()
    assert (with_margin.other < 0.001).any()  # as in the paper


@pytest.mark.parametrize("which", ["weak", "strong"])
def test_points_follow_the_picture(which):
    """A blob is drawn, the picture warped, and the blob looked for in the warped picture."""
    torch.manual_seed(2)
    side, size, count = 100, 80, 32
    where = torch.rand(count, 1, 2) * 0.8 - 0.4
    centre = where * size / side
    far = (pixel_centres((side, side))[None] - centre[:, :, None]).square().sum(-1)
    frame = torch.exp(-far / (2 * 0.03**2))[:, None]
    warper = PairWarp(size)
    pair = warper(frame)
    expected = warper.move_points(pair.weak, where, side)
    view = pair.view
    if which == "strong":
        view = pair.other
        inner = pair.weak.target(centre)
        expected = pair.strong.target(inner) * side / size
    weight = view[:, 0] / view[:, 0].sum((1, 2), keepdim=True)
    found = (weight[..., None] * pixel_centres((size, size))).sum((1, 2))
    error = (to_pixels(found, (size, size)) - to_pixels(expected[:, 0], (size, size))).norm(dim=-1)
    assert error.median() < 0.1
    assert error.max() < 0.6
    assert (expected - where).abs().max() > 0.02  # the warp moved something


@pytest.mark.parametrize("shape", [(2, 3, 60, 60), (2, 3, 80, 70)])
def test_frames_that_do_not_fit_are_refused(shape):
    with pytest.raises(ValueError, match="64 px need larger square frames"):
        PairWarp(64)(torch.zeros(shape))


def test_processes_that_share_a_batch_draw_the_warps_of_one():
    frame = torch.rand(6, 3, 40, 40)
    torch.manual_seed(3)
    whole = PairWarp(32)(frame)
    for rank in range(3):
        torch.manual_seed(3)
        part = PairWarp(32, part=(rank, 3))(frame[2 * rank : 2 * rank + 2])
        for name in ("view", "other", "source"):
            wanted = getattr(whole, name)[2 * rank : 2 * rank + 2]
            torch.testing.assert_close(getattr(part, name), wanted, rtol=0, atol=1e-6)
