"""The sequential VAE learns from some frames of long clips, in their order."""

import pytest
import torch

from lightning_modules.ddr.baselines import SequentialVAE


def made(**more):
    return SequentialVAE(16, 1, f_dim=3, channels=(4, 4), hidden=5, **more)


def test_some_frames_are_drawn_in_their_order_and_others_the_next_time(monkeypatch):
    model = made(ordered=5).train()
    clip = torch.arange(40.0)[None, :, None, None, None].expand(3, -1, 1, 16, 16)
    index = torch.tensor([4, 7, 9])
    epochs = []
    for epoch in (0, 0, 1):
        monkeypatch.setattr(model, "visit", lambda epoch=epoch: epoch)
        epochs.append(model.learned_from(clip, index)[:, :, 0, 0, 0])
    assert epochs[0].shape == (3, 5) and (epochs[0].diff(dim=1) > 0).all()
    assert torch.equal(epochs[0], epochs[1]) and not torch.equal(epochs[0], epochs[2])
    # What is drawn of a clip does not hang on who else is in the batch.
    monkeypatch.setattr(model, "visit", lambda: 0)
    alone = model.learned_from(clip[1:2], index[1:2])[:, :, 0, 0, 0]
    assert torch.equal(alone[0], epochs[0][1]) and not torch.equal(epochs[0][0], epochs[0][1])


def test_all_frames_are_learned_from_by_default_and_where_there_are_no_more():
    clip = torch.rand(2, 6, 1, 16, 16)
    for model in (made(), made(ordered=6), made(ordered=9)):
        assert model.learned_from(clip, torch.arange(2)) is clip
    with pytest.raises(ValueError, match="ordered must be 0 or more, got -1"):
        made(ordered=-1)
