"""What a cell leaves beside its numbers: pictures, and its W&B run.

Neither is worth a number: where they fail, the cell says so and goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.callbacks import StopRequestedError, read_jsonl
from benchmarks.protocols.interface import ProtocolResult
from benchmarks.schema import CellResult, CellSpec
from datamodules.interface import DataModule
from lightning_modules.interface import Method

log = logging.getLogger(__name__)

_SHOWN: Final = (".png", ".mp4")


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


def open_logger(
    cell: CellSpec,
    folder: Path,
    mode: str,
    remark: Callable[[str], None],
    measured: CellResult | None = None,
) -> Any:
    """A cell's W&B run, or None.

    Args:
        cell: whose.
        folder: its own.
        mode: ``off``, ``offline`` or ``online``.
        remark: told why there is no run (the server cannot be reached, for instance), and later
            why it took only a part of the training.
        measured: the cell's result where it has one.
    """
    if mode == "off":
        return None
    from benchmarks import tracking

    try:
        logger = tracking.make_logger(cell, folder, mode, measured=measured)  # type: ignore[arg-type]
    except tracking.TrackingError as error:
        log.warning("the cell goes on without W&B: %s", error)
        remark(f"not on W&B: {' '.join(str(error).split())[:300]}")
        return None
    if logger is not None:
        logger.on_lost = lambda reason: remark(f"on W&B in part: {reason}")
    return logger


def log_again(cell: CellSpec, result: CellResult, folder: Path, mode: str) -> None:
    """Give W&B a cell that is finished: its numbers and pictures, and its curves if it has none."""
    logger = open_logger(cell, folder, mode, lambda _: None, result)
    if logger is None:
        return
    if logger.fresh:
        logger.catch_up(read_jsonl(folder / "metrics.jsonl"))
    pictures = sorted(path for path in folder.glob("pictures/*") if path.suffix in _SHOWN)
    finish_logger(logger, result, pictures)


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
