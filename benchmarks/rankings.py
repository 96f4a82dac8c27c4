"""Can one number choose among runs by another? E.g. variance, which asks no label, by error.

Daniel and Tamar (ICML 2022) choose among trained models by the variance of their particles. Over
the rows of a table, each the mean of its seeds, a *ranking* is Spearman's rank correlation of the
two numbers, with the sign turned where more of the second is better: positive is as claimed. It
holds or fails where a permutation test says so at one-sided 5 %; four rows can just do so. Seeds of
a row are alike in both numbers, so runs by themselves would say yes too often. The choice, which is
told beside it, is among all runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import stats

from benchmarks.claims import Verdict
from benchmarks.findings import is_control
from benchmarks.metrics import METRICS
from benchmarks.schema import CellResult, Ranking, Spec
from benchmarks.summaries import by_row, sample

LEAST: Final = 4
"""Of fewer rows no order has a chance below 5 %."""
LEVEL: Final = 0.05
_SHUFFLES: Final = 9999


@dataclass(frozen=True)
class RankingVerdict:
    """A ranking and what the runs say of it.

    Args:
        ranking: the ranking.
        verdict: as of a claim.
        reason: one sentence with the numbers.
        runs: how many have both numbers.
        rows: of how many rows.
        correlation: Spearman's over rows; None of fewer than `LEAST`, or where one never varies.
        chosen: row and seed of the run with the least of the first number.
        chosen_value: its second number.
        best_value: the best second number of any run.
    """

    ranking: Ranking
    verdict: Verdict
    reason: str
    runs: int
    rows: int
    correlation: float | None = None
    chosen: tuple[str, int] | None = None
    chosen_value: float | None = None
    best_value: float | None = None


def evaluate_rankings(spec: Spec, cells: Sequence[CellResult]) -> list[RankingVerdict]:
    """The verdict on every ranking of a table, in its order.

    Args:
        spec: the table.
        cells: of one group.
    """
    rows = by_row(spec, cells)
    return [_judge(ranking, spec, rows) for ranking in spec.rankings]


def _judge(ranking: Ranking, spec: Spec, rows: dict[str, list[CellResult]]) -> RankingVerdict:
    runs: list[tuple[str, int]] = []
    pairs: list[tuple[float, float]] = []
    means: list[np.ndarray] = []
    for row in spec.rows:
        if row.method is None or (row.id not in ranking.rows if ranking.rows else is_control(row)):
            continue
        by, of = (sample(row.id, rows[row.id], name).values for name in (ranking.by, ranking.of))
        seeds = sorted(by.keys() & of.keys())
        if seeds:
            runs += [(row.id, seed) for seed in seeds]
            pairs += [(by[seed], of[seed]) for seed in seeds]
            means.append(np.mean(pairs[-len(seeds) :], axis=0))
    over = f"{len(means)} rows, {len(runs)} runs"
    if len(means) < LEAST or not np.ptp(means, axis=0).all():
        why = "" if len(means) < LEAST else ", all alike in one of the two"
        return RankingVerdict(
            ranking, "not run", f"{over} have both numbers{why}.", len(runs), len(means)
        )
    info = METRICS[ranking.of]
    sign = 1 if info.better == "lower" else -1
    x, y = np.transpose(means)
    rho = sign * float(stats.spearmanr(x, y).statistic)
    holds, fails = (_chance(x, turned * sign * y) <= LEVEL for turned in (1, -1))
    one, other = np.transpose(pairs)
    chosen, best = int(np.argmin(one)), float(sign * np.min(sign * other))
    row_id, seed = runs[chosen]
    return RankingVerdict(
        ranking,
        "holds" if holds else "fails" if fails else "undecided",
        f"Spearman {rho:.2f} over {over}; the choice is {row_id}, seed {seed}, with "
        f"{ranking.of} {info.format(other[chosen])}, the best has {info.format(best)}, their mean "
        f"is {info.format(float(np.mean(other)))}.",
        len(runs),
        len(means),
        rho,
        runs[chosen],
        float(other[chosen]),
        best,
    )


def _chance(x: np.ndarray, y: np.ndarray) -> float:
    """How often shuffled rows correlate as much; exact of few."""
    ranks, others = stats.rankdata(x), stats.rankdata(y)

    def product(shuffled: np.ndarray, axis: int = -1) -> np.ndarray:
        """Grows as the correlation does, for shuffling leaves means and deviations of ranks."""
        total: np.ndarray = (shuffled * others).sum(axis)
        return total

    found = stats.permutation_test(
        (ranks,),
        product,
        permutation_type="pairings",
        alternative="greater",
        n_resamples=_SHUFFLES,
        vectorized=True,
        rng=0,
    )
    return float(found.pvalue)
