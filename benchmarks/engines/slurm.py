"""Cells as tasks of SLURM job arrays: a script is written, handed to ``sbatch``, and waited for.

A task that is told to stop (its time is up, another job needs its place) passes that on to its
cell, which exits with 75, and puts itself back into the queue; so does one that is killed, once.
Only the script does that: a cell's Lightning is told that it runs alone and never asks SLURM for
anything. Ends are read from files in the run folders; the queue is asked only for tasks that left
it without a word.

::

    RESULTS/slurm/<name>-<n>.sh       the script of an array; a person can submit it again by hand
    RESULTS/slurm/<name>-<n>.json     the array's job, and its cells by their place in it
    RESULTS/slurm/<name>-<n>.txt      what SLURM itself had to say
    RESULTS/runs/<cell>/slurm.exit    the job whose task has ended, and its exit code
"""

from __future__ import annotations

import shlex
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.devices import Slot
from benchmarks.engines.interface import EXIT_STOPPED, EngineError, Exit, Job
from benchmarks.engines.process import CELL_ID_VARIABLE, RUNNER_PID_VARIABLE, slot_environment
from benchmarks.files import read_json, write_atomically, write_json

ASK_SECONDS: Final = 10.0
"""Time between two questions to the queue, which many users share."""

LOST_SECONDS: Final = 60.0
"""After which a task that is neither in the queue nor has left a word is lost: file systems of
clusters show another machine's files late."""

ARRAY_LIMIT: Final = 1000
"""Tasks of one array; SLURM's own default allows so many."""

STOPPED_LIMIT: Final = 50
"""How often a task may go on later: a cell whose epochs do not fit into the time would go on for
ever."""


@dataclass
class _Task:
    """A cell's place in the queue."""

    cell_id: str
    folder: Path
    job: str
    number: int
    missing_since: float | None = None


