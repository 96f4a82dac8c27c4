"""Running many cells: one process each, one cell a device slot, all state in files.

A cell is done when its JSON stands there, never because of an exit code. So this process and every
cell may be killed at any moment; a second run does what is left.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

from filelock import FileLock, Timeout

from benchmarks import environment
from benchmarks.console import Reporter, title
from benchmarks.devices import Slot
from benchmarks.files import read_json
from benchmarks.schema import CellSpec, Status
from benchmarks.store import Store

EXIT_STOPPED = 75
"""Exit code of a cell that was asked to stop: run it again and it goes on."""

RUNNER_PID_VARIABLE = "WHATWHERE_RUNNER_PID"
"""Tells a cell whose end it must not outlive."""

CELL_ID_VARIABLE = "WHATWHERE_CELL_ID"
"""Tells a cell what it was planned as, should the specification change while cells run."""

ENTRY = ("-m", "benchmarks")
"""What Python runs for a cell."""

CommandOf = Callable[[CellSpec, Slot], list[str]]


class RunnerStoppedError(Exception):
    """Ctrl-C or SIGTERM: the cells in progress were stopped, the rest was not begun."""


@dataclass
class _Child:
    """A cell's process."""

    cell: CellSpec
    slot: Slot
    process: subprocess.Popen[bytes]
    began: float
    started: str
    log: Path


class Runner:
    """Runs cells until each has a result.

    Args:
        store: the results folder.
        slots: where cells may run.
        command: how a cell is started; see `cell_command`.
        reporter: what a person sees.
        metric: shown beside a finished cell.
        grace_seconds: time a cell gets to stop before it is killed.
    """

    def __init__(
        self,
        store: Store,
        slots: Sequence[Slot],
        command: CommandOf,
        reporter: Reporter,
        *,
        metric: str = "",
        grace_seconds: float = 20.0,
    ) -> None:
        self.store = store
        self.slots = list(slots)
        self.command = command
        self.reporter = reporter
        self.metric = metric
        self.grace_seconds = grace_seconds
        self._pending: list[CellSpec] = []
        self._running: dict[Slot, _Child] = {}
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
                    for child in list(self._running.values()):
                        self._look_at(child)
                    time.sleep(0.1)
            except KeyboardInterrupt:
                self._stop_children()
                raise RunnerStoppedError(
                    f"stopped; {len(self._pending)} cells were not begun. The same command goes on "
                    "from here: finished cells stay, the one in progress resumes from its last "
                    "saved epoch"
                ) from None
            except BaseException:
                self._stop_children()
                raise
        return self.failed

    def _report_if_finished(self, cell: CellSpec) -> bool:
        result = self.store.finished(cell)
        if result is not None:
            self.reporter.finished(cell, result, metric=self.metric, known=True)
        return result is not None

    def _launch(self) -> None:
        for slot in self.slots:
            if slot in self._running:
                continue
            cell = self._next()
            if cell is None:
                return
            self._start(cell, slot)

    def _next(self) -> CellSpec | None:
        """The first cell that no other process works on."""
        for cell in list(self._pending):
            if any(map(_is_locked, self.store.locks(cell))):
                continue
            self._pending.remove(cell)
            # Another runner on the same folder may have finished it meanwhile.
            if not self._report_if_finished(cell):
                return cell
        if self._pending and not self._running and not self._said_waiting:
            self._said_waiting = True
            self.reporter.note(f"waiting for another process: {title(self._pending[0])}")
        return None

    def _start(self, cell: CellSpec, slot: Slot) -> None:
        folder = self.store.run_folder(cell.cell_id)
        folder.mkdir(parents=True, exist_ok=True)
        # What is about to be tried again must not be taken for the new attempt's result.
        self.store.cell_path(cell.table, cell.cell_id).unlink(missing_ok=True)
        (folder / "progress.json").unlink(missing_ok=True)
        command = self.command(cell, slot)
        started = datetime.now(UTC).isoformat(timespec="seconds")
        log = folder / "log.txt"
        with log.open("ab") as stream:
            stream.write(f"# {started} {shell_line(command, slot)}\n".encode())
            stream.flush()
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env=os.environ | slot_environment(slot) | {CELL_ID_VARIABLE: cell.cell_id},
                # Its own group: a Ctrl-C reaches it once, from here, and all of it can be killed.
                start_new_session=True,
            )
        self._running[slot] = _Child(cell, slot, process, time.monotonic(), started, log)
        self.reporter.launched(cell, slot.name)

    def _look_at(self, child: _Child) -> None:
        code = child.process.poll()
        if code is not None:
            self._running.pop(child.slot)
            self._settle(child, code)
            return
        # Not there yet, or just being replaced on a system that cannot do that in one step.
        with contextlib.suppress(OSError, ValueError):
            progress = read_json(self.store.run_folder(child.cell.cell_id) / "progress.json")
            self.reporter.progressed(child.cell, progress)
            # For another process, or for what it starts from: that costs it no time.
            if progress.get("phase") == "wait" or "base" in progress:
                child.began = time.monotonic()
        minutes = child.cell.timeout_minutes
        # The cell keeps its time itself, unless it hangs.
        if minutes and time.monotonic() - child.began > 60 * minutes * 1.2 + 120:
            self._kill(child)
            self._running.pop(child.slot)
            self._record(child, "timeout", f"hung: took longer than {minutes:g} minutes")

    def _settle(self, child: _Child, code: int) -> None:
        cell = child.cell
        result = self.store.read(cell.table, cell.cell_id)
        if result is not None:
            self.reporter.finished(cell, result, metric=self.metric, known=False)
            if result.status in ("failed", "timeout"):
                self.failed.append(f"{title(cell)}: {result.reason} (log: {child.log})")
        elif code == EXIT_STOPPED:
            self.reporter.left(cell)
            self.failed.append(f"{title(cell)}: somebody stopped it")
        elif code == -signal.SIGKILL and cell.cell_id not in self._killed_once:
            # Most likely the system ran out of memory, perhaps through another program.
            self._killed_once.add(cell.cell_id)
            self.reporter.left(cell)
            self.reporter.note(f"{title(cell)}: killed (out of memory?); trying once more")
            self._pending.insert(0, cell)
        else:
            self._record(child, "failed", _reason(code, child.log))

    def _record(self, child: _Child, status: Status, reason: str) -> None:
        """Write the row of a cell that could not do so itself."""
        commit, dirty = environment.commit_and_dirty()
        result = child.cell.result(
            status,
            reason,
            commit=commit,
            dirty=dirty,
            versions=environment.versions(),
            device=child.slot.name,
            started=child.started,
            wall_seconds=round(time.monotonic() - child.began, 3),
        )
        self.store.write(result)
        self.reporter.finished(child.cell, result, metric=self.metric, known=False)
        self.failed.append(f"{title(child.cell)}: {reason} (log: {child.log})")

    def _stop_children(self) -> None:
        """Ask every cell to stop, wait, then kill; a second Ctrl-C kills at once."""
        children = list(self._running.values())
        for child in children:
            child.process.terminate()
        deadline = time.monotonic() + self.grace_seconds
        with contextlib.suppress(KeyboardInterrupt):
            for child in children:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.process.wait(max(0.0, deadline - time.monotonic()))
        for child in children:
            self._kill(child)
            self.reporter.left(child.cell)
        self._running.clear()

    def _kill(self, child: _Child) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.process.pid, signal.SIGKILL)
        child.process.wait()


