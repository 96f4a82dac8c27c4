import numpy as np
import pytest

from datamodules.affwild_clips import Cutter
from datamodules.affwild_files import Track
from datamodules.affwild_splits import SPLITS, split_tracks


def numbers(*ranges):
    return np.concatenate([np.arange(first, last + 1) for first, last in ranges])


def cut(found, **settings):
    return [found[clip].tolist() for clip in Cutter(**settings).cut(found)]


def test_short_gaps_are_skipped_and_long_ones_end_a_clip():
    found = numbers((3, 40), (46, 70), (77, 99), (200, 210))
    clips = cut(found, max_gap=5)
    assert [(clip[0], clip[-1], len(clip)) for clip in clips] == [(3, 70, 63), (77, 99, 23)]
    assert Cutter(max_gap=5).gaps(found) == (1, 2)
    assert [len(clip) for clip in cut(found, max_gap=0)] == [38, 25, 23]
    assert [len(clip) for clip in cut(found, max_gap=200)] == [97]
    assert cut(found, max_gap=0, shortest=30) == [list(range(3, 41))]


def test_a_long_stretch_is_cut_into_nearly_equal_pieces():
    clips = cut(numbers((1, 1000)))
    assert [len(clip) for clip in clips] == [334, 333, 333]
    assert np.concatenate(clips).tolist() == list(range(1, 1001))
    assert [len(clip) for clip in cut(numbers((1, 450)))] == [450]
    assert [len(clip) for clip in cut(numbers((1, 451)))] == [226, 225]
    # Pieces below the shortest there may be, where nothing fits between the two.
    assert cut(numbers((1, 25)), longest=24, shortest=20) == []


def test_every_so_many_frames_of_the_video_not_of_its_boxes():
    found = numbers((1, 30), (34, 100))  # 31 to 33 are lost
    (clip,) = cut(found, every=3, shortest=10)
    assert clip == [*range(1, 31, 3), *range(34, 101, 3)]
    # Four frames are lost, of which two would be kept: a gap is of the video's frames.
    found = numbers((1, 30), (35, 100))
    (clip,) = cut(found, every=3, shortest=10, max_gap=4)
    assert clip == [*range(1, 29, 3), *range(37, 101, 3)]
    assert len(cut(found, every=3, shortest=10, max_gap=3)) == 2
    assert Cutter(every=3, max_gap=4).gaps(found) == (1, 0)
    assert Cutter(every=3, max_gap=3).gaps(found) == (0, 1)


def test_a_few_clips_of_a_video_lie_evenly_in_it():
    found = numbers((1, 200))
    everything = cut(found, longest=20)
    assert len(everything) == 10
    assert cut(found, longest=20, most=1) == [everything[5]]
    assert cut(found, longest=20, most=2) == [everything[2], everything[7]]
    assert cut(found, longest=20, most=10) == everything


def test_nothing_there():
    assert cut(np.array([], np.int64)) == []
    assert Cutter().gaps(np.array([], np.int64)) == (0, 0)
    assert cut(numbers((5, 10))) == []


@pytest.mark.parametrize(
    "arguments",
    [{"shortest": 451}, {"shortest": 0}, {"every": 0}, {"max_gap": -1}, {"most": 0}],
)
def test_wrong_arguments_are_refused(arguments):
    with pytest.raises(ValueError, match=r"shortest must|every must"):
        Cutter(**arguments)


def tracks(*names, held_back=()):
    return [
        Track(name, number, name in held_back, (), None) for number, name in enumerate(names, 1)
    ]


def named(found, splits):
    return {split: {found[k].name for k in places} for split, places in splits.items()}


def test_of_the_first_edition_a_fifth_is_for_tests():
    found = tracks(*(f"{number:03d}" for number in range(105, 357)))
    splits = named(found, split_tracks(found))
    assert {name: len(splits[name]) for name in SPLITS} == {
        "train": 182,
        "val": 20,
        "test": 50,
        "all": 252,
    }
    assert splits["train"] | splits["val"] | splits["test"] == splits["all"]
    assert not splits["train"] & splits["test"] and not splits["val"] & splits["test"]
    half = found[:126]
    kept = named(half, split_tracks(half))
    # A part of a copy moves few videos from one side to the other.
    assert len(kept["test"] & splits["train"]) <= 5
    three = tracks("105", "106", "107")
    assert all(len(named(three, split_tracks(three))[name]) == 1 for name in SPLITS[:3])


def test_people_of_one_video_stay_together():
    names = [f"v{k}{side}" for k in range(30) for side in ("", "_left", "_right")]
    found = tracks(*names)
    splits = named(found, split_tracks(found))
    for name in SPLITS[:3]:
        assert len(splits[name]) == 3 * len({item.split("_")[0] for item in splits[name]})


def test_the_validation_set_is_the_test_split():
    names = [f"v{k}" for k in range(20)]
    held = {"v3", "v7_left", "v9"}
    found = tracks(*names, "v7_left", held_back=held)
    splits = named(found, split_tracks(found))
    assert splits["test"] == held
    # v7 is for training, in a video of which another person is held back.
    assert splits["train"] | splits["val"] == set(names) - {"v3", "v7", "v9"}
    assert len(splits["val"]) == 2 and "v7" in splits["all"]
