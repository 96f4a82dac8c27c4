"""From a table and a person's wishes to the cells that are to be run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.arguments import check_arguments
from benchmarks.build import build_modules, fingerprint, settle
from benchmarks.schema import CellSpec, Source, Spec
from benchmarks.specs import check_ids, resolve_cell, runnable_rows
from datamodules.interface import DataModule
from lightning_modules import registry as methods


@dataclass(frozen=True)
class DataChoice:
    """Where the data comes from.

    Args:
        source: the stand-in, or the user's copy.
        root: folder of the user's copy; needed for ``real``.
        cache_dir: where prepared data is kept; None for the user's cache folder.
    """

    source: Source = "standin"
    root: Path | None = None
    cache_dir: Path | None = None

    def build(self, spec: Spec, budget: str, seed: int = 0) -> list[DataModule]:
        """The datamodules of a table's cells at one seed, the table's own first."""
        limits = spec.budget(budget)
        wanted = [(spec.dataset, limits.data)]
        if limits.pretrain is not None:
            wanted.append((limits.pretrain.dataset, limits.pretrain.data))
        return build_modules(
            wanted,
            source=self.source,
            root=None if self.root is None else str(self.root),
            cache_dir=None if self.cache_dir is None else str(self.cache_dir),
            seed=seed,
        )


def plan(
    spec: Spec,
    *,
    budget: str,
    data: DataChoice,
    rows: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None,
) -> list[CellSpec]:
    """The cells of a table, seed by seed in the order of its rows.

    Everything that can be wrong before hours of training is looked at here.

    Args:
        spec: the table.
        budget: one of its budgets.
        data: where the data comes from.
        rows: only these; None for all that are measured here.
        seeds: None for the budget's own.

    Raises:
        ValueError: an unknown budget, row, method, dataset or argument.
        DatasetNotFoundError: the data is not where it was said to be.
    """
    limits = spec.budget(budget)
    wanted = runnable_rows(spec, rows)
    check_ids(spec)
    cells = []
    for seed in limits.seeds if seeds is None else seeds:
        found = fingerprint(data.build(spec, budget, seed))
        for row in wanted:
            cell = resolve_cell(
                spec,
                row,
                seed=seed,
                budget=budget,
                source=data.source,
                data_fingerprint=found,
            )
            check_arguments(
                f"table '{spec.table}', row '{row}', budget '{budget}'",
                methods.load(cell.method),
                cell.args,
            )
            cells.append(settle(cell))
    return cells
