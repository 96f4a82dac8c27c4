import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamodules.celeba_lists import read_names
from datamodules.celeba_splits import build_splits, hash_order
from datamodules.errors import DataError


def number(k):
    return f"{k:06d}"


@st.composite
def copies(draw):
    total = draw(st.integers(40, 200))
    parts = draw(st.lists(st.sampled_from([0, 0, 0, 1, 2]), min_size=total, max_size=total))
    order = draw(st.permutations(range(total)))
    partition = {number(k): part for k, part in enumerate(parts)}
    return partition, [number(k) for k in order[:10]], [number(k) for k in order[10:15]]


@given(copies(), st.integers(0, 20), st.one_of(st.none(), st.integers(1, 30)))
def test_splits_share_no_picture(copy, val_size, limit):
    partition, train, test = copy
    splits = build_splits(partition, train, test, val_size=val_size, limit_unsupervised=limit)
    members = [name for names in splits.values() for name in names]
    assert len(members) == len(set(members))
    assert splits["train"] == train
    assert splits["test"] == test
    assert len(splits["val"]) <= val_size
    assert all(partition[name] == 0 for name in splits["unsupervised"])
    if limit is not None:
        assert len(splits["unsupervised"]) <= limit


def test_validation_comes_from_the_test_partition_where_there_is_one():
    partition = {number(k): 0 if k < 30 else 2 for k in range(40)}
    splits = build_splits(partition, [number(31)], [number(0)], val_size=4)
    assert splits["val"] == [number(30), number(32), number(33), number(34)]
    assert len(splits["unsupervised"]) == 29


def test_otherwise_it_is_held_out_by_hash():
    partition = {number(k): 0 for k in range(300)}
    splits = build_splits(partition, [], [number(0)])
    assert len(splits["val"]) == 14  # a twentieth of 299
    assert len(splits["unsupervised"]) == 285
    none = build_splits(partition, [], [number(0)], val_size=0)
    assert none["val"] == []
    assert len(none["unsupervised"]) == 299


def test_a_smaller_limit_is_part_of_a_larger_one():
    partition = {number(k): 0 for k in range(300)}
    kept = [
        set(build_splits(partition, [], [], limit_unsupervised=n)["unsupervised"])
        for n in (10, 100)
    ]
    assert len(kept[0]) == 10
    assert kept[0] < kept[1]
    assert kept[0] != set(sorted(kept[1])[:10])
    # Pinned: another order would change which pictures a limited run sees.
    assert hash_order([number(k) for k in range(1, 6)], "val")[2:] == ["000005", "000003", "000004"]


def test_lists_that_overlap_are_refused():
    partition = {number(k): 0 for k in range(9)}
    with pytest.raises(DataError, match=r"1 pictures are in MAFL's training list.*000003"):
        build_splits(partition, [number(3)], [number(3)])


def test_nothing_left_is_an_error():
    with pytest.raises(DataError, match="no picture is left"):
        build_splits({number(1): 1}, [], [])


def test_the_official_lists():
    """146,501 / 19,000 / 1,000 by names alone, and MAFL never among them."""
    folder = os.environ.get("WHATWHERE_REAL_DATA")
    if not folder:
        pytest.skip("WHATWHERE_REAL_DATA is not set: the MAFL lists are not at hand")
    train = read_names(Path(folder) / "mafl" / "training.txt")
    test = read_names(Path(folder) / "mafl" / "testing.txt")
    assert (train[0], test[0]) == ("142977", "051636")
    # CelebA's partitions are contiguous.
    partition = {number(k): (k > 162_770) + (k > 182_637) for k in range(1, 202_600)}
    splits = build_splits(partition, train, test)
    assert {split: len(names) for split, names in splits.items()} == {
        "unsupervised": 146_501,
        "val": 2_000,
        "train": 19_000,
        "test": 1_000,
    }
    assert not set(splits["unsupervised"]) & (set(train) | set(test))
    assert not set(splits["val"]) & (set(train) | set(test))
    assert splits["unsupervised"][-1] <= "162770" < "182638" <= splits["val"][0]
    assert sum(partition[name] == 0 for name in test) == 808  # these would leak
    assert len(build_splits(partition, train, test, val_size=0)["unsupervised"]) == 146_501
