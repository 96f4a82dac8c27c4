"""Which Multi-PIE picture belongs to which split: by identity, then by hash, evenly over people."""

from __future__ import annotations

import hashlib
import logging
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final

from datamodules.errors import DataError
from datamodules.multipie_names import YAW_CAMERA, Shot, picture_key

log = logging.getLogger(__name__)

SPLITS: Final = ("train", "val", "test")
VAL_PEOPLE: Final = 20
VAL_SHARE: Final = 5
"""A small copy gives no more than every fifth of its training identities to ``val``."""

Key = tuple[Shot, str]
"""A picture: its shot and its camera."""


@dataclass(frozen=True)
class Selection:
    """What of a copy is used.

    Args:
        train_views: degrees of the views of ``train`` and ``val``.
        train_size: pictures of ``train``, at most.
        val_size: pictures of ``val``, at most; 0 gives its identities to ``train``.
        views: degrees of the views of ``test``.
        test_per_view: pictures of ``test`` in each of them, at most.
        test_from: the first identity of ``test``.
        illuminations: the lights used, 0 to 19.
    """

    train_views: tuple[int, ...]
    train_size: int
    val_size: int
    views: tuple[int, ...]
    test_per_view: int
    test_from: int
    illuminations: tuple[int, ...]

    def recipe(self) -> dict[str, Any]:
        """As JSON-able settings."""
        return {key: list(v) if isinstance(v, tuple) else v for key, v in vars(self).items()}


def spread(keys: Iterable[Key], salt: str) -> list[Key]:
    """Pictures in a random order in which everybody comes once before anybody comes again.

    The order depends on the pictures' names and ``salt`` alone, so a part of it is as even over
    identities as it can be.
    """
    people: dict[int, list[tuple[bytes, Key]]] = defaultdict(list)
    for shot, camera in keys:
        digest = hashlib.sha256(f"{salt}/{picture_key(shot, camera)}".encode()).digest()
        people[shot.subject].append((digest, (shot, camera)))
    turns = [
        (turn, digest, key)
        for own in people.values()
        for turn, (digest, key) in enumerate(sorted(own))
    ]
    return [key for _, _, key in sorted(turns)]


def split_people(subjects: Collection[int], selection: Selection) -> dict[str, set[int]]:
    """Identities of every split; no two splits share one.

    ``test`` has those from ``test_from`` on, ``val`` the last twenty of the others (no more than a
    fifth of them), ``train`` the rest.
    """
    learned = sorted(subject for subject in subjects if subject < selection.test_from)
    most = min(max(1, len(learned) // VAL_SHARE), max(0, len(learned) - 1))
    held_out = min(VAL_PEOPLE, most) if selection.val_size else 0
    first = len(learned) - held_out
    return {
        "train": set(learned[:first]),
        "val": set(learned[first:]),
        "test": {subject for subject in subjects if subject >= selection.test_from},
    }


def build_splits(keys: Collection[Key], selection: Selection) -> dict[str, list[Key]]:
    """Pictures of every split.

    ``test`` goes view by view, in the order asked for, and takes the same shots in every view as
    far as the copy has them in all; then others of the same identities. Row k of one view and row
    k of the next are then the same shot. Where there are fewer pictures than asked for, a warning
    says how many.

    Args:
        keys: all pictures of the copy.
        selection: what is asked for.

    Raises:
        DataError: there is no picture for ``train``, or for a view of ``test``.
    """
    lit = [key for key in keys if key[0].light in selection.illuminations]
    people = split_people({shot.subject for shot, _ in lit}, selection)
    cameras = {YAW_CAMERA[view] for view in selection.train_views}
    asked = {"train": selection.train_size, "val": selection.val_size}
    splits: dict[str, list[Key]] = {}
    for split, size in asked.items():
        found = [key for key in lit if key[0].subject in people[split] and key[1] in cameras]
        splits[split] = spread(found, split)[:size]
        if split == "train" and not found:
            raise DataError(
                f"no picture for training: the copy has {len(lit):,} in these lights, but none "
                f"of views {list(selection.train_views)} of identities below "
                f"{selection.test_from}. Choose other train_views or another test_from."
            )
        _tell(f"'{split}'", len(splits[split]), size, len(people[split]))
    splits["test"] = _test(lit, people["test"], selection)
    return splits


def _test(lit: Collection[Key], people: set[int], selection: Selection) -> list[Key]:
    shots = {
        view: {
            shot for shot, camera in lit if camera == YAW_CAMERA[view] and shot.subject in people
        }
        for view in selection.views
    }
    empty = [view for view, own in shots.items() if not own]
    if empty:
        raise DataError(
            f"no picture of test views {empty} (cameras "
            f"{', '.join(YAW_CAMERA[view] for view in empty)}) of identities from "
            f"{selection.test_from} on. Complete the copy, or choose other views or another "
            "test_from."
        )
    size = selection.test_per_view
    everywhere = _in_order(set.intersection(*shots.values()))[:size]
    chosen: list[Key] = []
    for view, own in shots.items():
        taken = (everywhere + _in_order(own - set(everywhere)))[:size]
        _tell(f"'test', view {view}", len(taken), size, len(people))
        chosen += [(shot, YAW_CAMERA[view]) for shot in taken]
    return chosen


def _in_order(shots: Iterable[Shot]) -> list[Shot]:
    # Of no camera: what comes first must not depend on the view.
    return [shot for shot, _ in spread(((shot, "") for shot in shots), "test")]


def _tell(what: str, found: int, asked: int, people: int) -> None:
    if found < asked:
        log.warning(
            "multipie %s: %d pictures of %d asked for; the copy has no more (%d identities)",
            what,
            found,
            asked,
            people,
        )
