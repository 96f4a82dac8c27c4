"""Who belongs to which split of Sprites: Li and Mandt's 1000 and 296 characters, in their order."""

from __future__ import annotations

from typing import Final

import numpy as np

from datamodules.copies import held_out
from datamodules.sprites_sheets import CHARACTERS, Ints

SPLITS: Final = ("train", "val", "test", "all")
SEED: Final = 423
TRAIN: Final = 1000
TEST: Final = CHARACTERS - TRAIN
FEWEST: Final = 10
VAL: Final = 100
VAL_SHARE: Final = 0.1


def order() -> Ints:
    """All characters, shuffled as the generator's ``frame_to_npy.py`` does; 1000 are training's."""
    shuffled: Ints = np.random.RandomState(SEED).permutation(CHARACTERS).astype(np.int64)
    return shuffled


def split_characters(characters: int | None) -> dict[str, Ints]:
    """Characters of ``train``, ``val`` and ``test``, in order; "all" has them one after the other.

    differs from Li and Mandt: a tenth of their training characters is ``val``, by a hash.

    Args:
        characters: so many of their training characters, the first ones, and in proportion of the
            test's; None for everybody.

    Raises:
        ValueError: there are not so many, or too few for three splits.
    """
    if characters is not None and not FEWEST <= characters <= TRAIN:
        raise ValueError(
            f"characters must be {FEWEST} to {TRAIN:,}, or None for all, got {characters}"
        )
    count = characters or TRAIN
    shuffled = order()
    learned, test = shuffled[:count], shuffled[TRAIN:][: -(-count * TEST // TRAIN)]
    names = [f"{code:04d}" for code in learned]
    chosen = held_out(names, VAL, VAL_SHARE)
    in_val = np.array([name in chosen for name in names])
    return {
        "train": learned[~in_val],
        "val": learned[in_val],
        "test": test,
        "all": np.concatenate([learned, test]),
    }
