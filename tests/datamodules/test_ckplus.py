import numpy as np
import pytest
import torch
from PIL import Image

from datamodules.ckplus import CKPlus, split_people
from datamodules.ckplus_files import find_files, positions, read_emotion, read_landmarks
from datamodules.coordinates import to_pixels
from datamodules.errors import DataError, DatasetNotFoundError
from datamodules.face_align import ANCHORS

FRAMES = (1, 2, 3, 5)  # of every sequence: number 4 is missing
WIDTH, HEIGHT = 320, 245


def marks(subject, frame):
    """68 points of a face that moves to the right by 3 px a frame."""
    points = np.random.default_rng(subject).uniform(0.2, 0.8, (68, 2))
    for places in ANCHORS.values():
        for number, place in places.items():
            points[number] = place
    return points * 120 + np.array([60 + 3 * frame, 50])


def write_sequence(root, subject, number, *, doubled=True, emotion=None, shades="L"):
    stem, place = f"S{subject:03d}_{number:03d}", f"S{subject:03d}/{number:03d}"
    pictures = root / ("extended-cohn-kanade-images" if doubled else ".") / "cohn-kanade-images"
    landmarks = root / ("Landmarks/Landmarks" if doubled else "Landmarks")
    labels = root / "Emotion_labels" / "Emotion"
    for folder in (pictures, landmarks, labels):
        (folder / place).mkdir(parents=True)
        (folder / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    for frame in FRAMES:
        points = marks(subject, frame)
        pixels = np.full((HEIGHT, WIDTH), 40 + frame, np.uint8)
        x, y = points[33].round().astype(int)
        pixels[y - 2 : y + 3, x - 2 : x + 3] = 255
        name = f"{stem}_{frame:08d}"
        Image.fromarray(pixels).convert(shades).save(pictures / place / f"{name}.png")
        rows = "".join(f"   {x:.7e}   {y:.7e}\n" for x, y in points)
        (landmarks / place / f"{name}_landmarks.txt").write_text(rows)
    if emotion is not None:
        path = labels / place / f"{stem}_{FRAMES[-1]:08d}_emotion.txt"
        path.write_text(f"   {emotion:.7e}\n")


def write_copy(root, **arguments):
    for k, subject in enumerate((5, 10, 11, 14, 22, 999)):
        write_sequence(root, subject, 1, emotion=k + 1, **arguments)
        write_sequence(root, subject, 2, **arguments)  # its folder of emotions is empty
    return root


@pytest.fixture
def copy(tmp_path):
    return write_copy(tmp_path / "copy")


def real(root, tmp_path, **arguments):
    settings = {"image_size": 48, "batch_size": 4} | arguments
    return CKPlus(source="real", root=str(root), cache_dir=str(tmp_path / "cache"), **settings)


def prepared(data):
    data.prepare_data()
    data.setup()
    return data


def whole(data, split):
    dataset = data.dataset(split)
    return data.to_batch(dataset.__getitems__(range(len(dataset))), "cpu")


def test_splits_and_batches(copy, tmp_path):
    data = prepared(real(copy, tmp_path))
    assert data.counts() == {"train": 32, "val": 8, "test": 8}
    batches = {split: whole(data, split) for split in data.splits}
    people = {split: set(batch["identity"].tolist()) for split, batch in batches.items()}
    assert sum(map(len, people.values())) == len(set.union(*people.values())) == 6
    batch = batches["train"]
    assert batch["image"].shape == (32, 3, 48, 48)
    assert torch.equal(batch["image"][:, 0], batch["image"][:, 2])
    for key in ("identity", "sequence", "expression"):
        assert batch[key].dtype == torch.int64
    assert batch["position"].dtype == batch["landmarks"].dtype == torch.float32
    assert batch["position"][:4].tolist() == [0.0, 0.25, 0.5, 1.0]  # by number, not by count
    assert torch.equal(batch["sequence"] // 1000, batch["identity"])
    subjects = [5, 10, 11, 14, 22, 999]
    for who, sequence, label in zip(
        *(batch[key].tolist() for key in ("identity", "sequence", "expression")), strict=True
    ):
        assert label == (subjects.index(who) + 1 if sequence % 1000 == 1 else -1)


def test_landmarks_follow_the_face_within_one_crop_a_sequence(copy, tmp_path):
    data = prepared(real(copy, tmp_path, image_size=96, zoom=1.0, channels=1))
    batch = whole(data, "test")
    assert batch["image"].shape == (8, 1, 96, 96)
    nose = to_pixels(batch["landmarks"], (96, 96))[:4, 33]
    # The median of frames 1, 2, 3, 5 stands where the anchors go; 3 px there are 2.4 here.
    place = 96 * torch.tensor(ANCHORS["outer"][33]) - 0.5
    expected = place + torch.tensor([[2.4 * (f - 2.5), 0.0] for f in (1, 2, 3, 5)])
    torch.testing.assert_close(nose, expected, atol=1e-3, rtol=0)
    for image, (x, y) in zip(batch["image"][:4, 0], nose.round().long(), strict=True):
        assert image[y, x] > 0.9
    shade = batch["image"][:4, 0, 90, 5] * 255
    assert shade.round().tolist() == [41, 42, 43, 45]


def test_trees_however_unpacked_and_colours(copy, tmp_path):
    plain = write_copy(tmp_path / "plain", doubled=False)
    assert real(plain, tmp_path).fingerprint() == real(copy, tmp_path).fingerprint()
    colour = prepared(real(write_copy(tmp_path / "colour", shades="RGB"), tmp_path))
    grey = prepared(real(copy, tmp_path))
    assert torch.equal(whole(colour, "test")["image"], whole(grey, "test")["image"])


def test_labelled_sequences_alone(copy, tmp_path):
    data = prepared(real(copy, tmp_path, labelled=True))
    assert sum(data.counts().values()) == 24
    assert min(whole(data, split)["expression"].min() for split in data.splits) >= 1


def test_fingerprint_follows_landmarks_and_labels(copy, tmp_path):
    seen = {real(copy, tmp_path).fingerprint()}
    for pattern in ("*_landmarks.txt", "*_emotion.txt"):
        path = next(copy.rglob(pattern))
        path.write_text(path.read_text().replace("e+0", "e-0"))  # of the same length
        seen.add(real(copy, tmp_path).fingerprint())
    assert len(seen) == 3


def test_people_are_divided_by_their_numbers():
    split = split_people(range(1, 124))
    assert {name: len(who) for name, who in split.items()} == {"test": 25, "val": 12, "train": 86}
    assert split_people(range(1, 124)) == split
    assert not split["test"] & split["val"] and not split["train"] & (split["test"] | split["val"])
    assert {len(who) for who in split_people([1, 2, 3]).values()} == {1}


def test_what_is_missing_is_named(copy, tmp_path):
    for path in copy.rglob("*_landmarks.txt"):
        path.unlink()
    with pytest.raises(DatasetNotFoundError, match="missing the folder Landmarks") as error:
        real(copy, tmp_path).prepare_data()
    assert f"whatwhere data verify ckplus --data-root {copy}" in str(error.value)
    assert "agreement" in str(error.value)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetNotFoundError, match="missing the folder cohn-kanade-images"):
        real(tmp_path / "empty", tmp_path).prepare_data()


def test_frames_without_landmarks_are_left_out(copy, tmp_path, caplog):
    next(copy.rglob("S014_001_00000003_landmarks.txt")).unlink()
    data = prepared(real(copy, tmp_path))
    assert "1 of 48 pictures have no landmarks" in caplog.text and "of theirs: none" in caplog.text
    assert sum(data.counts().values()) == 47
    rows = {check.item: check for check in CKPlus.verify(copy).checks}
    assert rows["frames with landmarks"].found == "47 of 48"
    assert rows["frames with landmarks"].status == "warn"


def test_persons_without_landmarks_are_named(copy, tmp_path, caplog):
    for path in copy.rglob("S022_*_landmarks.txt"):
        path.unlink()
    prepared(real(copy, tmp_path))
    assert "8 of 48 pictures have no landmarks" in caplog.text
    assert "of theirs: S022" in caplog.text
    found = {check.item: check for check in CKPlus.verify(copy).checks}["people with landmarks"]
    assert (found.expected, found.found, found.status) == ("all of 6", "5", "warn")
    for path in copy.rglob("S0[01]*_landmarks.txt"):
        if "S005" not in path.name:
            path.unlink()
    assert not CKPlus.verify(copy).usable


@pytest.mark.parametrize(
    ("pattern", "text", "message"),
    [
        ("*_landmarks.txt", "1.0 2.0\n" * 67, r"no 68 rows of x and y \(67 rows\)"),
        ("*_landmarks.txt", "1.0 nan\n" * 68, "no 68 rows"),
        ("*_landmarks.txt", "1.0 2.0 3.0\n4.0\n", "no 68 rows"),
        ("*_emotion.txt", "   8.0000000e+00\n", "'8.0000000e.00' is no expression, 0 to 7"),
        ("*_emotion.txt", "   1.5\n", "is no expression"),
        ("*_emotion.txt", "happy", "'happy' is no expression"),
    ],
)
def test_wrong_files_are_named(copy, tmp_path, pattern, text, message):
    for path in copy.rglob(pattern):
        path.write_text(text)
    with pytest.raises(DataError, match=rf"{pattern[1:]}.*{message}"):
        real(copy, tmp_path).prepare_data()
    assert not CKPlus.verify(copy).usable


def test_a_test_frame_is_never_left_out(copy, tmp_path):
    who = min(split_people([5, 10, 11, 14, 22, 999])["test"])
    next(copy.rglob(f"S{who:03d}_001_00000002.png")).write_bytes(b"")
    with pytest.raises(DataError, match=r"00000002.png does not decode.*none may be left out"):
        real(copy, tmp_path).prepare_data()


def test_the_set_of_small_crops_is_not_taken_for_ck_plus(copy, tmp_path):
    crops = tmp_path / "kaggle" / "CK+48" / "anger"
    crops.mkdir(parents=True)
    for frame in (15, 16, 17):
        Image.new("L", (48, 48)).save(crops / f"S010_004_{frame:08d}.png")
    with pytest.raises(DatasetNotFoundError, match="3 cropped pictures are of another set"):
        real(tmp_path / "kaggle", tmp_path).prepare_data()
    report = CKPlus.verify(tmp_path / "kaggle")
    assert not report.usable
    assert "CK+48" in next(c for c in report.checks if c.item == "cropped pictures").remedy


def test_verify_a_miniature(copy):
    report = CKPlus.verify(copy)
    rows = {check.item: check for check in report.checks}
    assert report.usable
    assert (rows["people"].expected, rows["people"].found) == ("123", "6")
    assert (rows["sequences"].expected, rows["sequences"].found) == ("593", "12")
    assert (rows["expressions"].expected, rows["expressions"].found) == (
        "327 sequences",
        "6 sequences",
    )
    assert rows["32 pictures, read"].status == "ok"
    assert not CKPlus.verify(copy / "none").usable


def test_positions():
    assert positions([4, 5, 9]).tolist() == pytest.approx([0, 0.2, 1])


def test_the_stand_in_comes_by_the_same_road(tmp_path):
    data = CKPlus(cache_dir=str(tmp_path), standin_sizes=(3, 1), image_size=64)
    fingerprint = data.fingerprint()
    assert not list(tmp_path.iterdir())
    prepared(data)
    assert data.fingerprint() == fingerprint
    batches = [whole(data, split) for split in data.splits]
    assert all(8 <= len(batch["index"]) <= 12 for batch in batches)
    for batch in batches:
        assert len(set(batch["sequence"].tolist())) == len(set(batch["identity"].tolist())) == 1
        assert (batch["position"].diff() > 0).all()
        assert batch["landmarks"].abs().max() < 1.1
        # The face moves away from neutral, and stays where it is.
        away = (batch["landmarks"] - batch["landmarks"][:1]).norm(dim=2).mean(1)
        assert away[0] == 0 and 0.01 < away[-1] < 0.2
        assert (away.diff() > -0.005).all()
        # No black from outside of the picture.
        assert (batch["image"] > 0.01).float().mean() > 0.97
    (folder,) = tmp_path.glob("ckplus/standin-tree-*/Landmarks")
    tree = folder.parent
    files = find_files(tree)
    assert len(files.sequences) == 3 and files.has("landmarks")
    take = files.sequences[0]
    assert read_landmarks(take.landmarks[1]).shape == (68, 2)
    assert read_emotion(take) in (-1, 1, 3, 4, 5, 6, 7)
    with Image.open(take.images[1]) as image:
        assert image.mode == "L" and image.size == (320, 245)
    with pytest.raises(DataError, match="this is a stand-in"):
        real(tree, tmp_path).prepare_data()


@pytest.mark.parametrize(
    "arguments",
    [{"channels": 2}, {"anchors": "all"}, {"zoom": 0.0}, {"standin_sizes": (2, 1)}],
)
def test_wrong_arguments_are_refused(arguments, tmp_path):
    with pytest.raises(ValueError, match=str(next(iter(arguments)))):
        CKPlus(cache_dir=str(tmp_path), **arguments)
