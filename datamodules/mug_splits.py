"""Who belongs to which split of MUG, which has no official ones.

The halves of the 52 persons are those of LFDM's released code (Ni et al., "Conditional
image-to-video generation with latent flow diffusion models", CVPR 2023).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from typing import Final

from datamodules.copies import held_out
from datamodules.mug_files import PEOPLE

SPLITS: Final = ("train", "val", "test", "all")
TRAIN_PEOPLE: Final = (
    *(8, 17, 21, 28, 30, 31, 34, 36, 37, 38, 39, 42, 43, 44, 45, 55, 60, 61, 62, 63, 71, 75, 76),
    *(77, 83, 84),
)
VAL_PEOPLE: Final = 3
VAL_SHARE: Final = 0.2


def split_people(people: Collection[int], *, published: bool) -> dict[str, set[int]]:
    """Persons of ``train``, ``val`` and ``test``; nobody is in two, and "all" has everybody.

    differs from LFDM: three of its 26 training persons are ``val`` (no more than a fifth).

    Args:
        people: numbers of all persons.
        published: whether those of the 52 keep their published half; all others, and everybody
            where this is False, are divided by a hash of their numbers.
    """
    listed = {who for who in people if published and who in PEOPLE}
    order = _hash_order(set(people) - listed)
    test = {who for who in listed if who not in TRAIN_PEOPLE} | set(order[: len(order) // 2])
    learned = sorted(set(people) - test)
    val = {int(name) for name in held_out([f"{who:03d}" for who in learned], VAL_PEOPLE, VAL_SHARE)}
    return {"train": set(learned) - val, "val": val, "test": test, "all": set(people)}


def _hash_order(people: Iterable[int]) -> list[int]:
    return sorted(people, key=lambda who: hashlib.sha256(f"mug/{who}".encode()).digest())
