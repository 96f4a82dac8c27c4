"""KeyNet: sizes of the released model, its mask and balance, what the points are good for."""

import math

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from lightning_modules.keynet.losses import BalancedError, edge_mask
from lightning_modules.keynet.module import KeyNet
from lightning_modules.keynet.network import KeyNetNetwork, KeyNetShape
from lightning_modules.layers.points import gaussian_maps

SMALL = {
    "image_size": 32,
    "n_keypoints": 4,
    "channels": (8, 16),
    "first_stride": 2,
    "renderer_channels": (16, 8),
    "sharpness": 10.0,
    "norm": "group",
    "initialisation": "scale",
}


def parameters(module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_the_celeba_model_has_the_released_layers():
    network = KeyNetNetwork(KeyNetShape())
    # 7x7 32, 3x3 32 | 64 64 | 128 128 | 256 256, each with scale and shift.
    widths = [(3 * 49, 32), (32 * 9, 32), (32 * 9, 64), (64 * 9, 64)]
    widths += [(64 * 9, 128), (128 * 9, 128), (128 * 9, 256), (256 * 9, 256)]
    tower = sum(fan * out + 2 * out for fan, out in widths)
    assert tower == 1_177_056
    assert parameters(network.appearance) == tower
    assert parameters(network.pose) == tower + 256 * 30 + 30
    # 286 maps at 16 px -> 256 256 | 128 128 | 64 64 | 32, RGB.
    assert parameters(network.renderer) == 1_822_883
    image = torch.rand(1, 3, 128, 128)
    with torch.no_grad():
        looks = network.looks(image)
        assert looks.shape == (1, 256, 16, 16)
        assert network.render(network.points(image), looks).shape == image.shape


def test_a_point_is_where_its_map_peaks():
    network = KeyNetNetwork(
        KeyNetShape(image_size=32, n_keypoints=1, channels=(4, 4), renderer_channels=(4, 4))
    )
    maps = torch.zeros(1, 1, 16, 16)
    maps[0, 0, 3, :] += 100  # rows are y
    maps[0, 0, :, 12] += 100
    network.pose = torch.nn.Identity()
    point = network.points(maps)[0, 0]
    assert point.tolist() == pytest.approx([(2 * 12 + 1) / 16 - 1, (2 * 3 + 1) / 16 - 1], abs=0.02)


def test_a_spot_has_fallen_to_one_over_e_at_its_distance():
    seen = []
    network = KeyNetNetwork(
        KeyNetShape(
            image_size=32, n_keypoints=1, channels=(4, 4), renderer_channels=(4, 4), spot=0.125
        )
    )
    network.renderer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    network.render(torch.full((1, 1, 2), 1 / 16), torch.zeros(1, 4, 16, 16))
    spots = seen[0][0, 4]
    assert spots[8, 8].item() == pytest.approx(1)
    assert spots[8, 9].item() == pytest.approx(math.exp(-1), abs=1e-5)
    assert torch.equal(
        spots, gaussian_maps(torch.full((1, 1, 2), 1 / 16), 16, 0.125 / 2**0.5)[0, 0]
    )


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="halve 48 px too often"):
        KeyNetShape(image_size=48, channels=(4,) * 6)
    with pytest.raises(ValueError, match="double 16 too often for 64 px"):
        KeyNetShape(image_size=64, channels=(4,) * 3, renderer_channels=(4,) * 4)


def test_the_mask_is_the_released_one():
    mask = edge_mask(128, 10, 20, like=torch.zeros(1))[0, 0]
    assert (mask[:10] == 0).all() and (mask[:, -10:] == 0).all()
    assert mask[64, 64].item() == pytest.approx(1, abs=1e-3)
    # The middle of the ramp: half of what is inside.
    assert mask[64, 19:21].mean().item() == pytest.approx(0.5, abs=0.01)
    torch.testing.assert_close(mask, mask.flip(0))
    torch.testing.assert_close(mask, mask.T)


def test_every_map_weighs_alike_whatever_its_scale():
    torch.manual_seed(0)
    error, mask = BalancedError(2, decay=0.5), torch.ones(1, 1, 8, 8)
    zero, one = torch.zeros(2, 3, 8, 8), torch.ones(2, 3, 8, 8)
    assert error([one, 100 * one], [zero, zero], mask).item() == pytest.approx(2)
    # The means have moved half way to a quarter of the error: 1 -> 0.625.
    assert error([one / 2, 50 * one], [zero, zero], mask).item() == pytest.approx(2 * 0.25 / 0.625)
    torch.testing.assert_close(error.running, torch.tensor([0.625, 6250.0]))
    before = error.running.clone()
    error.eval()([one, one], [zero, zero], mask)
    assert torch.equal(error.running, before)


