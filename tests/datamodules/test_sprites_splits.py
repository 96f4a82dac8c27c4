import numpy as np
import pytest

from datamodules.sprites_splits import order, split_characters


def test_the_published_characters_in_their_order():
    shuffled = order()
    assert shuffled[:2].tolist() == [1116, 1135] and shuffled[1000] == 884
    assert sorted(shuffled.tolist()) == list(range(1296))
    split = split_characters(None)
    assert {name: len(codes) for name, codes in split.items()} == {
        "train": 900,
        "val": 100,
        "test": 296,
        "all": 1296,
    }
    assert split["test"].tolist() == shuffled[1000:].tolist()
    assert split["all"].tolist() == shuffled.tolist()
    assert set(split["train"]) | set(split["val"]) == set(shuffled[:1000])
    # Train and val keep the published order, each.
    place = {code: k for k, code in enumerate(shuffled.tolist())}
    for name in ("train", "val"):
        assert (np.diff([place[code] for code in split[name].tolist()]) > 0).all()


@pytest.mark.parametrize(("characters", "test"), [(10, 3), (100, 30), (250, 74), (1000, 296)])
def test_fewer_characters_are_the_first_ones_and_as_few_of_the_test(characters, test):
    split, whole = split_characters(characters), order()
    assert len(split["val"]) == characters // 10
    assert set(split["train"]) | set(split["val"]) == set(whole[:characters])
    assert split["test"].tolist() == whole[1000 : 1000 + test].tolist()
    assert len(split["all"]) == characters + test


def test_hardly_anybody_changes_between_train_and_val():
    few, more = split_characters(200), split_characters(400)
    assert len(set(few["val"]) - set(more["val"])) <= 6


@pytest.mark.parametrize("characters", [0, 9, 1001])
def test_numbers_out_of_range_are_refused(characters):
    with pytest.raises(ValueError, match=f"characters must be 10 to 1,000.*got {characters}"):
        split_characters(characters)
