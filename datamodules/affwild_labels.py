"""Valence and arousal of Aff-Wild, and which frame each pair belongs to.

The first edition has one number a line and no word on the frames they count. Three ways are in
use: a line for every frame of the video, from the first on; a line for every frame that shows a
face, which are those that have a box; and neither, where the shorter counts. The second edition
has a line for every frame, in the numbers of its crops.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from datamodules.errors import DataError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

IGNORED: Final = -5.0
"""What Aff-Wild2 writes for a frame that nobody judged."""
THOUSANDTHS: Final = 1000
FEW: Final = 3
"""Frames by which a video and its labels may differ in length: decoders differ at the ends."""
REMEDY: Final = "Unpack the annotations again."


def read_axis(path: Path) -> Floats:
    """Valence or arousal (N,) as the file has it, a number a line.

    Raises:
        DataError: a line is no number, or there is none.
    """
    return _numbers(path, _lines(path), 1)[:, 0]


def in_thousandths(axes: Iterable[tuple[Path, Floats]]) -> bool:
    """Whether a copy has whole numbers from -1000 to 1000 where others have -1 to 1.

    One file beyond 1 tells it of all: where a face stays neutral, its file is zeros either way.

    Raises:
        DataError: a file has numbers of neither kind.
    """
    scaled = False
    for path, values in axes:
        beyond = np.flatnonzero(np.abs(values) > 1)
        if not len(beyond):
            continue
        if np.abs(values).max() > THOUSANDTHS or (values != np.round(values)).any():
            raise _out_of_range(path, int(beyond[0]) + 1, values[beyond[0]])
        scaled = True
    return scaled


def read_pairs(path: Path) -> Floats:
    """Valence and arousal (N, 2) of Aff-Wild2, NaN where a frame is to be ignored.

    Raises:
        DataError: the first line is not "valence,arousal", or another is no pair from -1 to 1.
    """
    lines = _lines(path)
    if [word.strip().lower() for word in lines[0].split(",")] != ["valence", "arousal"]:
        raise DataError(
            f"{path}, line 1 is '{lines[0][:40]}', not 'valence,arousal': no labels of the "
            f"valence-arousal set. {REMEDY}"
        )
    pairs = _numbers(path, lines[1:], 2, first=2)
    pairs[(pairs == IGNORED).any(axis=1)] = np.nan
    wrong = np.flatnonzero((np.abs(pairs) > 1).any(axis=1))
    if len(wrong):
        raise _out_of_range(path, int(wrong[0]) + 2, pairs[wrong[0]])
    return pairs


def of_frames(labels: Floats, numbers: Ints) -> Floats:
    """Labels (N, 2) of frames by their numbers, from 1; NaN where there are none.

    Args:
        labels: (M, 2), of frame 1 first.
        numbers: (N,) of the frames.
    """
    there = (numbers >= 1) & (numbers <= len(labels))
    found = np.full((len(numbers), 2), np.nan)
    found[there] = labels[numbers[there] - 1]
    return found


def counts_boxes(n_labels: int, numbers: Ints) -> bool:
    """Whether labels are of the frames with a box alone, in order, and not of all frames.

    As many labels as boxes, and fewer than frames, is no accident; where no frame is without a
    box, the two are the same. How long the video is need not be known: it has a frame for every
    box.

    Args:
        n_labels: how many labels there are.
        numbers: of all frames that have a box, from 1, rising.
    """
    return n_labels == len(numbers) and n_labels > 0 and n_labels < int(numbers[-1])


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="ascii", errors="replace")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}. {REMEDY}") from error
    lines = text.rstrip().splitlines()
    if not lines:
        raise DataError(f"{path} is empty. {REMEDY}")
    return lines


def _numbers(path: Path, lines: list[str], width: int, first: int = 1) -> Floats:
    values = np.full((len(lines), width), np.nan)
    for row, line in enumerate(lines):
        try:
            found = [float(word) for word in line.split(",")]
        except ValueError:
            found = []
        if len(found) == width:
            values[row] = found
        if not np.isfinite(values[row]).all():
            what = "a number" if width == 1 else f"{width} numbers"
            raise DataError(f"{path}, line {row + first} is '{line[:40]}', not {what}. {REMEDY}")
    return values


def _out_of_range(path: Path, line: int, value: object) -> DataError:
    return DataError(
        f"{path}, line {line} has {value}: valence and arousal are from -1 to 1, or whole numbers "
        f"from -1000 to 1000. {REMEDY}"
    )