class SlurmEngine:
    """Submits cells as job arrays.

    Args:
        slot: what a cell gets: on each of its machines a GPU for each of its processes there if its
            device is ``cuda``, and as many CPUs as these have threads.
        folder: where scripts are kept.
        name: of the arrays.
        at_once: how many cells run side by side, at most; None for as many as there is room for.
        options: of ``sbatch``, e.g. ``["--partition=gpu", "--time=24:00:00"]``.

    Raises:
        EngineError: this machine has no ``sbatch``, or its SLURM does not answer.
    """

    def __init__(
        self,
        slot: Slot,
        folder: Path,
        name: str,
        *,
        at_once: int | None = None,
        options: Sequence[str] = (),
    ) -> None:
        self.slot, self.folder, self.name = slot, folder, name
        self.at_once, self.options = at_once, list(options)
        self._collected: list[Job] = []
        self._running: dict[str, _Task] = {}
        self._asked_at = time.monotonic()
        queue = self._queue()
        if queue is None:
            raise EngineError("SLURM does not answer; `sinfo` shows whether its controller runs")
        self._earlier: dict[str, tuple[str, int]] = {}
        for path in sorted(folder.glob("*.json")):
            array = read_json(path)
            for number, cell_id in enumerate(array["cells"]):
                if (array["job"], number) in queue:
                    self._earlier[cell_id] = (array["job"], number)

    def room(self) -> bool:
        """The queue takes everything."""
        return True

    def knows(self, cell_id: str) -> bool:
        """Whether the queue holds the cell, of this call or an earlier one."""
        return cell_id in self._earlier or cell_id in self._running

    def submit(self, job: Job) -> str:
        """Note a cell for the next array, unless the queue holds it already."""
        known = self._earlier.get(job.cell_id)
        if known is None:
            self._collected.append(job)
            return "SLURM"
        self._running[job.cell_id] = _Task(job.cell_id, job.folder, *known)
        return f"SLURM, job {known[0]}_{known[1]}"

    def gather(self) -> list[Exit]:
        """Submit what was noted; then the cells whose tasks have ended."""
        while self._collected:
            self._submit_array(self._collected[:ARRAY_LIMIT])
            del self._collected[:ARRAY_LIMIT]
        if self._running:
            self._look_around()
        exits = []
        for task in list(self._running.values()):
            code, missing = _code(task), task.missing_since
            if code == EXIT_STOPPED and missing is None:
                continue  # SLURM, which took its place, may have put it back into the queue
            if code is None and missing and time.monotonic() - missing > LOST_SECONDS:
                code = EXIT_STOPPED  # cancelled, or its machine was lost and it was not requeued
            if code is not None:
                exits.append(Exit(task.cell_id, code, f"SLURM, job {task.job}_{task.number}"))
                del self._running[task.cell_id]
                self._earlier.pop(task.cell_id, None)
        return exits

    def kill(self, cell_id: str) -> None:
        """Cancel the cell's task."""
        task = self._running.pop(cell_id)
        self._earlier.pop(cell_id, None)
        _ask("scancel", f"{task.job}_{task.number}")

    def stop(self, grace_seconds: float) -> str:
        """Leave the queue as it is, and what was not submitted unsubmitted."""
        self._collected.clear()
        jobs = ",".join(sorted({task.job for task in self._running.values()}))
        self._running.clear()
        return f"SLURM goes on with job {jobs} (scancel {jobs} ends it)" if jobs else ""

    def close(self) -> None:
        """Nothing is held."""

    def _submit_array(self, jobs: Sequence[Job]) -> None:
        number = 1 + max(
            (int(path.stem.rpartition("-")[2]) for path in self.folder.glob(f"{self.name}-*.sh")),
            default=0,
        )
        path = self.folder / f"{self.name}-{number}.sh"
        text = script(
            jobs,
            self.slot,
            name=self.name,
            output=path.with_suffix(".txt"),
            at_once=self.at_once,
            options=self.options,
        )
        write_atomically(path, text)
        done = _ask("sbatch", "--parsable", str(path))
        if done.returncode:
            raise EngineError(f"sbatch refused {path}: {done.stderr.strip()}")
        job = done.stdout.strip().partition(";")[0]
        cells = [one.cell_id for one in jobs]
        write_json(path.with_suffix(".json"), {"job": job, "cells": cells})
        for place, one in enumerate(jobs):
            self._running[one.cell_id] = _Task(one.cell_id, one.folder, job, place)

    def _look_around(self) -> None:
        now = time.monotonic()
        if now - self._asked_at < ASK_SECONDS:
            return
        self._asked_at = now
        queue = self._queue()
        if queue is None:
            return  # the controller is busy, or restarts
        for task in self._running.values():
            state = queue.get((task.job, task.number))
            task.missing_since = None if state else task.missing_since or now
            if state == "PENDING":
                # Put back into the queue, it waits for a place, which costs a cell no time.
                (task.folder / "progress.json").unlink(missing_ok=True)

    def _queue(self) -> dict[tuple[str, int], str] | None:
        """States of this user's tasks that wait or run; None where nobody answers."""
        done = _ask("squeue", "--me", "--noheader", "--array", "--format=%F %K %T")
        if done.returncode:
            return None
        words = [line.split() for line in done.stdout.splitlines()]
        return {(job, int(place)): state for job, place, state in words if place.isdecimal()}


def script(
    jobs: Sequence[Job],
    slot: Slot,
    *,
    name: str,
    output: Path,
    at_once: int | None = None,
    options: Sequence[str] = (),
) -> str:
    """The array's script; the arguments are those of `SlurmEngine`.

    Args:
        jobs: the cells, by their place in the array.
        slot: what each gets.
        name: of the job.
        output: what SLURM says goes there.
        at_once: how many run side by side, at most.
        options: of ``sbatch``; they come last and win.
    """
    limit = "" if at_once is None else f"%{at_once}"
    wanted = [
        f"--job-name=whatwhere-{name}",
        f"--array=0-{len(jobs) - 1}{limit}",
        f"--output={output}",
        "--open-mode=append",
        "--requeue",
        "--signal=B:TERM@120",
        f"--nodes={slot.nodes}",
        "--ntasks-per-node=1",
        f"--cpus-per-task={slot.threads * slot.devices}",
        *([f"--gres=gpu:{slot.devices}"] if slot.device == "cuda" else []),
        *options,
    ]
    cells = [
        f"{place}) cell={job.cell_id} folder={shlex.quote(str(job.folder))}\n"
        f"   command=({shlex.join(job.command(slot))}) ;;  # {job.title}"
        for place, job in enumerate(jobs)
    ]
    variables = [f"{key}={shlex.quote(value)}" for key, value in slot_environment(slot).items()]
    return _SCRIPT.format(
        wanted="\n".join(f"#SBATCH {shlex.quote(option)}" for option in wanted),
        cells="\n".join(cells),
        variables=" ".join(variables),
        cell_variable=CELL_ID_VARIABLE,
        parent_variable=RUNNER_PID_VARIABLE,
        stopped=EXIT_STOPPED,
        several=_SEVERAL if slot.nodes > 1 else "",
        often=STOPPED_LIMIT,
        killed=128 + signal.SIGKILL,
    )


