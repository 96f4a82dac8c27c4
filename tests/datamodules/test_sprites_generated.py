import numpy as np
import pytest
from PIL import Image

from datamodules.errors import DataError
from datamodules.sprites import Sprites
from datamodules.sprites_files import CLIPS, SIDES, clip_file, find_files
from datamodules.sprites_generated import GeneratedArrays, GeneratedFrames, read_codes
from datamodules.sprites_sheets import CLIP_FRAMES, attributes, names

PEOPLE = {"train": [1116, 7], "test": [884]}


def pixels(code):
    """Another picture for every character, clip and frame, (9, 8, 64, 64, 3)."""
    return np.random.default_rng(code).integers(0, 256, (CLIPS, CLIP_FRAMES, 64, 64, 3), np.uint8)


def write_arrays(root):
    """Arrays as the script writes them, with its wrong files of directions."""
    folder = root / "npy"
    folder.mkdir(parents=True)
    for side, codes in PEOPLE.items():
        one_hot = np.eye(6, dtype=np.float32)[attributes(np.array(codes))]
        clips = np.stack([pixels(code) for code in codes]).astype(np.float32) / 256
        for clip in range(CLIPS):
            name = folder / clip_file(clip)
            np.save(f"{name}_frames_{side}.npy", clips[:, clip])
            np.save(f"{name}_attributes_{side}.npy", np.repeat(one_hot[:, None], 8, axis=1))
            np.save(f"{name}_directions_train.npy", np.zeros((1, 8, 3), np.float32))
    return folder


def write_frames(root, codes):
    for code in codes:
        for clip, frames in enumerate(pixels(code)):
            action, direction = clip_file(clip).split("_")
            folder = root / "frames" / action
            folder.mkdir(parents=True, exist_ok=True)
            for k, frame in enumerate(frames):
                image = Image.fromarray(frame).convert("RGBA")  # as the script writes them
                image.save(folder / f"{direction}_{names([code])[0]}_{k}.png", compress_level=0)


def test_arrays_give_back_the_bytes_they_were_made_of(tmp_path):
    write_arrays(tmp_path / "deep" / "inside")
    files = find_files(tmp_path)
    assert files.form == "npy" and len(files.arrays) == 2 * 2 * CLIPS
    assert files.missing_arrays == []
    people = GeneratedArrays(files.arrays)
    assert people.counts() == [3] * CLIPS
    for code in (1116, 7, 884):
        frames = people.dress(code)
        np.testing.assert_array_equal(frames, pixels(code).reshape(-1, 64, 64, 3))
    with pytest.raises(DataError, match=r"no walk_front_frames_\*\.npy holds character 0005"):
        people.dress(5)


def test_arrays_that_are_generated_again_are_other_data(tmp_path):
    folder = write_arrays(tmp_path)
    data = [Sprites(source="real", root=str(tmp_path), cache_dir=str(tmp_path)) for _ in range(2)]
    before = data[0].fingerprint()
    path = folder / "walk_left_attributes_train.npy"
    np.save(path, np.load(path)[::-1])  # the same characters in another order, and as many bytes
    assert data[1].fingerprint() != before


def test_other_arrays_are_refused_by_name(tmp_path):
    folder = write_arrays(tmp_path)
    files = find_files(tmp_path)
    path = folder / "slash_left_frames_test.npy"
    wrong = pixels(884)[:1].astype(np.float32) / 255
    np.save(path, wrong)
    with pytest.raises(
        DataError, match=r"slash_left_frames_test\.npy: character 4032 .* 256\. Run"
    ):
        GeneratedArrays(files.arrays).dress(884)
    np.save(path, wrong.repeat(2, 0))
    with pytest.raises(
        DataError, match=r"slash_left_frames_test.npy has 2 clips, its attributes 1"
    ):
        GeneratedArrays(files.arrays)
    np.save(path, wrong[:, :5])
    with pytest.raises(
        DataError, match=r"_test\.npy holds float32 \(1, 5, 64, 64, 3\), not floats"
    ):
        GeneratedArrays(files.arrays)
    path.write_bytes(b"\x93NUMPY")
    with pytest.raises(DataError, match=r"slash_left_frames_test\.npy is no array of numbers"):
        GeneratedArrays(files.arrays)
    soft = np.full((1, 8, 4, 6), 1 / 6, np.float32)
    np.save(folder / "slash_left_attributes_test.npy", soft)
    with pytest.raises(DataError, match=r"attributes are not one-hot"):
        read_codes(folder / "slash_left_attributes_test.npy")
    assert SIDES == ("train", "test")


def test_single_frames(tmp_path):
    write_frames(tmp_path, [884])
    files = find_files(tmp_path)
    assert files.form == "frames" and len(files.frames) == CLIPS * CLIP_FRAMES
    people = GeneratedFrames(files.frames)
    np.testing.assert_array_equal(people.dress(884), pixels(884).reshape(-1, 64, 64, 3))
    with pytest.raises(DataError, match=r"frames/walk/front_0005_0\.png is not there"):
        people.dress(5)
    path = tmp_path / "frames" / "spellcard" / "right_4032_6.png"
    Image.new("RGBA", (32, 32)).save(path)
    with pytest.raises(DataError, match=r"right_4032_6\.png does not decode: is 32 x 32, not 64"):
        people.dress(884)


def test_sheets_come_before_what_was_made_of_them(own_sprite_sheets):
    write_arrays(own_sprite_sheets)
    write_frames(own_sprite_sheets, [7])
    files = find_files(own_sprite_sheets)
    assert files.form == "sheets" and ("shoes", 0) in files.sheets
    (own_sprite_sheets / "lpc/body/4.png").unlink()
    files = find_files(own_sprite_sheets)
    assert files.form == "npy" and files.missing_sheets == ["body/4.png"]
    for path in (own_sprite_sheets / "npy").iterdir():
        path.unlink()
    assert find_files(own_sprite_sheets).form == "frames"


def test_of_two_folders_of_sheets_the_fuller_one_counts(own_sprite_sheets):
    older = own_sprite_sheets / "a"
    (older / "body").mkdir(parents=True)
    (older / "body" / "0.png").write_bytes(b"")
    files = find_files(own_sprite_sheets)
    assert files.missing_sheets == []
    assert files.sheets["body", 0] == own_sprite_sheets / "lpc" / "body" / "0.png"
