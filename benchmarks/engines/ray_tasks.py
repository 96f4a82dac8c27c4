"""Cells as Ray tasks, on one machine or many (the extra ``whatwhere[ray]``).

Ray knows which machine has a free GPU, sets ``CUDA_VISIBLE_DEVICES``, and runs a task again whose
worker or machine was lost; the cell then goes on from its last checkpoint. Within the task the cell
is a process of its own: what it holds is freed when it ends, and it ends when its worker does. Two
processes of one cell cannot work side by side, for a cell takes its lock first.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.devices import Slot
from benchmarks.engines.interface import EngineError, Exit, Job
from benchmarks.engines.process import end, start

try:
    import ray
except ImportError as error:
    raise EngineError(
        "engine ray needs the package ray: pip install 'whatwhere[ray]', on every machine"
    ) from error

LOST_PLACES = 3
"""How often a cell is begun again because its worker or its machine was lost."""

OBJECT_STORE_BYTES = 100 * 2**20
"""Of a cluster started here: tasks pass exit codes; Ray itself would take a third of the memory."""


class RayEngine:
    """Hands cells to the Ray cluster that was joined (`connect`), which keeps the queue.

    Args:
        slot: what a cell gets: a GPU for each of its processes if its device is ``cuda``, and as
            many CPUs as they have threads.
        at_once: how many cells run side by side, at most; None for as many as fit.
        grace_seconds: time a cell gets to stop before it is killed.

    Raises:
        EngineError: no machine of the cluster can take a cell.
    """

    def __init__(
        self, slot: Slot, *, at_once: int | None = None, grace_seconds: float = 20.0
    ) -> None:
        self.slot, self.at_once, self.grace_seconds = slot, at_once, grace_seconds
        cpus = slot.threads * slot.devices
        gpus = slot.devices if slot.device == "cuda" else 0
        if not any(_fits(node, cpus, gpus) for node in ray.nodes()):
            raise EngineError(
                f"no machine of this Ray cluster has {cpus} CPUs and {gpus} GPUs for a "
                "cell: give fewer with --cpus, or --devices cpu; `ray status` shows what there is"
            )
        self._task = ray.remote(_run).options(num_cpus=cpus, num_gpus=gpus, max_retries=LOST_PLACES)
        self._running: dict[Any, str] = {}

    def room(self) -> bool:
        """Ray keeps a queue: there is always room, unless a limit was given."""
        return self.at_once is None or len(self._running) < self.at_once

    def knows(self, cell_id: str) -> bool:
        """Whether this call has submitted the cell."""
        return cell_id in self._running.values()

    def submit(self, job: Job) -> str:
        """Put a cell into Ray's queue."""
        command = job.command(self.slot)
        reference = self._task.remote(
            command[1:], job.cell_id, job.folder, self.slot, self.grace_seconds
        )
        self._running[reference] = job.cell_id
        return "Ray"

    def gather(self) -> list[Exit]:
        """The cells that have ended, or that Ray has given up."""
        exits: list[Exit] = []
        if not self._running:
            return exits
        waiting = list(self._running)
        done, _ = ray.wait(waiting, num_returns=len(waiting), timeout=0, fetch_local=False)
        for reference in done:
            cell_id = self._running.pop(reference)
            try:
                code, place = ray.get(reference)
                exits.append(Exit(cell_id, code, place))
            except ray.exceptions.RayError as error:
                words = " ".join(str(error).split())
                reason = f"Ray gave it up ({type(error).__name__}): {words}"
                exits.append(Exit(cell_id, 1, "Ray", reason[:400]))
        return exits

    def kill(self, cell_id: str) -> None:
        """Cancel the cell's task; its worker ends the process."""
        for reference in [one for one, name in self._running.items() if name == cell_id]:
            ray.cancel(reference)
            del self._running[reference]

    def stop(self, grace_seconds: float) -> str:
        """Cancel every task: those that run ask their cells to stop."""
        running = list(self._running)
        for reference in running:
            ray.cancel(reference)
        if running:
            ray.wait(running, num_returns=len(running), timeout=grace_seconds + 5)
        self._running.clear()
        return ""

    def close(self) -> None:
        """Leave the cluster; one that was started here ends."""
        ray.shutdown()


def connect(address: str) -> None:
    """Join a Ray cluster, or start one on this machine that ends with this call.

    Args:
        address: ``HOST:PORT``, or ``auto`` for the cluster that this machine is part of; empty for
            ``RAY_ADDRESS``, and without that for one of this machine alone.

    Raises:
        EngineError: nothing answers there.
    """
    # Nobody was asked whether he wants to be counted.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "warning"}
    if not address and not os.environ.get("RAY_ADDRESS"):
        options |= {"include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES}
        # Ray's workers are at 15: beside anything else, cells would be starved into their timeout.
        os.environ.setdefault("RAY_worker_niceness", "0")
    try:
        ray.init(address=address or None, **options)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise EngineError(
            f"no Ray cluster answers at '{address or os.environ.get('RAY_ADDRESS', 'here')}' "
            f"({error}); `ray start --head` starts one"
        ) from error


def cluster_has_gpus() -> bool:
    """Whether a machine of the cluster that was joined has a GPU."""
    return bool(ray.cluster_resources().get("GPU"))


def _fits(node: dict[str, Any], cpus: int, gpus: int) -> bool:
    has = node["Resources"]
    return bool(node["Alive"] and has.get("CPU", 0) >= cpus and has.get("GPU", 0) >= gpus)


def _run(
    arguments: Sequence[str], cell_id: str, folder: Path, slot: Slot, grace_seconds: float
) -> tuple[int, str]:
    """The task: run a cell's command to its end, with the Python of this worker.

    Returns:
        Its exit code, and where it ran.
    """
    process = start([sys.executable, *arguments], cell_id, folder, slot)
    place = f"{slot.device} of {ray.util.get_node_ip_address()}"
    try:
        # In short waits: a cancelled task gets a KeyboardInterrupt between them.
        while (code := process.poll()) is None:
            time.sleep(0.2)
    except BaseException:
        end([process], grace_seconds)
        raise
    return code, place
