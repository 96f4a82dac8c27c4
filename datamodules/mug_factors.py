"""True factors of MUG's stand-in: where the head turns in every frame, and whence the light comes.

They lie in one file at the root of the stand-in's tree. No copy of MUG has such a file, and of a
real copy it is never read.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from datamodules.errors import DataError

FACTORS: Final = "factors.csv"
COLUMNS: Final = ("take", "frame", "yaw", "light_azimuth", "light_elevation")
LIGHTS: Final = ("from the left", "from the middle", "from the right")
"""What the label ``illumination`` counts: a third each of the takes of a stand-in, by the azimuth
of their key light."""


@dataclass(frozen=True)
class TakeFactors:
    """What is true of one take.

    Args:
        yaw: frame number -> degrees; positive turns the nose to the right of the picture.
        azimuth: of the key light, degrees; positive is to the right of the picture. The same all
            along, as its elevation is.
        elevation: of the key light above the face, degrees.
    """

    yaw: Mapping[int, float]
    azimuth: float
    elevation: float


def write_factors(folder: Path, takes: Iterable[tuple[str, TakeFactors]]) -> None:
    """Write ``folder/factors.csv``: a line a frame, the takes by their names."""
    with (folder / FACTORS).open("w", newline="", encoding="ascii") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for name, found in takes:
            light = (f"{found.azimuth:.3f}", f"{found.elevation:.3f}")
            writer.writerows(
                (name, frame, f"{yaw:.3f}", *light) for frame, yaw in found.yaw.items()
            )


def read_factors(folder: Path) -> dict[str, TakeFactors]:
    """What `write_factors` wrote, by the takes' names.

    Raises:
        DataError: the file is not there, or a line holds other things than it should.
    """
    path = folder / FACTORS
    remedy = f"Delete the folder {folder} and run again: the stand-in is written anew"
    try:
        with path.open(newline="", encoding="ascii") as file:
            _, *lines = csv.reader(file)
        rows = [
            (take, int(frame), float(yaw), float(azimuth), float(elevation))
            for take, frame, yaw, azimuth, elevation in lines
        ]
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path}: no table of {', '.join(COLUMNS)} ({error!r}). {remedy}."
        ) from error
    yaws: dict[str, dict[int, float]] = {}
    lights: dict[str, tuple[float, float]] = {}
    for take, frame, yaw, azimuth, elevation in rows:
        yaws.setdefault(take, {})[frame] = yaw
        lights[take] = (azimuth, elevation)
    return {take: TakeFactors(yaw, *lights[take]) for take, yaw in yaws.items()}


def frame_views(
    factors: Mapping[str, TakeFactors], takes: Sequence[tuple[str, Sequence[int]]]
) -> NDArray[np.float32]:
    """Degrees (N,) of all frames of some takes, each given by its name and frame numbers.

    Raises:
        DataError: a frame has no factors.
    """
    try:
        degrees = [factors[name].yaw[frame] for name, frames in takes for frame in frames]
    except KeyError as error:
        raise DataError(f"{FACTORS} of the stand-in has no frame {error} of a take") from error
    return np.array(degrees, np.float32)


def take_lights(factors: Mapping[str, TakeFactors], takes: Sequence[str]) -> NDArray[np.int64]:
    """An index (N,) into `LIGHTS` for some takes, given by their names."""
    bounds = np.quantile([found.azimuth for found in factors.values()], [1 / 3, 2 / 3])
    return np.searchsorted(bounds, [factors[name].azimuth for name in takes], side="right")
