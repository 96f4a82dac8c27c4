"""What two numbers of *where* do: a grid of them, painted with *what* of several persons.

After Figures 3 and 4a of Helminger et al. (2018): f is fixed, and the two-dimensional z goes over a
grid. All persons have the same grid, so that a place in it can be compared between them.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.canvas import BLUE, GREY, INK, Sheet, enlarged, tidy
from benchmarks.clip_scenes import Encoded, paint
from lightning_modules.interface import Codes

Array = NDArray[Any]

SIDE: Final = 9
REACH: Final = (0.05, 0.95)
"""Shares of the codes of all frames shown that lie below the grid's first point and its last."""
_PANEL: Final = 540
_FACE: Final = 96
_PLOT: Final = 200


def draw_manifold(found: Encoded, title: str) -> Sheet | None:
    """A grid of *where* a person, and below where the codes of the person's frames lie.

    Where *where* has more than two numbers, those two that vary most over the clips shown make
    the grid, and the others stay at their mean. Of an entangled code of two numbers nothing is
    fixed, and there is one grid; of a longer one there is none.

    None where there are not two numbers that vary.
    """
    people = found.shown.people
    where = found.codes.where[people]
    if where.shape[2] < 2 or (found.entangled and where.shape[2] > 2):
        return None
    pair, across, down = axes_of(where)
    if min(np.ptp(across), np.ptp(down)) < 1e-6:
        return None
    looks = 1 if found.entangled else len(people)
    points = grid_points(where, pair, across, down).expand(looks, -1, -1)
    what = points if found.entangled else found.codes.what[people, :1].expand(-1, SIDE**2, -1)
    painted = paint(found.method, Codes(points, what))
    code = "code" if found.entangled else "where"
    first, second = (f"{code} {number}" for number in pair)
    rest = (
        "" if where.shape[2] == 2 else ", the two numbers that vary most; the others at their mean"
    )
    fixed = "" if found.entangled else ", what of one clip a panel"
    sheet = Sheet(
        f"A grid over {first} (to the right) and {second} (upwards){fixed}{rest}",
        title,
        rows=1,
        columns=looks,
        tile=(_PANEL, _PANEL),
        left=60,
        top=_FACE + 16,
        gap=70,
        foot=_PLOT + 90,
    )
    half = [np.ptp(along) / (SIDE - 1) / 2 for along in (across, down)]
    spans = [
        (float(along[0] - margin), float(along[-1] + margin))
        for along, margin in zip((across, down), half, strict=True)
    ]
    codes = where.cpu().numpy()[..., pair]
    for column in range(looks):
        if not found.entangled:
            _face(sheet, column, found, people[column])
        panel = sheet.axes(*sheet.box(0, column))
        page = enlarged(mosaic(painted[column]), sheet.tile)
        panel.imshow(page, extent=(*spans[0], *spans[1]), aspect="auto")
        panel.tick_params(labelsize=6.5, colors=GREY, labelcolor=INK)
        left, top, width, height = sheet.box(0, column)
        below = sheet.axes(left, top + height + 60, width, _PLOT)
        tidy(below, grid="both")
        own = codes.reshape(-1, 2) if found.entangled else codes[column]
        below.plot(*own.T, ".", color=BLUE, markersize=4, alpha=0.6)
        below.set_xlim(spans[0])
        below.set_ylim(spans[1])
        below.set_xlabel(first, size=7, color=INK)
        if not column:
            panel.set_ylabel(second, size=7, color=INK)
            below.set_ylabel(second, size=7, color=INK)
            words = "codes of the clip's frames; the grid spans the middle 90 % of all"
            below.set_title(words, size=7, color=INK, loc="left")
    return sheet


def _face(sheet: Sheet, column: int, found: Encoded, clip: int) -> None:
    """A clip's first frame and its name above a panel."""
    left, top, _, _ = sheet.box(0, column)
    face = sheet.axes(left, top - _FACE - 12, _FACE, _FACE)
    face.imshow(enlarged(found.shown.clips[clip][0], (_FACE, _FACE)))
    face.set_axis_off()
    sheet.text(left + _FACE + 12, top - _FACE / 2, found.name(clip), va="center")


def axes_of(where: Tensor) -> tuple[list[int], Array, Array]:
    """The two numbers of *where* (n, T, D) that vary most, and the grid's SIDE values of each."""
    flat = where.flatten(0, 1).double().cpu().numpy()
    pair = np.sort(np.argsort(-flat.std(0), kind="stable")[:2])
    low, high = np.quantile(flat[:, pair], REACH, axis=0)
    across, down = np.linspace(low, high, SIDE).T
    return pair.tolist(), across, down


def grid_points(where: Tensor, pair: list[int], across: Array, down: Array) -> Tensor:
    """Points (SIDE^2, D): the first number of ``pair`` goes fastest, the second falls.

    The other numbers are at their means over ``where`` (n, T, D).
    """
    points = where.flatten(0, 1).mean(0).repeat(SIDE**2, 1)
    values = np.stack([np.tile(across, SIDE), np.repeat(down[::-1], SIDE)], 1)
    points[:, pair] = torch.from_numpy(values).to(points)
    return points


def mosaic(pictures: Array) -> Array:
    """SIDE^2 pictures (SIDE^2, H, W, C), row by row, as one (SIDE H, SIDE W, C)."""
    height, width, channels = pictures.shape[1:]
    rows = pictures.reshape(SIDE, SIDE, height, width, channels).swapaxes(1, 2)
    return rows.reshape(SIDE * height, SIDE * width, channels)
