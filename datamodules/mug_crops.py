"""Where the face is in a MUG take: one crop a take, so that the motion of the head stays in it.

A crop a frame would take that motion out and put the detector's jitter in. The crop comes from
what is best known: points or a box that the user supplies, a face detector (dlib, optional), or
the middle of the picture.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from datamodules.coordinates import Box
from datamodules.errors import DataError
from datamodules.face_align import Anchors, alignment, box_map
from datamodules.face_finder import FaceFinder, installed
from datamodules.images import read_rgb
from datamodules.mug_files import Take
from datamodules.pts import read_points

Crop = Literal["auto", "detector", "centre"]
Way = Literal["landmarks", "box", "detector", "centre"]
COLUMNS: Final = ("take", "left", "top", "right", "bottom")


def read_boxes(path: Path) -> dict[str, Box]:
    """Boxes of takes, by the takes' names.

    Args:
        path: a CSV file with the columns take, left, top, right and bottom, in pixels from the
            picture's corner; a take is named like 001/anger/take000 or
            002/session1/fear/take000, however the copy is unpacked.

    Raises:
        DataError: columns are missing, or a row is no box.
    """
    boxes: dict[str, Box] = {}
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        reader = csv.DictReader(file, skipinitialspace=True)
        if not set(COLUMNS) <= set(reader.fieldnames or ()):
            raise DataError(f"{path} has not the columns {','.join(COLUMNS)} in its first line")
        for number, row in enumerate(reader, 2):
            try:
                box = Box(*(float(row[key]) for key in COLUMNS[1:]))
            except (TypeError, ValueError):
                box = Box(0, 0, 0, 0)
            if not all(map(math.isfinite, box)) or box.width < 1 or box.height < 1:
                raise DataError(f"{path}, line {number} is no box: {list(row.values())}")
            boxes[row["take"].strip().strip("/")] = box
    return boxes


def middle_square(width: int, height: int, share: float) -> Box:
    """The middle square of a picture, ``share`` of its shorter side."""
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    return Box(left, top, left + side, top + side).scaled(share)


@dataclass(frozen=True)
class Cropper:
    """Decides how a take is cropped, and finds the crop.

    Args:
        crop: "auto" takes the best that is there: points, a box, the detector if its packages are
            installed, the middle; "detector" and "centre" leave no choice.
        boxes: of takes, by name.
        anchors: which three of 68 landmarks place the crop (`face_align`).
        zoom: 1 for OpenFace's crop; less shows more around the face.
        centre: side of the middle square, as a share of the picture's shorter side.
    """

    crop: Crop
    boxes: Mapping[str, Box]
    anchors: Anchors
    zoom: float
    centre: float

    def way(self, take: Take) -> Way:
        """How a take is cropped; nothing is opened."""
        if self.crop != "auto":
            return self.crop
        if take.landmarks:
            return "landmarks"
        if take.name in self.boxes:
            return "box"
        return "detector" if installed() else "centre"

    def matrix(
        self, take: Take, way: Way, size: int, finder: FaceFinder | None
    ) -> NDArray[np.float64] | str:
        """The map (2, 3) from the pixels of a take's frames to its crop of ``size`` pixels.

        Args:
            take: the take.
            way: as of `way`.
            size: side of the crop.
            finder: needed where the way is "detector".

        Returns:
            Or the reason why there is none.

        Raises:
            DataError: a file of points is bad.
        """
        if way == "box":
            return box_map(self.boxes[take.name], size)
        if way == "centre":
            image = read_rgb(take.images[take.frames[0]], None)
            if isinstance(image, str):
                return f"{take.images[take.frames[0]].name} {image}"
            return box_map(middle_square(image.width, image.height, self.centre), size)
        if way == "landmarks":
            paths = [take.landmarks[frame] for frame in sorted(take.landmarks)]
            points = np.median([read_points(path, 68) for path in paths], axis=0)
        else:
            found = self._detected(take, finder)
            if found is None:
                return "the detector finds no face"
            points = found
        try:
            return alignment(points, size, anchors=self.anchors, zoom=self.zoom)
        except ValueError as error:
            if way == "landmarks":
                raise DataError(f"{paths[0]}: {error}. Make the file again.") from error
            return str(error)

    def _detected(self, take: Take, finder: FaceFinder | None) -> NDArray[np.float64] | None:
        """The landmarks of the middle frame, or of the first or last where it shows no face."""
        assert finder is not None
        frames = take.frames
        for frame in (frames[len(frames) // 2], frames[0], frames[-1]):
            image = read_rgb(take.images[frame], None)
            if isinstance(image, Image.Image):
                points = finder(image)
                if points is not None:
                    return points
        return None
