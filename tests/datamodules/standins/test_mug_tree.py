import json

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules.mug_factors import read_factors
from datamodules.mug_files import find_files
from datamodules.pts import read_points
from datamodules.standins.face_factors import light_direction
from datamodules.standins.mug_tree import SIDE, scenes, write_mug_tree

SIZES = {"people": 2, "takes": 2, "frames": 12}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return write_mug_tree(tmp_path_factory.mktemp("standin"), **SIZES)


def test_the_tree_is_awkward_as_a_genuine_one(tree):
    assert tree.name == "subjects3"
    files = find_files(tree.parent)
    assert files.people == [1, 2] and len(files.takes) == 28
    assert set(files.layouts) == {"usual", "sessions"}
    assert files.ignored == {"mixed": 1, "take000end": 1, "take001nsg": 1}
    assert (tree / ".DS_Store").exists()
    facts = json.loads((tree / "standin.json").read_text())
    assert facts["takes"] == 2 and files.marker == tree / "standin.json"
    sessions = {take.session for take in files.takes if take.subject == 2}
    assert sessions == {0, 1}
    firsts = [take.frames[0] for take in files.takes]
    assert min(firsts) > 0 and len(set(firsts)) > 10
    assert all(take.missing == 0 for take in files.takes)
    with Image.open(files.takes[0].images[firsts[0]]) as image:
        assert (image.size, image.mode, image.format) == ((SIDE, SIDE), "RGB", "JPEG")
    for take in files.takes:
        frames = take.frames
        assert sorted(take.landmarks) == [frames[0], frames[len(frames) // 2], frames[-1]]
        points = read_points(take.landmarks[frames[0]], 68)
        assert 0 < points[[36, 45, 33, 8]].min() < points[[36, 45, 33]].max() < SIDE


def test_the_same_bytes_whatever_else_is_written(tree, tmp_path):
    again = write_mug_tree(tmp_path, people=1, takes=1, frames=12)
    names = sorted(path.name for path in (again / "001/fear/take000").iterdir())
    assert names == sorted(path.name for path in (tree / "001/fear/take000").iterdir())
    for name in names[:4]:
        place = f"001/fear/take000/{name}"
        assert (again / place).read_bytes() == (tree / place).read_bytes()


def test_lengths_and_sizes_of_the_usual_tree():
    every = list(scenes(52, 2, 60))
    frames = np.array([scene.frames for scene in every])
    assert len(every) == 728 and len({scene.folder for scene in every}) == 728
    assert frames.min() >= 40 and frames.max() <= 100
    assert 0.04 < (frames < 60).mean() < 0.12
    assert 45_000 < frames.sum() < 52_000
    twice = {scene.folder for scene in every if "/007/" in scene.folder}
    assert all(folder.startswith("subjects3/007/007/") for folder in twice) and len(twice) == 14


def test_true_factors_stand_beside_the_takes(tree):
    found = read_factors(tree)
    takes = {take.name: take for take in find_files(tree.parent).takes}
    assert found.keys() == takes.keys()
    for scene in scenes(**SIZES):
        factors, true = scene.factors(), found[scene.name]
        assert list(true.yaw) == takes[scene.name].frames
        assert list(true.yaw.values()) == pytest.approx(factors.yaw.tolist(), abs=6e-4)
        angles = torch.tensor([true.azimuth, true.elevation])
        assert torch.allclose(light_direction(*angles), factors.light[0], atol=5e-5)
    # The doubled folder of person 7 is no part of a take's name.
    assert next(s for s in scenes(4, 1, 12) if s.subject == 7).name.startswith("007/neutral/")
