"""Which videos of Aff-Wild are for training, validation and tests.

Nobody is told who is in a video. Splits are of whole videos, with both people of a video that has
two; somebody who is in several videos, as in some of the genuine ones, may be in several splits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final

from datamodules.affwild_files import Track

SPLITS: Final = ("train", "val", "test", "all")
TEST_SHARE: Final = 0.2
VAL_SHARE: Final = 0.1
FEWEST: Final = 3
"""Videos that make three splits."""


def split_tracks(tracks: Sequence[Track]) -> dict[str, list[int]]:
    """The tracks of every split, by their place.

    Where an edition holds videos back (Aff-Wild2's validation set), they are ``test``. Else
    (of Aff-Wild users have the labels of the training videos alone) a fifth is, by a hash of the
    videos' names. A tenth of the others is ``val``. Training people whose video is held back for
    another's sake are in ``all`` alone.
    """
    held_back = {track.video_name for track in tracks if track.held_back}
    others = {track.video_name for track in tracks} - held_back
    test = held_back or _first(others, TEST_SHARE, "test")
    val = _first(others - test, VAL_SHARE, "val")
    places: dict[str, list[int]] = {split: [] for split in SPLITS}
    for place, track in enumerate(tracks):
        places["all"].append(place)
        if track.video_name in val:
            places["val"].append(place)
        elif track.video_name not in test:
            places["train"].append(place)
        elif track.held_back or not held_back:
            places["test"].append(place)
    return places


def _first(videos: Iterable[str], share: float, salt: str) -> set[str]:
    """The first of the videos in an order by hash; a longer list keeps most of them."""
    order = sorted(
        videos, key=lambda name: hashlib.sha256(f"affwild/{salt}/{name}".encode()).digest()
    )
    return set(order[: max(1, round(share * len(order)))])
