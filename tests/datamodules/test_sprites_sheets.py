import itertools
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datamodules.errors import DataError
from datamodules.sprites_files import find_files
from datamodules.sprites_sheets import (
    ACTIONS,
    CELL,
    CLIP_FRAMES,
    DIRECTIONS,
    HEIGHT,
    POSES,
    WIDTH,
    Wardrobe,
    attributes,
    clip_poses,
    names,
    needed_sheets,
    read_sheet,
    sheet_poses,
    shrink,
)


def test_poses_lie_where_the_generator_looks_for_them():
    """Its script numbers cells row by row, 13 a row; these are its ranges."""
    ranges = {
        "spellcast": {"back": (0, 7), "left": (13, 20), "front": (26, 33), "right": (39, 46)},
        "thrust": {"back": (52, 60), "left": (65, 73), "front": (78, 86), "right": (91, 99)},
        "walk": {"back": (104, 113), "left": (117, 126), "front": (130, 139), "right": (143, 152)},
        "slash": {"back": (156, 162), "left": (169, 175), "front": (182, 188), "right": (195, 201)},
        "shoot": {"back": (208, 221), "left": (221, 234), "front": (234, 247), "right": (247, 260)},
        "hurt": {"front": (260, 266)},
    }
    poses = sheet_poses()
    found = list(zip(poses.row * 13 + poses.column, poses.action, poses.direction, strict=True))
    expected = [
        (cell, ACTIONS.index(action), DIRECTIONS.index(direction))
        for action, rows in ranges.items()
        for direction, (first, last) in rows.items()
        for cell in range(first, last)
    ]
    assert found == expected and len(found) == POSES == 178


def test_clips_are_of_the_published_columns():
    clips, poses = clip_poses(), sheet_poses()
    assert clips.shape == (9, CLIP_FRAMES)
    assert poses.row[clips].tolist() == [
        [row] * 8
        for row in (10, 9, 11, 2, 1, 3, 14, 13, 15)  # front, left, right
    ]
    walk, cast, slash = [8, 1, 2, 3, 4, 5, 6, 7], [0, 1, 2, 3, 4, 5, 4, 6], [0, 1, 2, 3, 4, 5, 4, 0]
    assert poses.column[clips].tolist() == [walk] * 3 + [cast] * 3 + [slash] * 3


def test_a_code_is_its_attributes_to_base_six():
    assert attributes(1116).tolist() == [5, 1, 0, 0]
    assert attributes(np.array([0, 1135, 884, 1295])).tolist() == [
        [0, 0, 0, 0],
        [5, 1, 3, 1],
        [4, 0, 3, 2],
        [5, 5, 5, 5],
    ]
    assert names([1116, 5]) == ["5100", "0005"]


