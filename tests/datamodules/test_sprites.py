import logging
import shutil

import numpy as np
import pytest
import torch

from datamodules.errors import DataError, DatasetNotFoundError
from datamodules.sprites import Sprites
from datamodules.sprites_sheets import (
    ACTIONS,
    DIRECTIONS,
    Wardrobe,
    attributes,
    clip_poses,
    needed_sheets,
    sheet_poses,
    shrink,
)
from datamodules.sprites_splits import split_characters
from tests.datamodules.test_sprites_generated import write_frames
from tests.datamodules.test_sprites_sheets import real_sheets

ATTRIBUTES = ("body", "bottomwear", "topwear", "hair")


@pytest.fixture(scope="module")
def copy(sprite_sheets, tmp_path_factory):
    """Sheets that are not marked as a stand-in's, which tests only read."""
    root = tmp_path_factory.mktemp("copy")
    shutil.copytree(sprite_sheets, root / "x", ignore=shutil.ignore_patterns("standin.json"))
    return root


def real(root, tmp_path, **arguments):
    settings = {"characters": 10, "image_size": 16, "clip_batch_size": 4} | arguments
    return Sprites(source="real", root=str(root), cache_dir=str(tmp_path / "cache"), **settings)


def prepared(root, tmp_path, **arguments):
    data = real(root, tmp_path, **arguments)
    data.prepare_data()
    data.setup()
    return data


def wardrobe(folder, poses):
    return Wardrobe({(part, k): folder / part / f"{k}.png" for part, k in needed_sheets()}, poses)


def test_clips_of_actions(copy, tmp_path, sprite_sheets):
    data = prepared(copy, tmp_path, image_size=32)
    assert data.counts() == {"train": 9 * 72, "val": 72, "test": 3 * 72, "all": 13 * 72}
    data.hand_out("clips")
    assert data.counts() == {"train": 81, "val": 9, "test": 27, "all": 117}
    clips = data.clips("test")
    batch = clips.__getitems__(range(27))
    assert batch["clip"].shape == (27, 8, 3, 32, 32)
    codes = split_characters(10)["test"]
    assert batch["identity"].tolist() == np.repeat(codes, 9).tolist()
    for k, name in enumerate(ATTRIBUTES):
        assert batch[name].tolist() == np.repeat(attributes(codes)[:, k], 9).tolist()
    assert batch["action"][:9].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert batch["direction"][:9].tolist() == [0, 1, 2] * 3
    assert clips.names[:4] == [
        *("4032/walk/front", "4032/walk/left", "4032/walk/right", "4032/spellcast/front"),
    ]
    assert data.label_names == {"action": ACTIONS, "direction": DIRECTIONS}
    assert torch.equal(batch["pose"][9:18], torch.from_numpy(clip_poses()))
    torch.testing.assert_close(batch["position"][5], torch.linspace(0, 1, 8))
    for key in ("identity", *ATTRIBUTES, "action", "direction", "pose"):
        assert batch[key].dtype == torch.int64
    dressed = wardrobe(sprite_sheets, clip_poses().ravel()).dress(int(codes[1]))
    expected = shrink(dressed, 32).reshape(9, 8, 32, 32, 3)
    np.testing.assert_array_equal(batch["clip"][9:18].permute(0, 1, 3, 4, 2).numpy(), expected)


def test_frames_as_pictures_keep_all_labels(copy, tmp_path):
    data = prepared(copy, tmp_path)
    pictures = data.dataset("val")
    batch = data.to_batch(pictures.__getitems__(range(72)), "cpu")
    assert batch["image"].shape == (72, 3, 16, 16) and 0.3 < batch["image"].max() <= 1
    assert batch["pose"].tolist() == clip_poses().ravel().tolist()
    assert batch["action"].tolist() == np.repeat([0, 1, 2], 24).tolist()
    assert len(set(batch["identity"].tolist())) == 1
    assert pictures.names[8] == f"{pictures.names[0].split('/')[0]}/walk/left/0"


def test_equal_poses_have_equal_numbers(copy, tmp_path):
    data = prepared(copy, tmp_path)
    clip = data.clips("val").__getitems__([4, 8])
    cast, slash = clip["pose"]
    assert cast[4] == cast[6] and slash[0] == slash[7] and slash[4] == slash[6]
    assert torch.equal(clip["clip"][0, 4], clip["clip"][0, 6])
    assert torch.equal(clip["clip"][1, 0], clip["clip"][1, 7])
    assert len(set(clip["pose"].ravel().tolist())) == 7 + 6


def test_a_whole_sheet_is_a_clip(copy, tmp_path, sprite_sheets):
    data = prepared(copy, tmp_path, clips="sheet")
    assert data.counts() == {"train": 9 * 178, "val": 178, "test": 3 * 178, "all": 13 * 178}
    data.hand_out("clips")
    assert data.counts() == {"train": 9, "val": 1, "test": 3, "all": 13}
    batch = data.clips("test").__getitems__([0, 2])
    assert batch["clip"].shape == (2, 178, 3, 16, 16)
    assert batch["identity"].tolist() == split_characters(10)["test"][[0, 2]].tolist()
    assert batch["pose"].tolist() == [list(range(178))] * 2
    poses = sheet_poses()
    assert batch["action"][0].tolist() == poses.action.tolist()
    assert batch["direction"][1].tolist() == poses.direction.tolist()
    assert "position" not in batch and batch["hair"].shape == (2,)
    dressed = wardrobe(sprite_sheets, np.arange(178)).dress(int(batch["identity"][1]))
    np.testing.assert_array_equal(batch["clip"][1].permute(0, 2, 3, 1).numpy(), shrink(dressed, 16))
    few = prepared(copy, tmp_path, clips="sheet", frames=3)
    assert few.cache_path() == data.cache_path()
    assert few.clips("test")[0]["pose"].tolist() == [0, 89, 177]


