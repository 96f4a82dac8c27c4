"""The run of a trial: of a sweep, if an agent has started it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks import environment
from benchmarks.schema import CellSpec
from benchmarks.tracking.cells import run_config
from benchmarks.tracking.session import Mode, RunLogger, commit_tags, open_run

TRIAL_JOB: Final = "trial"
"""Job type of a trial's run."""


def make_trial_logger(
    cell: CellSpec, changes: Mapping[str, Any], folder: Path, mode: Mode
) -> RunLogger | None:
    """Open the run of a trial.

    Args:
        cell: with its arguments changed.
        changes: what was changed.
        folder: the cell's own.
        mode: as for `make_logger`.

    Raises:
        TrackingError: as for `make_logger`.
    """
    commit, dirty = environment.commit_and_dirty()
    # A sweep's agent says which run it waits for; W&B resumes none of those.
    given = os.environ.get("WANDB_RUN_ID") if os.environ.get("WANDB_SWEEP_ID") else None
    changed = " ".join(f"{name}={value}" for name, value in sorted(changes.items()))
    return open_run(
        mode,
        folder,
        run_id=given or f"trial-{cell.cell_id}",
        resume=None if given else "allow",
        name=f"{cell.row} {changed}"[:120].strip(),
        group=f"{cell.table}/{cell.row}/trials",
        job_type=TRIAL_JOB,
        tags=[*commit_tags(commit, dirty), cell.budget, cell.source, cell.table, TRIAL_JOB],
        config={**run_config(cell), "changes": dict(changes)},
    )
