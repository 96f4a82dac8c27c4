"""The files of an Aff-Wild copy, of the first edition or the second, however deep they lie.

Aff-Wild (Zafeiriou et al. 2017), also in doubled folders (``train/train``):

    videos/train/<video>.mp4 or .avi                   <video>: a number
    annotations/train/{valence,arousal}/<video>.txt    a number a line
    bboxes/train/<video>/<frame>.pts                   also bboxs; frames count from 1

Aff-Wild2 (Kollias and Zafeiriou 2018), of which the crops are read, not the videos:

    cropped_aligned/<video>[_left|_right]/00001.jpg    frames count from 1
    VA_Set/{Train_Set,Training_Set,Validation_Set}/<video>[_left|_right].txt
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from datamodules.copies import STANDIN_MARKER
from datamodules.walking import walk

Edition = Literal["Aff-Wild", "Aff-Wild2"]
Ints = NDArray[np.int64]

DEPTH: Final = 12
VIDEO: Final = re.compile(r"^(\d+)\.(mp4|avi)$", re.IGNORECASE)
NUMBER: Final = re.compile(r"^\d+$")
SIDE: Final = re.compile(r"_(left|right)$")
FRAMES: Final[dict[Edition, re.Pattern[str]]] = {
    "Aff-Wild": re.compile(r"^(\d+)\.pts$", re.IGNORECASE),
    "Aff-Wild2": re.compile(r"^(\d+)\.jpe?g$", re.IGNORECASE),
}
BOXES: Final = ("bboxes", "bboxs")
AXES: Final = ("valence", "arousal")
CROPS: Final = "cropped_aligned"
SETS: Final = {"Train_Set": False, "Training_Set": False, "Validation_Set": True}
"""Folder of labels -> whether it is held back for testing."""


@dataclass
class Track:
    """One person's face in one video.

    Args:
        name: the video's, and for one of two people "_left" or "_right".
        identity: a number; the video's own in the first edition, counted from 1 in the second.
        held_back: whether the edition keeps it for testing.
        labels: the files of valence and arousal, or the one of both.
        folder: of boxes or crops, if there is one.
        video: the file, if there is one; the second edition's is not read.
    """

    name: str
    identity: int
    held_back: bool
    labels: tuple[Path, ...]
    folder: Path | None
    video: Path | None = None

    @property
    def video_name(self) -> str:
        """The video's; two people in one share it."""
        return SIDE.sub("", self.name)

    def lacks(self, edition: Edition) -> str:
        """What there is no file of, "" if there are all."""
        if edition == "Aff-Wild2":
            return "" if self.folder else f"folder {CROPS}/{self.name}"
        missing = ["video"] * (self.video is None) + ["folder of boxes"] * (self.folder is None)
        return " and no ".join(missing)


@dataclass
class Frames:
    """What a folder of boxes or crops holds.

    Args:
        folder: the folder.
        numbers: (N,) of the frames, from 1, rising.
        names: N file names.
    """

    folder: Path
    numbers: Ints
    names: list[str]

    @classmethod
    def of(cls, folder: Path, edition: Edition) -> Frames:
        """List a folder; nothing is opened."""
        names = sorted(path.name for path in folder.iterdir())
        by_number: dict[int, str] = {}
        for match in filter(None, map(FRAMES[edition].match, names)):
            by_number.setdefault(int(match[1]), match[0])
        numbers = sorted(by_number)
        return cls(folder, np.array(numbers, np.int64), [by_number[n] for n in numbers])


@dataclass
class AffWildFiles:
    """What was found.

    Args:
        tracks: those that have labels, in order of their names, by edition.
        unlabelled: videos and crops that have none, by what they are.
        marker: the file that tells a tree of stand-in faces from a real copy.
    """

    tracks: dict[Edition, list[Track]] = field(default_factory=dict)
    unlabelled: Counter[str] = field(default_factory=Counter)
    marker: Path | None = None


@dataclass
class _Seen:
    videos: dict[int, Path] = field(default_factory=dict)
    boxes: dict[int, Path] = field(default_factory=dict)
    axes: dict[str, dict[int, Path]] = field(default_factory=lambda: {axis: {} for axis in AXES})
    crops: dict[str, Path] = field(default_factory=dict)
    tables: dict[str, tuple[Path, bool]] = field(default_factory=dict)


def find_files(root: Path) -> AffWildFiles:
    """Search a folder for all files of a copy; frames are not listed, and nothing is opened.

    Of a file that is there twice, the first in order of folders counts.
    """
    files, seen = AffWildFiles(), _Seen()
    for place, subfolders, names in walk(root):
        here = Path(place)
        subfolders.sort()
        # The root's own name counts, for it may be one of these folders.
        parts = (root.resolve().name, *here.relative_to(root).parts)
        if STANDIN_MARKER in names and files.marker is None:
            files.marker = here / STANDIN_MARKER
        if len(parts) > DEPTH:
            subfolders.clear()
        _look(here, parts, subfolders, sorted(names), seen)
    both = sorted(seen.axes["valence"].keys() & seen.axes["arousal"].keys())
    if both:
        files.tracks["Aff-Wild"] = [
            Track(
                name=f"{video:03d}",
                identity=video,
                held_back=False,
                labels=tuple(seen.axes[axis][video] for axis in AXES),
                folder=seen.boxes.get(video),
                video=seen.videos.get(video),
            )
            for video in both
        ]
    if seen.tables:
        files.tracks["Aff-Wild2"] = [
            Track(name, number, held_back, (path,), seen.crops.get(name))
            for number, (name, (path, held_back)) in enumerate(sorted(seen.tables.items()), 1)
        ]
    files.unlabelled["videos"] += len(seen.videos.keys() - set(both))
    files.unlabelled["crops"] += len(seen.crops.keys() - seen.tables.keys())
    return files


def _look(
    here: Path, parts: tuple[str, ...], subfolders: list[str], names: list[str], seen: _Seen
) -> None:
    """Note what a folder holds, and take out of ``subfolders`` what need not be walked."""
    if "test" in parts[1:] or parts[-1] == "landmarks":
        subfolders.clear()  # without labels, or not read
        return
    if set(BOXES) & set(parts):
        for name in filter(NUMBER.match, subfolders):
            seen.boxes.setdefault(int(name), here / name)
        subfolders[:] = [name for name in subfolders if not NUMBER.match(name)]
    elif parts[-1].startswith(CROPS):
        for name in subfolders:
            if not name.startswith(CROPS):
                seen.crops.setdefault(name, here / name)
        subfolders[:] = [name for name in subfolders if name.startswith(CROPS)]
    elif parts[-1] in AXES:
        for name in names:
            if name.endswith(".txt") and NUMBER.match(name[:-4]):
                seen.axes[parts[-1]].setdefault(int(name[:-4]), here / name)
    elif parts[-1] in SETS and parts[-2:-1] and parts[-2].startswith("VA"):
        for name in names:
            if name.endswith(".txt"):
                seen.tables.setdefault(name[:-4], (here / name, SETS[parts[-1]]))
    else:
        for match in filter(None, map(VIDEO.match, names)):
            seen.videos.setdefault(int(match[1]), here / match[0])
