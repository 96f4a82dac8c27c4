"""What a user's Sprites copy holds, against Li and Mandt's sheets and what their scripts make."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Final

import numpy as np

from datamodules.errors import DataError
from datamodules.images import read_rgb
from datamodules.report import Report, Status
from datamodules.sprites_files import (
    CLIPS,
    OBTAIN,
    PARTS,
    Form,
    SpritesFiles,
    clip_file,
    find_files,
)
from datamodules.sprites_generated import AGAIN, GeneratedArrays
from datamodules.sprites_sheets import (
    CELL,
    CHARACTERS,
    CLIP_FRAMES,
    POSES,
    needed_sheets,
    read_sheet,
)
from datamodules.sprites_splits import split_characters

CRC32: Final = {
    "body": ("ea160622", "bcd985f2", "0624f906", "3bcc08ed", "1099bd9e", "d3977dc8"),
    "bottomwear": ("98881b42", "bcd5f3e0", "e259fb76", "b9b6ca72", "a14de452", "6995de63"),
    "topwear": ("4396fb13", "c6ac68fa", "380b696d", "75e871f1", "81357734", "cba5f96b"),
    "hair": ("323cd96d", "74b5951f", "36f2e00c", "ffb96e09", "4e80b36f", "8d19e188"),
    "shoes": ("", "ff02e3cc"),
}
"""Of the poses' pixels that are not clear: packers of PNGs differ in the bytes they write."""
FORMS: Final[dict[Form, str]] = {
    "sheets": "sheets: clips='actions' and clips='sheet'",
    "npy": "generated npy arrays: clips='actions' only",
    "frames": "generated frames: clips='actions' only",
}
OTHER_SHEETS: Final = (
    "fine for other sheets of the same size, but numbers do not compare; otherwise take them from "
    "github.com/YingzhenLi/Sprites"
)
SAMPLED: Final = 32
NAMED: Final = 8


def verify_sprites(root: Path) -> Report:
    """Rows of found against expected.

    Args:
        root: folder of the copy.
    """
    report = Report("sprites", str(root))
    if not root.is_dir():
        report.add("folder", str(root), "nothing", "missing", OBTAIN)
        return report
    files = find_files(root)
    report.add("folder", "a Sprites copy", str(root), "ok")
    if files.marker is not None:
        report.add(
            "genuine",
            "no stand-in",
            f"{files.marker.relative_to(root)} marks stand-in sheets",
            "missing",
            "give the folder of the real copy",
        )
    if files.foreign:
        report.add(
            "lpc-dataset",
            "none",
            f"{len(files.foreign):,} .sprite files, as {files.foreign[0].relative_to(root)}",
            "warn" if files.form else "missing",
            "another set: 840 characters, and directions are not labelled; it is not read. "
            + OBTAIN,
        )
    if files.form is None:
        report.add("files", "sheets like body/0.png", "none", "missing", OBTAIN)
        return report
    report.add("read from", FORMS["sheets"], FORMS[files.form], "ok")
    check = {"sheets": _check_sheets, "npy": _check_arrays, "frames": _check_frames}[files.form]
    check(report, files)
    sizes = {split: len(codes) for split, codes in split_characters(None).items()}
    report.add(
        "splits",
        "characters in train, val, test",
        ", ".join(f"{split} {count:,}" for split, count in sizes.items()),
        "ok",
    )
    return report


def _listed(names: list[str]) -> str:
    return ", ".join(names[:NAMED]) + ", ..." * (len(names) > NAMED)


def _check_sheets(report: Report, files: SpritesFiles) -> None:
    filled: dict[str, int] = {}
    for part in PARTS:
        wanted = [kind for of, kind in needed_sheets() if of == part]
        missing, other, broken = [], [], []
        for kind in wanted:
            name = f"{part}/{kind}.png"
            if (part, kind) not in files.sheets:
                missing.append(name)
                continue
            try:
                cells = read_sheet(files.sheets[part, kind])
            except DataError as error:
                broken.append(str(error))
                continue
            alpha = cells[..., 3:]
            filled[name] = int((alpha > 0).any((1, 2, 3)).sum())
            if f"{zlib.crc32((cells * (alpha > 0)).tobytes()):08x}" != CRC32[part][kind]:
                other.append(name)
        found = f"{len(wanted) - len(missing)} of {len(wanted)}"
        found += f"; missing {', '.join(missing)}" * bool(missing)
        found += f"; {len(broken)} unreadable" * bool(broken)
        found += f"; other pixels in {', '.join(other)}" * bool(other)
        remedy = "; ".join(broken) or (OBTAIN if missing else OTHER_SHEETS)
        status: Status = "missing" if missing or broken else "warn" if other else "ok"
        report.add(part, f"{len(wanted)}, Li and Mandt's", found, status, remedy)
    empty = [name for name, count in filled.items() if name.startswith("body/") and count < POSES]
    fewest = min(filled, key=lambda name: filled[name], default=None)
    if fewest is not None:
        report.add(
            "poses",
            f"{POSES} of every body",
            (f"fewer of {', '.join(empty)}; " if empty else f"{POSES} of every body; ")
            + f"{filled[fewest]} of {fewest}, the fewest",
            "warn" if empty else "ok",
            OTHER_SHEETS,
        )


def _check_arrays(report: Report, files: SpritesFiles) -> None:
    missing = files.missing_arrays
    total = len(files.arrays) + len(missing)
    found = f"{len(files.arrays)} of {total}" + f"; missing {_listed(missing)}" * bool(missing)
    report.add("arrays", f"{total}", found, "missing" if missing else "ok", AGAIN)
    if missing:
        return
    item, expected = "characters", f"{CHARACTERS:,} in each of {CLIPS} actions"
    try:
        arrays = GeneratedArrays(files.arrays)
        for code in split_characters(None)["all"][:: CHARACTERS // SAMPLED].tolist():
            arrays.dress(code)
    except DataError as error:
        report.add(item, expected, "unreadable or incomplete", "missing", str(error))
        return
    counts = arrays.counts()
    fewer = [f"{count:,} of {clip_file(clip)}" for clip, count in enumerate(counts)]
    whole = min(counts) == CHARACTERS
    report.add(
        item,
        expected,
        f"{CHARACTERS:,}; {SAMPLED} of them read" if whole else _listed(fewer),
        "ok" if whole else "warn",
        "characters=N reads the first N of training only. " + AGAIN,
    )


def _check_frames(report: Report, files: SpritesFiles) -> None:
    total = CHARACTERS * CLIPS * CLIP_FRAMES
    count = len(files.frames)
    report.add(
        "frames",
        f"{total:,}",
        f"{count:,}",
        "ok" if count == total else "warn",
        "characters=N reads the first N of training only; otherwise run Li and Mandt's "
        "random_character.py again, or give the folder of the sheets",
    )
    paths = [path for _, path in sorted(files.frames.items())]
    picked = [paths[k] for k in np.unique(np.linspace(0, count - 1, SAMPLED).astype(int))]
    bad = {
        f"{path.parent.name}/{path.name}": image
        for path in picked
        if isinstance(image := read_rgb(path, (CELL, CELL)), str)
    }
    report.add(
        f"{len(picked)} frames, decoded",
        f"{CELL} x {CELL}",
        "; ".join(f"{name} {why}" for name, why in bad.items()) or f"{CELL} x {CELL}",
        "missing" if bad else "ok",
        "give the folder of the sheets, or run random_character.py again",
    )
