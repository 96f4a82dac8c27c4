"""What each of the ten kinds of things is made of, seen from the side, in painter's order."""

from typing import Final, NamedTuple

__all__ = ["DARK", "KINDS", "PARTS", "Part"]

#: CIFAR-10's classes, in its order.
KINDS: Final = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)

BODY, SECOND, DARK, GLASS, BRIGHT = range(5)


class Part(NamedTuple):
    """A rounded bar from ``a`` to ``b``, in units of half the thing's width; y points down.

    Args:
        ax: Where it begins, x.
        ay: And y.
        bx: Where it ends, x.
        by: And y.
        width: Half the width of the box inside it; 0 for a bar that is nothing but round.
        radius: Of its rounding.
        taper: Width and radius at the end, as a multiple of those at the beginning.
        slot: Its colour: body, second, dark, glass or bright.
        loose: Standard deviation of its end's place.
    """

    ax: float
    ay: float
    bx: float
    by: float
    width: float
    radius: float = 0.1
    taper: float = 1.0
    slot: int = BODY
    loose: float = 0.02


def _round(
    ax: float,
    ay: float,
    bx: float,
    by: float,
    radius: float,
    taper: float = 1.0,
    slot: int = BODY,
    loose: float = 0.02,
) -> Part:
    return Part(ax, ay, bx, by, 0.0, radius, taper, slot, loose)


def _disc(x: float, y: float, radius: float, slot: int = BODY) -> Part:
    return Part(x - 0.005, y, x + 0.005, y, 0.0, radius, 1.0, slot, 0.012)


def _wheel(x: float, y: float, radius: float) -> tuple[Part, Part]:
    return _disc(x, y, radius, DARK), _disc(x, y, radius * 0.42, GLASS)


def _legs(
    places: tuple[float, ...], top: float, foot: float, radius: float, taper: float = 0.75
) -> list[Part]:
    return [
        _round(x, top, x + 0.02, foot, radius, taper, SECOND if k % 2 else BODY, 0.075)
        for k, x in enumerate(places)
    ]


