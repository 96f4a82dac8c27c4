"""The one interface of all engines: cells are submitted, their ends are gathered.

An engine decides where and when a cell's command runs; what its end means, the runner decides. A
cell knows of no engine: it is the same command everywhere, with its state in files.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from benchmarks.devices import Slot

EXIT_STOPPED = 75
"""Exit code of a cell that was asked to stop: run it again and it goes on."""


class EngineError(ValueError):
    """An engine is not installed, not there, or refuses what it was asked."""


@dataclass(frozen=True)
class Job:
    """A cell that is to be run.

    Args:
        cell_id: whose process it will be.
        title: the cell in words.
        command: what starts it in a slot.
        folder: its run folder, which gets its log.
    """

    cell_id: str
    title: str
    command: Callable[[Slot], list[str]]
    folder: Path


@dataclass(frozen=True)
class Exit:
    """A cell's process has ended.

    Args:
        cell_id: whose it was.
        code: as `subprocess.Popen.returncode`: negative is a signal.
        place: where it ran, in words.
        reason: the engine's own words, where it lost the cell; empty where the code says all.
    """

    cell_id: str
    code: int
    place: str
    reason: str = ""


class Engine(Protocol):
    """Runs the commands of cells."""

    def room(self) -> bool:
        """Whether one more cell may be submitted now."""

    def knows(self, cell_id: str) -> bool:
        """Whether a cell is in the engine's hands already, of an earlier call perhaps."""

    def submit(self, job: Job) -> str:
        """Take a cell.

        Returns:
            Where it runs, or waits, in words.
        """

    def gather(self) -> list[Exit]:
        """The cells that have ended since the last call."""

    def kill(self, cell_id: str) -> None:
        """End a cell that hangs, at once; it is not gathered."""

    def stop(self, grace_seconds: float) -> str:
        """End or leave whatever runs; cells get so much time to save themselves.

        Returns:
            What a person should know of it; may be empty.
        """

    def close(self) -> None:
        """Let go of what the engine holds; nothing runs any more."""
