import io
import json
from collections import Counter
from itertools import product

import numpy as np
import pytest
import scipy.io
import torch
from PIL import Image, ImageDraw

from datamodules import multipie
from datamodules.errors import DataError, DatasetNotFoundError
from datamodules.face_align import ANCHORS
from datamodules.multipie import MultiPIE

CAMERAS = ("130", "140", "051", "050", "041")
SUBJECTS = (3, 4, 5, 6, 7, 201, 202, 346)
LIGHTS = (0, 7, 19)


def colour(subject, camera, light):
    return (subject % 256, 40 * CAMERAS.index(camera), 10 * light)


def write_copy(
    root,
    *,
    cropped=True,
    flat=False,
    subjects=SUBJECTS,
    cameras=CAMERAS,
    size=(32, 32),
    suffix="_crop_128",
):
    """Session 1: neutral and smile, three lights; a picture's colour says which it is."""
    for subject, recording, camera, light in product(subjects, (1, 2), cameras, LIGHTS):
        name = f"{subject:03d}_01_{recording:02d}_{camera}_{light:02d}"
        folder = root
        if cropped and not flat:
            folder = root / "multi_PIE_crop_128" / f"{subject:03d}"
        elif not flat:
            place = f"{subject:03d}/{recording:02d}/{camera[:2]}_{camera[2]}"
            folder = root / "data" / "session01" / "multiview" / place
        folder.mkdir(parents=True, exist_ok=True)
        image = Image.new("RGB", size, colour(subject, camera, light))
        image.save(folder / f"{name}{suffix if cropped else ''}.png")
    return root


def real(root, tmp_path, **arguments):
    settings = {"image_size": 16, "batch_size": 4, "train_size": 8, "val_size": 3}
    settings |= {"test_per_view": 6, "cache_dir": str(tmp_path / "cache")} | arguments
    return MultiPIE(source="real", root=str(root), **settings)


def prepared(*arguments, **settings):
    data = real(*arguments, **settings)
    data.prepare_data()
    data.setup()
    return data


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    return write_copy(tmp_path_factory.mktemp("copy"))


def whole(data, split):
    return data.to_batch(next(iter(data.eval_dataloader(split))), "cpu")


def test_splits_and_batches(copy, tmp_path):
    data = prepared(copy, tmp_path)
    assert data.counts() == {"train": 8, "val": 3, "test": 30}
    batch = whole(data, "test")
    assert batch["image"].shape == (30, 3, 16, 16)
    assert batch["view"].dtype == torch.float32
    assert batch["view"].tolist() == [view for view in (-30, -15, 0, 15, 30) for _ in range(6)]
    for key in ("identity", "expression", "illumination", "session", "index"):
        assert batch[key].dtype == torch.int64, key
    assert set(batch["illumination"].tolist()) <= {0, 7}  # 19 is left out by default
    assert set(batch["session"].tolist()) == {1}
    for k in range(30):  # the labels are those of the picture
        red, green, blue = (255 * batch["image"][k].mean(dim=(1, 2))).round().int().tolist()
        assert red == batch["identity"][k] % 256
        assert green == 40 * (batch["view"][k] / 15 + 2)
        assert blue == 10 * batch["illumination"][k]
    names = data.dataset("test").names
    assert [int(name[7:9]) - 1 for name in names] == batch["expression"].tolist()
    assert Counter(batch["identity"].tolist()) == {201: 10, 202: 10, 346: 10}
    train, val = whole(data, "train"), whole(data, "val")
    assert set(train["identity"].tolist()) == {3, 4, 5, 6}
    assert set(val["identity"].tolist()) == {7}
    assert train["view"].unique().tolist() == val["view"].unique().tolist() == [0]


def test_flat_and_original_trees_hold_the_same(copy, tmp_path):
    labels = whole(prepared(copy, tmp_path), "test")
    flat = write_copy(tmp_path / "flat", flat=True, suffix="_cropped")
    original = write_copy(tmp_path / "original", cropped=False, size=(64, 48))
    for root in (flat, original):
        batch = whole(prepared(root, tmp_path, crop="none"), "test")
        for key, value in labels.items():
            assert torch.equal(batch[key], value), key


