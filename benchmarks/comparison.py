"""Two measurements of one table, number by number and claim by claim: did anything change?

Every number that both have is compared by Welch's test over the seeds (see
`statistics.difference_p`), two-sided and corrected after Holm for all numbers of the table; a
difference counts where it is beyond that noise *and* beyond the metric's practical tolerance, as in
`benchmarks.gate`. The gate knows its baseline from many seeds and takes the spread from them alone;
here neither side is anybody's baseline, so each has its own spread, and with three seeds a side
only large differences are seen: each table says how large. Code that did not change alarms in 2 %
of tables at most, with heavy tails too. Give both sides the same number of seeds: where ten of one
spread a third as much as three of the other, it is 20 %. All of this is simulated in the tests.

A row that lost its numbers (failed, timed out) is worse. Of a claim, ``factor * right - left``
in its favour is compared in the same way, seed by seed of the rows it speaks of, corrected
for all claims of the table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.baselines import gated_samples
from benchmarks.claims import ClaimVerdict, Verdict, evaluate_claims
from benchmarks.gate import effective_std
from benchmarks.gate_report import ALPHA
from benchmarks.metrics import METRICS
from benchmarks.schema import CellResult, Claim, Operand, Spec
from benchmarks.statistics import Array, difference_p, holm, visible_difference
from benchmarks.summaries import (
    Group,
    Sample,
    by_row,
    describe_difference,
    one_group,
    sample,
    shared_config,
)

Outcome = Literal["worse", "lost", "better", "new", "within the noise", "equal", "no test"]
OUTCOMES: Final[tuple[Outcome, ...]] = (
    *("worse", "lost", "better", "new"),
    *("no test", "within the noise", "equal"),
)
"""What people look for comes first."""


@dataclass(frozen=True)
class Change:
    """One metric of one row, or the margin of one claim, on both sides.

    Args:
        name: the row, or the claim.
        metric: what is measured; of a claim, its left side's.
        before: mean, standard deviation and number of seeds; None where there is no number.
        after: likewise.
        better_by: after less before, positive where that is better (or more for the claim).
        p: corrected chance of that much without a change; None where nothing tells.
        visible: the change that would be noticed in one of two cases; None where nothing tells.
        why: what is lost, or why there is no test.
    """

    name: str
    metric: str
    outcome: Outcome
    before: tuple[float, float | None, int] | None
    after: tuple[float, float | None, int] | None
    better_by: float | None = None
    p: float | None = None
    visible: float | None = None
    why: str = ""


@dataclass(frozen=True)
class ClaimChange:
    """A claim on both sides.

    Args:
        before: its verdict.
        after: likewise.
        margin: how its margin changed.
        outcome: worse where it held and fails now, or no longer holds and its margin is less beyond
            the noise; better the other way round; lost where it held and cannot be asked any more.
    """

    claim: Claim
    before: Verdict
    after: Verdict
    margin: Change
    outcome: Outcome


@dataclass(frozen=True)
class TableComparison:
    """One table on both sides.

    Args:
        name: ``<table>-<budget>-<source>``.
        errors: why the numbers do not compare; then nothing was tested.
        notes: rows and seeds that one side lacks, settings that differ.
    """

    name: str
    errors: tuple[str, ...] = ()
    metrics: tuple[Change, ...] = ()
    claims: tuple[ClaimChange, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 nothing got worse, 1 something did, 2 not comparable."""
        if self.errors:
            return 2
        outcomes = {item.outcome for item in self.metrics}
        outcomes |= {item.outcome for item in self.claims}
        return int(bool(outcomes & {"worse", "lost"}))


def compare_tables(
    spec: Spec, before: Sequence[CellResult], after: Sequence[CellResult]
) -> TableComparison:
    """Compare a table's cells of one side with those of the other.

    Args:
        spec: the table, as it is now: which rows there are, which claims.
        before: cells of one group, and of rows that the table has.
        after: likewise.

    Raises:
        MixedCellsError: the cells of one side do not compare with each other.
        UnknownNameError: a cell's row is not in the table.
    """
    groups = one_group(before), one_group(after)
    name = groups[1].file_stem
    errors = [
        f"{field} is {old} before and {new} after: the numbers are not of the same thing"
        for field, old, new in zip(Group._fields, *groups, strict=True)
        if old != new
    ]
    if errors:
        return TableComparison(name, tuple(errors))
    sides = by_row(spec, before), by_row(spec, after)
    changes = _metrics(spec, *sides)
    return TableComparison(
        name,
        (),
        tuple(changes),
        tuple(_claims(spec, sides, (before, after))),
        tuple(_notes(spec, *sides)),
    )


