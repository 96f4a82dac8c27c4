"""What ``whatwhere wandb setup``, ``pull``, ``sweep`` and ``trial`` do; the CLI only parses."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.arguments import check_arguments
from benchmarks.bench import Choice
from benchmarks.build import fingerprint, settle
from benchmarks.devices import check_device
from benchmarks.engines.interface import EXIT_STOPPED
from benchmarks.files import write_atomically, write_json
from benchmarks.schema import CellResult, Spec
from benchmarks.specs import check_ids, is_path, load_spec, resolve_cell
from lightning_modules import registry as methods

if TYPE_CHECKING:
    from benchmarks.tracking.sweeps import Goal, SearchBy

log = logging.getLogger(__name__)

EXIT_LEFT_OUT = 1
"""Of `pull`: some run is no cell though it says so, or a cell here has other numbers."""


def setup(choice: Choice, where: str, *, dry_run: bool, output: Path | None) -> int:
    """Save a table's workspace and report.

    Args:
        choice: the table; its cells in the results folder are shown as a table in the report.
        where: ``entity/project``, ``project`` or nothing.
        dry_run: only say what would be saved; no network is needed.
        output: where to write the specifications as JSON, if anywhere.
    """
    from benchmarks.tracking import boards
    from benchmarks.tracking.dashboard import describe, media_in, plan_dashboard
    from benchmarks.tracking.project import Project, connected

    spec = load_spec(choice.table)
    project = Project.parse(where)
    cells = _measured(choice, spec)
    here = media_in(choice.store.run_folder(cell.cell_id) for cell in cells)
    plan = partial(
        plan_dashboard, spec, budget=choice.budget, source=choice.data.source, cells=cells
    )
    board = plan(media=here)
    if dry_run:
        said = [describe(board)]
    else:
        with connected(project) as (api, project):
            board = plan(media=here | boards.media_of(board, api, project))
            said = list(boards.save(board, api, project))
    for line in said:
        choice.out.print(line, markup=False, highlight=False, soft_wrap=True)
    if output is not None:
        write_json(output, boards.as_json(board, project))
        choice.console.print(str(output), markup=False, highlight=False, soft_wrap=True)
    return 0


def pull(choice: Choice | None, results: Path, where: str, *, overwrite: bool, out: Any) -> int:
    """Write the cells of a project's runs into a results folder.

    Args:
        choice: only cells of this table, budget and source; None for all.
        results: the results folder.
        where: ``entity/project``, ``project`` or nothing.
        overwrite: finished cells that differ from those here take their place.
        out: a console.

    Returns:
        0, or 1 where somebody has to look at something.
    """
    from benchmarks.store import Store
    from benchmarks.tracking import pull as pulling
    from benchmarks.tracking.project import Project, connected

    conditions = {}
    if choice is not None:
        spec = load_spec(choice.table)
        spec.budget(choice.budget)
        conditions = {"table": spec.table, "budget": choice.budget, "source": choice.data.source}
    found = []
    with connected(Project.parse(where)) as (api, project):
        for item in pulling.pull(
            api, project, Store(results.resolve()), conditions=conditions, overwrite=overwrite
        ):
            found.append(item)
            if item.detail:
                line = f"{item.outcome}: {pulling.said(item)}"
                out.print(line, markup=False, highlight=False, soft_wrap=True)
    counts = Counter(item.outcome for item in found)
    said = [f"{counts[name]} {words}" for name, words in pulling.WORDS.items() if counts[name]]
    out.print(
        f"{len(found)} runs of {project.path}: {'; '.join(said) or 'none'}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    return EXIT_LEFT_OUT if pulling.problems(found) else 0


def sweep(
    choice: Choice,
    row: str,
    output: Path,
    *,
    over: Sequence[str],
    metric: str,
    goal: Goal,
    search: SearchBy | None,
    runs: int | None,
) -> int:
    """Write a sweep's file.

    Args:
        choice: the table.
        row: of it.
        output: the YAML file.
        over: what is searched.
        metric: by which trials are compared.
        goal: the direction of progress.
        search: how W&B chooses the next ones.
        runs: how many at most.
    """
    from benchmarks.tracking import sweeps
    from benchmarks.tracking.session import project_name

    spec = load_spec(choice.table)
    check_ids(spec)
    options = [] if choice.results == Path("results") else ["--results", str(choice.results)]
    for name, path in (("--data-root", choice.data.root), ("--cache-dir", choice.data.cache_dir)):
        options += [] if path is None else [name, str(path)]
    found = sweeps.make_sweep(
        spec,
        row,
        budget=choice.budget,
        source=choice.data.source,
        over=over,
        metric=metric,
        goal=goal,
        search=search,
        runs=runs,
        table=choice.table if is_path(choice.table) else "",
        options=options,
    )
    write_atomically(output, sweeps.as_yaml(found))
    choice.out.print(
        f"{output}: {', '.join(found['parameters'])} by {metric}; next: wandb sweep --project "
        f"{project_name()} {output}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    return 0


def trial(
    choice: Choice,
    row: str,
    changes: Sequence[str],
    *,
    seed: int,
    metric: str,
    device: str,
    threads: int | None,
    wandb: str,
) -> int:
    """Train a row with other arguments, score nothing, and print what it is compared by.

    Returns:
        0, 1 if training failed, 75 if it was asked to stop.
    """
    from benchmarks.callbacks import StopRequestedError
    from benchmarks.tracking import check_mode
    from benchmarks.tracking.sweeps import check_objective, parse_changes, trained_cell
    from benchmarks.trial import run_trial

    check_mode(wandb)  # type: ignore[arg-type]
    check_device(device)
    spec = load_spec(choice.table)
    check_ids(spec)
    kind = {"budget": choice.budget, "source": choice.data.source, "seed": seed}
    check_objective(metric, trained_cell(spec, row, **kind))  # type: ignore[arg-type]
    given = parse_changes(changes)
    found = fingerprint(choice.data.build(spec, choice.budget, seed))
    cell = resolve_cell(spec, row, data_fingerprint=found, **kind)  # type: ignore[arg-type]
    cell = cell.model_copy(update={"args": cell.args | given})
    place = f"table '{spec.table}', row '{row}', budget '{choice.budget}'"
    check_arguments(place, methods.load(cell.method), cell.args)
    cell = settle(cell)
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    try:
        value = run_trial(
            cell,
            given,
            metric,
            results=choice.store.root,
            root=None if choice.data.root is None else str(choice.data.root),
            cache_dir=None if choice.data.cache_dir is None else str(choice.data.cache_dir),
            device=device,
            threads=threads,
            wandb=wandb,  # type: ignore[arg-type]
        )
    except StopRequestedError as stopped:
        choice.console.print(str(stopped), markup=False)
        return EXIT_STOPPED
    except (ValueError, OSError):
        raise
    except Exception as error:  # a search goes on to the next trial
        log.exception("the trial failed")
        choice.console.print(f"failed: {error}", markup=False, soft_wrap=True)
        return 1
    said = {"cell": cell.cell_id, "changes": given, metric: value}
    choice.out.print(json.dumps(said), markup=False, highlight=False, soft_wrap=True)
    return 0


def _measured(choice: Choice, spec: Spec) -> list[CellResult]:
    """Cells of a table that are here; none is fine, for others may have measured them."""
    spec.budget(choice.budget)
    cells, _ = choice.store.read_table(
        spec, budget=choice.budget, source=choice.data.source, settle=settle
    )
    return cells
