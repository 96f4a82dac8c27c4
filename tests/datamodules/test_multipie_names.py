import pytest

from datamodules.multipie_names import (
    CAMERA_YAW,
    EXPRESSIONS,
    RAISED_CAMERAS,
    RECORDING_EXPRESSION,
    YAW_CAMERA,
    Shot,
    parse_name,
    picture_key,
)


@pytest.mark.parametrize(
    ("text", "suffix"),
    [
        ("001_01_02_051_07.png", ""),
        ("001_01_02_051_07_crop_128.png", "_crop_128"),
        ("001_01_02_051_07_cropped.png", "_cropped"),
        ("001_01_02_051_07_cropped.PNG", "_cropped"),
        ("001_01_02_051_07_crop_128_v2.jpg", "_crop_128_v2"),
    ],
)
def test_every_kind_of_picture_is_parsed(text, suffix):
    name = parse_name(text)
    assert name.shot == Shot(subject=1, session=1, recording=2, light=7)
    assert (name.camera, name.suffix, name.picture) == ("051", suffix, True)
    assert name.key() == "001_01_02_051_07"


def test_the_order_is_subject_session_recording_camera_light():
    name = parse_name("108_02_03_130_17.png")
    assert name.shot == Shot(subject=108, session=2, recording=3, light=17)
    assert name.camera == "130"
    assert EXPRESSIONS[name.shot.expression] == "squint"
    assert picture_key(name.shot, name.camera) == "108_02_03_130_17"


@pytest.mark.parametrize("text", ["001_01_01_051_07_lm.mat", "001_01_01_051_07.pos"])
def test_landmark_files_are_no_pictures(text):
    name = parse_name(text)
    assert name.shot == Shot(1, 1, 1, 7)
    assert not name.picture


@pytest.mark.parametrize(
    "text",
    [
        "001_01.png",  # highres
        "001_01_01_051_20.bmp",
        "001_05_01_051_07.png",
        "001_01_03_051_07.png",  # session 1 has two recordings
        "001_01_01_051_27.png",
        "001_01_01_05_1_07.png",
        "._001_01_01_051_07.png",  # what macOS leaves beside files
        "001_01_01_051_07.txt",
        "001_01_01_051_07_128.png",
        "standin.json",
    ],
)
def test_other_names_are_none(text):
    assert parse_name(text) is None


def test_cameras_stand_15_degrees_apart_and_raised_ones_are_no_views():
    assert list(CAMERA_YAW.values()) == list(range(-90, 91, 15))
    five = [YAW_CAMERA[view] for view in (-30, -15, 0, 15, 30)]
    assert five == ["130", "140", "051", "050", "041"]
    assert not set(RAISED_CAMERAS) & CAMERA_YAW.keys()
    assert (CAMERA_YAW["110"], CAMERA_YAW["240"]) == (-90, 90)


def test_recordings_and_expressions():
    assert len(RECORDING_EXPRESSION) == 11
    assert set(RECORDING_EXPRESSION.values()) == set(EXPRESSIONS)
    assert RECORDING_EXPRESSION[4, 2] == "neutral"
    assert RECORDING_EXPRESSION[3, 3] == "disgust"
    assert [Shot(1, s, 1, 0).expression for s in (1, 2, 3, 4)] == [0, 0, 0, 0]
