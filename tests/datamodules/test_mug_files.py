import numpy as np
import pytest

from datamodules.mug_files import PEOPLE, find_files, positions, read_folders


def touch(root, folder, numbers=(5, 6, 7), name="img_{:04d}.jpg"):
    (root / folder).mkdir(parents=True, exist_ok=True)
    for number in numbers:
        (root / folder / name.format(number)).write_bytes(b"")


def found(root):
    return {take.name: take.frames for take in find_files(root).takes}


def test_all_ways_of_unpacking(tmp_path):
    touch(tmp_path, "subjects3/001/anger/take000", (9, 10, 100, 11))
    touch(tmp_path, "subjects3/002/session0/fear/take000", (0, 1))
    touch(tmp_path, "subjects3/002/session1/fear/take000", (3, 4))
    touch(tmp_path, "007/007/sadness/take002")
    touch(tmp_path, "007/007/session1/sadness/take002", (1, 2))
    touch(tmp_path, "deep/down/013/surprise")
    files = find_files(tmp_path)
    assert {take.name: take.frames for take in files.takes} == {
        "001/anger/take000": [9, 10, 11, 100],  # by number, not by name
        "002/session0/fear/take000": [0, 1],
        "002/session1/fear/take000": [3, 4],
        "007/sadness/take002": [5, 6, 7],
        "007/session1/sadness/take002": [1, 2],
        "013/surprise": [5, 6, 7],
    }
    assert files.people == [1, 2, 7, 13]
    assert [(take.subject, take.session) for take in files.takes][:3] == [(1, -1), (2, 0), (2, 1)]
    assert files.layouts == {"usual": 4, "sessions": 6, "doubled": 3, "without takes": 3}
    assert files.takes[0].missing == 88
    paths = [files.takes[0].images[number].name for number in files.takes[0].frames]
    assert paths == ["img_0009.jpg", "img_0010.jpg", "img_0011.jpg", "img_0100.jpg"]


def test_what_is_no_take_is_left_alone_and_counted(tmp_path):
    touch(tmp_path, "001/anger/take000")
    for folder in ("anger/take000end", "anger/take001nsg2", "mixed/take000", "anger/old", "."):
        touch(tmp_path, f"001/{folder}")
    touch(tmp_path, "someone/anger/take000")
    touch(tmp_path, "001/anger/take000", name="copy of img_{:04d}.jpg")
    touch(tmp_path, "001/anger/take000", name="img_{:04d}.png")
    (tmp_path / ".DS_Store").write_bytes(b"\0")
    (tmp_path / "001/anger/take000/._img_0005.jpg").write_bytes(b"\0")
    assert found(tmp_path) == {"001/anger/take000": [5, 6, 7]}
    ignored = find_files(tmp_path).ignored
    names = ("take000end", "take001nsg2", "mixed", "old", "001", "someone")
    assert ignored == dict.fromkeys(names, 3)


def test_the_folder_of_one_person_will_do(tmp_path):
    touch(tmp_path, "010/happiness/take000")
    assert found(tmp_path / "010") == found(tmp_path) == {"010/happiness/take000": [5, 6, 7]}


def test_a_take_that_is_there_twice_counts_once(tmp_path):
    touch(tmp_path, "010/010/fear/take000", (1, 2))
    touch(tmp_path, "010/fear/take000", (2, 3))
    take = find_files(tmp_path).takes[0]
    assert take.frames == [1, 2, 3]
    assert take.images[2].parent.parent.parent.parent.name == "010"


def test_points_and_boxes_are_found_beside_pictures_or_elsewhere(tmp_path):
    touch(tmp_path, "pictures/010/fear/take000")
    touch(tmp_path, "points/010/fear/take000", (6,), name="img_{:04d}.pts")
    touch(tmp_path, "points/010/anger/take000", (6,), name="img_{:04d}.pts")  # of no picture
    (tmp_path / "points" / "boxes.csv").write_text("")
    files = find_files(tmp_path)
    (take,) = files.takes
    assert list(take.landmarks) == [6] and files.boxes.parent.name == "points"
    assert files.marker is None


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        ("001/anger/take000", ((1, -1, 1, "take000"), "usual")),
        ("084/session1/neutral/take003", ((84, 1, 0, "take003"), "sessions")),
        ("anger/take000", "anger"),
        ("take000", "take000"),
        ("0001/anger/take000", "0001"),
        ("x/session2", "session2"),
    ],
)
def test_folders_are_read_from_the_picture_upwards(folders, expected):
    assert read_folders(folders.split("/")) == expected


def test_fifty_two_people():
    assert len(set(PEOPLE)) == 52 and list(PEOPLE) == sorted(PEOPLE)
    assert (PEOPLE[0], PEOPLE[-1]) == (1, 84)


def test_positions_go_by_number():
    along = positions([12, 13, 22])
    np.testing.assert_allclose(along, [0, 0.1, 1])
    assert along.dtype == np.float32
    assert positions([4]).tolist() == [0]
