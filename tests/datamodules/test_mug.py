import logging

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules import mug_crops
from datamodules.errors import DataError, DatasetNotFoundError
from datamodules.face_align import ANCHORS
from datamodules.mug import MUG
from datamodules.mug_factors import FACTORS
from datamodules.mug_files import EXPRESSIONS
from datamodules.mug_splits import TRAIN_PEOPLE
from datamodules.pts import write_points

PEOPLE = (1, 2, 8, 17, 21, 28, 30)  # two of the test half, five of the other
SIDE = 48


@pytest.fixture(autouse=True)
def no_detector(monkeypatch):
    monkeypatch.setattr(mug_crops, "installed", lambda: False)


def write_take(root, place, frames, shade=0):
    """A white dot that moves a pixel a frame, on a ground whose shade tells the frame."""
    (root / place).mkdir(parents=True)
    for k, number in enumerate(frames):
        pixels = np.full((SIDE, SIDE, 3), shade + 2 * k, np.uint8)
        pixels[20:25, 10 + k : 15 + k] = 255
        Image.fromarray(pixels).save(root / place / f"img_{number:04d}.jpg", quality=100)


def write_copy(root):
    for who in PEOPLE:
        write_take(root, f"{who:03d}/happiness/take000", range(5, 13))
        write_take(root, f"{who:03d}/neutral/take000", range(90, 95))
    write_take(root, "002/session1/anger/take000", [1, 2, 4, 5, 6, 7, 8, 11])
    write_take(root, "001/anger/take000end", range(3))
    return root


@pytest.fixture
def copy(tmp_path):
    return write_copy(tmp_path / "copy" / "subjects3")


def real(root, tmp_path, **arguments):
    settings = {"image_size": 24, "batch_size": 4, "frames": 8, "centre": 1.0} | arguments
    return MUG(source="real", root=str(root), cache_dir=str(tmp_path / "cache"), **settings)


def prepared(data):
    data.prepare_data()
    data.setup()
    return data


def pictures(data, split):
    dataset = data.dataset(split)
    return data.to_batch(dataset.__getitems__(range(len(dataset))), "cpu")


def test_splits_and_labels_of_frames(copy, tmp_path):
    data = prepared(real(copy, tmp_path))
    assert data.counts() == {"train": 4 * 13, "val": 13, "test": 2 * 13 + 8, "all": 7 * 13 + 8}
    batches = {split: pictures(data, split) for split in data.splits}
    people = {split: set(batch["identity"].tolist()) for split, batch in batches.items()}
    assert people["test"] == {1, 2} and people["all"] == set(PEOPLE)
    assert people["train"] | people["val"] == set(PEOPLE) & set(TRAIN_PEOPLE)
    assert not people["train"] & people["val"]
    batch = batches["test"]
    for key in ("identity", "expression", "sequence", "session"):
        assert batch[key].dtype == torch.int64
    assert data.dataset("test").names[13:16] == [
        "002/neutral/take000/img_0090.jpg",
        "002/neutral/take000/img_0091.jpg",
        "002/neutral/take000/img_0092.jpg",
    ]
    rows = {  # in order of person, session, expression
        1: ([0] * 5 + [4] * 8, [1001] * 5 + [1002] * 8, [-1] * 13),
        2: ([0] * 5 + [4] * 8 + [1] * 8, [2001] * 5 + [2002] * 8 + [2003] * 8, [-1] * 13 + [1] * 8),
    }
    for who, columns in rows.items():
        own = batch["identity"] == who
        for key, expected in zip(("expression", "sequence", "session"), columns, strict=True):
            assert batch[key][own].tolist() == expected
    assert [EXPRESSIONS[k] for k in (0, 1, 4)] == ["neutral", "anger", "happiness"]
    assert data.label_names["expression"] == EXPRESSIONS
    gaps = batch["position"][batch["sequence"] == 2003].tolist()
    assert gaps == pytest.approx([0, 0.1, 0.3, 0.4, 0.5, 0.6, 0.7, 1.0])


def test_a_real_copy_has_no_true_factors_even_if_a_file_says_so(copy, tmp_path):
    (copy / FACTORS).write_text("take,frame,yaw,light_azimuth,light_elevation\n")
    batch = pictures(prepared(real(copy, tmp_path)), "test")
    assert set(batch) == {
        *("image", "index", "position"),
        *("identity", "expression", "sequence", "session"),
    }


