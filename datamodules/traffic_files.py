"""A recording of a street: one video, or one folder of frames, wherever it lies.

Deep Latent Particles (Daniel and Tamar 2022, section 5) takes one recording of a fixed camera. It
was never published as a data set with a layout, so any will do.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from datamodules.copies import STANDIN_MARKER
from datamodules.errors import DataError
from datamodules.walking import walk

__all__ = ["TRUTH", "Recording", "find_recording"]

TRUTH: Final = "standin_truth.npz"
"""What a stand-in knows of its cars."""
_VIDEOS: Final = (".mp4", ".avi", ".mov", ".mkv", ".webm")
_PICTURES: Final = (".png", ".jpg", ".jpeg")
_NUMBER: Final = re.compile(r"\d+")


@dataclass(frozen=True)
class Recording:
    """What was found.

    Args:
        video: the file, or None where there are frames.
        frames: their files, in order.
        marker: the file that tells a stand-in from a real recording.
    """

    video: Path | None = None
    frames: tuple[Path, ...] = ()
    marker: Path | None = None

    @property
    def files(self) -> list[Path]:
        """All of them."""
        return [self.video] if self.video is not None else list(self.frames)


def find_recording(root: Path) -> Recording:
    """The one recording below ``root``; empty where there is none.

    Frames are in the order of the last number in their names, so 9 comes before 10.

    Raises:
        DataError: there are several, or frames have no numbers or one twice.
    """
    videos: list[Path] = []
    folders: dict[Path, list[Path]] = defaultdict(list)
    marker = None
    for place, _, names in walk(root):
        if "__MACOSX" in Path(place).parts:
            continue
        for name in sorted(names):
            path, ending = Path(place) / name, Path(name).suffix.lower()
            if name == STANDIN_MARKER:
                marker = path
            elif name.startswith("."):
                continue
            elif ending in _VIDEOS:
                videos.append(path)
            elif ending in _PICTURES:
                folders[Path(place)].append(path)
    found = [*sorted(videos), *sorted(folders)]
    if len(found) > 1:
        named = ", ".join(str(path) for path in found[:5])
        raise DataError(
            f"{root} holds {len(found)} videos and folders of frames ({named}): a recording is one "
            "of these; give its own folder with --data-root"
        )
    if videos:
        return Recording(video=videos[0], marker=marker)
    return Recording(frames=_in_order(next(iter(folders.values()), [])), marker=marker)


def _in_order(paths: list[Path]) -> tuple[Path, ...]:
    numbered: dict[int, Path] = {}
    for path in paths:
        numbers = _NUMBER.findall(path.stem)
        if not numbers:
            raise DataError(f"{path}: frames are told apart by a number in their names; rename it")
        number = int(numbers[-1])
        if number in numbered:
            raise DataError(f"{numbered[number]} and {path} are both frame {number}; remove one")
        numbered[number] = path
    return tuple(path for _, path in sorted(numbered.items()))
