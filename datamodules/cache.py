"""The HDF5 cache every dataset is read from: written once, whole or not at all.

A file holds one group per split: ``image`` (N, H, W, C) uint8, contiguous and uncompressed (the
layout that reads fastest; chunks of HDF5's choosing were measured 145 times slower), ``crc`` (N,),
``name`` (N,), and small label arrays under ``labels/``. Where pictures are frames of clips, the
group has ``clips/``: ``start``, ``length`` and ``name`` of each clip, their ``labels/``, and under
``splits/`` which clips belong to which split. All but the pictures is chunked, with HDF5's own
checksum (Fletcher's) on each chunk. Attributes say what it was made of. It is
written under another name in the same folder and renamed when it is complete, so a process killed
half-way leaves no cache, only a file that the next attempt removes.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
from numpy.typing import NDArray
from torch.utils.data import get_worker_info

from datamodules.arrays import ArrayDataset
from datamodules.clips import ClipTable
from datamodules.errors import DataError

FORMAT_VERSION: Final = 1
IN_MEMORY_BYTES: Final = 4 << 30
"""A split smaller than this is held in memory; a larger one is read row by row."""

DAMAGED: Final = "Delete the file and start again what was reading it: the cache is then made anew."


@dataclass(frozen=True)
class Header:
    """What a cache was made of: two caches with equal headers hold the same numbers.

    Args:
        dataset: id of the dataset.
        recipe: JSON-able settings that decide the pixels and the splits.
        fingerprint: 16 hex digits over the recipe and the source's content.
        command: what the user types to make the cache, for messages.
    """

    dataset: str
    recipe: Mapping[str, Any]
    fingerprint: str
    command: str

    @property
    def recipe_hash(self) -> str:
        """16 hex digits of the recipe."""
        return short_hash(self.recipe)


def short_hash(value: Any) -> str:
    """16 hex digits of a JSON-able value, whatever the order of its keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def open_read_only(path: Path) -> h5py.File:
    """An HDF5 file for reading; without locks, which network file systems refuse."""
    return h5py.File(path, "r", locking=False)


def why_unusable(path: Path, header: Header) -> str | None:
    """What keeps a cache from being read, or None if it is whole and of this recipe and data."""
    if not path.exists():
        return "it does not exist"
    try:
        with open_read_only(path) as file:
            attrs = dict(file.attrs)
    except OSError as error:
        return f"it is truncated or no HDF5 file ({error})"
    if attrs.get("created_by") != "whatwhere":
        return "it was not written by whatwhere"
    if attrs.get("format_version") != FORMAT_VERSION:
        return f"it has format {attrs.get('format_version')}, this version reads {FORMAT_VERSION}"
    if attrs.get("complete") != 1:
        return "it was never finished"
    found = {key: attrs.get(key) for key in ("dataset", "recipe_hash", "fingerprint")}
    wanted = {
        "dataset": header.dataset,
        "recipe_hash": header.recipe_hash,
        "fingerprint": header.fingerprint,
    }
    stale = [
        f"{key} {found[key]}, not {wanted[key]}" for key in wanted if found[key] != wanted[key]
    ]
    return f"it is stale: {'; '.join(stale)}" if stale else None


def decoded(names: NDArray[np.bytes_]) -> NDArray[np.str_]:
    """Names of files as they were before they were written."""
    return np.char.decode(names, "utf-8")


