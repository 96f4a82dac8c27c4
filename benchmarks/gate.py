"""Did a metric get worse? Exit 0: no. 1: yes. 2: the cells do not compare with the baseline.

Errors come first: a missing or unknown row or metric, a failed or non-finite cell, a duplicate
seed, another protocol, budget, source, data or configuration. Nothing is tested then.

*Statistics* (quick and full tables): a metric fails where its mean is worse both by Student's
prediction bound, from the baseline's spread alone and Holm-corrected over the whole table, and by
more than its practical tolerance. Without the first, one of sixty noisy metrics is red in almost
every run; without the second, a change that matters to nobody is. An unchanged code base turns red
in `ALPHA` of tables at most where the seeds' noise is roughly normal; ``tests/benchmarks/
test_gate.py`` simulates it, and the power. Noise with heavy tails costs more: 7 % of tables of 60
metrics with Student-5 noise. A single seed that collapses is meant to fail, so the mean is tested
and nothing that is robust.

*Tolerance* (smoke tables, baselines of one seed): the same seeds, compared by tolerance alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.baselines import (
    Accepted,
    Baseline,
    BaselineError,
    MetricBaseline,
    RowBaseline,
    Tier,
    accept,
    gated_samples,
    load_baseline,
)
from benchmarks.gate_output import Outputs, exit_code, publish
from benchmarks.gate_report import ALPHA, WARN, Finding, GateReport, Outcome
from benchmarks.metrics import METRICS
from benchmarks.schema import CellResult, Spec
from benchmarks.statistics import Array, holm, prediction_p, visible_shift
from benchmarks.summaries import (
    Group,
    Sample,
    config_id,
    describe_difference,
    group_of,
    shared_config,
)

__all__ = [
    "ALPHA",
    "Accepted",
    "Baseline",
    "BaselineError",
    "Finding",
    "GateReport",
    "Outcome",
    "Outputs",
    "accept",
    "check",
    "effective_std",
    "exit_code",
    "judge",
    "load_baseline",
    "publish",
    "worse_beyond_noise",
]

STD_FLOOR: Final = 0.1
"""Least spread, in tolerances. A row that no seed changes has none, and would fail on the last bit;
and few seeds may lie together by luck."""

BLIND: Final = 5
"""From how many tolerances on a visible shift is called out: the gate pretends nothing."""


def check(spec: Spec, cells: Sequence[CellResult], baseline: Baseline | Path) -> GateReport:
    """Compare a table's cells with its baseline.

    Args:
        spec: the table.
        cells: what was measured now, one seed or more a row.
        baseline: what it is compared with, or its file.

    Returns:
        A report; whatever is wrong is an error in it, exit code 2.
    """
    if isinstance(baseline, Path):
        path = baseline
        try:
            baseline = load_baseline(path)
        except BaselineError as error:
            return GateReport(path.stem, (str(error),))
    name = baseline.group.file_stem
    errors = _errors(spec, cells, baseline)
    if errors:
        return GateReport(name, tuple(errors), tier=baseline.tier)
    pairs = [
        (found, row.metrics[found.metric])
        for row_id, row in baseline.rows.items()
        for found in gated_samples([cell for cell in cells if cell.row == row_id])
    ]
    findings = judge(pairs, baseline.tier)
    return GateReport(name, (), tuple(findings), tuple(_notes(baseline, findings)), baseline.tier)


def judge(
    pairs: Sequence[tuple[Sample, MetricBaseline]], tier: Tier = "statistics"
) -> list[Finding]:
    """Compare every metric of a table, all at once, for the correction is over all of them.

    Args:
        pairs: new values and what they are compared with; in tier ``statistics`` the latter of two
            seeds or more.
        tier: how.
    """
    if not pairs:
        return []
    shifts = [METRICS[new.metric].worse_by(old.mean, new.mean) for new, old in pairs]
    if tier == "tolerance":
        return [
            Finding(
                *(new.row, new.metric, _by_tolerance(shift, old.tolerance), new, old, shift, None),
                visible=old.tolerance,
            )
            for (new, old), shift in zip(pairs, shifts, strict=True)
        ]
    means, stds, n, tolerances = np.array(
        [(old.mean, old.std or 0.0, old.n, old.tolerance) for _, old in pairs]
    ).T
    m = np.array([len(new.values) for new, _ in pairs], dtype=float)
    spreads = effective_std(stds, means, tolerances)
    worse, p_worse = worse_beyond_noise(np.array(shifts), spreads, n, m, tolerances)
    better, p_better = worse_beyond_noise(-np.array(shifts), spreads, n, m, tolerances)
    suspicious = prediction_p(shifts, spreads, n, m) < WARN
    findings = []
    for place, ((new, old), shift) in enumerate(zip(pairs, shifts, strict=True)):
        outcome: Outcome = "warning" if suspicious[place] else "pass"
        if worse[place] or better[place]:
            outcome = "regression" if worse[place] else "improved"
        p = float((p_worse if shift > 0 else p_better)[place])
        visible = visible_shift(
            float(spreads[place]),
            old.n,
            len(new.values),
            tests=len(pairs),
            alpha=ALPHA,
            tolerance=old.tolerance,
        )
        findings.append(Finding(new.row, new.metric, outcome, new, old, shift, p, visible))
    return findings


def worse_beyond_noise(
    shift: Array, std: Array, n: Array, m: Array, tolerance: Array
) -> tuple[NDArray[np.bool_], Array]:
    """The gate's rule: beyond the prediction bound, Holm-corrected, and beyond the tolerance.

    Args:
        shift: ``(..., metrics)``, positive where worse; a table along the last axis.
        std: the baseline's, floored (see `effective_std`).
        n: the baseline's number of seeds.
        m: the new number of seeds.
        tolerance: practical tolerance, in the metric's unit.

    Returns:
        Which metrics fail, and their corrected p-values, both of ``shift``'s shape.
    """
    p = holm(prediction_p(shift, std, n, m))
    return (p <= ALPHA) & (shift > tolerance), p


def effective_std(std: Array, mean: Array, tolerance: Array) -> Array:
    """The spread that is tested with: the baseline's, or the floor where that is more."""
    floor = np.maximum(STD_FLOOR * tolerance, 1e-6 * np.abs(mean))
    return np.asarray(np.maximum.reduce([std, floor, np.full_like(floor, 1e-12)]))


