"""The results folder: where a cell's files lie, and which cells stand there.

::

    RESULTS/cells/<table>/<cell_id>.json     one measured cell, written whole or not at all
    RESULTS/runs/<cell_id>/                  log.txt metrics.jsonl resume.ckpt pictures/ ...
    RESULTS/runs/training-<training_id>.lock held while a cell of that training is worked on
    RESULTS/runs/common/                     what scorings of several cells need, see protocols.kept
    RESULTS/slurm/                           scripts of job arrays, see engines.slurm
    RESULTS/tables/<table>-<budget>-<source>.{md,tex,csv,json}
    RESULTS/baselines/<table>-<budget>-<source>.json
    RESULTS/kept/{cells,tables}/             what is in git, see keeping; a results folder by itself
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.cell_files import NewerVersionError, ResultError, encode, read_cell
from benchmarks.files import write_atomically
from benchmarks.schema import CellResult, CellSpec, Source, Spec
from benchmarks.specs import resolve_cell, runnable_rows
from benchmarks.trainings import training_id

log = logging.getLogger(__name__)

FINISHED = frozenset({"ok", "n/a"})
"""Statuses of cells that are not run again; failed and timed-out ones are."""


AFRESH = "train-afresh"
"""File of a run folder that says when it was forgotten: no training from before will do."""


@dataclass(frozen=True)
class Store:
    """A results folder.

    Args:
        root: the folder.
    """

    root: Path

    def cell_path(self, table: str, cell_id: str) -> Path:
        """The JSON file of a cell."""
        return self.root / "cells" / table / f"{cell_id}.json"

    def run_folder(self, cell_id: str) -> Path:
        """What a cell leaves beside its numbers."""
        return self.root / "runs" / cell_id

    def common_folder(self) -> Path:
        """Where scorings keep what other cells need too."""
        return self.root / "runs" / "common"

    def training_lock(self, cell: CellSpec) -> Path:
        """The lock of a cell's training, which cells of other tables may share."""
        return self.root / "runs" / f"training-{training_id(cell.config())}.lock"

    def lock(self, cell: CellSpec) -> Path:
        """Whoever holds it works on the cell."""
        return self.run_folder(cell.cell_id) / "lock"

    def locks(self, cell: CellSpec) -> list[Path]:
        """Whoever holds one of these works on the cell, its training, or what it starts from."""
        found = [self.lock(cell), self.training_lock(cell)]
        return found if cell.base_cell is None else [*found, *self.locks(cell.base_cell)]

    def slurm_folder(self) -> Path:
        """Scripts of job arrays, and what was submitted of them."""
        return self.root / "slurm"

    def tables_folder(self) -> Path:
        """The generated tables."""
        return self.root / "tables"

    def baseline_path(self, table: str, budget: str, source: Source) -> Path:
        """The numbers that the gate compares with."""
        return self.root / "baselines" / f"{table}-{budget}-{source}.json"

    def kept(self) -> Store:
        """The cells that are in git, a results folder by itself."""
        return Store(self.root / "kept")

    def write(self, result: CellResult) -> Path:
        """Write a cell, whole or not at all.

        Raises:
            ResultError: its schema does not allow it.
        """
        path = self.cell_path(result.table, result.cell_id)
        write_atomically(path, encode(result))
        return path

    def read(self, table: str, cell_id: str) -> CellResult | None:
        """A cell, or None where there is none or its file is damaged (said aloud).

        Raises:
            NewerVersionError: a newer version of this code has measured it, and may again.
        """
        try:
            return read_cell(self.cell_path(table, cell_id))
        except FileNotFoundError:
            return None
        except NewerVersionError:
            raise
        except ResultError as error:
            log.warning("%s; the cell counts as not run", error)
            return None

    def finished(self, cell: CellSpec) -> CellResult | None:
        """The cell's result, if it need not be run again."""
        result = self.read(cell.table, cell.cell_id)
        return result if result is not None and result.status in FINISHED else None

    def trained_alike(self, cell: CellSpec) -> Iterator[CellResult]:
        """Other cells that have numbers and whose training is the same, of any table."""
        wanted = training_id(cell.config())
        for path in sorted((self.root / "cells").glob("*/*.json")):
            if path.stem == cell.cell_id or not self.run_folder(path.stem).is_dir():
                continue
            result = self.read(path.parent.name, path.stem)
            if result is None or result.status != "ok":
                continue
            if training_id(result.config) == wanted:
                yield result

    def forget(self, cell: CellSpec) -> None:
        """Remove a cell's result and what was trained of it, so that it is run from the start.

        Nor will it take over a training that was begun before.
        """
        self.cell_path(cell.table, cell.cell_id).unlink(missing_ok=True)
        folder = self.run_folder(cell.cell_id)
        folder.mkdir(parents=True, exist_ok=True)
        # A part of a second more than `Costs.started` has: what began in this one began before.
        write_atomically(folder / AFRESH, datetime.now(UTC).isoformat(timespec="milliseconds"))
        for path in folder.glob("resume*"):
            path.unlink()

    def forgotten(self, cell: CellSpec) -> str:
        """When a cell was forgotten, to compare with `Costs.started`; empty if it never was."""
        try:
            return (self.run_folder(cell.cell_id) / AFRESH).read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""

    def read_table(
        self,
        spec: Spec,
        *,
        budget: str,
        source: Source,
        fingerprint: str | None = None,
        settle: Callable[[CellSpec], CellSpec] = lambda cell: cell,
    ) -> tuple[list[CellResult], list[CellResult]]:
        """All cells of a table, parted into those that fit its specification and stale ones.

        Args:
            spec: the table.
            budget: cells of this budget.
            source: cells of this source.
            fingerprint: of the data that counts; None takes what the cells say, if they agree.
            settle: see `benchmarks.build.settle`.

        Returns:
            Cells in the order of rows and seeds, and cells that another state of the
            specification, or other data, has measured.

        Raises:
            ResultError: a file is damaged, or cells of different data stand there.
        """
        order = {row: place for place, row in enumerate(runnable_rows(spec))}
        current: list[CellResult] = []
        stale: list[CellResult] = []
        for path in sorted((self.root / "cells" / spec.table).glob("*.json")):
            try:
                result = read_cell(path)
            except FileNotFoundError:
                continue  # another runner tries that cell again
            if (result.budget, result.source) != (budget, source):
                continue
            fits = is_current(spec, result, fingerprint=fingerprint, settle=settle)
            (current if fits else stale).append(result)
        seen: dict[tuple[str, int], str] = {}
        for result in current:
            other = seen.setdefault((result.row, result.seed), result.data_fingerprint)
            if other != result.data_fingerprint:
                raise ResultError(
                    f"{self.root}: row '{result.row}', seed {result.seed} was measured on "
                    f"different data ({other} and {result.data_fingerprint}); say which with "
                    "--data-root, or keep one results folder for each copy of the data"
                )
        current.sort(key=lambda result: (order[result.row], result.seed))
        return current, stale


def is_current(
    spec: Spec,
    result: CellResult,
    *,
    fingerprint: str | None = None,
    settle: Callable[[CellSpec], CellSpec] = lambda cell: cell,
) -> bool:
    """Whether a table, as it is specified now, would run this very cell; arguments as above."""
    if result.row not in runnable_rows(spec) or not spec.has_budget(result.budget):
        return False
    planned = resolve_cell(
        spec,
        result.row,
        seed=result.seed,
        budget=result.budget,
        source=result.source,
        data_fingerprint=fingerprint or result.data_fingerprint,
    )
    return settle(planned).cell_id == result.cell_id
