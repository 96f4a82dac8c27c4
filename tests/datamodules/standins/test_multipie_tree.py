import json
from collections import defaultdict

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules.multipie_names import CAMERA_YAW, RECORDING_EXPRESSION, Shot, parse_name
from datamodules.standins.faces import face_landmarks, render_faces
from datamodules.standins.multipie_tree import TREE, shot_factors, write_multipie_tree

SIZES = {"identities": 4, "sessions": 4, "shots": 4}
VIEWS = [-30, -15, 0, 15, 30]


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return write_multipie_tree(tmp_path_factory.mktemp("standin"), SIZES, seed=3)


def test_names_and_folders_are_those_of_a_cropped_copy(tree):
    assert tree.name == TREE
    files = sorted(tree.rglob("*.png"))
    seen = defaultdict(set)
    for path in files:
        name = parse_name(path.name)
        assert path.parent.name == path.name[:3]
        assert name.suffix == "_crop_128"
        seen[name.shot].add(CAMERA_YAW[name.camera])
    people = sorted({shot.subject for shot in seen})
    assert people == [44, 130, 217, 303]
    for shot, views in seen.items():
        assert views == ({0} if shot.subject < 201 else set(VIEWS))
        assert (shot.session, shot.recording) in RECORDING_EXPRESSION
    assert len(seen) == 16
    with Image.open(files[0]) as image:
        assert (image.size, image.mode, image.format) == ((128, 128), "RGB", "PNG")
        assert np.asarray(image).std() > 10
    assert json.loads((tree / "standin.json").read_text())["identities"] == 4


def test_the_same_seed_writes_the_same_bytes(tree, tmp_path):
    sizes = SIZES | {"identities": 4, "shots": 4}
    again = write_multipie_tree(tmp_path / "again", sizes, seed=3, threads=1)
    assert [p.name for p in sorted(again.rglob("*"))] == [p.name for p in sorted(tree.rglob("*"))]
    path = sorted(tree.rglob("*.png"))[5].relative_to(tree)
    assert (again / path).read_bytes() == (tree / path).read_bytes()
    with pytest.raises(FileExistsError):
        write_multipie_tree(tmp_path / "again", sizes, seed=3)


def factors(light=7, view=0, subject=9, session=1, recording=1):
    return shot_factors([Shot(subject, session, recording, light)], [view], seed=1)


def test_the_nose_turns_to_the_side_the_sign_says():
    shots = [Shot(subject, 1, 1, 7) for subject in range(8) for _ in VIEWS]
    made = shot_factors(shots, VIEWS * 8, seed=1)
    assert made.yaw.tolist() == VIEWS * 8
    points = face_landmarks(made, 128).view(8, 5, 5, 2)
    nose = points[:, :, 2, 0] - points[:, :, :2, 0].mean(dim=2)
    assert (nose.diff(dim=1) > 0.03).all()  # further right in each view
    assert (nose[:, 0] < -0.07).all() and (nose[:, 4] > 0.07).all()
    middle = (points[:, :, :2].mean(dim=2) + points[:, :, 3:].mean(dim=2)) / 2
    assert (middle - torch.tensor([0.0, 0.15])).abs().max() < 0.021


def test_a_recording_is_one_face_in_all_views_and_lights():
    made = shot_factors(
        [Shot(9, 1, 2, light) for light in (0, 7, 7)] + [Shot(9, 1, 1, 7)], [0, 0, 30, 0], seed=1
    )
    for field in ("traits", "pitch", "roll", "actions", "gaze"):
        values = getattr(made, field)
        assert torch.equal(values[0], values[1]) and torch.equal(values[0], values[2])
    assert torch.equal(made.traits[3], made.traits[0])
    assert not torch.equal(made.pitch[3], made.pitch[0])
    smile = made.actions[:, 9]
    assert smile[0] > 0.6 and smile[3] < 0.2
    other = factors(subject=10)
    assert not torch.equal(other.traits[0], made.traits[0])


def test_flashes_stand_in_the_room():
    def side(light, view):
        return float(factors(light, view).light[0, 0])

    assert abs(side(7, 0)) < 1e-6
    # Camera 110 at -90 sees the nose on the left: it and flash 01 stand to the right in front.
    assert side(1, 0) > 0.9 and side(13, 0) < -0.9
    for light, yaw in ((5, -30), (9, 30)):  # from its own camera a flash comes from the front
        assert abs(side(light, yaw)) < 1e-6
    assert side(7, 30) > 0.4 > -0.4 > side(7, -30)
    picture = render_faces(shot_factors([Shot(9, 1, 1, 1), Shot(9, 1, 1, 13)], [0, 0], 1), 64)
    halves = picture[:, :, 24:52].mean(dim=(1, 2))
    left, right = halves[:, 16:32].mean(dim=1), halves[:, 32:48].mean(dim=1)
    assert right[0] > left[0] + 0.05 and left[1] > right[1] + 0.05


def test_room_light_is_darker_than_a_flash_in_front():
    lights = [0, 19, 7]
    made = shot_factors([Shot(9, 1, 1, light) for light in lights], [0, 0, 0], seed=1)
    bright = render_faces(made, 64).mean(dim=(1, 2, 3))
    assert bright[0] == bright[1] < 0.9 * bright[2]
