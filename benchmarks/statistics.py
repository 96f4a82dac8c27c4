"""The few tests that claims and gate share, vectorised so that simulations can prove their rates.

Seeds are the unit of noise: training mostly differs more from seed to seed than a test set does
resampled.
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
        half = self.half_width(level)
        return self.mean - half, self.mean + half

    def half_width(self, level: float = 0.95) -> float:
        """Half the width of `interval`."""
        return float(stats.t.ppf(level, self.dof)) * self.standard_error

    def __mul__(self, factor: float) -> Difference:
        """The difference times a number."""
        return Difference(self.mean * factor, self.standard_error * abs(factor), self.dof)


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


def difference_p(
    left: ArrayLike,
    left_std: ArrayLike,
    n: ArrayLike,
    right: ArrayLike,
    right_std: ArrayLike,
    m: ArrayLike,
) -> Array:
    """Chance that two means differ so much, in whichever direction, without a difference.

    Welch's test where both sides have two values or more; where their numbers differ, Student's
    has to agree, for far out in the tail Welch's degrees of freedom are too bold then: of tables
    of 60 numbers, 10 values against 3, it alone alarms in 10 % where 2 % are asked for. Where one
    side has a single value, that is taken to spread as the other's do; where both have, nothing
    tells, and the chance is NaN.

    Args:
        left: mean of one side.
        left_std: its standard deviation, positive; not looked at for a single value.
        n: its number of values.
        right: mean of the other side.
        right_std: likewise.
        m: likewise.

    Returns:
        Two-sided p-values, of the arguments' common shape.
    """
    given = (left, left_std, n, right, right_std, m)
    a, s, n_, b, t, m_ = np.broadcast_arrays(*(np.asarray(item, float) for item in given))
    many = np.maximum(n_, 2), np.maximum(m_, 2)
    welchs, students = (
        np.asarray(stats.ttest_ind_from_stats(a, s, many[0], b, t, many[1], equal_var=equal).pvalue)
        for equal in (False, True)
    )
    gap = np.abs(a - b)
    single = np.where(
        n_ > 1,
        2 * prediction_p(gap, s, many[0], m_),
        np.where(m_ > 1, 2 * prediction_p(gap, t, many[1], n_), np.nan),
    )
    both = np.where(n_ == m_, welchs, np.maximum(welchs, students))
    return np.asarray(np.where((n_ > 1) & (m_ > 1), both, single), dtype=float)


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


def visible_difference(
    left: tuple[float, int], right: tuple[float, int], *, tests: int, alpha: float
) -> float:
    """The difference that `difference_p` finds in one of two cases, corrected for tests.

    Args:
        left: standard deviation and number of values of one side.
        right: likewise; one of the two has two values or more.
        tests: that the chance is corrected for.
        alpha: two-sided, over all tests.
    """
    (s, n), (t, m) = left, right

    def bound(error: float, dof: float) -> float:
        return float(stats.t.isf(alpha / (2 * tests), dof)) * error

    if min(n, m) < 2:
        return bound((s if n > 1 else t) * math.sqrt(1 / n + 1 / m), max(n, m) - 1)
    parts = s**2 / n, t**2 / m
    dof = sum(parts) ** 2 / (parts[0] ** 2 / (n - 1) + parts[1] ** 2 / (m - 1))
    pooled = math.sqrt(((n - 1) * s**2 + (m - 1) * t**2) / (n + m - 2))
    found = bound(math.sqrt(sum(parts)), dof)
    return found if n == m else max(found, bound(pooled * math.sqrt(1 / n + 1 / m), n + m - 2))
