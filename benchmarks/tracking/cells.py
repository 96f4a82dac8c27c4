"""One cell is one run, whose id is the cell's id, so that an interrupted cell goes on in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import wandb

from benchmarks import environment
from benchmarks.cell_files import encode
from benchmarks.metrics import METRICS
from benchmarks.schema import CellResult, CellSpec
from benchmarks.store import FINISHED
from benchmarks.tracking.session import STEP, Mode, RunLogger, commit_tags, open_run

STOPPED: Final = 75
"""Exit code of a run whose cell was stopped and will go on (EX_TEMPFAIL)."""

CELL_JOB: Final = "cell"
"""Job type of a cell's run."""

CELL_FILE: Final = "cell.json"
"""The run's file that holds the whole cell, as it stands in the results folder."""


def make_logger(
    cell: CellSpec, run_dir: Path, mode: Mode = "off", *, measured: CellResult | None = None
) -> RunLogger | None:
    """Open the run of a cell, or go on with it.

    Args:
        cell: what is measured; all of `CellSpec.config` goes into the run's configuration.
        run_dir: the cell's own folder; W&B's files go to ``run_dir/wandb`` and ``wandb-data``.
        mode: ``off`` gives None; ``offline`` writes files that ``wandb sync`` sends later.
        measured: its result, if it has been measured before, with what code.

    Returns:
        A logger for Lightning's Trainer. Hand it to `finish`, whatever happens.

    Raises:
        TrackingError: ``online`` without an account, or the server cannot be reached.
    """
    config = run_config(cell, measured)
    return open_run(
        mode,
        Path(run_dir),
        run_id=cell.cell_id,
        name=f"{cell.row}/s{cell.seed}",
        group=f"{cell.table}/{cell.row}",
        job_type=CELL_JOB,
        tags=[
            *commit_tags(config["commit"], config["dirty"]),
            cell.budget,
            f"seed-{cell.seed}",
            cell.source,
            cell.table,
        ],
        config=config,
    )


def run_config(cell: CellSpec, measured: CellResult | None = None) -> dict[str, Any]:
    """What a run says of the cell it is of: one flat key for each thing to filter by."""
    if measured is None:
        commit, dirty = environment.commit_and_dirty()
        versions = environment.versions()
    else:
        commit, dirty, versions = measured.commit, measured.dirty, measured.versions
    return {
        **cell.config(),
        "cell_id": cell.cell_id,
        "commit": commit,
        "dirty": dirty,
        "versions": versions,
    }


def log_result(logger: RunLogger, result: CellResult, pictures: Sequence[Path] = ()) -> None:
    """Log a cell's final metrics with their intervals, the same as a table, and its pictures.

    Metrics are named ``test/<id>``, with the ends of their 95 % intervals ``test/<id>_low`` and
    ``test/<id>_high``; pictures ``pictures/<file name>`` and films ``videos/<file name>``, as their
    MP4 files, for a GIF beside one shows the same. The run's file ``cell.json`` is the whole cell,
    for `benchmarks.tracking.pull`.
    """
    run = logger.run
    if run is None:
        return
    row: dict[str, Any] = {STEP: result.steps}
    lines: list[Iterable[Any]] = []
    for metric, value in result.metrics.items():
        low, high = result.intervals.get(metric, (None, None))
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
    # The same cell is the same run for everybody: who fails takes no finished cell away, and shows
    # no number of an earlier attempt as his.
    if result.status in FINISHED:
        _keep_whole(run, result)
    else:
        old = [name for name in dict(run.summary) if name.startswith("test/")]
        for name in old:
            del run.summary[name]  # type: ignore[no-untyped-call]


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
            exit_code = 0 if result.status in FINISHED else 1
    finally:
        logger.close(exit_code)


def _keep_whole(run: wandb.Run, result: CellResult) -> None:
    # In the run's own folder: of a file elsewhere the client keeps a link, which shows whatever
    # stands there when an offline run is sent.
    path = Path(run.dir) / CELL_FILE
    path.write_text(encode(result), encoding="utf-8")
    run.save(str(path), base_path=run.dir, policy="now")
