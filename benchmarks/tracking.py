"""Runs on Weights & Biases: the one place that touches ``wandb``.

W&B shows a cell, it never holds it: the number stands in the cell's JSON, the curves in
``metrics.jsonl``, and a kill loses up to the last 15 seconds of an offline run. One cell is one
run, whose id is the cell's id, so that a cell that was interrupted goes on in the same run. Curves
are drawn over ``trainer/global_step``, for W&B's own step counts a resumed run's repeated rows
twice.

What would lie in the user's home (staged artifacts, the client's logs) goes to the run's folder.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import wandb
from pytorch_lightning.loggers import WandbLogger
from pytorch_lightning.utilities import rank_zero_only

from benchmarks import environment
from benchmarks.metrics import METRICS
from benchmarks.schema import CellResult, CellSpec

if TYPE_CHECKING:
    from argparse import Namespace

log = logging.getLogger(__name__)

Mode = Literal["off", "offline", "online"]
PROJECT: Final = "whatwhere"
STEP: Final = "trainer/global_step"
STOPPED: Final = 75
"""Exit code of a run whose cell was stopped and will go on (EX_TEMPFAIL)."""

_COLUMNS: Final = ("row", "method", "metric", "seed", "value", "low", "high", "status", "cell_id")


class TrackingError(OSError):
    """W&B cannot record the run; the message says what to do."""


class RunLogger(WandbLogger):
    """Lightning's logger for a run that `make_logger` has opened.

    Args:
        run: the open run; None on all ranks but the first.
        folder: where the run keeps its files.
        replaced: environment variables to put back when the run is closed.
    """

    def __init__(
        self, run: wandb.Run | None, folder: Path, replaced: Mapping[str, str | None]
    ) -> None:
        super().__init__(
            project=PROJECT,
            save_dir=folder,
            version=run.id if run else None,
            experiment=run,
            log_model=False,
        )
        self.run = run
        self._replaced = dict(replaced)

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace) -> None:
        """Keep the method's arguments apart: its ``seed`` is not the cell's."""
        given = params if isinstance(params, dict) else vars(params)
        if self.run is not None:
            self.run.config.update(  # type: ignore[no-untyped-call]
                {"hyperparameters": dict(given)}, allow_val_change=True
            )

    def close(self, exit_code: int = 0) -> None:
        """End the run; closing twice is fine."""
        try:
            if self.run is not None:
                self.run.finish(exit_code=exit_code)
        finally:
            self.run = self._experiment = None
            _set_variables(self._replaced)
            self._replaced = {}


def check_mode(mode: Mode) -> None:
    """Refuse ``online`` without an account, before anything is computed; never asks for a key.

    Raises:
        TrackingError: no API key is found, or the environment says another mode.
    """
    if mode != "online":
        return
    asked = os.environ.get("WANDB_MODE", "online")
    if asked not in ("online", "run"):
        raise TrackingError(
            f"WANDB=online was asked for, but the environment says WANDB_MODE={asked}; unset it"
        )
    if not wandb.login(prompt=False, verify=False):
        raise TrackingError(
            "WANDB=online needs a W&B account, and no API key was found. Run `wandb login` once or "
            "set WANDB_API_KEY; or use WANDB=offline, which needs none, and `wandb sync` later"
        )


def make_logger(cell: CellSpec, run_dir: Path, mode: Mode = "off") -> RunLogger | None:
    """Open the run of a cell, or go on with it.

    Args:
        cell: what is measured; all of `CellSpec.config` goes into the run's configuration.
        run_dir: the cell's own folder; W&B's files go to ``run_dir/wandb`` and ``wandb-data``.
        mode: ``off`` gives None; ``offline`` writes files that ``wandb sync`` sends later.

    Returns:
        A logger for Lightning's Trainer. Hand it to `finish`, whatever happens.

    Raises:
        TrackingError: ``online`` without an account, or the server cannot be reached.
    """
    commit, dirty = environment.commit_and_dirty()
    return _open(
        mode,
        Path(run_dir),
        run_id=cell.cell_id,
        name=f"{cell.row}/s{cell.seed}",
        group=f"{cell.table}/{cell.row}",
        job_type="cell",
        tags=[
            *_commit_tags(commit, dirty),
            cell.budget,
            f"seed-{cell.seed}",
            cell.source,
            cell.table,
        ],
        config={
            **cell.config(),
            "cell_id": cell.cell_id,
            "commit": commit,
            "dirty": dirty,
            "versions": environment.versions(),
        },
    )


def log_result(logger: RunLogger, result: CellResult, pictures: Sequence[Path] = ()) -> None:
    """Log a cell's final metrics with their intervals, the same as a table, and its pictures.

    Metrics are named ``test/<id>``, with the ends of their 95 % intervals ``test/<id>_low`` and
    ``test/<id>_high``; pictures ``pictures/<file name>`` and films ``videos/<file name>``, as their
    MP4 files, for a GIF beside one shows the same. The run's summary keeps the best value, by the
    metric's direction, and the last one.
    """
    run = logger.run
    if run is None:
        return
    row: dict[str, Any] = {STEP: result.steps}
    lines: list[Iterable[Any]] = []
    for metric, value in result.metrics.items():
        low, high = result.intervals.get(metric, (None, None))
        _define(run, f"test/{metric}", metric)
        row[f"test/{metric}"] = value
        if low is not None:
            row |= {f"test/{metric}_low": low, f"test/{metric}_high": high}
        lines.append([metric, value, low, high, METRICS[metric].unit])
    if lines:
        row["test/table"] = wandb.Table(["metric", "value", "low", "high", "unit"], lines)
    for path in pictures:
        if path.suffix == ".png":
            row[f"pictures/{path.stem}"] = wandb.Image(str(path), caption=path.stem)
        elif path.suffix == ".mp4":
            row[f"videos/{path.stem}"] = wandb.Video(str(path), caption=path.stem)
    run.log(row)
    run.summary.update(
        {
            "status": result.status,
            "reason": result.reason or "",
            "device": result.device,
            "epochs": result.epochs,
            "cost/wall_seconds": result.wall_seconds,
            "cost/train_seconds": result.train_seconds,
            "cost/peak_memory_mib": result.peak_memory_mib,
        }
    )


def finish(
    logger: RunLogger | None, result: CellResult | None = None, pictures: Sequence[Path] = ()
) -> None:
    """Log what came out and close the run; without a logger nothing happens.

    Args:
        logger: what `make_logger` gave.
        result: the measured cell; None if it was stopped and will go on.
        pictures: PNG, MP4 and GIF files to show.
    """
    if logger is None:
        return
    exit_code = 1
    try:
        if result is None:
            exit_code = STOPPED
        else:
            log_result(logger, result, pictures)
            exit_code = 0 if result.status in ("ok", "n/a") else 1
    finally:
        logger.close(exit_code)


def log_tables(
    cells: Sequence[CellResult], results_dir: Path, mode: Mode = "off", *, markdown: str = ""
) -> None:
    """Log a finished table as a run of its own: every row, metric and seed.

    The run is called ``<table>/<budget>-<source>``; logged again it is the same run. Its files go
    to ``results_dir/runs/table-<table>-<budget>-<source>``.

    Args:
        cells: the cells of one table, budget and source.
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
    logger = _open(
        mode,
        Path(results_dir) / "runs" / run_id,
        run_id=run_id,
        name=f"{table}/{budget}-{source}",
        group=f"{table}/tables",
        job_type="table",
        tags=[*_commit_tags(commit, dirty), budget, source, table],
        config={
            "table": table,
            "budget": budget,
            "source": source,
            "commit": commit,
            "dirty": dirty,
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


def _open(mode: Mode, folder: Path, *, run_id: str, **init: Any) -> RunLogger | None:
    if mode == "off":
        return None
    if getattr(rank_zero_only, "rank", 0):
        return RunLogger(None, folder, {})
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    own = {
        "WANDB_DATA_DIR": str(folder / "wandb-data"),
        "WANDB_CACHE_DIR": str(folder / "wandb-data"),
    }
    # Where the user has chosen a place, it is theirs.
    replaced: dict[str, str | None] = {name: None for name in own if name not in os.environ}
    _set_variables({name: own[name] for name in replaced})
    try:
        check_mode(mode)
        run = wandb.init(
            id=run_id,
            resume="allow",
            mode=mode,
            dir=folder,
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            # Another run may be open in this process, a notebook's for instance: leave it alone.
            reinit="create_new",
            # The console is in the cell's own log; code and patches are nobody's business.
            settings=wandb.Settings(console="off", disable_code=True, disable_git=True, quiet=True),
            **init,
        )
    except BaseException as error:
        _set_variables(replaced)
        if isinstance(error, wandb.Error):
            raise TrackingError(
                f"W&B could not open the run ({error}); WANDB=offline records it in files that "
                "`wandb sync` sends later, WANDB=off does without"
            ) from error
        raise
    run.define_metric(STEP, hidden=True)
    run.define_metric("*", step_metric=STEP, step_sync=True)
    for loss in ("train/loss", "val/loss"):
        run.define_metric(loss, step_metric=STEP, summary="min,last")
    log.info("W&B run %s in %s", run.url or run.id, folder / "wandb")
    return RunLogger(run, folder, replaced)


def _define(run: wandb.Run, name: str, metric: str) -> None:
    best = "min" if METRICS[metric].better == "lower" else "max"
    run.define_metric(name, step_metric=STEP, summary=f"{best},last")


def _commit_tags(commit: str, dirty: bool) -> list[str]:
    return [commit[:12], "dirty"] if dirty else [commit[:12]]


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


def _set_variables(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
