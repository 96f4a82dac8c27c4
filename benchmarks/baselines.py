"""The numbers that later ones are compared with: a file in git, changed by `accept` only.

``results/baselines/<table>-<budget>-<source>.json`` holds, for every row and metric, mean, standard
deviation and tolerance, and what they were measured with: seeds, configuration, protocol, data,
commit, environment, and the reason why they were accepted.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from benchmarks.costs import unvouched
from benchmarks.files import write_atomically
from benchmarks.metrics import METRICS
from benchmarks.schema import CellResult, Source, Spec, describe
from benchmarks.summaries import (
    Group,
    Sample,
    by_row,
    commits,
    config_id,
    describe_difference,
    one_group,
    sample,
    shared_config,
)

Tier = Literal["statistics", "tolerance"]

ENOUGH_SEEDS: Final = 10
"""Seeds a baseline should have: the spread is known from them alone, and paid for once."""

SMOKE_BUDGET: Final = "smoke"
SMOKE_REL_TOL: Final = 0.25
SMOKE_ABS_TOL: Final = 0.25
"""Smoke cells hardly train: another CPU model's rounding already moves them by a few percent.
The absolute one is for metrics without unit, which lie between -1 and 1 and may be near 0."""


class BaselineError(ValueError):
    """A baseline cannot be read or made; the message says what to do."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MetricBaseline(_Model):
    """One number to compare with.

    Args:
        mean: over the row's seeds.
        std: standard deviation over seeds (n - 1); None for one seed.
        rel_tol: practical tolerance as a part of the mean.
        abs_tol: the same in the metric's unit; the larger of the two counts.
    """

    mean: float = Field(allow_inf_nan=False)
    std: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    n: int = Field(ge=1)
    rel_tol: float = Field(ge=0, allow_inf_nan=False)
    abs_tol: float = Field(ge=0, allow_inf_nan=False)

    @property
    def tolerance(self) -> float:
        """A change of at most this much does not matter to anybody."""
        return max(self.abs_tol, self.rel_tol * abs(self.mean))


class RowBaseline(_Model):
    """A row's numbers.

    Args:
        status: ``n/a`` where the protocol cannot score the method.
        seeds: that the means are over.
        config_id: hash of ``config``.
        config: the row's configuration without seed, data and protocol.
    """

    status: Literal["ok", "n/a"] = "ok"
    seeds: list[int] = Field(min_length=1)
    config_id: str
    config: dict[str, Any]
    metrics: dict[str, MetricBaseline]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"a seed stands twice in {self.seeds}")
        for metric, number in self.metrics.items():
            if number.n != len(self.seeds):
                raise ValueError(f"{metric} is of {number.n} seeds, the row has {self.seeds}")
            if (number.std is None) != (number.n == 1):
                raise ValueError(f"{metric} needs a std if and only if it has several seeds")
        return self


class Baseline(_Model):
    """A table's accepted numbers.

    Args:
        tier: ``statistics`` tests the difference against the seeds' spread; ``tolerance`` compares
            the same seeds with the tolerance alone.
        commit: of the code, ``a and b`` where the cells come from several.
        accepted: ISO-8601, UTC.
        environment: versions and devices.
    """

    schema_version: Literal[1] = 1
    table: str
    budget: str
    source: Source
    protocol: str
    protocol_version: int
    data_fingerprint: str
    tier: Tier
    reason: str = Field(min_length=1)
    accepted: str
    commit: str
    environment: dict[str, str]
    rows: dict[str, RowBaseline]

    @model_validator(mode="after")
    def _testable(self) -> Self:
        single = [name for name, row in self.rows.items() if row.metrics and len(row.seeds) < 2]
        if self.tier == "statistics" and single:
            raise ValueError(f"tier statistics needs two seeds or more, {single} have one")
        return self

    @property
    def group(self) -> Group:
        """What cells must have in common with it."""
        return Group(*(getattr(self, name) for name in Group._fields))


