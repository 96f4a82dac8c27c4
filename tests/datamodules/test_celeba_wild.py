"""CelebA in the wild: whole pictures, landmarks that follow, faces that are too small left out."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules.celeba_wild import CelebAWild, squashed
from datamodules.errors import DataError, DatasetNotFoundError
from datamodules.standins.celeba_wild_tree import write_wild_tree

SIZES = {"unsupervised": 40, "train": 30, "test": 20}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    out = tmp_path_factory.mktemp("wild")
    write_wild_tree(out, SIZES)
    return out


@pytest.fixture(scope="module")
def module(tmp_path_factory):
    made = CelebAWild(
        cache_dir=str(tmp_path_factory.mktemp("cache")),
        image_size=32,
        batch_size=4,
        standin_sizes=SIZES,
        pairs=True,
        pair_padding="border",
    )
    made.prepare_data()
    made.setup()
    return made


def rows(path, skip=2):
    return [line.split() for line in path.read_text().splitlines()[skip:] if line.strip()]


def test_the_standin_has_the_genuine_files_and_pictures_of_several_shapes(tree):
    folder = tree / "celeba" / "Img" / "img_celeba"
    sizes = {Image.open(path).size for path in folder.iterdir()}
    assert len(sizes) == 4 and any(w > h for w, h in sizes) and any(w < h for w, h in sizes)
    boxes = rows(tree / "celeba" / "Anno" / "list_bbox_celeba.txt")
    marks = rows(tree / "celeba" / "Anno" / "list_landmarks_celeba.txt")
    assert len(boxes) == len(marks) == len(list(folder.iterdir()))
    for box, mark in zip(boxes, marks, strict=True):
        left, top, width, height = map(int, box[1:])
        points = np.array(mark[1:], float).reshape(5, 2)
        inside = (points >= [left, top]) & (points <= [left + width, top + height])
        assert inside.all(), box[0]


def test_faces_are_where_the_landmarks_say(module):
    dataset = module.dataset("test")
    marks = dataset.labels["landmarks"]
    assert marks.shape[1:] == (5, 2)
    middle = marks.mean((1, 2))
    assert middle.std() > 0.05  # not aligned
    eyes = (marks[:, 1] - marks[:, 0]).norm(dim=-1)
    assert eyes.max() / eyes.min() > 1.3
    assert (marks[:, 0, 0] < marks[:, 1, 0]).all() and (marks[:, 0, 1] < marks[:, 3, 1]).all()


def test_small_faces_are_left_out_and_the_rest_keep_their_labels(tree, module):
    anno = tree / "celeba" / "Anno"
    boxes = {row[0]: [int(v) for v in row[1:]] for row in rows(anno / "list_bbox_celeba.txt")}
    folder = tree / "celeba" / "Img" / "img_celeba"
    names = (tree / "celeba" / "MAFL" / "testing.txt").read_text().split()
    kept = []
    for name in names:
        width, height = Image.open(folder / name).size
        if boxes[name][2] * boxes[name][3] >= 0.3 * width * height:
            kept.append((name, width, height))
    assert 0 < len(kept) < len(names)
    dataset = module.dataset("test")
    assert list(dataset.names) == [name for name, _, _ in kept]
    wanted = torch.tensor([width / height for _, width, height in kept])
    torch.testing.assert_close(dataset.labels["aspect"], wanted)
    marks = {row[0]: row[1:] for row in rows(anno / "list_landmarks_celeba.txt")}
    name, width, height = kept[0]
    x, y = float(marks[name][0]), float(marks[name][1])
    found = dataset.labels["landmarks"][0, 0].tolist()
    assert found == pytest.approx([2 * (x + 0.5) / width - 1, 2 * (y + 0.5) / height - 1], abs=1e-5)


def test_the_pixels_are_the_whole_picture_squashed(tree, module):
    name = module.dataset("test").names[0]
    image = Image.open(tree / "celeba" / "Img" / "img_celeba" / name)
    wanted = np.asarray(image.resize((32, 32), Image.Resampling.BILINEAR))
    got = module.dataset("test").__getitems__([0])["image"][0].permute(1, 2, 0).numpy()
    assert np.array_equal(got, wanted)


def test_pairs_repeat_the_border(module):
    batch = next(iter(module.train_dataloader()))
    warped = module.warp_batch(batch)
    assert warped["image"].shape == warped["pair"].shape == (4, 3, 32, 32)
    assert warped["pair_source"].shape == (4, 32, 32, 2)


def test_squashing_is_per_axis():
    points = np.array([[[9.5, 4.5]], [[9.5, 4.5]]])
    found = squashed(points, np.array([[20, 10], [40, 20]]))
    assert found[:, 0].tolist() == [[0, 0], [-0.5, -0.5]]


def test_a_copy_without_boxes_or_a_standin_is_refused(tree, tmp_path):
    with pytest.raises(DataError, match="stand-in faces"):
        CelebAWild(source="real", root=str(tree), cache_dir=str(tmp_path)).fingerprint()
    with pytest.raises(DatasetNotFoundError, match=r"img_celeba .*list_bbox_celeba\.txt"):
        CelebAWild(source="real", root=str(tmp_path), cache_dir=str(tmp_path)).fingerprint()
    with pytest.raises(ValueError, match="least_face must be"):
        CelebAWild(least_face=1.0)
    with pytest.raises(ValueError, match="takes no crop"):
        CelebAWild(crop="dlp")
    report = CelebAWild.verify(tree)
    assert report.usable and report.dataset == "celeba_wild"
    found = {row.item: row for row in report.checks}
    assert found["list_bbox_celeba.txt"].expected == "202,599 rows"
    assert found["list_bbox_celeba.txt, md5"].expected == "00566efa6fedff7a56946cd1c10f1c16"
    assert found["list_landmarks_celeba.txt, md5"].expected == "063ee6ddb681f96bc9ca28c6febb9d1a"
    assert {row.status for row in report.checks} == {"ok", "warn"}  # it is a miniature


def test_verify_finds_damage(tree, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(tree, copy)
    [boxes] = copy.rglob("list_bbox_celeba.txt")
    boxes.write_text(boxes.read_text() + "000001.jpg 1 2 3\n")
    pictures = sorted(copy.rglob("img_celeba/*.jpg"))
    pictures[0].unlink()
    for path in pictures[1:3]:
        path.write_bytes(b"")
    report = CelebAWild.verify(copy)
    found = {row.item: row for row in report.checks}
    assert not report.usable
    assert found["list_bbox_celeba.txt"].found == "unreadable"
    decoded = next(row for item, row in found.items() if "decoded" in item)
    assert "no picture" in decoded.found and decoded.remedy == "unpack img_celeba again"
    assert "unpack img_celeba again" in "".join(row.remedy for row in report.checks)


def test_a_box_of_negative_sides_is_no_face(tree, tmp_path):
    """The official list has one that is invalid; two wrong signs would make it a large face."""
    copy = tmp_path / "copy"
    shutil.copytree(tree, copy)
    [path] = copy.rglob("list_bbox_celeba.txt")
    head, names, *rows = path.read_text().splitlines()
    words = [row.split() for row in rows]
    turned = [" ".join([*row[:3], f"-{row[3]}", f"-{row[4]}"]) for row in words]
    path.write_text("\n".join([head, names, *turned]) + "\n")
    next(copy.rglob("standin.json")).unlink()
    data = CelebAWild(source="real", root=str(copy), cache_dir=str(tmp_path / "cache"))
    with pytest.raises(DataError, match="no picture of split"):
        data.prepare_data()


def test_landmarks_of_another_copy_are_refused(tree, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(tree, copy)
    next(copy.rglob("standin.json")).unlink()
    [path] = copy.rglob("list_landmarks_celeba.txt")
    head, names, *rows = path.read_text().splitlines()
    moved = [" ".join([row.split()[0], *["4000"] * 10]) for row in rows]
    path.write_text("\n".join([head, names, *moved]) + "\n")
    data = CelebAWild(source="real", root=str(copy), cache_dir=str(tmp_path / "cache"))
    with pytest.raises(DataError, match=r"outside of .* pictures of split 'test', first .*\.jpg"):
        data.prepare_data()
