"""Codes of clips: the regressor learns them beside the game, inversion comes nearer still."""

import pytest
import torch

from lightning_modules.interface import Codes, HasClipCodes, HasClipPrior
from lightning_modules.mocogan.inversion import invert, trace
from lightning_modules.mocogan.losses import unexplained
from lightning_modules.mocogan.regressor import Found
from tests.lightning_modules.mocogan.test_mocogan import made


@pytest.fixture(scope="module")
def learned():
    """A generator that stays as it is, and a regressor that has read its clips for a while."""
    model = made(learning_rate=0.0, regressor_rate=5e-3).train()
    before = [p.clone() for p in model.generator.parameters()]
    optimizer = model.configure_optimizers()
    for step in range(45):
        index = 16 * step + torch.arange(16)
        terms = model.losses({"clip": torch.rand(16, 16, 3, 16, 16), "index": index})
        optimizer.zero_grad()
        terms["loss"].backward()
        optimizer.step()
    assert all(map(torch.equal, model.generator.parameters(), before))
    return model.eval().requires_grad_(False)


def generated(model, clips, frames):
    """Codes from the prior and the clip they paint."""
    generator = torch.Generator().manual_seed(5)
    codes = Codes(
        model.draw_where(clips, frames, generator), model.draw_what(clips, frames, generator)
    )
    return codes, model.decode_clip(codes)


def error(model, clip):
    codes = model.encode_clip(clip)
    return (model.decode_clip(codes) - clip).square().mean((1, 2, 3, 4)), codes


def test_the_regressor_knows_codes_better_than_their_mean(learned):
    codes, clip = generated(learned, 100, 16)
    found = learned.encode_clip(clip)
    assert unexplained(found.where, codes.where) < 0.5
    assert unexplained(found.what[:, 0, :4], codes.what[:, 0, :4]) < 0.4
    assert (found.what[..., 4:].argmax(2) == codes.what[..., 4:].argmax(2)).float().mean() > 0.9
    mixed = learned.encode_clip(clip.roll(1, 0))
    assert unexplained(mixed.where, codes.where) > 1


def test_inversion_lowers_the_error_under_inference_mode_too(learned):
    learned.hparams.update(infer_steps=30, infer_rate=0.1)
    codes, clip = generated(learned, 5, 3)
    before, regressed = error(learned, clip)
    learned.hparams.infer_by = "inversion"
    try:
        with torch.inference_mode():
            after, found = error(learned, clip)
            alone, _ = error(learned, clip[2:3])
    finally:
        learned.hparams.infer_by = "regressor"
    assert (after < 0.3 * before).all()
    torch.testing.assert_close(alone, after[2:3], rtol=0.05, atol=1e-7)
    nearer = unexplained(found.where, codes.where) / unexplained(regressed.where, codes.where)
    assert nearer < 0.5
    assert torch.equal(found.what[:, 0], found.what[:, 2])


def test_inversion_lowers_the_error_of_features_where_it_is_told_to(learned):
    clip = torch.rand(2, 2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    start, features = learned.regressor(clip), learned.picture_discriminator.features

    def misfit(weight):
        found = invert(
            learned.generator,
            clip,
            start,
            steps=30,
            rate=0.1,
            sigma=1.0,
            features=features,
            feature_weight=weight,
        )
        painted = learned.decode_clip(learned._codes(clip, found))
        gap = features(painted.flatten(0, 1)) - features(clip.flatten(0, 1))
        return gap.square().mean()

    assert misfit(100.0) < 0.99 * misfit(0.0)


def test_noise_of_pixels_decides_how_far_codes_go_from_the_prior(learned):
    _, clip = generated(learned, 3, 4)
    start = Found(torch.zeros(3, 4, 3), torch.ones(3, 4), torch.zeros(3, 2))
    sure, unsure = (
        invert(learned.generator, clip, start, steps=40, rate=0.1, sigma=sigma).content
        for sigma in (0.05, 100.0)
    )
    assert unsure.square().mean() < 0.05 < 0.2 < sure.square().mean()


def test_a_path_is_traced_back_to_its_noise(learned):
    codes, _ = generated(learned, 4, 6)
    first, noise = trace(learned.generator, codes.where)
    again = learned.generator.path(first, noise)
    assert unexplained(again, codes.where) < 0.02 and noise.square().mean() < 2


@pytest.mark.parametrize("frames", [1, 2, 15, 16, 33])
@pytest.mark.parametrize("infer_by", ["regressor", "inversion"])
def test_a_clip_of_any_length_has_codes_a_frame(frames, infer_by):
    model = made(infer_by=infer_by, infer_steps=2, categories=0).eval()
    codes = model.encode_clip(torch.rand(2, frames, 3, 16, 16))
    assert codes.where.shape == (2, frames, 3) and codes.what.shape == (2, frames, 4)
    assert torch.equal(codes.what[:, 0], codes.what[:, -1])
    assert model.decode_clip(codes).shape == (2, frames, 3, 16, 16)


def test_a_long_clip_is_read_at_the_pace_of_training(learned):
    _, half = generated(learned, 2, 20)
    slow = half.repeat_interleave(2, 1)  # 40 frames: two phases, both of them the clip itself
    found, wanted = learned.encode_clip(slow), learned.regressor(half)
    torch.testing.assert_close(found.where[:, ::2], wanted.motion)
    torch.testing.assert_close(found.where[:, 1::2], wanted.motion)
    torch.testing.assert_close(found.what[:, 0, :4], wanted.content)
    torch.testing.assert_close(found.what[:, 7, 4:], wanted.category.softmax(1))


def test_batches_are_cut_only_to_save_memory(learned, monkeypatch):
    clip = torch.rand(5, 4, 3, 16, 16)
    whole = learned.encode_clip(clip)
    monkeypatch.setattr("lightning_modules.mocogan.module._FRAMES_AT_ONCE", 8)
    for a, b in zip(learned.encode_clip(clip), whole, strict=True):
        torch.testing.assert_close(a, b)


def test_the_prior_of_clips(learned):
    assert isinstance(learned, HasClipCodes) and isinstance(learned, HasClipPrior)
    codes, clip = generated(learned, 400, 5)
    again, _ = generated(learned, 400, 5)
    assert clip.shape == (400, 5, 3, 16, 16) and torch.equal(codes.where, again.where)
    content, category = codes.what[:, 0].split([4, 2], 1)
    assert abs(content.std() - 1) < 0.05 and content.mean().abs() < 0.1
    assert (category.sum(1) == 1).all() and abs(category[:, 0].mean() - 0.5) < 0.1
    assert torch.equal(codes.what[:, 0], codes.what[:, 4])
    moved = (codes.where[:, 1:] - codes.where[:, :-1]).abs().mean()
    assert 0.05 < moved < (codes.where[:, 0] - codes.where[:, 0].roll(1, 0)).abs().mean() * 1.5
