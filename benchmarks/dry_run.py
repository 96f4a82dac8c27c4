"""What ``whatwhere bench --dry-run`` prints: cells and commands, or the script of a job array."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from benchmarks.console import title
from benchmarks.devices import Slot, together
from benchmarks.engines.choose import EngineChoice, array_name, parse_share
from benchmarks.engines.interface import Job
from benchmarks.engines.process import shell_line
from benchmarks.engines.slurm import script
from benchmarks.runner import CommandOf
from benchmarks.schema import CellSpec
from benchmarks.store import Store


def describe(
    cells: Sequence[CellSpec],
    to_run: Sequence[CellSpec],
    store: Store,
    command: CommandOf,
    engine: EngineChoice,
    devices: str,
    slots: Callable[[], Sequence[Slot]],
) -> str:
    """What would be run, as text that a shell, or ``sbatch``, understands.

    Args:
        cells: of the tables.
        to_run: those of them that would be run.
        store: the results folder.
        command: how a cell is started.
        engine: what would run them.
        devices: what they may run on.
        slots: places on this machine.
    """
    if engine.name == "slurm":
        device, at_once = parse_share(devices)
        return _array(to_run, store, command, engine, engine.slot(device or "cuda"), at_once)
    if engine.name == "ray":
        place = engine.slot(parse_share(devices)[0] or "cuda")
    else:
        place = together(slots(), engine.cell_devices)[0]
    waiting = {cell.cell_id for cell in to_run}
    lines = []
    for cell in cells:
        line = shell_line(command(cell, place), place)
        lines.append(_one(cell, cell.cell_id in waiting, store, line))
    return "\n".join(lines)


def _one(cell: CellSpec, waiting: bool, store: Store, line: str) -> str:
    known = store.read(cell.table, cell.cell_id)
    status: str = "to run" if known is None else known.status
    if known is not None and waiting:
        status += ", to run again"
    return f"# {title(cell)} [{cell.cell_id}]: {status}\n{line}"


def _array(
    cells: Sequence[CellSpec],
    store: Store,
    command: CommandOf,
    engine: EngineChoice,
    slot: Slot,
    at_once: int | None,
) -> str:
    if not cells:
        return "# every cell is finished: there is nothing to submit"
    name = array_name(cells)
    jobs = [
        Job(
            cell.cell_id,
            title(cell),
            partial(command, cell),
            store.run_folder(cell.cell_id),
        )
        for cell in cells
    ]
    output = store.slurm_folder() / f"{name}.txt"
    return script(
        jobs, slot, name=name, output=output, at_once=at_once, options=engine.sbatch_options
    )