PARTS: Final[dict[str, tuple[Part, ...]]] = {
    "airplane": (
        _round(0.05, -0.06, -0.3, -0.5, 0.13, 0.45, SECOND, 0.06),
        _round(-0.78, 0.0, -0.92, -0.42, 0.11, 0.6, SECOND, 0.04),
        _round(0.78, 0.02, -0.9, -0.04, 0.17, 0.5),
        _round(-0.74, 0.0, -0.98, 0.16, 0.07, 0.6, SECOND, 0.03),
        _round(0.3, 0.3, 0.1, 0.31, 0.08, 0.9, DARK),
        _round(0.12, 0.08, -0.38, 0.6, 0.15, 0.4, BODY, 0.07),
        _round(0.66, -0.06, 0.78, -0.04, 0.05, 0.8, GLASS),
    ),
    "automobile": (
        Part(-0.72, 0.18, 0.74, 0.2, 0.08, 0.16, 0.92),
        Part(-0.4, -0.12, 0.28, -0.12, 0.12, 0.12, 0.9, BODY, 0.05),
        Part(-0.36, -0.13, -0.12, -0.13, 0.06, 0.06, 1.0, GLASS),
        Part(0.02, -0.13, 0.26, -0.12, 0.06, 0.06, 0.9, GLASS),
        *_wheel(-0.5, 0.38, 0.2),
        *_wheel(0.5, 0.38, 0.2),
        _disc(0.86, 0.14, 0.06, BRIGHT),
        Part(-0.2, 0.12, 0.3, 0.12, 0.0, 0.02, 1.0, SECOND),
    ),
    "bird": (
        _round(-0.02, 0.3, 0.0, 0.68, 0.035, 1.0, BRIGHT, 0.05),
        _round(0.12, 0.3, 0.16, 0.68, 0.035, 1.0, BRIGHT, 0.05),
        _round(-0.4, 0.12, -0.95, 0.32, 0.12, 0.9, SECOND, 0.07),
        _round(0.22, -0.02, -0.32, 0.12, 0.3, 0.75, BODY, 0.04),
        _disc(0.4, -0.32, 0.2),
        _round(0.55, -0.32, 0.78, -0.26, 0.07, 0.25, BRIGHT, 0.03),
        _round(0.1, -0.02, -0.55, 0.2, 0.17, 0.35, SECOND, 0.12),
        _disc(0.46, -0.37, 0.05, DARK),
    ),
    "cat": (
        _round(0.25, 0.6, 0.68, 0.2, 0.08, 0.8, SECOND, 0.14),
        _round(0.0, 0.5, 0.0, 0.05, 0.36, 0.75, BODY, 0.05),
        _round(-0.2, -0.56, -0.28, -0.84, 0.12, 0.15, SECOND, 0.02),
        _round(0.2, -0.56, 0.28, -0.84, 0.12, 0.15, SECOND, 0.02),
        _disc(0.0, -0.36, 0.32),
        _round(-0.15, 0.3, -0.16, 0.72, 0.1, 1.1, BODY, 0.03),
        _round(0.15, 0.3, 0.16, 0.72, 0.1, 1.1, BODY, 0.03),
        _round(-0.05, -0.24, 0.05, -0.24, 0.1, 1.0, BRIGHT),
        _disc(-0.13, -0.42, 0.065, DARK),
        _disc(0.13, -0.42, 0.065, DARK),
        _disc(0.0, -0.28, 0.04, DARK),
    ),
    "deer": (
        *_legs((-0.34, -0.44, 0.22, 0.32), 0.05, 0.74, 0.06, 0.6),
        _round(0.52, -0.6, 0.34, -0.92, 0.035, 0.7, DARK, 0.05),
        _round(0.58, -0.6, 0.66, -0.94, 0.035, 0.7, DARK, 0.05),
        _round(0.43, -0.76, 0.26, -0.74, 0.03, 0.7, DARK, 0.04),
        _round(0.62, -0.78, 0.78, -0.84, 0.03, 0.7, DARK, 0.04),
        _round(0.28, -0.02, -0.4, 0.0, 0.2, 0.95),
        _round(0.3, -0.08, 0.54, -0.5, 0.13, 0.65, BODY, 0.03),
        _round(0.54, -0.52, 0.78, -0.42, 0.11, 0.55, BODY, 0.03),
        _round(-0.54, -0.06, -0.64, 0.04, 0.06, 0.7, BRIGHT),
        _disc(0.6, -0.54, 0.035, DARK),
    ),
    "dog": (
        *_legs((-0.3, -0.46, 0.18, 0.32), 0.15, 0.7, 0.1, 0.85),
        _round(-0.52, -0.02, -0.84, -0.36, 0.08, 0.6, BODY, 0.09),
        _round(0.32, 0.04, -0.38, 0.1, 0.24, 0.88),
        _round(0.36, 0.0, 0.5, -0.2, 0.19, 1.0),
        _disc(0.52, -0.28, 0.22),
        _round(0.6, -0.2, 0.84, -0.14, 0.13, 0.75, SECOND, 0.03),
        _round(0.42, -0.36, 0.34, -0.04, 0.1, 1.15, SECOND, 0.04),
        _disc(0.9, -0.17, 0.055, DARK),
        _disc(0.6, -0.34, 0.045, DARK),
    ),
    "frog": (
        _round(-0.34, 0.32, -0.74, 0.34, 0.2, 0.75, SECOND, 0.06),
        _round(0.34, 0.32, 0.74, 0.34, 0.2, 0.75, SECOND, 0.06),
        _round(-0.7, 0.4, -0.5, 0.66, 0.08, 1.0, BODY, 0.05),
        _round(0.7, 0.4, 0.5, 0.66, 0.08, 1.0, BODY, 0.05),
        _round(-0.16, 0.2, 0.16, 0.2, 0.4, 1.0),
        _round(-0.26, 0.35, -0.34, 0.7, 0.08, 1.1, BODY, 0.04),
        _round(0.26, 0.35, 0.34, 0.7, 0.08, 1.1, BODY, 0.04),
        _round(-0.22, -0.16, 0.22, -0.16, 0.27, 1.0),
        _round(-0.2, 0.25, 0.2, 0.25, 0.18, 1.0, BRIGHT),
        _disc(-0.28, -0.42, 0.14),
        _disc(0.28, -0.42, 0.14),
        _disc(-0.28, -0.44, 0.07, DARK),
        _disc(0.28, -0.44, 0.07, DARK),
        _round(-0.26, -0.08, 0.26, -0.08, 0.025, 1.0, DARK),
    ),
    "horse": (
        _round(-0.56, -0.1, -0.78, 0.42, 0.11, 0.6, DARK, 0.08),
        *_legs((-0.34, -0.46, 0.22, 0.34), 0.1, 0.76, 0.09, 0.6),
        _round(0.32, -0.02, -0.42, -0.02, 0.27, 0.95),
        _round(0.26, -0.24, 0.5, -0.68, 0.12, 0.8, DARK, 0.03),
        _round(0.34, -0.12, 0.58, -0.56, 0.2, 0.65, BODY, 0.03),
        _round(0.56, -0.58, 0.84, -0.3, 0.14, 0.75, BODY, 0.03),
        _round(0.52, -0.66, 0.5, -0.8, 0.06, 0.4),
        _disc(0.64, -0.54, 0.04, DARK),
        _disc(0.88, -0.28, 0.05, DARK),
    ),
    "ship": (
        Part(0.5, 0.1, 0.5, -0.66, 0.0, 0.03, 0.6, DARK, 0.03),
        Part(-0.66, 0.1, -0.66, -0.4, 0.0, 0.03, 0.6, DARK, 0.03),
        Part(-0.05, -0.1, -0.08, -0.42, 0.06, 0.04, 0.9, SECOND, 0.03),
        Part(-0.42, -0.02, 0.22, -0.02, 0.14, 0.03, 1.0, BRIGHT, 0.06),
        Part(-0.34, -0.06, 0.14, -0.06, 0.0, 0.035, 1.0, DARK),
        Part(0.0, 0.2, -0.02, 0.46, 0.84, 0.06, 0.74, BODY, 0.03),
        Part(-0.66, 0.42, 0.62, 0.42, 0.04, 0.02, 1.0, SECOND),
    ),
    "truck": (
        Part(-0.84, 0.34, 0.8, 0.34, 0.02, 0.06, 1.0, DARK),
        Part(-0.8, -0.14, 0.14, -0.14, 0.36, 0.05, 1.0, BODY, 0.04),
        Part(0.36, 0.02, 0.74, 0.06, 0.2, 0.08, 0.88, SECOND, 0.04),
        Part(0.5, -0.08, 0.74, -0.07, 0.05, 0.05, 0.9, GLASS),
        *_wheel(-0.6, 0.44, 0.17),
        *_wheel(-0.22, 0.44, 0.17),
        *_wheel(0.56, 0.44, 0.17),
        _disc(0.84, 0.22, 0.05, BRIGHT),
    ),
}
