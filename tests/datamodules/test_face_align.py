import numpy as np
import pytest
from PIL import Image

from datamodules.coordinates import Box
from datamodules.face_align import ANCHORS, alignment, box_map, move, warp


def landmarks(scale=2.0, shift=(40.0, 30.0), turn=0.2):
    """68 points of which the six anchors stand as in OpenFace's mean face, turned and scaled."""
    points = np.random.default_rng(0).uniform(0.1, 0.9, (68, 2))
    for places in ANCHORS.values():
        for number, place in places.items():
            points[number] = place
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return 100 * scale * (points - 0.5) @ rotation.T + 100 * scale / 2 + np.array(shift)


@pytest.mark.parametrize("anchors", ["outer", "inner"])
def test_anchors_go_to_their_places(anchors):
    points = landmarks()
    matrix = alignment(points, 96, anchors=anchors)
    assert matrix.shape == (2, 3)
    for number, place in ANCHORS[anchors].items():
        np.testing.assert_allclose(move(points[number], matrix), np.array(place) * 96 - 0.5)


def test_the_field_shown_hangs_on_zoom_not_on_size():
    points = landmarks()
    small, large = (
        (move(points, alignment(points, size)) + 0.5) / size * 2 - 1 for size in (48, 192)
    )
    np.testing.assert_allclose(small, large)
    wide = (move(points, alignment(points, 48, zoom=0.5)) + 0.5) / 48 * 2 - 1
    np.testing.assert_allclose(wide, small / 2)


@pytest.mark.parametrize("scale", [0.5, 2.0, 5.0])
def test_a_disc_is_found_where_its_point_is_moved(scale):
    points = landmarks(scale)
    away = np.linalg.norm(np.indices((640, 640))[::-1] - points[33][:, None, None], axis=0)
    image = Image.fromarray((60 + 195 * (4 * scale + 0.5 - away).clip(0, 1)).astype(np.uint8))
    matrix = alignment(points, 100, zoom=0.8)
    bright = np.asarray(warp(image, matrix, 100)).astype(float).clip(60) - 60
    where = np.indices(bright.shape)[::-1].reshape(2, -1) @ bright.ravel() / bright.sum()
    assert np.abs(where - move(points[33], matrix)).max() < 0.35


def test_the_identity_keeps_every_pixel():
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32), np.uint8))
    same = warp(image, np.array([[1.0, 0, 0], [0, 1, 0]]), 32)
    assert np.array_equal(np.asarray(same), np.asarray(image))


def test_smaller_crops_average():
    """A pattern of single pixels becomes grey, whatever pixels the crop's centres fall on."""
    image = Image.fromarray((np.indices((256, 256)).sum(0) % 2 * 255).astype(np.uint8))
    crop = np.asarray(warp(image, np.array([[0.25, 0, 0], [0, 0.25, 0]]), 60))
    assert np.abs(crop[2:-2, 2:-2].astype(float) - 127.5).max() < 8


def test_outside_is_black():
    crop = warp(Image.new("L", (20, 20), 200), np.array([[1.0, 0, 10], [0, 1, 10]]), 40)
    assert crop[:9].max() == crop[:, 31:].max() == 0
    assert crop[15, 15] == 200


def test_a_crop_whose_middle_lies_outside_is_none():
    image = Image.new("RGB", (30, 20), (9, 9, 9))
    shown, just = (box_map(Box(x - 5, 5, x + 5, 15), 8) for x in (15, 30))
    assert warp(image, shown, 8).shape == warp(image, just, 8).shape == (8, 8, 3)
    for box in (Box(26, 5, 36, 15), Box(-900, 5, -890, 15), Box(10, 16, 20, 26)):
        x, y = (box.left + box.right) / 2, (box.top + box.bottom) / 2
        assert warp(image, box_map(box, 8), 8) == (
            f"the face is said to lie at ({x:.0f}, {y:.0f}) of 30 x 20"
        )


def test_what_is_no_face_is_refused():
    with pytest.raises(ValueError, match=r"needs \(68, 2\) landmarks, got \(5, 2\)"):
        alignment(np.zeros((5, 2)), 96)
    with pytest.raises(ValueError, match="36, 45, 33 span no triangle"):
        alignment(np.zeros((68, 2)), 96)
