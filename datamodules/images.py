"""Decoding pictures from files, several at a time, and counting those that do not decode."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from datamodules.errors import DataError

log = logging.getLogger(__name__)

BLOCK: Final = 512
Transform = Callable[[Image.Image], NDArray[np.uint8] | str]
"""From an RGB picture to the array to keep, or to the reason why there is none."""


class BadImages:
    """Counts pictures that do not decode, over all splits of a dataset.

    Args:
        limit: how many may be left out; one more is an error.
        remedy: what the user can do about them.
        never: why none may be left out, of splits where that is so, by split.
    """

    def __init__(self, limit: int, remedy: str, never: dict[str, str] | None = None) -> None:
        self.limit, self.remedy, self.never = limit, remedy, never or {}
        self.found: list[str] = []

    def add(self, path: Path, split: str, reason: str) -> None:
        """Name and count one.

        Raises:
            DataError: there are too many, or the split must be whole.
        """
        self.found.append(f"{path} ({reason})")
        if split in self.never:
            raise DataError(
                f"{path} does not decode ({reason}); {self.never[split]}. {self.remedy}"
            )
        if len(self.found) > self.limit:
            raise DataError(
                f"{len(self.found)} pictures do not decode, {self.limit} may be left out "
                f"(max_bad_images): {'; '.join(self.found)}. {self.remedy}"
            )
        log.warning("%s does not decode (%s); left out of '%s'", path, reason, split)


def _eight_bits(image: Image.Image) -> Image.Image:
    """A picture of 16 bits with 8; Pillow's own conversion clips it, and nearly all is white."""
    if not image.mode.startswith("I"):
        return image
    return Image.fromarray((np.asarray(image, np.int64) // 256).clip(0, 255).astype(np.uint8))


def read_rgb(path: Path, size: tuple[int, int] | None) -> Image.Image | str:
    """A picture of ``size`` (width, height; None for any) as RGB, or why there is none."""
    try:
        with Image.open(path) as image:
            if size is not None and image.size != size:
                return f"is {image.width} x {image.height}, not {size[0]} x {size[1]}"
            # No draft mode: a JPEG decoded at half size is another picture than the recipes'.
            return _eight_bits(image).convert("RGB")
    except UnidentifiedImageError:
        return "no picture"
    except (OSError, SyntaxError, ValueError) as error:  # what Pillow raises for broken files
        return str(error) or type(error).__name__


def decode(
    paths: Sequence[Path],
    size: tuple[int, int] | None,
    transform: Transform | Sequence[Transform],
    bad: Callable[[int, str], None],
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Pictures in order, as (row, transformed picture), leaving out what does not decode.

    Pillow lets other threads run while it decodes and resizes, so threads use all cores, and
    nothing survives the process if it is killed.

    Args:
        paths: one file a row.
        size: (width, height) every picture must have; None for any.
        transform: from RGB picture to the array to keep, or why there is none; or one a row.
        bad: is told of (row, reason) of each picture left out; may raise to stop.
    """

    def work(path: Path, change: Transform) -> NDArray[np.uint8] | str:
        image = read_rgb(path, size)
        return image if isinstance(image, str) else change(image)

    with ThreadPoolExecutor(max_workers=_usable_cores()) as pool:
        for start in range(0, len(paths), BLOCK):
            block = paths[start : start + BLOCK]
            changes = [transform] * len(block) if callable(transform) else transform[start:]
            for row, result in enumerate(pool.map(work, block, changes), start):
                if isinstance(result, str):
                    bad(row, result)
                else:
                    yield row, result


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
