"""What a user's MUG copy holds, against what users have."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final

from datamodules.errors import DataError
from datamodules.face_finder import INSTALL, installed
from datamodules.images import read_rgb
from datamodules.mug_crops import read_boxes
from datamodules.mug_files import EXPRESSIONS, PEOPLE, MUGFiles, find_files
from datamodules.mug_splits import SPLITS, split_people
from datamodules.pts import read_points
from datamodules.report import Report, Status

OBTAIN: Final = (
    "MUG is given to researchers who sign its licence (mug.ee.auth.gr/fed): unpack the archives of "
    "subjects3 into one folder, 001/anger/take000/img_0012.jpg, ..."
)
SAMPLED: Final = 32
NAMED: Final = 12
PART: Final = "fine for a part; otherwise unpack the archives again"


def verify_mug(root: Path, shortest: int) -> Report:
    """Rows of found against expected; MUG has neither published totals nor checksums.

    Args:
        root: folder of the copy.
        shortest: frames that a take needs to be handed out as a clip by default.
    """
    report = Report("mug", str(root))
    if not report.add_folder("MUG", OBTAIN):
        return report
    files = find_files(root)
    report.add_marker(files.marker, "stand-in faces")
    if not files.takes:
        ignored = _listed([f"{name} ({n:,})" for name, n in sorted(files.ignored.items())])
        found = "none" if not ignored else f"none; ignored folders: {ignored}"
        report.add("pictures", "001/anger/take000/img_0012.jpg", found, "missing", OBTAIN)
        return report
    _check_people(report, files)
    _check_takes(report, files, shortest)
    _check_crops(report, files)
    _check_pictures(report, files)
    return report


def _listed(names: list[str]) -> str:
    return ", ".join(names[:NAMED]) + ", ..." * (len(names) > NAMED)


def _check_people(report: Report, files: MUGFiles) -> None:
    people = set(files.people)
    missing = [f"{who:03d}" for who in PEOPLE if who not in people]
    found = f"{len(people & set(PEOPLE))}" + f"; missing {', '.join(missing)}" * bool(missing)
    report.add("people", f"{len(PEOPLE)}", found, "warn" if missing else "ok", PART)
    others = [f"{who:03d}" for who in sorted(people - set(PEOPLE))]
    if others:
        report.add(
            "other people",
            "none",
            _listed(others),
            "warn",
            "MUG has 86 persons, of whom users have 52: these are read too, and divided by a hash",
        )
    acted = {(take.subject, take.expression) for take in files.takes}
    absent = [
        f"{who:03d}/{kind}"
        for who in sorted(people)
        for number, kind in enumerate(EXPRESSIONS)
        if (who, number) not in acted
    ]
    report.add(
        "expressions of everybody",
        f"{len(EXPRESSIONS)}",
        f"all but {_listed(absent)}" if absent else f"{len(EXPRESSIONS)}",
        "warn" if absent else "ok",
        PART,
    )
    split = split_people(people, published=True)
    sizes = {name: sum(take.subject in split[name] for take in files.takes) for name in SPLITS}
    empty = [name for name in ("train", "test") if not sizes[name]]
    report.add(
        "splits",
        "takes in train, val, test",
        ", ".join(f"{name} {n:,} of {len(split[name])} people" for name, n in sizes.items()),
        "missing" if empty else "ok" if sizes["val"] else "warn",
        "unpack the archives of more persons: each half of the published ones needs some",
    )


def _check_takes(report: Report, files: MUGFiles, shortest: int) -> None:
    kinds = Counter(EXPRESSIONS[take.expression] for take in files.takes)
    by_kind = ", ".join(f"{kind} {kinds[kind]:,}" for kind in EXPRESSIONS)
    report.add("takes", "some of each expression", f"{len(files.takes):,}: {by_kind}", "ok")
    layouts = ", ".join(f"{name} {n:,}" for name, n in sorted(files.layouts.items()))
    report.add("folders", "any of the known ways", layouts, "ok")
    if files.ignored:
        names = [f"{name} ({n:,})" for name, n in sorted(files.ignored.items())]
        report.add("ignored folders", "any", _listed(names), "ok")
    gaps = [f"{take.name} ({take.missing})" for take in files.takes if take.missing]
    report.add(
        "takes with missing frames",
        "none",
        f"{len(gaps):,}: {_listed(gaps)}" if gaps else "none",
        "warn" if gaps else "ok",
        "read as they are; unpack these archives again if they should be whole",
    )
    short = [
        f"{take.name} ({len(take.images)})" for take in files.takes if len(take.images) < shortest
    ]
    lengths = sorted(len(take.images) for take in files.takes)
    middle = lengths[len(lengths) // 2]
    report.add(
        f"takes shorter than {shortest} frames",
        "none",
        f"{len(short):,}: {_listed(short)}; " * bool(short)
        + f"{lengths[0]} to {lengths[-1]} frames, median {middle}",
        "warn" if short else "ok",
        "left out where clips of that length are handed out; ask for fewer frames",
    )


def _check_crops(report: Report, files: MUGFiles) -> None:
    total = len(files.takes)
    pointed = [take for take in files.takes if take.landmarks]
    wrong = ""
    boxes: set[str] = set()
    try:
        if files.boxes is not None:
            boxes = set(read_boxes(files.boxes))
        for take in pointed[:: max(1, len(pointed) // SAMPLED)]:
            read_points(take.landmarks[min(take.landmarks)], 68)
    except DataError as error:
        wrong = str(error)
    unknown = sorted(boxes - {take.name for take in files.takes})
    boxed = sum(not take.landmarks and take.name in boxes for take in files.takes)
    rest = total - len(pointed) - boxed
    way = "dlib" if installed() else "the middle of the picture"
    status: Status = "ok"
    if wrong:
        status = "missing"
    elif unknown or (rest and not installed()):
        status = "warn"
    remedy = f"a box names no take: {_listed(unknown)}" if unknown else f"to find faces, {INSTALL}"
    report.add(
        "crops",
        "points, boxes or dlib",
        f"{len(pointed):,} takes by points, {boxed:,} by boxes, {rest:,} by {way}",
        status,
        wrong or remedy,
    )


def _check_pictures(report: Report, files: MUGFiles) -> None:
    paths = [take.images[frame] for take in files.takes for frame in take.frames]
    # Evenly spread, with the last: a broken download breaks at the end.
    picked = sorted({paths[k * (len(paths) - 1) // (SAMPLED - 1)] for k in range(SAMPLED)})
    bad: dict[str, str] = {}
    sizes: Counter[str] = Counter()
    for path in picked:
        image = read_rgb(path, None)
        if isinstance(image, str):
            bad[f"{path.parent.name}/{path.name}"] = image
        else:
            sizes[f"{image.width} x {image.height}"] += 1
    report.add(
        f"{len(picked)} pictures, decoded",
        "one size",
        "; ".join([*sizes, *(f"{name} {why}" for name, why in bad.items())]),
        "missing" if len(bad) > 1 else "warn" if bad or len(sizes) > 1 else "ok",
        "unpack these archives again; one crop is used for all frames of a take",
    )
