"""A scene as a still sheet and as a film: every clip at its place, every frame at its time."""

import numpy as np
from PIL import Image

from benchmarks.films import FRAMES, Scene, clip_tile

GREY = 60


def clip(colour, frames=12):
    """One colour that grows brighter, a step of 10 a frame."""
    made = np.zeros((frames, 32, 32, 3), np.uint8)
    made[..., colour] = GREY + 10 * np.arange(frames)[:, None, None]
    return made


def scene():
    red, green, blue = map(clip, range(3))
    return Scene(
        "Colours",
        [("red", red), ("blue", blue)],
        [[None, red], [green, blue]],
        ["above", "below"],
        ["", "right"],
    )


def words(sheet):
    return [text.get_text() for text in sheet.figure.texts]


def test_a_sheet_has_frames_of_each_clip_from_first_to_last():
    sheet = scene().sheet("the cell")
    pixels = sheet.pixels()
    for row, colour in enumerate((0, 2)):
        seen = []
        for column in range(FRAMES):
            left, top, width, height = sheet.box(row, column)
            tile = pixels[top : top + height, left : left + width]
            assert (tile == tile[0, 0]).all()
            assert tile[0, 0, colour] == tile[0, 0].sum()
            seen.append((int(tile[0, 0, colour]) - GREY) // 10)
        assert seen == [0, 2, 3, 5, 6, 8, 9, 11]
    assert {"Colours", "the cell", "red", "blue", "frame 1", "frame 12"} <= set(words(sheet))


def test_a_film_has_every_frame_and_leaves_empty_places_white():
    frames = np.stack(list(scene().frames("the cell")))
    assert len(frames) == 12
    places = {}
    for colour in range(3):
        for moment, frame in enumerate(frames):
            wanted = np.zeros(3, np.uint8)
            wanted[colour] = GREY + 10 * moment
            tile = (frame == wanted).all(-1)
            top, left = np.argwhere(tile)[0]
            assert tile.sum() == tile[top : top + 128, left : left + 128].sum() == 128 * 128
            assert places.setdefault(colour, (top, left)) == (top, left)
    red, green, blue = (np.array(places[colour]) for colour in range(3))
    # Red stands above blue, green on blue's left, and nothing above green.
    assert (blue - red).tolist() == [132, 0] and (blue - green).tolist() == [0, 132]
    empty = frames[:, red[0] : red[0] + 128, green[1] : green[1] + 128]
    assert (empty == 255).all()
    moves = (frames != frames[0]).any((0, 3))
    assert moves.sum() == 3 * 128 * 128  # words do not


def test_three_files_of_one_name(tmp_path):
    files = scene().save(tmp_path / "pictures", "clip-colours", "the cell")
    assert [path.name for path in files] == [f"clip-colours.{end}" for end in ("png", "mp4", "gif")]
    assert sorted(files) == sorted((tmp_path / "pictures").iterdir())
    with Image.open(files[2]) as gif:
        assert gif.n_frames == 12 and gif.width >= 1000


def test_faces_are_enlarged_by_a_whole_factor():
    sides = {clip_tile(np.zeros((2, side, side, 3), np.uint8))[0] for side in (16, 32, 64, 128)}
    assert sides == {128}
    assert clip_tile(np.zeros((2, 48, 40, 1), np.uint8)) == (144, 120)
