"""Pictures of a method whose what is a class."""

import numpy as np
import pytest
import torch

from benchmarks.basis_pictures import POINTS, draw_applied, draw_basis, sweep
from benchmarks.class_pictures import SHOWN, draw_classes, strongest_over_classes
from benchmarks.code_pictures import draw_canonical, draw_swaps
from benchmarks.pictures import draw_reconstructions
from lightning_modules.deformable.conditional import ConditionalDeformableGenerator
from lightning_modules.interface import Codes, Method

TITLE = "deformable_conditional seed 0"


@pytest.fixture(scope="module")
def method():
    torch.manual_seed(0)
    sizes = {"image_size": 16, "n_classes": 3, "geometry_dim": 5, "infer_steps": 5}
    return ConditionalDeformableGenerator(channels=(8, 4), kernels=(3, 5), **sizes).eval()


class Stripes(Method):
    """Class k is a row of its own; the third number of where moves every class most, by turns."""

    def prior_mean(self):
        return Codes(torch.zeros(1, 4), self.class_codes()[:1])

    def class_codes(self):
        return torch.eye(3)

    def class_pictures(self):
        return self.decode(Codes(torch.zeros(3, 4), torch.eye(3)))

    def decode(self, codes):
        gains = torch.tensor([[0, 0.01, 0.05, 0.02], [0, 0.1, 0.09, 0], [0.01, 0, 0.1, 0.02]])
        grey = 0.5 + (codes.where * (codes.what @ gains)).sum(1)
        rows = torch.repeat_interleave(codes.what, 4, 1).view(-1, 1, 12, 1)
        return (rows * grey.view(-1, 1, 1, 1)).expand(-1, 1, 12, 12)


def test_dimensions_come_by_what_they_do_to_all_classes():
    assert strongest_over_classes(Stripes(), 3.0)[0] == 2


def test_every_row_is_a_class_and_every_block_a_dimension(method):
    sheet = draw_classes(method, TITLE, gamma=2.0)
    first, second = strongest_over_classes(method, 2.0)[:SHOWN]
    pixels, codes = sheet.pixels() / 255, method.class_codes()
    zeros = torch.zeros(1, 5)
    for row in range(3):
        what = codes[row : row + 1]
        with torch.no_grad():
            wanted = {
                0: method.class_pictures()[row],
                1: sweep(method, Codes(zeros, what), "where", first, 2.0, POINTS)[0],
                2 * POINTS: sweep(method, Codes(zeros, what), "where", second, 2.0, POINTS)[
                    POINTS - 1
                ],
            }
        for column, picture in wanted.items():
            left, top, width, height = sheet.box(row, column)
            shown = pixels[top : top + height, left : left + width, 0].mean()
            assert shown == pytest.approx(picture.mean().item(), abs=0.01)


def test_where_what_is_a_class_only_where_is_swept():
    sheet = draw_basis(Stripes(), TITLE)
    (_, fourth, _, height), (_, fifth, _, _) = sheet.box(3, 0), sheet.box(4, 0)
    assert fourth + height < sheet.height < fifth + height
    assert draw_applied(Stripes(), TITLE) is None


def test_grey_pictures_are_drawn_as_the_method_sees_them(method):
    rng = np.random.default_rng(0)
    arrays = {"test_images": rng.integers(0, 256, (2, 16, 16, 1), dtype=np.uint8)}
    for draw in (draw_reconstructions, draw_swaps, draw_canonical):
        sheet = draw(arrays, method, TITLE)
        left, top, width, height = sheet.box(0, 1)
        shown = sheet.pixels()[top : top + height, left : left + width]
        assert (shown == shown[..., :1]).all()
        place = 0 if draw is draw_swaps else 1
        assert shown.mean() == pytest.approx(arrays["test_images"][place].mean(), abs=3)


def test_other_methods_have_no_sheet_of_classes():
    assert draw_classes(Method(), TITLE) is None and draw_classes(None, TITLE) is None
