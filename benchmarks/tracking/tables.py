"""A finished table as runs of its own: its numbers, and what papers say of its rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import wandb

from benchmarks import environment
from benchmarks.schema import CellResult, Row, Spec
from benchmarks.tracking.session import STEP, Mode, commit_tags, open_run

PAPER_JOB: Final = "paper"
"""Job type of the run of a row's published numbers."""

TABLE_JOB: Final = "table"
PUBLISHED: Final = "published"
"""Stands for the method of a row that has none here."""

_COLUMNS: Final = ("row", "method", "metric", "seed", "value", "low", "high", "status", "cell_id")


def log_tables(
    spec: Spec,
    cells: Sequence[CellResult],
    results_dir: Path,
    mode: Mode = "off",
    *,
    markdown: str = "",
) -> None:
    """Log a finished table as a run of its own: every row, metric and seed.

    The run is called ``<table>/<budget>-<source>``; logged again it is the same run. Its files go
    to ``results_dir/runs/table-<table>-<budget>-<source>``. Every row with published numbers has a
    run beside it, of job type ``paper``, with ``paper/<metric>`` at the first step and at the
    table's last one, which draws a line.

    Args:
        spec: the table.
        cells: its cells, of one budget and source.
        results_dir: the results folder.
        mode: as for `make_logger`.
        markdown: the table for people, shown as the run's notes.

    Raises:
        ValueError: there is no cell, or cells of different tables, budgets or sources.
        TrackingError: as for `make_logger`.
    """
    kinds = {(cell.table, cell.budget, cell.source) for cell in cells}
    if len(kinds) != 1:
        raise ValueError(f"one table, budget and source expected, got {sorted(kinds) or 'no cell'}")
    [(table, budget, source)] = kinds
    commit, dirty = environment.commit_and_dirty()
    run_id = f"table-{table}-{budget}-{source}"
    shared = {
        "table": table,
        "budget": budget,
        "source": source,
        "commit": commit,
        "dirty": dirty,
    }
    tags = [*commit_tags(commit, dirty), budget, source, table]
    runs = Path(results_dir) / "runs"
    logger = open_run(
        mode,
        runs / run_id,
        run_id=run_id,
        name=f"{table}/{budget}-{source}",
        group=f"{table}/tables",
        job_type=TABLE_JOB,
        tags=tags,
        config={
            **shared,
            "data_fingerprint": sorted({cell.data_fingerprint for cell in cells}),
            "cells": [cell.cell_id for cell in cells],
            "versions": environment.versions(),
        },
        notes=markdown or None,
    )
    if logger is None or logger.run is None:
        return
    try:
        lines = [line for cell in cells for line in _lines(cell)]
        logger.run.log({"table": wandb.Table(list(_COLUMNS), lines)})
        logger.run.summary.update(_means(cells))
    finally:
        logger.close()
    last_step = max(cell.steps for cell in cells) or 1
    for row in spec.rows:
        if row.published:
            _log_paper(row, runs, mode, shared, tags, last_step)


def _log_paper(
    row: Row, runs: Path, mode: Mode, shared: dict[str, Any], tags: list[str], last_step: int
) -> None:
    run_id = f"paper-{shared['table']}-{shared['budget']}-{shared['source']}-{row.id}"
    logger = open_run(
        mode,
        runs / run_id,
        run_id=run_id,
        name=f"{row.id}/paper",
        group=f"{shared['table']}/{row.id}",
        job_type=PAPER_JOB,
        tags=[*tags, PAPER_JOB],
        config={
            **shared,
            "row": row.id,
            "method": row.method or PUBLISHED,
            "published": {name: given.model_dump() for name, given in row.published.items()},
        },
    )
    if logger is None or logger.run is None:
        return
    try:
        values = {f"paper/{metric}": given.value for metric, given in row.published.items()}
        for step in (0, last_step):
            logger.run.log({STEP: step, **values})
    finally:
        logger.close()


def _lines(cell: CellResult) -> list[Iterable[Any]]:
    """One line a metric; a cell without numbers has one line too, for it was run."""
    front, back = [cell.row, cell.method], [cell.status, cell.cell_id]
    if not cell.metrics:
        return [[*front, None, cell.seed, None, None, None, *back]]
    none = (None, None)
    return [
        [*front, metric, cell.seed, value, *cell.intervals.get(metric, none), *back]
        for metric, value in cell.metrics.items()
    ]


def _means(cells: Sequence[CellResult]) -> dict[str, float]:
    """``row/metric`` -> mean over the seeds."""
    values: dict[str, list[float]] = {}
    for cell in cells:
        for metric, value in cell.metrics.items():
            values.setdefault(f"{cell.row}/{metric}", []).append(value)
    return {name: sum(found) / len(found) for name, found in values.items()}
