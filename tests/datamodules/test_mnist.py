import gzip
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from datamodules.errors import DataError, DatasetNotFoundError
from datamodules.mnist import MD5, MNIST, padded
from datamodules.mnist_files import PARTS, find_mnist, read_bytes, read_pair

COUNTS = {"train": 60, "test": 12}


def write_copy(folder, *, packed=True, counts=None):
    """The four files; picture k is filled with k + 1, its label is k % 10."""
    folder.mkdir(parents=True, exist_ok=True)
    for which, count in (counts or COUNTS).items():
        images = np.zeros((count, 28, 28), np.uint8) + np.arange(1, count + 1)[:, None, None]
        for array, kind in ((images, "images"), (np.arange(count) % 10, "labels")):
            head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
            data = head + array.astype(np.uint8).tobytes()
            name = PARTS[f"{which}_{kind}"]
            if packed:
                (folder / f"{name}.gz").write_bytes(gzip.compress(data))
            else:
                (folder / name).write_bytes(data)
    return folder


@pytest.fixture
def copy(tmp_path):
    write_copy(tmp_path / "copy" / "MNIST" / "raw")
    return tmp_path / "copy"


def real(root, tmp_path, **arguments):
    cache = str(tmp_path / "cache")
    return MNIST(source="real", root=str(root), cache_dir=cache, **{"batch_size": 4} | arguments)


def prepared(data):
    data.prepare_data()
    data.setup()
    return data


def test_splits_and_batches(copy, tmp_path):
    data = prepared(real(copy, tmp_path))
    assert data.counts() == {"train": 54, "val": 6, "test": 12}
    batch = data.to_batch(next(iter(data.eval_dataloader("test"))), "cpu")
    assert batch["image"].shape == (12, 1, 32, 32)
    assert batch["image"].dtype == torch.float32
    assert batch["label"].dtype == torch.int64
    assert batch["label"].tolist() == [*range(10), 0, 1]
    expected = torch.zeros(12, 32, 32)
    expected[:, 2:-2, 2:-2] = torch.arange(1, 13)[:, None, None] / 255
    torch.testing.assert_close(batch["image"][:, 0], expected)
    train, val = data.dataset("train").names, data.dataset("val").names
    assert sorted(train + val) == [f"train-{k:05d}" for k in range(60)]
    labels = data.dataset("train").labels["label"].tolist()
    assert labels == [int(name[-5:]) % 10 for name in train]  # labels follow their pictures
    assert next(iter(data.train_dataloader()))["image"].shape == (4, 1, 32, 32)


def test_who_is_held_out_hangs_on_the_names_alone(copy, tmp_path):
    data = prepared(real(copy, tmp_path))
    again = prepared(real(copy, tmp_path, seed=7, image_size=64, channels=3))
    assert data.dataset("val").names == again.dataset("val").names
    fewer = prepared(real(copy, tmp_path, val_size=3)).dataset("val").names
    assert len(fewer) == 3 and set(fewer) < set(data.dataset("val").names)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("below", ["MNIST/raw", "raw", "."])
def test_every_tree_in_circulation(tmp_path, below, packed, copy):
    root = tmp_path / "other"
    write_copy(root / below, packed=packed)
    data, known = real(root, tmp_path), real(copy, tmp_path)
    assert data.content_hash() == known.content_hash()
    assert data.fingerprint() == known.fingerprint()
    assert MNIST.verify(root).usable


def test_three_channels_and_64_pixels(copy, tmp_path):
    data = prepared(real(copy, tmp_path, image_size=64, channels=3))
    image = data.to_batch(data.dataset("test").__getitems__([9]), "cpu")["image"]
    assert image.shape == (1, 3, 64, 64)
    assert torch.equal(image[:, 0], image[:, 2])
    assert image[..., :4].max() == image[..., -4:, :].max() == 0
    torch.testing.assert_close(image[..., 4:60, 4:60], torch.full((1, 3, 56, 56), 10 / 255))


def test_enlarged_digits_keep_their_place():
    digit = np.zeros((28, 28), np.uint8)
    digit[6:10, 18:20] = 255
    small, large = padded(32, 1, digit)[..., 0], padded(64, 1, digit)[..., 0]
    halved = large.reshape(32, 2, 32, 2).mean(axis=(1, 3))
    assert np.abs(halved - small).max() < 60
    assert abs(halved.sum() / small.sum() - 1) < 0.05


def test_warped_pairs_of_one_channel(copy, tmp_path):
    data = prepared(real(copy, tmp_path, pairs=True))
    batch = data.warp_batch(next(iter(data.train_dataloader())))
    assert batch["image"].shape == batch["pair"].shape == (4, 1, 32, 32)


def test_missing_files_are_named(copy, tmp_path):
    raw = copy / "MNIST" / "raw"
    (raw / f"{PARTS['test_labels']}.gz").unlink()
    with pytest.raises(DatasetNotFoundError) as error:
        real(copy, tmp_path).prepare_data()
    assert f"missing {raw / 't10k-labels-idx1-ubyte'} (or with .gz)" in str(error.value)
    assert f"whatwhere data verify mnist --data-root {copy}" in str(error.value)
    with pytest.raises(DatasetNotFoundError, match="missing the folder itself"):
        real(tmp_path / "none", tmp_path).prepare_data()
    with pytest.raises(DatasetNotFoundError, match="give it with --data-root DIR"):
        MNIST(source="real", cache_dir=str(tmp_path)).prepare_data()