def beyond_noise(gap: Array, p: Array, tolerance: Array) -> tuple[NDArray[np.bool_], Array]:
    """The rule: corrected for all numbers of the table, and beyond the tolerance.

    Args:
        gap: ``(..., numbers)``, differences; a table along the last axis.
        p: likewise, uncorrected.
        tolerance: likewise, positive.

    Returns:
        Which differ, and the corrected p-values.
    """
    corrected = holm(p)
    return (corrected <= ALPHA) & (np.abs(gap) > tolerance), corrected


@dataclass(frozen=True)
class _Pair:
    """What is to be compared: values of two sides, by seed."""

    name: str
    metric: str
    before: Mapping[int, float]
    after: Mapping[int, float]
    sign: float
    tolerance: float


def _judge(pairs: Sequence[_Pair]) -> list[Change]:
    """Compare all numbers of a table at once, for the correction is over all that are tested."""
    found = [_plain(pair) for pair in pairs]
    tested = [place for place, item in enumerate(found) if item.outcome == "within the noise"]
    if not tested:
        return found
    chosen = [pairs[place] for place in tested]
    sides = []
    tolerance = np.array([pair.tolerance for pair in chosen])
    for side in ("before", "after"):
        values = [list(getattr(pair, side).values()) for pair in chosen]
        mean = np.array([np.mean(item) for item in values])
        std = np.array([np.std(item, ddof=1) if len(item) > 1 else 0.0 for item in values])
        sides.append((mean, effective_std(std, mean, tolerance), np.array(list(map(len, values)))))
    (old, s, n), (new, t, m) = sides
    differs, p = beyond_noise(new - old, difference_p(old, s, n, new, t, m), tolerance)
    for k, place in enumerate(tested):
        better = chosen[k].sign * (new[k] - old[k])
        visible = visible_difference(
            (float(s[k]), int(n[k])), (float(t[k]), int(m[k])), tests=len(tested), alpha=ALPHA
        )
        found[place] = replace(
            found[place],
            outcome=("better" if better > 0 else "worse") if differs[k] else "within the noise",
            p=float(p[k]),
            visible=max(visible, float(tolerance[k])),
        )
    return found


def _plain(pair: _Pair) -> Change:
    """What can be said without a test; "within the noise" where there has to be one."""
    before, after = _numbers(pair.before), _numbers(pair.after)
    outcome: Outcome = "within the noise"
    why = ""
    if pair.before == pair.after:
        outcome = "equal"
    elif max(len(pair.before), len(pair.after)) < 2:
        outcome, why = "no test", "one seed a side: nothing tells the noise"
    gap = pair.sign * (after[0] - before[0])
    return Change(pair.name, pair.metric, outcome, before, after, gap, why=why)


def _numbers(values: Mapping[int, float]) -> tuple[float, float | None, int]:
    found = list(values.values())
    spread = float(np.std(found, ddof=1)) if len(found) > 1 else None
    return float(np.mean(found)), spread, len(found)


Rows = Mapping[str, Sequence[CellResult]]


def _metrics(spec: Spec, before: Rows, after: Rows) -> list[Change]:
    pairs: list[_Pair] = []
    others: list[Change] = []
    for row in spec.rows:
        old, new = before[row.id], after[row.id]
        if not old or not new:
            continue
        measured = {item.metric for cells in (old, new) for item in gated_samples(cells)}
        for metric in (name for name in METRICS if name in measured):
            a, b = sample(row.id, old, metric), sample(row.id, new, metric)
            if a.problems or b.problems:
                others.append(_incomplete(a, b))
            else:
                info = METRICS[metric]
                sign = 1.0 if info.better == "higher" else -1.0
                tolerance = max(info.abs_tol, info.rel_tol * abs(a.mean))
                pairs.append(_Pair(row.id, metric, a.values, b.values, sign, tolerance))
    found = [*others, *_judge(pairs)]
    return sorted(found, key=lambda item: OUTCOMES.index(item.outcome))