def test_kinds_of_copies_are_never_mixed(copy, tmp_path, caplog):
    root = write_copy(tmp_path / "both", subjects=SUBJECTS[:2])
    write_copy(root, suffix="_cropped", flat=True)
    write_copy(root, cropped=False, size=(64, 48))
    data = real(root, tmp_path)
    plan = data.plan()
    assert "reading the 240 pictures '_cropped', not the 240 pictures 'original'" in caplog.text
    assert plan["test"].names[0].endswith("_130_00.png") or plan["test"].names[0].endswith("07.png")
    paths = data._copy().paths("train")
    assert {path.name.endswith("_cropped.png") for path in paths} == {True}
    paths = real(root, tmp_path, crop="landmarks")._copy().paths("train")
    assert {"multiview" in path.parts for path in paths} == {True}


def landmarks_68():
    """Of a face in a picture of 640 x 480, turned and enlarged."""
    points = np.full((68, 2), 50.0)
    turn = np.array([[0.98, -0.2], [0.2, 0.98]])
    for places in ANCHORS.values():
        for number, place in places.items():
            points[number] = 150 * np.array(place) @ turn.T + (260, 130)
    return points


def write_originals(root, *, name="{key}_lm.mat", points=None):
    """Originals whose anchors are marked by discs, with one landmark file a recording."""
    points = landmarks_68() if points is None else points
    image = Image.new("RGB", (640, 480), (90, 90, 90))
    pen = ImageDraw.Draw(image)
    for k in (36, 45, 33):
        x, y = points[k]
        pen.ellipse([x - 6, y - 6, x + 6, y + 6], fill=(255, 0, 0))
    encoded = io.BytesIO()
    image.save(encoded, "PNG", compress_level=1)
    root.mkdir()
    (root / "labels").mkdir()
    for subject, camera, light in product((1, 2, 201), CAMERAS, (7, 8)):
        key = f"{subject:03d}_01_01_{camera}_{light:02d}"
        (root / f"{key}.png").write_bytes(encoded.getvalue())
        if light == 7:
            scipy.io.savemat(root / "labels" / name.format(key=key), {"pts": points + 1})
    return root


def test_originals_are_cropped_by_landmarks(tmp_path):
    root = write_originals(tmp_path / "copy")
    data = prepared(root, tmp_path, image_size=64, illuminations=[7, 8], max_bad_images=0)
    images = whole(data, "test")["image"]
    assert len(images) == 10
    assert set(whole(data, "test")["illumination"].tolist()) == {7, 8}  # 7's landmarks hold for 8
    red = images[:, 0] - images[:, 1]
    for place in ANCHORS["outer"].values():
        x, y = (int(64 * fraction) for fraction in place)
        assert (red[:, y, x] > 0.9).all()
    assert red[:, 40:].max() < 0.05
    assert (images[0, :, 60, 32] * 255).round().tolist() == [90, 90, 90]
    again = real(root, tmp_path, image_size=64, illuminations=[7, 8])
    before = again.fingerprint()
    path = next((root / "labels").iterdir())
    scipy.io.savemat(path, {"pts": landmarks_68() + 3})
    assert real(root, tmp_path, image_size=64, illuminations=[7, 8]).fingerprint() != before


def test_originals_without_landmarks_need_the_extra(tmp_path, monkeypatch):
    root = write_originals(tmp_path / "copy", name="no_{key}.mat")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"pip install 'whatwhere\[face\]'.*lm.mat.*crop='none'"):
        real(root, tmp_path).prepare_data()
    assert not list((tmp_path / "cache").rglob("*.h5*.tmp"))


def test_pictures_without_a_face_are_counted(tmp_path, monkeypatch):
    root = write_originals(tmp_path / "copy", name="no_{key}.mat")
    monkeypatch.setattr(multipie, "FaceFinder", lambda remedy: lambda image: None)
    with pytest.raises(DataError, match=r"finds no face.*raise max_bad_images"):
        real(root, tmp_path, max_bad_images=3).prepare_data()
    monkeypatch.setattr(multipie, "FaceFinder", lambda remedy: lambda image: landmarks_68())
    assert prepared(root, tmp_path, illuminations=[7, 8]).counts()["test"] == 10


def test_useless_landmarks_are_named(tmp_path):
    points = landmarks_68()
    points[[36, 45, 33]] = 77
    root = write_originals(tmp_path / "copy", points=points)
    with pytest.raises(DataError, match=r"_lm.mat: landmarks 36, 45, 33 span no triangle"):
        real(root, tmp_path).prepare_data()


def test_pairs_come_without_a_margin(copy, tmp_path):
    data = prepared(copy, tmp_path, pairs=True)
    raw = next(iter(data.train_dataloader()))
    assert raw["image"].shape == (4, 3, 16, 16)
    batch = data.warp_batch(raw)
    assert batch["image"].shape == batch["pair"].shape == (4, 3, 16, 16)