@dataclass(frozen=True)
class Accepted:
    """A baseline that was written.

    Args:
        path: where.
        changes: what it changes, a line each.
        warnings: what is weak about it.
    """

    path: Path
    baseline: Baseline
    changes: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def text(self) -> str:
        """All of it, for people."""
        lines = [f"accepted: {self.path} ({self.baseline.reason})"]
        lines += [f"  {change}" for change in self.changes or ("no number changes",)]
        return "\n".join([*lines, *(f"warning: {words}" for words in self.warnings)])


def load_baseline(path: Path) -> Baseline:
    """Read a baseline.

    Raises:
        BaselineError: there is none, or it is damaged; says what to do.
    """
    try:
        return Baseline.model_validate_json(Path(path).read_bytes())
    except FileNotFoundError as error:
        raise BaselineError(
            f"{path}: no baseline; look at the table, then make one with `whatwhere accept`"
        ) from error
    except ValidationError as error:
        raise BaselineError(
            f"{path}: {describe(error)}; restore it with git, or make it anew with "
            "`whatwhere accept`"
        ) from error


def make_baseline(
    spec: Spec, cells: Sequence[CellResult], reason: str, *, accepted: str
) -> Baseline:
    """The baseline that a table's cells make.

    Args:
        spec: the table.
        cells: every row of it, with one seed or more, of one group.
        reason: why these numbers are right.
        accepted: when, ISO-8601.

    Raises:
        BaselineError: no reason; cells of a dirty tree; failed, missing or non-finite cells; rows
            whose cells lack a metric that others of the same row have.
        MixedCellsError: the cells do not compare with each other.
    """
    if not reason.strip():
        raise BaselineError("a baseline needs a reason: why may the numbers be these?")
    group = one_group(cells)
    rows = by_row(spec, cells)
    refusals = [
        f"{cell.row}, seed {cell.seed} was measured with {unvouched(cell)}"
        for cell in cells
        if cell.dirty
    ]
    made: dict[str, RowBaseline] = {}
    for row in spec.rows:
        if row.method is None:
            continue
        if not rows[row.id]:
            refusals.append(f"{row.id} was not run: a baseline holds the whole table")
            continue
        problems = [problem for item in gated_samples(rows[row.id]) for problem in item.problems]
        states = {cell.status for cell in rows[row.id]}
        if problems or states not in ({"ok"}, {"n/a"}):
            problems = problems or [
                f"seed {cell.seed} {cell.status}: {cell.reason}" for cell in rows[row.id]
            ]
            refusals += [f"{row.id}, {problem}" for problem in dict.fromkeys(problems)]
            continue
        made[row.id] = _row(rows[row.id], group.budget)
    if refusals:
        raise BaselineError("no baseline from these cells:\n" + "\n".join(refusals))
    few = any(len(row.seeds) < 2 for row in made.values() if row.status == "ok")
    return Baseline(
        **group._asdict(),
        tier="tolerance" if few or group.budget == SMOKE_BUDGET else "statistics",
        reason=reason.strip(),
        accepted=accepted,
        commit=" and ".join(commits(cells)),
        environment=dict(cells[0].versions)
        | {"devices": ", ".join(sorted({cell.device for cell in cells}))},
        rows=made,
    )


def accept(
    spec: Spec,
    cells: Sequence[CellResult],
    path: Path,
    reason: str,
    *,
    accepted: str | None = None,
) -> Accepted:
    """Write a table's cells as the baseline; the old one stays in git's history.

    Args:
        spec: the table.
        cells: every row of it, of one group.
        path: the baseline's file.
        reason: why the numbers may change; recorded.
        accepted: when, ISO-8601; None for now.

    Raises:
        BaselineError: see `make_baseline`; nothing is written.
    """
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    new = make_baseline(spec, cells, reason, accepted=accepted or now)
    try:
        old = load_baseline(path) if Path(path).exists() else None
    except BaselineError:  # damaged: that is what accept mends
        old = None
    write_atomically(path, new.model_dump_json(indent=2) + "\n")
    return Accepted(Path(path), new, tuple(describe_changes(old, new)), tuple(_weak(new)))


