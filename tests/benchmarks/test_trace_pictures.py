"""A code along a clip: its line, its extremes with the right frames, and what is known of them."""

import numpy as np
import pytest
import torch

from benchmarks.clip_samples import Whole
from benchmarks.clip_scenes import encode
from benchmarks.trace_pictures import draw_trace, extremes
from tests.benchmarks.painted_clips import One, Quarters, levels, made, shown

T = 40


@pytest.fixture(autouse=True)
def _frozen():
    with torch.no_grad():
        yield


def whole(factors=(), kinds=(), still=False):
    """The upper quarter swings twice, far; the lower one rises a little."""
    along = np.linspace(0, 4 * np.pi, T)
    first = 120 + 0 * along if still else 120 + 100 * np.sin(along)
    second = 80 + (0 if still else 20) * np.arange(T) / T
    frames = made(np.stack([first, second], 1)[None], np.array([90]))[0]
    return Whole(frames, "person 7", dict(factors), list(kinds))


def test_extremes_are_high_apart_and_in_order():
    values = np.zeros(30)
    values[[3, 4, 12, 20, 26]] = [8, 9, 7, 5, 6]
    # 3 is no peak; 20 is nearer to 26 than a seventh of the whole allows.
    assert extremes(values, 3) == [4, 12, 26]
    assert extremes(values, 1) == [4]
    assert extremes(np.array([0.0, 1, 2, 3]), 3) == [3]
    # A peak below the mean is no extreme.
    assert extremes(np.array([9.0, 9, 9, 0, 1, 0, 9, 9, 9]), 4)[0] in (0, 1, 2)
    assert 4 not in extremes(np.array([9.0, 9, 9, 0, 1, 0, 9, 9, 9]), 6)


def test_the_number_that_varies_most_stands_above_with_frames_at_its_extremes():
    clip = whole()
    sheet = draw_trace(encode(Quarters().eval(), shown(clip)), "a cell")
    lines = [axes for axes in sheet.figure.axes if axes.get_ylabel()]
    assert [axes.get_ylabel() for axes in lines] == ["where 0", "where 1"]
    codes = clip.frames[:, [0, -1], 0, 0] / 255
    for axes, code in zip(lines, codes.T, strict=True):
        np.testing.assert_allclose(axes.lines[0].get_ydata(), code, atol=1e-6)
        np.testing.assert_array_equal(axes.lines[0].get_xdata(), np.arange(1, T + 1))
    high, low = extremes(codes[:, 0], 6), extremes(-codes[:, 0], 6)
    assert len(high) == len(low) == 2
    faces = [axes.images[0].get_array() for axes in sheet.figure.axes if axes.images]
    wanted = [clip.frames[moment] for moment in high + low]
    for face, frame in zip(faces[:4], wanted, strict=True):
        np.testing.assert_allclose(levels(face), levels(frame), atol=2)


def test_thumbnails_hang_on_their_moments():
    sheet = draw_trace(encode(Quarters().eval(), shown(whole())), "a cell")
    sheet.pixels()
    diagram, overlay = sheet.figure.axes[:2]
    code = diagram.lines[0].get_ydata()
    dots = [line for line in overlay.lines if line.get_marker() == "o"]
    moments = extremes(code, 6) + extremes(-code, 6)
    for dot, moment in zip(dots, moments, strict=True):
        seen = overlay.transData.transform(dot.get_xydata()[0])
        wanted = diagram.transData.transform((moment + 1, code[moment]))
        np.testing.assert_allclose(seen, wanted, atol=0.6)


def test_factors_stand_below_and_say_how_far_a_code_follows_them():
    swing = np.sin(np.linspace(0, 4 * np.pi, T))
    factors = {"valence": -swing, "arousal": np.zeros(T)}
    sheet = draw_trace(encode(Quarters().eval(), shown(whole(factors))), "a cell")
    labels = [axes.get_ylabel() for axes in sheet.figure.axes if axes.get_ylabel()]
    # What never changes is followed by nothing.
    assert labels[0] == "where 0\nr -1.00 with valence"
    assert labels[-1] == "true" and len(labels) == 3
    below = next(axes for axes in sheet.figure.axes if axes.get_ylabel() == "true")
    assert [line.get_label() for line in below.lines] == ["valence", "arousal"]
    np.testing.assert_array_equal(below.lines[0].get_ydata(), -swing)


def test_stretches_of_one_kind_are_named_once():
    kinds = ["walk"] * 10 + ["slash"] * 25 + ["walk"] * 5
    sheet = draw_trace(encode(Quarters().eval(), shown(whole(kinds=kinds))), "a cell")
    words = [(text.get_text(), text.get_position()[0]) for text in sheet.figure.axes[0].texts]
    assert words == [("walk", 5.5), ("slash", 23.0), ("walk", 38.0)]


def test_there_is_no_trace_of_nothing():
    assert draw_trace(encode(Quarters().eval(), shown()), "a cell") is None
    assert draw_trace(encode(Quarters().eval(), shown(whole(still=True))), "a cell") is None
    sheet = draw_trace(encode(One().eval(), shown(whole())), "a cell")
    assert sheet.figure.axes[0].get_ylabel() == "code 0"