@pytest.fixture(scope="module")
def thin_sheets(tmp_path_factory):
    """Sheets of noise, of every alpha, in both kinds of PNG."""
    folder = tmp_path_factory.mktemp("noise")
    rng = np.random.default_rng(0)
    sheets = {}
    for part, kind in needed_sheets():
        path = folder / f"{part}{kind}.png"
        coarse = rng.integers(0, 256, (HEIGHT // 8, WIDTH // 8, 4), dtype=np.uint8)
        coarse[..., 3] = rng.choice([0, 83, 230, 253, 255], coarse.shape[:2])
        Image.fromarray(coarse).resize((WIDTH, HEIGHT), Image.Resampling.NEAREST).save(path)
        sheets[part, kind] = path
    grey = rng.integers(0, 4, (HEIGHT, WIDTH), dtype=np.uint8)
    image = Image.fromarray(grey)
    image.putpalette([0, 0, 0, 200, 10, 10, 10, 200, 10, 10, 10, 200])
    image.save(sheets["hair", 2], transparency=bytes([0, 255, 83, 253]))
    return sheets


@pytest.mark.parametrize("code", [0, 5 * 216 + 36 + 2, 1295])
def test_characters_are_what_pillow_makes_of_the_sheets(thin_sheets, code):
    digits = attributes(code).tolist()
    whole = Image.new("RGBA", (WIDTH, HEIGHT), "black")
    worn = [*zip(("body", "bottomwear", "topwear", "hair"), digits, strict=True), ("shoes", 1)]
    for key in worn:
        whole = Image.alpha_composite(whole, Image.open(thin_sheets[key]).convert("RGBA"))
    shown = np.array([170, 0, 55, 55])
    frames = Wardrobe(thin_sheets, shown).dress(code)
    assert frames.shape == (4, CELL, CELL, 3) and frames.dtype == np.uint8
    poses = sheet_poses()
    for pose, frame in zip(shown, frames, strict=True):
        left, top = int(poses.column[pose]) * CELL, int(poses.row[pose]) * CELL
        cell = whole.crop((left, top, left + CELL, top + CELL)).convert("RGB")
        np.testing.assert_array_equal(frame, np.asarray(cell))


def test_smaller_frames_are_means_of_areas():
    frames = np.random.default_rng(1).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    assert shrink(frames, 64) is frames
    for size, step in ((32, 2), (16, 4)):
        made = shrink(frames, size)
        assert made.shape == (2, size, size, 3) and made.dtype == np.uint8
        for row, column in itertools.product((0, size - 1), (0, 3)):
            block = frames[1, row * step : (row + 1) * step, column * step : (column + 1) * step]
            mean = np.floor(block.reshape(-1, 3).mean(0) + 0.5)
            np.testing.assert_array_equal(made[1, row, column], mean)


def test_what_is_no_sheet_is_named(tmp_path):
    path = tmp_path / "3.png"
    Image.new("RGBA", (WIDTH, 1280)).save(path)
    with pytest.raises(DataError, match=r"3\.png is 832 x 1280 px, .* 13 x 21 cells is 832 x 1344"):
        read_sheet(path)
    path.write_bytes(b"<html>")
    with pytest.raises(DataError, match=r"3\.png does not decode .*github\.com/YingzhenLi"):
        read_sheet(path)
    Image.new("RGBA", (WIDTH, HEIGHT), (1, 2, 3, 255)).save(path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match=r"3\.png does not decode"):
        read_sheet(path)


def real_sheets():
    folder = os.environ.get("WHATWHERE_REAL_DATA")
    if not folder or not (Path(folder) / "sprites_lpc").is_dir():
        pytest.skip("WHATWHERE_REAL_DATA is not set, or has no sprites_lpc: no LPC sheets at hand")
    return Path(folder) / "sprites_lpc"


def test_genuine_clips_are_the_published_ones():
    """All 24 characters x 9 clips x 8 frames, every value; they are published divided by 256."""
    root = real_sheets()
    sheets = find_files(root).sheets
    made = np.load(root / "fixture_24chars.npz")
    assert len(made["char_id"]) == 24
    np.testing.assert_array_equal(attributes(made["char_id"]), made["labels"])
    wardrobe = Wardrobe(sheets, clip_poses().ravel())
    for code, frames in zip(made["char_id"], made["frames"], strict=True):
        np.testing.assert_array_equal(wardrobe.dress(int(code)).reshape(frames.shape), frames)


def test_genuine_sheets_have_178_poses():
    sheets = find_files(real_sheets()).sheets
    cells = {key: read_sheet(sheets[key]) for key in needed_sheets()}
    filled = {key: int((pose[..., 3] > 0).any((1, 2)).sum()) for key, pose in cells.items()}
    assert all(filled["body", kind] == POSES for kind in range(6))
    assert (filled["bottomwear", 5], filled["topwear", 5]) == (93, 94)
    with Image.open(sheets["body", 0]) as image:
        alpha = np.asarray(image.convert("RGBA"))[..., 3]
    assert (alpha.reshape(21, 64, 13, 64) > 0).any((1, 3)).sum() == POSES  # and no other cell
    # Some poses look alike, these two pairs of everybody: spellcast from behind, thrust.
    wardrobe = Wardrobe(sheets, np.arange(POSES))
    for code, different in ((0, 175), (5 * 216 + 36 + 15, 172)):
        frames = wardrobe.dress(code)
        assert len({frame.tobytes() for frame in frames}) == different
        for twins in ((3, 6), (56, 58)):
            np.testing.assert_array_equal(*frames[list(twins)])
