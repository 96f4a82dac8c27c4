import numpy as np
import pytest

from datamodules.bouncing import centres, draw_clips, render, resized, trajectories

LABELS = np.arange(100) % 10


def drawn(**changed):
    given = {
        "rows": np.arange(20, 80),
        "labels": LABELS,
        "clips": 200,
        "digits": 3,
        "frames": 30,
        "reach": 36,
        "speed": 0.1,
        "split": "train",
        "seed": 0,
    }
    return draw_clips(**given | changed)


def test_a_path_is_reflected_at_the_edges_and_keeps_its_speed():
    start = np.array([[[0.5, 0.9]]])
    ((path,),) = trajectories(start, np.array([[0.0]]), 0.2, 8).swapaxes(1, 2)
    np.testing.assert_allclose(path[:, 0], [0.5, 0.7, 0.9, 0.9, 0.7, 0.5, 0.3, 0.1])
    np.testing.assert_allclose(path[:, 1], 0.9)
    ((back,),) = trajectories(start, np.array([[np.pi / 2]]), 0.2, 8).swapaxes(1, 2)
    np.testing.assert_allclose(back[:, 1], [0.9, 0.9, 0.7, 0.5, 0.3, 0.1, 0.1, 0.3])
    rng = np.random.default_rng(0)
    paths = trajectories(rng.random((50, 2, 2)), 7 * rng.random((50, 2)), 0.1, 200)
    assert paths.min() < 0.01 and paths.max() > 0.99
    assert paths.min() >= 0 and paths.max() <= 1
    steps = np.abs(np.diff(paths, axis=1))
    usual = steps.max(1, keepdims=True)
    np.testing.assert_allclose(np.linalg.norm(usual, axis=-1), 0.1, rtol=1e-9)
    # Slower along an axis in the steps alone in which it turns: 0.1 of the way, so one in ten.
    assert (steps > usual * (1 - 1e-9)).mean() > 0.9


def test_clips_hang_on_seed_split_and_number_alone():
    clips = drawn()
    assert clips.source.shape == (200, 3) and clips.corner.shape == (200, 30, 3, 2)
    more = drawn(clips=300, frames=40)
    np.testing.assert_array_equal(more.source[:200], clips.source)
    np.testing.assert_array_equal(more.corner[:200, :30], clips.corner)
    for other in (drawn(seed=1), drawn(split="val")):
        assert (other.source == clips.source).mean() < 0.1
        assert (other.corner == clips.corner).mean() < 0.1
    # A digit more leaves the others, though it may stand between them.
    fewer = drawn(digits=2)
    for few, many in zip(fewer.source, clips.source, strict=True):
        assert set(few) <= set(many)


def test_digits_are_drawn_from_all_and_stand_in_order():
    clips = drawn()
    assert set(clips.source.ravel()) == set(range(20, 80))
    key = 100 * LABELS[clips.source] + clips.source
    assert (np.diff(key, axis=1) >= 0).all()
    assert (np.diff(LABELS[clips.source], axis=1) == 0).any()
    # Places go with their digits: those of a single digit are the first one's of three.
    lone = drawn(digits=1)
    there = clips.source == lone.source
    assert there.any(1).all()
    same = (clips.corner == lone.corner).all((1, 3))
    assert (there & same).any(1).all()


def test_corners_reach_from_edge_to_edge():
    corner = drawn(clips=500).corner
    assert corner.min() == 0 and corner.max() == 36
    inner = np.bincount(corner.ravel(), minlength=37)[1:-1]
    assert inner.min() > 0.85 * inner.mean() and inner.max() < 1.15 * inner.mean()


def test_digits_are_seen_where_they_are_and_the_brighter_pixel_wins():
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (3, 2, 5, 5), dtype=np.uint8)
    corner = rng.integers(0, 8, (3, 4, 2, 2))
    corner[0, 0] = [[0, 7], [7, 0]]
    seen = render(pictures, corner, 12)
    assert seen.shape == (3, 4, 12, 12) and seen.dtype == np.uint8
    for clip in range(3):
        for frame in range(4):
            expected = np.zeros((12, 12), np.uint8)
            for digit in range(2):
                x, y = corner[clip, frame, digit]
                under = expected[y : y + 5, x : x + 5]
                np.maximum(under, pictures[clip, digit], out=under)
            np.testing.assert_array_equal(seen[clip, frame], expected)


def test_centres_are_those_of_the_digits_squares():
    corner = np.array([[0, 0], [36, 18], [35, 36]])
    found = centres(corner, 28, 64)
    assert found.dtype == np.float32
    # 14 px of 64 from the left edge to the middle of a digit that touches it.
    np.testing.assert_allclose(found, [[-0.5625, -0.5625], [0.5625, 0], [0.53125, 0.5625]])


@pytest.mark.parametrize("side", [14, 28, 56])
def test_resized_digits_keep_their_place_and_their_ink(side):
    digit = np.zeros((2, 28, 28), np.uint8)
    digit[:, 8:12, 16:22] = 200
    made = resized(digit, side)
    assert made.shape == (2, side, side) and made.dtype == np.uint8
    ink = made[0].astype(float)
    scale = side / 28
    assert ink.sum() == pytest.approx(24 * 200 * scale**2, rel=0.03)
    for axis, middle in ((1, 10), (0, 19)):
        at = (ink.sum(axis) * (np.arange(side) + 0.5)).sum() / ink.sum()
        assert at == pytest.approx(middle * scale, abs=0.05)
