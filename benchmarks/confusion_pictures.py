"""Confusion matrices: what clips of each class were taken for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from numpy.typing import NDArray

from benchmarks.canvas import BLUE, GREY, INK, Sheet
from benchmarks.metrics import METRICS

Array = NDArray[Any]

PREFIX: Final = "confusion_"
_COLUMNS: Final = 3
_SIDE: Final = 520
_NAMES: Final = 110
_SHADES: Final = LinearSegmentedColormap.from_list("shades", ["white", BLUE])


def draw_confusions(arrays: Mapping[str, Array], title: str) -> Sheet | None:
    """Every ``confusion_METRIC`` (K, K): rows are the true classes, each shaded by its shares.

    A field says the share of its row in percent, below it the number of clips.
    """
    found = {key.removeprefix(PREFIX): arrays[key] for key in arrays if key.startswith(PREFIX)}
    if not found:
        return None
    columns = min(_COLUMNS, len(found))
    sheet = Sheet(
        "What clips of each class (rows) were taken for (columns)",
        title,
        rows=-(-len(found) // columns),
        columns=columns,
        tile=(_SIDE, _SIDE),
        left=_NAMES,
        top=60,
        caption=20,
        gap=_NAMES + 20,
    )
    # Where neutral clips are left out, the names that remain are the last ones.
    names = [str(name) for name in arrays["class_names"]]
    for place, (metric, counts) in enumerate(found.items()):
        axes = sheet.axes(*sheet.box(place // columns, place % columns))
        _draw(axes, counts, names[-len(counts) :])
        share = 100 * np.trace(counts) / max(counts.sum(), 1)
        words = f"{METRICS[metric].label}: {share:.1f} % of {counts.sum():,} clips"
        axes.set_title(words, size=8, color=INK, loc="left")
    return sheet


def _draw(axes: Axes, counts: Array, names: list[str]) -> None:
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    axes.imshow(shares, cmap=_SHADES, vmin=0, vmax=1, aspect="auto")
    places = range(len(names))
    axes.set_xticks(places, names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(places, names)
    axes.tick_params(labelsize=6.5, length=0, colors=INK)
    for side in axes.spines.values():
        side.set_color(GREY)
    for row in places:
        for column in places:
            if counts[row, column]:
                axes.text(
                    column,
                    row,
                    f"{100 * shares[row, column]:.0f} %\n{counts[row, column]}",
                    size=5.5,
                    ha="center",
                    va="center",
                    color="white" if shares[row, column] > 0.55 else INK,
                )
