"""Writing a cache: one process at a time, checked for space, renamed when whole."""

from __future__ import annotations

import json
import logging
import os
import shutil
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from datamodules.cache import FORMAT_VERSION, Header, why_unusable
from datamodules.errors import DataError, DiskSpaceError
from datamodules.progress import progress_bar

log = logging.getLogger(__name__)

SPARE_BYTES: Final = 64 << 20
LABEL_BYTES: Final = 128
STRUCTURE_BYTES: Final = 1 << 18
"""Room for a picture's labels, name and checksum, and for HDF5's own tables."""
WRITE_ROWS: Final = 256


@dataclass(frozen=True)
class ClipPlan:
    """Which stretches of a split's pictures are clips: one after the other, none in between.

    Args:
        lengths: frames of each of M clips; together they are all pictures of the split.
        names: M names, ASCII.
        labels: arrays of M rows, by batch key.
        splits: clips of every split, by number; a clip may be in several.
    """

    lengths: NDArray[np.int64]
    names: list[str]
    labels: dict[str, NDArray[Any]]
    splits: dict[str, NDArray[np.int64]]


@dataclass
class SplitPlan:
    """What one split of a new cache will hold.

    Args:
        count: pictures expected; fewer may come where some do not decode.
        shape: (H, W, C) of a picture.
        labels: arrays of ``count`` rows by batch key.
        names: ``count`` file names, ASCII.
        images: gives (row, picture) in rising order of row, leaving out what does not decode.
        skipped: filled by ``images`` with what it left out.
        clips: the clips whose frames the pictures are, if they are any's.
    """

    count: int
    shape: tuple[int, int, int]
    labels: dict[str, NDArray[Any]]
    names: list[str]
    images: Callable[[], Iterator[tuple[int, NDArray[np.uint8]]]]
    skipped: list[str] = field(default_factory=list)
    clips: ClipPlan | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of all pictures."""
        return self.count * int(np.prod(self.shape))


def ensure_cache(path: Path, header: Header, plan: Callable[[], Mapping[str, SplitPlan]]) -> bool:
    """Make the cache unless it is there; safe to call from several processes at once.

    Returns:
        Whether it was made now.

    Raises:
        DiskSpaceError: the pictures do not fit on the disk.
        DataError: the cache cannot be written, or the source's content is bad.
    """
    if why_unusable(path, header) is None:
        return False
    lock = FileLock(f"{path}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            log.warning("waiting for another process that is making %s", path)
            lock.acquire()
    except OSError as error:
        raise cannot_write(path, error) from error
    try:
        reason = why_unusable(path, header)
        if reason is None:
            return False
        if path.exists():
            log.warning("making the cache %s again: %s", path, reason)
        _make(path, header, plan)
    finally:
        lock.release()
    return True


def _make(path: Path, header: Header, plan: Callable[[], Mapping[str, SplitPlan]]) -> None:
    for left_over in path.parent.glob(f"{path.name}.*.tmp"):
        left_over.unlink(missing_ok=True)  # of a killed process; we hold the lock
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    splits = plan()
    check_space(path, sum(split.nbytes for split in splits.values()))
    try:
        _write(temporary, header, splits)
        temporary.replace(path)
        _sync(path.parent)
    except (OSError, RuntimeError) as error:  # h5py raises the latter where closing a file fails
        raise cannot_write(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def cannot_write(path: Path, error: Exception) -> DataError:
    """The error for a file or folder of the cache that the system refuses."""
    return DataError(
        f"cannot write the cache {path}: {error}. Choose another folder with --cache-dir DIR."
    )


def check_space(path: Path, needed: int) -> None:
    """See whether ``needed`` bytes fit on the disk that holds the folder of ``path``.

    Raises:
        DiskSpaceError: they do not.
    """
    free = shutil.disk_usage(path.parent).free
    if free < needed + SPARE_BYTES:
        raise DiskSpaceError(
            f"{path} needs {(needed + SPARE_BYTES) / 2**20:,.0f} MiB, but {free / 2**20:,.0f} MiB "
            "are free. Free some, or choose another folder with --cache-dir DIR. Nothing was "
            "written."
        )


def _reserve(path: Path, size: int) -> None:
    """Have the system set ``size`` bytes aside for a file, where it can.

    HDF5 brings the process down when a disk fills up while it writes; this fails as an ordinary
    OSError instead. What is not needed in the end stays as a small tail of the file.
    """
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, size)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write(path: Path, header: Header, splits: Mapping[str, SplitPlan]) -> None:
    total = sum(split.count for split in splits.values())
    before = 0
    with (
        progress_bar(f"preparing {header.dataset}", total) as show,
        h5py.File(path, "w", locking=False) as file,
    ):
        file.flush()
        pixels = sum(split.nbytes for split in splits.values())
        _reserve(path, pixels + LABEL_BYTES * total + STRUCTURE_BYTES)
        for name, split in splits.items():
            _write_split(file.create_group(name), split, partial(_show, show, before, total))
            before += split.count
        file.attrs["created_by"] = "whatwhere"
        file.attrs["format_version"] = FORMAT_VERSION
        file.attrs["dataset"] = header.dataset
        file.attrs["recipe"] = json.dumps(header.recipe, sort_keys=True)
        file.attrs["recipe_hash"] = header.recipe_hash
        file.attrs["fingerprint"] = header.fingerprint
        file.attrs["num_samples"] = sum(int(group.attrs["count"]) for group in file.values())
        file.flush()
        file.attrs["complete"] = 1
    _sync(path)


def _show(show: Callable[[int, int], None], before: int, total: int, kept: int) -> None:
    show(before + kept, total)


def _write_split(group: h5py.Group, split: SplitPlan, advance: Callable[[int], None]) -> None:
    images = group.create_dataset("image", (split.count, *split.shape), dtype=np.uint8)
    block = np.empty((WRITE_ROWS, *split.shape), np.uint8)
    kept: list[int] = []
    crc: list[int] = []
    filled = 0
    for row, image in split.images():
        block[filled] = image
        crc.append(zlib.crc32(block[filled].data))
        kept.append(row)
        filled += 1
        if filled == WRITE_ROWS:
            images[len(kept) - filled : len(kept)] = block
            advance(len(kept))
            filled = 0
    if filled:
        images[len(kept) - filled : len(kept)] = block[:filled]
        advance(len(kept))
    # Pictures that did not decode leave unused rows at the end: a contiguous array cannot shrink.
    group.attrs["count"] = len(kept)
    group.attrs["skipped"] = json.dumps(split.skipped)
    _write_array(group, "crc", np.array(crc, np.uint32))
    _write_array(group, "name", encoded(split.names)[kept])
    labels = group.create_group("labels")
    for key, values in split.labels.items():
        _write_array(labels, key, values[kept])
    if split.clips is not None:
        _write_clips(group.create_group("clips"), split.clips, split.count, kept)


def _write_array(group: h5py.Group, name: str, values: NDArray[Any]) -> None:
    """A small array with checksums, by chunks; HDF5 has no chunks of nothing."""
    group.create_dataset(name, data=values, fletcher32=values.size > 0)


def encoded(names: Sequence[str]) -> NDArray[np.bytes_]:
    """Names of files as UTF-8, however they are written."""
    return np.char.encode(np.array(names, dtype=str), "utf-8")


def _write_clips(group: h5py.Group, clips: ClipPlan, count: int, kept: list[int]) -> None:
    ends = np.cumsum(clips.lengths)
    if len(ends) and ends[-1] != count:
        raise ValueError(f"clips of {ends[-1]} frames are planned for {count} pictures")
    # A frame that did not decode makes its clip shorter, and those behind it begin earlier.
    start = np.searchsorted(kept, ends - clips.lengths)
    _write_array(group, "start", start.astype(np.int64))
    length = np.searchsorted(kept, ends) - start
    _write_array(group, "length", length.astype(np.int64))
    _write_array(group, "name", encoded(clips.names))
    for kind, arrays in (("labels", clips.labels), ("splits", clips.splits)):
        folder = group.create_group(kind)
        for key, values in arrays.items():
            _write_array(folder, key, values)
