"""The model of clips: sizes, balance, Langevin through time, learning, and what is kept."""

import pytest
import pytorch_lightning as pl
import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader

from lightning_modules.deformable.network import Painted
from lightning_modules.deformable.video import DeformableVideo, watched
from lightning_modules.layers.noise import normal_noise
from lightning_modules.layers.warp import base_grid
from tests.lightning_modules.deformable.test_deformable import count, trainer

FRAMES = 5
TINY = {
    "image_size": 16,
    "frames": FRAMES,
    "appearance_dim": 5,
    "geometry_dim": 4,
    "appearance_noise": 2,
    "geometry_noise": 3,
    "appearance_channels": (8, 4),
    "appearance_kernels": (3, 5),
    "appearance_strides": (2, 2),
    "geometry_channels": (6, 4),
    "geometry_kernels": (4, 5),
    "geometry_strides": (4, 1),
    "hidden": (6, 6),
    "langevin_steps": 3,
    "infer_steps": 10,
}
SIZE = 5 + 4 * 2 + 4 + 4 * 3


class Clips(torch.utils.data.Dataset):
    """Smooth pictures of 16 px that slide to the right, one pixel a frame at most."""

    def __init__(self, count=12, frames=FRAMES):
        generator = torch.Generator().manual_seed(1)
        small = torch.rand(count, 3, 4, 6, generator=generator)
        wide = F.interpolate(small, size=(16, 24), mode="bilinear")
        at = torch.linspace(0, 4, frames).round().int().tolist()
        self.clips = torch.stack([wide[..., x : x + 16] for x in at], 1)

    def __len__(self):
        return len(self.clips)

    def __getitem__(self, i):
        return {"clip": self.clips[i], "index": i}


def loader(batch=4):
    return DataLoader(Clips(), batch_size=batch)


def made(**more):
    torch.manual_seed(0)
    return DeformableVideo(**TINY | more)


def lively(**more):
    """An untrained model that moves, and whose field is of some pixels."""
    model = made(**more)
    with torch.no_grad():
        for stream in model.generators.dynamics.children():
            for layer in stream.layers:
                layer.weight *= 2
        model.generators.frame.geometry.first.weight *= 50
        for name, values in model.named_parameters():
            if name.endswith("first.bias"):  # at zero, a code of zeros has no gradient at all
                values += 0.1 * torch.randn_like(values)
    return model


def test_the_faithful_model_has_the_papers_parameters():
    model = DeformableVideo()
    frame, dynamics = model.generators.frame, model.generators.dynamics
    assert count(frame.appearance) == 4_413_059 and count(frame.geometry) == 785_730
    assert count(dynamics.appearance) == 2_960 and count(dynamics.geometry) == 1_870
    assert count(model) == 4_413_059 + 2_960 + 785_730 + 1_870
    assert model.bank.size == 237 + 620
    painted = model.generators.paint(torch.randn(1, 2, 60), 1e5 * torch.randn(1, 2, 30))
    assert painted.picture.shape == painted.canonical.shape == (1, 2, 3, 64, 64)
    assert painted.displacement.abs().max().item() * 32 == pytest.approx(20)  # pixels


def test_the_schemes_of_balance():
    def scales(tower):
        return [layer.scale for layer in (tower.first, *tower.doublings)]

    frame = made().generators.frame
    assert scales(frame.appearance) == pytest.approx(
        [(2 / fan) ** 0.5 for fan in (5, 8 * 9, 4 * 25)]
    )
    assert scales(frame.geometry) == pytest.approx(
        [0.3 * (2 / fan) ** 0.5 for fan in (4, 6 * 16, 4 * 25)]
    )
    assert not frame.geometry.first.bias.any()
    first = made(balance=None, appearance_ratio=0.5).generators.frame
    assert scales(first.appearance) == scales(first.geometry) == [1, 1, 1]
    assert first.appearance.doublings[0].weight.shape == (4, 2, 3, 3)
    assert first.geometry.doublings[0].weight.shape == (6, 4, 4, 4)


def plain_frame(model, what, where):
    """One frame of one clip, with every layer written out; what and where (D,)."""

    def grow(tower, code):
        x = F.linear(code, tower.first.scale * tower.first.weight, tower.first.bias)
        x = x.view(1, -1, 4, 4)
        for layer in tower.doublings:
            over = layer.weight.shape[-1] - layer.stride
            x = F.conv_transpose2d(
                x.clamp(min=0), layer.scale * layer.weight, layer.bias, stride=layer.stride
            )
            before, after = over // 2, over - over // 2
            x = x[..., before : x.shape[2] - after, before : x.shape[3] - after]
        return x

    frame = model.generators.frame
    canonical = (grow(frame.appearance, what).tanh() + 1) / 2
    field = grow(frame.geometry, where).tanh() * 2 * 20 / 64
    grid = base_grid(16, 16, like=field) + field.permute(0, 2, 3, 1)
    return F.grid_sample(canonical, grid, padding_mode="border", align_corners=False)


