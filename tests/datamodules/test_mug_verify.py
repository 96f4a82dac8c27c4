import pytest
from PIL import Image

from datamodules import mug_verify
from datamodules.mug import MUG
from datamodules.mug_files import EXPRESSIONS, PEOPLE
from datamodules.mug_splits import TRAIN_PEOPLE
from datamodules.pts import write_points


@pytest.fixture(autouse=True)
def no_detector(monkeypatch):
    monkeypatch.setattr(mug_verify, "installed", lambda: False)


def write(root, who, kind="anger", frames=range(3, 8), take="take000", size=(16, 16)):
    folder = root / f"{who:03d}" / kind / take
    folder.mkdir(parents=True)
    image = Image.new("RGB", size)
    for number in frames:
        image.save(folder / f"img_{number:04d}.jpg")
    return folder


def rows(root):
    report = MUG.verify(root)
    return report, {check.item: check for check in report.checks}


def test_a_part_is_usable_with_warnings(tmp_path):
    for who in (1, 8, 5):
        write(tmp_path, who)
    write(tmp_path, 1, "fear", [1, 2, 5, 6, 9])
    write(tmp_path, 1, "sadness", range(64))
    write(tmp_path, 1, "mixed")
    write(tmp_path, 1, take="take001end")
    report, found = rows(tmp_path)
    assert report.usable and (report.dataset, report.root) == ("mug", str(tmp_path))
    people = found["people"]
    assert people.expected == "52" and people.status == "warn"
    assert people.found.startswith("2; missing 002, 006, 007, 010,")
    assert people.found.count(",") == 49
    assert found["other people"].found == "005"
    acted = found["expressions of everybody"]
    assert acted.found.startswith("all but 001/neutral, 001/disgust, 001/happiness, 001/surprise,")
    assert found["takes"].found == (
        "5: neutral 0, anger 3, disgust 0, fear 1, happiness 0, sadness 1, surprise 0"
    )
    assert found["folders"].found == "usual 84"
    assert found["ignored folders"].found == "mixed (5), take001end (5)"
    assert found["takes with missing frames"].found == "1: 001/fear/take000 (4)"
    assert found["takes shorter than 60 frames"].found == (
        "4: 001/anger/take000 (5), 001/fear/take000 (5), 005/anger/take000 (5), "
        "008/anger/take000 (5); 5 to 64 frames, median 5"
    )
    crops = found["crops"]
    assert crops.found == "0 takes by points, 0 by boxes, 5 by the middle of the picture"
    assert crops.status == "warn" and "whatwhere[face]" in crops.remedy
    assert found["32 pictures, decoded"].status == "ok"
    assert all(check.remedy for check in report.checks if check.status != "ok")


def test_a_whole_copy_has_no_warning_about_people(tmp_path):
    for who in PEOPLE:
        for kind in EXPRESSIONS:
            write(tmp_path, who, kind, [4])
    _, found = rows(tmp_path)
    for item in ("people", "expressions of everybody", "splits", "takes with missing frames"):
        assert found[item].status == "ok"
    assert found["people"].found == "52"
    assert found["splits"].found == (
        "train 161 of 23 people, val 21 of 3 people, test 182 of 26 people, all 364 of 52 people"
    )


def test_one_half_alone_cannot_be_used(tmp_path):
    for who in TRAIN_PEOPLE[:3]:
        write(tmp_path, who)
    report, found = rows(tmp_path)
    assert not report.usable and found["splits"].status == "missing"
    assert "test 0 of 0 people" in found["splits"].found


def test_points_boxes_and_damage(tmp_path):
    one, other = write(tmp_path, 1), write(tmp_path, 8, size=(20, 16))
    points = [(float(k), float(k)) for k in range(68)]
    write_points(one / "img_0004.pts", points)
    boxes = tmp_path / "boxes.csv"
    boxes.write_text("take,left,top,right,bottom\n008/anger/take000,1,1,9,9\n")
    report, found = rows(tmp_path)
    assert report.usable and found["crops"].status == "ok"
    assert found["crops"].found.startswith("1 takes by points, 1 by boxes, 0 by")
    assert found["10 pictures, decoded"].found == "16 x 16; 20 x 16"
    assert found["10 pictures, decoded"].status == "warn"
    boxes.write_text(boxes.read_text() + "8/anger/take000,1,1,9,9\n")
    assert "a box names no take: 8/anger/take000" in rows(tmp_path)[1]["crops"].remedy
    write_points(one / "img_0004.pts", points[:5])
    for number in (3, 4):
        (other / f"img_{number:04d}.jpg").write_bytes(b"")
    report, found = rows(tmp_path)
    assert found["crops"].status == "missing" and "68 points" in found["crops"].remedy
    assert found["10 pictures, decoded"].status == "missing"
    assert "take000/img_0003.jpg no picture" in found["10 pictures, decoded"].found


def test_nothing_there(tmp_path):
    report, found = rows(tmp_path / "none")
    assert not report.usable and "sign its licence" in found["folder"].remedy
    write(tmp_path, 1, "mixed")
    report, found = rows(tmp_path)
    assert not report.usable
    assert found["pictures"].found == "none; ignored folders: mixed (5)"


def test_a_stand_in_is_noticed(tmp_path):
    write(tmp_path, 1)
    (tmp_path / "standin.json").write_text("{}")
    report, found = rows(tmp_path)
    assert not report.usable
    assert found["genuine"].found == "standin.json marks stand-in faces"