class CachedRows:
    """Pictures of one split of a cache file, opened where and when they are first read.

    The object pickles, for it drops the file handle and the array: a worker process opens the
    file itself (an HDF5 handle must not cross a fork).

    Args:
        path: the cache file.
        split: group name.
    """

    def __init__(self, path: Path, split: str) -> None:
        self.path, self.split = path, split
        with open_read_only(path) as file:
            group = file[split]
            self._shape = (int(group.attrs["count"]), *group["image"].shape[1:])
            self.crc: NDArray[np.uint32] = group["crc"][()]
        self._images: NDArray[np.uint8] | None = None
        self._file: h5py.File | None = None
        self._owner = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, H, W, C)."""
        return self._shape

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_images": None, "_file": None, "_owner": 0}

    def _dataset(self) -> h5py.Dataset:
        if self._file is None or self._owner != os.getpid():
            self._file, self._owner = open_read_only(self.path), os.getpid()
        return self._file[self.split]["image"]

    def _check(self, row: int, image: NDArray[np.uint8]) -> None:
        if zlib.crc32(image.data) != self.crc[row]:
            raise DataError(
                f"{self.path}: picture {row} of '{self.split}' is damaged (its checksum differs). "
                f"{DAMAGED}"
            )

    def _in_memory(self) -> bool:
        # A loader's worker reads by row unless it inherited the array: the system's page cache
        # is shared between workers, arrays of their own are not.
        small = int(np.prod(self._shape)) < IN_MEMORY_BYTES
        return self._images is not None or (small and get_worker_info() is None)

    def load(self) -> NDArray[np.uint8]:
        """All pictures in memory, checked against their checksums.

        Raises:
            DataError: a picture is damaged.
        """
        if self._images is None:
            images = self._dataset()[: self._shape[0]]
            for row, image in enumerate(images):
                self._check(row, image)
            self._images = images
            self._file = None
        return self._images

    def take(self, rows: Sequence[int] | NDArray[np.int64]) -> NDArray[np.uint8]:
        """The pictures (B, H, W, C) of some rows.

        Raises:
            DataError: a picture is damaged.
        """
        wanted = np.asarray(rows, dtype=np.int64)
        if self._in_memory():
            return self.load()[wanted]
        source = self._dataset()
        images = np.empty((len(wanted), *self._shape[1:]), np.uint8)
        # Frames of a clip lie side by side: a stretch of rows is one read.
        begins = np.flatnonzero(np.diff(wanted, prepend=wanted[:1]) != 1)
        for begin, end in zip(begins, [*begins[1:], len(wanted)], strict=True):
            images[begin:end] = source[wanted[begin] : wanted[begin] + end - begin]
        for row, image in zip(wanted, images, strict=True):
            self._check(row, image)
        return images


class Cache:
    """A finished cache, opened for reading.

    Raises:
        DataError: the file is absent, truncated, foreign, stale or damaged; the message says which.
    """

    def __init__(self, path: Path, header: Header) -> None:
        reason = why_unusable(path, header)
        if reason is not None:
            raise DataError(f"the cache {path} cannot be used: {reason}. Run `{header.command}`.")
        self.path, self.header = path, header
        try:
            with open_read_only(path) as file:
                self._read(file)
        except Exception as error:  # h5py has no error of its own for what it cannot make out
            raise DataError(
                f"{path}: damaged ({type(error).__name__}: {error}). {DAMAGED}"
            ) from error

    def _read(self, file: h5py.File) -> None:
        self.counts = {name: int(group.attrs["count"]) for name, group in file.items()}
        self.skipped: dict[str, list[str]] = {
            name: json.loads(group.attrs["skipped"]) for name, group in file.items()
        }
        self._names = {name: decoded(group["name"][()]) for name, group in file.items()}
        self._labels = {
            name: {key: values[()] for key, values in group["labels"].items()}
            for name, group in file.items()
        }
        self._clips = {
            name: _read_clips(group["clips"]) for name, group in file.items() if "clips" in group
        }
        self._rows = {name: CachedRows(self.path, name) for name in file}

    def rows(self, split: str) -> CachedRows:
        """The pictures of a split; everybody who asks shares one array."""
        return self._rows[split]

    def labels(self, split: str) -> Mapping[str, NDArray[Any]]:
        """Label arrays (N, ...) of a split's pictures."""
        return self._labels[split]

    def names(self, split: str) -> NDArray[Any]:
        """Names (N,) of a split's pictures."""
        names: NDArray[Any] = self._names[split]
        return names

    def clips(self, split: str) -> ClipTable:
        """Which stretches of a split's pictures are clips.

        Raises:
            KeyError: its pictures are no frames of clips.
        """
        return self._clips[split]

    def dataset(self, split: str, *, margin: int = 0) -> ArrayDataset:
        """A split, its pictures cut by ``margin`` px on every side."""
        return ArrayDataset(
            self.rows(split),
            self._labels[split],
            margin=margin,
            names=self._names[split].tolist(),
        )


def _read_clips(group: h5py.Group) -> ClipTable:
    return ClipTable(
        start=group["start"][()],
        length=group["length"][()],
        names=decoded(group["name"][()]).tolist(),
        labels={key: values[()] for key, values in group["labels"].items()},
        splits={key: values[()] for key, values in group["splits"].items()},
    )
