"""Reading CelebA's text files, row by row, with errors that name file and line.

Pictures go by their six digits, for lists speak of 000001.jpg whether a copy holds JPEG or PNG. The
landmark file separates its columns by runs of spaces, and its header names ten columns of eleven.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Container, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datamodules.celeba_files import IMAGE_NAME
from datamodules.errors import DataError
from datamodules.geometry import HEIGHT, WIDTH

log = logging.getLogger(__name__)


def _bad_row(path: Path, number: int, line: str, expected: str) -> DataError:
    return DataError(
        f"{path}, line {number}: {line.strip()!r} is not {expected}. Take the file from the "
        "official archive again (an editor or a broken download has changed it)."
    )


def _rows(path: Path, skip: int = 0) -> Iterator[tuple[int, str, list[str]]]:
    """(line number, line, its words) of a text file's rows that are not blank."""
    try:
        text = path.read_text(encoding="utf-8-sig")  # editors on Windows begin files so
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is no text file ({error}). Take it from the archive again."
        ) from error
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if number > skip and words:
            yield number, line, words


def _once(path: Path, number: int, line: str, name: str, known: Container[str]) -> str:
    """A picture's number that no row before had; of two rows nobody knows which is meant."""
    if name[:6] in known:
        raise _bad_row(path, number, line, f"the only row of {name}")
    return name[:6]


def read_landmarks(path: Path, *, wild: bool = False) -> dict[str, NDArray[np.float64]]:
    """Number of a picture -> its five points (5, 2), (x, y) in pixels of the 178 x 218 picture.

    With ``wild`` they are in pixels of pictures of any size. Left eye, right eye, nose, left and
    right corner of the mouth, left being the smaller x.

    Raises:
        DataError: a row has not a name and ten finite numbers near the picture.
    """
    expected = "a picture's name and ten coordinates within a 178 x 218 picture"
    names: dict[str, None] = {}
    values: list[list[float]] = []
    reach = np.array([WIDTH, HEIGHT] * 5)
    for number, line, words in _rows(path, skip=2):
        if len(words) != 11 or not IMAGE_NAME.match(words[0]):
            raise _bad_row(path, number, line, expected)
        try:
            row = [float(word) for word in words[1:]]
        except ValueError as error:
            raise _bad_row(path, number, line, expected) from error
        # Not asserted to lie inside: a cheek turned away may put a point just off the picture.
        if not wild and not all(
            math.isfinite(value) and -size / 2 <= value <= 1.5 * size
            for value, size in zip(row, reach, strict=True)
        ):
            raise _bad_row(path, number, line, expected)
        if not all(map(math.isfinite, row)):
            raise _bad_row(path, number, line, expected)
        names[_once(path, number, line, words[0], names)] = None
        values.append(row)
    first = path.read_text(encoding="utf-8-sig").partition("\n")[0].strip()
    if first != str(len(names)):
        log.warning("%s says it has %s rows, but has %d", path, first, len(names))
    points = np.array(values, dtype=np.float64).reshape(-1, 5, 2)
    return dict(zip(names, points, strict=True))


def read_boxes(path: Path) -> dict[str, tuple[int, int, int, int]]:
    """Number of a picture -> left, top, width and height of its face, pixels.

    Raises:
        DataError: a row has not a name and four whole numbers.
    """
    found: dict[str, tuple[int, int, int, int]] = {}
    for number, line, words in _rows(path, skip=2):
        digits = [word.removeprefix("-") for word in words[1:]]
        named = IMAGE_NAME.match(words[0])
        if len(words) != 5 or not named or not all(map(str.isdigit, digits)):
            raise _bad_row(path, number, line, "a picture's name and left, top, width, height")
        left, top, width, height = map(int, words[1:])
        found[_once(path, number, line, words[0], found)] = (left, top, width, height)
    return found


def read_numbers(path: Path, what: str, low: int, high: int) -> dict[str, int]:
    """Number of a picture -> a whole number in [low, high], of a two-column list.

    Raises:
        DataError: a row is something else.
    """
    found: dict[str, int] = {}
    for number, line, words in _rows(path):
        good = len(words) == 2 and IMAGE_NAME.match(words[0]) and words[1].isdigit()
        if not good or not low <= int(words[1]) <= high:
            raise _bad_row(path, number, line, f"a picture's name and its {what}, {low} to {high}")
        found[_once(path, number, line, words[0], found)] = int(words[1])
    return found


def read_names(path: Path) -> list[str]:
    """Numbers of the pictures of a list, in its order.

    Raises:
        DataError: a row is no picture's name, or stands there twice.
    """
    found: dict[str, None] = {}
    for number, line, words in _rows(path):
        if len(words) != 1 or not IMAGE_NAME.match(words[0]) or words[0][:6] in found:
            raise _bad_row(path, number, line, "the name of a picture not listed before")
        found[words[0][:6]] = None
    return list(found)
