"""What a folder holds of Moving MNIST: the published sequences, or MNIST's digits to bounce."""

from __future__ import annotations

from pathlib import Path

from datamodules.copies import STANDIN_MARKER
from datamodules.errors import DataError
from datamodules.mnist import MNIST
from datamodules.mnist_files import PARTS, find_mnist
from datamodules.moving_mnist_files import (
    FILE,
    LENGTH,
    MD5,
    SEQUENCES,
    SIDE,
    divided,
    find_sequences,
    md5,
    open_sequences,
)
from datamodules.report import Report

OTHER_COPY = "fine for a part or sequences of your own; otherwise take the file again"


def verify_moving_mnist(root: Path, obtain: str) -> Report:
    """Rows of found against expected, of what is read unless ``form`` says otherwise.

    Args:
        root: folder of the copy.
        obtain: how the user gets one.
    """
    report = Report("moving_mnist", str(root))
    folder, digits = find_mnist(root)
    try:
        sequences = find_sequences(root)
    except DataError as error:
        report.add(FILE, "one file", "several", "missing", str(error))
        return report
    if sequences is not None:
        both = f"; {folder} has digits that form='idx' bounces" * (len(digits) == len(PARTS))
        report.add("clips", "published or bounced", f"published: {sequences}{both}", "ok")
        _check_sequences(report, sequences)
    elif digits:
        report.add("clips", "published or bounced", f"bounced from the digits in {folder}", "ok")
        marked = (folder / STANDIN_MARKER).exists()
        if marked:
            report.add(
                "genuine",
                "no stand-in",
                f"{STANDIN_MARKER} marks stand-in digits",
                "missing",
                "give the folder of the real copy",
            )
        report.checks += MNIST.verify(root).checks
    else:
        report.add("clips", f"{FILE}, or MNIST's files", "neither", "missing", obtain)
    return report


def _check_sequences(report: Report, path: Path) -> None:
    expected = f"uint8 ({LENGTH}, {SEQUENCES}, {SIDE}, {SIDE})"
    try:
        array = open_sequences(path)
    except DataError as error:
        report.add(path.name, expected, "unreadable", "missing", str(error))
        return
    count = array.shape[1]
    report.add(
        path.name,
        expected,
        f"{array.dtype} {array.shape}",
        "ok" if count == SEQUENCES else "warn",
        OTHER_COPY,
    )
    found = md5(path)
    report.add(f"{path.name}, md5", MD5, found, "ok" if found == MD5 else "warn", OTHER_COPY)
    parts = ", ".join(f"{split} {len(rows):,}" for split, rows in divided(count).items())
    report.add("splits", "sequences in train, val, test", parts, "ok")
