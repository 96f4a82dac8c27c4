"""Single frames of two codes: *what* of one clip with *where* of another's frame, or of a draw.

After sections 2 and 4 of Helminger et al. (2018): f and z taken apart, and new frames of z drawn
for an f that is given.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.canvas import Sheet
from benchmarks.clip_samples import evenly
from benchmarks.clip_scenes import Encoded, paint
from benchmarks.films import clip_tile, name_columns
from benchmarks.protocols.coherence import drawn
from lightning_modules.interface import Codes, HasClipPrior, HasConditionalPrior

Array = NDArray[Any]

COLUMNS: Final = 8
REAL: Final = 5
_LEFT: Final = 150
_GAP: Final = 4


def draw_swap_matrix(found: Encoded, title: str) -> Sheet | None:
    """*What* of a clip a row, *where* of a frame a column; a faithful split keeps both.

    Frames are taken from all clips in turn, from the first moment to the last. None of one clip
    alone, or of an entangled method.
    """
    people = found.shown.people
    if found.entangled or len(people) < 2:
        return None
    clips, moments = columns_of(people, found.shown.clips.shape[1])
    where = found.codes.where[clips, moments]
    what = found.codes.what[people, :1].expand(-1, len(clips), -1)
    painted = paint(found.method, Codes(where.expand(len(people), -1, -1), what))
    given = found.shown.clips
    sheet = Sheet(
        "What of the clip on the left, where of the frame above",
        title,
        rows=len(people) + 1,
        columns=len(clips) + 1,
        tile=clip_tile(given[0]),
        left=_LEFT,
        gap=_GAP,
        top=62,
    )
    above = [f"{found.name(clip)}\nframe {n + 1}" for clip, n in zip(clips, moments, strict=True)]
    name_columns(sheet, ["", *above])
    sheet.photos(0, 1, given[clips, moments])
    for row, clip in enumerate(people):
        sheet.row_name(row + 1, found.name(clip))
        sheet.photos(row + 1, 0, given[clip][:1])
        sheet.photos(row + 1, 1, painted[row])
    return sheet


def columns_of(people: list[int], frames: int) -> tuple[list[int], list[int]]:
    """Clips and moments of the frames that give *where*."""
    moments = np.linspace(0, frames - 1, COLUMNS).round().astype(int).tolist()
    return [people[column % len(people)] for column in range(COLUMNS)], moments


def draw_given(found: Encoded, title: str) -> Sheet | None:
    """Frames of every clip, and frames painted of its *what* and of *where* that was drawn.

    *Where* comes from p(where | what) if the method has one, else from its prior; None where it
    has neither, or of an entangled method.
    """
    method, people = found.method, found.shown.people
    conditional = isinstance(method, HasConditionalPrior)
    if found.entangled or not (conditional or isinstance(method, HasClipPrior)):
        return None
    what = found.codes.what[people, 0]
    generator = torch.Generator().manual_seed(0)
    where = drawn(method, what, COLUMNS, found.codes.where.shape[2], generator)
    painted = paint(method, Codes(where, what[:, None].expand(-1, COLUMNS, -1)))
    shown = evenly(found.shown.clips.shape[1], REAL)
    prior = "p(where | what)" if conditional else "the prior"
    sheet = Sheet(
        f"Frames of clips, and frames of their what with where drawn from {prior}",
        title,
        rows=len(people),
        columns=len(shown) + 1 + COLUMNS,
        tile=clip_tile(found.shown.clips[0]),
        left=_LEFT,
        gap=_GAP,
        top=26,
    )
    real = [f"frame {moment + 1}" for moment in shown]
    name_columns(sheet, [*real, "", *(f"draw {n + 1}" for n in range(COLUMNS))])
    for row, clip in enumerate(people):
        sheet.row_name(row, found.name(clip))
        sheet.photos(row, 0, found.shown.clips[clip][shown])
        sheet.photos(row, len(shown) + 1, painted[row])
    return sheet
