"""A CMU Multi-PIE copy on the disk that has everything needed, and who belongs to which split."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from datamodules.errors import DataError
from datamodules.multipie_files import MultiPIEFiles, Pictures
from datamodules.multipie_names import CAMERA_YAW, picture_key
from datamodules.multipie_splits import Key, Selection, build_splits

log = logging.getLogger(__name__)

Crop = Literal["auto", "landmarks", "none"]


@dataclass(frozen=True)
class MultiPIECopy:
    """A usable copy.

    Args:
        files: where its parts lie.
        pictures: (shot, camera) -> path, all of one kind of copy.
        splits: pictures of every split.
    """

    files: MultiPIEFiles
    pictures: Pictures
    splits: dict[str, list[Key]]

    @classmethod
    def of(cls, files: MultiPIEFiles, crop: Crop, selection: Selection) -> MultiPIECopy:
        """Choose what is used of the files found; no picture is decoded.

        Raises:
            DataError: a split would be empty.
        """
        kind = choose_kind(files, crop)
        try:
            splits = build_splits(files.pictures[kind].keys(), selection)
        except DataError as error:
            raise DataError(f"{files.root}: {error}") from error
        return cls(files, files.pictures[kind], splits)

    def paths(self, split: str) -> list[Path]:
        """The pictures of a split, in its order."""
        return [Path(self.pictures[key]) for key in self.splits[split]]

    def landmark_paths(self, split: str) -> list[Path | None]:
        """The landmark file that holds for each picture of a split, if there is one."""
        return [self.files.landmarks_of(*key) for key in self.splits[split]]

    def content_hash(self, crop: Crop) -> str:
        """Over the names and sizes of all pictures used, and the bytes of their landmark files."""
        digest = hashlib.sha256()
        marks: set[Path] = set()
        for split in self.splits:
            digest.update(split.encode())
            for path in self.paths(split):
                digest.update(f" {path.name} {path.stat().st_size}".encode())
            if crop != "none":
                marks |= {path for path in self.landmark_paths(split) if path is not None}
        for path in sorted(marks, key=lambda path: path.name):
            digest.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()

    def labels(self, split: str) -> dict[str, NDArray[Any]]:
        """Label arrays (N,) of a split, by batch key."""
        keys = self.splits[split]
        return {
            "identity": np.array([shot.subject for shot, _ in keys], np.int64),
            "view": np.array([CAMERA_YAW[camera] for _, camera in keys], np.float32),
            "expression": np.array([shot.expression for shot, _ in keys], np.int64),
            "illumination": np.array([shot.light for shot, _ in keys], np.int64),
            "session": np.array([shot.session for shot, _ in keys], np.int64),
        }

    def names(self, split: str) -> list[str]:
        """The original name of every picture of a split, whatever the copy calls it."""
        return [f"{picture_key(*key)}.png" for key in self.splits[split]]


def choose_kind(files: MultiPIEFiles, crop: Crop) -> str:
    """Which of several kinds of copy in one folder is read; its suffix.

    Kinds are never mixed, for each shows another part of the face: to crop by landmarks the
    original pictures come first, else the cropped copy with the most pictures.
    """
    counts = files.kinds()
    originals = "" in counts and (crop == "landmarks" or len(counts) == 1)
    cropped = [suffix for suffix in counts if suffix]
    kind = "" if originals else max(cropped, key=lambda suffix: (counts[suffix], suffix))
    others = {suffix or "original": n for suffix, n in counts.items() if suffix != kind}
    if others:
        log.warning(
            "%s: reading the %d pictures '%s', not %s; give the folder of one kind of copy to "
            "choose another",
            files.root,
            counts[kind],
            kind or "original",
            ", ".join(f"the {n} pictures '{suffix}'" for suffix, n in others.items()),
        )
    return kind
