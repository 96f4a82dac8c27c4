"""Cars of several shapes: each three boxes, one behind or upon the other.

Lengths are in metres. A car's own x points ahead and y to its left, its middle is at x = y = 0, and
it stands at z = 0.
"""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["COLOURS", "KINDS", "PARTS", "RGB", "SHAPES", "Kind", "Part"]


class Part(NamedTuple):
    """A box from (back, right, bottom) to (front, left, top), as wide to the left as to the right.

    ``glass`` says from which height on its sides are windows, infinite for none; ``painted``,
    whether it has the car's colour, or is a load of pale grey.
    """

    back: float
    front: float
    half_width: float
    bottom: float
    top: float
    glass: float
    painted: bool


class Kind(NamedTuple):
    """What a shape of car is made of; ``share`` of all cars, ``parts``, and ``wheels``, their x."""

    share: float
    parts: tuple[Part, Part, Part]
    wheels: tuple[float, float]

    @property
    def half_length(self) -> float:
        """Half of it from bumper to bumper."""
        return self.parts[0].front

    @property
    def height(self) -> float:
        """Of its roof."""
        return max(part.top for part in self.parts)


_NONE: Final = float("inf")

KINDS: Final[dict[str, Kind]] = {
    "saloon": Kind(
        0.36,
        (
            Part(-2.3, 2.3, 0.92, 0.3, 0.85, _NONE, True),
            Part(-1.5, 0.75, 0.78, 0.85, 1.45, 0.85, True),
            Part(-2.25, -1.5, 0.9, 0.85, 0.95, _NONE, True),
        ),
        (-1.4, 1.45),
    ),
    "hatchback": Kind(
        0.24,
        (
            Part(-1.9, 1.9, 0.86, 0.3, 0.9, _NONE, True),
            Part(-1.85, 0.65, 0.76, 0.9, 1.55, 0.9, True),
            Part(0.65, 1.0, 0.7, 0.9, 1.1, 0.9, True),
        ),
        (-1.2, 1.25),
    ),
    "pickup": Kind(
        0.16,
        (
            Part(-2.7, 2.7, 0.98, 0.4, 1.0, _NONE, True),
            Part(-0.5, 1.2, 0.88, 1.0, 1.75, 1.05, True),
            Part(-2.6, -0.7, 0.8, 1.0, 1.12, _NONE, False),
        ),
        (-1.7, 1.7),
    ),
    "truck": Kind(
        0.14,
        (
            Part(-3.6, 3.6, 1.1, 0.45, 0.9, _NONE, True),
            Part(2.0, 3.55, 1.1, 0.9, 2.4, 1.5, True),
            Part(-3.55, 1.8, 1.2, 0.9, 3.0, _NONE, False),
        ),
        (-2.4, 2.5),
    ),
    "bus": Kind(
        0.1,
        (
            Part(-5.2, 5.2, 1.2, 0.35, 1.3, _NONE, True),
            Part(-5.2, 5.2, 1.18, 1.3, 2.35, 1.3, True),
            Part(-5.2, 5.2, 1.2, 2.35, 2.9, _NONE, True),
        ),
        (-3.2, 3.4),
    ),
}
SHAPES: Final = tuple(KINDS)
PARTS: Final = 3

RGB: Final = {
    "white": (0.9, 0.9, 0.88),
    "black": (0.1, 0.1, 0.11),
    "silver": (0.6, 0.62, 0.64),
    "red": (0.75, 0.1, 0.09),
    "blue": (0.12, 0.27, 0.7),
    "green": (0.1, 0.42, 0.2),
    "yellow": (0.92, 0.74, 0.1),
    "orange": (0.88, 0.4, 0.08),
}
COLOURS: Final = tuple(RGB)
