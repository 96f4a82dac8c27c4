"""What the commands do, on top of plan, runner, tables and gate; `benchmarks.cli` only parses."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markdown import Markdown
from rich.markup import escape

from benchmarks import environment, preflight
from benchmarks.acceleration import PLAIN, Acceleration
from benchmarks.build import fingerprint, settle
from benchmarks.console import Reporter, title
from benchmarks.devices import Slot, check_device, parse_devices
from benchmarks.engines.choose import EngineChoice, make_engine
from benchmarks.engines.interface import EXIT_STOPPED, Engine
from benchmarks.engines.process import CELL_ID_VARIABLE, RUNNER_PID_VARIABLE
from benchmarks.files import is_locked, write_json
from benchmarks.plan import DataChoice, plan
from benchmarks.runner import Runner, RunnerStoppedError, cell_command
from benchmarks.schema import CellResult, CellSpec, Spec
from benchmarks.specs import SpecError, check_ids, is_path, load_spec, resolve_cell
from benchmarks.store import FINISHED, Store

EXIT_FAILED_CELLS = 1
EXIT_INTERRUPTED = 130
HERE = EngineChoice()


@dataclass(frozen=True)
class Choice:
    """Which cells of which table, and where their files are.

    Args:
        table: id of a table, or path of a YAML file.
        budget: one of the table's budgets.
        data: where the data comes from.
        results: the results folder.
        console: for people, progress.
        out: for results, so that ``> file`` gets them and nothing else.
    """

    table: str
    budget: str = "quick"
    data: DataChoice = field(default_factory=DataChoice)
    results: Path = Path("results")
    console: Console = field(default_factory=lambda: Console(stderr=True))
    out: Console = field(default_factory=Console)

    @property
    def store(self) -> Store:
        """The results folder."""
        return Store(self.results.resolve())


def bench(
    choices: Sequence[Choice],
    *,
    rows: Sequence[str] | None,
    seeds: Sequence[int] | None,
    devices: str,
    wandb: str,
    engine: EngineChoice = HERE,
    acceleration: Acceleration = PLAIN,
    dry_run: bool = False,
    again: bool = False,
) -> int:
    """Run what is missing of tables, all their cells side by side, then write and print each.

    Args:
        choices: the tables, one or more, which differ in nothing else.
        rows: only these, of one table; None for all.
        seeds: None for the budget's own.
        devices: see `parse_devices`.
        wandb: ``off``, ``offline`` or ``online``.
        engine: what runs the cells.
        acceleration: how their networks are run.
        dry_run: print cells and commands only.
        again: forget the results these cells have, and what was trained of them.

    Returns:
        The exit code: 0, 1 if cells have failed, 130 if stopped.

    Raises:
        ValueError: a table twice, or rows of several; else see `plan` and `preflight.check`.
    """
    if wandb != "off":
        from benchmarks import tracking

        # Before anything is read or planned; a dry run is refused for the same reasons.
        tracking.check_mode(wandb)  # type: ignore[arg-type]
    if rows is not None and len(choices) > 1:
        raise ValueError(f"--rows {','.join(rows)} are of one table, here are {len(choices)}")
    specs = [load_spec(choice.table) for choice in choices]
    named = {spec.table: choice.table for spec, choice in zip(specs, choices, strict=True)}
    if len(named) < len(specs):
        raise ValueError(f"a table twice: {', '.join(spec.table for spec in specs)}")
    one = choices[0]
    data, store, console, out = one.data, one.store, one.console, one.out
    cells = [
        cell
        for spec in specs
        for cell in plan(spec, budget=one.budget, data=data, rows=rows, seeds=seeds)
    ]
    to_run = cells if again else [cell for cell in cells if store.finished(cell) is None]
    preflight.check(to_run)

    def command(cell: CellSpec, slot: Slot) -> list[str]:
        # Cells of a cluster start in another folder, so all paths are whole.
        name = named[cell.table]
        return cell_command(
            cell,
            slot,
            table=str(Path(name).resolve()) if is_path(name) else name,
            results=store.root,
            root=data.root and data.root.resolve(),
            cache_dir=data.cache_dir and data.cache_dir.resolve(),
            wandb=wandb,
            flags=acceleration.names,
        )

    def slots() -> list[Slot]:
        return _slots(devices, len(to_run))

    if dry_run:
        from benchmarks.dry_run import describe

        text = describe(cells, to_run, store, command, engine, devices, slots)
        out.print(text, markup=False, highlight=False, soft_wrap=True)
        return 0
    if not to_run:
        # What a cluster calls its devices may be nothing here, where all is done already.
        engine, devices = HERE, "cpu"
    metrics = {spec.table: spec.columns[0] for spec in specs}
    folder = store.slurm_folder()
    with closing(make_engine(engine, devices, slots=slots, folder=folder, cells=cells)) as runs:
        for spec in specs:
            seed = next((cell.seed for cell in to_run if cell.table == spec.table), None)
            for module in [] if seed is None else data.build(spec, one.budget, seed):
                module.prepare_data()
        if again:
            # After all that may be refused: what is forgotten is gone.
            _forget(cells, store, runs)
        with Reporter(console, len(cells), metrics) as reporter:
            runner = Runner(store, runs, command, reporter)
            try:
                if not engine.wait:
                    reporter.note(runner.submit(cells))
                    return 0
                failed = runner.run(cells)
            except RunnerStoppedError as stopped:
                reporter.note(str(stopped))
                return EXIT_INTERRUPTED
    for line in failed:
        console.print(f"[red]no result[/red] {escape(line)}", soft_wrap=True)
    _show(specs, choices, wandb)
    return EXIT_FAILED_CELLS if failed else 0


def _show(specs: Sequence[Spec], choices: Sequence[Choice], wandb: str) -> None:
    """Write and print tables, then log them; one table's trouble does not hide the others."""
    troubles: list[Exception] = []
    written = []
    for spec, choice in zip(specs, choices, strict=True):
        try:
            # Not only the rows of this run: a table must not shrink because one was run again.
            cells = current_cells(choice, spec)
            written.append((spec, cells, choice, _write_and_print(choice, spec, cells)))
        except (ValueError, OSError) as error:
            troubles.append(error)
    for spec, cells, choice, text in [] if wandb == "off" else written:
        from benchmarks import tracking

        try:
            tracking.log_tables(spec, cells, choice.store.root, wandb, markdown=text)  # type: ignore[arg-type]
        except (ValueError, OSError) as error:
            troubles.append(error)
    if len(troubles) == 1:
        raise troubles[0]
    if troubles:
        raise ValueError("; ".join(map(str, troubles)))


