from itertools import product

import pytest
from PIL import Image

from datamodules import multipie_verify
from datamodules.multipie import MultiPIE
from datamodules.multipie_verify import PER_VIEW


def write(root, *, cameras=("130", "140", "051", "050", "041"), subjects=(1, 2, 300), suffix=""):
    root.mkdir(exist_ok=True)
    image = Image.new("RGB", (16, 16))
    for subject, camera, light in product(subjects, cameras, (0, 7)):
        image.save(root / f"{subject:03d}_01_02_{camera}_{light:02d}{suffix}.png")
    return root


def rows(root):
    report = MultiPIE.verify(root)
    return report, {check.item: check for check in report.checks}


def test_session_one_alone_is_usable_with_warnings(tmp_path):
    report, found = rows(write(tmp_path / "copy", suffix="_crop_128"))
    assert report.usable
    assert (report.dataset, report.root) == ("multipie", str(tmp_path / "copy"))
    subjects = found["subjects"]
    assert (subjects.expected, subjects.found, subjects.status) == ("337", "3", "warn")
    assert found["subjects of session 01"].expected == "249"
    assert found["subjects of session 02"].found == "0"
    assert found["recordings"].found == "1, of 1 expressions: smile"
    assert found["illuminations"].found == "2"
    view = found["pictures of view -30 (camera 130)"]
    assert (view.expected, view.found, view.status) == ("50,280", "6", "warn")
    assert found["split test"].found == "10 of 1 identities"
    assert found["kind of copy"].found == "_crop_128: 30 pictures"
    assert "landmark files" not in found
    assert all(check.remedy for check in report.checks if check.status != "ok")


def test_pictures_of_a_view_are_recordings_times_lights():
    assert PER_VIEW == 20 * (2 * 249 + 3 * 203 + 3 * 230 + 3 * 239)


def test_a_view_that_is_not_there(tmp_path):
    report, found = rows(write(tmp_path / "copy", cameras=("130", "140", "051", "050")))
    assert not report.usable
    assert found["pictures of view 30 (camera 041)"].status == "missing"
    assert "test views [30]" in found["splits"].remedy
    assert "whatwhere[face]" in found["landmark files"].remedy


@pytest.mark.parametrize("there", [True, False])
def test_originals_without_landmarks_need_a_detector(tmp_path, monkeypatch, there):
    monkeypatch.setattr(multipie_verify, "installed", lambda: there)
    report, found = rows(write(tmp_path / "copy"))
    assert report.usable == there
    assert found["landmark files"].status == ("warn" if there else "missing")


def test_originals_of_another_size_are_told(tmp_path, monkeypatch):
    _, found = rows(write(tmp_path / "copy"))
    size = found["size of original pictures"]
    assert (size.expected, size.found) == ("640 x 480", "another of 30 in 30")
    assert size.status == "warn" and "crop='landmarks'" in size.remedy
    monkeypatch.setattr(multipie_verify, "ORIGINAL_SIZE", (16, 16))
    assert "size of original pictures" not in rows(tmp_path / "copy")[1]


def test_two_kinds_of_copies_and_damage(tmp_path):
    root = write(tmp_path / "copy", suffix="_cropped")
    write(root, subjects=(1,))
    for path in sorted(root.glob("001*_cropped.png"))[:2]:
        path.write_bytes(b"")
    report, found = rows(root)
    assert not report.usable
    assert found["kind of copy"].found == "_cropped: 30 pictures, and 10 of other kinds"
    decoded = found["30 pictures, decoded"]
    assert decoded.status == "missing"
    assert "001_01_02_041_00_cropped.png no picture" in decoded.found


@pytest.mark.parametrize("there", [False, True])
def test_nothing_there(tmp_path, there):
    root = tmp_path / "copy"
    if there:
        root.mkdir()
    report, found = rows(root)
    assert not report.usable
    assert "Carnegie Mellon" in found["pictures" if there else "folder"].remedy
