"""Plots as SVG: rows with their seeds and the paper's mark, learning curves, no library needed.

Places are percentages of the plot's width, so that it fits a phone with words as large as ever.
Every string is escaped; no attribute holds a style, for the page's content policy allows none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from xml.sax.saxutils import quoteattr

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray

from benchmarks.metrics import MetricInfo
from benchmarks.summaries import Sample
from benchmarks.table_data import TableData, TableRow

Array = NDArray[Any]

POINTS: Final = 120
"""Of a curve; a longer one is thinned."""
_HEIGHT: Final = 30
_MARGIN: Final = 0.06
"""Of the range, free on both sides."""


@dataclass(frozen=True)
class Scale:
    """A range of values on the plot's width.

    Args:
        low: at the left end.
        high: at the right end.
        ticks: round values between.
    """

    low: float
    high: float
    ticks: tuple[float, ...]

    def __call__(self, value: float) -> str:
        """Place of a value."""
        share = (value - self.low) / (self.high - self.low)
        return f"{100 * min(1.0, max(0.0, share)):.2f}%"


def scale_of(metric: str, tables: Sequence[TableData]) -> Scale | None:
    """The range of a metric over all rows; None where there is no number."""
    values: list[float] = []
    for data in tables:
        for row in data.rows:
            found = row.samples[metric]
            values += found.values.values()
            values += [end for ends in found.intervals.values() for end in ends]
            if metric in row.row.published:
                values.append(row.row.published[metric].value)
    if not values:
        return None
    low, high = min(values), max(values)
    margin = _MARGIN * (high - low) or max(abs(low), 1.0) * _MARGIN
    low, high = low - margin, high + margin
    return Scale(low, high, _ticks(low, high))


def row_plot(item: TableRow, info: MetricInfo, scale: Scale) -> Markup:
    """One row: a dot a seed, the mean and its noise, and a diamond for the published number."""
    found = item.samples[info.id]
    parts = [_grid(scale)]
    spread = _spread(found)
    if spread is not None:
        parts.append(_line(scale(spread[0]), scale(spread[1]), "bar"))
    if found.values:
        at = scale(found.mean)
        parts.append(f'<line class="mean" x1="{at}" x2="{at}" y1="7" y2="23"/>')
    for seed, value in found.values.items():
        told = f"{item.row.label}, seed {seed}: {info.format(value)} {info.unit}".rstrip()
        parts.append(f'<circle cx="{scale(value)}" cy="15" r="4.5">{_title(told)}</circle>')
    number = item.row.published.get(info.id)
    if number is not None:
        told = f"{item.row.label}, published: {info.format(number.value)} ({number.source})"
        parts.append(
            f'<svg x="{scale(number.value)}" y="15" overflow="visible"><path class="paper" '
            f'd="M0-7 6 0 0 7-6 0z">{_title(told)}</path></svg>'
        )
    return _svg(parts, "row", _HEIGHT, _words(item, info))


def axis(info: MetricInfo, scale: Scale) -> Markup:
    """The line of numbers below the rows."""
    parts = [f'<text x="{scale(tick)}" y="14">{tick:.6g}</text>' for tick in scale.ticks]
    return _svg(parts, "axis", 20, f"from {info.format(scale.low)} to {info.format(scale.high)}")


def curve_plot(term: str, stages: Mapping[str, tuple[Array, Array]]) -> Markup | None:
    """A loss over epochs, in training and in validation; None without a finite number."""
    shown = {}
    for stage in ("batch", "train", "val"):
        epochs, values = stages.get(stage, (np.zeros(0), np.zeros(0)))
        kept = np.isfinite(values)
        if kept.any():
            shown[stage] = _thinned(epochs[kept], values[kept])
    if not shown:
        return None
    # Single batches may leap; what they average to sets the range where there is such a thing.
    ranging = [values for stage, (_, values) in shown.items() if stage != "batch"]
    every = np.concatenate(ranging or [values for _, values in shown.values()])
    low, high = float(every.min()), float(every.max())
    if high == low:  # a line in the middle
        room = max(abs(low), 1.0) * _MARGIN
        low, high = low - room, high + room
    last = max(float(epochs[-1]) for epochs, _ in shown.values())
    length = f"{last:g} epoch{'' if last == 1 else 's'}"
    parts = ['<line class="grid" x1="0" x2="100" y1="50" y2="50"/>']
    for stage, (epochs, values) in shown.items():
        x = 100 * epochs / max(last, 1e-9)
        y = 100 * (high - np.clip(values, low, high)) / (high - low)
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
        if len(x) == 1:
            parts.append(f'<line class="{stage}" x1="0" x2="100" y1="{y[0]:.1f}" y2="{y[0]:.1f}"/>')
        else:
            parts.append(f'<polyline class="{stage}" points="{points}"/>')
    told = f"{term}: from {_number(high)} to {_number(low)} over {length}"
    drawn = (
        f'<svg class="curve" viewBox="0 0 100 100" preserveAspectRatio="none" role="img" '
        f"aria-label={quoteattr(told)}>{''.join(parts)}</svg>"
    )
    return Markup(
        f'<figure class="curve"><figcaption>{escape(term)}</figcaption>'
        f'<span class="high">{escape(_number(high))}</span>{drawn}'
        f'<span class="low">{escape(_number(low))}</span>'
        f'<span class="end">{length}</span></figure>'
    )


def _words(item: TableRow, info: MetricInfo) -> str:
    """A row's numbers for who does not see the plot."""
    found = item.samples[info.id]
    words = [f"{item.row.label}: "]
    words.append(f"{info.format(found.mean)} {info.unit}" if found.values else found.state)
    if info.id in item.row.published:
        words.append(f", published {info.format(item.row.published[info.id].value)}")
    return "".join(words)


def _spread(found: Sample) -> tuple[float, float] | None:
    if found.std is not None:
        return found.mean - found.std, found.mean + found.std
    return found.interval


def _grid(scale: Scale) -> str:
    return "".join(
        f'<line class="grid" x1="{scale(tick)}" x2="{scale(tick)}" y1="0" y2="{_HEIGHT}"/>'
        for tick in scale.ticks
    )


def _line(start: str, end: str, kind: str) -> str:
    return f'<line class="{kind}" x1="{start}" x2="{end}" y1="15" y2="15"/>'


def _title(words: str) -> str:
    return f"<title>{escape(words)}</title>"


def _svg(parts: Sequence[str], kind: str, height: int, words: str) -> Markup:
    return Markup(
        f'<svg class="{kind}" width="100%" height="{height}" role="img" '
        f"aria-label={quoteattr(words)}>{''.join(parts)}</svg>"
    )


def _thinned(epochs: Array, values: Array) -> tuple[Array, Array]:
    kept = np.unique(np.linspace(0, len(epochs) - 1, min(len(epochs), POINTS)).round().astype(int))
    return epochs[kept], values[kept]


def _ticks(low: float, high: float) -> tuple[float, ...]:
    """Three to five round values between."""
    step = 10 ** math.floor(math.log10(high - low))
    for factor in (0.2, 0.25, 0.5, 1, 2, 2.5, 5):
        first, last = math.ceil(low / (step * factor)), math.floor(high / (step * factor))
        if last - first < 5:
            return tuple(step * factor * place for place in range(first, last + 1))
    return ()


def _number(value: float) -> str:
    """Three digits, and all of those before the point where they are few."""
    return f"{value:.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"
