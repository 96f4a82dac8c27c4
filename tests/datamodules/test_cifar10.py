import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules.cifar10 import CIFAR10, CLASSES
from datamodules.cifar10_files import BATCHES, FOLDER, META, read_batch, read_names, read_pickle
from datamodules.errors import DataError, DatasetNotFoundError
from datamodules.standins.cifar_tree import python2_pickle

NAMES = [name for names in BATCHES.values() for name in names]


def batch_of(number, rows=20):
    rng = np.random.default_rng(number)
    return {
        "batch_label": f"batch {number}",
        "labels": [(k + number) % 10 for k in range(rows)],
        "data": rng.integers(0, 256, (rows, 3072), np.uint8),
        "filenames": [f"{number}_{k}.png" for k in range(rows)],
    }


def write_copy(folder, pack=python2_pickle):
    folder.mkdir(parents=True)
    for number, name in enumerate(NAMES):
        (folder / name).write_bytes(pack(batch_of(number)))
    (folder / META).write_bytes(pack({"label_names": list(CLASSES)}))


@pytest.fixture
def copy(tmp_path):
    write_copy(tmp_path / "copy" / FOLDER)
    return tmp_path / "copy"


def real(root, tmp_path, **arguments):
    cache = str(tmp_path / "cache")
    return CIFAR10(source="real", root=str(root), cache_dir=cache, **{"batch_size": 4} | arguments)


def prepared(data):
    data.prepare_data()
    data.setup()
    return data


def test_splits_and_batches(copy, tmp_path):
    data = prepared(real(copy, tmp_path))
    assert data.counts() == {"train": 90, "val": 10, "test": 20}
    batch = data.to_batch(next(iter(data.eval_dataloader("test"))), "cpu")
    assert batch["image"].shape == (20, 3, 32, 32)
    assert batch["label"].dtype == torch.int64
    truth = batch_of(5)
    assert batch["label"].tolist() == truth["labels"]
    # In the file, red comes first, then green, then blue, row by row.
    expected = torch.from_numpy(truth["data"]).view(20, 3, 32, 32) / 255
    torch.testing.assert_close(batch["image"], expected)
    everyone = data.dataset("train").names + data.dataset("val").names
    assert sorted(everyone) == [f"train-{k:05d}" for k in range(100)]


def test_one_class(copy, tmp_path):
    whole = prepared(real(copy, tmp_path))
    cars = prepared(real(copy, tmp_path, classes=("automobile",)))
    assert sum(cars.counts().values()) == 12
    for split in cars.splits:
        assert set(cars.dataset(split).labels["label"].tolist()) <= {1}
        assert set(cars.dataset(split).names) <= set(whole.dataset(split).names)
    assert cars.fingerprint() != whole.fingerprint()
    two = real(copy, tmp_path, classes=["truck", "automobile"])
    assert two.classes == ("automobile", "truck")


def test_64_pixels(copy, tmp_path):
    data = prepared(real(copy, tmp_path, image_size=64))
    image = data.to_batch(data.dataset("test").__getitems__([0]), "cpu")["image"]
    assert image.shape == (1, 3, 64, 64)
    small = torch.from_numpy(batch_of(5)["data"][0]).view(3, 32, 32) / 255
    assert (image.mean() - small.mean()).abs() < 0.01


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_batches_that_python_3_saved_again(tmp_path, protocol):
    def pack(value):
        named = {key.encode(): item for key, item in value.items()}
        return pickle.dumps(named, protocol=protocol)

    path = tmp_path / "data_batch_1"
    path.write_bytes(pack(batch_of(3)))
    if protocol == 2:  # which has no bytes: they would be a call of a function
        with pytest.raises(DataError, match=r"it asks for _codecs.encode"):
            read_batch(path)
        return
    images, labels = read_batch(path)
    assert labels.tolist() == batch_of(3)["labels"]
    assert np.array_equal(images.transpose(0, 3, 1, 2).reshape(20, -1), batch_of(3)["data"])


class Hostile:
    def __init__(self, call, *arguments):
        self.call, self.arguments = call, arguments

    def __reduce__(self):
        return self.call, self.arguments


@pytest.mark.parametrize("protocol", [0, 2, 5])
@pytest.mark.parametrize("call", [os.mkdir, eval, np.load, np.frombuffer, getattr])
def test_a_hostile_pickle_is_refused_and_runs_nothing(tmp_path, call, protocol):
    path, mark = tmp_path / "test_batch", tmp_path / "ran"
    arguments = {eval: (f"__import__('os').mkdir({str(mark)!r})",)}.get(call, (str(mark),))
    path.write_bytes(pickle.dumps({b"data": Hostile(call, *arguments)}, protocol=protocol))
    with pytest.raises(DataError, match=rf"{path} is no batch of CIFAR-10 \(it asks for"):
        read_pickle(path)
    assert not mark.exists()