def test_clips_and_what_is_too_short(copy, tmp_path, caplog):
    data = prepared(real(copy, tmp_path))
    with caplog.at_level(logging.WARNING):
        data.hand_out("clips")
        assert data.counts() == {"train": 4, "val": 1, "test": 3, "all": 8}
    assert "2 of 5 clips have fewer than 8 frames and are left out: 001/neutral/take000" in (
        caplog.text
    )
    batch = next(iter(data.eval_dataloader("test")))
    assert batch["clip"].shape == (3, 8, 3, 24, 24)
    assert batch["identity"].tolist() == [1, 2, 2]
    assert batch["position"].shape == (3, 8)
    shades = batch["clip"][0, :, 0, 0, 0].int()
    assert (shades - torch.arange(0, 16, 2)).abs().max() <= 1


def test_one_crop_a_take_leaves_the_motion_in_it(copy, tmp_path):
    data = prepared(real(copy, tmp_path, image_size=SIDE))
    clip = data.clips("test")[0]["clip"].float()
    bright = (clip[:, 0] > 200).float()
    middle = (bright.sum(1) * torch.arange(SIDE)).sum(1) / bright.sum((1, 2))
    torch.testing.assert_close(middle, 12.0 + torch.arange(8), atol=0.2, rtol=0)


def test_points_and_boxes_place_the_crop(copy, tmp_path, caplog):
    points = np.zeros((68, 2))
    for number, place in ANCHORS["outer"].items():
        points[number] = np.array(place) * 30 + 4
    for who in PEOPLE:
        folder = copy / f"{who:03d}" / "happiness" / "take000"
        write_points(folder / "img_0008.pts", points)
    rows = [f"{who:03d}/neutral/take000,8,18,18,28\n" for who in PEOPLE]
    boxes = copy / "boxes.csv"
    boxes.write_text("take,left,top,right,bottom\n" + "".join(rows))
    with caplog.at_level(logging.WARNING):
        data = prepared(real(copy, tmp_path, zoom=1.0, image_size=30))
    assert "1 of 15 takes have neither points nor a box" in caplog.text
    assert "cropped to the middle 100 % of the picture" in caplog.text
    clip = data.clips("test")[0]["clip"]
    # Pixel 20 of the picture lies 4.5 px behind the crop's edge, which is at its own -0.5.
    assert clip[0, 0, 17, 7] > 240 and clip[0, 0, 17, 15] < 30
    first = data.dataset("test").__getitems__([0])["image"][0, 0]
    assert first[15, 11] > 240 and first[15, 29] < 30  # the dot of 5 px, thrice as large
    seen = {data.fingerprint()}
    boxes.write_text(boxes.read_text().replace(",28", ",29"))
    seen.add(real(copy, tmp_path, zoom=1.0, image_size=30).fingerprint())
    write_points(folder / "img_0008.pts", points + 1)
    seen.add(real(copy, tmp_path, zoom=1.0, image_size=30).fingerprint())
    boxes.unlink()
    seen.add(real(copy, tmp_path, zoom=1.0, image_size=30).fingerprint())
    assert len(seen) == 4


class Finder:
    """Sees the faces of everybody but 017."""

    def __init__(self, remedy):
        assert "boxes.csv" in remedy

    def __call__(self, image):
        points = np.zeros((68, 2))
        for number, place in ANCHORS["outer"].items():
            points[number] = np.array(place) * 30
        return points if image.getpixel((0, 0))[0] < 100 else None


def test_takes_without_a_face_are_left_out_by_name(copy, tmp_path, monkeypatch, caplog):
    write_take(copy, "017/fear/take000", range(6), shade=120)
    monkeypatch.setattr("datamodules.mug.FaceFinder", Finder)
    data = real(copy, tmp_path, crop="detector")
    with caplog.at_level(logging.WARNING):
        prepared(data)
    assert data.counts()["all"] == 7 * 13 + 8
    assert data.cache.skipped == {"all": ["017/fear/take000"]}
    assert "the detector finds no face" in caplog.text
    with pytest.raises(DataError, match=r"1 pictures do not decode, 0 may.*boxes\.csv"):
        prepared(real(copy, tmp_path, crop="detector", max_bad_images=0, image_size=32))