def _by_tolerance(shift: float, tolerance: float) -> Outcome:
    return "regression" if shift > tolerance else "improved" if -shift > tolerance else "pass"


def _errors(spec: Spec, cells: Sequence[CellResult], baseline: Baseline) -> list[str]:
    """Everything that keeps the cells from being compared, with its remedy."""
    if not cells:
        return ["there are no cells: run the table first"]
    errors = []
    groups = {group_of(cell) for cell in cells}
    for name, expected in zip(Group._fields, baseline.group, strict=True):
        others = {str(getattr(group, name)) for group in groups} - {str(expected)}
        if others:
            errors.append(
                f"{name} is {' and '.join(sorted(others))}, the baseline has {expected}: "
                + _REMEDIES[name]
            )
    if errors:
        return errors
    rows: dict[str, list[CellResult]] = {}
    for cell in cells:
        rows.setdefault(cell.row, []).append(cell)
    live = [row.id for row in spec.rows if row.method is not None]
    for row in dict.fromkeys([*baseline.rows, *live]):
        if row not in rows:
            remedy = "run it" if row in live else "it left the table: `whatwhere accept`"
            errors.append(f"missing cell: {row} was not run; {remedy}")
    for row, found in rows.items():
        if row not in baseline.rows:
            errors.append(
                f"unknown cell: the baseline has no row {row}; `whatwhere accept` adds it"
            )
        else:
            errors += [f"{row}: {words}" for words in _row_errors(found, baseline, row)]
    return errors


def _row_errors(cells: Sequence[CellResult], baseline: Baseline, row: str) -> list[str]:
    old: RowBaseline = baseline.rows[row]
    errors = []
    seeds = [cell.seed for cell in cells]
    for seed in sorted({seed for seed in seeds if seeds.count(seed) > 1}):
        errors.append(f"duplicate seed {seed}; remove one of its files from the results folder")
    for cell in cells:
        if cell.status not in ("ok", old.status):
            errors.append(
                f"seed {cell.seed} {cell.status}: {cell.reason}; mend it, run it again with "
                "`--again`"
            )
        elif cell.status != old.status:
            errors.append(
                f"seed {cell.seed} is {cell.status}, the baseline {old.status}; if that is meant, "
                "`whatwhere accept`"
            )
    for config in {config_id(cell): shared_config(cell) for cell in cells}.values():
        difference = describe_difference(old.config, config)
        if difference:
            errors.append(
                f"another configuration: {difference}; undo that, or `whatwhere accept` it"
            )
    if errors or old.status == "n/a":
        return errors
    if baseline.tier == "tolerance" and set(seeds) != set(old.seeds):
        return [
            f"seeds {sorted(seeds)}, the baseline has {old.seeds} and compares the same seeds only"
        ]
    samples = {found.metric: found for found in gated_samples(cells)}
    for metric in old.metrics:
        if metric not in samples:
            errors.append(f"missing metric {metric}; the baseline has it")
    for metric, found in samples.items():
        if metric not in old.metrics:
            errors.append(f"unknown metric {metric}; `whatwhere accept` adds it")
        errors += [f"{problem}; mend it, run it again with `--again`" for problem in found.problems]
    return errors


_REMEDIES: Final = {
    "table": "name the right baseline",
    "source": "stand-in and real cells never compare; check one of them",
    "budget": "budgets never compare; check one of them",
    "protocol": "another protocol is another metric; `whatwhere accept` a new baseline",
    "protocol_version": "its numbers are others; run the table anew, then `whatwhere accept`",
    "data_fingerprint": "other data; use the baseline's copy, or `whatwhere accept` a new baseline",
}


def _notes(baseline: Baseline, findings: Sequence[Finding]) -> list[str]:
    notes = [f"Baseline of commit {baseline.commit}, accepted {baseline.accepted}: "]
    notes[0] += baseline.reason
    if any(item.outcome == "improved" for item in findings):
        notes.append("Improved: `whatwhere accept` the new numbers, so that they are held.")
    if baseline.tier == "statistics":
        blind = [
            f"{item.row} {item.metric}"
            for item in findings
            if item.visible > BLIND * item.old.tolerance
        ]
        if blind:
            notes.append(
                f"Too noisy to show a change of {BLIND} tolerances, more seeds would help: "
                + ", ".join(blind)
            )
    return notes
