"""A CelebA copy on the disk that has everything needed, and who belongs to which split."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datamodules.celeba_files import CelebAFiles, find_files, list_images, not_found
from datamodules.celeba_lists import read_boxes, read_landmarks, read_names, read_numbers
from datamodules.celeba_splits import build_splits
from datamodules.errors import DataError


@dataclass(frozen=True)
class CelebACopy:
    """A usable copy.

    Args:
        files: where its parts lie.
        images: number of a picture -> (file name, bytes).
        splits: numbers of the pictures of every split.
    """

    files: CelebAFiles
    images: dict[str, tuple[str, int]]
    splits: dict[str, list[str]]

    @classmethod
    def find(
        cls,
        root: Path,
        *,
        standin: bool,
        val_size: int,
        limit_unsupervised: int | None,
        wild: bool = False,
    ) -> CelebACopy:
        """Search ``root`` for a copy; no picture is decoded. ``wild`` for those not aligned.

        Raises:
            DatasetNotFoundError: a part or a picture that a split needs is absent.
            DataError: a list is bad, or a tree of stand-in faces is read as the real copy.
        """
        files = find_files(root, wild=wild)
        if files.missing():
            raise not_found(root, files.missing(), wild=wild)
        if files.marker is not None and not standin:
            raise DataError(
                f"{files.marker} says that these are stand-in faces: they cannot be read as the "
                "real copy. Give the folder of the real one with --data-root, or --source standin."
            )
        assert files.images and files.partition and files.mafl_train and files.mafl_test
        images = list_images(files.images)
        splits = build_splits(
            read_numbers(files.partition, "partition", 0, 2),
            read_names(files.mafl_train),
            read_names(files.mafl_test),
            val_size=val_size,
            limit_unsupervised=limit_unsupervised,
        )
        needed = {number for numbers in splits.values() for number in numbers}
        absent = sorted(needed - images.keys())
        if absent:
            raise not_found(
                root,
                [
                    f"{len(absent):,} of {len(needed):,} pictures in {files.images}, "
                    f"{absent[0]} the first (half unpacked?)"
                ],
                wild=wild,
            )
        return cls(files, images, splits)

    def paths(self, split: str) -> list[Path]:
        """The pictures of a split, in its order."""
        assert self.files.images is not None
        return [self.files.images / self.images[number][0] for number in self.splits[split]]

    def content_hash(self) -> str:
        """Over the lists' bytes and the names and sizes of all pictures used."""
        digest = hashlib.sha256()
        for part in ("landmarks", "partition", "mafl_train", "mafl_test", "identity", "boxes"):
            path = getattr(self.files, part)
            if part == "boxes" and path is None:  # aligned copies keep their hash
                continue
            digest.update(f"{part} ".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest() if path else b"none")
        for split, numbers in self.splits.items():
            digest.update(split.encode())
            for number in numbers:
                name, size = self.images[number]
                digest.update(f" {name} {size}".encode())
        return digest.hexdigest()

    def labels(self) -> dict[str, dict[str, NDArray[Any]]]:
        """Of every split: ``landmarks`` (N, 5, 2) in pixels of the copy, perhaps ``identity`` (N,).

        Of pictures that are not aligned also ``box`` (N, 4): left, top, width, height, pixels.

        Raises:
            DataError: a list has a bad row, or none for a picture.
        """
        assert self.files.landmarks is not None
        labels: dict[str, dict[str, NDArray[Any]]] = {split: {} for split in self.splits}
        points = read_landmarks(self.files.landmarks, wild=self.files.wild)
        for split, numbers in self.splits.items():
            rows = _lookup(points, numbers, self.files.landmarks)
            labels[split]["landmarks"] = np.array(rows, np.float64).reshape(-1, 5, 2)
        if self.files.boxes is not None:
            boxes = read_boxes(self.files.boxes)
            for split, numbers in self.splits.items():
                found = _lookup(boxes, numbers, self.files.boxes)
                labels[split]["box"] = np.array(found, np.int64).reshape(-1, 4)
        if self.files.identity is not None:
            identity = read_numbers(self.files.identity, "identity", 0, 2**31 - 1)
            for split, numbers in self.splits.items():
                who = _lookup(identity, numbers, self.files.identity)
                labels[split]["identity"] = np.array(who, np.int64)
        return labels


def _lookup(rows: Mapping[str, Any], numbers: Sequence[str], path: Path) -> list[Any]:
    absent = [number for number in numbers if number not in rows]
    if absent:
        raise DataError(
            f"{path} has no row for {len(absent):,} pictures, {absent[0]} the first. Take the file "
            "from the official archive again (it may be half a download)."
        )
    return [rows[number] for number in numbers]
