"""Faces cut out of the videos of Aff-Wild, each by the box of its frame; or read as crops."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from datamodules.affwild_files import Frames
from datamodules.affwild_tracks import Shown, tell_lengths
from datamodules.coordinates import Box
from datamodules.errors import DataError
from datamodules.face_align import box_map, warp
from datamodules.images import decode
from datamodules.pts import read_points
from datamodules.video import decode_video, upright

Ints = NDArray[np.int64]
Rows = Iterator[tuple[int, NDArray[np.uint8]]]
CORNERS: Final = 4
LeaveOut = Callable[[int, str], None]
"""Is told the row of a frame that has no crop, and why."""
Bad = Callable[[Path, str], None]
"""Is told of a damaged file, and why; may raise to stop."""


@dataclass(frozen=True)
class VideoCrops:
    """The faces of one video.

    Args:
        video: the file.
        boxes: all that there are.
        picks: (n,) places in ``boxes`` of the frames to show, rising.
        size: side of the crops, pixels.
        first: row of the first one; the others follow.
    """

    video: Path
    boxes: Frames
    picks: Ints
    size: int
    first: int = 0

    def read(self, leave_out: LeaveOut) -> Generator[tuple[int, NDArray[np.uint8]], None, int]:
        """Crops as (row, pixels (size, size, 3)), in order of time.

        The square about a box has its centre and its longer side; beyond the picture it is black.

        Args:
            leave_out: is told of each frame that has no crop.

        Returns:
            How many frames the video has.

        Raises:
            DataError: the video is missing or no video.
        """
        waiting: dict[int, tuple[int, NDArray[np.float64]]] = {}
        for row, pick in enumerate(self.picks.tolist(), self.first):
            try:
                box = read_box(self.boxes.folder / self.boxes.names[pick])
            except DataError as error:
                leave_out(row, str(error))
            else:
                # Boxes count frames from 1.
                waiting[int(self.boxes.numbers[pick]) - 1] = row, box_map(box, self.size)
        count = 0

        def damaged(number: int, reason: str) -> None:
            nonlocal count
            count = number + 1
            if number in waiting:
                leave_out(waiting.pop(number)[0], reason)

        for number, frame in decode_video(self.video, bad=damaged):
            count = number + 1
            if number in waiting:
                row, matrix = waiting.pop(number)
                crop = warp(Image.fromarray(upright(frame)), matrix, self.size)
                if isinstance(crop, str):
                    leave_out(row, crop)
                else:
                    yield row, crop
        for row, _ in waiting.values():
            leave_out(row, f"the video ends after {count:,} frames")
        return count


def read_box(path: Path) -> Box:
    """The box of a face, from its four corners.

    Raises:
        DataError: the file does not hold four points that enclose something.
    """
    points = read_points(path, CORNERS)
    (left, top), (right, bottom) = points.min(axis=0) + 0.5, points.max(axis=0) + 0.5
    if right - left < 2 or bottom - top < 2:
        raise DataError(f"{path} holds the corners of no box. Unpack the boxes again.")
    return Box(left, top, right, bottom)


def from_videos(shown: Sequence[Shown], size: int, bad: Bad, skipped: list[str]) -> Rows:
    """The frames of all tracks of Aff-Wild, video by video, as (row, crop) in order.

    Args:
        shown: what to show of each track.
        size: side of the crops, pixels.
        bad: is told of each damaged video once, with the first of its frames that is lost.
        skipped: gets an entry for each damaged video.
    """
    counts = []
    for item, (first, last) in zip(shown, pairwise(_ends(shown)), strict=True):
        track, frames = item.of.track, item.of.frames
        assert track.video is not None
        lost: dict[int, str] = {}
        crops = VideoCrops(track.video, frames, item.picks, size, first)
        try:
            counts.append((item.of, (yield from crops.read(lost.__setitem__))))
        except DataError as error:
            lost = dict.fromkeys(range(first, last), str(error))
        if lost:
            row = min(lost)
            amount = f"{len(lost):,} of {last - first:,} frames"
            skipped.append(f"{track.name} ({amount})")
            bad(
                track.video,
                f"{amount}, from {frames.numbers[item.picks[row - first]]} on: {lost[row]}",
            )
    tell_lengths(counts)


def from_crops(shown: Sequence[Shown], size: int, bad: Bad, skipped: list[str]) -> Rows:
    """The frames of all tracks of Aff-Wild2, as (row, crop) in order.

    Args:
        shown: what to show of each track.
        size: side of the crops, pixels; they are resized, and squashed where they are no squares.
        bad: is told of each crop that does not decode.
        skipped: gets its name.
    """

    def resized(image: Image.Image) -> NDArray[np.uint8]:
        return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR))

    for item, first in zip(shown, _ends(shown), strict=False):
        frames = item.of.frames
        paths = [frames.folder / frames.names[pick] for pick in item.picks.tolist()]

        def tell(place: int, reason: str, paths: list[Path] = paths) -> None:
            skipped.append(f"{paths[place].parent.name}/{paths[place].name}")
            bad(paths[place], reason)

        for place, crop in decode(paths, None, resized, tell):
            yield first + place, crop


def _ends(shown: Sequence[Shown]) -> list[int]:
    """Row of each track's first frame, and the number of rows."""
    return list(accumulate((len(item.picks) for item in shown), initial=0))
