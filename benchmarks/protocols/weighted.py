"""Statistics of particles over pictures that count more or less, for bootstraps over pictures.

A bootstrap draws pictures with replacement: each then counts 0, 1, 2, ... times. Statistics that
take these weights sort but once, where resampled arrays were sorted in every draw.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final

import numpy as np

Array = np.ndarray
Statistic = Callable[[Array], float]
"""Of weights (N,), one a picture; NaN where they leave nothing to go by."""

DRAWS: Final = 1000


def estimate(statistic: Statistic, pictures: int) -> tuple[float, tuple[float, float] | None]:
    """The statistic of all pictures, and its 95 % percentile bootstrap interval.

    The interval is None where a draw has no number.
    """
    value = statistic(np.ones(pictures))
    drawn = [statistic(weights) for weights in _draws(pictures)]
    if not np.isfinite(drawn).all():
        return value, None
    low, high = np.percentile(drawn, [2.5, 97.5])
    return value, (float(low), float(high))


@lru_cache(maxsize=1)
def _draws(pictures: int) -> Array:
    rng = np.random.default_rng(0)
    return rng.multinomial(pictures, np.full(pictures, 1 / pictures), DRAWS).astype(float)


def ratio(top: Array, bottom: Array) -> Statistic:
    """Sum of ``top`` (N,) over that of ``bottom`` (N,)."""

    def of(weights: Array) -> float:
        whole = weights @ bottom
        return float(weights @ top / whole) if whole else float("nan")

    return of


def area_under_roc(telling: Array, label: Array) -> Statistic:
    """Percent of pairs of a true and a false one in which the true one has more; ties count half.

    Args:
        telling: (N, K).
        label: (N, K).
    """
    levels, level = np.unique(telling, return_inverse=True)
    level, true = level.reshape(-1), label.ravel()

    def of(weights: Array) -> float:
        many = weights.repeat(label.shape[1])
        yes = np.bincount(level, many * true, len(levels))
        no = np.bincount(level, many * ~true, len(levels))
        pairs = yes.sum() * no.sum()
        return float(100 * (yes @ (no.cumsum() - no / 2)) / pairs) if pairs else float("nan")

    return of


def rank_correlation(one: Array, other: Array) -> Statistic:
    """Spearman's, over entries (N, K) where both are finite."""
    row, column = np.nonzero(np.isfinite(one) & np.isfinite(other))
    sorted_values = [
        np.unique(values[row, column], return_inverse=True)[1].reshape(-1)
        for values in (one, other)
    ]

    def of(weights: Array) -> float:
        many = weights[row]
        if not many.any():
            return float("nan")
        ranks = [_centred_ranks(level, many) for level in sorted_values]
        spread = np.sqrt(np.prod([many @ rank**2 for rank in ranks]))
        return float(many @ (ranks[0] * ranks[1]) / spread) if spread else float("nan")

    return of


def _centred_ranks(level: Array, many: Array) -> Array:
    """Mean ranks of values by their level, each there so many times, less their mean."""
    count = np.bincount(level, many)
    rank = (count.cumsum() - count / 2)[level]
    centred: Array = rank - many @ rank / many.sum()
    return centred
