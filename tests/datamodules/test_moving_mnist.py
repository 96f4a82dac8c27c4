import logging
import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from datamodules.bouncing import centres, render
from datamodules.coordinates import to_pixels
from datamodules.errors import DataError, DatasetNotFoundError
from datamodules.mnist import MNIST
from datamodules.mnist_files import PARTS, find_mnist, read_bytes, read_pair
from datamodules.moving_mnist import MovingMNIST
from datamodules.moving_mnist_files import FILE, divided, find_sequences, open_sequences
from tests.datamodules.test_mnist import write_copy

SIZES = {"train": 70, "val": 6, "test": 9}
PIXELS = np.random.default_rng(0).integers(0, 256, (20, 23, 64, 64), dtype=np.uint8)


@pytest.fixture
def digits(tmp_path):
    """60 training digits and 12 others: squares all of one shade, picture k of k + 1."""
    write_copy(tmp_path / "copy" / "MNIST" / "raw")
    return tmp_path / "copy"


@pytest.fixture
def sequences(tmp_path):
    root = tmp_path / "published"
    (root / "MovingMNIST").mkdir(parents=True)
    np.save(root / "MovingMNIST" / FILE, PIXELS)
    return root


def real(root, tmp_path, **arguments):
    settings = {"sizes": SIZES, "clip_batch_size": 4} | arguments
    cache = str(tmp_path / "cache")
    data = MovingMNIST(source="real", root=str(root), cache_dir=cache, **settings)
    data.prepare_data()
    data.setup()
    return data


def whole(data, split):
    clips = data.clips(split)
    return clips.__getitems__(range(len(clips)))


def test_bounced_clips_and_their_labels(digits, tmp_path):
    data = real(digits, tmp_path)
    assert data.counts() == {"train": 1400, "val": 120, "test": 180}
    data.hand_out("clips")
    assert data.counts() == SIZES
    batch = data.to_batch(next(iter(data.eval_dataloader("test"))), "cpu")
    assert batch["clip"].shape == (4, 20, 1, 64, 64) and batch["clip"].dtype == torch.float32
    assert batch["positions"].shape == (4, 20, 2, 2) and batch["positions"].dtype == torch.float32
    for key in ("digits", "digit_ids"):
        assert batch[key].shape == (4, 2) and batch[key].dtype == torch.int64
    assert batch["identity"].tolist() == [76, 77, 78, 79]
    assert data.clips("test").names[:2] == ["test-00000", "test-00001"]
    # Frames are pictures with the labels of their clip.
    image = data.dataset("test").__getitems__([20, 39])
    assert image["identity"].tolist() == [77, 77]
    assert torch.equal(image["positions"], batch["positions"][1, [0, 19]])
    assert torch.equal(image["digits"], batch["digits"][[1, 1]])
    assert data.dataset("test").names[20] == "test-00001/00"


def test_every_pixel_is_that_of_the_digit_whose_square_is_there(digits, tmp_path):
    data = real(digits, tmp_path, digits=3)
    batch = whole(data, "test")
    # The shade of picture k of the test file is k + 1; its rows count on from the 60 of training.
    shade = (batch["digit_ids"] - 59)[:, None, :]
    corner = to_pixels(batch["positions"], (64, 64)) - 13.5
    assert torch.equal(corner, corner.round())
    along = torch.arange(64)
    inside = (along >= corner[..., None]) & (along < corner[..., None] + 28)
    covered = inside[..., 1, :, None] & inside[..., 0, None, :]
    expected = (covered * shade[..., None, None]).amax(2)
    assert torch.equal(batch["clip"][:, :, 0].int(), expected.int())
    assert torch.equal(batch["digits"], (batch["digit_ids"] - 60) % 10)
    assert (batch["digits"].diff(dim=1) >= 0).all()


def test_no_digit_is_in_two_splits(digits, tmp_path):
    data = real(digits, tmp_path, digits=3)
    seen = {split: set(whole(data, split)["digit_ids"].ravel().tolist()) for split in data.splits}
    mnist = MNIST(source="real", root=str(digits), cache_dir=str(tmp_path / "cache"))
    mnist.prepare_data()
    rows = {
        split: {int(name[-5:]) for name in mnist.dataset(split).names} for split in ("train", "val")
    }
    assert seen["train"] <= rows["train"] and len(seen["train"]) > 45
    assert seen["val"] <= rows["val"] and len(seen["val"]) > 1
    assert seen["test"] <= set(range(60, 72)) and len(seen["test"]) > 1


