"""What a user's CelebA copy holds, against the official one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from datamodules.celeba_files import (
    IMAGE_FOLDERS,
    LISTS,
    OBTAIN,
    OPTIONAL,
    WILD_FOLDERS,
    WILD_LISTS,
    CelebAFiles,
    find_files,
    list_images,
)
from datamodules.celeba_lists import read_boxes, read_landmarks, read_names, read_numbers
from datamodules.celeba_splits import build_splits
from datamodules.errors import DataError, DatasetNotFoundError
from datamodules.geometry import HEIGHT, WIDTH
from datamodules.images import read_rgb
from datamodules.report import Report, Status

IMAGES: Final = 202_599
ROWS: Final = {
    "landmarks": IMAGES,
    "partition": IMAGES,
    "identity": IMAGES,
    "mafl_train": 19_000,
    "mafl_test": 1_000,
    "boxes": IMAGES,
}
MD5: Final = {
    "landmarks": "cc24ecafdb5b50baae59b03474781f8c",
    "partition": "d32c9cbf5e040fd4025c592c306e6668",
    "identity": "32bd1bd63d3c78cd57e08160ec5ed1e2",
    "mafl_train": "3d44e65bbf2ada5f1259590823dc59f5",
    "mafl_test": "56bd57738ee0021dab291ad317e89048",
}
WILD_MD5: Final = MD5 | {
    "landmarks": "063ee6ddb681f96bc9ca28c6febb9d1a",
    "boxes": "00566efa6fedff7a56946cd1c10f1c16",
}
SPLIT_SIZES: Final = {"unsupervised": 146_501, "val": 2_000, "train": 19_000, "test": 1_000}
SAMPLED: Final = 32
OTHER_COPY: Final = "fine for a miniature or another release; otherwise download the file again"


def verify_celeba(root: Path, *, wild: bool = False) -> Report:
    """Rows of found against expected; official totals and checksums are warnings, never errors.

    Args:
        root: the copy.
        wild: look for the pictures that are not aligned, with their own lists.
    """
    report = Report("celeba_wild" if wild else "celeba", str(root))
    try:
        files = find_files(root, wild=wild)
    except DatasetNotFoundError as error:
        report.add("folder", str(root), "nothing", "missing", str(error))
        return report
    report.add("folder", "a CelebA copy", str(root), "ok")
    images = _check_images(report, files)
    readers: dict[str, Callable[[Path], Any]] = {
        "landmarks": lambda path: read_landmarks(path, wild=wild),
        "partition": lambda path: read_numbers(path, "partition", 0, 2),
        "identity": lambda path: read_numbers(path, "identity", 0, 2**31 - 1),
        "mafl_train": read_names,
        "mafl_test": read_names,
        **({"boxes": read_boxes} if wild else {}),
    }
    lists = {part: _check_list(report, files, part, read) for part, read in readers.items()}
    if all(lists[part] for part in ("partition", "mafl_train", "mafl_test")):
        _check_splits(report, lists, images, _folder(files))
    return report


def _folder(files: CelebAFiles) -> str:
    return (WILD_FOLDERS if files.wild else IMAGE_FOLDERS)[0]


def _check_images(report: Report, files: CelebAFiles) -> set[str]:
    folder = _folder(files)
    if files.images is None:
        report.add("pictures", f"{IMAGES:,}", f"no folder {folder}", "missing", OBTAIN)
        return set()
    listed = list_images(files.images)
    report.add(
        f"pictures in {files.images.relative_to(files.root)}",
        f"{IMAGES:,}",
        f"{len(listed):,}",
        "ok" if len(listed) == IMAGES else "warn",
        f"fine for a miniature; otherwise unpack {folder} again",
    )
    # Evenly spread, with the last: a broken download breaks at the end.
    numbers = sorted(listed)
    picked = {numbers[k * (len(numbers) - 1) // (SAMPLED - 1)] for k in range(SAMPLED)}
    size = None if files.wild else (WIDTH, HEIGHT)
    wanted = "any size" if files.wild else f"{WIDTH} x {HEIGHT}"
    read = {number: read_rgb(files.images / listed[number][0], size) for number in picked}
    bad = {number: why for number, why in sorted(read.items()) if isinstance(why, str)}
    report.add(
        f"{len(picked)} pictures, decoded",
        wanted,
        "; ".join(f"{number} {why}" for number, why in bad.items()) or wanted,
        "missing" if len(bad) > 1 else "warn" if bad else "ok",
        f"unpack {folder} again"
        + ("" if files.wild else "; pictures must be the aligned ones at full size"),
    )
    return set(listed)


def _check_list(
    report: Report, files: CelebAFiles, part: str, read: Callable[[Path], Any]
) -> Any | None:
    names, sums = (WILD_LISTS, WILD_MD5) if files.wild else (LISTS, MD5)
    name = f"MAFL/{names[part]}" if part.startswith("mafl") else names[part]
    expected = f"{ROWS[part]:,} rows"
    path: Path | None = getattr(files, part)
    if path is None:
        if part in OPTIONAL:
            report.add(name, expected, "none", "warn", "without it batches have no identity")
        else:
            report.add(name, expected, "none", "missing", OBTAIN)
        return None
    try:
        rows = read(path)
    except DataError as error:
        report.add(name, expected, "unreadable", "missing", str(error))
        return None
    found = f"{len(rows):,} rows"
    report.add(name, expected, found, "ok" if len(rows) == ROWS[part] else "warn", OTHER_COPY)
    md5 = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    report.add(f"{name}, md5", sums[part], md5, "ok" if md5 == sums[part] else "warn", OTHER_COPY)
    return rows


def _check_splits(report: Report, lists: dict[str, Any], images: set[str], folder: str) -> None:
    try:
        splits = build_splits(lists["partition"], lists["mafl_train"], lists["mafl_test"])
    except DataError as error:
        report.add("splits", "disjoint lists", "none", "missing", str(error))
        return
    for split, expected in SPLIT_SIZES.items():
        numbers = splits[split]
        absent = sorted(set(numbers) - images)
        unlabelled = set(numbers) - (lists["landmarks"] or {}).keys()
        if absent or unlabelled:
            report.add(
                f"split {split}",
                f"{expected:,}",
                f"{len(numbers):,} listed, {len(absent):,} pictures and "
                f"{len(unlabelled):,} landmark rows absent",
                "missing",
                f"unpack {folder} again, and take the lists from the same archive",
            )
        else:
            status: Status = "ok" if len(numbers) == expected else "warn"
            report.add(f"split {split}", f"{expected:,}", f"{len(numbers):,}", status, OTHER_COPY)
