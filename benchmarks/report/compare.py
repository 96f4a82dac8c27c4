"""Two folders' numbers of one table beside each other, and whether they differ beyond the noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from benchmarks.claims import compare
from benchmarks.metrics import MetricInfo
from benchmarks.summaries import Sample, describe_difference, shared_config
from benchmarks.table_data import TableData, TableRow

Outcome = Literal["better", "worse", "within the noise", "equal", "not in both", "noise unknown"]
ORDER: Final[tuple[Outcome, ...]] = (
    "worse",
    "better",
    "noise unknown",
    "within the noise",
    "equal",
    "not in both",
)


@dataclass(frozen=True)
class Change:
    """One number in both folders.

    Args:
        label: of the row.
        metric: what is measured.
        before: mean in the first folder, as written in tables; a state where there is none.
        after: likewise in the second.
        difference: the second less the first, with its sign; "" where one is missing.
        outcome: of the second against the first, at one-sided confidence of 95 %.
        basis: what the noise was taken from.
        settings: where the configurations of the two differ; "" where they do not.
    """

    label: str
    metric: MetricInfo
    before: str
    after: str
    difference: str
    outcome: Outcome
    basis: str
    settings: str


def changes(before: TableData, after: TableData) -> list[Change]:
    """Every number that either table has measured, in the order of rows and columns."""
    found = []
    for old, new in zip(before.rows, after.rows, strict=True):
        if old.row.method is None or not (old.cells or new.cells):
            continue
        settings = ""
        if old.cells and new.cells:
            settings = describe_difference(shared_config(old.cells[0]), shared_config(new.cells[0]))
        for info in before.columns:
            pair = old.samples[info.id], new.samples[info.id]
            if any(one.values for one in pair):
                found.append(_change(old, info, *pair, settings))
    return found


def summary(found: Sequence[Change]) -> str:
    """How many numbers are better, worse, ...: ``2 better, 5 within the noise``."""
    counts = {name: sum(item.outcome == name for item in found) for name in ORDER}
    return ", ".join(f"{number} {name}" for name, number in counts.items() if number)


def _change(
    row: TableRow, info: MetricInfo, before: Sample, after: Sample, settings: str
) -> Change:
    was, now = (info.format(one.mean) if one.values else one.state for one in (before, after))
    if not (before.values and after.values):
        return Change(row.row.label, info, was, now, "", "not in both", "", settings)
    compared = compare(before, after, other_pictures=False)
    gap = compared.right - compared.left
    outcome: Outcome
    basis = compared.basis
    if before.values == after.values:
        outcome, basis = "equal", ""
    elif (interval := compared.interval()) is None:
        outcome = "noise unknown"
    else:
        low, high = interval
        outcome = "within the noise"
        if low > 0 or high < 0:
            outcome = "worse" if info.worse_by(compared.left, compared.right) > 0 else "better"
    sign = "+" if gap > 0 else ""
    return Change(
        row.row.label,
        info,
        was,
        now,
        f"{sign}{info.format(gap)}",
        outcome,
        basis,
        settings,
    )