def test_clips_are_a_function_of_the_draw_seed_and_their_number(digits, tmp_path):
    first = whole(real(digits, tmp_path), "val")
    more = whole(real(digits, tmp_path, sizes=SIZES | {"train": 71, "val": 8}, length=25), "val")
    assert torch.equal(more["digit_ids"][:6], first["digit_ids"])
    longer = real(digits, tmp_path, length=25, frames=20, window="start")
    assert torch.equal(whole(longer, "val")["clip"], first["clip"])
    same = real(digits, tmp_path, seed=5)
    assert same.cache_path() == real(digits, tmp_path).cache_path()
    other = real(digits, tmp_path, draw_seed=1)
    assert other.cache_path() != same.cache_path()
    assert not torch.equal(whole(other, "val")["digit_ids"], first["digit_ids"])


def test_small_canvases_and_sizes_of_digits(digits, tmp_path):
    data = real(digits, tmp_path, image_size=32, channels=3, digits=1, speed=0.3, length=5)
    assert data.digit_size == 14
    batch = whole(data, "test")
    assert batch["clip"].shape == (9, 5, 3, 32, 32)
    assert torch.equal(batch["clip"][:, :, 0], batch["clip"][:, :, 2])
    assert ((batch["clip"][:, :, 0] > 0).sum((2, 3)) == 14 * 14).all()
    extent = 18 / 32  # of the centres, to either side
    assert batch["positions"].abs().max() <= extent
    # A step of 0.3 x 18 px, to the pixel, where no edge is met.
    steps = (16 * batch["positions"].diff(dim=1)).norm(dim=-1)
    assert (steps < 5.4 + 1.5).all() and abs(steps.amax(1).median() - 5.4) < 0.8
    small = real(digits, tmp_path, digit_size=20, digits=1, length=5)
    assert ((whole(small, "test")["clip"] > 0).sum((2, 3, 4)) == 400).all()


def test_the_published_file_is_read_time_first(sequences, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        data = real(sequences, tmp_path)
    path = sequences / "MovingMNIST" / FILE
    assert f"the sequences of {path} are read, nobody labelled their digits" in caplog.text
    assert re.search(r"md5 of .* is [0-9a-f]{32}, the published file's be083ec9", caplog.text)
    assert data.counts() == {"train": 19 * 20, "val": 40, "test": 40}
    batch = whole(data, "val")
    np.testing.assert_array_equal(batch["clip"][:, :, 0].numpy(), PIXELS[:, 19:21].swapaxes(0, 1))
    assert batch.keys() == {"clip", "index", "identity"}
    assert data.clips("val").names == ["sequence-00019", "sequence-00020"]
    small = whole(real(sequences, tmp_path, image_size=32), "val")["clip"]
    assert small.shape == (2, 20, 1, 32, 32)
    assert abs(small.float().mean() - PIXELS[:, 19:21].mean()) < 0.5
    assert divided(10_000)["val"].tolist() == list(range(8000, 9000))
    assert divided(10_000)["test"].tolist() == list(range(9000, 10_000))


def test_which_of_two_ways_is_said_aloud(digits, sequences, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        bounced = real(digits, tmp_path)
    assert f"no {FILE} in {digits}, MNIST's digits are bounced" in caplog.text
    caplog.clear()
    (digits / "raw").mkdir()
    (sequences / "MovingMNIST" / FILE).rename(digits / "raw" / FILE)
    with caplog.at_level(logging.WARNING):
        assert whole(real(digits, tmp_path), "val").keys() == {"clip", "index", "identity"}
    assert "form='idx' bounces MNIST's" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        chosen = real(digits, tmp_path, form="idx")
    assert caplog.text == ""
    assert torch.equal(whole(chosen, "val")["clip"], whole(bounced, "val")["clip"])


def test_the_fingerprint_follows_the_file_and_not_its_folder(sequences, tmp_path):
    before = real(sequences, tmp_path).fingerprint()
    sequences.rename(tmp_path / "elsewhere")
    assert real(tmp_path / "elsewhere", tmp_path).fingerprint() == before
    np.save(tmp_path / "elsewhere" / "MovingMNIST" / FILE, PIXELS[:, :22])
    assert real(tmp_path / "elsewhere", tmp_path).fingerprint() != before


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (PIXELS.swapaxes(0, 1), r"\(23, 20, 64, 64\): its sequences come first.*swapaxes\(0, 1\)"),
        (PIXELS / 255.0, r"holds float64 \(20, 23, 64, 64\), not uint8 \(20, N, 64, 64\)"),
        (PIXELS[..., None], r"holds uint8 \(20, 23, 64, 64, 1\), not uint8"),
        (PIXELS[:10], r"holds uint8 \(10, 23, 64, 64\), not uint8"),
        (PIXELS[:, :9], "10 sequences are needed for train, val, test"),
        (np.array([{}], object), r"is no whole array \(.*objects in dtype"),
    ],
)
def test_bad_arrays_are_named(array, message, sequences, tmp_path):
    path = sequences / "MovingMNIST" / FILE
    np.save(path, array)
    with pytest.raises(DataError, match=rf"{FILE} .*{message}"):
        real(sequences, tmp_path)
    assert not MovingMNIST.verify(sequences).usable


