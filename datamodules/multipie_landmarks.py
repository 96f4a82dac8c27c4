"""Multi-PIE's landmark files: the official ``*_lm.mat`` and Idiap's ``.pos``.

``_lm.mat`` holds ``pts`` (68, 2), or (39, 2) of profiles, MATLAB's pixels counted from 1. ``.pos``
is text: the number of points, 2, 6, 8 or 16, then a row ``x y`` for each.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any, Final

import numpy as np
import scipy.io
from numpy.typing import NDArray
from scipy.io.matlab import MatReadError

from datamodules.errors import DataError
from datamodules.face_align import ANCHORS, Anchors

_OF_16: Final = {2: 36, 3: 39, 4: 42, 5: 45, 10: 57}
"""Row of a ``.pos`` of 16 points -> landmark of 68: corners of the eyes and the lower lip."""
_LIP_OF_8: Final = 6
_INWARDS: Final = 0.2
"""Inner corners lie so far inwards, in distances of the eyes' centres, on the mean face."""
_COUNTS: Final = (2, 6, 8, 16)
_UNREADABLE: Final = (MatReadError, NotImplementedError, zlib.error)
"""What scipy raises for files that are no MATLAB files, of a new format, or damaged."""

Points = NDArray[np.float64]


def read_landmarks(path: Path) -> Points:
    """Landmarks (68, 2) in pixels counted from 0; NaN for those that the file does not have.

    A profile's 39 points, and a ``.pos`` of 2 or 6, give none. A ``.pos`` of 8 points marks the
    eyes' centres: their inner corners are reckoned from them.

    Raises:
        DataError: the file does not read, or holds something else.
    """
    return _read_pos(path) if path.suffix.lower() == ".pos" else _read_mat(path)


def suffices(points: Points, anchors: Anchors) -> bool:
    """Whether landmarks (68, 2) hold the three of an alignment."""
    return bool(np.isfinite(points[list(ANCHORS[anchors])]).all())


def no_landmarks() -> Points:
    """Sixty-eight unknown points."""
    return np.full((68, 2), np.nan)


def _bad(path: Path, found: str, expected: str) -> DataError:
    return DataError(f"{path} holds {found}, not {expected}. Take the file from your copy again.")


def _read_mat(path: Path) -> Points:
    expected = "'pts', 68 or 39 points of two finite coordinates"
    try:
        content: dict[str, Any] = scipy.io.loadmat(path)
        points: Points = np.asarray(content["pts"], dtype=np.float64)
    except (*_UNREADABLE, OSError, TypeError, ValueError, KeyError) as error:
        raise _bad(path, f"no readable points ({error!r})", expected) from error
    if points.shape not in ((68, 2), (39, 2)) or not np.isfinite(points).all():
        raise _bad(path, f"points of shape {points.shape}", expected)
    return points - 1 if len(points) == 68 else no_landmarks()


def _read_pos(path: Path) -> Points:
    expected = "a number of points (2, 6, 8 or 16) and a row 'x y' of each"
    try:
        count, *numbers = path.read_text(encoding="ascii").split()
        rows: Points = np.array([float(number) for number in numbers]).reshape(-1, 2)
    except ValueError as error:
        raise _bad(path, f"something else ({error})", expected) from error
    if count not in map(str, _COUNTS) or len(rows) != int(count) or not np.isfinite(rows).all():
        raise _bad(path, f"{len(rows)} points under the number {count}", expected)
    points = no_landmarks()
    if len(rows) == 16:
        points[list(_OF_16.values())] = rows[list(_OF_16)]
    elif len(rows) == 8:
        right, left = rows[:2]
        points[39], points[42] = right + _INWARDS * (left - right), left - _INWARDS * (left - right)
        points[57] = rows[_LIP_OF_8]
    return points
