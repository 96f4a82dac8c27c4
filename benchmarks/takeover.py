"""Taking over the training of another cell, so that tables that share rows share trainings too.

A cell that has trained nothing yet looks among the finished cells of its results folder for one of
the same training (`benchmarks.trainings`). It copies that one's last checkpoint and its curves into
its own run folder, and goes on as if it had been stopped between training and scoring; from then on
it needs nobody. The checkpoint comes last, whole or not at all: a kill before that leaves nothing
that counts.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from benchmarks import checkpoints
from benchmarks.callbacks import ProgressFile
from benchmarks.costs import Costs, commit_name
from benchmarks.files import write_atomically
from benchmarks.schema import CellResult, CellSpec
from benchmarks.store import Store
from benchmarks.trainings import Stage

log = logging.getLogger(__name__)


@contextmanager
def alone_in_training(cell: CellSpec, store: Store) -> Iterator[None]:
    """Within the block no other process works on a cell of the same training.

    Who comes second finds the training done. Everybody has taken the lock of his cell before, and
    waits for no other one within the block, so no two can wait for each other.
    """
    if not cell.fit:
        yield
        return
    with holding(store.training_lock(cell), store.run_folder(cell.cell_id)):
        yield


@contextmanager
def holding(path: Path, folder: Path) -> Iterator[None]:
    """Hold a lock; wait for it if need be, and say so in a run folder's ``progress.json``."""
    # The lock is the kernel's: it goes when its process goes, however that dies.
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log.info("waiting for another process, which holds %s", path.name)
        ProgressFile(folder / "progress.json").write(phase="wait")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def take_over(cell: CellSpec, store: Store, stages: Sequence[Stage], costs: Costs) -> Path | None:
    """Put the finished training of another cell into this one's run folder, if there is one.

    Args:
        cell: that has trained nothing yet.
        store: the results folder.
        stages: of its training.
        costs: the cell's; what the training took, and whose it is, is put into them and written.

    Returns:
        The checkpoint of the last stage, now this cell's own; None if no other cell has one that
        is undamaged, or none that was trained since this one was forgotten.
    """
    forgotten = store.forgotten(cell)
    for other in store.trained_alike(cell):
        last, theirs = stages[-1].checkpoint, store.run_folder(other.cell_id)
        if forgotten and not _trained_since(forgotten, theirs):
            continue
        try:
            state = checkpoints.check_owner(theirs / last.name, other.cell_id)
        except (OSError, ValueError) as error:
            log.warning("the training of cell %s cannot be taken over: %s", other.cell_id, error)
            continue
        for stage in stages:
            if (theirs / stage.metrics.name).exists():
                write_atomically(stage.metrics, (theirs / stage.metrics.name).read_bytes())
        _charge(costs, other, theirs)
        costs.write(store.run_folder(cell.cell_id) / "state.json")
        checkpoints.sign(state, cell.cell_id, cell.config())
        checkpoints.AtomicCheckpointIO().save_checkpoint(state, last)
        log.info("taken over from cell %s of table %s: its training", other.cell_id, other.table)
        return last
    return None


def _trained_since(moment: str, folder: Path) -> bool:
    """Whether a run folder's cell was begun since then, and its training is its own."""
    costs = Costs.read(folder / "state.json")
    return costs is not None and not costs.taken_from and costs.started >= moment


def _charge(costs: Costs, other: CellResult, folder: Path) -> None:
    """Add what the training of another cell took, wherever that one has it from."""
    theirs = Costs.read(folder / "state.json")
    if theirs is None or not theirs.commits:
        theirs = Costs(commits=[commit_name(other.commit, other.dirty)])
    costs.train_seconds = other.train_seconds
    costs.peak_memory_mib = max(costs.peak_memory_mib, other.peak_memory_mib)
    costs.commits = theirs.commits
    costs.accelerated = other.accelerated
    costs.taken_from = theirs.taken_from or {
        "table": other.table,
        "row": other.row,
        "cell": other.cell_id,
    }
