import logging
import re

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules.errors import DataError, DatasetNotFoundError
from datamodules.standins.traffic_cars import COLOURS, KINDS, RGB, SHAPES
from datamodules.standins.traffic_flow import drive
from datamodules.standins.videos import write_video
from datamodules.traffic import Traffic
from datamodules.traffic_files import find_recording
from datamodules.traffic_truth import Cars, Sightings

FRAMES = 120


@pytest.fixture(scope="module")
def standin(tmp_path_factory):
    data = Traffic(
        cache_dir=str(tmp_path_factory.mktemp("cache")),
        standin_frames=FRAMES,
        image_size=140,
        length=4,
        batch_size=4,
        clip_batch_size=2,
        shares={"train": 0.8, "val": 0.1, "test": 0.1},
    )
    data.prepare_data()
    data.setup()
    return data


@pytest.fixture
def frames(tmp_path):
    """Twenty numbered frames of 480 by 420, each of one grey; 9 comes before 10."""
    root = tmp_path / "street"
    (root / "frames").mkdir(parents=True)
    for number in range(1, 21):
        picture = np.full((420, 480, 3), 10 * number, np.uint8)
        picture[:, :60] = 255  # left of the crop
        Image.fromarray(picture).save(root / "frames" / f"frame_{number}.png")
    return root


def real(root, tmp_path, **arguments):
    settings = {"image_size": 16, "every": 1, "length": 3} | arguments
    settings.setdefault("shares", {"train": 0.6, "val": 0.2, "test": 0.2})
    data = Traffic(source="real", root=str(root), cache_dir=str(tmp_path / "cache"), **settings)
    data.prepare_data()
    data.setup()
    return data


def test_batches_of_the_standin(standin):
    # 40 frames are kept, of which 32, 4 and 4; a clip has 4.
    assert standin.counts() == {"train": 32, "val": 4, "test": 4}
    count = standin.cache.labels("all")["object_box"].shape[1]
    batch = standin.to_batch(next(iter(standin.train_dataloader())), "cpu")
    assert batch["image"].shape == (4, 3, 140, 140) and batch["image"].dtype == torch.float32
    for key, shape in {"box": (4,), "centre": (2,), "visible": ()}.items():
        assert batch[f"object_{key}"].shape == (4, count, *shape)
        assert batch[f"object_{key}"].dtype == torch.float32
    standin.hand_out("clips")
    try:
        assert standin.counts() == {"train": 8, "val": 1, "test": 1}
        clip = standin.to_batch(next(iter(standin.eval_dataloader("train"))), "cpu")
    finally:
        standin.hand_out("pictures")
    assert clip["clip"].shape == (2, 4, 3, 140, 140)
    assert clip["object_box"].shape == (2, 4, count, 4)
    assert clip["object_collided"].shape == (2, 4, count) and not clip["object_collided"].any()
    for key in ("shape", "colour"):
        assert clip[f"object_{key}"].shape == (2, count)
        assert clip[f"object_{key}"].dtype == torch.int64
    assert clip["identity"].tolist() == [0, 1]


def test_what_is_said_of_cars_is_seen(standin):
    """A box's colour is its car's, and a car is named in a clip as long as it is seen."""
    train = standin.dataset("train")
    batch = train.__getitems__(range(len(train)))
    visible, box = batch["object_visible"], batch["object_box"]
    assert ((visible > 0) == ~box.isnan().any(-1)).all()
    assert (
        visible.max() <= 1 and (visible == 1).sum() > 20 and ((visible > 0) & (visible < 1)).any()
    )
    assert ((visible > 0).any(0) <= (batch["object_shape"] >= 0).any(0)).all()
    whole = (visible > 0.99).nonzero()
    hits = 0
    for frame, car in whole.tolist():
        left, top, right, bottom = (70 * (box[frame, car] + 1)).round().int().tolist()
        assert 0 <= left < right <= 140 and 0 <= top < bottom <= 140
        pixels = batch["image"][frame, :, top:bottom, left:right].float().reshape(3, -1).T / 255
        wanted = torch.tensor(RGB[COLOURS[batch["object_colour"][frame, car]]])
        # Lit from above or not, paint keeps its hue: compare directions of colours.
        near = torch.cosine_similarity(pixels, wanted[None]) > 0.985
        hits += int(near.float().mean() > 0.25)
        x, y = (70 * (batch["object_centre"][frame, car] + 1)).tolist()
        assert left < x < right and top < y < bottom
    assert hits > 0.9 * len(whole)


