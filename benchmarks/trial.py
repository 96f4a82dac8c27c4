"""One trial of a search: a row is trained with other arguments, and nothing is scored.

It is trained exactly as its cell would be, in the cell's own run folder: what a search has found
need not be trained again when the arguments go into the table. Only what training logs is
reported, so that nothing is chosen on test data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock

from benchmarks import callbacks as cb
from benchmarks.acceleration import PLAIN
from benchmarks.cell import Attempt, Means
from benchmarks.ranks import Group, World
from benchmarks.schema import CellSpec
from benchmarks.store import Store
from benchmarks.takeover import alone_in_training
from benchmarks.tracking import Mode, RunLogger
from benchmarks.tracking.trials import make_trial_logger


class NothingLoggedError(ValueError):
    """The training has not logged what trials are compared by."""


def run_trial(
    cell: CellSpec,
    changes: Mapping[str, Any],
    metric: str,
    *,
    results: Path,
    root: str | None = None,
    cache_dir: str | None = None,
    device: str = "cpu",
    threads: int | None = None,
    wandb: Mode = "off",
    save_every_seconds: float = 20.0,
) -> float:
    """Train a cell and give back what it is compared by, at the end of training.

    Args:
        cell: with its arguments changed.
        changes: what was changed, for the run's configuration.
        metric: as training logs it.
        results: the results folder.
        root: the user's copy of the dataset (source ``real``).
        cache_dir: where prepared data is kept; None for the user's cache folder.
        device: ``cpu``, ``cuda`` or ``cuda:1``.
        threads: CPU threads; None leaves torch's setting.
        wandb: record the run with Weights & Biases; within a sweep it is the sweep's run.
        save_every_seconds: least time between two checkpoints.

    Raises:
        NothingLoggedError: training logs no such metric; names those that it logs.
        StopRequestedError: SIGTERM or SIGINT came; a later call goes on from the last epoch saved.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    store = Store(Path(results))
    folder = store.run_folder(cell.cell_id)
    folder.mkdir(parents=True, exist_ok=True)
    with cb.StopSignal().installed() as stop, FileLock(folder / "lock"):
        group = Group(World(), device.startswith("cuda"))
        logger = make_trial_logger(cell, changes, folder, wandb)
        exit_code = 1
        try:
            with alone_in_training(cell, store), closing(group):
                place = torch.device(device)
                means = Means(store, place, stop, save_every_seconds, group, PLAIN)
                attempt = Attempt(cell, means)
                curves = attempt.stages[-1].metrics
                _show(logger, curves)
                attempt.weights(root, cache_dir, logger)
            _show(logger, curves)
            value = _last(cb.read_jsonl(curves), metric)
            exit_code = 0
        finally:
            if logger is not None:
                logger.close(exit_code)
    return value


def _show(logger: RunLogger | None, curves: Path) -> None:
    """Log what an earlier attempt, or another cell of the same training, has trained."""
    if logger is not None:
        logger.catch_up(cb.read_jsonl(curves))


def _last(rows: Sequence[Mapping[str, Any]], metric: str) -> float:
    values = [row[metric] for row in rows if metric in row]
    if not values:
        names = {key for row in rows for key in row if "/" in key}
        logged = sorted(name for name in names if not name.endswith("_step"))
        raise NothingLoggedError(
            f"training has logged no '{metric}'; it logs {', '.join(logged) or 'nothing'}"
        )
    return float(values[-1])
