"""Zhang et al.: sizes of the released hourglass, each loss against plain sums, what is learned."""

import itertools
import math

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from lightning_modules.layers.points import gaussian_maps, moments, pixel_centres
from lightning_modules.zhang.losses import carried_back, concentration, equivariance, separation
from lightning_modules.zhang.module import Zhang
from lightning_modules.zhang.network import Hourglass, LandmarkEncoder, LandmarkShape

SMALL = {
    "image_size": 32,
    "n_keypoints": 4,
    "pad": 4,
    "landmark_levels": ((8, 8), (16, 16)),
    "painter_levels": ((8, 16), (16,)),
    "landmark_skips": 1,
    "painter_skips": 1,
    "stride": 2,
    "spot": 0.15,
    "spot_levels": 3,
    "anchor": 0.3,
    "norm": "group",
    "reconstruction_weights": (1.0,),
    "milestones": (),
}


def identity_field(n: int, size: int) -> torch.Tensor:
    centres = pixel_centres(size, like=torch.zeros(1))
    y, x = torch.meshgrid(centres, centres, indexing="ij")
    return torch.stack([x, y]).expand(n, 2, size, size)


def test_the_landmark_hourglass_has_the_released_layers():
    encoder = LandmarkEncoder(LandmarkShape())
    # Down 32 32 | 64 64 | 64 64 | 64 64, the way back mirrored, three convolutions a bypass.
    down = [(3, 32), (32, 32), (32, 64), (64, 64), (64, 64), (64, 64), (64, 64), (64, 64)]
    up = [(64, 64), (64, 64)] * 2 + [(64, 64), (64, 32), (32, 32), (32, 32)]
    skips = 3 * [(32, 32)] + 6 * [(64, 64)]
    blocks = sum(9 * a * b + 2 * b for a, b in [*down, *up, *skips])
    assert sum(p.numel() for p in encoder.glass.parameters()) == blocks
    assert sum(p.numel() for p in encoder.head.parameters()) == 9 * 32 * 11 + 11
    with torch.no_grad():
        maps = encoder.maps(torch.rand(1, 3, 80, 80))
    assert maps.shape == (1, 11, 96, 96)  # as released: 80 px are seen with a border of 8
    torch.testing.assert_close(maps.sum(1), torch.ones(1, 96, 96))


def test_an_hourglass_keeps_the_size_and_needs_its_bypass():
    torch.manual_seed(0)
    glass = Hourglass(3, 5, ((4,), (4,), (4,)), 1, "group").eval()
    image = torch.rand(1, 3, 16, 16)
    assert glass(image).shape == (1, 5, 16, 16)
    with torch.no_grad():
        plain = glass(image)
        glass.skip[0].norm.weight.zero_()
        assert not torch.allclose(glass(image), plain)


def test_levels_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="4 levels with stride 1 halve 68 px too often"):
        LandmarkShape(image_size=64, pad=2)


def test_moments_are_those_of_the_map():
    maps = gaussian_maps(torch.tensor([[[0.2, -0.4]]]), 64, 0.15)
    mean, variance = moments(maps / maps.sum())
    assert mean[0, 0].tolist() == pytest.approx([0.2, -0.4], abs=1e-3)
    assert variance[0, 0].tolist() == pytest.approx([0.0225, 0.0225], rel=0.01)


def test_concentration_and_separation_are_plain_sums():
    deviation, points = torch.rand(2, 3), torch.rand(2, 3, 2) * 2 - 1
    wanted = sum(2 * math.pi * math.e * (s / 2) ** 2 for s in deviation.flatten().tolist()) / 2
    assert concentration(deviation).item() == pytest.approx(wanted, rel=1e-5)
    near = 0.0
    for b, i, j in itertools.product(range(2), range(3), range(3)):
        if i != j:
            far = math.dist(points[b, i].tolist(), points[b, j].tolist()) / 2
            near += math.exp(-(far**2) / (2 * 0.08**2)) / 2
    assert separation(points, 0.08).item() == pytest.approx(near, rel=1e-4)


def test_equivariant_landmarks_cost_nothing_and_others_their_distance():
    # The pair shows at (x, y) what the picture has at (x / 2 + 0.1, y / 2).
    origin = identity_field(2, 64) / 2 + torch.tensor([0.1, 0.0]).view(1, 2, 1, 1)
    pair = torch.rand(2, 5, 2) * 1.8 - 0.9
    points = pair / 2 + torch.tensor([0.1, 0.0])
    torch.testing.assert_close(carried_back(pair, origin), points, atol=1e-5, rtol=0)
    assert equivariance(points, pair, origin).item() < 1e-8
    moved = points + torch.tensor([0.03, 0.04])
    assert equivariance(moved, pair, origin).item() == pytest.approx(5 * 0.05**2, rel=1e-3)


