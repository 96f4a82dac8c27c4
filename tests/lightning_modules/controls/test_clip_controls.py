"""Controls for clips: pixels of their own frame, a first frame without motion, and nothing."""

import pytest
import torch

from lightning_modules.controls.clips import ClipConstant, ClipFirstFrame, ClipPixels
from lightning_modules.interface import HasClipCodes, HasClipField


@pytest.fixture
def clip():
    return torch.rand(2, 5, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def test_pixels_are_means_of_blocks_of_their_own_frame(clip):
    codes = ClipPixels(side=8).encode_clip(clip)
    assert codes.where is codes.what and codes.where.shape == (2, 5, 64)
    block = clip[1, 3, :, 4:8, 8:12].mean()
    torch.testing.assert_close(codes.where[1, 3, 1 * 8 + 2], block)


def test_the_first_frame_is_all_that_is_seen_of_a_clip(clip):
    method = ClipFirstFrame()
    seen = method.encode_clip(clip).where
    assert seen.shape == (2, 5, 256)
    torch.testing.assert_close(seen[:, 0], ClipPixels().encode_clip(clip).where[:, 0])
    other = clip.clone()
    other[:, 1:] = torch.rand(2, 4, 3, 32, 32)
    assert torch.equal(method.encode_clip(other).where, seen)
    other[:, 0] += 0.1
    assert not torch.equal(method.encode_clip(other).where, seen)


def test_a_constant_has_two_codes_and_a_field_and_tells_nothing(clip):
    method = ClipConstant()
    codes = method.encode_clip(clip)
    assert codes.where is not codes.what and not codes.where.any() and not codes.what.any()
    assert method.clip_field(codes.where).shape[:3] == (2, 5, 2)
    assert not method.clip_field(codes.where).any()


def test_what_they_can_and_that_nothing_is_learned():
    for kind in (ClipPixels, ClipFirstFrame, ClipConstant):
        method = kind(image_size=32)
        assert isinstance(method, HasClipCodes) and method.sees == "clips"
        assert isinstance(method, HasClipField) == (kind is ClipConstant)
        assert not method.state_dict() and method.hparams["image_size"] == 32
