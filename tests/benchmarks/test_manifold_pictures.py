"""The grid over *where*: every point where the axes say, the same for all persons."""

import numpy as np
import pytest
import torch

from benchmarks.clip_samples import Clips
from benchmarks.clip_scenes import encode
from benchmarks.manifold_pictures import REACH, SIDE, axes_of, draw_manifold, grid_points, mosaic
from lightning_modules.interface import Codes
from tests.benchmarks.painted_clips import SIZE, One, Quarters, levels, shown


@pytest.fixture(autouse=True)
def _frozen():
    with torch.no_grad():
        yield


class Wide(Quarters):
    """*Where* has two numbers more: one that hardly varies first, and one of zeros last."""

    def encode_clip(self, clip):
        codes = super().encode_clip(clip)
        first = 0.01 * codes.where[..., :1] + 0.5
        return Codes(torch.cat([first, codes.where, 0 * first], 2), codes.what)

    def decode_clip(self, codes):
        assert torch.equal(codes.where[..., 3], torch.zeros_like(codes.where[..., 3]))
        return super().decode_clip(Codes(codes.where[..., 1:3], codes.what))


def test_every_point_is_painted_where_the_axes_say():
    found = encode(Quarters().eval(), shown())
    sheet = draw_manifold(found, "a cell")
    # A face, a grid and a diagram a person.
    assert len(sheet.figure.axes) == 9
    codes = found.codes.where.flatten(0, 1).numpy()
    low, high = np.quantile(codes, REACH, axis=0)
    for person in range(3):
        panel, below = sheet.figure.axes[3 * person + 1 : 3 * person + 3]
        drawn, (left, right, bottom, top) = (
            panel.images[0].get_array(),
            panel.images[0].get_extent(),
        )
        step = drawn.shape[0] // SIDE
        for row, column in ((0, 0), (0, SIDE - 1), (SIDE - 1, 2), (4, 4)):
            x = left + (column + 0.5) / SIDE * (right - left)
            y = top - (row + 0.5) / SIDE * (top - bottom)
            seen = drawn[row * step : (row + 1) * step, column * step : (column + 1) * step]
            wanted = [255 * x, 255 * y, 100 * person]
            np.testing.assert_allclose(levels(seen), wanted, atol=2)
            if row in (0, SIDE - 1) and column in (0, SIDE - 1):
                assert (x, y) == pytest.approx(
                    ((low, high)[column > 0][0], (high, low)[row > 0][1])
                )
        assert below.get_xlim() == pytest.approx((left, right))
        assert below.get_ylim() == pytest.approx((bottom, top))
        np.testing.assert_allclose(
            np.stack(below.lines[0].get_data(), 1), found.codes.where[person]
        )


def test_of_more_numbers_the_two_that_vary_most_make_the_grid():
    found = encode(Wide().eval(), shown())
    pair, across, down = axes_of(found.codes.where)
    assert pair == [1, 2] and len(across) == len(down) == SIDE
    points = grid_points(found.codes.where, pair, across, down)
    np.testing.assert_allclose(points[:SIDE, 1], across, rtol=1e-5)
    np.testing.assert_allclose(points[::SIDE, 2], down[::-1], rtol=1e-5)
    assert points[:, 0].unique().item() == pytest.approx(found.codes.where[..., 0].mean().item())
    sheet = draw_manifold(found, "a cell")
    heading = sheet.figure.texts[0].get_text()
    assert "where 1 (to the right) and where 2 (upwards)" in heading and "vary most" in heading


def test_an_entangled_code_has_one_grid_if_it_has_two_numbers():
    found = encode(One().eval(), shown())
    sheet = draw_manifold(found, "a cell")
    assert len(sheet.figure.axes) == 2
    assert "code 0 (to the right)" in sheet.figure.texts[0].get_text()
    assert len(sheet.figure.axes[1].lines[0].get_xdata()) == found.codes.where[..., 0].numel()

    class Long(One):
        def encode_clip(self, clip):
            code = super().encode_clip(clip).where.repeat(1, 1, 2)
            return Codes(code, code)

        def decode_clip(self, codes):
            return super().decode_clip(Codes(codes.where[..., :2], codes.where[..., :2]))

    assert draw_manifold(encode(Long().eval(), shown()), "a cell") is None


def test_there_is_no_grid_where_nothing_varies():
    still = shown()
    clips = np.repeat(still.clips[:, :1], 6, 1)[[0, 0, 0]]
    same = Clips(clips, still.names, still.people, [])
    assert draw_manifold(encode(Quarters().eval(), same), "a cell") is None


def test_a_mosaic_is_read_like_a_page():
    pictures = np.arange(SIDE**2, dtype=np.uint8)[:, None, None, None].repeat(SIZE, 1)
    pictures = pictures.repeat(SIZE, 2)
    page = mosaic(pictures)
    assert page.shape == (SIDE * SIZE, SIDE * SIZE, 1)
    assert page[::SIZE, ::SIZE, 0].ravel().tolist() == list(range(SIDE**2))
