"""Pictures of two codes: what is swept, swapped, transferred, warped, and what is left out."""

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.basis_pictures import (
    APPLIED,
    DIMENSIONS,
    GAMMA,
    POINTS,
    draw_applied,
    draw_basis,
    strongest,
    sweep,
)
from benchmarks.code_pictures import draw_canonical, draw_swaps, draw_transfer
from benchmarks.samples import Driver
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
    return {"test_images": rng.integers(0, 256, (7, 16, 16, 3), dtype=np.uint8)}


@pytest.fixture(scope="module")
def driver():
    rng = np.random.default_rng(1)
    images, faces = (rng.integers(0, 256, (n, 16, 16, 3), dtype=np.uint8) for n in (5, 3))
    return Driver("view", images, [f"{n}°" for n in range(5)], faces)


def tile_of(sheet, row, column):
    left, top, width, height = sheet.box(row, column)
    return sheet.pixels()[top : top + height, left : left + width] / 255


def colour(picture):
    """Mean colour of a picture (C, H, W)."""
    return picture.clamp(0, 1).mean((1, 2)).numpy()


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


def test_every_sheet_is_drawn_for_a_method_with_two_codes(method, arrays, driver, tmp_path):
    sheets = {
        "basis": draw_basis(method, TITLE, points=4),
        "applied": draw_applied(method, TITLE, points=4),
        "swaps": draw_swaps(arrays, method, TITLE),
        "canonical": draw_canonical(arrays, method, TITLE),
        "transfer": draw_transfer(driver, method, TITLE),
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
    shown = tile_of(sheet, DIMENSIONS, POINTS - 1)
    assert shown.mean((0, 1)) == pytest.approx(colour(wanted), abs=0.02)


def test_geometry_is_applied_to_every_look_of_a_block():
    painter = Painter()
    sheet = draw_applied(painter, TITLE, gamma=4.0, points=3)
    assert (APPLIED, GAMMA) == ({"where": 2, "what": 4}, 10.0)
    # Two looks there are: rows 0 and 1 plain, 2 and 3 with where 0 at its end, 4 and 5 where 2.
    for row, left in enumerate((0.5, 0.5, 0.9, 0.9, 0.7, 0.7)):
        half = tile_of(sheet, row, 1)[:, :40]
        assert half.mean() == pytest.approx(left, abs=0.02)
    assert tile_of(sheet, 4, 2)[:, 56:].mean() == pytest.approx(0.9, abs=0.02)  # what 1 at 4


def test_swaps_keep_looks_in_rows_and_geometry_in_columns(method, arrays):
    sheet = draw_swaps(arrays, method, TITLE)
    image = torch.from_numpy(arrays["test_images"][:6]).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        codes = method.encode(image)
        wanted = method.decode(Codes(codes.where[4:5], codes.what[1:2]))[0]
    assert tile_of(sheet, 2, 5).mean((0, 1)) == pytest.approx(colour(wanted), abs=0.02)


def test_a_transfer_keeps_looks_in_rows_and_takes_the_drivers_geometry(method, driver):
    sheet = draw_transfer(driver, method, TITLE)
    faces, frames = (
        torch.from_numpy(images).permute(0, 3, 1, 2) / 255
        for images in (driver.faces, driver.images)
    )
    with torch.no_grad():
        face, frame = method.encode(faces), method.encode(frames)
        own = method.decode(Codes(face.where[1:2], face.what[1:2]))[0]
        driven = method.decode(Codes(frame.where[3:4], face.what[1:2]))[0]
    for column, wanted in ((0, faces[1]), (1, own), (5, driven)):
        assert tile_of(sheet, 2, column).mean((0, 1)) == pytest.approx(colour(wanted), abs=0.02)
    assert tile_of(sheet, 0, 5).mean((0, 1)) == pytest.approx(colour(frames[3]), abs=0.02)
    words = [text.get_text() for text in sheet.figure.texts]
    assert {"3°", "own geometry", "One person's view on other faces"} <= set(words)


def test_an_entangled_method_has_one_sweep_and_no_swaps(arrays, driver):
    torch.manual_seed(0)
    vae = VAE(latent_dim=7, **SIZE).eval()
    sheet = draw_basis(vae, TITLE)
    assert sheet.height < draw_basis(Painter(), TITLE).height + 4 * 96
    assert draw_swaps(arrays, vae, TITLE) is None
    assert draw_canonical(arrays, vae, TITLE) is None and draw_applied(vae, TITLE) is None
    assert draw_transfer(driver, vae, TITLE) is None


def test_grey_pictures_are_drawn_in_grey():
    torch.manual_seed(0)
    grey = AmortisedDeformableGenerator(image_channels=1, **SIZE).eval()
    images = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 1), dtype=np.uint8)
    sheet = draw_swaps({"test_images": images}, grey, TITLE)
    shown = tile_of(sheet, 0, 1)
    assert np.ptp(shown, axis=-1).max() == 0 and shown.std() > 0.1
    assert tile_of(draw_canonical({"test_images": images}, grey, TITLE), 3, 0).std() > 0


def test_what_lacks_its_input_is_left_out(method, driver):
    assert draw_transfer(driver, None, TITLE) is None and draw_applied(None, TITLE) is None
    assert draw_basis(Method(), TITLE) is None and draw_basis(None, TITLE) is None
    assert draw_swaps({}, method, TITLE) is None and draw_canonical({}, method, TITLE) is None
