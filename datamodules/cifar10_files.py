"""CIFAR-10's python batches, read without running anything that a pickle asks for.

A pickle may name any function of any package and have it called. These batches need a dict of
bytes, lists and one array of bytes, which Python 2's numpy wrote as a call of its own functions.
`read_pickle` answers those few names with functions of this file that only keep what they are
given, and refuses every other name.
"""

from __future__ import annotations

import io
import math
import pickle
from pathlib import Path
from typing import Any, Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from datamodules.errors import DataError

FOLDER: Final = "cifar-10-batches-py"
META: Final = "batches.meta"
BATCHES: Final = {
    "train": tuple(f"data_batch_{k}" for k in range(1, 6)),
    "test": ("test_batch",),
}
SIDE: Final = 32
PIXELS: Final = 3 * SIDE * SIDE
AGAIN: Final = "Unpack cifar-10-python.tar.gz again"


class _Type:
    """What a pickle says of an array's type of number; only unsigned bytes are known."""

    def __init__(self, name: str | bytes = b"u1", *_: Any) -> None:
        if name not in ("u1", b"u1", "|u1", b"|u1"):
            raise pickle.UnpicklingError(f"an array of type {name!r}, not of unsigned bytes")

    def __setstate__(self, state: Any) -> None:
        """Byte order and the like, which bytes have none of."""


class _Array:
    """What a pickle says of an array."""

    def __init__(self) -> None:
        self.array = np.empty(0, np.uint8)

    def __setstate__(self, state: Any) -> None:
        _version, shape, _type, by_column, data = state
        self.array = _array(data, shape, by_column)


def _array(data: Any, shape: Any, by_column: Any) -> NDArray[np.uint8]:
    if isinstance(data, str):  # bytes of a Python 2 string, read as if they were letters
        data = data.encode("latin1")
    whole = isinstance(shape, tuple) and all(isinstance(n, int) and n >= 0 for n in shape)
    if not isinstance(data, bytes | bytearray) or not whole or len(data) != math.prod(shape):
        raise pickle.UnpicklingError(f"{len(data):,} bytes do not make an array of {shape}")
    return np.frombuffer(data, np.uint8).reshape(shape, order="F" if by_column else "C")


def _empty(*_: Any) -> _Array:
    return _Array()


def _whole(data: Any, _type: Any, shape: Any, order: Any) -> _Array:
    made = _Array()
    made.array = _array(data, shape, order in ("F", b"F"))
    return made


class _ArrayClass:
    """Stands for the name ``numpy.ndarray``, which is only ever passed on."""

    def __init__(self, *_: Any) -> None:
        raise pickle.UnpicklingError("an array made in an unknown way")


_KNOWN: Final[dict[tuple[str, str], Any]] = {
    ("numpy", "ndarray"): _ArrayClass,
    ("numpy", "dtype"): _Type,
    **{
        (f"numpy.{core}.multiarray", "_reconstruct"): _empty
        for core in ("core", "_core")  # before numpy 2, and since
    },
    **{(f"numpy.{core}.numeric", "_frombuffer"): _whole for core in ("core", "_core")},
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """One of this file's own few; anything else is refused."""
        if (module, name) in _KNOWN:
            return _KNOWN[module, name]
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no batch needs")

    def persistent_load(self, pid: Any) -> NoReturn:
        """Refused."""
        raise pickle.UnpicklingError("it refers to something outside the file")


def read_pickle(path: Path) -> dict[str, Any]:
    """A batch's entries by name; arrays of unsigned bytes are numpy's, strings stay bytes.

    Raises:
        DataError: the file is no pickle of plain values and such arrays.
    """
    data = path.read_bytes()
    try:
        entries = _Reader(io.BytesIO(data), encoding="bytes").load()
        if not isinstance(entries, dict):
            raise pickle.UnpicklingError(f"it holds a {type(entries).__name__}, not a dict")
    # A damaged pickle makes the unpickler raise nearly anything; it runs nothing of the file's.
    except Exception as error:
        raise DataError(
            f"{path} is no batch of CIFAR-10 ({error or type(error).__name__}). {AGAIN}."
        ) from error
    return {
        key.decode("latin1") if isinstance(key, bytes) else str(key): value.array
        if isinstance(value, _Array)
        else value
        for key, value in entries.items()
    }


def find_batches(root: Path) -> Path | None:
    """The folder of the batches: the root, or one below it, doubled or not."""
    for folder in (root, root / FOLDER, root / FOLDER / FOLDER, *sorted(root.glob(f"*/{FOLDER}"))):
        if any((folder / name).is_file() for names in BATCHES.values() for name in names):
            return folder
    return None


def read_batch(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Pictures (N, 32, 32, 3) and labels (N,) of a batch.

    Raises:
        DataError: the file is no such batch.
    """
    entries = read_pickle(path)
    data, labels = entries.get("data"), entries.get("labels")
    if not isinstance(data, np.ndarray) or data.ndim != 2 or data.shape[1] != PIXELS:
        found = data.shape if isinstance(data, np.ndarray) else type(data).__name__
        raise DataError(f"{path}: 'data' is {found}, not (N, {PIXELS}) bytes. {AGAIN}.")
    if not isinstance(labels, list) or len(labels) != len(data):
        found = f"{len(labels):,}" if isinstance(labels, list) else type(labels).__name__
        raise DataError(f"{path}: 'labels' are {found} for {len(data):,} pictures. {AGAIN}.")
    for row, label in enumerate(labels):
        if not isinstance(label, int) or not 0 <= label <= 9:
            raise DataError(f"{path}, picture {row}: label {label!r} is none of 0 to 9. {AGAIN}.")
    pictures = data.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(pictures), np.array(labels, np.int64)


def read_names(path: Path) -> tuple[str, ...]:
    """The ten classes' names, in the order of the labels.

    Raises:
        DataError: the file has not ten names.
    """
    names = read_pickle(path).get("label_names")
    if not isinstance(names, list) or len(names) != 10:
        raise DataError(f"{path} has no ten 'label_names'. {AGAIN}.")
    return tuple(n.decode("latin1") if isinstance(n, bytes) else str(n) for n in names)
