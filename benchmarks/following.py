"""A process that trains a cell along with its leader, and does nothing else for it."""

from __future__ import annotations

from contextlib import closing, suppress
from pathlib import Path

import torch

from benchmarks.acceleration import PLAIN, Acceleration
from benchmarks.callbacks import CellTimeoutError, StopRequestedError, StopSignal
from benchmarks.cell import Attempt, Means
from benchmarks.ranks import Group, end_with_parent
from benchmarks.schema import CellSpec
from benchmarks.store import Store


def follow_cell(
    cell: CellSpec,
    group: Group,
    *,
    results: Path,
    root: str | None = None,
    cache_dir: str | None = None,
    device: str = "cpu",
    threads: int | None = None,
    save_every_seconds: float = 20.0,
    acceleration: Acceleration = PLAIN,
) -> None:
    """Train a cell, or what it starts from, along with its leader; arguments as `run_cell`."""
    if threads is not None:
        torch.set_num_threads(threads)
    end_with_parent()
    store = Store(results)
    with StopSignal(deaf=True).installed() as stop, closing(group):
        group.meet()
        means = Means(store, torch.device(device), stop, save_every_seconds, group, acceleration)
        # Who leads says how the cell has ended.
        with suppress(StopRequestedError, CellTimeoutError):
            while (message := group.hear()) is not None:
                attempt = Attempt(_named(cell, message["cell"]), means)
                attempt.follow(message, root, cache_dir)


def _named(cell: CellSpec, cell_id: str) -> CellSpec:
    """A cell, or what it starts from, by its id."""
    found: CellSpec | None = cell
    while found is not None and found.cell_id != cell_id:
        found = found.base_cell
    if found is None:
        raise ValueError(f"the leader trains cell {cell_id}, this process has {cell.cell_id}")
    return found