def test_a_characters_pictures_do_not_hang_on_how_many_there_are(copy, tmp_path):
    few, more = prepared(copy, tmp_path), prepared(copy, tmp_path, characters=20)
    for split, number in (("test", 3), ("all", 10)):
        ours, theirs = (
            data.dataset(split).__getitems__(range(72 * number)) for data in (few, more)
        )
        assert torch.equal(ours["image"], theirs["image"])
        assert torch.equal(ours["identity"], theirs["identity"])
    assert few.fingerprint() != more.fingerprint()


def test_what_was_generated_gives_the_same_clips_but_no_sheets(copy, tmp_path):
    root = tmp_path / "generated"
    codes = split_characters(10)["all"]
    write_frames(root, codes.tolist())
    data = prepared(root, tmp_path)
    assert data.clips("all").names == prepared(copy, tmp_path).clips("all").names
    with pytest.raises(DatasetNotFoundError, match=r"body/0\.png, .*has no whole sheets"):
        real(root, tmp_path, clips="sheet").prepare_data()
    with pytest.raises(DataError, match=r"frames/walk/front_\d{4}_0.png is not there"):
        real(root, tmp_path, characters=11).prepare_data()
    (root / "npy").mkdir()
    (root / "npy" / "walk_front_frames_train.npy").write_bytes(b"")
    with pytest.raises(DatasetNotFoundError, match=r"missing npy/walk_front_frames_test\.npy; npy"):
        real(root, tmp_path).prepare_data()


def test_what_is_missing_is_named(tmp_path, own_sprite_sheets):
    with pytest.raises(DatasetNotFoundError, match=r"clone github.com/YingzhenLi.*verify sprites"):
        real(tmp_path / "none", tmp_path).prepare_data()
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetNotFoundError, match=r"missing sheets like body/0\.png\. Sprites is"):
        real(tmp_path / "empty", tmp_path).prepare_data()
    (own_sprite_sheets / "lpc/topwear/3.png").unlink()
    shutil.rmtree(own_sprite_sheets / "lpc/shoes")
    with pytest.raises(DatasetNotFoundError, match=r"missing topwear/3\.png; shoes/1\.png\."):
        real(own_sprite_sheets, tmp_path).prepare_data()


def test_the_look_alike_is_refused_or_left_alone(tmp_path, own_sprite_sheets, caplog):
    other = tmp_path / "other" / "lpc-dataset" / "train"
    other.mkdir(parents=True)
    for k in (1, 2):
        (other / f"{k}.sprite").write_bytes(b"PK")
    with pytest.raises(
        DatasetNotFoundError, match=r"1\.sprite is of lpc-dataset, another set: 840 characters"
    ):
        real(tmp_path / "other", tmp_path).prepare_data()
    shutil.move(tmp_path / "other" / "lpc-dataset", own_sprite_sheets / "lpc-dataset")
    with caplog.at_level(logging.WARNING):
        assert len(real(own_sprite_sheets, tmp_path).fingerprint()) == 16
    assert "directions are not labelled; it is not read" in caplog.text


def test_the_fingerprint_follows_sheets_and_not_folders(tmp_path, own_sprite_sheets):
    before = real(own_sprite_sheets, tmp_path).fingerprint()
    shutil.move(own_sprite_sheets / "lpc", tmp_path / "moved")
    assert real(tmp_path / "moved", tmp_path).fingerprint() == before
    shutil.copy(tmp_path / "moved/hair/1.png", tmp_path / "moved/hair/2.png")
    assert real(tmp_path / "moved", tmp_path).fingerprint() != before
    seen = {
        real(tmp_path / "moved", tmp_path, **given).fingerprint()
        for given in ({}, {"clips": "sheet"}, {"characters": 12}, {"image_size": 32})
    }
    assert len(seen) == 4


def test_the_stand_in_comes_by_the_same_road(tmp_path):
    data = Sprites(cache_dir=str(tmp_path), characters=10, image_size=8)
    fingerprint = data.fingerprint()
    assert not list(tmp_path.iterdir())
    data.prepare_data()
    data.setup()
    assert data.fingerprint() == fingerprint
    (tree,) = tmp_path.glob("sprites/standin-tree-*/")
    with pytest.raises(DataError, match="this is a stand-in"):
        real(tree, tmp_path).prepare_data()


@pytest.mark.parametrize(
    "arguments",
    [
        {"clips": "walks"},
        {"characters": 9},
        {"image_size": 48},
        {"frames": 9},
        {"frames": 0},
        {"frames": 5, "window": "start", "stride": 2},
    ],
)
def test_wrong_arguments_are_refused(arguments, tmp_path):
    with pytest.raises(ValueError, match=str(next(iter(arguments)))):
        Sprites(cache_dir=str(tmp_path), **arguments)


def test_genuine_sheets(tmp_path):
    root = real_sheets()
    data = prepared(root, tmp_path, clips="sheet", image_size=64)
    batch = data.dataset("test").__getitems__(range(178))
    shown = (batch["image"].flatten(1) > 0).any(1)
    assert bool(shown.all()) and batch["identity"][0] == 884
    report = Sprites.verify(root)
    assert [check.status for check in report.checks] == ["ok"] * len(report.checks)