def _forget(cells: Sequence[CellSpec], store: Store, runs: Engine) -> None:
    """Forget cells, none of them where one is worked on."""
    busy = [cell for cell in cells if runs.knows(cell.cell_id) or is_locked(store.lock(cell))]
    if busy:
        raise ValueError(
            f"{title(busy[0])} is being worked on: stop that before --again forgets it"
        )
    for cell in cells:
        store.forget(cell)


def table(choice: Choice) -> int:
    """Make a table again from the cells that are there, and print it."""
    spec = load_spec(choice.table)
    _write_and_print(choice, spec, current_cells(choice, spec))
    return 0


def cell(
    choice: Choice,
    row: str,
    *,
    seed: int,
    device: str,
    threads: int | None,
    wandb: str,
    save_every_seconds: float,
    devices: int = 1,
    nodes: int = 1,
    acceleration: Acceleration = PLAIN,
) -> int:
    """Measure one cell in this process and print its JSON.

    With several devices or nodes this is one of the processes that train it, see `ranks`.

    Returns:
        0 if it has a result (``n/a`` is one), 1 if it failed, 75 if it was asked to stop.
    """
    if wandb != "off":
        from benchmarks.tracking import check_mode

        check_mode(wandb)  # type: ignore[arg-type]
    check_device(device)
    spec = load_spec(choice.table)
    check_ids(spec)
    planned = settle(
        resolve_cell(
            spec,
            row,
            seed=seed,
            budget=choice.budget,
            source=choice.data.source,
            data_fingerprint=fingerprint(choice.data.build(spec, choice.budget, seed)),
        )
    )
    expected = os.environ.get(CELL_ID_VARIABLE, planned.cell_id)
    if expected != planned.cell_id:
        raise SpecError(
            f"row '{row}' was planned as cell {expected}, but is {planned.cell_id} now: "
            f"{choice.table} or the data changed since; start the table again"
        )
    from benchmarks.callbacks import StopRequestedError
    from benchmarks.cell import run_cell
    from benchmarks.following import follow_cell
    from benchmarks.ranks import LEADER, Group, World

    group = Group(World.here(devices, nodes), device.startswith("cuda"))

    # Its hints and its notes on available devices would drown the lines that count.
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)

    runner = os.environ.get(RUNNER_PID_VARIABLE, "")
    where: dict[str, Any] = {
        "results": choice.store.root,
        "root": None if choice.data.root is None else str(choice.data.root),
        "cache_dir": None if choice.data.cache_dir is None else str(choice.data.cache_dir),
        "device": device,
        "threads": threads,
        "save_every_seconds": save_every_seconds,
        "acceleration": acceleration,
    }
    if group.world.rank != LEADER:
        follow_cell(planned, group, **where)
        return 0
    try:
        result = run_cell(
            planned,
            wandb=wandb,  # type: ignore[arg-type]
            progress_bar=sys.stdout.isatty(),
            parent_pid=int(runner) if runner.isdecimal() else None,
            group=group,
            **where,
        )
    except StopRequestedError as stopped:
        # Libraries may hold the interpreter open (loader workers, W&B); a second signal from an
        # impatient runner must not turn this answer into another one.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        choice.console.print(str(stopped), markup=False)
        return EXIT_STOPPED
    choice.out.print(
        result.model_dump_json(indent=2), markup=False, highlight=False, soft_wrap=True
    )
    if result.status not in FINISHED:
        choice.console.print(f"{result.status}: {result.reason}", markup=False, soft_wrap=True)
        return EXIT_FAILED_CELLS
    return 0


