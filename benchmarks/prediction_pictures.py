"""Clips and what was predicted of them, side by side: a sheet, and a film (see `films`)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.films import Scene
from benchmarks.protocols.video_prediction import GIVEN

Array = NDArray[Any]

NAME: Final = "predictions"
_ON_SHEET: Final = 2
_DOT: Final = np.array([240, 30, 120], np.uint8)


def draw_predictions(arrays: Mapping[str, Array], folder: Path, title: str) -> list[Path]:
    """Write ``predictions`` as PNG, MP4 and GIF, where the protocol `video_prediction` gave some.

    Args:
        arrays: ``predicted_true``, ``predicted_made`` and ``predicted_points``, see the protocol.
        folder: where the files go.
        title: says which cell it is.

    Returns:
        The files written.
    """
    if "predicted_made" not in arrays:
        return []
    true, made = arrays["predicted_true"], arrays["predicted_made"]
    if true.shape[-1] == 1:
        true, made = (np.repeat(x, 3, -1) for x in (true, made))
    dotted = _with_points(made, arrays["predicted_points"])
    with_points = arrays["predicted_points"].shape[2] > 0
    strips = []
    for clip in range(min(_ON_SHEET, len(true))):
        strips += [(f"clip {clip + 1},\ntrue", true[clip]), ("predicted", made[clip])]
        strips += [("with particles", dotted[clip])] if with_points else []
    rows = ["true", "predicted", *(["with particles"] if with_points else [])]
    film = [list(true), list(made), *([list(dotted)] if with_points else [])]
    heading = f"The first {GIVEN} frames are given, the others predicted"
    names = [f"clip {clip + 1}" for clip in range(len(true))]
    return Scene(heading, strips, film, rows, names).save(folder, NAME, title)


def _with_points(clips: Array, points: Array) -> Array:
    """Clips (n, T, H, W, 3) with a dot of about a fortieth of their side at every point in view."""
    size, reach = clips.shape[2], max(1, clips.shape[2] // 80)
    shown = clips.copy()
    pixel = np.floor((points + 1) / 2 * size)
    inside = (np.isfinite(pixel) & (pixel >= 0) & (pixel < size)).all(-1)
    clip, frame, particle = np.nonzero(inside)
    x, y = pixel[clip, frame, particle].astype(int).T
    for right in range(-reach, reach + 1):
        for down in range(-reach, reach + 1):
            row, column = (np.clip(at, 0, size - 1) for at in (y + down, x + right))
            shown[clip, frame, row, column] = _DOT
    return shown
