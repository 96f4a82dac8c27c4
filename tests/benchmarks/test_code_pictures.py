"""Pictures of two codes: what is swept, what is swapped, what is left out."""

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.code_pictures import (
    DIMENSIONS,
    POINTS,
    draw_basis,
    draw_canonical,
    draw_swaps,
    draw_views,
    strongest,
    sweep,
)
from lightning_modules.deformable.module import AmortisedDeformableGenerator
from lightning_modules.interface import Codes, Method
from lightning_modules.vae.module import VAE

SIZE = {"image_size": 16, "channels": (8, 4), "kernels": (3, 5)}
TITLE = "deformable seed 0"


@pytest.fixture(scope="module")
def method():
    torch.manual_seed(0)
    return AmortisedDeformableGenerator(appearance_dim=9, geometry_dim=8, **SIZE).eval()


@pytest.fixture(scope="module")
def arrays():
    rng = np.random.default_rng(0)
    return {
        "test_images": rng.integers(0, 256, (7, 16, 16, 3), dtype=np.uint8),
        "view_images": rng.integers(0, 256, (5, 2, 16, 16, 3), dtype=np.uint8),
        "view_rebuilt": rng.integers(0, 256, (5, 2, 16, 16, 3), dtype=np.uint8),
        "view_errors": rng.gamma(4, 20, (5, 2)),
    }


class Painter(Method):
    """Two grey numbers: where moves the left half, what the right half, by its second number."""

    def prior_mean(self):
        return Codes(torch.zeros(1, 3), torch.zeros(1, 2))

    def decode(self, codes):
        left = (codes.where @ torch.tensor([0.1, 0.02, 0.05])).view(-1, 1, 1, 1)
        right = codes.what[:, 1].view(-1, 1, 1, 1) * 0.1
        halves = [half.expand(-1, 3, 16, 8) + 0.5 for half in (left, right)]
        return torch.cat(halves, 3)


def test_a_sweep_moves_one_number_and_nothing_else():
    painter = Painter()
    pictures = sweep(painter, painter.prior_mean(), "where", 2, 4.0)
    assert pictures.shape == (POINTS, 3, 16, 16)
    torch.testing.assert_close(pictures[:, 0, 0, 0], 0.5 + 0.05 * torch.linspace(-4, 4, POINTS))
    assert (pictures[..., 8:] == 0.5).all()


def test_the_strongest_dimensions_come_first():
    painter = Painter()
    assert strongest(painter, painter.prior_mean(), "where", 3.0) == [0, 2, 1]
    assert strongest(painter, painter.prior_mean(), "what", 3.0) == [1, 0]


def test_every_sheet_is_drawn_for_a_method_with_two_codes(method, arrays, tmp_path):
    sheets = {
        "basis": draw_basis(method, TITLE),
        "swaps": draw_swaps(arrays, method, TITLE),
        "canonical": draw_canonical(arrays, method, TITLE),
        "views": draw_views(arrays, TITLE),
    }
    for name, sheet in sheets.items():
        pixels = np.asarray(Image.open(sheet.save(tmp_path / f"{name}.png")))
        assert pixels.shape == (sheet.height, sheet.width, 3) and pixels.std() > 10


def test_the_basis_sheet_holds_the_sweeps_themselves(method):
    sheet = draw_basis(method, TITLE, gamma=2.0)
    base = method.prior_mean()
    first = strongest(method, base, "what", 2.0)[0]
    with torch.no_grad():
        wanted = sweep(method, base, "what", first, 2.0)[POINTS - 1]
    left, top, width, height = sheet.box(DIMENSIONS, POINTS - 1)
    shown = sheet.pixels()[top : top + height, left : left + width] / 255
    assert shown.mean((0, 1)) == pytest.approx(wanted.clamp(0, 1).mean((1, 2)).numpy(), abs=0.02)


def test_swaps_keep_looks_in_rows_and_geometry_in_columns(method, arrays):
    sheet = draw_swaps(arrays, method, TITLE)
    image = torch.from_numpy(arrays["test_images"][:6]).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        codes = method.encode(image)
        wanted = method.decode(Codes(codes.where[4:5], codes.what[1:2]))[0]
    left, top, width, height = sheet.box(2, 5)
    shown = sheet.pixels()[top : top + height, left : left + width] / 255
    assert shown.mean((0, 1)) == pytest.approx(wanted.mean((1, 2)).numpy(), abs=0.02)


def test_an_entangled_method_has_one_sweep_and_no_swaps(arrays):
    torch.manual_seed(0)
    vae = VAE(latent_dim=7, **SIZE).eval()
    sheet = draw_basis(vae, TITLE)
    assert sheet.height < draw_basis(Painter(), TITLE).height + 4 * 96
    assert draw_swaps(arrays, vae, TITLE) is None
    assert draw_canonical(arrays, vae, TITLE) is None


def test_what_lacks_its_input_is_left_out(method):
    assert draw_basis(Method(), TITLE) is None and draw_basis(None, TITLE) is None
    assert draw_swaps({}, method, TITLE) is None and draw_canonical({}, method, TITLE) is None
    assert draw_views({}, TITLE) is None