def blobs(where: torch.Tensor, size: int = 32) -> torch.Tensor:
    """A coloured spot on a dark picture."""
    colour = torch.tensor([0.8, 0.5, 0.2]).view(1, 3, 1, 1)
    return gaussian_maps(where, size, 0.2) * colour + 0.1


def batch(n: int) -> dict[str, torch.Tensor]:
    where = torch.rand(n, 1, 2) * 1.2 - 0.6
    shift = torch.rand(n, 1, 2) * 0.4 - 0.2
    origin = identity_field(n, 32) - shift.view(n, 2, 1, 1)
    return {
        "image": blobs(where),
        "pair": blobs(where + shift),
        "pair_source": origin.permute(0, 2, 3, 1),
        "index": torch.arange(n),
    }


def test_the_loss_is_the_weighted_sum_of_its_parts():
    method = Zhang(**SMALL, separation_weight=3.0, equivariance_weight=7.0)
    parts = method.train().losses(batch(3))
    wanted = parts["reconstruction"] + 100 * parts["concentration"]
    wanted = wanted + 3 * parts["separation"] + 7 * parts["equivariance"]
    torch.testing.assert_close(parts["loss"], wanted)
    assert all(parts[name] > 0 for name in ("separation", "equivariance", "concentration"))


def test_reconstruction_weighs_more_after_every_milestone():
    changed = {"reconstruction_weights": (0.1, 1.0, 10.0), "milestones": (0, 5)}
    method = Zhang(**(SMALL | changed)).eval()
    parts = method.losses(batch(2))  # step 0 has passed the first milestone
    rest = 100 * parts["concentration"] + 20 * parts["separation"] + 1e4 * parts["equivariance"]
    torch.testing.assert_close(parts["loss"] - rest, parts["reconstruction"], rtol=1e-3, atol=1e-3)
    with pytest.raises(ValueError, match="2 milestones need 3 reconstruction_weights"):
        Zhang(**(SMALL | {"milestones": (1, 2)}))


def test_few_and_many_landmarks_have_the_released_weights():
    few, many = (Zhang(**(SMALL | {"n_keypoints": k})) for k in (10, 30))
    assert (few.separation_weight, few.separation_bandwidth, few.learning_rate) == (20, 0.08, 1e-3)
    assert (many.separation_weight, many.separation_bandwidth) == (10, 0.04)
    assert many.learning_rate == 1e-2
    plain = {"reconstruction_weights": None, "milestones": (3, 6), "n_keypoints": 30}
    assert Zhang(**(SMALL | plain)).reconstruction_weights == (0.1, 10, 100)


def test_landmarks_start_apart_where_they_are_anchored():
    torch.manual_seed(0)
    image = torch.rand(2, 3, 32, 32)
    spread = [
        Zhang(**(SMALL | {"anchor": anchor})).eval().keypoints(image).mean.std(1).mean().item()
        for anchor in (0.0, 0.3)
    ]
    assert spread[0] < 0.1 < 0.25 < spread[1]


def test_learning_makes_landmarks_follow_and_the_picture_come_back():
    pl.seed_everything(0)
    method = Zhang(**SMALL, learning_rate=3e-3, schedule="trapezoid")
    held_out = batch(32)
    before = method.eval().losses(held_out)
    method.train()
    trainer = pl.Trainer(
        max_epochs=3,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(method, DataLoader([batch(16) for _ in range(12)], batch_size=None))
    after = method.eval().losses(held_out)
    for name in ("equivariance", "concentration", "reconstruction"):
        assert after[name] < 0.6 * before[name], name
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(0, abs=1e-9)


def test_what_it_can_do():
    torch.manual_seed(0)
    method = Zhang(**SMALL).eval()
    image = batch(2)["image"]
    points, codes = method.keypoints(image), method.encode(image)
    assert points.mean.shape == points.log_variance.shape == (2, 4, 2)
    torch.testing.assert_close(codes.where, points.mean)
    assert codes.what.shape == (2, 5, 8)
    torch.testing.assert_close(method.decode(codes), method.reconstruct(image))
    with pytest.raises(ValueError, match="pairs: true"):
        method.train().losses({"image": image, "index": torch.arange(2)})
