import numpy as np
import pytest
from PIL import Image

from datamodules.affwild import AffWild
from datamodules.pts import write_points
from datamodules.standins.videos import write_video

BOX = np.array([(4.0, 4.0), (4.0, 20.0), (20.0, 20.0), (20.0, 4.0)])
VIDEOS = (105, 106, 107, 108)


def write_one(root, video, *, boxes=range(1, 31), lines=30):
    for place in ("videos/train", "annotations/train/valence", "annotations/train/arousal"):
        (root / place).mkdir(parents=True, exist_ok=True)
    write_video(root / f"videos/train/{video}.mp4", np.zeros((3, 32, 32, 3), np.uint8))
    folder = root / f"bboxes/train/{video}"
    folder.mkdir(parents=True)
    for number in boxes:
        write_points(folder / f"{number}.pts", BOX)
    (root / f"annotations/train/valence/{video}.txt").write_text("0.5\n" * lines)
    (root / f"annotations/train/arousal/{video}.txt").write_text("-0.25\n" * lines)


@pytest.fixture
def copy(tmp_path):
    for video in VIDEOS:
        write_one(tmp_path / "copy", video)
    return tmp_path / "copy"


def rows(root):
    report = AffWild.verify(root)
    return report, {check.item: check for check in report.checks}


def test_a_part_is_usable_with_warnings(copy):
    write_one(copy, 300, boxes=[*range(1, 10), *range(12, 30)], lines=27)
    write_one(copy, 301, lines=20)
    (copy / "videos/train/301.mp4").unlink()
    (copy / "videos/test").mkdir()
    write_video(copy / "videos/train/400.avi", np.zeros((3, 32, 32, 3), np.uint8))
    report, found = rows(copy)
    assert report.usable and (report.dataset, report.root) == ("affwild", str(copy))
    assert found["labels"].found == "Aff-Wild (6)" and found["labels"].status == "ok"
    count = found["videos with labels"]
    assert (count.expected, count.found, count.status) == ("252", "6", "warn")
    parts = found["video and boxes of each"]
    assert parts.found == "5; lacking: 301 (no video)" and parts.status == "warn"
    assert "max_bad_images of 1" in parts.remedy
    assert found["without labels, not read"].found == "1 videos"
    assert found["splits"].found == "train 3, val 1, test 1, all 5"
    assert found["values"].found == (
        "valence 0.50 to 0.50, arousal -0.25 to -0.25; of 147 of 147 frames with a face"
    )
    assert found["labels count"].found == "boxes (1), frames (4)"
    assert found["labels count"].status == "warn"
    clips = found["clips, by the usual settings"].found
    assert clips.startswith("5 of 27 to 30 frames, 147 in all; faces lost 1 times for up to 5")
    assert found["5 boxes, read"].status == "ok"
    assert found["5 videos, begun"].found == "32 x 32 (5)"
    assert all(check.remedy for check in report.checks if check.status != "ok")


def test_damage_is_named(copy):
    (copy / "videos/train/105.mp4").write_bytes(b"")
    _, found = rows(copy)
    assert found["4 videos, begun"].status == "warn"
    assert "105.mp4 cannot be read as a video" in found["4 videos, begun"].found
    (copy / "videos/train/106.mp4").write_bytes(b"")
    for video in (105, 106, 107):
        for number in range(1, 31):
            (copy / f"bboxes/train/{video}/{number}.pts").write_text("no points")
    report, found = rows(copy)
    assert not report.usable
    assert found["4 videos, begun"].status == "missing"
    assert found["4 boxes, read"].status == "missing"
    assert "does not hold 4 points" in found["4 boxes, read"].found
    (copy / "annotations/train/valence/107.txt").write_text("0.5\n7.5\n")
    report, found = rows(copy)
    assert found["values"].status == "missing"
    assert "107.txt, line 2 has 7.5" in found["values"].remedy


def test_short_labels_and_empty_folders(copy):
    write_one(copy, 300, lines=20)
    write_one(copy, 301, boxes=[])
    _, found = rows(copy)
    assert found["labels count"].found == "fewer than frames (1), frames (5)"
    assert found["clips, by the usual settings"].found.startswith("5 of 20 to 30 frames, 140 in")


def test_too_few_videos_cannot_be_used(tmp_path):
    for video in (105, 106):
        write_one(tmp_path, video)
    report, found = rows(tmp_path)
    assert not report.usable and found["splits"].status == "missing"
    assert found["splits"].found == "train 0, val 1, test 1, all 2"


def test_nothing_there_and_too_much(tmp_path, copy):
    report, found = rows(tmp_path / "none")
    assert not report.usable and "ask their authors" in found["folder"].remedy
    (tmp_path / "empty").mkdir()
    report, found = rows(tmp_path / "empty")
    assert not report.usable and found["labels"].found == "none"
    (copy / "standin.json").write_text("{}")
    (copy / "VA_Set/Train_Set").mkdir(parents=True)
    (copy / "VA_Set/Train_Set/v1.txt").write_text("valence,arousal\n0,0\n")
    report, found = rows(copy)
    assert found["genuine"].found == "standin.json marks stand-in faces"
    assert found["labels"].found == "Aff-Wild (4) and Aff-Wild2 (1)"
    assert found["labels"].status == "missing" and "folders of their own" in found["labels"].remedy


def test_the_second_edition(tmp_path):
    for name, subset in (
        ("v1", "Train_Set"),
        ("v2_left", "Train_Set"),
        ("v3_left", "Train_Set"),
        ("v3_right", "Validation_Set"),
        ("v4", "Validation_Set"),
    ):
        (tmp_path / "VA_Set" / subset).mkdir(parents=True, exist_ok=True)
        text = "valence,arousal\n-5,-5\n" + "0.5,0.5\n" * 29
        (tmp_path / "VA_Set" / subset / f"{name}.txt").write_text(text)
        (tmp_path / "cropped_aligned" / name).mkdir(parents=True)
        for number in range(1, 31):
            path = tmp_path / "cropped_aligned" / name / f"{number:05d}.jpg"
            Image.new("RGB", (112, 112)).save(path)
    report, found = rows(tmp_path)
    assert report.usable
    assert found["sets"].found == "3 and 2 faces" and found["sets"].status == "ok"
    assert found["crops of each"].found == "5"
    assert found["splits"].found == "train 1, val 1, test 2, all 4"
    shared = found["training faces in videos of the validation set"]
    assert shared.found == "v3_left" and shared.status == "warn"
    assert found["values"].found.endswith("of 145 of 150 frames with a face")
    assert found["5 crops, decoded"].found == "112 x 112"
    for path in (tmp_path / "VA_Set/Validation_Set").iterdir():
        path.unlink()
    report, found = rows(tmp_path)
    assert not report.usable and found["sets"].status == "missing"
