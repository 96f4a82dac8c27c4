import importlib.util

import numpy as np
import pytest
import scipy.io

from datamodules.errors import DataError
from datamodules.face_align import ANCHORS
from datamodules.face_finder import FaceFinder
from datamodules.multipie_landmarks import no_landmarks, read_landmarks, suffices


def mat(path, points, name="pts"):
    scipy.io.savemat(path, {name: points})
    return path


def pos(path, points):
    rows = [str(len(points)), *(f"{x} {y}" for x, y in points)]
    path.write_text("\n".join(rows))
    return path


def test_matlab_counts_pixels_from_one(tmp_path):
    points = np.random.default_rng(0).uniform(100, 300, (68, 2))
    found = read_landmarks(mat(tmp_path / "a_lm.mat", points))
    np.testing.assert_allclose(found, points - 1)
    assert suffices(found, "outer") and suffices(found, "inner")


def test_sixteen_points_have_the_corners_of_the_eyes_and_the_lip(tmp_path):
    points = [(10 * k, 100 + k) for k in range(16)]
    found = read_landmarks(pos(tmp_path / "a.pos", points))
    for row, landmark in {2: 36, 3: 39, 4: 42, 5: 45, 10: 57}.items():
        assert tuple(found[landmark]) == points[row]
    assert np.isfinite(found).all(axis=1).sum() == 5
    assert suffices(found, "inner") and not suffices(found, "outer")


def test_corners_are_reckoned_from_the_centres_of_the_eyes(tmp_path):
    mean = {k: np.array(place) for places in ANCHORS.values() for k, place in places.items()}
    right, left = (mean[36] + mean[39]) / 2, (mean[42] + mean[45]) / 2
    rows = [right, left, *np.full((4, 2), 0.5), mean[57], (0.5, 0.9)]
    found = read_landmarks(pos(tmp_path / "a.pos", 200 * np.array(rows)))
    assert suffices(found, "inner")
    for k in (39, 42, 57):
        assert np.abs(found[k] / 200 - mean[k]).max() < 0.007


def test_profiles_and_eyes_alone_give_nothing(tmp_path):
    paths = [
        mat(tmp_path / "a_lm.mat", np.ones((39, 2))),
        pos(tmp_path / "b.pos", np.ones((6, 2))),
        pos(tmp_path / "c.pos", np.ones((2, 2))),
    ]
    for path in paths:
        np.testing.assert_array_equal(read_landmarks(path), no_landmarks())
    assert not suffices(no_landmarks(), "inner")


def test_broken_files_are_named(tmp_path):
    broken = [
        mat(tmp_path / "a_lm.mat", np.ones((67, 2))),
        mat(tmp_path / "b_lm.mat", np.full((68, 2), np.nan)),
        mat(tmp_path / "c_lm.mat", np.ones((68, 2)), name="points"),
        pos(tmp_path / "d.pos", np.ones((5, 2))),
    ]
    for name, text in {
        "e.pos": "8\n1 2\n",
        "f.pos": "eight\n",
        "g.pos": "",
        "h_lm.mat": "x",
    }.items():
        (tmp_path / name).write_text(text)
        broken.append(tmp_path / name)
    for path in broken:
        with pytest.raises(DataError, match=path.name):
            read_landmarks(path)


def test_without_the_packages_the_message_says_how_to_install_them(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        DataError, match=r"dlib-bin and face-.*pip install 'whatwhere\[face\]'`, or"
    ):
        FaceFinder(", or do without")
