"""Intervals of scores whose samples come from few persons.

Clips of one person hang together: an interval over clips would be too narrow. So whole persons are
drawn, with replacement, each with all of its clips (a cluster bootstrap).
"""

from __future__ import annotations

from typing import Final

import numpy as np

RESAMPLES: Final = 2000

Array = np.ndarray


def ratio_interval(numerator: Array, denominator: Array, person: Array) -> tuple[float, float]:
    """95 % percentile interval of a ratio of sums, when persons are drawn.

    Args:
        numerator: (N,) or (N, K).
        denominator: likewise. The K ratios of sums are averaged; one without denominator in a
            draw is left out of it.
        person: (N,), who each sample is of.
    """
    above, below = (resampled_sums(values, person) for values in (numerator, denominator))
    there = below > 0
    ratios = np.divide(above, below, out=np.zeros_like(above), where=there)
    low, high = np.quantile(ratios.sum(1) / np.maximum(there.sum(1), 1), [0.025, 0.975])
    return float(low), float(high)


def resampled_sums(values: Array, person: Array) -> Array:
    """Sums (RESAMPLES, K) of ``values`` (N, K) or (N,) over persons drawn, the same every time."""
    names, place = np.unique(person, return_inverse=True)
    columns = np.asarray(values, dtype=np.float64).reshape(len(person), -1)
    total = np.zeros((len(names), columns.shape[1]))
    np.add.at(total, place, columns)
    draws = np.random.default_rng(0).multinomial(
        len(names), np.full(len(names), 1 / len(names)), size=RESAMPLES
    )
    sums: Array = draws @ total
    return sums