def test_fingerprint_follows_data_and_settings_not_paths(copy, tmp_path):
    base = real(copy, tmp_path).fingerprint()
    other = write_copy(tmp_path / "other")
    assert real(other, tmp_path, seed=4, num_workers=1, pairs=True).fingerprint() == base
    seen = {base}
    for changed in (
        {"train_views": (0, 15)},
        {"train_size": 7},
        {"views": (-15, 15)},
        {"illuminations": [7]},
        {"crop": "none"},
        {"anchors": "inner"},
        {"test_from": 202},
    ):
        seen.add(real(copy, tmp_path, **changed).fingerprint())
    used = real(other, tmp_path)._copy().paths("test")[0]
    with used.open("ab") as file:
        file.write(b"\0")
    seen.add(real(other, tmp_path).fingerprint())
    assert len(seen) == 9


def test_fewer_pictures_than_asked_for(copy, tmp_path, caplog):
    data = prepared(copy, tmp_path, train_size=1000, test_per_view=1000)
    assert data.counts() == {"train": 16, "val": 3, "test": 60}
    assert "'train': 16 pictures of 1000 asked for" in caplog.text
    assert "'test', view 30: 12 pictures of 1000 asked for" in caplog.text


def test_a_half_copy_is_named(tmp_path):
    root = write_copy(tmp_path / "half", cameras=CAMERAS[1:])
    with pytest.raises(DataError, match=rf"{root}: no picture of test views \[-30\] \(cameras 130"):
        real(root, tmp_path).prepare_data()
    assert prepared(root, tmp_path, views=[-15, 15]).counts()["test"] == 12


def test_no_copy(tmp_path):
    (tmp_path / "empty").mkdir()
    for root, missing in ((tmp_path / "none", "the folder itself"), (tmp_path / "empty", "001_01")):
        with pytest.raises(DatasetNotFoundError, match=f"Multi-PIE copy in {root}.*{missing}"):
            real(root, tmp_path).prepare_data()
    with pytest.raises(DatasetNotFoundError, match="give it with --data-root DIR"):
        MultiPIE(source="real", cache_dir=str(tmp_path)).prepare_data()


def test_a_picture_that_does_not_decode_is_left_out(tmp_path):
    root = write_copy(tmp_path / "copy")
    (root / "multi_PIE_crop_128/346/346_01_01_130_07_crop_128.png").write_bytes(b"")
    data = prepared(root, tmp_path, test_per_view=12)
    assert data.counts()["test"] == 59
    assert data.cache.skipped["test"] == ["346_01_01_130_07_crop_128.png"]
    with pytest.raises(DataError, match="0 may be left out"):
        real(root, tmp_path / "b", test_per_view=12, max_bad_images=0).prepare_data()


def test_stand_in_faces_are_not_taken_for_the_real_copy(tmp_path):
    root = write_copy(tmp_path / "copy")
    (root / "multi_PIE_crop_128" / "standin.json").write_text(json.dumps({"standin": "faces"}))
    with pytest.raises(DataError, match=r"standin.json says that this is a stand-in"):
        real(root, tmp_path).prepare_data()


@pytest.mark.parametrize(
    "arguments",
    [
        {"train_views": (10,)},
        {"views": ()},
        {"views": (0, 0)},
        {"illuminations": [20]},
        {"crop": "dlib"},
        {"anchors": "eyes"},
        {"train_size": 0},
        {"standin_sizes": (5, 1)},
        {"standin_sizes": {"identities": 400, "sessions": 1, "shots": 1}},
    ],
)
def test_wrong_arguments_are_refused(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments)) + "|zip"):
        MultiPIE(**arguments)


def test_the_stand_in_comes_by_the_same_road(tmp_path):
    settings = {"cache_dir": str(tmp_path), "standin_sizes": (6, 2, 3), "image_size": 32}
    data = MultiPIE(**settings, batch_size=4)
    fingerprint = data.fingerprint()
    assert not list(tmp_path.iterdir())  # known before anything is rendered
    data.prepare_data()
    assert data.fingerprint() == fingerprint
    batch = whole(data, "test")
    assert batch["view"].unique().tolist() == [-30, -15, 0, 15, 30]
    assert batch["image"].shape[1:] == (3, 32, 32)
    assert batch["identity"].min() > 200
    report = MultiPIE.verify(
        next(path for path in (tmp_path / "multipie").glob("standin-tree*[!k]"))
    )
    found = {check.item: check for check in report.checks}
    assert found["genuine"].status == "missing" and not report.usable
