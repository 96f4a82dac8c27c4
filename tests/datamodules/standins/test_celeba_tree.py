import re

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules.standins import celeba_tree
from datamodules.standins.celeba_tree import MARKER, write_celeba_tree
from datamodules.standins.faces import face_landmarks, sample_factors

SIZES = {"unsupervised": 90, "train": 60, "test": 30}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return write_celeba_tree(tmp_path_factory.mktemp("standin"), SIZES, seed=3)


def _landmarks(tree):
    lines = (tree / "Anno/list_landmarks_align_celeba.txt").read_text().splitlines()
    rows = [line.split() for line in lines[2:]]
    return lines, {row[0]: np.array([int(v) for v in row[1:]]).reshape(5, 2) for row in rows}


def _partition(tree):
    lines = (tree / "Eval/list_eval_partition.txt").read_text().splitlines()
    return {name: int(part) for name, part in (line.split() for line in lines)}


def _mafl(tree):
    return [(tree / f"MAFL/{name}.txt").read_text().split("\n") for name in ("training", "testing")]


def test_every_file_names_the_same_pictures(tree):
    lines, marks = _landmarks(tree)
    files = sorted(path.name for path in (tree / "Img/img_align_celeba").iterdir())
    assert files == list(marks) == list(_partition(tree))
    assert all(re.fullmatch(r"\d{6}\.jpg", name) for name in files)
    assert files[0] == "000001.jpg" and int(files[-1][:6]) == len(files)
    assert int(lines[0]) == len(files)
    assert len(lines[1].split()) == 10
    assert lines[1].startswith("lefteye_x lefteye_y righteye_x")
    people = [line.split() for line in (tree / "Anno/identity_CelebA.txt").read_text().splitlines()]
    assert [name for name, _ in people] == files
    counts = np.bincount([int(who) for _, who in people])[1:]
    assert counts.max() > 5 and len(counts) > 10  # several pictures a person


def test_lists_have_the_sizes_asked_for(tree):
    partition = _partition(tree)
    train, test = _mafl(tree)
    assert (len(train), len(test)) == (60, 30)
    assert len(set(train) | set(test)) == 90
    free = [n for n, k in partition.items() if k == 0 and n not in set(train) | set(test)]
    assert len(free) == 90
    # As in the genuine lists: random order, most names inside the training partition, some not.
    assert train != sorted(train) and test != sorted(test)
    for names in (train, test):
        inside = sum(partition[name] == 0 for name in names) / len(names)
        assert 0.7 < inside < 0.95
        assert {partition[name] for name in names} == {0, 1, 2}
    order = list(partition.values())
    assert order == sorted(order)  # partitions are contiguous


def test_mafl_lists_end_without_a_newline(tree):
    for name in ("training", "testing"):
        raw = (tree / f"MAFL/{name}.txt").read_bytes()
        assert raw.endswith(b".jpg") and b"\r" not in raw


def test_pictures_are_celebas_size_and_landmarks_fall_on_the_faces(tree):
    _, marks = _landmarks(tree)
    people = dict(
        line.split() for line in (tree / "Anno/identity_CelebA.txt").read_text().splitlines()
    )
    dark = []
    for name in list(marks)[:40]:
        with Image.open(tree / "Img/img_align_celeba" / name) as image:
            assert image.size == (178, 218) and image.mode == "RGB" and image.format == "JPEG"
            dark.append(np.asarray(image.convert("L"), dtype=float).std())
    assert min(dark) > 10  # no empty picture
    index = np.arange(len(marks))
    factors = sample_factors(index, 3, identity=np.array([int(people[n]) for n in marks]))
    exact = face_landmarks(factors, (218, 178), crop="aligned")
    exact = ((exact + 1) * torch.tensor([89.0, 109.0]) - 0.5).numpy()
    written = np.stack(list(marks.values()))
    assert np.abs(written - exact).max() <= 0.5 + 1e-3
    mean = written.mean(axis=0)
    apart = np.linalg.norm(written[:, 0] - written[:, 1], axis=1)
    error = np.linalg.norm(written - mean, axis=2).mean(axis=1) / apart
    assert 0.06 < error.mean() < 0.13


def test_the_same_seed_writes_the_same_bytes(tmp_path):
    sizes = {"unsupervised": 4, "train": 3, "test": 2}
    trees = [write_celeba_tree(tmp_path / str(i), sizes, seed=s) for i, s in enumerate((1, 1, 2))]
    contents = [
        {p.relative_to(t).as_posix(): p.read_bytes() for p in sorted(t.rglob("*")) if p.is_file()}
        for t in trees
    ]
    assert contents[0] == contents[1]
    assert contents[0].keys() == contents[2].keys()
    assert (
        contents[0]["Img/img_align_celeba/000001.jpg"]
        != (contents[2]["Img/img_align_celeba/000001.jpg"])
    )
    assert MARKER in contents[0]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_interrupted_write_leaves_nothing(tmp_path, monkeypatch, error):
    def fail(done, total):
        assert list(tmp_path.iterdir())  # something has been begun
        raise error

    monkeypatch.setattr(celeba_tree, "_BATCH", 4)
    with pytest.raises(error):
        write_celeba_tree(tmp_path, {"unsupervised": 9, "train": 2, "test": 1}, progress=fail)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    def full(array, path):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(celeba_tree, "_save", full)
    with pytest.raises(OSError, match="No space left"):
        write_celeba_tree(tmp_path, {"unsupervised": 2, "train": 1, "test": 1})
    assert list(tmp_path.iterdir()) == []


def test_progress_counts_up_to_all_pictures(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(celeba_tree, "_BATCH", 5)
    tree = write_celeba_tree(
        tmp_path,
        {"unsupervised": 6, "train": 2, "test": 1},
        progress=lambda done, total: calls.append((done, total)),
    )
    files = len(list((tree / "Img/img_align_celeba").iterdir()))
    assert [done for done, _ in calls] == [5, 10, files]
    assert {total for _, total in calls} == {files}


def test_bad_requests_are_refused(tmp_path):
    with pytest.raises(ValueError, match="unsupervised"):
        write_celeba_tree(tmp_path, {"train": 1, "test": 1})
    with pytest.raises(ValueError, match="at least 1, got 0"):
        write_celeba_tree(tmp_path, {"unsupervised": 0, "train": 1, "test": 1})
    (tmp_path / "celeba").mkdir()
    with pytest.raises(FileExistsError, match="celeba"):
        write_celeba_tree(tmp_path, {"unsupervised": 1, "train": 1, "test": 1})
    assert list((tmp_path / "celeba").iterdir()) == []