def _incomplete(before: Sample, after: Sample) -> Change:
    """A metric that seeds of a side lack: survivors alone would flatter who fails."""
    outcome: Outcome = "no test"
    if not before.problems:
        outcome = "lost"
    elif not before.values and not after.problems:
        outcome = "new"
    why = (after.problems or before.problems)[0]
    sides = [_numbers(side.values) if side.values else None for side in (before, after)]
    return Change(before.row, before.metric, outcome, sides[0], sides[1], why=why)


def _claims(
    spec: Spec, rows: tuple[Rows, Rows], cells: tuple[Sequence[CellResult], Sequence[CellResult]]
) -> list[ClaimChange]:
    verdicts = [evaluate_claims(spec, side) for side in cells]
    pairs = []
    for claim in spec.claims:
        before, after = (margins(claim, spec, side) for side in rows)
        info = METRICS[claim.left.metric]
        size = max([abs(value) for value in before.values()], default=0.0)
        tolerance = max(info.abs_tol, info.rel_tol * size)
        pairs.append(_Pair(claim.id, claim.left.metric, before, after, 1.0, tolerance))
    testable = [pair for pair in pairs if pair.before and pair.after]
    judged = {item.name: item for item in _judge(testable)}
    found = []
    for claim, pair, old, new in zip(spec.claims, pairs, *verdicts, strict=True):
        margin = judged.get(claim.id) or Change(
            claim.id,
            pair.metric,
            "no test",
            _numbers(pair.before) if pair.before else None,
            _numbers(pair.after) if pair.after else None,
            why="a side has no trustworthy number of the rows it speaks of, of one seed",
        )
        found.append(ClaimChange(claim, old.verdict, new.verdict, margin, _turn(old, new, margin)))
    return found


def _turn(before: ClaimVerdict, after: ClaimVerdict, margin: Change) -> Outcome:
    """How a claim fared: a smaller margin is none of its business as long as it holds."""
    held, holds = before.verdict == "holds", after.verdict == "holds"
    if held and after.verdict == "not run":
        return "lost"
    if held and not holds and (after.verdict == "fails" or margin.outcome == "worse"):
        return "worse"
    if holds and not held and (before.verdict == "fails" or margin.outcome == "better"):
        return "better"
    return margin.outcome if margin.outcome in ("equal", "no test") else "within the noise"


def margins(claim: Claim, spec: Spec, rows: Rows) -> dict[int, float]:
    """Seed -> ``factor * right - left`` in the claim's favour, of the seeds both sides have."""
    sides = [_values(operand, spec, rows) for operand in (claim.left, claim.right)]
    if all(isinstance(side, float) for side in sides):
        return {}
    seeds = set.intersection(*(set(side) for side in sides if not isinstance(side, float)))
    sign = 1.0 if claim.relation == "<" else -1.0
    chance = claim.chance or 0.0
    found = {}
    for seed in sorted(seeds):
        ours, theirs = (
            (side if isinstance(side, float) else side[seed]) - chance for side in sides
        )
        found[seed] = sign * (claim.factor * theirs - ours)
    return found


def _values(operand: Operand, spec: Spec, rows: Rows) -> dict[int, float] | float:
    if operand.published:
        return spec.row(operand.row).published[operand.metric].value
    found = sample(operand.row, rows[operand.row], operand.metric)
    return {} if found.problems else found.values


def _notes(spec: Spec, before: Rows, after: Rows) -> list[str]:
    notes = []
    for row in spec.rows:
        old, new = before[row.id], after[row.id]
        if bool(old) != bool(new):
            notes.append(f"{row.id}: only {'before' if old else 'after'}")
        elif old and new:
            settings = describe_difference(shared_config(old[0]), shared_config(new[0]))
            notes += [f"{row.id}: other settings, {settings}"] if settings else []
            seeds = [{cell.seed for cell in side} for side in (old, new)]
            for words, only in (("before", seeds[0] - seeds[1]), ("after", seeds[1] - seeds[0])):
                if only:
                    notes.append(f"{row.id}: seed {', '.join(map(str, sorted(only)))} only {words}")
    return notes
