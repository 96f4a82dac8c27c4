"""The files of a Sprites copy, however deep: LPC sheets, or what was generated from them.

    body/0.png ... hair/5.png  shoes/1.png    the sheets, all that is needed
    npy/walk_front_frames_train.npy           Li and Mandt's arrays: 9 clips, frames and attributes
    frames/walk/front_5100_0.png              their frames: 9 clips, 1296 characters, 8 frames

A folder ``lpc-dataset`` of ``.sprite`` files is none of these: it holds other characters, and its
directions are not labelled.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from datamodules.copies import STANDIN_MARKER
from datamodules.sprites_sheets import CLIP_DIRECTIONS, needed_sheets
from datamodules.walking import walk

OBTAIN: Final = (
    "Sprites is made of sheets of the Liberated Pixel Cup (CC BY-SA 3.0 and GPL 3.0, with their "
    "authors' names): clone github.com/YingzhenLi/Sprites and give its folder; its scripts need "
    "not be run"
)
FOREIGN_SET: Final = (
    "{} is of lpc-dataset, another set: 840 characters, and directions are not labelled; it is not "
    "read"
)
DEPTH: Final = 10
ACTION_FILES: Final = ("walk", "spellcard", "slash")
"""What the generator calls `sprites_sheets.CLIP_ACTIONS`."""
PARTS: Final = tuple(dict.fromkeys(part for part, _ in needed_sheets()))
SHEET: Final = re.compile(r"^(\d)\.png$")
_CLIP: Final = f"({'|'.join(ACTION_FILES)})_({'|'.join(CLIP_DIRECTIONS)})"
FRAME: Final = re.compile(rf"^({'|'.join(CLIP_DIRECTIONS)})_([0-5]{{4}})_([0-7])\.png$")
CLIPS: Final = len(ACTION_FILES) * len(CLIP_DIRECTIONS)
KINDS_OF_ARRAY: Final = ("frames", "attributes")
SIDES: Final = ("train", "test")
ARRAY: Final = re.compile(rf"^{_CLIP}_({'|'.join(KINDS_OF_ARRAY)})_({'|'.join(SIDES)})\.npy$")
FOREIGN: Final = ".sprite"

Form = Literal["sheets", "npy", "frames"]
ArrayKey = tuple[int, str, str]
"""Clip (3 action + direction), "frames" or "attributes", "train" or "test"."""
FrameKey = tuple[str, int, int]
"""Digits of the character's attributes, clip, frame."""


@dataclass
class SpritesFiles:
    """What was found.

    Args:
        sheets: by part and number; those that are never worn too.
        arrays: generated arrays.
        frames: generated frames.
        foreign: ``.sprite`` files.
        marker: the file that tells stand-in sheets from genuine ones.
    """

    sheets: dict[tuple[str, int], Path] = field(default_factory=dict)
    arrays: dict[ArrayKey, Path] = field(default_factory=dict)
    frames: dict[FrameKey, Path] = field(default_factory=dict)
    foreign: list[Path] = field(default_factory=list)
    marker: Path | None = None

    @property
    def missing_sheets(self) -> list[str]:
        """Names of sheets that characters need and that are not there."""
        return [
            f"{part}/{kind}.png"
            for part, kind in needed_sheets()
            if (part, kind) not in self.sheets
        ]

    @property
    def missing_arrays(self) -> list[str]:
        """Names of generated arrays that are not there."""
        return [
            f"npy/{clip_file(clip)}_{kind}_{side}.npy"
            for clip in range(CLIPS)
            for kind in KINDS_OF_ARRAY
            for side in SIDES
            if (clip, kind, side) not in self.arrays
        ]

    @property
    def form(self) -> Form | None:
        """What to read: whole sheets before anything generated from them."""
        if not self.missing_sheets:
            return "sheets"
        if self.arrays:
            return "npy"
        if self.frames:
            return "frames"
        return "sheets" if self.sheets else None


def find_files(root: Path) -> SpritesFiles:
    """Search a folder for all files of a copy; nothing is opened.

    Of several folders of sheets the one with most of them counts, of equals, and of a generated
    file that is there twice, the first in order.
    """
    files = SpritesFiles()
    wardrobes: dict[Path, dict[tuple[str, int], Path]] = {}
    for place, subfolders, names in walk(root):
        here = Path(place)
        subfolders.sort()
        inside = here.relative_to(root).parts
        if len(inside) >= DEPTH:
            subfolders.clear()
        if STANDIN_MARKER in names and files.marker is None:
            files.marker = here / STANDIN_MARKER
        if inside and here.name in PARTS:
            found = wardrobes.setdefault(here.parent, {})
            found |= {
                (here.name, int(match[1])): here / match[0]
                for name in sorted(names)
                if (match := SHEET.match(name))
            }
        if here.name in ACTION_FILES:
            _add_frames(files, here, names)
        for name in sorted(names):
            match = ARRAY.match(name)
            if match:
                clip = _clip(ACTION_FILES.index(match[1]), match[2])
                files.arrays.setdefault((clip, match[3], match[4]), here / name)
            elif name.endswith(FOREIGN):
                files.foreign.append(here / name)
    needed = set(needed_sheets())
    if wardrobes:
        files.sheets = max(wardrobes.values(), key=lambda found: len(needed & found.keys()))
    return files


def _clip(action: int, direction: str) -> int:
    return len(CLIP_DIRECTIONS) * action + CLIP_DIRECTIONS.index(direction)


def _add_frames(files: SpritesFiles, here: Path, names: Sequence[str]) -> None:
    action = ACTION_FILES.index(here.name)
    for name in names:
        match = FRAME.match(name)
        if match:
            key = (match[2], _clip(action, match[1]), int(match[3]))
            files.frames.setdefault(key, here / name)


def clip_file(clip: int) -> str:
    """How the generator begins a clip's file names, e.g. walk_front."""
    action, direction = divmod(clip, len(CLIP_DIRECTIONS))
    return f"{ACTION_FILES[action]}_{CLIP_DIRECTIONS[direction]}"
