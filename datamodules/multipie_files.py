"""Finding the pictures and landmark files of a CMU Multi-PIE copy, by their names alone."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from datamodules.copies import STANDIN_MARKER
from datamodules.multipie_names import CAMERA_YAW, Shot, parse_name
from datamodules.walking import walk

OBTAIN: Final = (
    "CMU Multi-PIE is licensed by Carnegie Mellon University (CTTEC, Flintbox 2009-056, "
    "CTTEC-Flintbox@andrew.cmu.edu); the original tree (session01/multiview/...) and cropped "
    "copies of it (multi_PIE_crop_128) are both understood"
)
Pictures = dict[tuple[Shot, str], str]
"""(shot, camera) -> path."""


@dataclass
class MultiPIEFiles:
    """What lies in a folder.

    Args:
        root: the folder.
        pictures: of every kind of copy, by the suffix of its names; "" for the original pictures.
            Only the thirteen cameras of `CAMERA_YAW`.
        landmarks: landmark file of a recording seen by a camera; they hold for all its lights.
        raised: pictures of the two raised cameras, or of cameras nobody knows.
        marker: the file that tells a tree of stand-in faces from a real copy.
    """

    root: Path
    pictures: dict[str, Pictures] = field(default_factory=dict)
    landmarks: dict[tuple[int, int, int, str], Path] = field(default_factory=dict)
    raised: int = 0
    marker: Path | None = None

    def kinds(self) -> dict[str, int]:
        """Suffix -> number of pictures."""
        return {suffix: len(found) for suffix, found in sorted(self.pictures.items())}

    def landmarks_of(self, shot: Shot, camera: str) -> Path | None:
        """The landmark file that holds for a picture, if there is one."""
        return self.landmarks.get((shot.subject, shot.session, shot.recording, camera))


def find_files(root: Path) -> MultiPIEFiles:
    """Search a folder, however deep; of two files of one name the first in order of path counts."""
    files = MultiPIEFiles(root)
    for folder, subfolders, names in walk(root):
        subfolders.sort()
        for text in sorted(names):
            name = parse_name(text)
            if name is None:
                if text == STANDIN_MARKER and files.marker is None:
                    files.marker = Path(folder, text)
            elif name.camera not in CAMERA_YAW:
                files.raised += name.picture
            elif name.picture:
                kind = files.pictures.setdefault(name.suffix, {})
                kind.setdefault((name.shot, name.camera), f"{folder}{os.sep}{text}")
            else:
                place = (*name.shot[:3], name.camera)
                files.landmarks.setdefault(place, Path(folder, text))
    return files
