"""What a cell leaves beside its numbers: pictures, and its W&B run.

Neither is worth a number: where they fail, the cell says so and goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.callbacks import StopRequestedError
from benchmarks.protocols.interface import ProtocolResult
from benchmarks.schema import CellResult, CellSpec
from datamodules.interface import DataModule
from lightning_modules.interface import Method

log = logging.getLogger(__name__)


def draw(
    cell: CellSpec, scored: ProtocolResult, method: Method, data: DataModule, folder: Path
) -> tuple[list[Path], str]:
    """Draw a cell's pictures into its run folder.

    Returns:
        The files, and why there are none.

    Raises:
        StopRequestedError: a signal came.
    """
    try:
        from benchmarks import pictures, samples

        found = pictures.draw_cell(
            scored,
            folder / "pictures",
            title=pictures.cell_title(cell),
            method=method,
            samples=samples.of_data(data, method),
        )
        return found, ""
    except StopRequestedError:
        raise
    except Exception as error:
        log.exception("the pictures of cell %s failed", cell.cell_id)
        return [], f"no pictures: {reason_of(error)}"


def open_logger(cell: CellSpec, folder: Path, mode: str) -> tuple[Any, str]:
    """A cell's W&B run, and why there is none: the server cannot be reached, for instance."""
    if mode == "off":
        return None, ""
    from benchmarks import tracking

    try:
        return tracking.make_logger(cell, folder, mode), ""  # type: ignore[arg-type]
    except tracking.TrackingError as error:
        log.warning("the cell goes on without W&B: %s", error)
        return None, f"not on W&B: {' '.join(str(error).split())[:300]}"


def finish_logger(logger: Any, result: CellResult | None, pictures: Sequence[Path]) -> None:
    """Tell W&B how a cell has ended; None for one that was stopped."""
    if logger is None:
        return
    from benchmarks import tracking

    try:
        tracking.finish(logger, result, list(pictures))
    except Exception:
        log.exception("W&B could not take the end of a cell")


def reason_of(error: BaseException) -> str:
    """An error in one line of 400 characters at most."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:400] if text else type(error).__name__
