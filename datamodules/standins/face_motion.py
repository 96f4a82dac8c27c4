"""How stand-in faces move from frame to frame: slow waves, addressed by video and name."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from datamodules.standins.counter import uniforms

__all__ = ["draw", "drift", "smooth", "waves"]

Array = NDArray[np.float64]

_PERIODS = (25.0, 120.0)


def draw(seed: int, place: int, names: list[str]) -> Array:
    """Uniform numbers in (0, 1), one for each name, of the person or video at an address."""
    drawn: Array = uniforms(seed, np.array([place]), names)[0]
    return drawn


def smooth(x: Array) -> Array:
    """0 below 0, 1 above 1, and a soft step between."""
    x = np.clip(x, 0.0, 1.0)
    step: Array = x * x * (3 - 2 * x)
    return step


def waves(
    seed: int,
    place: int,
    names: list[str],
    frames: int,
    periods: tuple[float, float] = _PERIODS,
) -> Array:
    """Slow motions (frames, len(names)) about 0, of standard deviation near 1.

    Args:
        seed: the data set's seed.
        place: address of the video.
        names: of the motions; each hangs on its own.
        frames: of the video.
        periods: shortest and longest of the waves that they are made of, in frames.
    """
    parts = range(3)
    chance = draw(seed, place, [f"wave/{n}/{k}/{p}" for n in names for k in parts for p in "pt"])
    phase, tempo = np.moveaxis(chance.reshape(len(names), len(parts), 2), 2, 0)
    period = periods[0] * (periods[1] / periods[0]) ** tempo
    angle = 2 * np.pi * (phase + np.arange(frames)[:, None, None] / period)
    moved: Array = np.sin(angle).sum(axis=2) * np.sqrt(2 / len(parts))
    return moved


def drift(seed: int, place: int, name: str, frames: int, still: float, motion: float) -> Array:
    """A number (frames,) about 0 that wanders.

    Args:
        seed: the data set's seed.
        place: address of the video.
        name: of the number.
        frames: of the video.
        still: standard deviation from video to video.
        motion: and within one.
    """
    centre = still * float(np.clip(ndtri(draw(seed, place, [f"still/{name}"])[0]), -2.2, 2.2))
    moved: Array = centre + motion * waves(seed, place, [name], frames)[:, 0]
    return moved
