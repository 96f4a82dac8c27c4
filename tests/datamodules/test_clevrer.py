"""CLEVRER: copies however they were unpacked, and what is known of the objects."""

import json
import shutil

import numpy as np
import pytest
import torch

from datamodules.clevrer import CLEVRER
from datamodules.clevrer_files import FRAMES, find_files, read_annotation
from datamodules.copies import STANDIN_MARKER
from datamodules.errors import DataError, DatasetNotFoundError
from datamodules.standins.clevrer_tree import video_path
from datamodules.standins.videos import write_video

SIZES = {"train": 3, "val": 2, "test": 1, "width": 48}


def made(cache, **more):
    return CLEVRER(
        **(
            {"image_size": 24, "standin_sizes": SIZES, "cache_dir": str(cache), "batch_size": 8}
            | more
        )
    )


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """The stand-in's tree, without its mark and what only it knows: a genuine copy."""
    cache = tmp_path_factory.mktemp("clevrer")
    folder = made(cache).folder()
    genuine = tmp_path_factory.mktemp("genuine") / "copy"
    shutil.copytree(folder, genuine)
    (genuine / STANDIN_MARKER).unlink()
    (genuine / "standin_truth.npz").unlink()
    return cache, genuine


def ready(data):
    data.prepare_data()
    data.setup()
    return data


def test_the_stand_in_knows_where_everything_is_seen(tree):
    data = ready(made(tree[0]))
    data.hand_out("clips")
    (batch,) = data.eval_dataloader("test")
    assert batch["clip"].shape == (1, 34, 3, 24, 24) and batch["identity"].tolist() == [15_000]
    assert batch["object_shape"].shape == (1, 6) and batch["object_box"].shape == (1, 34, 6, 4)
    there = batch["object_shape"][0] >= 0
    visible = batch["object_visible"][0]
    assert visible[:, ~there].max() == 0 and visible[:, there].max() == 1
    seen = visible > 0
    assert torch.isfinite(batch["object_box"][0][seen]).all()
    assert torch.isnan(batch["object_box"][0][~seen]).all()
    assert torch.isfinite(batch["object_position"][0][seen]).all()
    collided = batch["object_collided"][0].int()
    assert (collided[1:] >= collided[:-1]).all()
    data.hand_out("pictures")
    frames = next(iter(data.eval_dataloader("test")))
    assert torch.equal(frames["image"][5], batch["clip"][0, 5])
    assert torch.equal(frames["object_collided"][5], batch["object_collided"][0, 5])


def test_frames_are_those_after_the_26th_every_third():
    assert list(CLEVRER().kept)[:2] == [26, 29] and len(CLEVRER().kept) == 34
    assert len(CLEVRER(start=0, every=1).kept) == FRAMES
    with pytest.raises(ValueError, match="start must be 0 to 127"):
        CLEVRER(start=128)
    with pytest.raises(ValueError, match="multiple of 6"):
        CLEVRER(standin_sizes={"width": 50})
    with pytest.raises(ValueError, match="videos may say"):
        CLEVRER(videos={"training": 3})


def test_a_genuine_copy_says_less_and_the_same_pixels(tree, tmp_path):
    standin = ready(made(tree[0]))
    real = ready(made(tmp_path, source="real", root=str(tree[1])))
    for data in (standin, real):
        data.hand_out("clips")
    ours, theirs = (next(iter(d.eval_dataloader("val"))) for d in (standin, real))
    assert torch.equal(ours["clip"], theirs["clip"])
    for key in ("object_shape", "object_material", "object_colour", "object_collided"):
        assert torch.equal(ours[key], theirs[key]), key
    assert torch.isnan(theirs["object_box"]).all() and torch.isnan(theirs["object_centre"]).all()
    assert torch.equal(theirs["object_visible"] == 0, ours["object_visible"] == 0)
    assert real.fingerprint() != standin.fingerprint()


def test_any_tree_is_read_by_the_numbers_of_its_files(tree, tmp_path):
    for path in tree[1].rglob("*.mp4"):
        shutil.copy(path, tmp_path / path.name)
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "__MACOSX" / "video_00001.mp4").write_bytes(b"resource fork")
    found = find_files(tmp_path)
    assert {split: len(found.numbers(split)) for split in ("train", "val", "test")} == {
        "train": 3,
        "val": 2,
        "test": 1,
    }
    data = ready(made(tmp_path / "cache", source="real", root=str(tmp_path), videos={"train": 2}))
    assert data.counts() == {"train": 2 * 34, "val": 2 * 34, "test": 34}
    batch = next(iter(data.eval_dataloader("train")))
    assert (batch["object_shape"] == -1).all() and torch.isnan(batch["object_visible"]).all()
    (tmp_path / "again").mkdir()
    shutil.copy(tmp_path / "video_00000.mp4", tmp_path / "again" / "video_00000.mp4")
    with pytest.raises(DataError, match="same video twice"):
        find_files(tmp_path)


def test_videos_that_are_not_whole_are_named_and_left_out(tree, tmp_path, caplog):
    root = tmp_path / "copy"
    shutil.copytree(tree[1], root)
    write_video(video_path(root, 1), [np.zeros((32, 48, 3), np.uint8)] * 5)
    broken = root / "annotation" / "annotation_00000-01000" / "annotation_00002.json"
    broken.write_text("{", encoding="ascii")
    data = ready(made(tmp_path / "cache", source="real", root=str(root)))
    assert data.counts()["train"] == 34
    told = caplog.text
    assert "video_00001.mp4" in told and "5 frames, not 128" in told
    assert "annotation_00002.json is no annotation" in told
    report = CLEVRER.verify(root)
    assert report.usable and "5 frames" in report.checks[-1].found
    strict = made(tmp_path / "strict", source="real", root=str(root), max_bad_videos=0)
    with pytest.raises(DataError, match="max_bad"):
        strict.prepare_data()


def test_annotations_that_are_none_are_refused_with_a_reason(tree, tmp_path):
    path = next(tree[1].rglob("annotation_00000.json"))
    said = json.loads(path.read_text())
    said["object_property"][0]["shape"] = "cone"
    other = tmp_path / "annotation_00000.json"
    other.write_text(json.dumps(said))
    with pytest.raises(
        DataError, match=r"annotation_00000\.json is no annotation.*'cone' is none of cube"
    ):
        read_annotation(other)


def test_absent_and_stand_in_copies_are_refused(tree, tmp_path):
    with pytest.raises(DatasetNotFoundError, match=r"video_00000\.mp4"):
        made(tmp_path, source="real", root=str(tmp_path)).prepare_data()
    standin = made(tree[0]).folder()
    with pytest.raises(DataError, match="is a stand-in"):
        made(tmp_path, source="real", root=str(standin)).prepare_data()
    assert not CLEVRER.verify(standin).usable
    assert not CLEVRER.verify(tmp_path / "nowhere").usable