def cell_command(
    cell: CellSpec,
    slot: Slot,
    *,
    table: str,
    results: Path,
    root: Path | None,
    cache_dir: Path | None,
    wandb: str,
) -> list[str]:
    """The command that measures one cell; a person can run it again by hand."""
    options: dict[str, Any] = {
        "--seed": cell.seed,
        "--budget": cell.budget,
        "--source": cell.source,
        "--data-root": root,
        "--cache-dir": cache_dir,
        "--results": results,
        "--device": slot.device,
        "--threads": slot.threads,
        "--wandb": None if wandb == "off" else wandb,
    }
    command = [sys.executable, *ENTRY, "cell", table, cell.row]
    for name, value in options.items():
        if value is not None:
            command += [name, str(value)]
    return command


def slot_environment(slot: Slot) -> dict[str, str]:
    """Variables that must stand before the cell's Python starts."""
    variables = {
        "OMP_NUM_THREADS": str(slot.threads),
        "PYTHONUNBUFFERED": "1",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
        RUNNER_PID_VARIABLE: str(os.getpid()),
    }
    if slot.visible is not None:
        variables["CUDA_VISIBLE_DEVICES"] = slot.visible
    return variables


def shell_line(command: Sequence[str], slot: Slot) -> str:
    """The command as one would type it."""
    prefix = f"CUDA_VISIBLE_DEVICES={slot.visible} " if slot.visible else ""
    return prefix + shlex.join(command)


def _is_locked(path: Path) -> bool:
    if not path.exists():
        return False
    try:
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True


def _reason(code: int, log: Path) -> str:
    if code < 0:
        name = signal.Signals(-code).name
        return f"killed by {name}" + (" twice: out of memory?" if name == "SIGKILL" else "")
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
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
