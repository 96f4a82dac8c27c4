import numpy as np
import pytest
from PIL import Image

from datamodules import mug_crops
from datamodules.coordinates import Box
from datamodules.errors import DataError
from datamodules.face_align import ANCHORS, move, warp
from datamodules.mug_crops import Cropper, box_map, middle_square, read_boxes
from datamodules.mug_files import Take
from datamodules.pts import write_points

HEAD = "take,left,top,right,bottom\n"


def take(tmp_path, frames=(1, 2, 3), size=(60, 40)):
    made = Take(10, -1, 3, "take000")
    for frame in frames:
        made.images[frame] = tmp_path / f"img_{frame:04d}.jpg"
        Image.new("RGB", size).save(made.images[frame])
    return made


def face(x, y):
    points = np.zeros((68, 2))
    for places in ANCHORS.values():
        for number, place in places.items():
            points[number] = place
    return points * 20 + [x, y]


def cropper(crop="auto", boxes=None, **arguments):
    return Cropper(crop, boxes or {}, "outer", 1.0, **({"centre": 0.5} | arguments))


def test_a_box_is_shown_as_a_square_about_its_middle():
    image = np.zeros((40, 60, 3), np.uint8)
    image[10:20, 30:50] = 255  # 20 wide, 10 high
    crop = np.asarray(warp(Image.fromarray(image), box_map(Box(30, 10, 50, 20), 20), 20))
    expected = np.zeros((20, 20, 3), np.uint8)
    expected[5:15] = 255
    np.testing.assert_array_equal(crop, expected)
    assert middle_square(60, 40, 0.5) == Box(20, 10, 40, 30)


def test_the_best_that_is_there_places_the_crop(tmp_path, monkeypatch):
    made = take(tmp_path)
    there = [False]
    monkeypatch.setattr(mug_crops, "installed", lambda: there[0])
    boxes = {"010/fear/take000": Box(0, 0, 30, 30)}
    assert cropper().way(made) == "centre"
    there[0] = True
    assert cropper().way(made) == "detector"
    assert cropper(boxes=boxes).way(made) == "box"
    made.landmarks[2] = tmp_path / "img_0002.pts"
    assert cropper(boxes=boxes).way(made) == "landmarks"
    assert [cropper(c, boxes).way(made) for c in ("detector", "centre")] == ["detector", "centre"]


def test_points_of_several_frames_count_by_their_median(tmp_path):
    made = take(tmp_path)
    for frame, x in ((1, 10.0), (2, 12.0), (3, 40.0)):
        made.landmarks[frame] = tmp_path / f"img_{frame:04d}.pts"
        write_points(made.landmarks[frame], face(x, 5.0))
    matrix = cropper().matrix(made, "landmarks", 40, None)
    nose = np.array(ANCHORS["outer"][33])
    np.testing.assert_allclose(move(face(12, 5)[33], matrix), 40 * nose - 0.5, atol=0.05)
    write_points(made.landmarks[1], face(0, 0)[:5])
    with pytest.raises(DataError, match=r"img_0001.pts does not hold 68 points"):
        cropper().matrix(made, "landmarks", 40, None)
    for path in made.landmarks.values():
        write_points(path, np.ones((68, 2)))
    with pytest.raises(DataError, match=r"img_0001.pts: landmarks 36, 45, 33 span no triangle"):
        cropper().matrix(made, "landmarks", 40, None)


def test_the_detector_looks_at_the_middle_frame_then_at_the_ends(tmp_path):
    made = take(tmp_path, (4, 5, 6, 7, 8))
    for shade, frame in enumerate(made.frames):
        Image.new("RGB", (60, 40), (shade, 0, 0)).save(made.images[frame], quality=100)
    asked = []

    def finder(image, blind=()):
        asked.append(image.getpixel((0, 0))[0])
        return None if asked[-1] in blind else face(10.0 * asked[-1], 5.0)

    middle = cropper().matrix(made, "detector", 40, finder)
    assert asked == [2]
    np.testing.assert_allclose(middle, cropper().matrix(made, "detector", 40, finder))
    asked.clear()
    first = cropper().matrix(made, "detector", 40, lambda image: finder(image, (2,)))
    assert asked == [2, 0] and not np.allclose(first, middle)
    assert cropper().matrix(made, "detector", 40, lambda image: None) == (
        "the detector finds no face"
    )


def test_the_middle_of_the_picture(tmp_path):
    made = take(tmp_path)
    matrix = cropper().matrix(made, "centre", 20, None)
    np.testing.assert_allclose(matrix, [[1, 0, -20], [0, 1, -10]])
    made.images[1].write_bytes(b"")
    assert "img_0001.jpg" in cropper().matrix(made, "centre", 20, None)


def test_boxes_of_takes(tmp_path):
    path = tmp_path / "boxes.csv"
    path.write_text("left, take, right, top, bottom, by\n1.5, /001/anger/take000, 9, 2, 8, me\n")
    assert read_boxes(path) == {"001/anger/take000": Box(1.5, 2, 9, 8)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has not the columns take,left,top,right,bottom"),
        ("001/anger/take000,1,2,3,4\n", "has not the columns"),
        (HEAD + "a,1,2,3,4\nb,1,2,x,4\n", "line 3 is no box: .*'x'"),
        (HEAD + "a,1,2,3\n", "line 2 is no box"),
        (HEAD + "a,5,2,3,4\n", "line 2 is no box"),
        (HEAD + "a,1,2,nan,4\n", "line 2 is no box"),
    ],
)
def test_wrong_boxes_are_named(tmp_path, text, message):
    path = tmp_path / "boxes.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=rf"boxes.csv.*{message}"):
        read_boxes(path)
