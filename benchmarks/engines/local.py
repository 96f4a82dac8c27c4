"""Cells as processes of this machine, one a slot."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from benchmarks.devices import Slot
from benchmarks.engines.interface import Exit, Job
from benchmarks.engines.process import end, kill, start


class LocalEngine:
    """Gives each device slot one cell at a time.

    Args:
        slots: where cells may run.
    """

    def __init__(self, slots: Sequence[Slot]) -> None:
        self.slots = list(slots)
        self._running: dict[Slot, tuple[str, subprocess.Popen[bytes]]] = {}

    def room(self) -> bool:
        """Whether a slot is free."""
        return len(self._running) < len(self.slots)

    def knows(self, cell_id: str) -> bool:
        """Whether a slot has this cell."""
        return any(running == cell_id for running, _ in self._running.values())

    def submit(self, job: Job) -> str:
        """Start a cell in the first free slot."""
        slot = next(slot for slot in self.slots if slot not in self._running)
        process = start(job.command(slot), job.cell_id, job.folder, slot)
        self._running[slot] = (job.cell_id, process)
        return slot.name

    def gather(self) -> list[Exit]:
        """The cells whose processes have ended."""
        exits = []
        for slot, (cell_id, process) in list(self._running.items()):
            code = process.poll()
            if code is not None:
                del self._running[slot]
                exits.append(Exit(cell_id, code, slot.name))
        return exits

    def kill(self, cell_id: str) -> None:
        """Kill the cell's process and all that it has started."""
        for slot, (running, process) in list(self._running.items()):
            if running == cell_id:
                kill(process)
                del self._running[slot]

    def stop(self, grace_seconds: float) -> str:
        """Ask every cell to stop, wait, then kill."""
        end([process for _, process in self._running.values()], grace_seconds)
        self._running.clear()
        return ""

    def close(self) -> None:
        """Nothing is held."""
