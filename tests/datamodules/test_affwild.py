import logging

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules.affwild import AffWild
from datamodules.errors import DataError, DatasetNotFoundError
from datamodules.pts import write_points
from datamodules.standins.videos import write_video

VIDEOS = (105, 106, 107, 202)
COUNT = 30
SIDE = 48


def shade(number):
    """Of the ground in a frame, by its number from 1."""
    return 30 + 6 * number


def frames(count=COUNT):
    """A white dot that moves a pixel a frame, on a ground whose shade tells the frame."""
    for number in range(1, count + 1):
        pixels = np.full((SIDE, 64, 3), shade(number), np.uint8)
        pixels[20:28, number : number + 8] = 255
        yield pixels


def write_one(root, video, *, count=COUNT, boxes=None, labels=None, ending="mp4", scale=1.0):
    """A video, whose valence is a thousandth of the frame's number, and whose box is on the dot."""
    (root / "videos/train").mkdir(parents=True, exist_ok=True)
    write_video(root / f"videos/train/{video}.{ending}", frames(count))
    folder = root / f"bboxes/train/{video}"
    folder.mkdir(parents=True)
    for number in range(1, count + 1) if boxes is None else boxes:
        left, top, right, bottom = number - 4.5, 15.5, number + 11.5, 31.5
        corners = [(left, top), (left, bottom), (right, bottom), (right, top)]
        write_points(folder / f"{number}.pts", np.array(corners))
    values = np.arange(1, count + 1) / 1000 if labels is None else np.array(labels)
    for axis, sign in (("valence", 1), ("arousal", -1)):
        place = root / "annotations/train" / axis
        place.mkdir(parents=True, exist_ok=True)
        text = "".join(f"{scale * sign * value:g}\n" for value in values)
        (place / f"{video}.txt").write_text(text)


@pytest.fixture
def copy(tmp_path):
    for video in VIDEOS:
        write_one(tmp_path / "copy", video, ending="avi" if video == 106 else "mp4")
    return tmp_path / "copy"


def real(root, tmp_path, **arguments):
    settings = {"image_size": 16, "batch_size": 4} | arguments
    return AffWild(source="real", root=str(root), cache_dir=str(tmp_path / "cache"), **settings)


def prepared(data):
    data.prepare_data()
    data.setup()
    return data


def batch_of(data, split="all"):
    dataset = data.dataset(split)
    return dataset.__getitems__(range(len(dataset))) | {"names": dataset.names}


def shown(batch):
    """Numbers of the frames that crops show, by the shade of their corner."""
    corner = batch["image"][:, :, -3:, 6:].float().mean((1, 2, 3))
    return ((corner - 30) / 6).round().int().tolist()


def test_frames_labels_and_splits(copy, tmp_path):
    data = prepared(real(copy, tmp_path))
    assert data.counts() == {"train": 60, "val": 30, "test": 30, "all": 120}
    batch = batch_of(data)
    assert shown(batch) == 4 * list(range(1, 31))
    expected = torch.arange(1, 31).repeat(4) / 1000
    torch.testing.assert_close(batch["valence_arousal"][:, 0], expected)
    torch.testing.assert_close(batch["valence_arousal"][:, 1], -expected)
    assert batch["valence_arousal"].dtype == torch.float32
    assert batch["identity"].tolist() == [video for video in VIDEOS for _ in range(30)]
    assert batch["sequence"].unique().tolist() == [1050001, 1060001, 1070001, 2020001]
    assert batch["names"][31] == "106/00002"
    people = {split: set(batch_of(data, split)["identity"].tolist()) for split in data.splits}
    assert people["train"] | people["val"] | people["test"] == set(VIDEOS) == people["all"]
    assert sum(len(people[split]) for split in ("train", "val", "test")) == 4


def test_the_square_about_the_box_is_cut_out(copy, tmp_path):
    batch = batch_of(prepared(real(copy, tmp_path)))
    # The dot, 8 px wide in a box of 16, stays where it is while it moves through the picture;
    # the box of the first frames reaches beyond the picture, where it is black.
    bright = (batch["image"].float().mean(1) > 230).float()
    for axis in (1, 2):
        middle = (bright.sum(3 - axis) * torch.arange(16)).sum(1) / bright.sum((1, 2))
        torch.testing.assert_close(middle, torch.full((120,), 7.5), atol=0.3, rtol=0)
    assert (bright.sum((1, 2)) - 64).abs().max() < 10
    assert batch["image"][0, :, 0, 0].max() < 60 < batch["image"][9, :, 0, 0].min()


