"""Finding the pictures of an FFHQ copy, in folders of a thousand or flat, whole or in part."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from datamodules.copies import STANDIN_MARKER
from datamodules.walking import walk

TRAINING: Final = 60_000
"""Pictures below this number are for training, as FFHQ's authors divide them; 10,000 follow."""
TOTAL: Final = 70_000
SIDES: Final = {"thumbnails128x128": 128, "images1024x1024": 1024}
IMAGE_NAME: Final = re.compile(r"^(\d{5})\.png$")
BLOCK: Final = 1000
DEPTH: Final = 3
"""Folders of pictures are searched this deep below the root."""


@dataclass(frozen=True)
class FFHQPictures:
    """Pictures of one size.

    Args:
        folder: ``images1024x1024`` or ``thumbnails128x128``.
        side: of the pictures, pixels.
        paths: number -> file.
        standin: whether the folder is marked as a stand-in.
    """

    folder: Path
    side: int
    paths: dict[int, Path]
    standin: bool

    @property
    def broken_blocks(self) -> dict[int, int]:
        """First number -> pictures absent, of every thousand that is there in part."""
        blocks: dict[int, int] = {}
        for number in self.paths:
            start = number // BLOCK * BLOCK
            blocks[start] = blocks.get(start, 0) + 1
        return {start: BLOCK - n for start, n in sorted(blocks.items()) if n < BLOCK}


def find_pictures(root: Path) -> dict[int, FFHQPictures]:
    """Side in pixels -> pictures, of every folder found under its genuine name.

    A doubled folder, as some archives unpack to, counts once; stand-ins say their own side.
    """
    found: dict[int, FFHQPictures] = {}
    for folder in _candidates(root):
        paths = _pictures(folder)
        if not paths:
            continue
        marker = folder / STANDIN_MARKER
        side = SIDES[folder.name]
        if marker.exists():
            side = int(json.loads(marker.read_text(encoding="ascii"))["side"])
        if side not in found or len(paths) > len(found[side].paths):
            found[side] = FFHQPictures(folder, side, paths, marker.exists())
    return found


def _candidates(root: Path) -> Iterator[Path]:
    for place, subfolders, _ in walk(root):
        here = Path(place)
        if here.name in SIDES:
            yield here
        if len(here.relative_to(root).parts) >= DEPTH:
            subfolders.clear()
        subfolders[:] = sorted(name for name in subfolders if not name.isdigit())


def _pictures(folder: Path) -> dict[int, Path]:
    """Those in the folder itself, and in its folders of a thousand."""
    paths: dict[int, Path] = {}
    with os.scandir(folder) as entries:
        blocks = sorted(e.name for e in entries if e.name.isdigit() and e.is_dir())
    for place in (folder, *(folder / name for name in blocks)):
        with os.scandir(place) as entries:
            for entry in entries:
                match = IMAGE_NAME.match(entry.name)
                if match and int(match[1]) < TOTAL:
                    paths[int(match[1])] = Path(entry.path)
    return dict(sorted(paths.items()))


def split(
    numbers: Sequence[int], limit: int | None, val: set[int] | None = None
) -> dict[str, list[int]]:
    """Numbers of the training pictures (the first ``limit``), of ``val``, and of the test."""
    later = [n for n in numbers if n >= TRAINING]
    return {
        "train": [n for n in numbers if n < TRAINING][:limit],
        "val": [n for n in later if n in (val or ())],
        "test": [n for n in later if n not in (val or ())],
    }
