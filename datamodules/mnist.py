"""MNIST: handwritten digits, grey, 28 pixels padded to 32 (LeCun et al. 1998).

The stand-in is the 1,797 real digits of 8 x 8 pixels that come with scikit-learn, enlarged and
written as idx files, so everybody reads digits that people wrote.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from datamodules.cache_writer import SplitPlan
from datamodules.errors import DataError
from datamodules.mnist_copy import DigitsModule, held_out_digits, training_names
from datamodules.mnist_files import (
    FOLDERS,
    PARTS,
    SIDE,
    content_hash,
    find_mnist,
    read_bytes,
    read_pair,
)
from datamodules.report import Report, Status

RECIPE: Final = 1
"""Raised whenever the same settings come to mean other pixels, labels or splits."""
COUNTS: Final = {"train": 60_000, "test": 10_000}
MD5: Final = {
    "train_images": "6bbc9ace898e44ae57da46a324031adb",
    "train_labels": "a25bea736e30d166cdddb491f175f624",
    "test_images": "2646ac647ad5339dbf082846283269ea",
    "test_labels": "27ae3e4e09519cfbb04c329615203637",
}
"""Of the unpacked files: packers differ in the bytes they write."""
OTHER_COPY: Final = "fine for a part or another release; otherwise take the file again"


class MNIST(DigitsModule):
    """MNIST digits: pictures and ``label``.

    Args:
        image_size: 32 (28 pixels, and 2 of black on every side) or 64 (twice that: enlarged to 56
            pixels, and 4).
        channels: 1, or 3 for the same grey thrice.
        val_size: pictures of ``val``, taken out of the training file by a hash of their numbers;
            at most a tenth of it.
        settings: those of `DataModule`. ``root`` holds ``MNIST/raw/*-ubyte`` as torchvision writes
            them, ``raw/`` or the files themselves; with or without ``.gz``.

    Batches hold ``image`` (B, channels, S, S) and ``label`` (B,) int64, the digit.

    Raises:
        ValueError: an argument is out of range.
    """

    name: str = "mnist"
    title: ClassVar[str] = "MNIST"
    obtain: ClassVar[str] = (
        "MNIST is free; torchvision.datasets.MNIST fetches its four files "
        f"({', '.join(PARTS.values())}, with or without .gz)"
    )
    splits: ClassVar[tuple[str, ...]] = ("train", "val", "test")
    training_split: ClassVar[str] = "train"
    validation_split: ClassVar[str] = "val"
    labels: ClassVar[frozenset[str]] = frozenset({"label"})

    def __init__(
        self,
        *,
        image_size: int = 32,
        channels: int = 1,
        val_size: int = 5000,
        **settings: Any,
    ) -> None:
        super().__init__(image_size=image_size, **settings)
        if image_size not in (32, 64):
            raise ValueError(f"image_size of mnist must be 32 or 64, got {image_size}")
        if channels not in (1, 3) or val_size < 0:
            raise ValueError(
                f"channels must be 1 or 3 and val_size at least 0, got {channels}, {val_size}"
            )
        self.channels, self.val_size = channels, val_size

    def recipe(self) -> dict[str, Any]:
        """Settings that decide pixels, labels and splits."""
        recipe: dict[str, Any] = {
            "recipe": RECIPE,
            "source": self.source,
            "image_size": self.image_size,
            "channels": self.channels,
            "val_size": self.val_size,
        }
        return recipe | ({"standin": self.standin_recipe()} if self.source == "standin" else {})

    def content_hash(self) -> str:
        """Over the four files' unpacked bytes; the stand-in is a function of its recipe."""
        return "standin" if self.source == "standin" else content_hash(self.digit_files()[0])

    def plan(self) -> Mapping[str, SplitPlan]:
        """The splits as they are to be cached."""
        data, files = self.digit_files()
        images, labels = read_pair(data, files, "train")
        names = training_names(len(images))
        in_val = held_out_digits(len(images), self.val_size)
        test_images, test_labels = read_pair(data, files, "test")
        test_names = [f"test-{k:05d}" for k in range(len(test_images))]
        return {
            "train": self._plan(images, labels, names, np.flatnonzero(~in_val)),
            "val": self._plan(images, labels, names, np.flatnonzero(in_val)),
            "test": self._plan(test_images, test_labels, test_names, np.arange(len(test_names))),
        }

    @classmethod
    def verify(cls, root: str | Path) -> Report:
        """What a copy at ``root`` holds, against the official one."""
        root = Path(root).expanduser()
        report = Report(cls.name, str(root))
        folder, files = find_mnist(root)
        if not files:
            expected = " or ".join(str(root / name) for name in FOLDERS)
            report.add("folder", expected, "none of the four files", "missing", cls.obtain)
            return report
        report.add("folder", "MNIST's files", str(folder), "ok")
        data: dict[str, bytes] = {}
        for part, name in PARTS.items():
            if part not in files:
                report.add(name, "the file, or with .gz", "none", "missing", cls.obtain)
                continue
            try:
                data[part] = read_bytes(files[part])
            except DataError as error:
                report.add(name, "the file", "unreadable", "missing", str(error))
                continue
            md5 = hashlib.md5(data[part], usedforsecurity=False).hexdigest()
            status: Status = "ok" if md5 == MD5[part] else "warn"
            report.add(f"{name}, md5 unpacked", MD5[part], md5, status, OTHER_COPY)
        for which, expected_count in COUNTS.items():
            if {f"{which}_images", f"{which}_labels"} - data.keys():
                continue
            expected = f"{expected_count:,} digits"
            try:
                count = len(read_pair(data, files, which)[0])
            except DataError as error:
                report.add(which, expected, "unreadable", "missing", str(error))
                continue
            status = "ok" if count == expected_count else "warn" if count else "missing"
            report.add(which, expected, f"{count:,} digits", status, OTHER_COPY)
        return report

    def _plan(
        self,
        images: NDArray[np.uint8],
        labels: NDArray[np.int64],
        names: list[str],
        rows: NDArray[np.int64],
    ) -> SplitPlan:
        return SplitPlan(
            count=len(rows),
            shape=(self.image_size, self.image_size, self.channels),
            labels={"label": labels[rows]},
            names=[names[row] for row in rows],
            images=lambda: enumerate(
                map(partial(padded, self.image_size, self.channels), images[rows])
            ),
        )


def padded(size: int, channels: int, digit: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A digit (28, 28) in the middle of a black picture (size, size, channels)."""
    inner = SIDE * size // 32
    if inner != SIDE:
        enlarged = Image.fromarray(digit).resize((inner, inner), Image.Resampling.BICUBIC)
        digit = np.asarray(enlarged)
    picture = np.pad(digit, (size - inner) // 2)
    return np.repeat(picture[:, :, None], channels, axis=2)
