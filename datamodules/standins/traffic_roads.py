"""A junction: its lanes, where cars may go on them, and when they have green.

Metres; x to the right and y away from the camera. The main road runs along y = 0, two lanes either
way; a side road with a lane either way joins it from y > 0. Cars keep to the right.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["LANE", "ROUTES", "STEP", "Route", "green"]

Floats = NDArray[np.float64]
Point = tuple[float, float]

LANE: Final = 3.4
"""Width of a lane."""
STEP: Final = 0.25
"""Between two points of a route."""
_END, _FAR = 46.0, 80.0
_RIGHT, _LEFT = 4.5, 8.0  # radii of turns
_STOP_X, _STOP_Y = 10.5, 12.5
_AHEAD: Final = 8.0  # so far before a turn cars slow down
_FAST, _SLOW = 9.0, 5.0  # metres a second, straight and in a turn
_CYCLE: Final = 38.0  # seconds
_GREEN: Final[dict[str, tuple[float, float]]] = {
    "east inner": (0, 24),
    "east outer": (0, 24),
    "east left": (17, 24),
    "west inner": (0, 15),
    "west outer": (0, 15),
    "west right": (0, 15),
    "side right": (27, 35),
    "side left": (27, 35),
}


class Route(NamedTuple):
    """One way through the junction, as points `STEP` apart.

    ``place`` (P, 2); ``heading`` (P,), radians; ``speed`` (P,), at most, metres a second; ``stop``,
    how far along it the stop line is; ``rate``, cars a second that set out; ``lane``, the one that
    it begins on.
    """

    place: Floats
    heading: Floats
    speed: Floats
    stop: float
    rate: float
    lane: str


def green(route: str, time: float) -> bool:
    """Whether cars may pass a route's stop line; between greens they clear the junction."""
    begin, end = _GREEN[route]
    return begin <= time % _CYCLE < end


def _route(
    lane: str,
    rate: float,
    begin: Point,
    end: Point,
    radius: float | None = None,
) -> Route:
    """Straight on, or along x and y with a corner between that is an arc of ``radius``."""
    corners = [np.array(begin), np.array(end)]
    if radius is not None:
        corner = np.array((end[0], begin[1]) if lane != "side" else (begin[0], end[1]))
        into, out = (
            (b - a) / np.linalg.norm(b - a) for a, b in ((corners[0], corner), (corner, corners[1]))
        )
        middle = corner - radius * into + radius * out
        turn = np.linspace(0, np.pi / 2, 40)[:, None]
        arc = middle - radius * np.cos(turn) * out + radius * np.sin(turn) * into
        corners = [corners[0], *arc, corners[1]]
    points = np.array(corners)
    far = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    steps = np.arange(0, far[-1], STEP)
    place = np.column_stack([np.interp(steps, far, points[:, k]) for k in range(2)])
    slope = np.gradient(place, axis=0)
    heading = np.unwrap(np.arctan2(slope[:, 1], slope[:, 0]))
    turning = np.abs(np.gradient(heading, STEP)) > 0.02
    near = np.array([turning[k : k + int(_AHEAD / STEP)].any() for k in range(len(turning))])
    stop = _FAR - _STOP_Y if lane == "side" else _END - _STOP_X
    return Route(place, heading, np.where(near, _SLOW, _FAST), stop, rate, lane)


_IN, _OUT = 0.5 * LANE, 1.5 * LANE

ROUTES: Final[dict[str, Route]] = {
    "east inner": _route("east inner", 0.084, (-_END, -_IN), (_END, -_IN)),
    "east outer": _route("east outer", 0.126, (-_END, -_OUT), (_END, -_OUT)),
    "east left": _route("east inner", 0.042, (-_END, -_IN), (_IN, _FAR), _LEFT),
    "west inner": _route("west inner", 0.112, (_END, _IN), (-_END, _IN)),
    "west outer": _route("west outer", 0.07, (_END, _OUT), (-_END, _OUT)),
    "west right": _route("west outer", 0.056, (_END, _OUT), (_IN, _FAR), _RIGHT),
    "side right": _route("side", 0.042, (-_IN, _FAR), (-_END, _OUT), _RIGHT),
    "side left": _route("side", 0.042, (-_IN, _FAR), (_END, -_IN), _LEFT),
}
