from datamodules.mug_files import PEOPLE
from datamodules.mug_splits import TRAIN_PEOPLE, split_people


def disjoint(split):
    return sum(len(split[name]) for name in ("train", "val", "test")) == len(split["all"])


def test_the_published_halves():
    split = split_people(PEOPLE, published=True)
    assert len(TRAIN_PEOPLE) == len(split["test"]) == 26
    assert split["train"] | split["val"] == set(TRAIN_PEOPLE)
    assert split["test"] == set(PEOPLE) - set(TRAIN_PEOPLE)
    assert {8, 84} <= set(TRAIN_PEOPLE) and {1, 82} <= split["test"]
    assert len(split["val"]) == 3 and disjoint(split)


def test_everybody_by_hash():
    split = split_people(PEOPLE, published=False)
    assert {name: len(who) for name, who in split.items()} == {
        "train": 23,
        "val": 3,
        "test": 26,
        "all": 52,
    }
    assert disjoint(split)
    assert split == split_people(PEOPLE[::-1], published=False)
    assert split["test"] != split_people(PEOPLE, published=True)["test"]


def test_people_beyond_the_list_and_small_copies():
    split = split_people([1, 8, 3, 5], published=True)
    assert 1 in split["test"] and 8 in split["train"]
    assert len(split["test"] & {3, 5}) == 1 and disjoint(split)
    assert split["val"] == set()
    five = split_people([8, 17, 21, 28, 30], published=True)
    assert len(five["val"]) == 1 and five["test"] == set()
