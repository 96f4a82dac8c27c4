"""MNIST's four files, made of the real digits that come with scikit-learn.

Those are 1,797 digits of 8 x 8 pixels and 17 grey levels, written by 43 people (Alpaydin and
Kaynak, "Optical recognition of handwritten digits", UCI 1998). Each is enlarged smoothly, its
strokes are made as dark and as sharp as MNIST's, and it is put into a 28 x 28 picture as MNIST's
are: 20 pixels high or wide, its centre of mass in the middle.
"""

import gzip
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.datasets import load_digits

from datamodules.copies import mark_standin
from datamodules.mnist_files import PARTS, SIDE, UNSIGNED_BYTES
from datamodules.standins.counter import permutation

__all__ = ["RECIPE_VERSION", "digits_28", "write_digits_tree"]

#: Raised whenever a change moves any pixel or split.
RECIPE_VERSION = 1

_TEST = 297  # leaves 1,500 for training
_INNER = 20
_FINE = 5  # pixels of the enlarged digit per pixel of the source
_LEVELS = 16.0


def digits_28() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """All digits (1797, 28, 28) and their labels (1797,), in scikit-learn's order."""
    source = load_digits()
    pictures = np.stack([_enlarged(image / _LEVELS) for image in source.images])
    return pictures, source.target.astype(np.uint8)


def _enlarged(digit: NDArray[np.float64]) -> NDArray[np.uint8]:
    fine = ndimage.zoom(np.pad(digit, 1), _FINE, order=3, grid_mode=True, mode="grid-constant")
    # A pixel counts how much ink of a 4 x 4 block it holds: half of it marks a stroke's edge.
    soft = ndimage.gaussian_filter(fine, 0.25 * _FINE)
    ink = ((1 / (1 + np.exp(-16 * (soft - 0.52))) - 0.02) / 0.96).clip(0, 1)
    rows, columns = (np.flatnonzero(ink.max(axis=k) > 0.5) for k in (1, 0))
    if len(rows) == 0:
        raise ValueError("a digit without ink")
    box = (rows[0] + rows[-1] + 1) / 2, (columns[0] + columns[-1] + 1) / 2
    reach = max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1
    step = reach / _INNER
    smooth = ndimage.gaussian_filter(ink, 0.42 * step)

    def drawn(centre: tuple[float, float]) -> NDArray[np.float64]:
        at = (np.arange(SIDE) - (SIDE - 1) / 2) * step - 0.5
        where = np.meshgrid(at + centre[0], at + centre[1], indexing="ij")
        made: NDArray[np.float64] = ndimage.map_coordinates(smooth, where, order=1)
        return made

    weight = drawn(box)
    mass = ndimage.center_of_mass(weight)
    shift = [round(m - (SIDE - 1) / 2) * step for m in mass]
    picture = drawn((box[0] + shift[0], box[1] + shift[1]))
    return (picture.clip(0, 1) * 255 + 0.5).astype(np.uint8)


def write_digits_tree(out: Path) -> Path:
    """Write ``out/MNIST/raw``; which digits are the test's hangs on a hash of their numbers.

    Returns:
        The folder of the four files.
    """
    folder = out / "MNIST" / "raw"
    folder.mkdir(parents=True)
    images, labels = digits_28()
    order = permutation(0, len(images), "digits")
    rows = {"train": np.sort(order[_TEST:]), "test": np.sort(order[:_TEST])}
    for which, chosen in rows.items():
        _write(folder / f"{PARTS[f'{which}_images']}.gz", images[chosen])
        _write(folder / f"{PARTS[f'{which}_labels']}.gz", labels[chosen])
    mark_standin(folder, {"standin": "digits", "recipe": RECIPE_VERSION})
    return folder


def _write(path: Path, array: NDArray[np.uint8]) -> None:
    head = bytes([0, 0, UNSIGNED_BYTES, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    # No time in the head of the file, or no two copies would be alike.
    path.write_bytes(gzip.compress(head + array.tobytes(), mtime=0))
