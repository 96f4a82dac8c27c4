import itertools
import json

import numpy as np
import pytest
from PIL import Image

from datamodules.sprites_files import find_files
from datamodules.sprites_sheets import (
    ACTIONS,
    DIRECTIONS,
    POSES,
    Wardrobe,
    needed_sheets,
    read_sheet,
    sheet_poses,
)
from datamodules.standins.sprites_tree import draw_sheets


@pytest.fixture(scope="module")
def cells(sprite_sheets):
    return {(part, k): read_sheet(sprite_sheets / part / f"{k}.png") for part, k in needed_sheets()}


@pytest.fixture(scope="module")
def dress(sprite_sheets):
    sheets = find_files(sprite_sheets).sheets
    return Wardrobe(sheets, np.arange(POSES)).dress


def code(body=0, bottomwear=0, topwear=0, hair=0):
    return 216 * body + 36 * bottomwear + 6 * topwear + hair


def test_the_files_are_as_the_genuine_ones(sprite_sheets):
    files = find_files(sprite_sheets)
    assert files.missing_sheets == [] and ("shoes", 0) in files.sheets
    assert files.marker == sprite_sheets / "standin.json"
    assert json.loads(files.marker.read_text())["standin"] == "sprites"
    assert (sprite_sheets / ".DS_Store").exists()
    modes = {}
    for key, path in files.sheets.items():
        with Image.open(path) as image:
            assert image.size == (832, 1344) and image.format == "PNG"
            modes[key] = image.mode
            alpha = np.asarray(image.convert("RGBA"))[..., 3]
        filled = (alpha.reshape(21, 64, 13, 64) > 0).any((1, 3))
        poses = sheet_poses()
        outside = filled.copy()
        outside[poses.row, poses.column] = False
        assert not outside.any()
        if key[0] == "body":
            assert filled.sum() == POSES
    assert {key for key, mode in modes.items() if mode == "RGBA"} == {("body", 5), ("topwear", 5)}
    assert all(mode in ("P", "RGBA") for mode in modes.values())


def test_the_same_seed_draws_the_same_and_another_other_hair(cells):
    for key, drawn in draw_sheets():
        if key in cells:
            np.testing.assert_array_equal(drawn, cells[key])  # PNGs keep every pixel
    differ = {key for key, drawn in draw_sheets(seed=1) if (drawn != cells.get(key, drawn)).any()}
    assert differ == {("hair", 0), ("hair", 2), ("hair", 5)}


def test_no_two_poses_are_alike(dress):
    frames = dress(code(hair=4)).reshape(POSES, -1, 3).astype(np.int32)
    packed = frames @ np.array([1, 256, 65536], np.int32)
    fewest = min(int((packed[:pose] != packed[pose]).sum(1).min()) for pose in range(1, POSES))
    assert fewest >= 40  # pixels


@pytest.mark.parametrize("part", ["body", "bottomwear", "topwear", "hair"])
def test_every_attribute_is_seen_in_every_pose(dress, part):
    worn = [dress(code(**{part: kind})).astype(int) for kind in range(6)]
    for one, other in itertools.combinations(worn, 2):
        differ = (one != other).any(-1).sum((1, 2))
        # Of a person who has fallen nearly nothing of the legs is seen.
        assert np.median(differ) >= 40 and (differ >= 8).mean() > 0.97


def test_persons_stay_in_their_cells_and_clothes_on_them(cells):
    body = cells["body", 0][..., 3] > 0
    touching = [
        pose for pose in range(POSES) if body[pose][[0, -1]].any() or body[pose][:, [0, -1]].any()
    ]
    assert len(touching) <= 1
    area = body.sum((1, 2))
    assert area.min() > 350 and area.max() < 1100
    for kind in range(6):
        above = cells["topwear", kind][..., 3] > 0
        near = body | np.roll(body, 2, 1) | np.roll(body, -2, 1) | np.roll(body, 2, 2)
        near |= np.roll(body, -2, 2)
        assert (above & near).sum() > 0.97 * above.sum()


def test_limbs_move_as_the_action_says(cells):
    poses = sheet_poses()

    def shape(action, direction, column):
        (pose,) = np.flatnonzero(
            (poses.action == ACTIONS.index(action))
            & (poses.direction == DIRECTIONS.index(direction))
            & (poses.column == column)
        )
        return cells["body", 0][pose, ..., 3] > 0

    def width(figure):
        columns = np.flatnonzero(figure.any(0))
        return columns[-1] - columns[0] + 1

    # Arms are spread out in the middle of a spell; a stride is long at its extremes.
    assert width(shape("spellcast", "front", 4)) > width(shape("spellcast", "front", 1)) + 12
    stride = [width(shape("walk", "left", column)[50:]) for column in range(1, 9)]
    assert max(stride) > min(stride) + 8
    # A stab goes where one looks, and who is hurt ends on the ground.
    left, right = (shape("thrust", direction, 5) for direction in ("left", "right"))
    assert np.flatnonzero(left.any(0))[0] < np.flatnonzero(right.any(0))[0] - 3
    top = [int(np.flatnonzero(shape("hurt", "front", k).any(1))[0]) for k in range(6)]
    assert top == sorted(top) and top[-1] > top[0] + 20


def test_some_pixels_let_through_what_is_below(cells):
    alphas = {key: set(np.unique(sheet[..., 3]).tolist()) for key, sheet in cells.items()}
    assert alphas["topwear", 4] == {0, 83, 255}
    assert alphas["topwear", 3] == {0, 253, 255} and alphas["topwear", 5] == {0, 230, 255}
    assert alphas["body", 0] == {0, 255}
