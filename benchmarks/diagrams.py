"""Diagrams of one cell: does it know where it errs, and how did it learn?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from benchmarks.canvas import BLUE, GREY, INK, ORANGE, SKY, VERMILION, Sheet, tidy
from benchmarks.protocols.interface import ProtocolResult

Array = NDArray[Any]

_STYLES: Final[dict[str, dict[str, Any]]] = {
    "batch": {"color": SKY, "linewidth": 0.7, "alpha": 0.7, "label": "one batch"},
    "train": {"color": BLUE, "linewidth": 1.8, "label": "training"},
    "val": {"color": VERMILION, "linewidth": 1.8, "label": "validation"},
}


def draw_sparsification(scored: ProtocolResult, title: str) -> Sheet | None:
    """Does the method know where it errs? Error that is left as uncertain pictures are removed.

    From ``sparsification`` (2, N): relative mean error with i of N pictures removed by the
    method's variance, and by the error itself, the oracle. Removal at random leaves it at 1.
    """
    curves = scored.arrays.get("sparsification")
    if curves is None:
        return None
    by_variance, oracle = curves
    removed = np.arange(len(oracle)) / len(oracle) * 100
    sheet = Sheet("Sparsification", title, rows=1, columns=1, tile=(520, 800), left=60, foot=60)
    axes = sheet.axes(*sheet.box(0, 0))
    tidy(axes)
    area = scored.metrics.get("ause", float((by_variance - oracle).mean()))
    axes.fill_between(removed, oracle, by_variance, color=ORANGE, alpha=0.25, linewidth=0)
    axes.axhline(1, color=GREY, linewidth=1.2, linestyle=(0, (4, 3)), label="at random")
    axes.plot(
        removed, by_variance, color=VERMILION, linewidth=1.8, label="by the method's variance"
    )
    axes.plot(removed, oracle, color=BLUE, linewidth=1.8, label="by the error itself (oracle)")
    top = max(1.1, float(np.percentile(curves, 99.5)) * 1.08)
    axes.set_xlim(0, 100)
    axes.set_ylim(0, top)
    axes.set_xlabel("test pictures removed, in percent", size=8, color=INK)
    axes.set_ylabel("mean error of the rest, relative to all", size=8, color=INK)
    axes.legend(fontsize=8, frameon=False, labelcolor=INK)
    note = f"area between: {area:.3f}"
    if "var_error_spearman" in scored.metrics:
        note += f"\nrank correlation: {scored.metrics['var_error_spearman']:.2f}"
    axes.text(0.02, 0.04, note, transform=axes.transAxes, size=8, color=INK)
    return sheet


def learning_curves(
    rows: Sequence[Mapping[str, float]],
) -> dict[str, dict[str, tuple[Array, Array]]]:
    """Every loss over epochs, of the rows of a ``metrics.jsonl``.

    Returns:
        Term -> ``train``, ``val`` or ``batch`` -> epochs and values.
    """
    ends = {row["step"]: row["epoch"] + 1 for row in rows if "train/loss_step" not in row}
    terms: dict[str, dict[str, tuple[Array, Array]]] = {}
    for key in {key for row in rows for key in row if key.startswith(("train/", "val/"))}:
        stage, term = key.split("/", 1)
        # A resumed run may have written an epoch twice: the last row counts.
        found = {row["step"]: row[key] for row in rows if key in row}
        steps = np.array(sorted(found))
        values = np.array([found[step] for step in sorted(found)])
        if key == "train/loss_step":
            if not ends:
                continue
            last, epochs = max(ends), ends[max(ends)]
            stage, term, steps = "batch", "loss", (steps + 1) / last * epochs
        else:
            steps = np.array([ends[step] for step in steps], dtype=float)
        terms.setdefault(term, {})[stage] = (steps, values)
    return terms


def draw_curves(rows: Sequence[Mapping[str, float]], title: str) -> Sheet | None:
    """Training and validation losses over epochs, one diagram a term."""
    terms = learning_curves(rows)
    if not terms:
        return None
    names = sorted(terms, key=lambda term: (term != "loss", term))
    columns = min(3, len(names))
    sheet = Sheet(
        "Learning curves",
        title,
        rows=-(-len(names) // columns),
        columns=columns,
        tile=(300, 430),
        caption=64,
        left=64,
        gap=70,
        top=34,
    )
    for place, term in enumerate(names):
        axes = sheet.axes(*sheet.box(*divmod(place, columns)))
        _draw_term(axes, term, terms[term])
    return sheet


def _draw_term(axes: Axes, term: str, stages: dict[str, tuple[Array, Array]]) -> None:
    tidy(axes, grid="both")
    for stage, style in _STYLES.items():
        if stage in stages:
            few = len(stages[stage][0]) <= 12 and stage != "batch"
            axes.plot(*stages[stage], marker="o" if few else "", markersize=3.5, **style)
    values = np.concatenate([stages[stage][1] for stage in stages])
    if values.min() > 0 and values.max() > 5 * values.min():
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
    axes.set_title(term, size=9, color=INK, loc="left", weight="bold")
    axes.set_xlabel("epoch", size=8, color=INK)
    axes.legend(fontsize=7, frameon=False, labelcolor=INK)