def test_arrays_of_objects_and_lying_sizes_are_refused(tmp_path):
    path = tmp_path / "test_batch"
    path.write_bytes(pickle.dumps({"data": np.array([object, 1], object)}, protocol=2))
    with pytest.raises(DataError, match="is no batch"):
        read_pickle(path)
    path.write_bytes(pickle.dumps({"data": np.zeros(4)}))
    with pytest.raises(DataError, match="not of unsigned bytes"):
        read_pickle(path)
    good = python2_pickle({"data": np.zeros((2, 3072), np.uint8)})
    path.write_bytes(good.replace(b"J\x02\x00\x00\x00", b"J\xff\xff\xff\x7f"))
    with pytest.raises(DataError, match="6,144 bytes do not make an array"):
        read_pickle(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": [3] * 19}, "'labels' are 19 for 20 pictures"),
        ({"labels": [3] * 19 + [10]}, "picture 19: label 10 is none of 0 to 9"),
        ({"data": np.zeros((20, 99), np.uint8)}, r"'data' is \(20, 99\)"),
        ({"data": "none"}, "'data' is bytes"),
    ],
)
def test_wrong_batches_are_named(copy, tmp_path, change, message):
    path = copy / FOLDER / "data_batch_3"
    path.write_bytes(python2_pickle(batch_of(2) | change))
    with pytest.raises(DataError, match=rf"{path}.*{message}.*Unpack cifar-10-python.tar.gz"):
        real(copy, tmp_path).prepare_data()
    assert not CIFAR10.verify(copy).usable


def test_half_a_copy_is_named(copy, tmp_path):
    path = copy / FOLDER / "data_batch_2"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(DataError, match=rf"{path} is no batch"):
        real(copy, tmp_path).prepare_data()
    path.unlink()
    with pytest.raises(DatasetNotFoundError, match=rf"missing {path}\. .*toronto.edu"):
        real(copy, tmp_path).prepare_data()
    report = CIFAR10.verify(copy)
    assert [c.item for c in report.checks if c.status == "missing"] == ["data_batch_2"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetNotFoundError, match="missing the folder cifar-10-batches-py"):
        real(tmp_path / "empty", tmp_path).prepare_data()


def test_another_dataset_of_the_format_is_refused(copy, tmp_path):
    names = [*CLASSES[:9], "bicycle"]
    (copy / FOLDER / META).write_bytes(python2_pickle({"label_names": names}))
    with pytest.raises(DataError, match="bicycle, not CIFAR-10's"):
        real(copy, tmp_path).prepare_data()


def test_verify_a_miniature(copy):
    for root in (copy, copy / FOLDER):
        report = CIFAR10.verify(root)
        found = {check.item: check for check in report.checks}
        assert report.usable
        assert (found["test_batch"].found, found["test_batch"].status) == ("20 pictures", "warn")
        assert found["test_batch, md5"].status == "warn"


def test_the_stand_in_comes_by_the_same_road(tmp_path):
    data = CIFAR10(cache_dir=str(tmp_path), standin_sizes=(600, 200), classes=("frog", "truck"))
    fingerprint = data.fingerprint()
    assert not list(tmp_path.iterdir())
    prepared(data)
    assert data.fingerprint() == fingerprint
    counts = data.counts()
    assert (counts["train"] + counts["val"], counts["test"]) == (120, 40)
    (folder,) = tmp_path.glob(f"cifar10/standin-tree-*/{FOLDER}")
    assert read_names(folder / META) == CLASSES
    first = (folder / "data_batch_1").read_bytes()
    assert first.startswith(b"\x80\x02}(U\x0bbatch_labelU")  # as Python 2 writes it
    batch = data.to_batch(data.dataset("test").__getitems__(range(40)), "cpu")
    assert set(batch["label"].tolist()) == {6, 9}
    assert batch["image"].std(dim=(1, 2, 3)).min() > 0.03
    with pytest.raises(DataError, match="this is a stand-in"):
        real(folder, tmp_path).prepare_data()


@pytest.mark.parametrize(
    "arguments",
    [
        {"image_size": 28},
        {"classes": ("car",)},
        {"classes": ()},
        {"val_size": -1},
        {"standin_sizes": (5, 5)},
    ],
)
def test_wrong_arguments_are_refused(arguments, tmp_path):
    with pytest.raises(ValueError, match=str(next(iter(arguments)))):
        CIFAR10(cache_dir=str(tmp_path), **arguments)


def test_real_pictures_in_the_genuine_format(tmp_path):
    """Pictures of the pack, packed as the batches are, come out as they went in."""
    given = os.environ.get("WHATWHERE_REAL_DATA")
    if not given:
        pytest.skip("WHATWHERE_REAL_DATA is not set: no CIFAR-10 pictures at hand")
    folder = tmp_path / "copy" / FOLDER
    folder.mkdir(parents=True)
    paths = {
        which: [
            (k, path)
            for k, name in enumerate(CLASSES)
            for path in sorted((Path(given) / "cifar10_small" / which / name).iterdir())[:10]
        ]
        for which in BATCHES
    }
    for which, names in BATCHES.items():
        for number, name in enumerate(names):
            rows = paths[which][number :: len(names)]
            pictures = [np.asarray(Image.open(path).convert("RGB")) for _, path in rows]
            data = np.stack(pictures).transpose(0, 3, 1, 2).reshape(len(rows), -1)
            batch = {"labels": [k for k, _ in rows], "data": data}
            (folder / name).write_bytes(python2_pickle(batch))
    data = prepared(real(folder, tmp_path, val_size=0))
    assert data.counts() == {"train": 100, "val": 0, "test": 100}
    batch = data.to_batch(data.dataset("test").__getitems__(range(100)), "cpu")
    assert torch.bincount(batch["label"]).tolist() == [10] * 10
    first = np.asarray(Image.open(paths["test"][0][1]).convert("RGB"))
    assert np.array_equal((batch["image"][0] * 255).round().byte().permute(1, 2, 0), first)
