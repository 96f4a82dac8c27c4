"""What a user's Multi-PIE copy holds, against the whole of it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final

from datamodules.errors import DataError
from datamodules.face_finder import installed
from datamodules.images import read_rgb
from datamodules.multipie_copy import choose_kind
from datamodules.multipie_files import OBTAIN, MultiPIEFiles, find_files
from datamodules.multipie_names import (
    CAMERA_YAW,
    ILLUMINATIONS,
    ORIGINAL_SIZE,
    RECORDING_EXPRESSION,
    YAW_CAMERA,
    Shot,
)
from datamodules.multipie_splits import Selection, build_splits
from datamodules.report import Report, Status

SUBJECTS: Final = 337
SESSION_SUBJECTS: Final = {1: 249, 2: 203, 3: 230, 4: 239}
PER_VIEW: Final = ILLUMINATIONS * sum(
    SESSION_SUBJECTS[session] for session, _ in RECORDING_EXPRESSION
)
LANDMARK_FILES: Final = 6_152
SAMPLED: Final = 32
PARTIAL: Final = (
    "fine for a partial copy, such as the popular one of session 1 alone; scores then go with "
    "what it holds"
)


def verify_multipie(root: Path, selection: Selection) -> Report:
    """Rows of found against expected; whatever is partial is a warning while a split can be made.

    Args:
        root: folder of the copy.
        selection: what the splits take of it.
    """
    report = Report("multipie", str(root))
    if not report.add_folder("Multi-PIE", OBTAIN):
        return report
    files = find_files(root)
    report.add_marker(files.marker, "stand-in faces")
    if not files.pictures:
        report.add("pictures", "001_01_01_051_07.png, ...", "none", "missing", OBTAIN)
        return report
    kinds = files.kinds()
    kind = choose_kind(files, "auto")
    several = (
        f", and {sum(kinds.values()) - kinds[kind]:,} of other kinds" if len(kinds) > 1 else ""
    )
    report.add(
        "kind of copy",
        "one",
        f"{kind or 'original'}: {kinds[kind]:,} pictures{several}",
        "warn" if len(kinds) > 1 else "ok",
        "only the first is read; give the folder of one kind to choose another",
    )
    keys = files.pictures[kind]
    _check_people(report, {shot for shot, _ in keys})
    _check_views(report, Counter(camera for _, camera in keys), selection)
    _check_landmarks(report, files, original=not kind)
    _check_pictures(report, [keys[key] for key in sorted(keys)], original=not kind)
    _check_splits(report, list(keys), selection)
    return report


def _row(report: Report, item: str, expected: int, found: int, remedy: str = PARTIAL) -> None:
    status: Status = "ok" if found == expected else "warn"
    report.add(item, f"{expected:,}", f"{found:,}", status, remedy)


def _check_people(report: Report, shots: set[Shot]) -> None:
    _row(report, "subjects", SUBJECTS, len({shot.subject for shot in shots}))
    for session, expected in SESSION_SUBJECTS.items():
        own = {shot for shot in shots if shot.session == session}
        _row(report, f"subjects of session 0{session}", expected, len({s.subject for s in own}))
    recordings = {(shot.session, shot.recording) for shot in shots}
    names = sorted({RECORDING_EXPRESSION[place] for place in recordings})
    report.add(
        "recordings",
        f"{len(RECORDING_EXPRESSION)}, of {len(set(RECORDING_EXPRESSION.values()))} expressions",
        f"{len(recordings)}, of {len(names)} expressions: {', '.join(names)}",
        "ok" if len(recordings) == len(RECORDING_EXPRESSION) else "warn",
        PARTIAL,
    )
    _row(report, "illuminations", ILLUMINATIONS, len({shot.light for shot in shots}))


def _check_views(report: Report, cameras: Counter[str], selection: Selection) -> None:
    _row(report, "views", len(CAMERA_YAW), len(cameras), "only those that are scored are needed")
    for view in selection.views:
        camera = YAW_CAMERA[view]
        found = cameras[camera]
        report.add(
            f"pictures of view {view} (camera {camera})",
            f"{PER_VIEW:,}",
            f"{found:,}",
            "ok" if found == PER_VIEW else "warn" if found else "missing",
            PARTIAL if found else "complete the copy: every one of these views is scored",
        )


def _check_landmarks(report: Report, files: MultiPIEFiles, *, original: bool) -> None:
    found = len(files.landmarks)
    if original or found:
        # A few pictures that cannot be cropped may be left out, all of them may not.
        helpless = original and not found and not installed()
        report.add(
            "landmark files",
            f"{LANDMARK_FILES:,}",
            f"{found:,}",
            "ok" if found == LANDMARK_FILES else "missing" if helpless else "warn",
            "pictures without one are cropped by a face detector: pip install 'whatwhere[face]'",
        )


def _check_pictures(report: Report, paths: list[str], *, original: bool) -> None:
    count = min(SAMPLED, len(paths))
    # Evenly spread, with the last: a broken download breaks at the end.
    picked = [Path(paths[k * (len(paths) - 1) // max(1, count - 1)]) for k in range(count)]
    bad: dict[str, str] = {}
    sizes: Counter[str] = Counter()
    whole = 0
    for path in picked:
        image = read_rgb(path, None)
        if isinstance(image, str):
            bad[path.name] = image
        else:
            sizes[f"{image.width} x {image.height}"] += 1
            whole += original and image.size != ORIGINAL_SIZE
    report.add(
        f"{count} pictures, decoded",
        "one size",
        "; ".join([*sizes, *(f"{name} {why}" for name, why in bad.items())]),
        "missing" if len(bad) > 1 else "warn" if bad or len(sizes) > 1 else "ok",
        "unpack these pictures again; pictures of several sizes may show different parts of faces",
    )
    if whole:
        width, height = ORIGINAL_SIZE
        report.add(
            "size of original pictures",
            f"{width} x {height}",
            f"another of {whole} in {count}",
            "warn",
            "they are taken for cropped ones, whose middle square is shown; crop='landmarks' in a "
            "table's data crops them by their landmarks, in pixels of the pictures as they are",
        )


def _check_splits(report: Report, keys: list[tuple[Shot, str]], selection: Selection) -> None:
    try:
        splits = build_splits(keys, selection)
    except DataError as error:
        report.add("splits", "train, val, test", "none", "missing", str(error))
        return
    views = len(selection.views)
    sizes = (selection.train_size, selection.val_size, views * selection.test_per_view)
    for (split, chosen), expected in zip(splits.items(), sizes, strict=True):
        people = len({shot.subject for shot, _ in chosen})
        report.add(
            f"split {split}",
            f"{expected:,}",
            f"{len(chosen):,} of {people} identities",
            "ok" if len(chosen) == expected else "warn",
            PARTIAL,
        )
