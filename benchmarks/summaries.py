"""Cells brought together: which may stand in one table, and what a row's seeds say of a metric."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

import numpy as np

from benchmarks.files import digest
from benchmarks.metrics import METRICS
from benchmarks.schema import CellResult, Source, Spec
from benchmarks.statistics import NORMAL_95

COMPARABLE: Final = frozenset(
    {"seed", "table", "budget", "source", "protocol", "protocol_version", "data_fingerprint"}
)
"""Keys of a cell's configuration that are compared, and named, one by one."""


class MixedCellsError(ValueError):
    """Cells that must not share a table; the message says what differs and what to do."""


class Group(NamedTuple):
    """What all cells of one table have in common: numbers of two groups do not compare."""

    table: str
    source: Source
    budget: str
    protocol: str
    protocol_version: int
    data_fingerprint: str

    @property
    def file_stem(self) -> str:
        """Name of the group's files, e.g. ``mafl-quick-standin``."""
        return f"{self.table}-{self.budget}-{self.source}"


def source_words(group: Group) -> str:
    """Where a group's data comes from, in words that nobody overlooks."""
    return "STAND-IN data" if group.source == "standin" else "real data"


def group_of(cell: CellResult) -> Group:
    """The group a cell belongs to."""
    return Group(*(getattr(cell, name) for name in Group._fields))


def split(cells: Iterable[CellResult]) -> dict[Group, list[CellResult]]:
    """Cells parted into groups, each of which may be a table."""
    groups: dict[Group, list[CellResult]] = {}
    for cell in cells:
        groups.setdefault(group_of(cell), []).append(cell)
    return groups


def one_group(cells: Sequence[CellResult]) -> Group:
    """The group that all cells belong to.

    Raises:
        MixedCellsError: there is no cell, or cells of several groups; names what differs.
    """
    groups = list(dict.fromkeys(map(group_of, cells)))
    if not groups:
        raise MixedCellsError("no cells: there is nothing to make a table of; run them first")
    if len(groups) > 1:
        differing = [
            f"{name} ({', '.join(sorted({str(value) for value in values}))})"
            for name, values in zip(Group._fields, zip(*groups, strict=True), strict=True)
            if len(set(values)) > 1
        ]
        raise MixedCellsError(
            f"these {len(cells)} cells differ in {' and '.join(differing)}, so their numbers do "
            "not compare and must not share a table; make one table of each"
        )
    return groups[0]


def shared_config(cell: CellResult) -> dict[str, Any]:
    """The part of a cell's configuration that is the row's own: without seed, data, protocol.

    Nor is the seed of what a cell starts from, which is the cell's.
    """
    own = {key: value for key, value in cell.config.items() if key not in COMPARABLE}
    if own.get("base"):
        own["base"] = {key: value for key, value in own["base"].items() if key != "seed"}
    return own


def config_id(cell: CellResult) -> str:
    """16 hex digits that all seeds of a row share: a hash of `shared_config`."""
    return digest(shared_config(cell))


def cell_value(cell: CellResult, metric: str) -> float | None:
    """A cell's value of a metric, costs included; None where it has none. May be NaN."""
    if metric in cell.metrics:
        return cell.metrics[metric]
    if metric in METRICS and metric in CellResult.model_fields:
        return float(getattr(cell, metric))
    return None