def test_cars_drive_behind_each_other_and_do_not_touch():
    flow = drive(400, seed=3)
    half = np.array([kind.half_length for kind in KINDS.values()])
    for frame in range(0, 400, 20):
        mine = flow.frame == frame
        reach = half[flow.shape[flow.car[mine]]] - 0.9
        along = np.stack([np.cos(flow.heading[mine]), np.sin(flow.heading[mine])], 1)
        steps = np.linspace(-1, 1, 9)
        spine = flow.place[mine][:, None] + (reach[:, None] * steps)[..., None] * along[:, None]
        apart = np.linalg.norm(spine[:, None, :, None] - spine[None, :, None], axis=-1)
        closest = apart.min((2, 3)) + 99 * np.eye(len(spine))
        assert closest.min() > 1.9  # the sum of two cars' half widths
    steps = [np.linalg.norm(np.diff(flow.place[flow.car == car], axis=0), axis=1)
             for car in np.unique(flow.car)]  # fmt: skip
    speed = 15 * np.concatenate(steps)
    assert speed.max() < 12 and (speed > 4).mean() > 0.2 and (speed < 0.1).any()
    turned = [np.ptp(flow.heading[flow.car == car]) for car in np.unique(flow.car)]
    assert 1.5 < max(turned) < 1.65  # a quarter of a circle


def test_a_longer_recording_begins_with_the_shorter():
    short, long = drive(60, seed=3), drive(90, seed=3)
    count = len(short.frame)
    assert (long.frame[:count] == short.frame).all() and (long.place[:count] == short.place).all()
    assert not np.array_equal(drive(60, seed=4).place[:5], short.place[:5])


def test_objects_of_a_clip_are_the_cars_seen_in_it():
    seen = Sightings(
        frame=np.array([0, 1, 3, 3, 6]),
        car=np.array([4, 4, 2, 4, 0]),
        visible=np.array([0.1, 0.2, 0.3, 0.4, 0.5], np.float32),
        centre=np.zeros((5, 2), np.float32),
        box=np.zeros((5, 4), np.float32),
        shape=np.arange(5),
        colour=np.arange(5) + 10,
    )
    cars = Cars.of(seen, np.array([0, 3, 6, 9]), np.array([2, 2]))
    assert cars.shape.tolist() == [[2, 4], [0, -1]]
    assert cars.colour.tolist() == [[12, 14], [10, -1]]
    np.testing.assert_allclose(cars.visible, [[0, 0.1], [0.3, 0.4], [0.5, 0], [0, 0]])
    assert np.isnan(cars.box).all(-1).tolist() == (cars.visible == 0).tolist()


def test_frames_of_the_user_are_cut_in_order_of_time(frames, tmp_path, caplog):
    data = real(frames, tmp_path)
    assert data.counts() == {"train": 12, "val": 4, "test": 4}
    shown = [
        int(data.dataset(split).__getitems__([k])["image"][0, 0, 8, 8]) // 10
        for split in data.splits
        for k in range(data.counts()[split])
    ]
    assert shown == list(range(1, 21))
    picture = data.dataset("train").__getitems__([0])
    assert picture["image"].eq(10).all()  # nothing from left of the crop
    assert set(picture) == {"image", "index", "identity"}
    data.hand_out("clips")
    with caplog.at_level(logging.WARNING):
        assert data.counts() == {"train": 4, "val": 1, "test": 1}
    assert "1 of 2 clips have fewer than 3 frames" in caplog.text


def test_a_video_of_the_user(tmp_path):
    root = tmp_path / "street"
    root.mkdir()
    shades = (np.full((64, 80, 3), 10 + 8 * k, np.uint8) for k in range(30))
    write_video(root / "street.mp4", shades)
    data = real(root, tmp_path, every=3, crop=[10, 0, 74, 64], image_size=32)
    assert data.counts() == {"train": 6, "val": 2, "test": 2}
    train = data.dataset("train")
    shades = train.__getitems__(range(6))["image"].float().mean((1, 2, 3))
    assert (shades - torch.tensor([10.0 + 24 * k for k in range(6)])).abs().max() < 3
    assert train.names[1] == "frame_000003"
    checks = {check.item: check for check in Traffic.verify(root).checks}
    assert checks["recording"].found == "street.mp4"
    assert checks["the paper's crop"].status == "warn" and "80 x 64" in (
        checks["the paper's crop"].found
    )


def test_what_is_amiss_is_named(frames, tmp_path):
    with pytest.raises(DatasetNotFoundError, match="numbered frames"):
        real((tmp_path / "empty").mkdir() or tmp_path / "empty", tmp_path)
    with pytest.raises(DataError, match="10 may be left out"):
        real(frames, tmp_path, crop=[0, 0, 481, 420])
    (frames / "frames" / "again_3.png").write_bytes(b"")
    with pytest.raises(DataError, match="both frame 3"):
        find_recording(frames)
    assert not Traffic.verify(frames).usable
    (frames / "frames" / "again_3.png").rename(frames / "again_3.png")
    with pytest.raises(DataError, match=re.escape("2 videos and folders of frames")):
        find_recording(frames)
    with pytest.raises(ValueError, match="add up to 1"):
        Traffic(shares={"train": 0.9, "val": 0.1, "test": 0.1})
    with pytest.raises(ValueError, match="left, top, right, bottom"):
        Traffic(crop=[1, 2, 1, 4])


def test_a_standin_is_no_real_recording(standin):
    with pytest.raises(DataError, match="this is a stand-in"):
        Traffic(source="real", root=str(standin.folder())).fingerprint()
    assert not Traffic.verify(standin.folder()).usable
    assert set(standin.label_names) == {"object_shape", "object_colour"}
    assert len(SHAPES) == 5
