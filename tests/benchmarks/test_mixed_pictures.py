"""Matrices of frames: rows keep *what*, columns *where*, and draws are of the row's *what*."""

import numpy as np
import pytest
import torch

from benchmarks.clip_samples import Clips
from benchmarks.clip_scenes import encode
from benchmarks.mixed_pictures import COLUMNS, REAL, columns_of, draw_given, draw_swap_matrix
from tests.benchmarks.painted_clips import Drawn, One, Quarters, T, levels, shown, tiles


@pytest.fixture(autouse=True)
def _frozen():
    with torch.no_grad():
        yield


def test_rows_give_what_and_columns_give_where():
    clips = shown().clips
    sheet = draw_swap_matrix(encode(Quarters().eval(), shown()), "a cell")
    tile = tiles(sheet)
    sources, moments = columns_of([0, 1, 2], T)
    assert sources == [0, 1, 2, 0, 1, 2, 0, 1]
    assert moments[0] == 0 and moments[-1] == T - 1 and len(moments) == COLUMNS
    for column, (clip, moment) in enumerate(zip(sources, moments, strict=True), 1):
        given = levels(clips[clip, moment])
        np.testing.assert_allclose(levels(tile(0, column)), given, atol=2)
        for row in range(3):
            wanted = [*given[:2], 100 * row]
            np.testing.assert_allclose(levels(tile(row + 1, column)), wanted, atol=2)
    np.testing.assert_allclose(levels(tile(2, 0)), levels(clips[1, 0]), atol=2)
    assert tile(0, 0).min() == 255
    words = [text.get_text() for text in sheet.figure.texts]
    assert "person 1,\njoy\nframe 2" in words and "person 2,\njoy" in words


def test_nobody_is_swapped_alone_or_with_one_code():
    assert draw_swap_matrix(encode(One().eval(), shown()), "a cell") is None
    three = shown()
    alone = Clips(three.clips, three.names, [1], [])
    assert draw_swap_matrix(encode(Quarters().eval(), alone), "a cell") is None


def test_draws_of_where_stand_beside_real_frames_of_the_same_what():
    clips = shown().clips
    sheet = draw_given(encode(Drawn().eval(), shown()), "a cell")
    tile = tiles(sheet)
    assert "p(where | what)" in sheet.figure.texts[0].get_text()
    for row in range(3):
        np.testing.assert_allclose(levels(tile(row, 0)), levels(clips[row, 0]), atol=2)
        last = levels(tile(row, REAL - 1))
        np.testing.assert_allclose(last, levels(clips[row, -1]), atol=2)
        assert tile(row, REAL).min() == 255
        for draw in range(COLUMNS):
            wanted = [25.5 * draw, 100 * row, 100 * row]
            seen = levels(tile(row, REAL + 1 + draw))
            np.testing.assert_allclose(seen, wanted, atol=2)


def test_a_prior_that_knows_no_what_is_named_so_and_without_one_there_are_no_draws():
    class Free(Quarters):
        def draw_where(self, n, frames, generator):
            return torch.full((n, frames, 2), 0.4)

        def draw_what(self, n, frames, generator):
            raise AssertionError("what is given")

    sheet = draw_given(encode(Free().eval(), shown()), "a cell")
    assert "drawn from the prior" in sheet.figure.texts[0].get_text()
    np.testing.assert_allclose(levels(tiles(sheet)(2, REAL + 3)), [102, 102, 200], atol=2)
    assert draw_given(encode(Quarters().eval(), shown()), "a cell") is None
    assert draw_given(encode(One().eval(), shown()), "a cell") is None
