import json

import numpy as np
import pytest

from datamodules.affwild_crops import read_box
from datamodules.affwild_files import Frames, find_files
from datamodules.affwild_labels import read_axis
from datamodules.standins.affwild_tree import SIZE, Scene, scenes, write_affwild_tree
from datamodules.standins.face_affect import affect_path
from datamodules.video import read_video

SIZES = {"videos": 5, "frames": 24}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return write_affwild_tree(tmp_path_factory.mktemp("standin"), **SIZES)


def test_the_tree_is_awkward_as_a_genuine_one(tree):
    files = find_files(tree)
    tracks = files.tracks["Aff-Wild"]
    assert [track.name for track in tracks] == ["105", "106", "107", "108", "109"]
    assert not any(track.lacks("Aff-Wild") for track in tracks)
    assert [track.video.suffix for track in tracks] == [".mp4", ".mp4", ".avi", ".mp4", ".mp4"]
    assert (tree / "videos/test/110.mp4").exists() and files.marker == tree / "standin.json"
    assert (tree / "annotations/train/train/valence/105.txt").exists()
    assert json.loads((tree / "standin.json").read_text())["videos"] == 5


def test_videos_labels_and_boxes_fit(tree):
    lengths = []
    for track, scene in zip(find_files(tree).tracks["Aff-Wild"], scenes(**SIZES), strict=True):
        pictures = [picture for _, picture in read_video(track.video)]
        assert pictures[0].shape == (*SIZE, 3)
        path = affect_path(scene.number, scene.frames, seed=5)
        for axis, values in zip(track.labels, path.T, strict=True):
            np.testing.assert_allclose(read_axis(axis), values, atol=1e-4)
        boxes = Frames.of(track.folder, "Aff-Wild")
        assert (
            boxes.numbers.tolist()
            == list(range(1, scene.frames + 1))
            == list(range(1, len(pictures) + 1))
        )
        box = read_box(boxes.folder / boxes.names[0])
        assert 40 < max(box.width, box.height) < 90 and box.width < 1.2 * box.height
        assert 0 < (box.left + box.right) / 2 < SIZE[1] and 0 < (box.top + box.bottom) / 2 < SIZE[0]
        lengths.append(scene.frames)
    assert min(lengths) >= 20 and max(lengths) <= 24 and len(set(lengths)) > 1


def test_the_same_bytes_whatever_else_is_written(tree, tmp_path):
    again = write_affwild_tree(tmp_path, videos=3, frames=24)
    for place in ("videos/train/105.mp4", "videos/train/107.avi", "bboxes/train/106/7.pts"):
        assert (again / place).read_bytes() == (tree / place).read_bytes()


def test_lengths_and_gaps_of_the_usual_tree():
    every = list(scenes(252, 450))
    frames = np.array([scene.frames for scene in every])
    assert frames.min() >= 20 and frames.max() <= 450 and frames.max() > 430
    assert 30_000 < frames.sum() < 40_000
    lost = [scene for scene in every if not scene.found().all()]
    assert 0.15 < len(lost) / len(every) < 0.35
    gaps = np.array([(~scene.found()).sum() for scene in lost])
    assert gaps.min() == 1 and gaps.max() == 14 and (gaps <= 5).sum() > 10
    assert all(scene.found()[[0, -1]].all() for scene in lost)
    assert sum(scene.boxed for scene in every) == 28
    assert any(scene.boxed for scene in lost)


def test_the_box_does_not_tell_the_expression():
    scene = Scene(105, 60, 0)
    factors = scene.factors()
    boxes = scene.boxes(factors)
    calm = scene.boxes(factors.replace(actions=factors.actions * 0))
    assert np.array_equal(boxes, calm)
    assert boxes.shape == (60, 4, 2)
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = boxes[0]
    assert x0 == x1 < x2 == x3 and y0 == y3 < y1 == y2
    jumps = np.abs(np.diff(boxes, axis=0)).max()
    assert 0.2 < jumps < 6  # it shakes a little, as a detector's does


def test_frames_are_shown_at_uneven_times():
    times = np.array(Scene(105, 200, 0).times())
    assert (np.diff(times) > 15).all() and np.diff(times).std() > 3
    assert abs(times[-1] - 199 * 1000 / 30) < 16
