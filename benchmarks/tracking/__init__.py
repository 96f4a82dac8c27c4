"""Runs on Weights & Biases: the one folder that touches ``wandb``.

W&B shows a cell, it never holds it: the number stands in the cell's JSON, the curves in
``metrics.jsonl``, and a kill loses up to the last 15 seconds of an offline run. A copy of the JSON
goes with the run, so that others can have the cell too.

======================  =========================================================================
`session`               opening a run, Lightning's logger
`cells`, `tables`       what is logged of a cell, and of a table with its papers' numbers
`offline`               reading back what offline runs wrote
`dashboard`, `boards`   a table's dashboard: as data, and saved as a workspace and a report
`pull`                  a project's runs -> cells in a results folder
`sweeps`, `trials`      searches over a row's arguments, which never see a test picture
======================  =========================================================================
"""

from benchmarks.tracking.cells import STOPPED, finish, log_result, make_logger
from benchmarks.tracking.session import (
    PROJECT,
    STEP,
    Mode,
    RunLogger,
    TrackingError,
    check_mode,
    project_name,
)
from benchmarks.tracking.tables import log_tables

__all__ = [
    "PROJECT",
    "STEP",
    "STOPPED",
    "Mode",
    "RunLogger",
    "TrackingError",
    "check_mode",
    "finish",
    "log_result",
    "log_tables",
    "make_logger",
    "project_name",
]
