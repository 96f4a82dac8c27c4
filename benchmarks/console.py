"""What a person sees while cells run: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from benchmarks.schema import CellResult, CellSpec

PLAIN_EVERY_SECONDS = 60.0
STATUS_STYLE = {"ok": "green", "n/a": "yellow", "failed": "red", "timeout": "red"}


class Reporter:
    """Reports a run of cells.

    Args:
        console: where to; bars only if it is a terminal.
        total: number of cells.
        metrics: by table, the one shown beside a finished cell.
    """

    def __init__(
        self, console: Console, total: int, metrics: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self.console = console
        self.metrics = metrics
        self.total = total
        self.done = 0
        self._tasks: dict[str, TaskID] = {}
        self._said_at: dict[str, float] = {}
        self._bars: Progress | None = None
        self._overall: TaskID | None = None

    def __enter__(self) -> Reporter:
        """Show the bars."""
        if self.console.is_terminal:
            self._bars = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.fields[detail]}"),
                console=self.console,
            )
            self._overall = self._bars.add_task("cells", total=self.total, detail="")
            self._bars.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Take the bars away."""
        if self._bars is not None:
            self._bars.stop()

    def note(self, text: str) -> None:
        """One line for a person."""
        self.console.print(escape(text), highlight=False, soft_wrap=True)

    def launched(self, cell: CellSpec, place: str) -> None:
        """A cell starts."""
        self._said_at[cell.cell_id] = time.monotonic()
        if self._bars is not None:
            self._tasks[cell.cell_id] = self._bars.add_task(
                f"  {title(cell)}", total=None, detail="starting"
            )
        else:
            self.note(f"{title(cell)}: running on {place}")

    def progressed(self, cell: CellSpec, progress: dict[str, Any]) -> None:
        """A cell has come further; ``progress`` is the content of its ``progress.json``."""
        detail = progress_words(progress)
        if self._bars is not None:
            self._bars.update(
                self._tasks[cell.cell_id],
                completed=progress.get("done", 0),
                total=progress.get("total"),
                detail=escape(detail),
            )
        elif time.monotonic() - self._said_at[cell.cell_id] >= PLAIN_EVERY_SECONDS:
            self._said_at[cell.cell_id] = time.monotonic()
            self.note(f"{title(cell)}: {detail}")

    def left(self, cell: CellSpec) -> None:
        """A cell no longer runs, with or without a result."""
        task = self._tasks.pop(cell.cell_id, None)
        if self._bars is not None and task is not None:
            self._bars.remove_task(task)

    def finished(self, cell: CellSpec, result: CellResult, *, known: bool) -> None:
        """A cell has a result; ``known`` if it stood there before."""
        self.left(cell)
        self.done += 1
        if self._bars is not None and self._overall is not None:
            self._bars.update(self._overall, completed=self.done)
        words = "finished before" if known else f"{result.wall_seconds:.0f} s"
        metric = self.metrics.get(cell.table, "")
        if metric in result.metrics:
            words += f", {metric} {result.metrics[metric]:.2f}"
        if result.reason:
            words += f", {result.reason}"
        style = STATUS_STYLE[result.status]
        self.console.print(
            f"\\[{self.done}/{self.total}] {escape(title(cell))}: "
            f"[{style}]{result.status}[/{style}], {escape(words)}",
            highlight=False,
            soft_wrap=True,
        )


def title(cell: CellSpec) -> str:
    """A cell in words, e.g. ``mafl dlp-k30 seed 0``."""
    return f"{cell.table} {cell.row} seed {cell.seed}"


def progress_words(progress: dict[str, Any]) -> str:
    """A cell's ``progress.json`` in words."""
    if "base" in progress:
        first = {key: value for key, value in progress.items() if key != "base"}
        return f"first row '{progress['base']}', {progress_words(first)}"
    phase = str(progress.get("phase", "starting"))
    if phase != "train":
        words = {
            "data": "reading data",
            "score": "scoring",
            "wait": "waiting for another process",
        }.get(phase, phase)
        return f"{words} {progress['split']}" if "split" in progress else words
    loss = progress.get("loss")
    words = f"epoch {progress.get('epoch')}/{progress.get('epochs')}"
    return words if loss is None else f"{words}, loss {loss:.4g}"
