"""What a user's CLEVRER copy holds, against the published one."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from datamodules.clevrer_files import (
    BROKEN,
    FIRST,
    FRAMES,
    LAST,
    SPLITS,
    find_files,
    read_annotation,
)
from datamodules.errors import DataError
from datamodules.report import Report
from datamodules.video import count_frames

OBTAIN: Final = (
    "CLEVRER is free (CC0): video_train.zip, video_validation.zip, video_test.zip and the two "
    "annotation archives of clevrer.csail.mit.edu; unpack them into one folder"
)
PART: Final = "fine for a part; otherwise unpack the archives again"
SAMPLED: Final = 12


def verify_clevrer(root: Path) -> Report:
    """Rows of found against expected.

    Args:
        root: folder of the copy.
    """
    report = Report("clevrer", str(root))
    if not report.add_folder("CLEVRER", OBTAIN):
        return report
    try:
        files = find_files(root)
    except DataError as error:
        report.add("videos", "each once", "some twice", "missing", str(error))
        return report
    report.add_marker(files.marker, "stand-in scenes")
    ends = [*FIRST.values(), LAST]
    for place, split in enumerate(SPLITS):
        expected, numbers = ends[place + 1] - ends[place], files.numbers(split)
        report.add(
            f"videos, {split}",
            f"{expected:,}, numbered {FIRST[split]:05d} to {ends[place + 1] - 1:05d}",
            f"{len(numbers):,}",
            "ok" if len(numbers) == expected else "warn" if numbers else "missing",
            PART if numbers else OBTAIN,
        )
        if split != "test":
            said = sum(number in files.annotations for number in numbers)
            report.add(
                f"annotations, {split}",
                "one of each video",
                f"{said:,} of {len(numbers):,}",
                "ok" if said == len(numbers) else "warn",
                "nothing is known of the objects of the others",
            )
    broken = sorted(set(BROKEN) & set(files.videos))
    report.add("known to be broken", "left out", ", ".join(map(str, broken)) or "none", "ok")
    _check_some(report, list(files.videos.values()), list(files.annotations.values()))
    return report


def _check_some(report: Report, videos: list[Path], annotations: list[Path]) -> None:
    wrong = []
    some = videos[:: max(1, len(videos) // SAMPLED)]
    for video in some:
        try:
            count = count_frames(video)
        except DataError as error:
            wrong.append(str(error))
        else:
            if count != FRAMES:
                wrong.append(f"{video.name} has {count} frames")
    for path in annotations[:: max(1, len(annotations) // SAMPLED)]:
        try:
            read_annotation(path)
        except DataError as error:
            wrong.append(str(error))
    report.add(
        f"{len(some)} videos and their annotations",
        f"{FRAMES} frames, as CLEVRER's",
        "; ".join(wrong) or "as they should be",
        "warn" if wrong else "ok",
        "unpack these again, or prepare with max_bad_videos",
    )
