"""Characters from what Li and Mandt's scripts generate: npy arrays, or one PNG a frame.

Arrays hold pixels divided by 256, not 255. Labels are read off file names and one-hot attributes;
the ``directions`` files are not opened, for the script writes the test's over the training's.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from datamodules.errors import DataError
from datamodules.images import read_rgb
from datamodules.sprites_files import CLIPS, SIDES, ArrayKey, FrameKey, clip_file
from datamodules.sprites_sheets import (
    ATTRIBUTES,
    CELL,
    CLIP_FRAMES,
    KINDS,
    Ints,
    names,
)

AGAIN: Final = (
    "Run Li and Mandt's frame_to_npy.py again, or give the folder of the sheets, which need no "
    "script"
)
_FRAME: Final = (CELL, CELL, 3)


class Characters(Protocol):
    """Whoever shows the frames of a character."""

    def dress(self, code: int) -> NDArray[np.uint8]:
        """All its frames, (F, 64, 64, 3)."""
        ...


def read_array(path: Path, shape: tuple[int, ...]) -> NDArray[Any]:
    """One generated array, left on the disk.

    Raises:
        DataError: it is no array, or its samples do not have this shape.
    """
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} is no array of numbers ({error}). {AGAIN}.") from error
    if array.ndim != 1 + len(shape) or array.shape[1:] != shape or array.dtype.kind != "f":
        raise DataError(
            f"{path} holds {array.dtype} {array.shape}, not floats (N, {', '.join(map(str, shape))}"
            f"). {AGAIN}."
        )
    return array


def read_codes(path: Path) -> Ints:
    """Characters (N,) of one array of attributes, from its first frames' one-hot rows.

    Raises:
        DataError: it is no such array.
    """
    array = read_array(path, (CLIP_FRAMES, len(ATTRIBUTES), KINDS))
    first = np.asarray(array[:, 0])
    if not ((first == 0) | (first == 1)).all() or not (first.sum(-1) == 1).all():
        raise DataError(f"{path}: attributes are not one-hot. {AGAIN}.")
    places = KINDS ** np.arange(len(ATTRIBUTES))[::-1]
    codes: Ints = (first.argmax(-1) * places).sum(-1).astype(np.int64)
    return codes


class GeneratedArrays:
    """Characters in npy arrays.

    Args:
        arrays: the files of all nine clips.

    Raises:
        DataError: a file is no array of the shape that the script gives it.
    """

    def __init__(self, arrays: Mapping[ArrayKey, Path]) -> None:
        self._where: list[dict[int, tuple[Path, NDArray[Any]]]] = []
        for clip in range(CLIPS):
            found: dict[int, tuple[Path, NDArray[Any]]] = {}
            for side in SIDES:
                path = arrays[clip, "frames", side]
                frames = read_array(path, (CLIP_FRAMES, *_FRAME))
                codes = read_codes(arrays[clip, "attributes", side])
                if len(codes) != len(frames):
                    raise DataError(
                        f"{path} has {len(frames):,} clips, its attributes {len(codes):,}. {AGAIN}."
                    )
                found |= {code: (path, frames[k]) for k, code in enumerate(codes.tolist())}
            self._where.append(found)

    def counts(self) -> list[int]:
        """Characters of every clip."""
        return [len(found) for found in self._where]

    def dress(self, code: int) -> NDArray[np.uint8]:
        """The 72 frames of a character.

        Raises:
            DataError: it is in none of the files, or its pixels are no 256ths.
        """
        return np.concatenate([self._clip(clip, code) for clip in range(CLIPS)])

    def _clip(self, clip: int, code: int) -> NDArray[np.uint8]:
        if code not in self._where[clip]:
            raise DataError(
                f"no {clip_file(clip)}_frames_*.npy holds character {names([code])[0]}. {AGAIN}."
            )
        path, frames = self._where[clip][code]
        values = 256 * np.asarray(frames, np.float64)
        whole = np.rint(values)
        if not (np.abs(values - whole) < 0.01).all() or whole.min() < 0 or whole.max() > 255:
            raise DataError(
                f"{path}: character {names([code])[0]} has values from {values.min() / 256:g} to "
                f"{values.max() / 256:g} that are no bytes divided by 256. {AGAIN}."
            )
        return whole.astype(np.uint8)


class GeneratedFrames:
    """Characters in single pictures.

    Args:
        frames: all of them.
    """

    def __init__(self, frames: Mapping[FrameKey, Path]) -> None:
        self._frames = frames

    def dress(self, code: int) -> NDArray[np.uint8]:
        """The 72 frames of a character.

        Raises:
            DataError: one is not there, does not decode or has another size.
        """
        (digits,) = names([code])
        made = np.empty((CLIPS, CLIP_FRAMES, *_FRAME), np.uint8)
        for clip, frame in np.ndindex(CLIPS, CLIP_FRAMES):
            path = self._frames.get((digits, clip, frame))
            if path is None:
                action, direction = clip_file(clip).split("_")
                raise DataError(
                    f"frames/{action}/{direction}_{digits}_{frame}.png is not there. Run Li and "
                    "Mandt's random_character.py again, or give the folder of the sheets."
                )
            image = read_rgb(path, (CELL, CELL))
            if isinstance(image, str):
                raise DataError(
                    f"{path} does not decode: {image}. Run Li and Mandt's random_character.py "
                    "again, or give the folder of the sheets."
                )
            made[clip, frame] = np.asarray(image)
        return made.reshape(-1, *_FRAME)
