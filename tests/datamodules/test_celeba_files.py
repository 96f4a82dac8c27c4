import shutil
from pathlib import Path

import numpy as np
import pytest

from datamodules.celeba_files import find_files, list_images
from datamodules.celeba_lists import read_boxes, read_landmarks, read_names, read_numbers
from datamodules.errors import DataError, DatasetNotFoundError


@pytest.mark.parametrize(
    "layout",
    [
        {},
        {"official": False},
        {"images": "img_align_celeba_hq"},
        {"images": "img_align_celeba_png", "suffix": "png"},
        {"lists": "elsewhere"},
        {"official": False, "lists": "celeba/celeba_data"},
        {"identity": False},
    ],
)
def test_trees_in_circulation(tree_writer, tmp_path, layout):
    base = tree_writer(tmp_path, unsupervised=3, train=2, test=1, **layout)
    roots = [tmp_path] if layout.get("lists") == "elsewhere" else [tmp_path, base]
    for root in roots:
        files = find_files(root)
        assert files.missing() == []
        assert (files.identity is None) == (layout.get("identity") is False)
        assert files.images.name == layout.get("images", "img_align_celeba")
        assert sorted(list_images(files.images)) == [f"{k:06d}" for k in range(1, 7)]


def test_doubled_folders(tree_writer, tmp_path):
    base = tree_writer(tmp_path, unsupervised=3, train=2, test=1)
    inner = base / "Img" / "img_align_celeba"
    inner.rename(base / "Img" / "aside")
    inner.mkdir()
    (base / "Img" / "aside").rename(inner / "img_align_celeba")
    base.rename(tmp_path / "aside")
    base.mkdir()
    (tmp_path / "aside").rename(base / "celeba")
    files = find_files(tmp_path)
    assert files.missing() == []
    assert files.images.parts[-3:] == ("Img", "img_align_celeba", "img_align_celeba")


def test_plain_pictures_go_before_other_encodings(tree_writer, tmp_path):
    base = tree_writer(tmp_path, unsupervised=3, train=2, test=1)
    shutil.copytree(base / "Img" / "img_align_celeba", base / "Img" / "img_align_celeba_hq")
    (base / "Img" / "img_align_celeba_png").mkdir()  # empty: not unpacked
    assert find_files(tmp_path).images.name == "img_align_celeba"


def test_other_files_called_training_are_passed_over(tree_writer, tmp_path):
    base = tree_writer(tmp_path, unsupervised=3, train=2, test=1, lists="celeba/lists")
    (base / "A").mkdir()
    (base / "A" / "training.txt").write_text("loss 3.0\n")
    assert find_files(tmp_path).mafl_train == base / "lists" / "training.txt"


def test_no_folder():
    with pytest.raises(DatasetNotFoundError, match=r"/no/such.*mmlab.*data verify celeba"):
        find_files(Path("/no/such"))


def test_missing_parts_are_all_named(tmp_path):
    missing = find_files(tmp_path).missing()
    assert missing == [
        "the folder img_align_celeba with 000001.jpg, ...",
        "list_landmarks_align_celeba.txt",
        "list_eval_partition.txt",
        "MAFL/training.txt",
        "MAFL/testing.txt",
    ]


GENUINE = (
    "202599\n"
    "lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y "
    "leftmouth_x leftmouth_y rightmouth_x rightmouth_y \n"
    "000001.jpg   69  109  106  113   77  142   73  152  108  154 \n"
    "000002.jpg  69  110  107  112   81  135   70  151  108  153 \n"
)


def test_landmarks_are_read_over_runs_of_spaces(tmp_path, caplog):
    path = tmp_path / "list.txt"
    path.write_text(GENUINE)
    points = read_landmarks(path)
    assert list(points) == ["000001", "000002"]
    expected = [[69, 109], [106, 113], [77, 142], [73, 152], [108, 154]]
    np.testing.assert_array_equal(points["000001"], expected)
    assert points["000001"][0, 0] < points["000001"][1, 0]  # left is the viewer's left
    assert "says it has 202599 rows, but has 2" in caplog.text


@pytest.mark.parametrize(
    "row",
    [
        "000003.jpg 69 109 106 113 77 142 73 152 108",
        "000003.jpg 69 109 106 113 77 142 73 152 108 154 3",
        "000003.jpg 69 109 106 113 77 142 73 152 108 1S4",
        "000003.jpg 69 109 106 113 77 nan 73 152 108 154",
        "000003.jpg 69 109 106 113 77 14200 73 152 108 154",
        "69 109 106 113 77 142 73 152 108 154 000003.jpg",
        "3.jpg 69 109 106 113 77 142 73 152 108 154",
    ],
)
def test_a_wrong_landmark_row_is_named(tmp_path, row):
    path = tmp_path / "list.txt"
    path.write_text(GENUINE + row + "\n")
    with pytest.raises(DataError) as error:
        read_landmarks(path)
    message = str(error.value)
    assert f"{path}, line 5: {row!r} is not a picture's name and ten coordinates" in message
    assert "official archive again" in message


def test_a_byte_order_mark_is_no_part_of_the_first_row(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes(b"\xef\xbb\xbf000001.jpg 0\r\n000002.jpg 2\r\n")
    assert read_numbers(path, "a split", 0, 2) == {"000001": 0, "000002": 2}


def test_a_binary_file_is_no_list(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes(b"\x1f\x8b\x08\xff")
    with pytest.raises(DataError, match=f"{path} is no text file"):
        read_landmarks(path)


@pytest.mark.parametrize("row", ["000001.jpg", "000001.jpg 3", "000001.jpg -1", "x.jpg 0", "a b c"])
def test_a_wrong_partition_row_is_named(tmp_path, row):
    path = tmp_path / "list.txt"
    path.write_text(f"000009.jpg 2\n{row}\n")
    with pytest.raises(DataError, match=r"line 2: .* partition, 0 to 2"):
        read_numbers(path, "partition", 0, 2)


def test_name_lists_keep_their_order_and_need_no_last_newline(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("000003.jpg\n000001.jpg")
    assert read_names(path) == ["000003", "000001"]
    path.write_text("000003.jpg\n\n000003.jpg")
    with pytest.raises(DataError, match=r"line 3: '000003.jpg' is not .* not listed before"):
        read_names(path)


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (
            lambda path: read_numbers(path, "part", 0, 2),
            "000001.jpg 0\n000002.jpg 2\n000001.jpg 1\n",
        ),
        (read_boxes, "2\nhead\n000001.jpg 1 1 9 9\n000002.jpg 1 1 9 9\n000001.jpg 0 0 1 1\n"),
        (read_landmarks, "2\nhead\n" + 2 * f"000001.jpg {' '.join(['50'] * 10)}\n"),
    ],
)
def test_a_picture_that_is_listed_twice_is_refused(tmp_path, read, text):
    path = tmp_path / "list.txt"
    path.write_text(text)
    with pytest.raises(
        DataError, match=rf"line {len(text.splitlines())}: .*only row of 000001.jpg"
    ):
        read(path)