@dataclass(frozen=True)
class Sample:
    """A row's values of one metric over its seeds.

    Args:
        row: the row's id.
        metric: the metric's id.
        values: seed -> value, of cells that are ``ok`` and finite.
        intervals: seed -> 95 % interval over the test pictures.
        problems: what keeps other seeds, or the metric, from counting; empty if nothing does.
        state: ``ok``, or why there is no value at all.
        measured: whether every cell is ``ok``, so that a missing value is the method's own lack.
    """

    row: str
    metric: str
    values: dict[int, float] = field(default_factory=dict)
    intervals: dict[int, tuple[float, float]] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    state: str = "ok"
    measured: bool = True

    @property
    def mean(self) -> float:
        """Mean over seeds; NaN without any."""
        return float(np.mean(list(self.values.values()))) if self.values else math.nan

    @property
    def std(self) -> float | None:
        """Standard deviation over seeds (n - 1); None for fewer than two."""
        values = list(self.values.values())
        return float(np.std(values, ddof=1)) if len(values) > 1 else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The interval over pictures, where there is one seed only and it has one."""
        if len(self.values) != 1:
            return None
        return self.intervals.get(next(iter(self.values)))

    def __sub__(self, shift: float) -> Sample:
        """The sample counted from ``shift``; itself if that is zero."""
        if not shift:
            return self
        return replace(
            self,
            values={seed: value - shift for seed, value in self.values.items()},
            intervals={seed: (a - shift, b - shift) for seed, (a, b) in self.intervals.items()},
        )

    def picture_error(self) -> float | None:
        """Standard error that the test pictures leave; None where a seed has no interval.

        Seeds share the test pictures: more of them do not make it smaller.
        """
        if not self.values or any(seed not in self.intervals for seed in self.values):
            return None
        widths = [self.intervals[seed][1] - self.intervals[seed][0] for seed in self.values]
        return float(np.mean(widths)) / (2 * NORMAL_95)


def by_row(spec: Spec, cells: Sequence[CellResult]) -> dict[str, list[CellResult]]:
    """Row id -> its cells by seed, for every row of the table, in its order.

    Raises:
        UnknownNameError: a cell's row is not in the table.
        MixedCellsError: a row has two cells of one seed, or of different configurations.
    """
    rows: dict[str, list[CellResult]] = {row.id: [] for row in spec.rows}
    for cell in cells:
        rows[spec.row(cell.row).id].append(cell)
    for row, found in rows.items():
        found.sort(key=lambda cell: cell.seed)
        seeds = [cell.seed for cell in found]
        for seed in sorted({seed for seed in seeds if seeds.count(seed) > 1}):
            raise MixedCellsError(
                f"row '{row}' has two cells of seed {seed}; keep one of "
                + ", ".join(f"{cell.cell_id}.json" for cell in found if cell.seed == seed)
            )
        if len({config_id(cell) for cell in found}) > 1:
            raise MixedCellsError(
                f"the cells of row '{row}' differ in "
                f"{describe_difference(*_two_configs(found))}; run its seeds with one "
                "configuration"
            )
    return rows


def sample(row: str, cells: Sequence[CellResult], metric: str) -> Sample:
    """What a row's cells say of a metric."""
    values: dict[int, float] = {}
    intervals: dict[int, tuple[float, float]] = {}
    problems: list[str] = []
    states: list[str] = []
    for cell in cells:
        if cell.status != "ok":
            states.append(cell.status)
            problems.append(f"seed {cell.seed} {cell.status}: {cell.reason or 'no reason given'}")
            continue
        value = cell_value(cell, metric)
        if value is None:
            states.append("n/a")
            problems.append(f"seed {cell.seed} has no {metric}")
        elif not math.isfinite(value):
            states.append("failed")
            problems.append(f"seed {cell.seed} failed: {metric} is {value}")
        else:
            values[cell.seed] = value
            if metric in cell.intervals and all(map(math.isfinite, cell.intervals[metric])):
                intervals[cell.seed] = cell.intervals[metric]
    measured = bool(cells) and all(cell.status == "ok" for cell in cells)
    if measured and not values and set(states) == {"n/a"}:
        problems = [f"{row} has no {metric}"]
    state = "ok" if values else _worst(states)
    return Sample(row, metric, values, intervals, tuple(problems), state, measured)


def describe_difference(old: dict[str, Any], new: dict[str, Any], prefix: str = "") -> str:
    """Where two configurations differ, in words: ``args.n_keypoints 25 -> 30``."""
    parts = []
    for key in sorted(old.keys() | new.keys()):
        before, after = old.get(key, "(absent)"), new.get(key, "(absent)")
        if isinstance(before, dict) and isinstance(after, dict):
            inner = describe_difference(before, after, f"{prefix}{key}.")
            parts += [inner] if inner else []
        elif before != after:
            parts.append(f"{prefix}{key} {before} -> {after}")
    return ", ".join(parts)


def commits(cells: Iterable[CellResult]) -> list[str]:
    """Short commits of the cells, ``+changes`` where their tree was dirty."""
    names = (f"{cell.commit[:10]}{'+changes' if cell.dirty else ''}" for cell in cells)
    return list(dict.fromkeys(names))


def _worst(states: Sequence[str]) -> str:
    for state in ("failed", "timeout", "n/a"):
        if state in states:
            return state
    return "not run"


def _two_configs(cells: Sequence[CellResult]) -> tuple[dict[str, Any], dict[str, Any]]:
    first = cells[0]
    other = next(cell for cell in cells if config_id(cell) != config_id(first))
    return shared_config(first), shared_config(other)
