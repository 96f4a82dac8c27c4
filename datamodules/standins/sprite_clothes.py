"""What stand-in persons wear on their legs and above: six of each, unlike in colour and cut."""

from collections.abc import Callable
from typing import Final

import numpy as np

from datamodules.standins.sprite_figure import ARMS, LEGS, SIDES, TRUNK, Colour, Figure
from datamodules.standins.sprite_paint import Part

__all__ = ["BOTTOMS", "TOPS"]


def _trousers(of: Figure) -> list[Part]:
    return [*of.legs(0, 0.6, 0, 1.7), of.hips(0, 0.4)]


def _wide(of: Figure) -> list[Part]:
    return [*of.legs(0, 1.3, 0, 1.45), *of.legs(1, 1.6, 1.35, 1.6), of.hips(0, 0.6)]


def _shorts(of: Figure) -> list[Part]:
    return [*of.legs(0, 0.9, 0, 0.85), of.hips(0, 0.5)]


def _greaves(of: Figure) -> list[Part]:
    knees = [of.ball(of.joints[f"{side}_knee"], 3.7, limb, 1) for side, limb in LEGS.items()]
    return [*of.legs(0, 0.4, 0, 0.9), *of.legs(1, 0.9, 1, 1.65), *knees, of.hips(0, 0.4)]


def _kilt(of: Figure) -> list[Part]:
    hems = [of.between(f"{side}_knee", f"{side}_ankle", 0.25) for side in SIDES]
    waist = [of.on_trunk(sign * 1.8, 1.0, 0) for sign in SIDES.values()]
    waist.append(of.on_trunk(0, 1.0, 0))
    hems.append(np.float32(0.5) * (hems[0] + hems[1]))
    return [
        Part(start, end, (3.4, 4.2), LEGS["left"], 0, bands=(1, 6))
        for start, end in zip(waist, hems, strict=True)
    ]


def _long_sleeves(of: Figure) -> list[Part]:
    return of.trunk(0, 0.7) + of.arms(0, 0.6, 1.5)


def _tee(of: Figure) -> list[Part]:
    return of.trunk(0, 0.8) + of.arms(0, 0.9, 0.8)


def _striped(of: Figure) -> list[Part]:
    return of.trunk(0, 0.7, bands=(1, 5)) + of.arms(0, 0.6, 1.5)


def _plate(of: Figure) -> list[Part]:
    pads = [of.ball(of.joints[f"{side}_shoulder"], 3.9, limb, 1) for side, limb in ARMS.items()]
    return [*of.trunk(0, 1.3, low=2.5), of.hips(1, 0.8), *pads]


def _vest(of: Figure) -> list[Part]:
    belt = Part(of.on_trunk(-2.4, 2.4, 0), of.on_trunk(2.4, 2.4, 0), (4.5, 4.5), TRUNK, 1)
    buckle = of.ball(of.on_trunk(0, 2.4, 4.2), 1.4, TRUNK, 3)
    shade = []
    for side, sign in SIDES.items():
        hem = of.between(f"{side}_hip", f"{side}_knee", 0.55)
        shade.append(Part(of.on_trunk(sign * 2.0, 0, 0.5), hem, (3.9, 4.2), TRUNK, 2))
    return [*of.trunk(0, 0.9, low=4.5), belt, buckle, *shade]


def _suit(of: Figure) -> list[Part]:
    tie = Part(of.on_trunk(0, 2.0, 3.4), of.on_trunk(0, 9.5, 3.4), (1.7, 1.2), TRUNK, 2)
    collar = Part(of.on_trunk(-1.4, 10.4, 2.6), of.on_trunk(1.4, 10.4, 2.6), (1.9, 1.9), TRUNK, 1)
    return [*of.trunk(0, 0.9, low=-1.5), *of.arms(1, 0.6, 1.5), tie, collar]


_Garment = tuple[Callable[[Figure], list[Part]], tuple[Colour, ...]]

#: How it is cut, and its inks.
BOTTOMS: Final[tuple[_Garment, ...]] = (
    (_trousers, ((232, 232, 236),)),
    (_greaves, ((96, 66, 44), (240, 190, 60))),
    (_trousers, ((190, 40, 40),)),
    (_wide, ((96, 88, 104), (176, 172, 190))),
    (_shorts, ((84, 150, 156),)),
    (_kilt, ((44, 84, 48), (92, 130, 60))),
)
#: Some inks let through what is below, by as much as some of the genuine sheets' do.
TOPS: Final[tuple[_Garment, ...]] = (
    (_long_sleeves, ((118, 38, 40),)),
    (_tee, ((44, 176, 200),)),
    (_striped, ((236, 228, 204), (196, 160, 110))),
    (_plate, ((150, 152, 166), (204, 206, 216, 253))),
    (_vest, ((132, 92, 44), (62, 44, 34), (40, 26, 20, 83), (206, 206, 150))),
    (_suit, ((64, 60, 74), (240, 236, 226), (86, 90, 96, 230))),
)