def describe_changes(old: Baseline | None, new: Baseline) -> list[str]:
    """What a new baseline changes, a line each."""
    if old is None:
        return [f"first baseline: {len(new.rows)} rows"]
    lines = [
        f"{name}: {before} -> {after}"
        for name, before, after in zip(Group._fields, old.group, new.group, strict=True)
        if before != after
    ]
    for row in list(dict.fromkeys([*old.rows, *new.rows])):
        if row not in new.rows or row not in old.rows:
            lines.append(f"{row}: {'new row' if row in new.rows else 'row removed'}")
            continue
        was, now = old.rows[row], new.rows[row]
        if was.config_id != now.config_id:
            lines.append(f"{row}: {describe_difference(was.config, now.config)}")
        if was.seeds != now.seeds:
            lines.append(f"{row}: seeds {was.seeds} -> {now.seeds}")
        for metric in list(dict.fromkeys([*was.metrics, *now.metrics])):
            line = _metric_change(metric, was.metrics.get(metric), now.metrics.get(metric))
            lines += [f"{row} {metric}: {line}"] if line else []
    return lines


def gated_samples(cells: Sequence[CellResult]) -> list[Sample]:
    """A sample of every metric that the gate watches and any of a row's cells has."""
    measured = {metric for cell in cells if cell.status == "ok" for metric in cell.metrics}
    return [
        sample(cells[0].row, cells, metric)
        for metric, info in METRICS.items()
        if info.gated and metric in measured
    ]


def _row(cells: Sequence[CellResult], budget: str) -> RowBaseline:
    metrics = {}
    for found in gated_samples(cells):
        info = METRICS[found.metric]
        rel_tol, abs_tol = info.rel_tol, info.abs_tol
        if budget == SMOKE_BUDGET:
            rel_tol = max(rel_tol, SMOKE_REL_TOL)
            if not info.unit:
                abs_tol = max(abs_tol, SMOKE_ABS_TOL)
            elif info.unit == "%" and not info.rel_tol:  # a share, of some dozen samples here
                abs_tol = max(abs_tol, 100 * SMOKE_ABS_TOL)
        metrics[found.metric] = MetricBaseline(
            mean=found.mean, std=found.std, n=len(found.values), rel_tol=rel_tol, abs_tol=abs_tol
        )
    return RowBaseline(
        status="ok" if cells[0].status == "ok" else "n/a",
        seeds=[cell.seed for cell in cells],
        config_id=config_id(cells[0]),
        config=shared_config(cells[0]),
        metrics=metrics,
    )


def _metric_change(metric: str, old: MetricBaseline | None, new: MetricBaseline | None) -> str:
    show = METRICS[metric].format if metric in METRICS else str
    if old is None or new is None:
        return "no longer measured" if new is None else f"new, {show(new.mean)}"
    parts = []
    if not math.isclose(old.mean, new.mean, rel_tol=1e-9, abs_tol=1e-12):
        relative = f" ({new.mean / old.mean - 1:+.1%})" if old.mean else ""
        parts.append(f"{show(old.mean)} -> {show(new.mean)}{relative}")
    if (old.rel_tol, old.abs_tol) != (new.rel_tol, new.abs_tol):
        parts.append(
            f"tolerance {old.rel_tol:g} of the mean or {old.abs_tol:g} -> "
            f"{new.rel_tol:g} or {new.abs_tol:g}"
        )
    return ", ".join(parts)


def _weak(new: Baseline) -> list[str]:
    counts = sorted({len(row.seeds) for row in new.rows.values() if row.status == "ok"})
    words = []
    if new.budget != SMOKE_BUDGET and counts and counts[0] < ENOUGH_SEEDS:
        words.append(
            f"{counts[0]} seed{'s' if counts[0] > 1 else ''} a row at the least; the spread is "
            f"known well from {ENOUGH_SEEDS} on"
        )
    if new.tier == "tolerance" and new.budget != SMOKE_BUDGET:
        words.append("a row has one seed, so later tables are compared by tolerance alone")
    if " and " in new.commit:
        words.append(f"the cells come from several commits: {new.commit}")
    return words
