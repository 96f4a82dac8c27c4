"""Pictures of the views: every face where it belongs, bars and lines that are the numbers."""

import numpy as np
import pytest
import torch

from benchmarks.basis_pictures import sweep
from benchmarks.protocols.views import VIEWS, Encoded, score
from benchmarks.view_pictures import draw_covariance, draw_turning, draw_views
from lightning_modules.interface import Codes, Method

TITLE = "deformable seed 0"


@pytest.fixture(scope="module")
def arrays():
    """Of where, dimensions 4 and 1 turn with the view; of what, 2 does a little."""
    rng = np.random.default_rng(0)
    view = np.tile(np.array(VIEWS, dtype=float), 20)
    where, what = 0.01 * rng.normal(size=(100, 6)), 0.01 * rng.normal(size=(100, 3))
    where[:, 4] += view / 10
    where[:, 1] -= view / 20
    what[:, 2] += view / 100 + 5
    return score(Encoded(where, what, view, np.repeat(np.arange(20), 5))).arrays


def entangled(arrays):
    return arrays | {f"what_{name}": arrays[f"where_{name}"] for name in ("means", "covariance")}


class Painter(Method):
    def prior_mean(self):
        return Codes(torch.zeros(1, 6), torch.zeros(1, 3))

    def decode(self, codes):
        level = 0.5 + 0.04 * codes.where[:, 4] + 0.02 * codes.what[:, 2]
        return level.view(-1, 1, 1, 1).expand(-1, 3, 8, 8)


def test_faces_stand_under_their_views():
    rng = np.random.default_rng(0)
    images, rebuilt = (rng.integers(0, 256, (5, 2, 16, 16, 3), dtype=np.uint8) for _ in range(2))
    arrays = {"view_images": images, "view_rebuilt": rebuilt, "view_errors": np.arange(10.0)}
    arrays["view_errors"] = arrays["view_errors"].reshape(5, 2)
    sheet = draw_views(arrays, TITLE)
    left, top, width, height = sheet.box(3, 4)
    shown = sheet.pixels()[top : top + height, left : left + width]
    assert shown.mean((0, 1)) == pytest.approx(rebuilt[4, 1].mean((0, 1)), abs=3)
    words = [text.get_text() for text in sheet.figure.texts]
    assert words.count("-30°") == 2 and words.count("squared error 9") == 1
    assert draw_views({}, TITLE) is None


def test_bars_are_the_covariances_on_one_scale_and_the_top_ones_named(arrays):
    sheet = draw_covariance(arrays, TITLE)
    where, what = sheet.figure.axes
    for axes, name in ((where, "where"), (what, "what")):
        heights = [bar.get_height() for bar in axes.patches]
        assert heights == pytest.approx(arrays[f"{name}_covariance"])
    assert where.get_ylim() == what.get_ylim()
    assert [text.get_text() for text in where.texts] == ["4", "1"]
    assert [text.get_text() for text in what.texts] == ["2"]
    assert sheet.pixels().std() > 5


def test_an_entangled_code_stands_once(arrays):
    [axes] = draw_covariance(entangled(arrays), TITLE).figure.axes
    assert axes.get_title(loc="left").startswith("code")
    assert draw_covariance({}, TITLE) is None and draw_turning({}, None, TITLE) is None


def test_the_top_dimensions_have_their_means_and_what_they_do(arrays):
    sheet = draw_turning(arrays, Painter(), TITLE, gamma=5.0, points=3)
    lines = [axes.get_lines()[0] for axes in sheet.figure.axes if axes.get_lines()]
    for line, (name, dimension) in zip(
        lines, [("where", 4), ("where", 1), ("what", 2)], strict=True
    ):
        np.testing.assert_array_equal(line.get_xdata(), VIEWS)
        np.testing.assert_allclose(line.get_ydata(), arrays[f"{name}_means"][:, dimension])
    spans = {np.ptp(line.axes.get_ylim()).round(6) for line in lines}
    assert len(spans) == 1
    painter = Painter()
    wanted = sweep(painter, painter.prior_mean(), "what", 2, 5.0, 3)[:, 0, 0, 0]
    for column, level in enumerate(wanted.tolist()):
        left, top, width, height = sheet.box(2, column)
        shown = sheet.pixels()[top : top + height, left : left + width] / 255
        assert shown.mean() == pytest.approx(level, abs=0.01)


def test_without_a_prior_there_are_the_means_alone(arrays):
    sheet = draw_turning(arrays, Method(), TITLE)
    assert len(sheet.figure.axes) == 3 and draw_turning(arrays, None, TITLE) is not None
