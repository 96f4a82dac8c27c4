"""Draws: the prior, stretches of clips at a pace, single frames, and clips cut into phases."""

import pytest
import torch

from lightning_modules.mocogan.draws import (
    draw,
    pace,
    phases,
    rejoined,
    single,
    slot,
    stretches,
)
from lightning_modules.mocogan.network import ClipShape


def numbered(clips, frames):
    """Clips (B, T, 1) whose only value says clip and frame."""
    return (100 * torch.arange(clips)[:, None] + torch.arange(frames))[..., None]


def test_codes_follow_the_prior_and_hang_on_seed_sample_epoch_and_kind_alone():
    shape, index = ClipShape(categories=3), torch.arange(3000)
    found = draw(shape, 4, 0, index, 0, 0)
    for values in (found.content, found.start, found.noise):
        assert values.mean().abs() < 0.02 and abs(values.std() - 1) < 0.02
    shares = found.category.bincount(minlength=3) / 3000
    torch.testing.assert_close(shares, torch.full((3,), 1 / 3), atol=0.04, rtol=0)
    assert found.places.min() >= 0 and abs(found.places.mean() - 0.5) < 0.02
    some = draw(shape, 4, 0, index[7:9], 0, 0)
    assert all(torch.equal(a, b[7:9]) for a, b in zip(some, found, strict=True))
    for other in (draw(shape, 4, *given) for given in [(1, index, 0, 0), (0, index, 1, 0)]):
        assert (other.content - found.content).abs().mean() > 1
    assert (draw(shape, 4, 0, index, 0, 1).noise - found.noise).abs().mean() > 1
    assert draw(ClipShape(categories=0), 4, 0, index, 0, 0).category.max() == 0


def test_places_fall_into_equal_slots_and_one_into_the_last():
    place = torch.tensor([0, 0.24, 0.25, 0.99, 1.0])
    assert slot(place, 4).tolist() == [0, 0, 1, 3, 3]


@pytest.mark.parametrize(
    ("frames", "expected"), [(60, 2), (31, 2), (30, 1), (16, 1), (3, 1), (1, 1)]
)
def test_the_pace_is_the_largest_that_fits(frames, expected):
    assert pace(frames, 16, 2) == expected


def test_a_stretch_takes_every_second_frame_and_begins_anywhere():
    clip, place = numbered(3, 9), torch.tensor([0, 0.5, 0.99])
    found = stretches(clip, place, 4, 2)[..., 0]
    assert found.tolist() == [[0, 2, 4, 6], [101, 103, 105, 107], [202, 204, 206, 208]]
    shorter = stretches(clip[:, :5], place, 4, 2)[..., 0]
    assert shorter.tolist() == [[0, 1, 2, 3], [101, 102, 103, 104], [201, 202, 203, 204]]
    whole = stretches(clip[:, :4], place, 4, 2)
    assert torch.equal(whole, clip[:, :4])


def test_clips_too_short_to_learn_from_are_refused():
    with pytest.raises(ValueError, match="clips have 15 frames, training reads 16"):
        stretches(numbered(1, 15), torch.zeros(1), 16, 2)


def test_single_frames_come_from_all_of_the_clip():
    place = torch.tensor([0, 0.35, 1.0])
    assert single(numbered(3, 10), place)[:, 0].tolist() == [0, 103, 209]


@pytest.mark.parametrize("frames", [1, 6, 7])
def test_phases_are_every_second_frame_and_come_together_again(frames):
    clip = numbered(2, frames)
    parts = phases(clip, 2)
    assert parts.shape == (4, -(-frames // 2), 1)
    assert parts[2, :, 0].tolist() == list(range(100, 100 + frames, 2))
    assert torch.equal(rejoined(parts, 2, frames), clip)
    assert torch.equal(phases(clip, 1), clip)
    if frames == 7:
        assert parts[1, :, 0].tolist() == [1, 3, 5, 6]  # the last is there twice