def test_half_a_download_and_several_files(sequences, tmp_path):
    path = sequences / "MovingMNIST" / FILE
    data = path.read_bytes()
    for part in (data[:-100], b"<html>", b""):
        path.write_bytes(part)
        with pytest.raises(DataError, match=rf"{FILE} is no whole array \(.*half a download"):
            open_sequences(path)
    path.rename(path.with_name("mnist_test_seq_a.npy"))
    assert find_sequences(sequences) == path.with_name("mnist_test_seq_a.npy")
    (path.with_name("mnist_test_seq_b.npy")).write_bytes(data)
    with pytest.raises(DataError, match=r"holds mnist_test_seq_a.npy, mnist_test_seq_b.npy: name"):
        find_sequences(sequences)
    assert not MovingMNIST.verify(sequences).usable
    path.write_bytes(data)
    assert find_sequences(sequences) == path


def test_what_is_missing_or_does_not_fit_is_named(digits, sequences, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetNotFoundError, match=rf"missing {FILE}, or MNIST's four files"):
        real(tmp_path / "empty", tmp_path)
    with pytest.raises(DatasetNotFoundError, match=r"missing mnist_test_seq.npy, or MovingMNIST"):
        real(digits, tmp_path, form="npy")
    with pytest.raises(DatasetNotFoundError, match=r"train-images.*data verify moving_mnist"):
        real(sequences, tmp_path, form="idx")
    with pytest.raises(DataError, match=r"have 20 frames, length 30 is asked for.*form='idx'"):
        real(sequences, tmp_path, length=30)
    (digits / "MNIST/raw" / f"{PARTS['test_labels']}.gz").unlink()
    with pytest.raises(DatasetNotFoundError, match=r"missing .*t10k-labels-idx1-ubyte"):
        real(digits, tmp_path)
    write_copy(tmp_path / "few", counts={"train": 9, "test": 3})
    with pytest.raises(DataError, match="leave no digits for val"):
        real(tmp_path / "few", tmp_path)


def test_verify(digits, sequences, tmp_path):
    bounced = MovingMNIST.verify(digits)
    assert bounced.usable and bounced.dataset == "moving_mnist"
    found = {check.item: check for check in bounced.checks}
    assert "bounced from the digits in" in found["clips"].found
    assert found["train"].found == "60 digits"
    published = {check.item: check for check in MovingMNIST.verify(sequences).checks}
    assert published[FILE].found == "uint8 (20, 23, 64, 64)"
    assert published[f"{FILE}, md5"].status == "warn"
    assert published["splits"].found == "train 19, val 2, test 2"
    empty = MovingMNIST.verify(tmp_path / "none")
    assert not empty.usable and "torchvision" in empty.checks[0].remedy


