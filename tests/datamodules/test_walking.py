from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datamodules.clevrer_files import find_files as clevrer_files
from datamodules.errors import DataError
from datamodules.images import read_rgb
from datamodules.mug_files import find_files as mug_files
from datamodules.walking import walk


def test_links_are_followed_and_every_folder_is_seen_once(tmp_path):
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    (root / "own").mkdir(parents=True)
    elsewhere.mkdir()
    (elsewhere / "a.txt").touch()
    (root / "linked").symlink_to(elsewhere)
    (root / "again").symlink_to(elsewhere)
    (elsewhere / "round").symlink_to(root)
    found = [(Path(place).relative_to(root).as_posix(), names) for place, _, names in walk(root)]
    assert sorted(place for place, _ in found if place != ".") in (
        ["again", "own"],
        ["linked", "own"],
    )
    assert sum("a.txt" in names for _, names in found) == 1


def test_linked_parts_of_copies_are_found(tmp_path):
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    root.mkdir()
    elsewhere.mkdir()
    for name in ("video_00000.mp4", "annotation_00000.json"):
        (elsewhere / name).touch()
    (root / "parts").symlink_to(elsewhere)
    found = clevrer_files(root)
    assert list(found.videos) == list(found.annotations) == [0]
    take = tmp_path / "person" / "001" / "anger" / "take000"
    take.mkdir(parents=True)
    (take / "img_0000.jpg").touch()
    (root / "001").symlink_to(tmp_path / "person" / "001")
    assert len(mug_files(root).takes) == 1


def test_a_folder_that_went_away_is_named(tmp_path):
    with pytest.raises(DataError, match=r"gone cannot be read \(No such file or directory\)"):
        list(walk(tmp_path / "gone"))


def test_sixteen_bits_a_pixel_become_eight(tmp_path):
    values = np.arange(64, dtype=np.uint16).reshape(8, 8) * 1024
    Image.fromarray(values).save(tmp_path / "deep.png")
    found = np.asarray(read_rgb(tmp_path / "deep.png", None))
    assert found.shape == (8, 8, 3)
    assert np.array_equal(found[..., 0], values // 256)
