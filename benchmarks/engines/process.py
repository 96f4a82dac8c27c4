"""A cell's process, as every engine starts it; the standard library alone, for workers import it.

In a run folder stand ``log.txt``, whatever its processes said, each after a line with its command,
and ``progress.json``, which is there from the moment a process is started: a cell without it waits.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.devices import Slot

RUNNER_PID_VARIABLE = "WHATWHERE_RUNNER_PID"
"""Tells a cell whose end it must not outlive."""

CELL_ID_VARIABLE = "WHATWHERE_CELL_ID"
"""Tells a cell what it was planned as, should the specification change while cells run."""


def slot_environment(slot: Slot) -> dict[str, str]:
    """Variables that must stand before the cell's Python starts, wherever that is."""
    variables = {
        "OMP_NUM_THREADS": str(slot.threads),
        "PYTHONUNBUFFERED": "1",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    }
    if slot.visible is not None:
        variables["CUDA_VISIBLE_DEVICES"] = slot.visible
    return variables


def shell_line(command: Sequence[str], slot: Slot) -> str:
    """The command as one would type it."""
    prefix = f"CUDA_VISIBLE_DEVICES={slot.visible} " if slot.visible else ""
    return prefix + shlex.join(command)


def start(
    command: Sequence[str], cell_id: str, folder: Path, slot: Slot
) -> subprocess.Popen[bytes]:
    """Start a cell's process as a child of this one; it ends when this one is gone.

    Args:
        command: what to run.
        cell_id: what it was planned as.
        folder: its run folder.
        slot: where it runs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    begun = {"phase": "starting", "attempt": f"{now} {os.getpid()}"}
    variables: Mapping[str, str] = slot_environment(slot) | {
        CELL_ID_VARIABLE: cell_id,
        RUNNER_PID_VARIABLE: str(os.getpid()),
    }
    with (folder / "log.txt").open("ab") as stream:
        stream.write(f"# {now} {shell_line(command, slot)}\n".encode())
        stream.flush()
        (folder / "progress.json").write_text(json.dumps(begun), encoding="utf-8")
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=os.environ | variables,
            # Its own group: a Ctrl-C reaches it once, from here, and all of it can be killed.
            start_new_session=True,
        )


def end(processes: Iterable[subprocess.Popen[bytes]], grace_seconds: float) -> None:
    """Ask processes to stop, wait, then kill; a Ctrl-C meanwhile kills at once."""
    processes = list(processes)
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + grace_seconds
    with contextlib.suppress(KeyboardInterrupt):
        for process in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
    for process in processes:
        kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and all that it has started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
