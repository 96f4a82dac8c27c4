"""Digits that bounce within a square, in the manner of Moving MNIST (Srivastava et al. 2015).

A digit starts anywhere, moves in any direction at a constant speed, and is reflected at the edges;
where digits overlap, the brighter pixel is seen. Every draw is a function of (seed, split, clip):
more clips, or more frames, leave what was there before as it was.

differs from the paper: its code loses what is left of a step behind the edge, here it is reflected,
and the speed is constant; and its code cuts places to whole pixels, here they are rounded.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from torch.nn import functional as F

from datamodules.coordinates import to_normalised
from datamodules.standins.counter import uniforms

MOST_DIGITS: Final = 3
SPEED: Final = 0.1
"""The original's step a frame, as a share of the way from edge to edge: 3.6 of 36 px."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Pictures = NDArray[np.uint8]


class Bouncing(NamedTuple):
    """M clips of n digits that are to be drawn.

    Args:
        source: (M, n) row of each digit's picture; ordered by class, then by row.
        corner: (M, T, n, 2) its upper left pixel in every frame, (x, y).
    """

    source: Ints
    corner: Ints


def draw_clips(
    rows: Ints,
    labels: Ints,
    *,
    clips: int,
    digits: int,
    frames: int,
    reach: int,
    speed: float,
    split: str,
    seed: int,
) -> Bouncing:
    """Which digits are seen in each clip of a split, and where.

    Args:
        rows: (R,) pictures to choose from.
        labels: (N,) class of every picture, whether chosen from or not.
        clips: M.
        digits: n, drawn with replacement: two of a clip may be of one class.
        frames: T.
        reach: pixels from the first place of a digit to the last, side less digit.
        speed: share of ``reach`` that a digit goes in a frame.
        split: name; those of other splits are other draws.
        seed: any integer.
    """
    wanted = [f"{what}/{k}" for what in ("which", "x", "y", "way") for k in range(digits)]
    drawn = uniforms(seed, np.arange(clips), [f"bouncing/{split}/{name}" for name in wanted])
    drawn = drawn.reshape(clips, 4, digits)
    source = rows[(drawn[:, 0] * len(rows)).astype(np.int64)]
    order = np.lexsort((source, labels[source]))
    place = trajectories(drawn[:, 1:3].swapaxes(1, 2), 2 * np.pi * drawn[:, 3], speed, frames)
    corner = np.rint(reach * place).astype(np.int64)
    return Bouncing(
        np.take_along_axis(source, order, 1),
        np.take_along_axis(corner, order[:, None, :, None], 2),
    )


def trajectories(start: Floats, way: Floats, speed: float, frames: int) -> Floats:
    """Places (M, T, n, 2) in the unit square, at constant speed, reflected at its edges.

    Args:
        start: (M, n, 2) places of the first frame, (x, y).
        way: (M, n) direction, radians from x to y.
        speed: of a frame.
        frames: T.
    """
    step = speed * np.stack([np.cos(way), np.sin(way)], -1)
    straight = start[:, None] + np.arange(frames)[:, None, None] * step[:, None]
    # A path that is reflected is a straight one in a plane of mirrors.
    folded: Floats = 1 - np.abs(1 - straight % 2)
    return folded


def render(pictures: Pictures, corner: Ints, side: int) -> Pictures:
    """Clips (M, T, side, side) of digits on black.

    Args:
        pictures: (M, n, d, d) the digits.
        corner: (M, T, n, 2) their upper left pixels, (x, y), within 0 ... side - d.
        side: pixels.
    """
    room = side - pictures.shape[-1]
    around = np.pad(pictures, ((0, 0), (0, 0), (room, room), (room, room)))
    # A frame is a window of the padded digit; the further right the digit, the further left it is.
    windows = sliding_window_view(around, (side, side), axis=(2, 3))
    clip = np.arange(len(pictures))[:, None, None]
    number = np.arange(pictures.shape[1])
    layers = windows[clip, number, room - corner[..., 1], room - corner[..., 0]]
    seen: Pictures = layers.max(2)
    return seen


def centres(corner: Ints, digit: int, side: int) -> NDArray[np.float32]:
    """Where digits of ``digit`` px are whose upper left pixels are ``corner`` (..., 2).

    The centre of the digit's square in [-1, 1] of a picture of ``side`` px.
    """
    middle = corner + (digit - 1) / 2
    return to_normalised(middle, (side, side)).astype(np.float32)


def resized(pictures: Pictures, side: int) -> Pictures:
    """Pictures (..., h, w) as (..., side, side), linear, averaged where they shrink."""
    if pictures.shape[-2:] == (side, side):
        return pictures
    flat = torch.from_numpy(pictures.reshape(-1, 1, *pictures.shape[-2:])).float()
    made = F.interpolate(flat, (side, side), mode="bilinear", antialias=True)
    small: Pictures = made.round().byte().numpy().reshape(*pictures.shape[:-2], side, side)
    return small
