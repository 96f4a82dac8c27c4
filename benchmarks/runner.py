"""Running many cells: one process each, on whatever engine, all state in files.

A cell is done when its JSON stands there, never because of an exit code. So this process and every
cell may be killed at any moment; a second run does what is left.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from benchmarks import environment
from benchmarks.console import Reporter, title
from benchmarks.devices import Slot
from benchmarks.engines.interface import EXIT_STOPPED, Engine, Exit, Job
from benchmarks.files import is_locked, read_json
from benchmarks.schema import CellSpec, Status
from benchmarks.store import Store

ENTRY = ("-m", "benchmarks")
"""What Python runs for a cell."""

CommandOf = Callable[[CellSpec, Slot], list[str]]


class RunnerStoppedError(Exception):
    """Ctrl-C or SIGTERM: the cells in progress were stopped, the rest was not begun."""


@dataclass
class _Flight:
    """A cell in the engine's hands.

    Args:
        cell: which.
        place: where it was sent.
        began: `time.monotonic` from which its time counts.
        started: when it was submitted.
        attempt: names the process that it runs in, where that has said so.
        seen: whether it has a place by now.
    """

    cell: CellSpec
    place: str
    began: float
    started: str
    attempt: str = ""
    seen: bool = False


class Runner:
    """Runs cells until each has a result.

    Args:
        store: the results folder.
        engine: where cells run.
        command: how a cell is started; see `cell_command`.
        reporter: what a person sees.
        grace_seconds: time a cell gets to stop before it is killed.
    """

    def __init__(
        self,
        store: Store,
        engine: Engine,
        command: CommandOf,
        reporter: Reporter,
        *,
        grace_seconds: float = 20.0,
    ) -> None:
        self.store = store
        self.engine = engine
        self.command = command
        self.reporter = reporter
        self.grace_seconds = grace_seconds
        self._pending: list[CellSpec] = []
        self._running: dict[str, _Flight] = {}
        self._killed_once: set[str] = set()
        self._said_waiting = False
        self.failed: list[str] = []

    def run(self, cells: Sequence[CellSpec]) -> list[str]:
        """Run what is not finished.

        Returns:
            The cells without numbers (failed, timed out, stopped by somebody else), in words.

        Raises:
            RunnerStoppedError: Ctrl-C or SIGTERM.
        """
        self._pending = [cell for cell in cells if not self._report_if_finished(cell)]
        with _sigterm_as_interrupt():
            try:
                while self._pending or self._running:
                    self._launch()
                    for gone in self.engine.gather():
                        self._settle(self._running.pop(gone.cell_id), gone)
                    for flight in list(self._running.values()):
                        self._look_at(flight)
                    time.sleep(0.1)
            except KeyboardInterrupt:
                words = self._stop()
                raise RunnerStoppedError(
                    f"stopped; {len(self._pending)} cells were not begun. The same command goes on "
                    "from here: finished cells stay, those in progress resume from their last "
                    f"saved epoch{words and '. '}{words}"
                ) from None
            except BaseException:
                self._stop()
                raise
        return self.failed

    def submit(self, cells: Sequence[CellSpec]) -> str:
        """Hand everything that is not finished to the engine, and leave it there.

        Returns:
            What a person should know.
        """
        for cell in cells:
            if not self._report_if_finished(cell):
                self._start(cell)
        self.engine.gather()
        number = len(self._running)
        return (
            f"{number} cells are in the queue. {self._stop()}. The same command, without "
            "--no-wait, waits for them and prints the table"
        )

    def _report_if_finished(self, cell: CellSpec) -> bool:
        result = self.store.finished(cell)
        if result is not None:
            self.reporter.finished(cell, result, known=True)
        return result is not None

    def _launch(self) -> None:
        while self._pending and self.engine.room():
            cell = self._next()
            if cell is None:
                return
            self._start(cell)

    def _next(self) -> CellSpec | None:
        """The first cell that no other process works on."""
        for cell in list(self._pending):
            if any(map(is_locked, self.store.locks(cell))):
                continue
            self._pending.remove(cell)
            # Another runner on the same folder may have finished it meanwhile.
            if not self._report_if_finished(cell):
                return cell
        if self._pending and not self._running and not self._said_waiting:
            self._said_waiting = True
            self.reporter.note(f"waiting for another process: {title(self._pending[0])}")
        return None

    def _start(self, cell: CellSpec) -> None:
        folder = self.store.run_folder(cell.cell_id)
        folder.mkdir(parents=True, exist_ok=True)
        if not self.engine.knows(cell.cell_id):
            # What is about to be tried again must not be taken for the new attempt's result.
            self.store.cell_path(cell.table, cell.cell_id).unlink(missing_ok=True)
            (folder / "progress.json").unlink(missing_ok=True)
        started = datetime.now(UTC).isoformat(timespec="seconds")
        job = Job(cell.cell_id, title(cell), partial(self.command, cell), folder)
        place = self.engine.submit(job)
        self._running[cell.cell_id] = _Flight(cell, place, time.monotonic(), started)

    def _look_at(self, flight: _Flight) -> None:
        try:
            progress = read_json(self.store.run_folder(flight.cell.cell_id) / "progress.json")
        except FileNotFoundError:
            # It waits for a place: that costs it no time.
            flight.began = time.monotonic()
            return
        except (OSError, ValueError):
            # Just being replaced, on a system that cannot do that in one step.
            progress = {}
        if not flight.seen:
            flight.seen = True
            self.reporter.launched(flight.cell, flight.place)
        if progress:
            self.reporter.progressed(flight.cell, progress)
        attempt = progress.get("attempt", flight.attempt)
        # Nor does waiting for another process, for what it starts from, or a place that was lost.
        if attempt != flight.attempt or progress.get("phase") == "wait" or "base" in progress:
            flight.began, flight.attempt = time.monotonic(), attempt
        minutes = flight.cell.timeout_minutes
        # The cell keeps its time itself, unless it hangs.
        if minutes and time.monotonic() - flight.began > 60 * minutes * 1.2 + 120:
            if not self._has_process(flight.cell):
                # Its place was lost, and it waits for another one: that costs it no time either.
                flight.began = time.monotonic()
                return
            self.engine.kill(flight.cell.cell_id)
            self._running.pop(flight.cell.cell_id)
            reason = f"hung: took longer than {minutes:g} minutes"
            # It may have hung after its number was written, in a dashboard's upload.
            gone = Exit(flight.cell.cell_id, -signal.SIGKILL, flight.place, reason)
            self._settle(flight, gone, "timeout")

    def _has_process(self, cell: CellSpec) -> bool:
        """Whether one works on the cell, or has just measured it."""
        measured = self.store.cell_path(cell.table, cell.cell_id).exists()
        return measured or is_locked(self.store.lock(cell))

    def _settle(self, flight: _Flight, gone: Exit, status: Status = "failed") -> None:
        cell, log = flight.cell, self._log(flight.cell)
        result = self.store.read(cell.table, cell.cell_id)
        if result is not None:
            self.reporter.finished(cell, result, known=False)
            if result.status in ("failed", "timeout"):
                self.failed.append(f"{title(cell)}: {result.reason} (log: {log})")
        elif gone.reason:
            self._record(flight, gone.place, status, gone.reason)
        elif gone.code == EXIT_STOPPED:
            self.reporter.left(cell)
            self.failed.append(f"{title(cell)}: somebody stopped it")
        elif gone.code == -signal.SIGKILL and cell.cell_id not in self._killed_once:
            # Most likely the system ran out of memory, perhaps through another program.
            self._killed_once.add(cell.cell_id)
            self.reporter.left(cell)
            self.reporter.note(f"{title(cell)}: killed (out of memory?); trying once more")
            self._pending.insert(0, cell)
        else:
            self._record(flight, gone.place, "failed", _reason(gone.code, log))

    def _record(self, flight: _Flight, place: str, status: Status, reason: str) -> None:
        """Write the row of a cell that could not do so itself."""
        commit, dirty = environment.commit_and_dirty()
        result = flight.cell.result(
            status,
            reason,
            commit=commit,
            dirty=dirty,
            versions=environment.versions(),
            device=place,
            started=flight.started,
            wall_seconds=round(time.monotonic() - flight.began, 3),
        )
        self.store.write(result)
        self.reporter.finished(flight.cell, result, known=False)
        self.failed.append(f"{title(flight.cell)}: {reason} (log: {self._log(flight.cell)})")

    def _stop(self) -> str:
        words = self.engine.stop(self.grace_seconds)
        for flight in self._running.values():
            self.reporter.left(flight.cell)
        self._running.clear()
        return words

    def _log(self, cell: CellSpec) -> Path:
        return self.store.run_folder(cell.cell_id) / "log.txt"


def cell_command(
    cell: CellSpec,
    slot: Slot,
    *,
    table: str,
    results: Path,
    root: Path | None,
    cache_dir: Path | None,
    wandb: str,
    flags: Sequence[str] = (),
) -> list[str]:
    """The command that measures one cell; a person can run it again by hand.

    ``flags`` are switches that it gets besides, without their dashes.
    """
    options: dict[str, Any] = {
        "--seed": cell.seed,
        "--budget": cell.budget,
        "--source": cell.source,
        "--data-root": root,
        "--cache-dir": cache_dir,
        "--results": results,
        "--device": slot.device,
        "--threads": slot.threads,
        "--devices": slot.devices if slot.devices > 1 else None,
        "--nodes": slot.nodes if slot.nodes > 1 else None,
        "--wandb": None if wandb == "off" else wandb,
    }
    command = [sys.executable, *ENTRY, "cell", table, cell.row]
    command += [f"--{flag}" for flag in flags]
    for name, value in options.items():
        if value is not None:
            command += [name, str(value)]
    return command


def _reason(code: int, log: Path) -> str:
    if code < 0:
        number = -code
        name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
        return f"killed by {name}" + (" twice: out of memory?" if name == "SIGKILL" else "")
    text = log.read_text(errors="replace") if log.exists() else ""
    lines = [line for line in text.splitlines() if line.strip()]
    last = lines[-1].strip() if lines and not lines[-1].startswith("# ") else "no word"
    return f"exit code {code}: {last}"[:400]


@contextlib.contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    old = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, old)