def plain_codes(stream, flat):
    """Codes z of one clip, a list over time."""
    s, codes = torch.zeros(stream.state), [flat[: stream.state]]
    for xi in flat[stream.state :].split(stream.noise):
        x = torch.cat([s, xi])
        for layer in stream.layers[:-1]:
            x = layer(x).relu()
        s = stream.layers[-1](x).tanh()
        codes.append(flat[: stream.state] + s)
    return codes


def plain_energy(model, flat, clip, sigma):
    dynamics = model.generators.dynamics
    a, g = flat.split(dynamics.sizes(FRAMES))
    total = flat.square().sum() / 2
    codes = zip(plain_codes(dynamics.appearance, a), plain_codes(dynamics.geometry, g), strict=True)
    for t, (what, where) in enumerate(codes):
        missed = 2 * plain_frame(model, what, where)[0] - 2 * clip[t]  # both in [-1, 1]
        total = total + missed.square().sum() / (2 * sigma**2)
    return total


@pytest.mark.parametrize("alternate", [False, True])
def test_a_visit_is_langevin_through_time_written_out(alternate):
    model = lively(
        alternate=alternate, step_size=0.05, langevin_steps=2, sigma=2.0, inference_scale=1.5
    ).train()
    clip, index = Clips().clips[:3], torch.tensor([2, 9, 5])
    start = model.bank.read(index)
    model.losses({"clip": clip, "index": index})
    cut = sum((5, 4 * 2))
    parts = [slice(0, cut), slice(cut, None)] if alternate else [slice(None)]
    for row, flat in enumerate(start):
        z = flat.clone()
        for step in range(2):
            noise = normal_noise(0, index[row : row + 1], 0, step, size=SIZE)[0]
            for part in parts:
                z = z.detach().requires_grad_(True)
                energy = plain_energy(model, z, clip[row], sigma=2.0 * 1.5)
                (slope,) = torch.autograd.grad(energy, z)
                z = z.detach().clone()
                z[part] += -(0.05**2) / 2 * slope[part] + 0.05 * noise[part]
        assert (z - flat).abs().max() > 0.05
        torch.testing.assert_close(model.bank.read(index)[row], z, atol=1e-5, rtol=1e-5)


def test_painting_again_for_the_gradient_is_painting_once():
    plain, again = lively(), lively(checkpoint_frames=4)
    codes, clip = torch.randn(3, SIZE), Clips().clips[:3]
    found = []
    for model in (plain, again):
        z = codes.clone().requires_grad_(True)
        painted = model.generators(z, FRAMES)
        error = model.generators.error(painted.picture, clip)
        found.append((*painted, *torch.autograd.grad(error.sum(), [z, *model.parameters()])))
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)
    batch = {"clip": clip, "index": torch.arange(3)}
    a, b = (model.train().losses(batch) for model in (plain, again))
    for name in a:
        torch.testing.assert_close(a[name], b[name], msg=name)


def test_checkpointed_painting_keeps_less():
    kept = []
    for frames in (0, 3):
        model, size = lively(checkpoint_frames=frames), []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda x, size=size: size.append(x.numel()) or x, lambda x: x
        ):
            model.generators(torch.randn(3, SIZE, requires_grad=True), FRAMES)
        kept.append(sum(size))
    assert kept[1] < 0.2 * kept[0]


def test_losses_are_those_of_the_codes_in_the_bank():
    model, clip = lively(sigma=0.5).train(), Clips().clips[:4]
    parts = model.losses({"clip": clip, "index": torch.arange(4)})
    codes = model.bank.read(torch.arange(4))
    painted = model.generators(codes, FRAMES)
    squares = (painted.picture - clip).square().sum((1, 2, 3, 4))
    torch.testing.assert_close(parts["loss"], (4 * squares).mean() / (2 * 0.5**2))
    torch.testing.assert_close(parts["reconstruction"], squares.mean() / FRAMES)
    unwarped = (painted.canonical - clip).square().sum((2, 3, 4)).mean()
    torch.testing.assert_close(parts["without_field"], unwarped)
    torch.testing.assert_close(parts["code_rms"], codes.square().mean().sqrt())
    assert parts["motion"] > 0.1 and parts["spread"] > parts["motion"]
    sigmoid = lively(head="sigmoid", sigma=0.5)
    sigmoid.bank.write(torch.arange(4), codes)
    sigmoid.langevin_steps = 0
    parts = sigmoid.train().losses({"clip": clip, "index": torch.arange(4)})
    torch.testing.assert_close(parts["loss"], parts["reconstruction"] * FRAMES / (2 * 0.5**2))


