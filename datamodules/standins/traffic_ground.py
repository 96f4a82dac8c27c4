"""The junction without cars: asphalt, lines, pavement and grass, seen by a camera."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from datamodules.standins.scene_camera import Camera
from datamodules.standins.traffic_roads import LANE

__all__ = ["paint_ground"]

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

_GRASS: Final = (0.36, 0.46, 0.25)
_PAVEMENT: Final = (0.62, 0.6, 0.57)
_ASPHALT: Final = (0.34, 0.34, 0.36)
_WHITE: Final = (0.85, 0.85, 0.83)
_YELLOW: Final = (0.8, 0.65, 0.2)
_MAIN, _SIDE = 2 * LANE, LANE  # half widths of the roads
_PATH: Final = 2.0
_LINE: Final = 0.14  # half a line's width
_MOUTH: Final = 9.0  # half of the main road's stretch without lines
_HAZE: Final = 70.0


@lru_cache(maxsize=4)
def paint_ground(camera: Camera) -> Floats:
    """The empty junction (H, W, 3) in [0, 1]."""
    v, u = np.mgrid[: camera.height, : camera.width].astype(np.float32) + np.float32(0.5)
    rx, ry, rz = camera.rays(u, v)
    away = camera.eye[2] / np.maximum(-rz, 0.02)
    x = (camera.eye[0] + away * rx).astype(np.float32)
    y = (camera.eye[1] + away * ry).astype(np.float32)
    shown = np.empty((*x.shape, 3), np.float32)
    shown[:] = _GRASS
    shown *= (0.92 + 0.08 * np.sin(0.9 * x + 1.3 * np.sin(0.7 * y)))[..., None]
    main, side = np.abs(y) < _MAIN, (np.abs(x) < _SIDE) & (y > 0)
    near_side = (np.abs(x) < _SIDE + _PATH) & (y > 0)
    shown[(np.abs(y) < _MAIN + _PATH) | near_side] = _PAVEMENT
    shown[main | side] = _ASPHALT
    clear = np.abs(x) > _MOUTH
    _mark(shown, main & clear & (_on(y, 0.25) | _on(y, -0.25)), _YELLOW)
    dashes = clear & (np.mod(x, 6) < 2.5)
    _mark(shown, dashes & (_on(y, LANE) | _on(y, -LANE)), _WHITE)
    _mark(shown, _on(y, -_MAIN + 0.3) | (_on(y, _MAIN - 0.3) & clear), _WHITE)
    _mark(shown, side & (y > _MAIN + 4) & _on(x, 0), _YELLOW)
    # Stop lines, and the zebra that crosses the side road.
    _mark(shown, (y > -_MAIN) & (y < 0) & (np.abs(x + _MOUTH + 0.6) < 0.3), _WHITE)
    _mark(shown, (y < _MAIN) & (y > 0) & (np.abs(x - _MOUTH - 0.6) < 0.3), _WHITE)
    _mark(shown, (np.abs(x) < _SIDE) & (x < 0) & (np.abs(y - _MAIN - 5) < 0.3), _WHITE)
    zebra = (np.abs(x) < _SIDE) & (y > _MAIN + 1.2) & (y < _MAIN + 3.8)
    _mark(shown, zebra & (np.mod(x, 1.0) < 0.5), _WHITE)
    haze = (1 - np.exp(-np.maximum(y - 20, 0) / _HAZE))[..., None]
    return (shown * (1 - 0.6 * haze) + 0.6 * haze * np.float32(0.72)).astype(np.float32)


def _on(value: Floats, at: float) -> Bools:
    line: Bools = np.abs(value - at) < _LINE
    return line


def _mark(shown: Floats, where: Bools, colour: tuple[float, float, float]) -> None:
    shown[where] = colour
