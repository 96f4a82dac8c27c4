"""Pictures of a method whose *what* is a class: how geometry changes every class alike.

After Figure 13 of Xing et al. (TPAMI 2022).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch

from benchmarks.basis_pictures import GAMMA, POINTS, strongest, sweep
from benchmarks.canvas import Sheet
from benchmarks.code_pictures import as_bytes
from lightning_modules.interface import Codes, HasClasses, Method

SHOWN: Final = 2
"""Dimensions of the geometric code that are swept; the paper's figure has as many."""
_SIDE: Final = 64
_NAMES: Final = 40


def strongest_over_classes(method: HasClasses, gamma: float) -> list[int]:
    """Dimensions of *where*, by their mean rank over the classes (see `strongest`)."""
    where = method.prior_mean().where
    orders = [strongest(method, Codes(where, what), "where", gamma) for what in _classes(method)]
    found: list[int] = np.argsort(orders, 1).mean(0).argsort(kind="stable").tolist()
    return found


@torch.no_grad()
def draw_classes(
    method: Method | None, title: str, *, gamma: float = GAMMA, points: int = POINTS
) -> Sheet | None:
    """A row a class: its canonical picture, then the strongest dimensions from -gamma to gamma.

    A faithful split shows the same change, of size or slant, in every row.
    """
    if not isinstance(method, HasClasses):
        return None
    dimensions = strongest_over_classes(method, gamma)[:SHOWN]
    canonical = method.class_pictures().unsqueeze(1)
    where = method.prior_mean().where
    sheet = Sheet(
        f"Every class: canonical, then numbers of where from -{gamma:g} to {gamma:g}",
        title,
        rows=len(canonical),
        columns=1 + points * len(dimensions),
        tile=(_SIDE, _SIDE),
        left=_NAMES,
        top=_NAMES,
        gap=2,
    )
    for row, what in enumerate(_classes(method)):
        swept = [sweep(method, Codes(where, what), "where", d, gamma, points) for d in dimensions]
        sheet.photos(row, 0, as_bytes(torch.cat([canonical[row], *swept])))
        sheet.row_name(row, str(row))
    names = ["canonical", *(f"where {dimension}" for dimension in dimensions)]
    for column, name in zip(
        [0, *range(1, 1 + points * len(dimensions), points)], names, strict=True
    ):
        left, top, _, _ = sheet.box(0, column)
        sheet.text(left, top - 14, name, size=6)
    return sheet


def _classes(method: HasClasses) -> list[torch.Tensor]:
    """*What* (1, D) of every class."""
    return list(torch.split(method.class_codes(), 1))
