import numpy as np
import pytest

from datamodules.affwild_files import Frames, find_files


def touch(root, *places):
    for place in places:
        path = root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


LABELS = ("annotations/train/valence/105.txt", "annotations/train/arousal/105.txt")


@pytest.mark.parametrize(
    ("video", "labels", "box"),
    [
        ("videos/train/105.mp4", "annotations/train/{}/105.txt", "bboxes/train/105/12.pts"),
        (
            "a/videos/train/train/105.avi",
            "x/annotations/train/train/{}/105.txt",
            "b/bboxs/train/train/105/12.pts",
        ),
        ("videos/train/105.MP4", "annotations/{}/105.txt", "bboxes/105/00012.pts"),
    ],
)
def test_the_first_edition_however_it_is_unpacked(tmp_path, video, labels, box):
    touch(tmp_path, video, labels.format("valence"), labels.format("arousal"), box)
    files = find_files(tmp_path)
    assert list(files.tracks) == ["Aff-Wild"]
    (track,) = files.tracks["Aff-Wild"]
    assert (track.name, track.identity, track.held_back) == ("105", 105, False)
    assert [path.parent.name for path in track.labels] == ["valence", "arousal"]
    assert track.video == tmp_path / video and track.folder == (tmp_path / box).parent
    assert track.lacks("Aff-Wild") == ""
    frames = Frames.of(track.folder, "Aff-Wild")
    assert frames.numbers.tolist() == [12] and frames.names == [box.split("/")[-1]]


def test_what_is_not_there_is_said(tmp_path):
    touch(tmp_path, *LABELS, "annotations/train/valence/106.txt")
    touch(tmp_path, "videos/train/106.mp4", "videos/test/105.mp4", "videos/train/notes.mp4")
    touch(tmp_path, "landmarks/train/105/1.pts")
    files = find_files(tmp_path)
    (track,) = files.tracks["Aff-Wild"]  # of 106 there is no arousal
    assert track.lacks("Aff-Wild") == "video and no folder of boxes"
    assert files.unlabelled == {"videos": 1, "crops": 0}


def test_the_root_may_be_called_test_and_a_mac_may_have_written_it(tmp_path):
    root = tmp_path / "test"
    touch(root, "VA_Set/Train_Set/1-30.txt", "VA_Set/Train_Set/._1-30.txt", "cropped/1-30/1.jpg")
    touch(root, *LABELS, "annotations/train/valence/._105.txt", "videos/train/105.mp4")
    files = find_files(root)
    assert [track.name for track in files.tracks["Aff-Wild2"]] == ["1-30"]
    assert [track.name for track in files.tracks["Aff-Wild"]] == ["105"]


def test_frames_are_in_order_of_their_numbers(tmp_path):
    touch(tmp_path, "10.pts", "9.pts", "0009.pts", "100.pts", "notes.txt", "3.jpg")
    frames = Frames.of(tmp_path, "Aff-Wild")
    assert frames.numbers.tolist() == [9, 10, 100]
    assert frames.names == ["0009.pts", "10.pts", "100.pts"]
    assert np.array_equal(Frames.of(tmp_path, "Aff-Wild2").numbers, [3])


def test_the_second_edition(tmp_path):
    old = tmp_path / "annotations/phoebe/dk15/new_aff_wild"
    touch(old, "VA_Set/Training_Set/v2_left.txt", "VA_Set/Training_Set/105.txt")
    touch(old, "VA_Set/Validation_Set/v9.txt", "EXPR_Set/Training_Set/v7.txt")
    touch(old, "AU_Set/Validation_Set/v9.txt")
    touch(tmp_path, "cropped_aligned/v2_left/00002.jpg", "cropped_aligned/v9/00001.jpg")
    touch(tmp_path, "cropped_aligned/v7/00001.jpg", "batch1/v9.mp4", "batch1/105.mp4")
    files = find_files(tmp_path)
    assert list(files.tracks) == ["Aff-Wild2"]
    found = [(t.name, t.identity, t.video_name, t.held_back) for t in files.tracks["Aff-Wild2"]]
    assert found == [("105", 1, "105", False), ("v2_left", 2, "v2", False), ("v9", 3, "v9", True)]
    lacks = [track.lacks("Aff-Wild2") for track in files.tracks["Aff-Wild2"]]
    assert lacks == ["folder cropped_aligned/105", "", ""]
    assert files.tracks["Aff-Wild2"][1].folder == tmp_path / "cropped_aligned/v2_left"
    assert files.unlabelled["crops"] == 1


def test_both_editions_and_nothing(tmp_path):
    assert find_files(tmp_path).tracks == {}
    touch(tmp_path, *LABELS, "VA_Set/Train_Set/v.txt", "x/standin.json")
    files = find_files(tmp_path)
    assert set(files.tracks) == {"Aff-Wild", "Aff-Wild2"}
    assert files.marker == tmp_path / "x/standin.json"
