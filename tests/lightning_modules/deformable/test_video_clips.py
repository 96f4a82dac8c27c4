"""What the model of clips can do with clips it never saw: encode, paint, edit, draw."""

import torch

from lightning_modules import interface
from lightning_modules.deformable import video, video_network
from tests.lightning_modules.deformable.test_video import FRAMES, SIZE, Clips, lively


def test_it_can_what_clips_need_and_nothing_of_pictures():
    model, clip = lively().eval(), Clips().clips[:3]
    clips = (interface.HasClipField, interface.HasClipPrior, interface.HasClipDecoder)
    assert all(isinstance(model, kind) for kind in clips) and model.sees == "clips"
    pictures = (interface.HasCodes, interface.HasDecoder, interface.HasSamples)
    assert not any(isinstance(model, kind) for kind in pictures)
    codes = model.encode_clip(clip)
    assert codes.where.shape == (3, FRAMES, 4) and codes.what.shape == (3, FRAMES, 5)
    assert codes.where.std(1).min() > 0 and not codes.where.requires_grad
    painted = model.decode_clip(codes)
    assert painted.shape == clip.shape and painted.min() >= 0 and painted.max() <= 1
    assert torch.equal(model.reconstruct_clip(clip), painted)
    field = model.clip_field(codes.where)
    assert field.shape == (3, FRAMES, 2, 16, 16)
    whole = model.generators.paint(codes.what, codes.where)
    torch.testing.assert_close(field, whole.displacement)
    torch.testing.assert_close(whole.picture, painted)
    assert isinstance(model, interface.HasClipCanonical)
    torch.testing.assert_close(model.canonical_clip(codes.what), whole.canonical)
    assert (whole.canonical - whole.picture).abs().max() > 0.01


def test_large_batches_are_painted_in_pieces(monkeypatch):
    model, codes = lively().eval(), torch.randn(5, SIZE)
    with torch.no_grad():
        whole = model.generators(codes, FRAMES)
        monkeypatch.setattr(video_network, "_UNTRACKED", 7)
        sizes = []
        hook = model.generators.frame.register_forward_pre_hook(
            lambda _, rows: sizes.append(len(rows[0]))
        )
        pieces = model.generators(codes, FRAMES)
        hook.remove()
        field = model.clip_field(model.generators.dynamics(codes, FRAMES)[1])
    assert sizes == [7, 7, 7, 4]
    for a, b in zip(whole, pieces, strict=True):
        torch.testing.assert_close(a, b)
    torch.testing.assert_close(field, whole.displacement)


def test_a_constant_on_all_frames_edits_the_first_code_alone():
    model = lively().eval()
    flat, move = torch.randn(2, SIZE), torch.randn(4)
    what, where = model.generators.dynamics(flat, FRAMES)
    edited = flat.clone()
    edited[:, 5 + 4 * 2 :][:, :4] += move
    with torch.no_grad():
        wanted = model.generators(edited, FRAMES).picture
    codes = interface.Codes(where + move, what)
    torch.testing.assert_close(model.decode_clip(codes), wanted)
    plain = model.decode_clip(interface.Codes(where, what))
    assert (plain - wanted).abs().max() > 0.01


def test_a_clip_has_the_same_codes_in_any_batch_and_leaves_the_bank_alone(monkeypatch):
    model, clips = lively(infer_steps=5).eval(), Clips().clips
    before = model.bank.read(torch.arange(12))
    whole = model.infer(clips)
    monkeypatch.setattr(video, "_FRAMES", 3 * FRAMES)
    torch.testing.assert_close(model.infer(clips[4:9]), whole[4:9], atol=1e-4, rtol=1e-4)
    assert (model.infer(clips[:2], chain=1) - whole[:2]).abs().max() > 0.01
    parts = model.losses({"clip": clips, "index": torch.arange(12)})
    torch.testing.assert_close(parts["code_rms"], whole.square().mean().sqrt(), atol=0, rtol=1e-3)
    assert torch.equal(model.bank.read(torch.arange(12)), before)
    with torch.inference_mode():
        torch.testing.assert_close(model.infer(clips[:2]), whole[:2], atol=1e-4, rtol=1e-4)


def test_to_the_mode_chains_are_the_same_and_climb():
    model, clip = lively(infer_by="mode", infer_steps=20).eval(), Clips().clips[:3]
    codes = model.infer(clip)
    assert torch.equal(model.infer(clip, chain=1), codes)
    energy = [
        model._misfit(clip)(z) + z.square().sum(1) / 2 for z in (torch.zeros_like(codes), codes)
    ]
    assert (energy[1] < energy[0]).all()


def test_clips_of_other_lengths_are_encoded_too():
    model = lively().eval()
    long = model.encode_clip(Clips(2, frames=8).clips)
    assert long.where.shape == (2, 8, 4) and long.what.shape == (2, 8, 5)
    assert model.losses({"clip": Clips(2, frames=3).clips, "index": torch.arange(2)})["loss"] > 0


def test_draws_are_of_the_prior_and_of_the_generator():
    model = lively().eval()
    draw = lambda seed: torch.Generator().manual_seed(seed)  # noqa: E731
    where, what = model.draw_where(3000, 4, draw(1)), model.draw_what(3000, 4, draw(2))
    assert where.shape == (3000, 4, 4) and what.shape == (3000, 4, 5)
    for first in (where[:, 0], what[:, 0]):
        assert first.mean().abs() < 0.05 and abs(first.std() - 1) < 0.03
    assert (where - where[:, :1])[:, 1:].std() > 0.05
    assert torch.equal(model.draw_where(3000, 4, draw(1)), where)
    clips = model.sample_clips(2, 7, draw(3))
    assert clips.shape == (2, 7, 3, 16, 16) and clips.std() > 0