_SEVERAL: Final = """\
# One process on each machine, which starts the others there; the first machine's leads. They do not
# end with this script, which is not their parent, but with srun.
export MASTER_ADDR="$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)"
export MASTER_PORT="$((20000 + SLURM_JOB_ID % 20000))"
unset WHATWHERE_RUNNER_PID
command=(srun bash -c 'NODE_RANK="$SLURM_NODEID" exec "$@"' cell "${command[@]}")

"""

_SCRIPT: Final = """\
#!/bin/bash
{wanted}
# Written by `whatwhere bench --engine slurm`. Each task is one cell, which goes on where it was.

case "${{SLURM_ARRAY_TASK_ID:-}}" in
{cells}
*) echo "the array has no cell '${{SLURM_ARRAY_TASK_ID:-}}'" >&2; exit 2 ;;
esac

export {variables}
export {cell_variable}="$cell" {parent_variable}="$$"
restarts="${{SLURM_RESTART_COUNT:-0}}"
now="$(date -u +%Y-%m-%dT%H:%M:%S+00:00)"
mkdir -p "$folder"
rm -f "$folder/slurm.exit"
echo "# $now ${{command[*]}}" >> "$folder/log.txt"
attempt="$now $SLURM_JOB_ID $restarts"
echo '{{"phase": "starting", "attempt": "'"$attempt"'"}}' > "$folder/progress.json"

{several}# Who asks this script to stop asks the cell; then it waits again, for a trap ends a wait.
trap 'asked=yes; kill -TERM "$child" 2> /dev/null' TERM
"${{command[@]}}" < /dev/null >> "$folder/log.txt" 2>&1 &
child=$!
asked=yes
while [ "$asked" = yes ]; do asked=no; wait "$child"; code=$?; done

# Back into the queue, unless a person has cancelled the task, or it never comes to an end.
again=no
[ "$code" -eq {stopped} ] && [ "$restarts" -lt {often} ] && again=yes
[ "$code" -eq {killed} ] && [ "$restarts" -lt 1 ] && again=yes
# By this name, for the array's own number is that of one of its tasks, too.
task="${{SLURM_ARRAY_JOB_ID}}_$SLURM_ARRAY_TASK_ID"
state="$(squeue --noheader --jobs="$task" --format=%T 2> /dev/null)"
if [ "$again" = yes ] && [ "$state" = RUNNING ]; then
    echo "$now cell $cell: exit code $code, back into the queue"
    trap - TERM  # with which SLURM ends this script now, before it says that the cell has ended
    scontrol requeue "$task" && exec sleep 60
fi
echo "$SLURM_ARRAY_JOB_ID $code" > "$folder/slurm.exit.new"
mv "$folder/slurm.exit.new" "$folder/slurm.exit"
exit "$code"
"""


def _code(task: _Task) -> int | None:
    """What a task's script has left: its exit code, as `subprocess.Popen` would give it."""
    try:
        job, code = (task.folder / "slurm.exit").read_text().split()
    except (FileNotFoundError, ValueError):
        return None
    if job != task.job:
        return None
    number = int(code) - 128
    # A shell's word for an end by a signal, unless there is no such signal.
    return -number if number in set(signal.Signals) else int(code)


def _ask(*command: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise EngineError(
            f"engine slurm needs {command[0]}, which this machine does not have: start it on a "
            "machine of the cluster, or see the script with --dry-run"
        ) from error