def perf(
    threads: int,
    rounds: int,
    output: Path | None,
    out: Console | None = None,
) -> int:
    """Measure speed and memory, print them as Markdown.

    Args:
        threads: of the CPU.
        rounds: how often each section is timed, in turns.
        output: where to write JSON, if anywhere.
        out: where the table goes; None for the standard output.
    """
    from benchmarks.perf import measure

    found = measure.report(threads, rounds)
    if output is not None:
        write_json(output, found)
    (out or Console()).print(measure.as_table(found), markup=False, highlight=False, soft_wrap=True)
    return 0


def _slots(devices: str, cells: int) -> list[Slot]:
    import torch

    return parse_devices(
        devices,
        available=torch.cuda.device_count(),
        visible=os.environ.get("CUDA_VISIBLE_DEVICES"),
        threads=environment.cpu_count(),
        cells=cells,
    )


def current_cells(choice: Choice, spec: Spec) -> list[CellResult]:
    """The cells that fit the specification and the data; what else stands there is said aloud."""
    known = choice.data.source == "standin" or choice.data.root is not None
    spec.budget(choice.budget)
    cells, stale = choice.store.read_table(
        spec,
        budget=choice.budget,
        source=choice.data.source,
        fingerprint=fingerprint(choice.data.build(spec, choice.budget)) if known else None,
        settle=settle,
    )
    if stale:
        choice.console.print(
            f"{len(stale)} cells in {choice.store.root} were measured with another specification "
            "or other data and are left out",
            markup=False,
            soft_wrap=True,
        )
    if not cells:
        raise SpecError(
            f"{choice.store.root} holds no cell of table '{spec.table}', budget "
            f"'{choice.budget}', source '{choice.data.source}'; run `whatwhere bench "
            f"{choice.table} --budget {choice.budget} --source {choice.data.source}` first"
        )
    return cells


def _write_and_print(choice: Choice, spec: Spec, cells: list[CellResult]) -> str:
    from benchmarks import tables

    paths = tables.write_tables(spec, cells, choice.store.tables_folder())
    text = tables.render(spec, cells, "md")
    if choice.out.is_terminal:
        choice.out.print(Markdown(text))
    else:
        choice.out.print(text, markup=False, highlight=False, soft_wrap=True)
    for path in paths.values():
        choice.console.print(str(path), markup=False, highlight=False, soft_wrap=True)
    return text
