"""From a person's words to an engine."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.devices import Slot, together
from benchmarks.engines.interface import Engine
from benchmarks.engines.local import LocalEngine
from benchmarks.schema import CellSpec

EngineName = Literal["local", "ray", "slurm"]

CPUS_BESIDE_GPU = 4
"""CPUs of a cell that has a GPU, on a cluster: they read and augment."""


@dataclass(frozen=True)
class EngineChoice:
    """Which engine, and what it is told.

    Args:
        name: ``local``, ``ray`` or ``slurm``.
        address: of a Ray cluster, see `benchmarks.engines.ray_tasks.connect`.
        cpus: of each process of a cell, on a cluster; None for 4 beside a GPU, else 1.
        sbatch: options of ``sbatch``, as one would type them.
        wait: for the cells' ends; SLURM alone can do without.
        cell_devices: processes on a machine that train a cell together, a GPU each.
        cell_nodes: machines that a cell takes; SLURM alone can give several.

    Raises:
        ValueError: an option belongs to another engine.
    """

    name: EngineName = "local"
    address: str = ""
    cpus: int | None = None
    sbatch: str = ""
    wait: bool = True
    cell_devices: int = 1
    cell_nodes: int = 1

    def __post_init__(self) -> None:
        given = {
            "--address": ("ray", bool(self.address)),
            "--sbatch": ("slurm", bool(self.sbatch)),
            "--no-wait": ("slurm", not self.wait),
            "--cell-nodes": ("slurm", self.cell_nodes > 1),
        }
        for option, (engine, used) in given.items():
            if used and self.name != engine:
                raise ValueError(f"{option} is of --engine {engine}, not of {self.name}")
        if self.cpus is not None and self.name == "local":
            raise ValueError("--cpus is of --engine ray and slurm; locally --devices says it all")

    @property
    def sbatch_options(self) -> list[str]:
        """The options of ``sbatch``, one by one."""
        return shlex.split(self.sbatch)

    def slot(self, device: str) -> Slot:
        """What a cell gets on a cluster, which itself says which GPU that is."""
        threads = self.cpus or (CPUS_BESIDE_GPU if device == "cuda" else 1)
        visible = "" if device == "cpu" else None
        return Slot(device, visible, threads, devices=self.cell_devices, nodes=self.cell_nodes)


def parse_share(text: str) -> tuple[str | None, int | None]:
    """Read ``DEVICES`` as a cluster understands it.

    Args:
        text: ``auto``, ``cpu``, ``cpu:8`` for eight cells at a time without a GPU, or a number of
            GPUs: so many cells at a time, with one each.

    Returns:
        A cell's device, None for whatever the cluster has, and how many run at a time, None for as
        many as there is room for.

    Raises:
        ValueError: this is no such number; a cluster chooses GPUs by itself.
    """
    text = text.strip().lower() or "auto"
    found = re.fullmatch(r"(auto)|(cpu)(?::([1-9][0-9]{0,3}))?|([1-9][0-9]{0,3})", text)
    if found is None:
        raise ValueError(
            f"'{text}' are no devices of a cluster: give auto, cpu, cpu:8 (at most eight cells at "
            "a time) or a number of GPUs (8)"
        )
    automatic, cpu, cpus_at_once, gpus = found.groups()
    if automatic:
        return None, None
    limit = cpus_at_once if cpu else gpus
    return ("cpu" if cpu else "cuda"), None if limit is None else int(limit)


def make_engine(
    choice: EngineChoice,
    devices: str,
    *,
    slots: Callable[[], Sequence[Slot]],
    folder: Path,
    cells: Sequence[CellSpec],
) -> Engine:
    """Build the engine; joins or starts a cluster where it needs one.

    Args:
        choice: which.
        devices: see `benchmarks.devices.parse_devices` and `parse_share`.
        slots: places on this machine, asked for by ``local`` only.
        folder: of SLURM's scripts.
        cells: that it is for.

    Raises:
        EngineError: the engine is not installed or does not answer.
    """
    if choice.name == "local":
        return LocalEngine(together(slots(), choice.cell_devices))
    device, at_once = parse_share(devices)
    if choice.name == "ray":
        from benchmarks.engines import ray_tasks

        ray_tasks.connect(choice.address)
        device = device or ("cuda" if ray_tasks.cluster_has_gpus() else "cpu")
        return ray_tasks.RayEngine(choice.slot(device), at_once=at_once)
    from benchmarks.engines.slurm import SlurmEngine

    return SlurmEngine(
        choice.slot(device or "cuda"),
        folder,
        array_name(cells),
        at_once=at_once,
        options=choice.sbatch_options,
    )


def array_name(cells: Sequence[CellSpec]) -> str:
    """What a job array of tables' cells is called: ``mafl-full-real``, ``mafl-and-2-full-real``."""
    first, *others = dict.fromkeys(cell.table for cell in cells)
    more = f"-and-{len(others)}" if others else ""
    return f"{first}{more}-{cells[0].budget}-{cells[0].source}"
