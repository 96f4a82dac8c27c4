"""A cell's training: what its weights hang on, and in which stages and files it goes.

Cells that agree in what decides the weights are one training, whatever their tables: a table that
scores the rows of another one by another protocol takes over what that has trained (see
`benchmarks.takeover`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.files import digest
from benchmarks.schema import CellSpec

DECIDES: Final = (
    *("method", "args", "fit", "train_on", "trainer", "pretrain", "base"),
    *("dataset", "data", "source", "data_fingerprint", "seed"),
)
"""Fields of a cell's configuration that its weights hang on. Table, row and budget are names, and
protocols look at weights that are frozen."""


def training_id(config: Mapping[str, Any]) -> str:
    """16 hex digits, the same for all cells of one training.

    Args:
        config: `CellSpec.config` of a cell, or what a result or a checkpoint says it was.
    """
    return digest({field: config.get(field) for field in DECIDES})


def built_on(cell: CellSpec, base: CellSpec) -> CellSpec:
    """A cell that starts from the weights of another one.

    Its method is told which method that is, by its arguments ``encoder`` and ``encoder_args``, and
    holds all of it, so that its checkpoints load alone. Whatever decides the base's weights is in
    the cell's id; the base's table, row and protocol are not, for they are names.
    """
    config = base.config()
    return cell.model_copy(
        update={
            "args": cell.args | {"encoder": base.method, "encoder_args": base.args},
            "base": {field: config[field] for field in DECIDES if field in config},
            "base_cell": base,
        }
    )


@dataclass(frozen=True)
class Stage:
    """One of a cell's trainings, on a dataset of its own.

    Args:
        data: which of the cell's datasets, see `CellSpec.datasets`.
        trainer: the Trainer's arguments.
        checkpoint: its state, so far.
        metrics: its curves.
    """

    data: int
    trainer: dict[str, Any]
    checkpoint: Path
    metrics: Path


def stages_of(cell: CellSpec, folder: Path) -> list[Stage]:
    """The trainings of a cell in their order, with their files in its run folder."""
    stages = []
    if cell.pretrain is not None:
        # The curves of a cell are those of its last training.
        log_name = "metrics-pretrain.jsonl" if cell.trainer else "metrics.jsonl"
        first = (folder / "resume-pretrain.ckpt", folder / log_name)
        stages.append(Stage(1, cell.pretrain["trainer"], *first))
    if cell.trainer:
        stages.append(Stage(0, cell.trainer, folder / "resume.ckpt", folder / "metrics.jsonl"))
    return stages
