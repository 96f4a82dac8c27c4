"""What DDR and its baselines do with whole clips: codes, bounds, painting and draws."""

import itertools

import pytest
import torch

from lightning_modules import interface
from lightning_modules.ddr.baselines import FrameVAE, SequentialVAE
from lightning_modules.ddr.module import DDR
from lightning_modules.ddr.network import Noise
from lightning_modules.interface import Codes
from tests.lightning_modules.ddr.made import METHODS, clips, made


def draw(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("method", METHODS)
def test_they_can_what_clips_need_and_nothing_of_pictures(method):
    model = made(method).eval()
    every = {interface.HasClipCodes, interface.HasClipDecoder, interface.HasClipBound}
    two = {interface.HasClipPrior, interface.HasConditionalPrior, interface.HasStaticCode}
    assert all(isinstance(model, kind) for kind in every) and model.sees == "clips"
    assert all(isinstance(model, kind) == (method is not FrameVAE) for kind in two)
    pictures = (interface.HasCodes, interface.HasDecoder, interface.HasSamples)
    assert not any(isinstance(model, kind) for kind in pictures)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("frames", [1, 2, 9])
def test_clips_of_any_length_are_encoded_and_painted(method, frames):
    model, clip = made(method).eval(), clips(4, frames)
    codes = model.encode_clip(clip)
    painted = model.decode_clip(codes)
    assert painted.shape == clip.shape and painted.min() >= 0 and painted.max() <= 1
    assert not painted.requires_grad and not codes.where.requires_grad
    if method is FrameVAE:
        assert codes.where is codes.what and codes.where.shape == (4, frames, 4)
        return
    assert codes.where.shape == (4, frames, 2) and codes.what.shape == (4, frames, 5)
    assert torch.equal(codes.what[:, 0], codes.what[:, -1])
    network = model.network
    rows = network.decoder(torch.cat([codes.what, codes.where], 2).flatten(0, 1))
    torch.testing.assert_close(painted.flatten(0, 1), rows.sigmoid())


@pytest.mark.parametrize("method", METHODS)
def test_a_clip_has_the_same_codes_and_bound_in_any_batch_and_piece(method, monkeypatch):
    model, clip = made(method).eval(), clips(7, 9)
    codes, bound = model.encode_clip(clip), model.clip_bound(clip, draw())
    alone = model.encode_clip(clip[2:4])
    torch.testing.assert_close(alone.where, codes.where[2:4])
    torch.testing.assert_close(alone.what, codes.what[2:4])
    monkeypatch.setattr("lightning_modules.ddr.learner.CLIPS_OF_FRAMES", 20)  # two clips
    monkeypatch.setattr("lightning_modules.ddr.network.AT_ONCE", 5)  # less than one
    sizes = []
    hook = model.network.encoder.register_forward_hook(
        lambda _, rows, __: sizes.append(len(rows[0]))
    )
    for a, b in zip(model.encode_clip(clip), codes, strict=True):
        torch.testing.assert_close(a, b)
    hook.remove()
    assert sum(sizes) == 63 and max(sizes) == 5
    for name, part in model.clip_bound(clip, draw()).items():
        torch.testing.assert_close(part, bound[name])
    assert (model.clip_bound(clip, draw(1))["reconstruction"] != bound["reconstruction"]).all()


@pytest.mark.parametrize("method", METHODS)
def test_a_bound_has_its_parts_per_clip(method):
    model, clip = made(method).eval(), clips(5, 8)
    parts = model.clip_bound(clip, draw())
    assert list(parts) == ["reconstruction", "kl_where", "kl_what"]
    assert all(part.shape == (5,) and not part.requires_grad for part in parts.values())
    assert (parts["reconstruction"] < 0).all() and (parts["kl_where"] > 0).all()
    assert (parts["kl_what"] > 0).all() if method is not FrameVAE else (parts["kl_what"] == 0).all()


def test_all_frames_of_a_clip_stand_under_one_f_from_three_of_them():
    model, clip = made().eval(), clips(4, 8)
    with torch.no_grad():
        noise = Noise(torch.randn(4, 5), torch.randn(4, 8, 2))
        order = torch.randn(4, 8).argsort(1)
        found = model.bound_of(clip, noise, order)
        for row in range(4):
            read = clip[row, order[row, :3]][None]
            q_f = model.network.static(model.network.maps(read))
            f = q_f.sample(noise.what[row : row + 1])
            every = f[:, None].expand(-1, 8, -1)
            q_z = model.network.dynamic(every, model.network.maps(clip[row : row + 1]))
            z = q_z.sample(noise.where[row : row + 1])
            likely = model.network.log_likelihood(every, z, clip[row : row + 1])
            torch.testing.assert_close(found.log_likelihood[row : row + 1], likely)
    # Of as many frames as f is read from, the bound is the one that is learned by.
    three = Noise(noise.what, noise.where[:, :3])
    straight = torch.arange(3).expand(4, -1)
    for a, b in zip(
        model.bound_of(clip[:, :3], three, straight), model.network(clip[:, :3], three), strict=True
    ):
        torch.testing.assert_close(a, b)


def test_the_static_code_of_a_clip_is_the_mean_of_its_readings(monkeypatch):
    model, clip = made(triples=200).eval(), clips(2, 4)
    orders = torch.tensor(list(itertools.permutations(range(4), 3)))
    every = torch.stack([model.static_code(clip, order) for order in orders])
    code, spread = model.encode_clip(clip).what[:, 0], model.static_spread(clip)
    assert every.std(0).min() > 1e-3
    error = every.std(0) / 200**0.5
    assert ((code - every.mean(0)).abs() < 4 * error).all()
    torch.testing.assert_close(spread, every.var(0, correction=0), rtol=0.4, atol=0)
    assert (made(triples=1).eval().static_spread(clip) == 0).all()


def test_a_static_code_of_given_frames_in_a_given_order():
    model, clip = made().eval(), clips(3, 6)
    order = torch.tensor([4, 0, 2])
    with torch.no_grad():
        wanted = model.network.static(model.network.maps(clip[:, order])).mean
    found = model.static_code(clip, order)
    torch.testing.assert_close(found, wanted)
    assert (model.static_code(clip, order[[1, 0, 2]]) - found).abs().max() > 1e-3
    two = model.static_code(clip, torch.cat([order, order.flip(0)]))
    torch.testing.assert_close(two, (found + model.static_code(clip, order.flip(0))) / 2)
    own = torch.stack([order, order.flip(0), order])
    torch.testing.assert_close(
        model.static_code(clip, own)[1], model.static_code(clip, order.flip(0))[1]
    )
    with pytest.raises(ValueError, match="f is read from 3 frames at a time, got 4"):
        model.static_code(clip, torch.arange(4))
    unordered = made(aggregate="max", pairing="both").eval()
    torch.testing.assert_close(
        unordered.static_code(clip, order), unordered.static_code(clip, order.flip(0))
    )


def test_the_sequential_static_code_is_of_the_clip_in_its_order():
    model, clip = made(SequentialVAE).eval(), clips(3, 6)
    straight = model.static_code(clip, torch.arange(6))
    torch.testing.assert_close(straight, model.encode_clip(clip).what[:, 0])
    assert (model.static_code(clip, torch.arange(6).flip(0)) - straight).abs().max() > 1e-3


def test_where_is_drawn_for_a_given_what():
    model = made().eval()
    what = torch.randn(2, 5)
    codes = model.draw_where_given(what, 4000, draw())
    assert codes.shape == (2, 4000, 2)
    with torch.no_grad():
        prior = model.network.prior(what)
    spread = (prior.log_variance / 2).exp()
    torch.testing.assert_close(codes.std(1), spread, rtol=0.06, atol=0)
    assert ((codes.mean(1) - prior.mean).abs() < 4 * spread / 4000**0.5).all()
    assert (prior.mean[0] - prior.mean[1]).abs().max() > 0.01
    assert torch.equal(model.draw_where_given(what, 4000, draw()), codes)


@pytest.mark.parametrize("method", [DDR, SequentialVAE])
def test_the_prior_of_clips(method):
    model = made(method).eval()
    what = model.draw_what(3000, 2, draw())
    assert what.shape == (3000, 2, 5) and torch.equal(what[:, 0], what[:, 1])
    assert what.mean().abs() < 0.05 and abs(what.std() - 1) < 0.03
    where = model.draw_where(300, 4, draw())
    assert where.shape == (300, 4, 2) and where.std(0).min() > 0.1
    sampled = model.sample_clips(3, 4, draw(2))
    assert sampled.shape == (3, 4, 3, 16, 16) and 0 <= sampled.min() < sampled.max() <= 1
    assert torch.equal(sampled, model.sample_clips(3, 4, draw(2)))


def test_where_codes_of_the_sequential_prior_do_not_hang_on_what():
    model = made(SequentialVAE).eval()
    drawn = [model.draw_where_given(torch.full((2, 5), v), 6, draw()) for v in (0.0, 3.0)]
    assert torch.equal(*drawn) and drawn[0].shape == (2, 6, 2)


def test_what_decides_looks_and_where_the_rest():
    """The painter takes either code from wherever it comes: a swap is a swap."""
    model, clip = made().eval(), clips(4, 5)
    codes = model.encode_clip(clip)
    swapped = model.decode_clip(Codes(codes.where, codes.what.roll(1, 0)))
    once = model.network.paint(codes.what[3:4], codes.where[:1])
    torch.testing.assert_close(swapped[:1], once)
    alone = made(FrameVAE).eval()
    codes = alone.encode_clip(clip)
    assert alone.sample_clips(2, 3, draw()).shape == (2, 3, 3, 16, 16)
    torch.testing.assert_close(
        alone.decode_clip(codes)[1:2], alone.decode_clip(Codes(codes.where[1:2], codes.where[1:2]))
    )