def test_a_box_beside_the_picture_shows_no_face(copy, tmp_path):
    path = copy / "bboxes/train/105/3.pts"
    write_points(path, np.array([(900, 15), (900, 31), (916, 31), (916, 15)]))
    with pytest.raises(DataError, match=r"1 of 30 frames, from 3 on: the face is said to lie at"):
        prepared(real(copy, tmp_path, max_bad_images=0))


def test_a_flat_box_is_squared(copy, tmp_path):
    for path in (copy / "bboxes/train/105").iterdir():
        number = int(path.stem)
        corners = [(number - 4.5, 19.5), (number - 4.5, 27.5)]
        corners += [(number + 11.5, 27.5), (number + 11.5, 19.5)]
        write_points(path, np.array(corners))
    first = batch_of(prepared(real(copy, tmp_path)))["image"][:60].int()
    assert (first[10:30] - first[40:60]).abs().float().mean() < 4


def test_clips_with_labels_of_frames(copy, tmp_path):
    data = prepared(real(copy, tmp_path, clip_frames=30, frames=20, window="start"))
    data.hand_out("clips")
    batch = next(iter(data.eval_dataloader("all")))
    assert batch["clip"].shape == (4, 20, 3, 16, 16)
    assert batch["valence_arousal"].shape == (4, 20, 2)
    torch.testing.assert_close(batch["valence_arousal"][2, :, 0], torch.arange(1, 21) / 1000)
    assert batch["identity"].shape == (4,)


def test_long_videos_are_cut_and_gaps_end_clips(copy, tmp_path, caplog):
    boxes = [*range(1, 12), *range(13, 20), *range(26, 31)]
    write_one(tmp_path / "copy", 300, boxes=boxes)
    settings = {"clip_frames": 10, "shortest": 5, "frames": 5, "max_gap": 5}
    with caplog.at_level(logging.WARNING):
        data = prepared(real(copy, tmp_path, **settings))
    assert "for at most 5 frames 1 times, where the clip goes on, and for longer 1 times" in (
        caplog.text
    )
    table = data.cache.clips("all")
    assert [name for name in table.names if name.startswith("300")] == [
        "300/001",
        "300/002",
        "300/003",
    ]
    assert table.length.tolist() == 12 * [10] + [9, 9, 5]
    assert table.labels["sequence"][-3:].tolist() == [3000001, 3000002, 3000003]
    assert shown(batch_of(data))[-23:] == boxes
    one = prepared(real(copy, tmp_path, clips_per_video=1, **settings))
    middle = [*(f"{video}/{11:05d}" for video in VIDEOS), "300/00010"]
    starts = one.cache.clips("all").start
    assert [one.cache.names("all")[start] for start in starts] == middle
    every = prepared(real(copy, tmp_path, every=3, **settings))
    assert shown(batch_of(every))[:10] == list(range(1, 30, 3))


def test_labels_of_all_frames_where_faces_are_lost(copy, tmp_path, caplog):
    write_one(copy, 300, boxes=[*range(3, 12), *range(14, 29)])
    with caplog.at_level(logging.WARNING):
        batch = batch_of(prepared(real(copy, tmp_path)))
    numbers = torch.tensor(shown(batch))[batch["identity"] == 300]
    assert numbers.tolist() == [*range(3, 12), *range(14, 29)]
    own = batch["valence_arousal"][batch["identity"] == 300, 0]
    torch.testing.assert_close(own, numbers / 1000)
    assert "labels" not in caplog.text


def test_labels_that_count_boxes(copy, tmp_path, caplog):
    boxes = [*range(1, 12), *range(14, 29)]
    write_one(copy, 300, boxes=boxes, labels=np.array(boxes) / 1000)
    with caplog.at_level(logging.WARNING):
        batch = batch_of(prepared(real(copy, tmp_path)))
    assert "1 videos have as many labels as boxes, and fewer than frames" in caplog.text
    assert "next frame with a box: 300" in caplog.text
    own = batch["identity"] == 300
    torch.testing.assert_close(
        batch["valence_arousal"][own, 0], torch.tensor(shown(batch))[own] / 1000
    )


def test_labels_that_fit_nothing_are_cut_to_the_shorter(copy, tmp_path, caplog):
    write_one(copy, 300, labels=np.arange(1, 24) / 1000, boxes=range(2, 31))
    write_one(copy, 301, labels=np.arange(1, 40) / 1000)
    with caplog.at_level(logging.WARNING):
        batch = batch_of(prepared(real(copy, tmp_path)))
    assert "1 videos have fewer labels than frames" in caplog.text
    assert "300 (23 of 30)" in caplog.text
    assert "2 videos have neither as many labels as frames nor as many as boxes" in caplog.text
    assert "300 (23 for 30), 301 (39 for 30)" in caplog.text
    numbers = torch.tensor(shown(batch))
    assert numbers[batch["identity"] == 300].tolist() == list(range(2, 24))
    assert numbers[batch["identity"] == 301].tolist() == list(range(1, 31))
    torch.testing.assert_close(batch["valence_arousal"][:, 0], numbers / 1000)


