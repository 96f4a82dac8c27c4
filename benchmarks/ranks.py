"""Several processes, one a device, that train one cell together (distributed data parallel).

The first of them, the leader, *is* the cell: it takes the lock, chooses what to go on from, keeps
the files, scores, and writes the result. The others, started by the leader on its machine, or by
whoever starts the cell on the other machines, are the same command with another number; they do
nothing but train what the leader tells them to. All of them share every batch evenly, so the global
batch, the number of steps, and with them the learning rate, stay those of a single process.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import torch
import torch.distributed as dist

from benchmarks.engines.process import RUNNER_PID_VARIABLE

log = logging.getLogger(__name__)

LEADER: Final = 0
PATIENCE: Final = timedelta(hours=24)
"""How long other machines' processes wait for the leader, which may wait for a lock."""
SILENCE: Final = timedelta(minutes=30)
"""After which a process that waits for another one within training gives up."""
EXIT_RANK_LOST: Final = 1
_LOCAL, _NODE, _HOST, _PORT = "LOCAL_RANK", "NODE_RANK", "MASTER_ADDR", "MASTER_PORT"


@dataclass(frozen=True)
class World:
    """How many processes train a cell, and which one this is.

    Args:
        devices: processes on each machine.
        nodes: machines.
        local: number of this process on its machine.
        node: number of its machine.
    """

    devices: int = 1
    nodes: int = 1
    local: int = 0
    node: int = 0

    @property
    def size(self) -> int:
        """All processes."""
        return self.devices * self.nodes

    @property
    def rank(self) -> int:
        """This one's number among all."""
        return self.node * self.devices + self.local

    @classmethod
    def here(cls, devices: int, nodes: int) -> World:
        """The world of this process; its numbers come from the environment, as torch's own.

        Raises:
            ValueError: several machines, and nobody has said which one leads.
        """
        if nodes > 1 and not (os.environ.get(_HOST) and os.environ.get(_PORT)):
            raise ValueError(
                f"--nodes {nodes} needs {_HOST} and {_PORT}, of the first machine, and "
                f"{_NODE}, the number of this one, in the environment"
            )
        if devices * nodes == 1:
            return cls()
        local, node = (int(os.environ.get(name, "0")) for name in (_LOCAL, _NODE))
        return cls(devices, nodes, local, node)


class Group:
    """The processes of a cell, once they have met.

    Args:
        world: this process's.
        cuda: whether they have a GPU each.
        command: what starts one more of them; its number goes into the environment.
    """

    def __init__(self, world: World, cuda: bool, command: Sequence[str] = ()) -> None:
        self.world, self.cuda = world, cuda
        self.command = list(command) or sys.orig_argv
        self._children: list[subprocess.Popen[bytes]] = []
        self._met = self._over = False

    def meet(self) -> None:
        """Start the others of this machine, and wait until all are there; once is enough."""
        if self._met or self.world.size == 1:
            return
        self._met = True
        os.environ.setdefault(_HOST, "127.0.0.1")
        os.environ.setdefault(_PORT, str(_free_port()))
        # Lightning asks for these; without the first it would start processes itself.
        os.environ[_LOCAL], os.environ[_NODE] = str(self.world.local), str(self.world.node)
        if self.world.local == 0:
            self._start_others()
        leads = self.world.rank == LEADER
        store = dist.TCPStore(  # type: ignore[attr-defined]
            os.environ[_HOST],
            int(os.environ[_PORT]),
            self.world.size,
            is_master=leads,
            timeout=PATIENCE,
            wait_for_workers=False,
        )
        if leads:
            store.set("leader", "is there")
        else:
            store.wait(["leader"], PATIENCE)
        dist.init_process_group(
            # What processes tell each other goes over the CPU: no GPU waits for it.
            "cpu:gloo,cuda:nccl" if self.cuda else "gloo",
            store=store,
            rank=self.world.rank,
            world_size=self.world.size,
            timeout=SILENCE,
        )

    def tell(self, message: dict[str, Any] | None) -> None:
        """The leader's: what all have to do next; None sends them home."""
        if self._met:
            dist.broadcast_object_list([message], src=LEADER, device=torch.device("cpu"))

    def hear(self) -> dict[str, Any] | None:
        """The others': what the leader says."""
        heard: list[Any] = [None]
        dist.broadcast_object_list(heard, src=LEADER, device=torch.device("cpu"))
        found: dict[str, Any] | None = heard[0]
        return found

    def dismiss(self) -> None:
        """The leader's: send the others home, who listen for what comes next."""
        if self._met and not self._over:
            self.tell(None)
        self.close()

    def close(self) -> None:
        """Wait for the others of this machine; those in the middle of something are ended."""
        if not self._met or self._over:
            return
        self._over = True
        dist.destroy_process_group()
        deadline = time.monotonic() + 10
        for child in self._children:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(max(0.0, deadline - time.monotonic()))
            child.kill()
            child.wait()
        for name in (_LOCAL, _NODE):
            os.environ.pop(name, None)

    def lost(self) -> bool:
        """Whether one of the others of this machine was killed, rather than failed."""
        deadline = time.monotonic() + 2
        codes = [child.poll() for child in self._children]
        while all(code is None for code in codes) and time.monotonic() < deadline:
            time.sleep(0.1)
            codes = [child.poll() for child in self._children]
        return any(code is not None and code < 0 for code in codes)

    def _start_others(self) -> None:
        for local in range(1, self.world.devices):
            # In a session of its own: who stops the cell tells the leader, and it the others.
            child = subprocess.Popen(
                self.command,
                env=os.environ | {_LOCAL: str(local), RUNNER_PID_VARIABLE: str(os.getpid())},
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
            self._children.append(child)
        if self._children:
            threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        """End this process when one of the others is lost: it would wait for it for ever."""
        while not self._over:
            time.sleep(1)
            lost = [child.pid for child in self._children if child.poll() not in (None, 0)]
            if not lost or self._over:
                continue
            time.sleep(20)  # what both have run into may end this one in an orderly way
            if not self._over:
                log.error("process %s of this cell has ended; its log says why", lost)
                os._exit(EXIT_RANK_LOST)


def agreed(code: int) -> int:
    """The largest of the numbers that all processes of a cell bring; alone, one's own."""
    if not (dist.is_available() and dist.is_initialized()):
        return code
    numbers = torch.tensor([code])
    dist.all_reduce(numbers, dist.ReduceOp.MAX)
    return int(numbers.item())


def averaged(value: float) -> float:
    """The mean of what all processes of a cell bring; alone, one's own."""
    if not (dist.is_available() and dist.is_initialized()):
        return value
    numbers = torch.tensor([value], dtype=torch.float64)
    dist.all_reduce(numbers)
    return float(numbers.item()) / dist.get_world_size()


def is_leader() -> bool:
    """Whether this process keeps the cell's files."""
    return not (dist.is_available() and dist.is_initialized()) or dist.get_rank() == LEADER


def end_with_parent() -> None:
    """End this process when the one that started it is gone."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(EXIT_RANK_LOST)

    threading.Thread(target=watch, daemon=True).start()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
