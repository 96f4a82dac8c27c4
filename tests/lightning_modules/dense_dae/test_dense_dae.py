from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional as F

from lightning_modules.dense_dae.module import DenseDAE
from lightning_modules.interface import (
    Codes,
    HasCanonical,
    HasCodes,
    HasDecoder,
    HasDeformation,
    HasReconstruction,
    HasSamples,
)
from lightning_modules.layers.warp import backward_warp

SMALL = {"image_size": 16, "channels": (8, 16), "depths": (2, 2), "code_dim": 32, "where_dim": 16}


@pytest.fixture(params=["dense", "dense_as_released", "plain"])
def method(request):
    torch.manual_seed(0)
    return DenseDAE(**SMALL, blocks=request.param, affine=True).eval()


@torch.no_grad()
def test_it_does_what_it_says(method):
    for capability in (HasCanonical, HasCodes, HasDecoder, HasDeformation, HasReconstruction):
        assert isinstance(method, capability)
    assert not isinstance(method, HasSamples)  # its codes have no prior
    image = torch.rand(3, 3, 16, 16)
    codes = method.encode(image)
    assert codes.where.shape == (3, 16 + 6) and codes.what.shape == (3, 16)
    canonical, displacement, picture = method.canonical(image)
    torch.testing.assert_close(method.deformation(image), displacement)
    torch.testing.assert_close(method.reconstruct(image), picture)
    torch.testing.assert_close(backward_warp(canonical, displacement), picture)
    assert displacement.shape == (3, 2, 16, 16)


@torch.no_grad()
def test_the_field_hangs_on_where_alone(method):
    torch.nn.init.normal_(method.network.affine.weight, std=0.5)
    first, second = method.encode(torch.rand(2, 3, 16, 16)).where, torch.rand(2, 16)
    field = method.paint(Codes(first, second)).displacement
    torch.testing.assert_close(method.paint(Codes(first, 1 - second)).displacement, field)
    assert (method.paint(Codes(1 - first, second)).displacement - field).abs().max() > 1e-4


def test_the_loss_is_the_weighted_sum_of_its_terms(method):
    found = method.losses({"image": torch.rand(4, 3, 16, 16)})
    expected = found["absolute"] + 1e-4 * found["variation"] + 1e-2 * found["bias"]
    torch.testing.assert_close(found["loss"], expected)


def test_while_there_is_a_template_textures_do_not_differ(method, monkeypatch):
    image = torch.rand(4, 3, 16, 16)
    seen = []
    paint = method.paint
    monkeypatch.setattr(method, "paint", lambda codes: seen.append(codes.what) or paint(codes))
    monkeypatch.setattr(method, "in_template", lambda: True)
    method.losses({"image": image})
    assert torch.equal(seen[0], seen[0][:1].expand_as(seen[0]))
    torch.testing.assert_close(seen[0].mean(0), method.encode(image).what.mean(0))
    assert seen[0].std(0).max() == 0 < method.encode(image).what.std(0).max()


@pytest.mark.parametrize(
    ("step", "training", "inside"), [(0, 1, 1), (3, 1, 1), (4, 1, 0), (0, 0, 0)]
)
def test_the_template_lasts_a_share_of_the_first_training(monkeypatch, step, training, inside):
    method = DenseDAE(**SMALL, template=0.4).train(bool(training))
    monkeypatch.setattr(DenseDAE, "global_step", step)
    monkeypatch.setattr(
        DenseDAE, "trainer", SimpleNamespace(estimated_stepping_batches=10), raising=False
    )
    assert method.in_template() == bool(inside)
    method.begin_finetuning()
    assert not method.in_template()


def test_it_learns_to_move_an_edge():
    """One edge at different places, and a texture that cannot change: the field has to move it."""
    torch.manual_seed(0)
    method = DenseDAE(**SMALL, blocks="plain")
    torch.nn.init.zeros_(method.network.what.weight).requires_grad_(False)
    place = torch.arange(32) % 8 + 4
    edge = (torch.arange(16) >= place[:, None]).float()
    image = (0.2 + 0.6 * edge)[:, None, None, :].expand(-1, 3, 16, -1).contiguous()
    parameters = [value for value in method.parameters() if value.requires_grad]
    optimizer = torch.optim.Adam(parameters, lr=3e-3, betas=(0.5, 0.999))
    for _ in range(150):
        optimizer.zero_grad()
        method.losses({"image": image})["loss"].backward()
        optimizer.step()
    with torch.no_grad():
        _, displacement, picture = method.canonical(image)
    # A median alone, a fixed edge in the middle, is wrong by 2 columns of 16 on average.
    assert F.l1_loss(picture, image) < 0.5 * 0.6 * 2 / 16
    # Where the edge is further to the right, pixels look further to the left.
    moved = displacement[:, 0, 4:12, 4:12].mean((1, 2))
    assert torch.corrcoef(torch.stack([moved, place.float()]))[0, 1] < -0.9
