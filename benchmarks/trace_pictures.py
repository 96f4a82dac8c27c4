"""One number of *where* along a whole clip, with the frames at its extremes.

After Figure 4b of Helminger et al. (2018). Beside it stands what is known of the frames: valence
and arousal, the digits' centre, or which action is shown.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any, Final, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from benchmarks.canvas import BLUE, GREY, INK, ORANGE, SKY, VERMILION, Sheet, enlarged, tidy
from benchmarks.clip_samples import Whole
from benchmarks.clip_scenes import Encoded
from benchmarks.code_pictures import as_batch
from lightning_modules.interface import HasClipCodes

Array = NDArray[Any]

DIMENSIONS: Final = 2
THUMBNAILS: Final = 6
"""At the highest moments, and as many at the lowest."""
_WIDTH: Final = 1300
_PLOT: Final = 230
_FACE: Final = 110
_REACH: Final = 40
"""Pixels between a diagram and its thumbnails."""
_TICKS: Final = 28
"""Of these below it, for the numbers of frames."""
_LEFT: Final = 130
_FACTORS: Final = 170
_COLOURS: Final = (VERMILION, SKY, ORANGE, GREY)


class _Place(NamedTuple):
    """Where a diagram of T moments lies, in pixels."""

    left: float
    top: float
    width: float
    height: float


def draw_trace(found: Encoded, title: str) -> Sheet | None:
    """The two numbers of *where* that vary most along one clip, a diagram each.

    None without a clip, or where nothing varies.
    """
    whole = found.shown.whole
    if whole is None or not isinstance(found.method, HasClipCodes):
        return None
    where = found.method.encode_clip(as_batch(found.method, whole.frames)[None]).where
    codes = where[0].double().cpu().numpy()
    spread = codes.std(0)
    shown = [
        n for n in np.argsort(-spread, kind="stable")[:DIMENSIONS].tolist() if spread[n] > 1e-6
    ]
    if not shown:
        return None
    each = _PLOT + 2 * (_FACE + _REACH) + 50
    factors = _FACTORS + 70 if whole.factors else 0
    code = "code" if found.entangled else "where"
    sheet = Sheet(
        f"{code.capitalize()} along the frames of {whole.name}, and the frames at its extremes",
        title,
        rows=1,
        columns=1,
        tile=(len(shown) * each + factors, _WIDTH),
        left=_LEFT,
        top=10,
    )
    left, top, width, _ = sheet.box(0, 0)
    for row, number in enumerate(shown):
        place = _Place(left, top + row * each + _FACE + _REACH, width, _PLOT)
        axes = _diagram(sheet, place, len(codes))
        axes.plot(np.arange(1, len(codes) + 1), codes[:, number], color=BLUE, linewidth=1.6)
        axes.margins(y=0.15)
        axes.set_ylabel(f"{code} {number}{_said(codes[:, number], whole)}", size=7, color=INK)
        _name_kinds(axes, whole.kinds)
        _thumbnails(sheet, place, axes, codes[:, number], whole.frames)
    if whole.factors:
        place = _Place(left, top + len(shown) * each, width, _FACTORS)
        axes = _diagram(sheet, place, len(codes))
        for (name, values), colour in zip(whole.factors.items(), _COLOURS, strict=False):
            axes.plot(np.arange(1, len(codes) + 1), values, color=colour, label=name)
        axes.set_ylabel("true", size=7, color=INK)
        axes.legend(
            fontsize=7,
            frameon=False,
            labelcolor=INK,
            ncols=len(whole.factors),
            loc="lower right",
            bbox_to_anchor=(1, 1),
        )
    axes.set_xlabel("frame", size=7, color=INK)
    return sheet


def extremes(values: Array, count: int) -> list[int]:
    """Moments of the highest of ``values`` (T,), at most so many, apart from each other, in order.

    Those no lower than their neighbours count, and higher than the mean.
    """
    apart = len(values) / (count + 1)
    padded = np.r_[-np.inf, values, -np.inf]
    local = (padded[1:-1] >= padded[:-2]) & (padded[1:-1] >= padded[2:])
    peaks = np.flatnonzero(local & (values > values.mean()))
    chosen: list[int] = []
    for moment in peaks[np.argsort(-values[peaks], kind="stable")].tolist():
        if len(chosen) < count and all(abs(moment - other) >= apart for other in chosen):
            chosen.append(moment)
    return sorted(chosen)


def _diagram(sheet: Sheet, place: _Place, frames: int) -> Axes:
    axes = sheet.axes(*place)
    tidy(axes)
    axes.set_xlim(0.5, frames + 0.5)
    axes.yaxis.set_label_coords(-(_LEFT - 50) / place.width, 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=10, integer=True))
    return axes


def _said(code: Array, whole: Whole) -> str:
    """How far a code follows each factor, in lines."""
    return "".join(
        f"\nr {np.corrcoef(code, values)[0, 1]:+.2f} with {name}"
        for name, values in whole.factors.items()
        if values.std() > 1e-6
    )


def _name_kinds(axes: Axes, kinds: list[str]) -> None:
    """Shade every other stretch of one kind, and name all."""
    begin = 0.5
    for number, (kind, frames) in enumerate(groupby(kinds)):
        end = begin + len(list(frames))
        if number % 2:
            axes.axvspan(begin, end, color=GREY, alpha=0.12, linewidth=0)
        axes.text(
            (begin + end) / 2,
            0.02,
            kind,
            size=6.5,
            color=GREY,
            ha="center",
            transform=axes.get_xaxis_transform(),
        )
        begin = end


def _thumbnails(sheet: Sheet, place: _Place, axes: Axes, code: Array, frames: Array) -> None:
    """Frames above the highest moments and below the lowest, each with a line to its moment."""
    overlay = sheet.axes(0, 0, sheet.width, sheet.height)
    overlay.set_axis_off()
    overlay.set_xlim(0, sheet.width)
    overlay.set_ylim(sheet.height, 0)
    low, high = axes.get_ylim()
    for values, above in ((code, True), (-code, False)):
        for moment in extremes(values, THUMBNAILS):
            x = place.left + (moment + 0.5) / len(code) * place.width
            y = place.top + (high - code[moment]) / (high - low) * place.height
            middle = min(x, place.left + place.width - _FACE / 2)
            edge = place.top - _REACH if above else place.top + place.height + _REACH
            face = sheet.axes(middle - _FACE / 2, edge - _FACE if above else edge, _FACE, _FACE)
            face.imshow(enlarged(frames[moment], (_FACE, _FACE)))
            face.set_axis_off()
            ends = [(y, edge)]
            if not above:
                bottom = place.top + place.height
                ends = [(y, bottom), (bottom + _TICKS, edge)]
            for begin, end in ends:
                across = [x if at != edge else middle for at in (begin, end)]
                overlay.plot(across, [begin, end], color=INK, linewidth=0.7)
            overlay.plot([x], [y], "o", color=INK, markersize=3.5)