def damaged(copy, part, change):
    path = copy / "MNIST" / "raw" / f"{PARTS[part]}.gz"
    path.write_bytes(change(path.read_bytes()))
    return path.name


def repack(change):
    return lambda data: gzip.compress(change(gzip.decompress(data)))


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        ("train_images", lambda data: data[:-20], r"does not unpack \(.*Take the file again"),
        ("train_images", repack(lambda d: d[:-5]), "holds 47,035 bytes .* its head says 47,040"),
        ("test_images", repack(lambda d: b"<html>" + d), "begins with 3c68746d, not 00000803"),
        ("test_labels", repack(lambda d: d[:8] + b"\x0b" + d[9:]), "label 0: 11 is no digit"),
        ("test_labels", repack(lambda d: b""), "begins with nothing, not 00000801"),
    ],
)
def test_damage_is_named(copy, tmp_path, part, change, message):
    name = damaged(copy, part, change)
    with pytest.raises(DataError, match=rf"{name}.* {message}"):
        real(copy, tmp_path).prepare_data()
    report = MNIST.verify(copy)
    assert not report.usable
    assert not list((tmp_path / "cache").rglob("*.h5"))


def test_files_of_two_copies_are_noticed(copy, tmp_path):
    other = write_copy(tmp_path / "other", counts={"train": 60, "test": 5})
    name = f"{PARTS['test_labels']}.gz"
    (copy / "MNIST" / "raw" / name).write_bytes((other / name).read_bytes())
    with pytest.raises(DataError, match=r"has 12 pictures, .* has 5 labels"):
        real(copy, tmp_path).prepare_data()


def test_verify_a_miniature(copy, tmp_path):
    report = MNIST.verify(copy)
    found = {check.item: check for check in report.checks}
    assert report.usable and report.dataset == "mnist"
    assert (found["train"].expected, found["train"].found) == ("60,000 digits", "60 digits")
    assert {check.status for check in report.checks} == {"ok", "warn"}
    empty = MNIST.verify(tmp_path / "none")
    assert not empty.usable and "torchvision" in empty.checks[0].remedy


def test_the_stand_in_comes_by_the_same_road(tmp_path):
    data = MNIST(cache_dir=str(tmp_path))
    fingerprint = data.fingerprint()
    assert not list(tmp_path.iterdir())  # known before anything is written
    prepared(data)
    assert data.fingerprint() == fingerprint
    assert data.counts() == {"train": 1350, "val": 150, "test": 297}
    batch = data.to_batch(data.dataset("test").__getitems__(range(297)), "cpu")
    assert torch.bincount(batch["label"]).min() > 15
    ink = batch["image"].mean(dim=(1, 2, 3))
    assert ink.min() > 0.07 and ink.max() < 0.25  # of MNIST: 0.1, and strokes here are broader
    # Digits lie in the middle: the centre of mass is within a pixel of it.
    row = (batch["image"][:, 0].sum(2) * torch.arange(32)).sum(1) / batch["image"].sum((1, 2, 3))
    assert (row - 15.5).abs().max() < 1
    # What is learned from the training digits holds for the others: labels fit the pictures.
    known = data.to_batch(data.dataset("train").__getitems__(range(1350)), "cpu")
    nearest = torch.cdist(batch["image"].flatten(1), known["image"].flatten(1)).argmin(1)
    assert (known["label"][nearest] == batch["label"]).float().mean() > 0.93
    (tree,) = tmp_path.glob("mnist/standin-tree-*/MNIST/raw")
    with pytest.raises(DataError, match=r"standin.json says that this is a stand-in"):
        real(tree.parents[1], tmp_path).prepare_data()


@pytest.mark.parametrize("arguments", [{"image_size": 28}, {"channels": 2}, {"val_size": -1}])
def test_wrong_arguments_are_refused(arguments, tmp_path):
    with pytest.raises(ValueError, match=str(next(iter(arguments)))):
        MNIST(cache_dir=str(tmp_path), **arguments)


def test_all_of_mnist():
    folder = os.environ.get("WHATWHERE_REAL_DATA")
    if not folder:
        pytest.skip("WHATWHERE_REAL_DATA is not set: MNIST is not at hand")
    root = Path(folder) / "mnist"
    report = MNIST.verify(root)
    assert [check.status for check in report.checks] == ["ok"] * len(report.checks)
    assert {check.found for check in report.checks} >= set(MD5.values())
    _, files = find_mnist(root)
    data = {part: read_bytes(path) for part, path in files.items()}
    images, labels = read_pair(data, files, "train")
    assert images.shape == (60_000, 28, 28)
    assert np.bincount(labels).tolist() == [
        *(5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949)
    ]
    assert abs(images.mean() / 255 - 0.1307) < 1e-4