def test_the_stand_in_bounces_real_digits(tmp_path):
    data = MovingMNIST(cache_dir=str(tmp_path), sizes=SIZES)
    fingerprint = data.fingerprint()
    assert not list(tmp_path.iterdir())  # known before anything is written
    data.prepare_data()
    assert data.fingerprint() == fingerprint
    batch = whole(data, "train")
    assert batch["clip"].shape == (70, 20, 1, 64, 64)
    assert len(batch["digits"].unique()) == 10
    assert set(whole(data, "test")["digit_ids"].ravel().tolist()) <= set(range(1500, 1797))
    # The ink lies within the squares, and nowhere else.
    corner = (to_pixels(batch["positions"], (64, 64)) - 13.5).long()
    for clip, frame in ((0, 0), (30, 7), (69, 19)):
        shown = batch["clip"][clip, frame, 0]
        rest = shown.clone()
        for x, y in corner[clip, frame].tolist():
            assert shown[y : y + 28, x : x + 28].float().mean() > 10
            rest[y : y + 28, x : x + 28] = 0
        assert rest.max() == 0
    (tree,) = tmp_path.glob("moving_mnist/standin-tree-*/")
    with pytest.raises(DataError, match="this is a stand-in"):
        real(tree, tmp_path)
    assert not MovingMNIST.verify(tree).usable


@pytest.mark.parametrize(
    "arguments",
    [
        {"form": "gif"},
        {"form": "npy"},
        {"digits": 4},
        {"length": 1, "frames": 2},
        {"channels": 2},
        {"digit_size": 65},
        {"speed": 0.0},
        {"sizes": {"train": 0, "val": 1, "test": 1}},
        {"sizes": {"train": 10}},
    ],
)
def test_wrong_arguments_are_refused(arguments, tmp_path):
    with pytest.raises(ValueError, match=str(next(iter(arguments)))):
        MovingMNIST(cache_dir=str(tmp_path), **arguments)


def pack():
    folder = os.environ.get("WHATWHERE_REAL_DATA")
    if not folder:
        pytest.skip("WHATWHERE_REAL_DATA is not set: moving_mnist_small is not at hand")
    return Path(folder)


def test_real_sequences_are_rendered_alike_and_positions_mean_the_same(tmp_path):
    """The pack's makers bounced test digits too: from their positions, our frames are theirs."""
    known = np.load(pack() / "moving_mnist_small" / "moving_mnist_400.npz")
    data = real(pack() / "moving_mnist_small", tmp_path)
    assert data.counts() == {"train": 640, "val": 80, "test": 80}
    shown = torch.cat([whole(data, split)["clip"] for split in data.splits])[:, :, 0].numpy()
    frames = known["frames"].swapaxes(0, 1)[:40]
    np.testing.assert_array_equal(shown, frames)

    _, files = find_mnist(pack() / "mnist")
    images, labels = read_pair({part: read_bytes(p) for part, p in files.items()}, files, "test")
    corner = known["topleft_xy"][:40].swapaxes(1, 2).astype(np.int64)  # (clip, frame, digit, xy)
    places = centres(corner, 28, 64)
    chosen = np.zeros((40, 2), np.int64)
    for clip in range(40):
        for digit in range(2):
            middle = to_pixels(places[clip, :, digit].astype(np.float64), (64, 64))
            left, top = (middle - 13.5).astype(int).T
            squares = [
                frame[y : y + 28, x : x + 28]
                for frame, x, y in zip(frames[clip], left, top, strict=True)
            ]
            # What the other digit never covers is the digit's own.
            own = np.min(squares, axis=0).astype(int)
            alike = np.flatnonzero(labels == known["labels"][clip, digit])
            error = np.abs(images[alike].astype(int) - own).sum((1, 2))
            chosen[clip, digit] = alike[error.argmin()]
    np.testing.assert_array_equal(render(images[chosen], corner, 64), frames)


def test_real_digits_bounce(tmp_path):
    data = real(pack() / "mnist", tmp_path, sizes={"train": 300, "val": 40, "test": 40})
    batch = whole(data, "test")
    _, files = find_mnist(pack() / "mnist")
    images, labels = read_pair({part: read_bytes(p) for part, p in files.items()}, files, "test")
    rows = batch["digit_ids"] - 60_000
    assert torch.equal(batch["digits"], torch.from_numpy(labels)[rows])
    corner = (to_pixels(batch["positions"], (64, 64)) - 13.5).long()
    alone = ((corner[:, :, 0] - corner[:, :, 1]).abs() >= 28).any(-1)
    assert 50 < alone.sum() < 700
    for clip, frame in alone.nonzero().tolist()[::7]:
        for digit in range(2):
            x, y = corner[clip, frame, digit].tolist()
            patch = batch["clip"][clip, frame, 0, y : y + 28, x : x + 28].numpy()
            np.testing.assert_array_equal(patch, images[rows[clip, digit]])
    assert whole(data, "train")["digit_ids"].max() < 60_000