def test_a_field_that_stands_still_is_seen():
    field = torch.zeros(2, 4, 2, 16, 16)
    field[..., 0, :, :] = 3 / 8  # three pixels to the right, always
    clip = torch.rand(2, 4, 3, 16, 16)
    seen = watched(Painted(clip, clip, field), clip)
    assert seen["displacement"] == pytest.approx(3) and seen["without_field"] == 0
    assert seen["motion"] == pytest.approx(0, abs=1e-6) and seen["spread"] < 1e-6
    field[1] = 0  # the clips differ, the frames of each do not
    seen = watched(Painted(clip, clip, field), clip)
    assert seen["motion"] < 1e-6 and seen["spread"] == pytest.approx(1.5)
    field[:, 2:, 1] = -4 / 8  # and now half of the frames are moved up by four more
    assert watched(Painted(clip, clip, field), clip)["motion"] == pytest.approx(2)


def test_training_lowers_the_error(tmp_path):
    model = made(learning_rate=0.1, field_start=10.0, step_size=0.1, langevin_steps=2)
    losses = []

    class Watch(pl.Callback):
        def on_train_epoch_end(self, trainer, model):
            losses.append(trainer.callback_metrics["train/reconstruction"].item())

    trainer(tmp_path, 30, callbacks=[Watch()]).fit(model, loader(12))
    assert losses[-1] < 0.7 * losses[0]


def test_the_rate_is_halved_twice_and_parts_have_their_own(tmp_path):
    rates = []

    class Watch(pl.Callback):
        def on_train_batch_start(self, trainer, model, batch, batch_idx):
            rates.append([group["lr"] for group in trainer.optimizers[0].param_groups])
            assert trainer.optimizers[0].param_groups[0]["betas"] == (0.5, 0.999)

    model = made(learning_rate=2e-3, geometry_rate=0.5, transition_rate=0.1, langevin_steps=0)
    trainer(tmp_path, 4, callbacks=[Watch()]).fit(model, loader(6))
    assert [rate[0] for rate in rates] == pytest.approx([2e-3] * 4 + [1e-3] * 2 + [5e-4] * 2)
    assert all(rate == pytest.approx([rate[0] * x for x in (1, 0.5, 0.1, 0.05)]) for rate in rates)
    groups = model.trainer.optimizers[0].param_groups
    frame, dynamics = model.generators.frame, model.generators.dynamics
    parts = (frame.appearance, frame.geometry, dynamics.appearance, dynamics.geometry)
    for group, part in zip(groups, parts, strict=True):
        assert {id(p) for p in group["params"]} == {id(p) for p in part.parameters()}


def test_a_resumed_run_is_the_run_that_was_not_interrupted(tmp_path):
    whole = lively()
    trainer(tmp_path, 4).fit(whole, loader())

    class Stop(pl.Callback):
        def on_train_epoch_end(self, trainer, model):
            if trainer.current_epoch == 1:
                trainer.save_checkpoint(tmp_path / "half.ckpt")

    trainer(tmp_path, 4, callbacks=[Stop()]).fit(lively(), loader())
    checkpoint = torch.load(tmp_path / "half.ckpt", weights_only=True)
    assert checkpoint["code_bank"]["codes"].shape == (12, SIZE)
    half = made()
    trainer(tmp_path, 4).fit(half, loader(), ckpt_path=tmp_path / "half.ckpt")
    every = torch.arange(12)
    assert torch.equal(half.bank.read(every), whole.bank.read(every))
    for a, b in zip(half.parameters(), whole.parameters(), strict=True):
        assert torch.equal(a, b)
    whole.trainer.save_checkpoint(tmp_path / "whole.ckpt")
    again = DeformableVideo.load_from_checkpoint(tmp_path / "whole.ckpt", weights_only=True).eval()
    assert torch.equal(again.bank.read(every), whole.bank.read(every))
    again.begin_finetuning()
    assert len(again.bank.codes) == 0


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="at least 2 frames, got frames=1"):
        made(frames=1)
    with pytest.raises(ValueError, match=r"geometry_strides \[4, 1\] grow pictures of 16 px"):
        made(image_size=32, appearance_strides=(4, 2))
    with pytest.raises(ValueError, match="appearance_channels, _kernels and _strides differ"):
        made(appearance_kernels=(3,))
    with pytest.raises(ValueError, match="fraction of the width"):
        made(bound=20)
    model, index = made().train(), torch.arange(2)
    with pytest.raises(ValueError, match=r"the batch holds only image, index; .*hand_out"):
        model.losses({"image": torch.rand(2, 3, 16, 16), "index": index})
    with pytest.raises(ValueError, match=r"of \[6, 3, 16, 16\].*made for \[5, 3, 16, 16\]"):
        model.losses({"clip": torch.rand(2, 6, 3, 16, 16), "index": index})
