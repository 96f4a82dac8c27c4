"""Pictures of the five views: faces painted again, and which numbers of a code tell the view.

After Figures 6 and 7 of Xing et al. (TPAMI 2022).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.basis_pictures import GAMMA, POINTS, TILE, sweep
from benchmarks.canvas import BLUE, GREY, INK, VERMILION, Sheet, tidy, tile_size
from benchmarks.code_pictures import as_bytes
from benchmarks.protocols.views import VIEWS
from lightning_modules.interface import HasPrior, Method

Array = NDArray[Any]

TOP: Final = {"where": 2, "what": 1}
"""Dimensions that the second figure shows, by code."""
_PLOT: Final = 300
_COLOURS: Final = {"where": VERMILION, "what": BLUE, "code": GREY}


def draw_views(arrays: Mapping[str, Array], title: str) -> Sheet | None:
    """Test faces of the five views, and what the method makes of them."""
    if "view_images" not in arrays:
        return None
    images, rebuilt, errors = (arrays[f"view_{name}"] for name in ("images", "rebuilt", "errors"))
    views, count = images.shape[:2]
    sheet = Sheet(
        "Faces of the five views, and their reconstructions",
        title,
        rows=2 * count,
        columns=views,
        tile=tile_size(images.shape[2:4]),
        caption=30,
        left=120,
    )
    for shot in range(count):
        for column, view in enumerate(VIEWS):
            sheet.photo(2 * shot, column, images[column, shot], caption=f"{view}°")
            words = f"squared error {errors[column, shot]:.0f}"
            sheet.photo(2 * shot + 1, column, rebuilt[column, shot], caption=words)
        sheet.row_name(2 * shot, "input")
        sheet.row_name(2 * shot + 1, "recon-\nstruction")
    return sheet


def draw_covariance(arrays: Mapping[str, Array], title: str) -> Sheet | None:
    """R of every dimension of both codes (Figure 6), on one scale; the top ones are named."""
    codes = _codes(arrays)
    if not codes:
        return None
    sheet = Sheet(
        "How much each number of a code tells of the view: R of eq. 21",
        title,
        rows=1,
        columns=len(codes),
        tile=(320, 560),
        left=50,
        gap=60,
        top=30,
        caption=50,
    )
    highest = max(strength.max() for _, strength in codes.values())
    for column, (name, (_, strength)) in enumerate(codes.items()):
        axes = sheet.axes(*sheet.box(0, column))
        tidy(axes)
        top = np.argsort(-strength, kind="stable")[: TOP.get(name, 2)]
        colours = np.full(len(strength), f"{_COLOURS[name]}80")
        colours[top] = _COLOURS[name]
        axes.bar(np.arange(len(strength)), strength, color=colours.tolist(), width=0.8)
        for i in top.tolist():
            at = (i, strength[i] + 0.01 * highest)
            axes.annotate(str(i), at, size=7, color=INK, ha="center", va="bottom")
        axes.set_ylim(0, 1.12 * highest)
        axes.set_xlim(-1, len(strength))
        axes.set_title(f"{name}: largest R {strength.max():.2g}", size=9, color=INK, loc="left")
        axes.set_xlabel("dimension", size=8, color=INK)
    return sheet


@torch.no_grad()
def draw_turning(
    arrays: Mapping[str, Array],
    method: Method | None,
    title: str,
    *,
    gamma: float = GAMMA,
    points: int = POINTS,
) -> Sheet | None:
    """The dimensions with the largest R: their mean over each view, and what they do (Figure 7).

    Beside the means, the dimension goes from -gamma to gamma with all others zero, if the method
    decodes from a prior. A faithful split turns the face there, and only by *where*.
    """
    codes = _codes(arrays)
    if not codes:
        return None
    shown = [
        (name, dimension)
        for name, (_, strength) in codes.items()
        for dimension in np.argsort(-strength, kind="stable")[: TOP.get(name, 2)].tolist()
    ]
    sheet = Sheet(
        "The numbers that tell most of the view",
        title,
        rows=len(shown),
        columns=points,
        tile=TILE,
        left=_PLOT + 60,
        top=60,
        caption=120,
        gap=2,
    )
    span = max(np.ptp(codes[name][0][:, dimension]) for name, dimension in shown)
    for row, (name, dimension) in enumerate(shown):
        means, strength = codes[name]
        _, top, _, height = sheet.box(row, 0)
        axes = sheet.axes(sheet.origin[0] - _PLOT - 20, top - 25, _PLOT, height + 50)
        tidy(axes, grid="both")
        values = means[:, dimension]
        axes.plot(list(VIEWS), values, marker="o", color=_COLOURS[name], linewidth=1.8)
        # One span for all, so that a steep line is one of much R.
        middle = (values.max() + values.min()) / 2
        axes.set_ylim(middle - 0.6 * span, middle + 0.6 * span)
        axes.set_xticks(list(VIEWS), [f"{view}°" for view in VIEWS])
        words = f"{name} {dimension}: mean of each view, R {strength[dimension]:.2g}"
        axes.set_title(words, size=8, color=INK, loc="left")
        if isinstance(method, HasPrior):
            part = "where" if name == "code" else name
            swept = sweep(method, method.prior_mean(), part, dimension, gamma, points)
            sheet.photos(row, 0, as_bytes(swept))
    return sheet


def _codes(arrays: Mapping[str, Array]) -> dict[str, tuple[Array, Array]]:
    """Mean codes (5, D) and R (D,) by name; an entangled code, given twice, is one ``code``."""
    if "where_means" not in arrays:
        return {}
    found = {
        name: (arrays[f"{name}_means"], arrays[f"{name}_covariance"]) for name in ("where", "what")
    }
    if np.array_equal(found["where"][0], found["what"][0]):
        return {"code": found["where"]}
    return found