def test_the_detector_that_is_not_installed_is_named(copy, tmp_path, monkeypatch):
    monkeypatch.setattr("datamodules.face_finder.PACKAGES", {"dlib-bin": "no_such_module"})
    with pytest.raises(DataError, match=r"pip install 'whatwhere\[face\]'.*img_0012.pts"):
        prepared(real(copy, tmp_path, crop="detector"))


def test_frames_that_do_not_decode_shorten_a_take(copy, tmp_path):
    (copy / "001/happiness/take000/img_0007.jpg").write_bytes(b"")
    data = prepared(real(copy, tmp_path, frames=7))
    assert data.cache.skipped == {"all": ["001/happiness/take000/img_0007.jpg"]}
    expected = np.array([0, 1, 3, 4, 5, 6, 7]) / 7
    np.testing.assert_allclose(data.clips("test")[0]["position"], expected, rtol=1e-6)


def test_what_is_missing_is_named(copy, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetNotFoundError, match=r"missing pictures like 001/anger/take000"):
        real(tmp_path / "empty", tmp_path).prepare_data()
    with pytest.raises(DatasetNotFoundError, match="persons of the half 'train'; there are 001"):
        real(copy / "001", tmp_path).prepare_data()
    with pytest.raises(DatasetNotFoundError, match=r"sign its licence.*data verify mug"):
        real(tmp_path / "none", tmp_path).prepare_data()


def test_the_fingerprint_follows_pictures_and_not_folders(copy, tmp_path):
    before = real(copy, tmp_path).fingerprint()
    copy.rename(tmp_path / "elsewhere")
    assert real(tmp_path / "elsewhere", tmp_path).fingerprint() == before
    write_take(tmp_path / "elsewhere", "001/fear/take000", range(3))
    assert real(tmp_path / "elsewhere", tmp_path).fingerprint() != before


def test_the_stand_in_comes_by_the_same_road(tmp_path):
    sizes = {"people": 4, "takes": 2, "frames": 12}
    data = MUG(cache_dir=str(tmp_path), standin_sizes=sizes, frames=12, image_size=64)
    fingerprint = data.fingerprint()
    assert not list(tmp_path.iterdir())
    prepared(data)
    assert data.fingerprint() == fingerprint
    table = data.cache.clips("all")
    assert len(table.start) == 4 * 7 * 2
    assert set(table.labels["identity"].tolist()) == {1, 2, 6, 7}
    assert len(table.splits["test"]) == 28 and len(table.splits["train"]) == 28
    assert 8 <= table.length.min() < table.length.max() <= 20
    data.hand_out("clips")
    for batch in data.eval_dataloader("all"):
        clip = data.to_batch(batch, "cpu")["clip"]
        assert clip.shape[1:] == (12, 3, 64, 64)
        # Faces fill the crop, which hardly ever reaches beyond the picture's edge.
        assert (clip.amax(2) < 0.005).float().mean() < 0.05
    assert set(table.labels["session"].tolist()) == {-1, 0, 1}
    # Its true factors are handed out: one light a take, a view a frame.
    assert batch["view"].shape == batch["position"].shape and batch["view"].dtype == torch.float32
    assert data.label_names["illumination"][2] == "from the right"
    assert np.bincount(table.labels["illumination"]).tolist() == [19, 18, 19]
    frames = pictures(data, "all")
    assert 2 < frames["view"].std() < 9 and abs(frames["view"].mean()) < 3
    lit = frames["image"][..., 12:52, :].mean((1, 2))
    side = lit[:, 34:50].mean(1) - lit[:, 14:30].mean(1)
    left, middle, right = (side[frames["illumination"] == k].mean() for k in range(3))
    assert left < middle < right and right - left > 0.01
    (tree,) = tmp_path.glob("mug/standin-tree-*/")
    assert (tree / "subjects3" / FACTORS).exists()
    with pytest.raises(DataError, match="this is a stand-in"):
        real(tree, tmp_path).prepare_data()


@pytest.mark.parametrize(
    "arguments",
    [
        {"crop": "boxes"},
        {"anchors": "all"},
        {"zoom": 0.0},
        {"centre": 1.5},
        {"standin_sizes": {"people": 53}},
        {"standin_sizes": {"persons": 3}},
        {"frames": 1},
    ],
)
def test_wrong_arguments_are_refused(arguments, tmp_path):
    with pytest.raises(ValueError, match=str(next(iter(arguments)))):
        MUG(cache_dir=str(tmp_path), **arguments)
