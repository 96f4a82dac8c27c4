"""Six heads of hair for stand-in persons, unlike in colour and shape."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from datamodules.standins.counter import uniforms
from datamodules.standins.sprite_figure import HAIR, Colour, Figure
from datamodules.standins.sprite_paint import Part

__all__ = ["HAIRS"]

_GOLDEN_ANGLE: Final = 2.39996
_SKULL: Final = 8.25


def _cap(of: Figure, swell: float, low: float) -> list[Part]:
    """Hair on the skull; the face looks out below it."""
    return [
        of.ball(of.on_head(0, 2.2 + low, -1.6), 7.9 + swell, HAIR, 0),
        of.ball(of.on_head(0, 0.2 + low, -2.6), 7.9 + swell, HAIR, 0),
    ]


def _fringe(of: Figure, tips: Sequence[tuple[float, float]], width: float) -> list[Part]:
    """Locks that hug the skull from the crown to (x, y) of the brow."""
    parts = []
    for x, y in tips:
        ends = [
            of.on_head(side, up, np.sqrt(_SKULL**2 - side**2 - up**2))
            for side, up in ((0.6 * x, 6.4), (x, y))
        ]
        parts.append(Part(ends[0], ends[1], (width, 0.8), HAIR, 0))
    return parts


def _spikes(of: Figure, seed: int, count: int, length: float, width: float) -> list[Part]:
    """Locks that stand off, spread evenly over the skull but for chance, in two inks."""
    chance = uniforms(seed, np.arange(count), [f"{name}/{count}" for name in ("turn", "up", "len")])
    parts = []
    for k, (turn, rise, long) in enumerate(chance):
        up = 0.95 - 1.05 * (k + 0.6 * rise) / count
        way = _direction(up, _GOLDEN_ANGLE * k + 0.7 * turn)
        if way[1] < 0.35 and way[2] > 0.3:
            continue  # before the eyes
        root = of.on_head(*(6.5 * way + (0, 1.2, -1.0)))
        tip = of.on_head(*((8.4 + length * (0.6 + 0.7 * long)) * way + (0, 1.6, -1.0)))
        parts.append(Part(root, tip, (width, 0.5), HAIR, int(k % 3 > 0)))
    return parts


def _direction(up: float, turn: float) -> np.ndarray:
    level = np.sqrt(1 - up * up)
    return np.array([level * np.cos(turn), up, level * np.sin(turn)])


def _messy(of: Figure, seed: int) -> list[Part]:
    tips = (-5.5, 2.0), (-2.2, 2.6), (1.2, 1.8), (4.6, 2.8)
    return _cap(of, 0.6, 0.8) + _spikes(of, seed, 26, 3.4, 2.4) + _fringe(of, tips, 2.2)


def _knot(of: Figure, seed: int) -> list[Part]:
    tail = of.on_head(0, 13, -3.5), of.on_head(0, 9, -11.0)
    return [
        *_cap(of, 0.5, 0.5),
        of.ball(of.on_head(0, 10.2, -2.0), 2.6, HAIR, 1),
        of.ball(of.on_head(0, 13.0, -2.6), 2.9, HAIR, 0),
        Part(*tail, (2.0, 0.8), HAIR, 0),
    ]


def _mane(of: Figure, seed: int) -> list[Part]:
    tips = (-6.0, 0.5), (-3.0, 3.2), (3.0, 3.2), (6.0, 0.5)
    return _cap(of, 0.8, 0.9) + _spikes(of, seed, 30, 6.2, 2.6) + _fringe(of, tips, 2.6)


def _long(of: Figure, seed: int) -> list[Part]:
    back = of.on_head(0, 0, -7), of.on_head(0, -10, -7)
    locks = [Part(*back, (4.6, 3.0), HAIR, 1)]
    for x, z, low in ((7.6, 0.5, -11.0), (4.0, -6.5, -10.0)):
        for side in (-x, x):
            ends = of.on_head(0.9 * side, 2, z), of.on_head(side, low, z)
            locks.append(Part(*ends, (3.0, 1.6), HAIR, 0))
    return _cap(of, 0.5, 0.9) + locks + _fringe(of, ((-4.6, 3.4), (4.6, 1.2)), 2.8)


def _bowl(of: Figure, seed: int) -> list[Part]:
    return _cap(of, 1.0, 0.2) + _fringe(of, [(x, 2.4) for x in (-5.4, -2.7, 0, 2.7, 5.4)], 2.4)


def _afro(of: Figure, seed: int) -> list[Part]:
    centre = np.array([0, 4.6, -3.0])
    parts = [of.ball(of.on_head(*centre), 9.8, HAIR, 0)]
    for turn, up in uniforms(seed, np.arange(60), ["curl/turn", "curl/up"]):
        way = _direction(1.7 * up - 0.7, 2 * np.pi * turn)
        if way[1] > 0.35 or way[2] < 0.1:
            parts.append(of.ball(of.on_head(*(9.2 * way + centre)), 2.3, HAIR, 0))
    return parts


#: How it is cut, with a seed, and its inks.
HAIRS: Final[tuple[tuple[Callable[[Figure, int], list[Part]], tuple[Colour, ...]], ...]] = (
    (_messy, ((30, 196, 40), (16, 150, 30))),
    (_knot, ((52, 50, 210), (190, 180, 60))),
    (_mane, ((250, 186, 40), (224, 140, 24))),
    (_long, ((206, 206, 210), (170, 170, 180))),
    (_bowl, ((206, 52, 74),)),
    (_afro, ((112, 34, 156),)),
)
