"""What a stand-in of traffic knows of its cars, as labels of frames and clips.

Cars come and go, so a clip's objects are the cars that are seen in it, in the order they came in.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Cars", "Sightings", "read_sightings", "write_sightings"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]

_KEYS: Final = ("frame", "car", "visible", "centre", "box", "shape", "colour")


class Sightings(NamedTuple):
    """S sightings of a car in a frame, those alone in which anything of it is seen.

    ``frame``, ``car`` and ``visible`` (S,), ``centre`` (S, 2) and ``box`` (S, 4) in [-1, 1];
    ``shape`` and ``colour`` (M,) of the M cars.
    """

    frame: Ints
    car: Ints
    visible: Floats
    centre: Floats
    box: Floats
    shape: Ints
    colour: Ints


class Cars(NamedTuple):
    """What is true of N objects in F frames and K clips; N is as many as the fullest clip has.

    ``visible`` (F, N), ``centre`` (F, N, 2), ``box`` (F, N, 4); ``shape`` and ``colour`` (K, N), -1
    for none.
    """

    visible: Floats
    centre: Floats
    box: Floats
    shape: Ints
    colour: Ints

    @classmethod
    def of(cls, seen: Sightings, kept: Ints, lengths: Ints) -> Cars:
        """Labels of the frames ``kept`` (F,), rising, which are clips of ``lengths`` (K,)."""
        row = np.searchsorted(kept, seen.frame)
        mine = np.flatnonzero(kept[row.clip(max=len(kept) - 1)] == seen.frame)
        row, car = row[mine], seen.car[mine]
        clip = np.repeat(np.arange(len(lengths)), lengths)[row]
        pairs, which = np.unique(clip * len(seen.shape) + car, return_inverse=True)
        clips, cars = np.divmod(pairs, len(seen.shape))
        slots = np.arange(len(pairs)) - np.searchsorted(clips, clips)
        size = (len(kept), int(slots.max(initial=0)) + 1)
        found = cls(
            np.zeros(size, np.float32),
            np.full((*size, 2), np.nan, np.float32),
            np.full((*size, 4), np.nan, np.float32),
            *(np.full((len(lengths), size[1]), -1, np.int64) for _ in range(2)),
        )
        at = (row, slots[which])
        found.visible[at] = seen.visible[mine]
        found.centre[at] = seen.centre[mine]
        found.box[at] = seen.box[mine]
        found.shape[clips, slots] = seen.shape[cars]
        found.colour[clips, slots] = seen.colour[cars]
        return found


def write_sightings(path: Path, seen: Sightings) -> None:
    """Write a stand-in's side file."""
    np.savez(path, allow_pickle=False, **seen._asdict())


def read_sightings(path: Path) -> Sightings:
    """Read it."""
    with np.load(path) as stored:
        arrays: dict[str, Any] = {key: stored[key] for key in _KEYS}
    return Sightings(**arrays)
