"""Pictures of basis functions: one number of a code is moved, and the rest stays.

After Figures 3 to 5 of Xing et al. (TPAMI 2022); for every method that decodes from a prior.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from benchmarks.canvas import Sheet
from benchmarks.code_pictures import as_bytes
from lightning_modules.interface import Codes, HasClasses, HasDecoder, HasPrior, Method

POINTS: Final = 10
GAMMA: Final = 10.0
"""Reach of a sweep, in standard deviations of the prior; the paper's."""
DIMENSIONS: Final = 6
APPLIED: Final = {"where": 2, "what": 4}
"""Basis functions of the figure that applies those of geometry to those of appearance."""
TILE: Final = (96, 96)


def sweep(
    method: HasDecoder, base: Codes, part: str, dimension: int, gamma: float, points: int = POINTS
) -> Tensor:
    """Pictures (points, C, H, W) along one dimension of one code, all else as in ``base``.

    Args:
        method: decodes.
        base: codes (1, D) of one picture.
        part: ``where`` or ``what``.
        dimension: of that code.
        gamma: the dimension goes from -gamma to gamma.
        points: in so many equal steps, both ends among them.
    """
    moved = getattr(base, part).repeat(points, 1)
    moved[:, dimension] = torch.linspace(-gamma, gamma, points, device=moved.device)
    return method.decode(_with(base, part, moved))


def strongest(method: HasDecoder, base: Codes, part: str, gamma: float) -> list[int]:
    """Dimensions of a code, by how much the picture changes from one end to the other."""
    size = getattr(base, part).shape[1]
    ends = []
    for end in (-gamma, gamma):
        moved = getattr(base, part).repeat(size, 1).fill_diagonal_(end)
        ends.append(method.decode(_with(base, part, moved)))
    change = (ends[1] - ends[0]).abs().flatten(1).mean(1)
    order: list[int] = change.argsort(descending=True).tolist()
    return order


@torch.no_grad()
def draw_basis(
    method: Method | None, title: str, *, gamma: float = GAMMA, points: int = POINTS
) -> Sheet | None:
    """The six strongest dimensions of each code, from -gamma to gamma, the rest at zero.

    Figures 3 and 4. A faithful split shows one face that only turns or changes shape above, and
    faces of one shape that only change in looks below.
    """
    if not isinstance(method, HasPrior):
        return None
    base = method.prior_mean()
    # Of classes there is nothing to sweep; an entangled method has one code.
    one = isinstance(method, HasClasses) or base.where is base.what
    parts = ["where"] if one else ["where", "what"]
    rows = [
        (part, dimension)
        for part in parts
        for dimension in strongest(method, base, part, gamma)[:DIMENSIONS]
    ]
    sheet = Sheet(
        f"Basis functions: one number of a code from -{gamma:g} to {gamma:g}, the others zero",
        title,
        rows=len(rows),
        columns=points,
        tile=TILE,
        left=110,
        gap=2,
    )
    for row, (part, dimension) in enumerate(rows):
        swept = sweep(method, base, part, dimension, gamma, points)
        sheet.photos(row, 0, as_bytes(swept))
        name = "code" if base.where is base.what else part
        sheet.row_name(row, f"{name} {dimension}")
    return sheet


@torch.no_grad()
def draw_applied(
    method: Method | None, title: str, *, gamma: float = GAMMA, points: int = POINTS
) -> Sheet | None:
    """The strongest geometric basis functions, applied to those of appearance (Figure 5).

    Above, appearance is swept with the geometry at zero; below, again, with one number of the
    geometry at its end. A faithful split shows the same faces, turned or reshaped.
    """
    if not isinstance(method, HasPrior) or isinstance(method, HasClasses):
        return None
    base = method.prior_mean()
    if base.where is base.what:
        return None
    looks = strongest(method, base, "what", gamma)[: APPLIED["what"]]
    bent = [None, *strongest(method, base, "where", gamma)[: APPLIED["where"]]]
    sheet = Sheet(
        "Geometric basis functions applied to those of appearance",
        title,
        rows=len(bent) * len(looks),
        columns=points,
        tile=TILE,
        left=220,
        gap=2,
    )
    for block, dimension in enumerate(bent):
        where = base.where.clone()
        if dimension is not None:
            where[:, dimension] = gamma
        for place, look in enumerate(looks):
            row = block * len(looks) + place
            swept = sweep(method, Codes(where, base.what), "what", look, gamma, points)
            sheet.photos(row, 0, as_bytes(swept))
            sheet.row_name(row, f"what {look}", indent=110)
        name = "where\nzero" if dimension is None else f"where {dimension}\nat {gamma:g}"
        sheet.row_name(block * len(looks), name)
    return sheet


def _with(base: Codes, part: str, moved: Tensor) -> Codes:
    """Codes (N, D) with one part moved; of an entangled method both are the same code."""
    if base.where is base.what:
        return Codes(moved, moved)
    others = {name: code.expand(len(moved), -1) for name, code in base._asdict().items()}
    return Codes(**(others | {part: moved}))
