"""What the page asks of a method: one interface for all of them, `Desk`.

A desk holds the pictures that were opened, taken apart once. Everything after that is one call of
`Desk.paint` with a state, plain JSON that the page holds: to undo is to paint an older state.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Final, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.code_pictures import as_bytes

Array = NDArray[Any]
Slot = Literal["main", "other"]
"""The picture that is worked on, or another to take from and to go to."""

FILM_STEPS: Final = 24
"""Frames of a film from one state to another."""
REST: Final = 6
"""Still frames before and after."""


class Painted(NamedTuple):
    """What a state looks like.

    ``pictures`` (n, H, W, 3) uint8, the picture first; ``facts`` is plain JSON, what else the page
    draws and writes.
    """

    pictures: Array
    facts: dict[str, Any]


class Desk(Protocol):
    """A method whose codes the page moves."""

    kind: ClassVar[str]
    """Names the page's module that draws its controls."""
    slots: ClassVar[tuple[Slot, ...]]
    """Which pictures it works with."""

    def open(self, slot: Slot, image: Array) -> None:
        """Take a picture (H, W, C) uint8 apart; what was in this place is let go."""
        ...

    def about(self) -> dict[str, Any]:
        """What the controls hang on: plain JSON. Called once a picture is open."""
        ...

    def paint(self, state: Any) -> Painted:
        """Paint a state of the page.

        Raises:
            ValueError: it is none of this desk's, or cannot be painted; says why.
        """
        ...

    def film(self, state: Any) -> Iterator[Array]:
        """Frames (H, W, 3) uint8 from the picture as it was to a state.

        Raises:
            ValueError: see `paint`.
        """
        ...


def coloured(images: Tensor) -> Array:
    """Pictures (N, C, H, W) as (N, H, W, 3) uint8, grey ones with three equal channels."""
    pixels = as_bytes(images)
    return pixels if pixels.shape[-1] == 3 else pixels.repeat(3, -1)


def eased() -> Iterator[float]:
    """Shares of the way in a film: slow at both ends, as things are moved, with rests."""
    yield from [0.0] * REST
    for step in range(1, FILM_STEPS):
        part = step / FILM_STEPS
        yield part * part * (3 - 2 * part)
    yield from [1.0] * REST


def plain(values: Tensor, digits: int = 4) -> Any:
    """A tensor as nested lists of rounded numbers, for JSON."""
    return np.round(values.detach().double().cpu().numpy(), digits).tolist()
