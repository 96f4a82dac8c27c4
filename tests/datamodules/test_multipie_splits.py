from collections import Counter
from itertools import product

import pytest

from datamodules.errors import DataError
from datamodules.multipie_names import CAMERA_YAW, YAW_CAMERA, Shot
from datamodules.multipie_splits import Selection, build_splits, split_people, spread

VIEWS = (-30, -15, 0, 15, 30)


def selection(**changes):
    settings = {
        "train_views": (0,),
        "train_size": 30,
        "val_size": 10,
        "views": VIEWS,
        "test_per_view": 24,
        "test_from": 201,
        "illuminations": tuple(range(19)),
    }
    return Selection(**settings | changes)


def copy(subjects=(*range(1, 12), *range(201, 213)), lights=range(20), views=VIEWS):
    shots = [Shot(s, 1, r, light) for s, r, light in product(subjects, (1, 2), lights)]
    return [(shot, YAW_CAMERA[view]) for shot in shots for view in views]


def views_of(keys):
    return Counter(CAMERA_YAW[camera] for _, camera in keys)


def test_identities_are_disjoint():
    splits = build_splits(copy(), selection())
    people = {split: {shot.subject for shot, _ in keys} for split, keys in splits.items()}
    assert people["train"] == set(range(1, 10))
    assert people["val"] == {10, 11}  # the last fifth
    assert people["test"] == set(range(201, 213))


def test_twenty_identities_of_a_whole_copy_are_held_out():
    people = split_people(range(1, 347), selection())
    assert (people["train"], people["val"]) == (set(range(1, 181)), set(range(181, 201)))
    assert len(people["test"]) == 146
    assert split_people(range(1, 347), selection(val_size=0))["train"] == set(range(1, 201))
    assert split_people([7, 300], selection()) == {"train": {7}, "val": set(), "test": {300}}


def test_test_shots_are_the_same_in_every_view_and_even_over_people():
    test = build_splits(copy(), selection())["test"]
    assert views_of(test) == dict.fromkeys(VIEWS, 24)
    shots = [[shot for shot, _ in test[24 * k : 24 * (k + 1)]] for k in range(5)]
    assert all(own == shots[0] for own in shots)
    assert set(Counter(shot.subject for shot in shots[0]).values()) == {2}
    assert len(set(shots[0])) == 24


def test_shots_that_a_view_lacks_are_replaced_there():
    keys = [key for key in copy() if not (key[1] == "130" and key[0].light % 2)]
    test = build_splits(keys, selection(test_per_view=300))["test"]
    # Ten even lights of two recordings of twelve people in all views, then others.
    assert views_of(test) == {-30: 240} | dict.fromkeys(VIEWS[1:], 300)
    by_view = {v: {shot for shot, camera in test if CAMERA_YAW[camera] == v} for v in VIEWS}
    assert all(by_view[-30] < by_view[view] for view in VIEWS[1:])


def test_the_choice_hangs_on_names_alone():
    keys = copy()
    once = build_splits(keys, selection())
    assert build_splits(keys[::-1], selection()) == once
    longer = build_splits(keys, selection(train_size=60))["train"]
    assert longer[:30] == once["train"]
    assert once["train"] != sorted(once["train"])
    assert set(Counter(shot.subject for shot, _ in once["train"]).values()) == {3, 4}
    assert spread(keys, "a") != spread(keys, "b")


def test_lights_and_views_are_chosen():
    splits = build_splits(copy(), selection())
    assert 19 not in {shot.light for keys in splits.values() for shot, _ in keys}
    assert views_of(splits["train"]) == {0: 30}
    splits = build_splits(copy(), selection(illuminations=(7, 19), train_views=(0, 30)))
    assert {shot.light for keys in splits.values() for shot, _ in keys} == {7, 19}
    assert set(views_of(splits["train"])) == {0, 30}


def test_fewer_pictures_than_asked_for_are_told(caplog):
    splits = build_splits(copy(), selection(train_size=1000, test_per_view=500))
    assert (len(splits["train"]), len(splits["test"])) == (9 * 2 * 19, 5 * 12 * 2 * 19)
    assert "'train': 342 pictures of 1000 asked for" in caplog.text
    assert "'test', view -30: 456 pictures of 500 asked for" in caplog.text
    assert "(12 identities)" in caplog.text


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (copy(views=(-15, 0, 15)), r"no picture of test views \[-30, 30\] \(cameras 130, 041\)"),
        (copy(subjects=range(1, 20)), r"test views \[-30, -15, 0, 15, 30\].*from 201 on"),
        (copy(subjects=range(201, 220)), "no picture for training.*identities below 201"),
        (copy(lights=[19]), "no picture for training: the copy has 0 in these lights"),
    ],
)
def test_a_split_without_pictures_is_an_error(keys, message):
    with pytest.raises(DataError, match=message):
        build_splits(keys, selection())
