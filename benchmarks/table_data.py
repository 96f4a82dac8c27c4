"""A table's content, worked out once for every format it is written in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.claims import ClaimVerdict, evaluate_claims
from benchmarks.findings import Decomposition, Upset, decompose, is_control, upsets
from benchmarks.metrics import MetricInfo, metric_info
from benchmarks.rankings import RankingVerdict, evaluate_rankings
from benchmarks.schema import CellResult, Row, Spec
from benchmarks.summaries import (
    Group,
    Sample,
    by_row,
    commits,
    one_group,
    sample,
    source_words,
)


@dataclass(frozen=True)
class TableRow:
    """A row with its samples.

    Args:
        row: as specified.
        cells: its cells, by seed.
        samples: metric id -> what its seeds say, for every column.
        control: whether it learns nothing.
    """

    row: Row
    cells: tuple[CellResult, ...]
    samples: dict[str, Sample]
    control: bool

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds of its cells."""
        return tuple(cell.seed for cell in self.cells)


@dataclass(frozen=True)
class TableData:
    """Everything a table shows.

    Args:
        best: metric id -> rows whose mean is the best of all live rows.
        seeds: of any cell.
        commits: of any cell, in order of appearance.
        counts: split -> number of pictures.
    """

    spec: Spec
    group: Group
    cells: tuple[CellResult, ...]
    columns: tuple[MetricInfo, ...]
    rows: tuple[TableRow, ...]
    best: dict[str, frozenset[str]]
    seeds: tuple[int, ...]
    commits: tuple[str, ...]
    counts: dict[str, int]
    decompositions: tuple[Decomposition, ...]
    upsets: tuple[Upset, ...]
    verdicts: tuple[ClaimVerdict, ...]
    rankings: tuple[RankingVerdict, ...]

    def has_published(self, metric: str) -> bool:
        """Whether any row has a published number of a metric."""
        return any(metric in item.row.published for item in self.rows)

    def title(self) -> str:
        """The table's title, with where the data comes from."""
        return f"{self.spec.title} ({source_words(self.group)}, budget {self.group.budget})"

    def facts(self) -> str:
        """One line: by which protocol and code it was measured, how often, on which pictures."""
        seeds = f"{len(self.seeds)} seed{'s' if len(self.seeds) > 1 else ''}"
        names = " and ".join(self.commits)
        counts = ", ".join(f"{number:,} {split}" for split, number in self.counts.items())
        return (
            f"Table {self.group.table}, protocol {self.group.protocol} version "
            f"{self.group.protocol_version}, {seeds} ({', '.join(map(str, self.seeds))}), commit "
            f"{names}; pictures: {counts or 'not counted'} "
            f"(fingerprint {self.group.data_fingerprint})"
        )


def build_table(spec: Spec, cells: Sequence[CellResult]) -> TableData:
    """Work out a table.

    Raises:
        MixedCellsError: no cells, cells of several groups, or two cells of one row and seed.
        UnknownNameError: a cell of a row, or a column, that is unknown.
        ValueError: the cells are of another table.
    """
    group = one_group(cells)
    if group.table != spec.table:
        raise ValueError(f"these are cells of table '{group.table}', not of '{spec.table}'")
    found = by_row(spec, cells)
    columns = tuple(metric_info(metric) for metric in spec.columns)
    rows = tuple(
        TableRow(
            row,
            tuple(found[row.id]),
            {info.id: sample(row.id, found[row.id], info.id) for info in columns},
            is_control(row),
        )
        for row in spec.rows
    )
    # Rows and seeds in order: a table must not hang on the order in which files were read.
    ordered = tuple(cell for row in rows for cell in row.cells)
    return TableData(
        spec=spec,
        group=group,
        cells=ordered,
        columns=columns,
        rows=rows,
        best={info.id: _best(info, rows) for info in columns},
        seeds=tuple(sorted({cell.seed for cell in cells})),
        commits=tuple(commits(ordered)),
        # Cells that failed early have not counted their pictures.
        counts=next((cell.data_counts for cell in ordered if cell.data_counts), {}),
        decompositions=tuple(decompose(spec, cells)),
        upsets=tuple(upsets(spec, cells)),
        verdicts=tuple(evaluate_claims(spec, cells)),
        rankings=tuple(evaluate_rankings(spec, cells)),
    )


def _best(info: MetricInfo, rows: Sequence[TableRow]) -> frozenset[str]:
    """Rows with the best mean; a row some of whose seeds failed is not among them.

    Nor is a control where less is told by who knows less, nor any where a number only describes.
    """
    means = {
        item.row.id: item.samples[info.id].mean
        for item in rows
        if item.samples[info.id].values and not item.samples[info.id].problems
        if info.judged and not (info.leak and item.control)
    }
    if not means:
        return frozenset()
    best = (min if info.better == "lower" else max)(means.values())
    return frozenset(row for row, mean in means.items() if mean == best)