def test_what_lies_under_the_mask_does_not_count():
    error = BalancedError(1)
    want, have, mask = torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8), torch.zeros(1, 1, 8, 8)
    mask[..., 4:] = 1
    have[..., :4] = 5
    assert error([have], [want], mask).item() == 0


def blobs(n: int) -> torch.Tensor:
    """A bright spot somewhere on a dark picture."""
    where = torch.rand(n, 1, 2) * 1.2 - 0.6
    return gaussian_maps(where, 32, 0.2).expand(-1, 3, -1, -1) * 0.8 + 0.1


def fit(method: KeyNet, epochs: int, data: list) -> pl.Trainer:
    trainer = pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(method, DataLoader(data, batch_size=None))
    return trainer


def test_points_learn_to_follow_what_moves():
    pl.seed_everything(0)
    method = KeyNet(**SMALL, learning_rate=3e-3, schedule="trapezoid")
    data = [{"image": blobs(16), "pair": blobs(16), "index": torch.arange(16)} for _ in range(10)]
    held_out = blobs(64)

    def explained() -> float:
        """Share of a blob's place that one linear map tells of the points."""
        weight = held_out[:, 0] - 0.1
        centres = (torch.arange(32) * 2 + 1) / 32 - 1
        x = (weight.sum(1) * centres).sum(1) / weight.sum((1, 2))
        with torch.no_grad():
            points = method.eval().keypoints(held_out).mean.flatten(1)
        inputs = torch.cat([points, torch.ones(64, 1)], 1)
        left = x - inputs @ torch.linalg.lstsq(inputs, x[:, None]).solution[:, 0]
        return 1 - (left.var() / x.var()).item()

    method.train()
    fit(method, 6, data)
    assert explained() > 0.9
    method.eval()
    shown = method.reconstruct(held_out).detach()
    assert (shown - held_out).square().mean() < 0.5 * held_out.var(0).mean()


def test_every_parameters_gradient_is_clipped_by_itself():
    method = KeyNet(**SMALL, gradient_clip=0.01)
    method.train()
    batch = {"image": blobs(2), "pair": blobs(2), "index": torch.arange(2)}
    method.losses(batch)["loss"].backward()
    norms = [p.grad.norm().item() for p in method.parameters()]
    assert max(norms) > 0.02
    small = [p.grad.clone() for p in method.parameters() if p.grad.norm() < 0.01]
    method.on_before_optimizer_step(torch.optim.SGD(method.parameters(), lr=0.1))
    assert max(p.grad.norm().item() for p in method.parameters()) <= 0.0101
    assert all(any(torch.equal(s, p.grad) for p in method.parameters()) for s in small)


@pytest.mark.parametrize(("schedule", "last"), [("trapezoid", 0.0), ("staircase", 1e-3)])
def test_schedules_and_decay(schedule, last):
    method = KeyNet(**SMALL, schedule=schedule)
    batch = {"image": blobs(2), "pair": blobs(2), "index": torch.arange(2)}
    trainer = fit(method, 1, [batch, batch])
    decayed, plain = trainer.optimizers[0].param_groups
    assert decayed["lr"] == plain["lr"] == pytest.approx(last, abs=1e-9)
    assert decayed["weight_decay"] == 1e-5 and plain["weight_decay"] == 0
    assert all(p.dim() == 4 for p in decayed["params"])
    if schedule == "staircase":
        (stepper,) = trainer.lr_scheduler_configs
        assert stepper.interval == "step" and stepper.scheduler.step_size == 100_000


def test_without_pairs_there_is_nothing_to_learn_from():
    method = KeyNet(**SMALL)
    batch = {"image": blobs(2), "index": torch.arange(2)}
    with pytest.raises(ValueError, match="pairs: true"):
        method.train().losses(batch)
    method.eval().losses(batch)  # validation sees pictures as they are


def test_codes_decode_to_the_reconstruction_and_swap():
    torch.manual_seed(0)
    method = KeyNet(**SMALL).eval()
    image = blobs(2)
    codes = method.encode(image)
    assert codes.where.shape == (2, 4, 2) and codes.what.shape == (2, 16, 8, 8)
    torch.testing.assert_close(method.decode(codes), method.reconstruct(image))
    swapped = method.decode(codes._replace(what=codes.what.flip(0)))
    assert not torch.allclose(swapped, method.reconstruct(image))
