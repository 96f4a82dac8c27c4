"""AutoLink: sizes of the released model, edges against plain distances, masks, what is learned."""

import math

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from lightning_modules.autolink.losses import FeatureError
from lightning_modules.autolink.module import AutoLink
from lightning_modules.autolink.network import AutoLinkNetwork, AutoLinkShape, Edges, kept_blocks
from lightning_modules.layers.points import gaussian_maps, pixel_centres

SMALL = {
    "image_size": 32,
    "n_keypoints": 4,
    "down": (8, 16),
    "up": (8,),
    "painter": (8, 16, 16),
    "blocks": 8,
    "norm": "group",
    "anchor": 0.3,
}


def count(module) -> int:
    return sum(p.numel() for p in module.parameters())


def conv(inputs: int, outputs: int, normalised: bool = True) -> int:
    return 9 * inputs * outputs + outputs + 2 * outputs * normalised


def test_the_model_has_the_released_layers():
    network = AutoLinkNetwork(AutoLinkShape(), 128)
    down = zip((3, 64, 128, 256), (64, 128, 256, 512), strict=True)
    detector = sum(2 * conv(a, b) + conv(b, b) for a, b in down)
    detector += conv(512, 256) + conv(256, 128) + conv(128, 8, False)
    assert count(network.detector) == detector
    steps = [(64, 128), (128, 256), (256, 512), (512, 512)]
    steps += [(512, 512), (1024, 256), (512, 128), (256, 64)]
    painter = sum(conv(a, b) + conv(b, b) for a, b in steps)
    painter += 1 + conv(4, 64, False) + conv(128, 3, False)
    assert count(network.painter) == painter
    assert count(network.edges) == 28
    # The released start: softplus of about -4.
    assert network.edges.strength.mean().item() == pytest.approx(math.log1p(math.exp(-4)), rel=0.1)


def test_an_edge_falls_off_with_the_distance_from_its_segment():
    torch.manual_seed(0)
    edges = Edges(AutoLinkShape(n_keypoints=3, thickness=0.05))
    points = torch.tensor([[[-0.5, 0.2], [0.6, 0.2], [0.1, -0.7]]])
    drawn = edges(points, 16)[0, 0]
    centres = pixel_centres(16, like=points).tolist()
    strength = edges.strength.tolist()
    for row, column in ((0, 0), (3, 8), (9, 4), (9, 15), (12, 7)):
        at, best = torch.tensor([centres[column], centres[row]]), 0.0
        for k, (i, j) in enumerate(((0, 1), (0, 2), (1, 2))):
            a, b = points[0, i], points[0, j]
            t = ((at - a) @ (b - a) / (b - a).square().sum()).clamp(0, 1)
            far = (at - a - t * (b - a)).square().sum().item()
            best = max(best, strength[k] * math.exp(-far / 0.05))
        assert drawn[row, column].item() == pytest.approx(best, rel=1e-4)


def test_points_in_one_place_draw_a_spot_and_no_nan():
    edges = Edges(AutoLinkShape(n_keypoints=2, thickness=0.05))
    points = torch.zeros(1, 2, 2, requires_grad=True)
    drawn = edges(points, 16)
    drawn.sum().backward()
    assert torch.isfinite(drawn).all() and torch.isfinite(points.grad).all()
    assert drawn.amax() == drawn[0, 0, 7:9, 7:9].amax()


def test_the_mask_keeps_whole_blocks_and_the_share_it_should():
    torch.manual_seed(0)
    mask = kept_blocks(torch.randn(64, 16, 16), 0.8, 64)
    assert mask.shape == (64, 1, 64, 64)
    assert mask.mean().item() == pytest.approx(0.2, abs=0.01)
    assert torch.equal(mask[..., ::4, ::4].repeat_interleave(4, 2).repeat_interleave(4, 3), mask)


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="down halves 24 px 4 times"):
        AutoLinkNetwork(AutoLinkShape(down=(4,) * 4), 24)


def test_the_error_is_absolute_and_averaged():
    image = torch.rand(2, 3, 32, 32)
    assert FeatureError("mse")(image + 0.25, image).item() == pytest.approx(0.25)
    assert FeatureError("gradients")(image + 0.25, image).item() == pytest.approx(0.25, abs=1e-4)


def bars(n: int) -> torch.Tensor:
    """A bright bar between two random ends on a dark picture."""
    edges = Edges(AutoLinkShape(n_keypoints=2, thickness=0.02))
    ends = torch.rand(n, 2, 2) * 1.4 - 0.7
    with torch.no_grad():
        drawn = edges(ends, 32) / edges.strength
    return (0.1 + 0.8 * drawn).expand(-1, 3, -1, -1).contiguous()


def test_learning_draws_edges_that_help():
    pl.seed_everything(0)
    # The step of an edge is rate times factor: far above the paper's, edges die at once.
    method = AutoLink(**SMALL, learning_rate=5e-3, edge_rate=10.0, schedule="trapezoid")
    held_out = bars(32)
    start = method.network.edges.strength.max().item()

    def error() -> float:
        with torch.no_grad():
            return (method.eval().reconstruct(held_out) - held_out).abs().mean().item()

    before = error()
    method.train()
    trainer = pl.Trainer(
        max_epochs=6,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    data = [{"image": bars(16), "index": torch.arange(16)} for _ in range(10)]
    trainer.fit(method, DataLoader(data, batch_size=None))
    assert error() < 0.25 * before
    assert method.network.edges.strength.max().item() > 2 * start
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(0, abs=1e-9)


def test_what_it_can_do():
    torch.manual_seed(0)
    method = AutoLink(**SMALL).eval()
    image = gaussian_maps(torch.rand(2, 1, 2) - 0.5, 32, 0.2).expand(-1, 3, -1, -1)
    codes = method.encode(image)
    assert codes.where.shape == (2, 4, 2) and codes.what.shape == image.shape
    torch.testing.assert_close(codes.where, method.keypoints(image).mean)
    torch.testing.assert_close(method.decode(codes), method.reconstruct(image))
    # What is left of a picture hangs on the picture alone, not on the batch.
    torch.testing.assert_close(method.encode(image[1:]).what, codes.what[1:])
    assert isinstance(method.configure_optimizers(), torch.optim.AdamW)
