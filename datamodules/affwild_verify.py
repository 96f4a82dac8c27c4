"""What a user's Aff-Wild copy holds, against what users have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeVar

import numpy as np

from datamodules.affwild_clips import Cutter
from datamodules.affwild_crops import read_box
from datamodules.affwild_files import AffWildFiles, Edition, Frames, Track, find_files
from datamodules.affwild_labels import FEW
from datamodules.affwild_splits import SPLITS, split_tracks
from datamodules.affwild_tracks import Labelled, label_tracks, listed
from datamodules.errors import DataError
from datamodules.images import read_rgb
from datamodules.report import Report
from datamodules.video import decode_video

Item = TypeVar("Item")

OBTAIN: Final = (
    "Aff-Wild and Aff-Wild2 are given for research to those who ask their authors (Aff-Wild: "
    "videos, annotations and bboxes of the training set; Aff-Wild2: cropped_aligned, and the "
    "labels VA_Set); unpack the archives into one folder"
)
TWO_EDITIONS: Final = "Put them into folders of their own, and give one of these"
TRAINING_VIDEOS: Final = 252
SAMPLED: Final = 24
PART: Final = "fine for a part; otherwise unpack the archives again"


def verify_affwild(root: Path, cutter: Cutter) -> Report:
    """Rows of found against expected; neither edition has published checksums.

    Args:
        root: folder of the copy.
        cutter: how videos are cut into clips by default.
    """
    report = Report("affwild", str(root))
    if not report.add_folder("Aff-Wild", OBTAIN):
        return report
    files = find_files(root)
    report.add_marker(files.marker, "stand-in faces")
    found = " and ".join(f"{name} ({len(tracks)})" for name, tracks in files.tracks.items())
    if len(files.tracks) != 1:
        remedy = TWO_EDITIONS if files.tracks else OBTAIN
        report.add("labels", "of one edition", found or "none", "missing", remedy)
        return report
    ((edition, tracks),) = files.tracks.items()
    report.add("labels", "of one edition", found, "ok")
    whole = _check_parts(report, edition, tracks, files)
    if whole:
        _check_splits(report, edition, whole)
        frames = [(track, Frames.of(track.folder, edition)) for track in whole if track.folder]
        _check_labels(report, edition, frames, cutter)
        _check_faces(report, edition, frames)
        _check_videos(report, [track.video for track in whole if track.video is not None])
    return report


def _check_parts(
    report: Report, edition: Edition, tracks: list[Track], files: AffWildFiles
) -> list[Track]:
    """Which tracks have all their files."""
    held_back = sum(track.held_back for track in tracks)
    if edition == "Aff-Wild":
        report.add(
            "videos with labels",
            f"{TRAINING_VIDEOS}",
            f"{len(tracks)}",
            "ok" if len(tracks) == TRAINING_VIDEOS else "warn",
            PART,
        )
    else:
        report.add(
            "sets",
            "Train_Set or Training_Set, and Validation_Set",
            f"{len(tracks) - held_back} and {held_back} faces",
            "ok" if 0 < held_back < len(tracks) else "missing",
            "unpack the labels of both sets: VA_Set/Train_Set/*.txt, VA_Set/Validation_Set/*.txt",
        )
    lacking = [f"{track.name} (no {what})" for track in tracks if (what := track.lacks(edition))]
    whole = [track for track in tracks if not track.lacks(edition)]
    what = "video and boxes" if edition == "Aff-Wild" else "crops"
    report.add(
        f"{what} of each",
        f"{len(tracks)}",
        f"{len(whole)}" + f"; lacking: {listed(lacking)}" * bool(lacking),
        "missing" if not whole else "warn" if lacking else "ok",
        f"unpack the {what} again, or prepare with max_bad_images of {len(lacking)} or more",
    )
    rest = ", ".join(f"{count} {kind}" for kind, count in files.unlabelled.items() if count)
    report.add("without labels, not read", "any", rest or "none", "ok")
    return whole


def _check_splits(report: Report, edition: Edition, whole: list[Track]) -> None:
    splits = split_tracks(whole)
    videos = {name: len({whole[k].video_name for k in splits[name]}) for name in SPLITS}
    report.add(
        "splits",
        "videos in train, val, test",
        ", ".join(f"{name} {count}" for name, count in videos.items()),
        "ok" if all(splits.values()) else "missing",
        "unpack more videos: each split needs one",
    )
    named = {name: {whole[k].name for k in places} for name, places in splits.items()}
    nowhere = sorted(named["all"] - named["train"] - named["val"] - named["test"])
    if nowhere:
        report.add(
            "training faces in videos of the validation set",
            "none",
            listed(nowhere),
            "warn",
            "they are in 'all' alone, so that no video is in two splits",
        )


def _check_labels(
    report: Report, edition: Edition, frames: list[tuple[Track, Frames]], cutter: Cutter
) -> None:
    try:
        found = label_tracks(edition, frames)
    except DataError as error:
        report.add("values", "numbers from -1 to 1", "a bad file", "missing", str(error))
        return
    values = np.concatenate([item.values for item in found])
    there = np.isfinite(values).all(axis=1)
    ranges = (
        ", ".join(
            f"{axis} {column.min():.2f} to {column.max():.2f}"
            for axis, column in zip(("valence", "arousal"), values[there].T, strict=True)
        )
        if there.any()
        else "none"
    )
    report.add(
        "values",
        "numbers from -1 to 1",
        f"{ranges}; of {there.sum():,} of {len(there):,} frames with a face",
        "ok" if there.any() else "missing",
        "unpack the labels again",
    )
    kinds = Counter(map(_counts, found))
    report.add(
        "labels count",
        "frames",
        ", ".join(f"{kind} ({count})" for kind, count in sorted(kinds.items())),
        "warn" if kinds.keys() - {"frames"} else "ok",
        "read as they are; unpack labels and boxes again if they should fit",
    )
    _check_clips(report, found, cutter)


def _counts(item: Labelled) -> str:
    if item.boxed:
        return "boxes"
    last = int(item.frames.numbers[-1]) if len(item.frames.numbers) else 0
    return "fewer than frames" if item.lines < last - FEW else "frames"


def _check_clips(report: Report, found: list[Labelled], cutter: Cutter) -> None:
    lengths, gaps = [], np.zeros(2, np.int64)
    for item in found:
        numbers = item.frames.numbers[np.isfinite(item.values).all(axis=1)]
        lengths += [len(clip) for clip in cutter.cut(numbers)]
        gaps += cutter.gaps(numbers)
    shown = (
        f"{len(lengths):,} of {min(lengths)} to {max(lengths)} frames, {sum(lengths):,} in all; "
        if lengths
        else "none; "
    )
    report.add(
        "clips, by the usual settings",
        f"of {cutter.shortest} to {cutter.longest} frames",
        f"{shown}faces lost {gaps[0]:,} times for up to {cutter.max_gap} frames, {gaps[1]:,} times "
        "for longer",
        "ok" if lengths else "missing",
        "unpack more boxes or crops",
    )


def _check_faces(report: Report, edition: Edition, frames: Sequence[tuple[Track, Frames]]) -> None:
    """Read some boxes or crops, of faces evenly spread over the copy."""
    bad: list[str] = []
    sizes: Counter[str] = Counter()
    picked = [item for _, item in _spread(frames) if len(item.numbers)]
    for number, item in enumerate(picked):
        path = item.folder / item.names[number * (len(item.names) - 1) // SAMPLED]
        if edition == "Aff-Wild":
            try:
                read_box(path)
            except DataError as error:
                bad.append(str(error))
            continue
        image = read_rgb(path, None)
        if isinstance(image, str):
            bad.append(f"{path.parent.name}/{path.name} {image}")
        else:
            sizes[f"{image.width} x {image.height}"] += 1
    report.add(
        f"{len(picked)} boxes, read" if edition == "Aff-Wild" else f"{len(picked)} crops, decoded",
        "four corners each" if edition == "Aff-Wild" else "112 x 112",
        "; ".join([*sizes, *bad]) or "all",
        "missing" if len(bad) > 1 else "warn" if bad else "ok",
        "unpack them again",
    )


def _check_videos(report: Report, videos: Sequence[Path]) -> None:
    """Decode the first frame of some videos."""
    bad: list[str] = []
    sizes: Counter[str] = Counter()
    picked = _spread(videos)
    for path in picked:
        try:
            _, frame = next(decode_video(path, threads=1))
        except (DataError, StopIteration) as error:
            bad.append(str(error) or f"{path} has no frame")
        else:
            sizes[f"{frame.width} x {frame.height}"] += 1
    if picked:
        report.add(
            f"{len(picked)} videos, begun",
            "any size",
            "; ".join([f"{size} ({count})" for size, count in sorted(sizes.items())] + bad),
            "missing" if len(bad) > 1 else "warn" if bad else "ok",
            "copy or unpack these again",
        )


def _spread(items: Sequence[Item]) -> list[Item]:
    """At most `SAMPLED`, evenly, with the last: a broken download breaks at the end."""
    count = min(SAMPLED, len(items))
    return [items[k * (len(items) - 1) // max(1, count - 1)] for k in range(count)]
