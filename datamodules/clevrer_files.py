"""A user's CLEVRER (Yi et al. 2020): where its videos and annotations lie, and what these say.

Trees differ by who unpacked the archives, so a file is known by the five digits in its name, and
its split by the range of its number: 0 to 9999 train, to 14999 validation, to 19999 test. Test
videos come without annotations.
"""

from __future__ import annotations

import json
import logging
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from datamodules.copies import STANDIN_MARKER
from datamodules.errors import DataError
from datamodules.walking import walk

log = logging.getLogger(__name__)

SHAPES: Final = ("cube", "sphere", "cylinder")
MATERIALS: Final = ("metal", "rubber")
COLOURS: Final = ("gray", "red", "blue", "green", "brown", "cyan", "purple", "yellow")
SPLITS: Final = ("train", "val", "test")
FIRST: Final = {"train": 0, "val": 10_000, "test": 15_000}
LAST: Final = 20_000
FRAMES: Final = 128
MOST: Final = 6
"""Objects of a video."""
BROKEN: Final = {10_800: "its annotation is known to be broken"}
TRUTH: Final = "standin_truth.npz"
"""What a stand-in knows beyond the genuine annotations."""

_NAME = re.compile(r"^(video|annotation)_(\d{5})\.(mp4|json)$")


@dataclass(frozen=True)
class CLEVRERFiles:
    """Videos and annotations by number, in its order; ``marker`` of a stand-in."""

    videos: dict[int, Path] = field(default_factory=dict)
    annotations: dict[int, Path] = field(default_factory=dict)
    marker: Path | None = None

    def numbers(self, split: str) -> list[int]:
        """Videos of a split."""
        ends = [*FIRST.values(), LAST]
        low, high = FIRST[split], ends[SPLITS.index(split) + 1]
        return [number for number in self.videos if low <= number < high]


class Objects(NamedTuple):
    """What is known of the N objects of a video of T frames; of absent ones -1, NaN and 0.

    ``shape``, ``material`` and ``colour`` (N,) int64; ``position`` (T, N, 3) float32, in the
    world's units, NaN where it is out of the camera's view; ``visible`` (T, N) float32, the share
    that is seen, of genuine videos 0 out of view and NaN within it, for nobody says; ``collided``
    (T, N) uint8, whether it has hit another by then; ``centre`` (T, N, 2) and ``box`` (T, N, 4)
    float32 in [-1, 1], of the stand-in alone.
    """

    shape: NDArray[np.int64]
    material: NDArray[np.int64]
    colour: NDArray[np.int64]
    position: NDArray[np.float32]
    visible: NDArray[np.float32]
    collided: NDArray[np.uint8]
    centre: NDArray[np.float32]
    box: NDArray[np.float32]


def find_files(root: Path) -> CLEVRERFiles:
    """Everything of CLEVRER below ``root``, whatever the folders are called.

    Raises:
        DataError: a video or annotation is there twice.
    """
    found: dict[str, dict[int, Path]] = {"video": {}, "annotation": {}}
    paths = sorted(Path(place) / name for place, _, names in walk(root) for name in names)
    for path in paths:
        named = _NAME.match(path.name)
        if named is None or "__MACOSX" in path.parts or path.name.startswith("._"):
            continue
        files, number = found[named[1]], int(named[2])
        if number in files:
            raise DataError(
                f"{files[number]} and {path} are the same {named[1]} twice: remove one copy"
            )
        files[number] = path
    marker = next((path for path in paths if path.name == STANDIN_MARKER), None)
    videos, annotations = (dict(sorted(files.items())) for files in found.values())
    return CLEVRERFiles(videos, annotations, marker)


def unknown(frames: int = FRAMES) -> Objects:
    """Of a video without annotation: nothing."""
    nothing = np.full(MOST, -1, np.int64)
    return Objects(
        nothing,
        nothing.copy(),
        nothing.copy(),
        np.full((frames, MOST, 3), np.nan, np.float32),
        np.full((frames, MOST), np.nan, np.float32),
        np.zeros((frames, MOST), np.uint8),
        np.full((frames, MOST, 2), np.nan, np.float32),
        np.full((frames, MOST, 4), np.nan, np.float32),
    )


def read_annotation(path: Path) -> Objects:
    """What an annotation says; where the objects are in the picture it does not.

    Raises:
        DataError: it is not what CLEVRER's are; names the file and what is wrong.
    """
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return _objects(said)
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise DataError(
            f"{path} is no annotation of CLEVRER ({type(error).__name__}: {error}); unpack it "
            "again, or remove it"
        ) from error


def _objects(said: dict[str, Any]) -> Objects:
    found = unknown()
    places = {}
    for place, thing in enumerate(said["object_property"]):
        if place >= MOST:
            raise ValueError(f"there are {len(said['object_property'])} objects, {MOST} at most")
        places[thing["object_id"]] = place
        found.shape[place] = _number(SHAPES, thing["shape"])
        found.material[place] = _number(MATERIALS, thing["material"])
        found.colour[place] = _number(COLOURS, thing["color"])
    found.visible[:] = 0
    for step in said["motion_trajectory"]:
        frame = step["frame_id"]
        for thing in step["objects"]:
            if thing["inside_camera_view"]:
                found.position[frame, places[thing["object_id"]]] = thing["location"]
                found.visible[frame, places[thing["object_id"]]] = np.nan
    for hit in said["collision"]:
        for identity in hit["object_ids"]:
            found.collided[hit["frame_id"] :, places[identity]] = 1
    return found


def _number(words: tuple[str, ...], word: str) -> int:
    if word not in words:
        raise ValueError(f"'{word}' is none of {', '.join(words)}")
    return words.index(word)


class Truth:
    """What a stand-in's side file says of its videos."""

    def __init__(self, path: Path) -> None:
        with np.load(path) as stored:
            arrays = {key: stored[key] for key in stored.files}
        self.row = {int(number): row for row, number in enumerate(arrays["number"])}
        self.arrays = arrays

    def of(self, number: int, said: Objects) -> Objects:
        """What an annotation says, with what only the renderer knows."""
        row = self.row[number]
        return said._replace(**{key: self.arrays[key][row] for key in ("visible", "centre", "box")})
