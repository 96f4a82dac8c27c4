"""MNIST's four files in the idx format, packed with gzip or not."""

from __future__ import annotations

import gzip
import hashlib
import math
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from datamodules.errors import DataError

SIDE: Final = 28
PARTS: Final = {
    "train_images": "train-images-idx3-ubyte",
    "train_labels": "train-labels-idx1-ubyte",
    "test_images": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}
FOLDERS: Final = ("MNIST/raw", "raw", "")
"""Where the files lie below the root: as torchvision has them, one folder in, or directly."""
UNSIGNED_BYTES: Final = 8
"""The idx format's code of the only type of number that MNIST holds."""


def find_mnist(root: Path) -> tuple[Path, dict[str, Path]]:
    """The folder that holds most of the four files, and those it holds.

    A plain file is preferred to a packed one.
    """
    best: tuple[Path, dict[str, Path]] = (root / FOLDERS[0], {})
    for folder in (root / name for name in FOLDERS):
        found = {}
        for part, name in PARTS.items():
            candidates = [folder / name, folder / f"{name}.gz"]
            path = next((path for path in candidates if path.is_file()), None)
            if path is not None:
                found[part] = path
        if len(found) > len(best[1]):
            best = folder, found
    return best


def read_bytes(path: Path) -> bytes:
    """A file's bytes, unpacked if its name ends in .gz.

    Raises:
        DataError: it does not unpack.
    """
    if path.suffix != ".gz":
        return path.read_bytes()
    try:
        with gzip.open(path) as file:
            return file.read()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{path} does not unpack ({error}). Take the file again (a broken download?)."
        ) from error


def parse_idx(data: bytes, dimensions: int, path: Path) -> NDArray[np.uint8]:
    """An array of an idx file: two zeros, type, number of dimensions, sizes, then the numbers.

    Args:
        data: the file's bytes, unpacked.
        dimensions: how many it must have: 3 for pictures, 1 for labels.
        path: named in errors.

    Raises:
        DataError: it is no idx file of bytes of so many dimensions, or is cut short.
    """
    magic = bytes([0, 0, UNSIGNED_BYTES, dimensions])
    start = 4 + 4 * dimensions
    if len(data) < start or data[:4] != magic:
        raise DataError(
            f"{path} begins with {data[:4].hex() or 'nothing'}, not {magic.hex()}: it is no idx "
            f"file of {dimensions} dimensions. Take the file again."
        )
    shape = struct.unpack(f">{dimensions}I", data[4:start])
    if len(data) - start != math.prod(shape):
        raise DataError(
            f"{path} holds {len(data) - start:,} bytes of numbers, its head says "
            f"{math.prod(shape):,} ({' x '.join(map(str, shape))}). Take the file again (half a "
            "download?)."
        )
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def read_pair(
    data: Mapping[str, bytes], files: Mapping[str, Path], which: str
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Pictures (N, 28, 28) and labels (N,) of "train" or "test".

    Raises:
        DataError: a file is bad, or the two do not fit.
    """
    of_images, of_labels = f"{which}_images", f"{which}_labels"
    images = parse_idx(data[of_images], 3, files[of_images])
    labels = parse_idx(data[of_labels], 1, files[of_labels])
    if images.shape[1:] != (SIDE, SIDE):
        raise DataError(
            f"{files[of_images]} holds pictures of {images.shape[2]} x {images.shape[1]}, not "
            f"{SIDE} x {SIDE}: it is not MNIST's. Take the file again."
        )
    if len(images) != len(labels):
        raise DataError(
            f"{files[of_images]} has {len(images):,} pictures, {files[of_labels]} has "
            f"{len(labels):,} labels. Take both files again, from one place."
        )
    if len(labels) and labels.max() > 9:
        row = int(np.argmax(labels > 9))
        raise DataError(
            f"{files[of_labels]}, label {row}: {labels[row]} is no digit. Take the file again."
        )
    return images, labels.astype(np.int64)


def content_hash(data: Mapping[str, bytes]) -> str:
    """Over the unpacked bytes: a packed and a plain copy are the same data."""
    digest = hashlib.sha256()
    for part in PARTS:
        digest.update(hashlib.sha256(data[part]).digest())
    return digest.hexdigest()
