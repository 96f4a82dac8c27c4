"""The published sequences of Moving MNIST: one array, time first, and how it is divided.

``mnist_test_seq.npy`` is uint8 (20, 10000, 64, 64): frame, sequence, height, width. Srivastava et
al. (2015) publish it as their test set, without digits or positions. There is no official training
set; the cut into 8,000, 1,000 and 1,000 sequences, in their order, is one of the usual ones.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from datamodules.errors import DataError

FILE: Final = "mnist_test_seq.npy"
FOLDERS: Final = ("MovingMNIST", "MovingMNIST/raw", "raw", "")
"""Where it lies below the root: as torchvision has it, or directly."""
MD5: Final = "be083ec986bfe91a449d63653c411eb2"
LENGTH: Final = 20
SIDE: Final = 64
SEQUENCES: Final = 10_000
SPLITS: Final = ("train", "val", "test")
FEWEST: Final = 10
SAMPLED: Final = 256


def find_sequences(root: Path) -> Path | None:
    """The array's file below a folder; one of another ending (``mnist_test_seq_part.npy``) will do.

    Raises:
        DataError: there are several, and none has the usual name.
    """
    for folder in (root / name for name in FOLDERS):
        found = sorted(folder.glob(f"{Path(FILE).stem}*.npy"))
        if folder / FILE in found:
            return folder / FILE
        if len(found) > 1:
            raise DataError(
                f"{folder} holds {', '.join(path.name for path in found)}: name the one to read "
                f"{FILE}."
            )
        if found:
            return found[0]
    return None


def open_sequences(path: Path) -> NDArray[np.uint8]:
    """The array (20, N, 64, 64), left on the disk until it is read.

    Raises:
        DataError: it is no such array; the message tells what it is.
    """
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise DataError(
            f"{path} is no whole array ({error}). Take the file again (half a download?)."
        ) from error
    found = f"{path} holds {array.dtype} {array.shape}"
    if array.ndim == 4 and array.shape[0] != LENGTH and array.shape[1] == LENGTH:
        raise DataError(
            f"{found}: its sequences come first. The published file has time first, uint8 "
            f"({LENGTH}, N, {SIDE}, {SIDE}): save array.swapaxes(0, 1) instead."
        )
    wanted = (LENGTH, *array.shape[1:2], SIDE, SIDE)
    if array.dtype != np.uint8 or array.shape != wanted:
        raise DataError(
            f"{found}, not uint8 ({LENGTH}, N, {SIDE}, {SIDE}): time, sequence, height, width. "
            "Take the file again."
        )
    if array.shape[1] < FEWEST:
        raise DataError(
            f"{found}: {FEWEST} sequences are needed for {', '.join(SPLITS)}. Give the whole file."
        )
    return array


def divided(count: int) -> dict[str, NDArray[np.int64]]:
    """Numbers of the sequences of each split: eight tenths, a tenth and a tenth, in order."""
    tenth = count // 10
    parts = np.split(np.arange(count), [count - 2 * tenth, count - tenth])
    return dict(zip(SPLITS, parts, strict=True))


def md5(path: Path) -> str:
    """The checksum of the whole file, to compare with `MD5`."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def sampled_hash(array: NDArray[np.uint8]) -> str:
    """A hash over the shape and frames spread over the file: quick, where `md5` reads it all."""
    frames = array.reshape(-1, *array.shape[2:])
    picked = np.unique(np.linspace(0, len(frames) - 1, SAMPLED).astype(int))
    digest = hashlib.sha256(str(array.shape).encode())
    digest.update(np.ascontiguousarray(frames[picked]).tobytes())
    return digest.hexdigest()
