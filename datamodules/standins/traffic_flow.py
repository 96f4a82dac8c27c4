"""Cars that drive over a junction: they follow each other, stop at red, turn, and come and go.

Each car keeps to its route and follows what is ahead of it there by the intelligent driver model
(Treiber, Hennecke and Helbing 2000). What a car does hangs on the seed and on what was before, so a
longer recording begins with a shorter one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from datamodules.standins.counter import uniforms
from datamodules.standins.traffic_cars import COLOURS, KINDS, SHAPES
from datamodules.standins.traffic_roads import ROUTES, STEP, Route, green

__all__ = ["RATE", "Flow", "drive"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RATE: Final = 15
"""Frames a second."""
_BEFORE: Final = 20 * RATE  # steps that nobody sees, until there are cars
_PULL, _BRAKE, _HEADWAY, _GAP = 2.0, 3.0, 1.1, 1.8
_HARDEST: Final = 8.0
_LOOK: Final = 30.0  # metres ahead
_EVERY: Final = 3  # points of the route that are looked at
_WIDTH: Final = 2.3  # whatever is nearer to a car's route than this is in its way
_ROOM: Final = 16.0  # from the beginning of a lane, where another car may set out
_NAMES: Final = tuple(ROUTES)


class Flow(NamedTuple):
    """Where every car is: one row for each of S sightings of a car in a frame, frame after frame.

    ``frame``, ``car`` (S,); ``place`` (S, 2) and ``heading`` (S,). Of the M cars, in the order they
    set out in: ``shape`` and ``colour`` (M,), indices into `SHAPES` and `COLOURS`.
    """

    frame: Ints
    car: Ints
    place: Floats
    heading: Floats
    shape: Ints
    colour: Ints


@dataclass
class _Car:
    number: int
    name: str
    half: float
    eager: float
    along: float
    speed: float

    @property
    def route(self) -> Route:
        return ROUTES[self.name]

    @property
    def at(self) -> int:
        return min(int(self.along / STEP), len(self.route.place) - 1)

    def touches(self) -> Floats:
        """Points of it, near enough to each other that nobody fits between."""
        steps = np.arange(-self.half, self.half + 0.1, self.half / max(1, round(self.half / 2)))
        rows = (self.at + steps / STEP).astype(int).clip(0, len(self.route.place) - 1)
        points: Floats = self.route.place[rows]
        return points


def drive(frames: int, seed: int) -> Flow:
    """The cars of a recording.

    Args:
        frames: of the recording.
        seed: any integer.
    """
    cars: list[_Car] = []
    looks: list[tuple[int, int]] = []
    rows: list[tuple[float, ...]] = []
    steps = np.arange(_BEFORE + frames, dtype=np.int64)
    draws = uniforms(seed, steps, _NAMES)
    for step in range(_BEFORE + frames):
        for name, draw in zip(_NAMES, draws[step], strict=True):
            if draw < ROUTES[name].rate / RATE and _free(cars, ROUTES[name].lane):
                cars.append(_new(len(looks), name, seed, looks))
        _move(cars, step / RATE)
        cars = [car for car in cars if car.along < STEP * (len(car.route.place) - 1)]
        if step >= _BEFORE:
            rows += [(step - _BEFORE, car.number, *_place(car)) for car in cars]
    found = np.array(rows).reshape(-1, 5)
    shape, colour = np.array(looks, np.int64).reshape(-1, 2).T
    return Flow(
        found[:, 0].astype(np.int64),
        found[:, 1].astype(np.int64),
        found[:, 2:4],
        found[:, 4],
        shape,
        colour,
    )


def _place(car: _Car) -> tuple[float, float, float]:
    """x, y and heading, between two points of the route."""
    route, low = car.route, car.at
    high, share = min(low + 1, len(route.place) - 1), car.along / STEP - low
    x, y = route.place[low] * (1 - share) + route.place[high] * share
    return float(x), float(y), float(route.heading[low] * (1 - share) + route.heading[high] * share)


def _new(number: int, name: str, seed: int, looks: list[tuple[int, int]]) -> _Car:
    draw = uniforms(seed, np.array([number], np.int64), ["shape", "colour", "eager"])[0]
    shares = np.cumsum([kind.share for kind in KINDS.values()])
    shape = min(int(np.searchsorted(shares, draw[0])), len(SHAPES) - 1)
    looks.append((shape, min(int(draw[1] * len(COLOURS)), len(COLOURS) - 1)))
    half = KINDS[SHAPES[shape]].half_length
    return _Car(number, name, half, 0.85 + 0.3 * float(draw[2]), 0.0, 7.0)


def _free(cars: list[_Car], lane: str) -> bool:
    return all(car.along > _ROOM + car.half for car in cars if car.route.lane == lane)


def _move(cars: list[_Car], time: float) -> None:
    """One step of all cars, each by where the others were before it."""
    touches = [car.touches() for car in cars]
    wanted = []
    for number, car in enumerate(cars):
        others = [points for k, points in enumerate(touches) if k != number]
        gap, speed = _ahead(car, np.concatenate(others) if others else np.empty((0, 2)), cars)
        front = car.route.stop - car.along - car.half
        if not green(car.name, time) and -0.5 < front < gap:
            gap, speed = front, 0.0
        wanted.append(_pull(car, gap, speed))
    for car, pull in zip(cars, wanted, strict=True):
        car.speed = max(car.speed + pull / RATE, 0.0)
        car.along += car.speed / RATE


def _ahead(car: _Car, points: Floats, cars: list[_Car]) -> tuple[float, float]:
    """How far what is in a car's way is from its front, and how fast its car goes there."""
    begin = car.at + int(car.half / STEP)
    way = car.route.place[begin : begin + int(_LOOK / STEP) : _EVERY]
    if not len(points) or not len(way):
        return float("inf"), 0.0
    x, y = (way[:, None, k] - points[None, :, k] for k in range(2))
    blocked = (x * x + y * y < _WIDTH**2).any(1)
    if not blocked.any():
        return float("inf"), 0.0
    first = int(blocked.argmax())
    near = np.linalg.norm(
        np.array([other.route.place[other.at] for other in cars]) - way[first], axis=1
    )
    near[[other is car for other in cars]] = np.inf
    other = cars[int(near.argmin())]
    along = min(begin + first * _EVERY, len(car.route.heading) - 1)
    turned = other.route.heading[other.at] - car.route.heading[along]
    return first * _EVERY * STEP, max(0.0, other.speed * float(np.cos(turned)))


def _pull(car: _Car, gap: float, speed: float) -> float:
    """Acceleration by the intelligent driver model; ``gap`` in metres to what goes at ``speed``."""
    most = car.eager * float(car.route.speed[car.at])
    free = 1 - (car.speed / most) ** 4
    if not np.isfinite(gap):
        return max(_PULL * free, -_HARDEST)
    keep = _GAP + max(
        0.0,
        car.speed * _HEADWAY + car.speed * (car.speed - speed) / (2 * (_PULL * _BRAKE) ** 0.5),
    )
    return float(np.clip(_PULL * (free - (keep / max(gap, 0.3)) ** 2), -_HARDEST, _PULL))