def test_thousandths_and_uneven_axes(tmp_path, caplog):
    for video in VIDEOS:
        write_one(tmp_path / "copy", video, scale=1000)
    path = tmp_path / "copy/annotations/train/arousal/105.txt"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:28]))
    with caplog.at_level(logging.WARNING):
        batch = batch_of(prepared(real(tmp_path / "copy", tmp_path)))
    assert "they are read as thousandths" in caplog.text
    assert "differ in length, and the shorter counts: 105 (30 and 28)" in caplog.text
    numbers = torch.tensor(shown(batch))
    torch.testing.assert_close(batch["valence_arousal"][:, 1], -numbers / 1000)
    assert (batch["identity"] == 105).sum() == 28


def test_missing_and_damaged_videos_are_named_up_to_a_limit(copy, tmp_path, caplog):
    (copy / "videos/train/202.mp4").unlink()
    cut = copy / "videos/train/105.mp4"
    cut.write_bytes(cut.read_bytes()[:400])
    write_one(copy, 300)
    write_one(copy, 301)
    (copy / "bboxes/train/300/7.pts").write_text("{\n1 2\n}\n")
    (copy / "bboxes/train/300/9.pts").write_text("")
    with caplog.at_level(logging.WARNING):
        data = prepared(real(copy, tmp_path, max_bad_images=3))
    assert "202.txt does not decode (there is no video for these labels)" in caplog.text
    assert "105.mp4 does not decode (30 of 30 frames, from 1 on:" in caplog.text
    assert "300.mp4 does not decode (2 of 30 frames, from 7 on:" in caplog.text
    assert data.cache.skipped == {
        "all": ["202", "105 (30 of 30 frames)", "300 (2 of 30 frames)"],
    }
    table = data.cache.clips("all")
    assert dict(zip(table.names, table.length.tolist(), strict=True)) == {
        "105/001": 0,
        "106/001": 30,
        "107/001": 30,
        "300/001": 28,
        "301/001": 30,
    }
    batch = batch_of(data)
    torch.testing.assert_close(batch["valence_arousal"][:, 0], torch.tensor(shown(batch)) / 1000)
    with pytest.raises(DataError, match=r"max_bad_images.*105\.mp4.*Unpack them again, or raise"):
        prepared(real(copy, tmp_path, max_bad_images=1, image_size=24))


def test_a_video_that_ends_early(copy, tmp_path, caplog):
    write_video(copy / "videos/train/105.mp4", frames(25))
    with caplog.at_level(logging.WARNING):
        data = prepared(real(copy, tmp_path))
    assert "(5 of 30 frames, from 26 on: the video ends after 25 frames)" in caplog.text
    assert "105 (30 for 25)" in caplog.text
    assert data.counts()["all"] == 115


def test_what_is_missing_is_named(copy, tmp_path):
    with pytest.raises(DatasetNotFoundError, match=r"the folder itself.*ask their authors"):
        real(tmp_path / "none", tmp_path).prepare_data()
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetNotFoundError, match=r"annotations/train/valence/105\.txt.*VA_Set"):
        real(tmp_path / "empty", tmp_path).prepare_data()
    (copy / "bboxes").rename(tmp_path / "bboxes")
    with pytest.raises(DatasetNotFoundError, match=r"missing a folder of boxes for any labels"):
        real(copy, tmp_path).prepare_data()
    (tmp_path / "bboxes").rename(copy / "bboxes")
    for video in (105, 106):
        (copy / f"annotations/train/valence/{video}.txt").unlink()
    with pytest.raises(DatasetNotFoundError, match="more videos: there are 2"):
        real(copy, tmp_path).prepare_data()
    with pytest.raises(DataError, match="no video has a stretch of 31 frames"):
        write_one(copy, 400)
        real(copy, tmp_path, shortest=31).prepare_data()
    path = copy / "annotations/train/valence/202.txt"
    path.write_text("0.5\nno\n")
    with pytest.raises(DataError, match=r"202\.txt, line 2 is 'no', not a number"):
        real(copy, tmp_path).prepare_data()


