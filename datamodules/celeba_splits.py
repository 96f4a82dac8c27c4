"""Which CelebA picture belongs to which split, by the official name lists alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from datamodules.errors import DataError

SPLITS: Final = ("unsupervised", "val", "train", "test")
TRAIN_PARTITION: Final = 0
TEST_PARTITION: Final = 2
HELD_OUT_SHARE: Final = 0.05


def hash_order(numbers: Iterable[str], salt: str) -> list[str]:
    """Pictures in a random order that depends on their numbers and ``salt`` alone."""
    return sorted(numbers, key=lambda number: hashlib.sha256(f"{salt}/{number}".encode()).digest())


def build_splits(
    partition: Mapping[str, int],
    mafl_train: Sequence[str],
    mafl_test: Sequence[str],
    *,
    val_size: int = 2000,
    limit_unsupervised: int | None = None,
) -> dict[str, list[str]]:
    """Numbers of the pictures of every split.

    ``train`` and ``test`` are the MAFL lists in their order. ``unsupervised`` is CelebA's training
    partition without any MAFL picture: 146,501 with the official lists. ``val`` follows the
    released code of Deep Latent Particles: the first ``val_size`` pictures of CelebA's test
    partition that are not in MAFL. A copy without such pictures (a miniature) has ``val`` taken out
    of ``unsupervised`` instead, chosen by a hash of their names, at most a twentieth of them.

    Args:
        partition: number of a picture -> 0 training, 1 validation, 2 test.
        mafl_train: MAFL's training list.
        mafl_test: MAFL's test list.
        val_size: pictures of ``val``, at most; 0 for none.
        limit_unsupervised: keep no more than so many of ``unsupervised``, chosen by hash.

    Raises:
        DataError: the MAFL lists overlap, or nothing is left for unsupervised training.
    """
    both = set(mafl_train) & set(mafl_test)
    if both:
        raise DataError(
            f"{len(both)} pictures are in MAFL's training list and in its test list, "
            f"{min(both)} the first: take MAFL/training.txt and MAFL/testing.txt again"
        )
    mafl = {*mafl_train, *mafl_test}
    unsupervised = sorted(
        number
        for number, part in partition.items()
        if part == TRAIN_PARTITION and number not in mafl
    )
    val = sorted(
        number
        for number, part in partition.items()
        if part == TEST_PARTITION and number not in mafl
    )[:val_size]
    if not val:
        held_out = min(val_size, int(len(unsupervised) * HELD_OUT_SHARE))
        val = sorted(hash_order(unsupervised, "val")[:held_out])
        unsupervised = sorted(set(unsupervised) - set(val))
    if limit_unsupervised is not None:
        unsupervised = sorted(hash_order(unsupervised, "limit")[:limit_unsupervised])
    if not unsupervised:
        raise DataError(
            "no picture is left for unsupervised training: the partition list has none with 0 "
            "outside the MAFL lists, or limit_unsupervised is 0"
        )
    return {
        "unsupervised": unsupervised,
        "val": val,
        "train": list(mafl_train),
        "test": list(mafl_test),
    }
