"""The few tests that claims and gate share, vectorised so that simulations can prove their rates.

Seeds are the unit of noise: training differs from seed to seed far more than a test set resamples.
All tests are one-sided.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Array = NDArray[np.float64]

NORMAL_95 = 1.959963984540054
"""Half the width of a 95 % interval, in standard errors."""


@dataclass(frozen=True)
class Difference:
    """An estimated difference.

    Args:
        mean: the estimate.
        standard_error: of the estimate.
        dof: degrees of freedom of the standard error; infinite for a normal one.
    """

    mean: float
    standard_error: float
    dof: float = math.inf

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Lower and upper bound, each of one-sided confidence ``level``."""
        quantile = float(stats.t.ppf(level, self.dof))
        half = quantile * self.standard_error
        return self.mean - half, self.mean + half


def paired(left: Sequence[float], right: Sequence[float]) -> Difference:
    """Mean of ``left - right``, seed by seed.

    Raises:
        ValueError: fewer than two pairs, or of unequal number.
    """
    if len(left) != len(right) or len(left) < 2:
        raise ValueError(f"need two pairs or more, got {len(left)} and {len(right)} values")
    gaps = np.subtract(left, right)
    return Difference(
        float(gaps.mean()), float(gaps.std(ddof=1)) / math.sqrt(len(gaps)), len(gaps) - 1
    )


def welch(left: Sequence[float], right: Sequence[float]) -> Difference:
    """Difference of two means whose spreads may differ (Welch 1947).

    Raises:
        ValueError: fewer than two values on a side.
    """
    if min(len(left), len(right)) < 2:
        raise ValueError(f"need two values a side, got {len(left)} and {len(right)}")
    mean = float(np.mean(left) - np.mean(right))
    parts = [float(np.var(side, ddof=1)) / len(side) for side in (left, right)]
    total = sum(parts)
    if total == 0.0:
        return Difference(mean, 0.0)
    spread = sum(part**2 / (len(side) - 1) for part, side in zip(parts, (left, right), strict=True))
    return Difference(mean, math.sqrt(total), total**2 / spread)


def against_one(many: Sequence[float], one: float, *, exact: bool) -> Difference:
    """Mean of many values minus a single one.

    Args:
        many: two values or more.
        one: a single value.
        exact: ``one`` has no noise (a constant); otherwise it is taken to spread as ``many`` do.

    Raises:
        ValueError: fewer than two values.
    """
    if len(many) < 2:
        raise ValueError(f"need two values or more, got {len(many)}")
    scale = 1 / len(many) + (0.0 if exact else 1.0)
    error = float(np.std(many, ddof=1)) * math.sqrt(scale)
    return Difference(float(np.mean(many)) - one, error, len(many) - 1)


def prediction_p(shift: ArrayLike, std: ArrayLike, n: ArrayLike, m: ArrayLike) -> Array:
    """Chance that the mean of m new values exceeds the mean of n old ones by ``shift`` or more.

    Student's t with n - 1 degrees of freedom: the spread is the old values' alone, for three new
    ones would only re-estimate it badly.

    Args:
        shift: new mean minus old mean.
        std: the old values' standard deviation, positive.
        n: number of old values, 2 or more.
        m: number of new values.

    Returns:
        One-sided p-values, of the arguments' common shape.
    """
    n, m = np.asarray(n, dtype=float), np.asarray(m, dtype=float)
    t = np.asarray(shift) / (np.asarray(std) * np.sqrt(1 / n + 1 / m))
    return np.asarray(stats.t.sf(t, n - 1), dtype=float)


def holm(p: ArrayLike) -> Array:
    """P-values corrected for their number (Holm 1979), along the last axis.

    ``holm(p) <= alpha`` keeps the chance of any false alarm among them at ``alpha``, however the
    tests depend on each other.
    """
    values = np.asarray(p, dtype=float)
    order = np.argsort(values, axis=-1)
    count = values.shape[-1]
    steps = np.take_along_axis(values, order, axis=-1) * np.arange(count, 0, -1)
    raised = np.minimum(np.maximum.accumulate(steps, axis=-1), 1.0)
    result = np.empty_like(raised)
    np.put_along_axis(result, order, raised, axis=-1)
    return result


def visible_shift(
    std: float, n: int, m: int, *, tests: int, alpha: float, tolerance: float
) -> float:
    """The shift that the gate reports in one of two cases; infinite for a single old value."""
    if n < 2:
        return math.inf
    quantile = float(stats.t.isf(alpha / tests, n - 1))
    return max(tolerance, quantile * std * math.sqrt(1 / n + 1 / m))