def test_the_fingerprint_follows_files_and_not_folders(copy, tmp_path):
    before = real(copy, tmp_path).fingerprint()
    copy.rename(tmp_path / "elsewhere")
    there = tmp_path / "elsewhere"
    seen = [before, real(there, tmp_path).fingerprint()]
    assert seen[0] == seen[1]
    for path, text in (
        (there / "annotations/train/valence/105.txt", "0.5\n" * 30),
        (there / "bboxes/train/106/1.pts", "version: 1\n"),
        (there / "bboxes/train/106/31.pts", ""),
        (there / "videos/train/107.mp4", ""),
    ):
        path.write_text(text)
        seen.append(real(there, tmp_path).fingerprint())
    assert len(set(seen)) == 5
    assert real(there, tmp_path, every=2).fingerprint() not in seen


def write_second(root, name, rows, numbers, subset="Train_Set"):
    (root / "VA_Set" / subset).mkdir(parents=True, exist_ok=True)
    text = "valence,arousal\n" + "".join(f"{v:g},{a:g}\n" for v, a in rows)
    (root / "VA_Set" / subset / f"{name}.txt").write_text(text)
    folder = root / "cropped_aligned" / name
    folder.mkdir(parents=True)
    for number in numbers:
        image = Image.new("RGB", (112, 112), (shade(number),) * 3)
        image.save(folder / f"{number:05d}.jpg")


def test_the_second_edition(tmp_path, caplog):
    root, full = tmp_path / "copy", [(k / 1000, -k / 1000) for k in range(1, 31)]
    for name in ("105", "v1_left", "v1_right", "v2", "v3"):
        write_second(root, name, full, range(1, 31))
    ignored = [(-5, -5) if k in (10, 11) else pair for k, pair in enumerate(full, 1)]
    numbers = [*range(2, 15), *range(17, 34)]
    write_second(root, "v9", ignored, numbers, "Validation_Set")
    (root / "cropped_aligned/v9/00020.jpg").write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        data = prepared(real(root, tmp_path))
    assert "v9/00020.jpg" in data.cache.skipped["all"][0]
    test = batch_of(data, "test")
    expected = [k for k in numbers if k not in (10, 11, 20, 31, 32, 33)]
    assert shown(test) == expected and test["identity"].unique().tolist() == [6]
    batch = batch_of(data)
    torch.testing.assert_close(batch["valence_arousal"][:, 0], torch.tensor(shown(batch)) / 1000)
    people = {split: set(batch_of(data, split)["identity"].tolist()) for split in data.splits}
    assert people["all"] == {1, 2, 3, 4, 5, 6} and len(people["val"]) in (1, 2)
    assert ({2, 3} <= people["train"]) != ({2, 3} <= people["val"])


def test_one_edition_at_a_time(copy, tmp_path):
    write_second(copy, "v1", [(0, 0)] * 3, range(1, 4))
    with pytest.raises(DataError, match="both Aff-Wild and Aff-Wild2"):
        real(copy, tmp_path).prepare_data()


def test_the_stand_in_comes_by_the_same_road(tmp_path):
    sizes = {"videos": 4, "frames": 26}
    data = AffWild(cache_dir=str(tmp_path), standin_sizes=sizes)
    fingerprint = data.fingerprint()
    assert not list(tmp_path.iterdir())
    prepared(data)
    assert data.fingerprint() == fingerprint
    table = data.cache.clips("all")
    assert table.labels["identity"].tolist() == [105, 106, 107, 108]
    assert 20 <= table.length.min() < table.length.max() <= 26
    data.hand_out("clips")
    assert data.counts() == {"train": 2, "val": 1, "test": 1, "all": 4}
    batch = data.to_batch(next(iter(data.eval_dataloader("all"))), "cpu")
    assert batch["clip"].shape == (4, 20, 3, 64, 64)
    assert batch["valence_arousal"].abs().max() < 1
    # Faces fill the crop, which hardly reaches beyond the picture's edge.
    assert (batch["clip"].amax(2) < 0.005).float().mean() < 0.05
    (tree,) = tmp_path.glob("affwild/standin-tree-*/")
    with pytest.raises(DataError, match="this is a stand-in"):
        real(tree, tmp_path).prepare_data()


@pytest.mark.parametrize(
    "arguments",
    [
        {"clip_frames": 10},
        {"every": 0},
        {"clips_per_video": 0},
        {"standin_sizes": {"videos": 2}},
        {"standin_sizes": {"frames": 19}},
        {"standin_sizes": {"people": 9}},
        {"frames": 1},
    ],
)
def test_wrong_arguments_are_refused(arguments, tmp_path):
    with pytest.raises(ValueError, match=str(next(iter(arguments)))):
        AffWild(cache_dir=str(tmp_path), **arguments)
