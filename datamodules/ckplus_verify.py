"""What a user's CK+ copy holds, against the official one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from datamodules.ckplus_files import (
    UNLABELLED,
    CKPlusFiles,
    find_files,
    read_emotion,
    read_landmarks,
)
from datamodules.errors import DataError
from datamodules.images import read_rgb
from datamodules.report import Report, Status

PEOPLE: Final = 123
SEQUENCES: Final = 593
LABELLED: Final = 327
FEWEST: Final = 3
SAMPLED: Final = 32
PART: Final = "fine for a part; otherwise unpack the four archives again"


def verify_ckplus(root: Path, obtain: str) -> Report:
    """Rows of found against expected; CK+ has no published checksums."""
    report = Report("ckplus", str(root))
    if not root.is_dir():
        report.add("folder", str(root), "nothing", "missing", obtain)
        return report
    files = find_files(root)
    report.add("folder", "a CK+ copy", str(root), "ok")
    if files.cropped:
        report.add(
            "cropped pictures",
            "none",
            f"{files.cropped:,} in folders that are no sequences",
            "warn",
            "these are of the set of 48 px crops that goes by the name CK+48: it has no "
            "landmarks, is another selection, and is not read here",
        )
    if not files.sequences:
        report.add("sequences", f"{SEQUENCES}", "none", "missing", obtain)
        return report
    people = len({take.subject for take in files.sequences})
    _count(report, "people", PEOPLE, people)
    _count(report, "sequences", SEQUENCES, len(files.sequences))
    usable = len({take.subject for take in files.usable})
    report.add(
        "people with landmarks",
        f"all of {people}",
        f"{usable}",
        "missing" if usable < FEWEST else "ok" if usable == people else "warn",
        f"unpack the landmarks again; {FEWEST} people are needed, one for each split",
    )
    _check_landmarks(report, files, obtain)
    _check_labels(report, files)
    pictures = [path for take in files.sequences for path in take.images.values()]
    _sample(report, "pictures", pictures, lambda path: read_rgb(path, None))
    return report


def _count(report: Report, item: str, expected: int, found: int) -> None:
    report.add(item, f"{expected:,}", f"{found:,}", "ok" if found == expected else "warn", PART)


def _check_landmarks(report: Report, files: CKPlusFiles, obtain: str) -> None:
    frames = sum(len(take.images) for take in files.sequences)
    absent = frames - sum(len(take.frames) for take in files.sequences)
    status: Status = "ok" if not absent else "missing" if 2 * absent > frames else "warn"
    remedy = obtain if status == "missing" else "frames without landmarks are left out"
    found = f"{frames - absent:,} of {frames:,}"
    report.add("frames with landmarks", f"all of {frames:,}", found, status, remedy)
    if status == "missing":
        return

    def read(path: Path) -> Any:
        try:
            return read_landmarks(path)
        except DataError as error:
            return str(error)

    paths = [path for take in files.sequences for path in take.landmarks.values()]
    _sample(report, "landmark files", paths, read)


def _check_labels(report: Report, files: CKPlusFiles) -> None:
    expected = f"{LABELLED} sequences"
    try:
        labels = [read_emotion(take) for take in files.sequences]
    except DataError as error:
        report.add("expressions", expected, "unreadable", "missing", str(error))
        return
    found = sum(label != UNLABELLED for label in labels)
    status: Status = "ok" if found == LABELLED else "warn"
    remedy = PART if found else "without Emotion_labels every expression is -1"
    report.add("expressions", expected, f"{found} sequences", status, remedy)


def _sample(report: Report, item: str, paths: list[Path], read: Callable[[Path], Any]) -> None:
    """Read some, evenly spread, with the last: a broken archive breaks at the end."""
    picked = sorted({paths[k * (len(paths) - 1) // (SAMPLED - 1)] for k in range(SAMPLED)})
    results = {path: read(path) for path in picked}
    bad = [f"{path.name}: {why}" for path, why in results.items() if isinstance(why, str)]
    report.add(
        f"{len(picked)} {item}, read",
        "readable",
        "; ".join(bad) or "readable",
        "missing" if len(bad) > 1 else "warn" if bad else "ok",
        "unpack the archive again",
    )
