"""``whatwhere wandb ...``: dashboards, sharing and searches with Weights & Biases."""

from __future__ import annotations

import logging
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.cli_options import (
    RESULTS,
    BudgetOption,
    CacheOption,
    DeviceOption,
    ResultsOption,
    RootOption,
    SourceName,
    SourceOption,
    TableArgument,
    Wandb,
    WandbOption,
    choice_of,
)

app = typer.Typer(
    help="Dashboards, sharing and searches with Weights & Biases; see docs/wandb.md.",
    no_args_is_help=True,
)

ProjectOption = Annotated[
    str,
    typer.Option(
        "--project", help="ENTITY/PROJECT; else WANDB_ENTITY and WANDB_PROJECT, else whatwhere."
    ),
]
MetricOption = Annotated[
    str, typer.Option("--metric", help="What training logs, val/... or train/...; never of test.")
]
RowArgument = Annotated[str, typer.Argument(help="A row's id.")]


class Search(StrEnum):
    """How W&B chooses the next trial."""

    grid = "grid"
    random = "random"
    bayes = "bayes"


class Goal(StrEnum):
    """The direction of progress."""

    minimize = "minimize"
    maximize = "maximize"


@app.command()
def setup(
    table: TableArgument,
    budget: BudgetOption = "quick",
    source: SourceOption = SourceName.standin,
    results: ResultsOption = RESULTS,
    project: ProjectOption = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be saved; needs no network.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write the specifications here (JSON).")
    ] = None,
) -> None:
    """Save a workspace and a report of a table's runs; again, to bring them up to date."""
    from benchmarks import wandb_commands as work

    choice = choice_of(table, budget, source, None, None, results, needs_data=False)
    raise typer.Exit(work.setup(choice, project, dry_run=dry_run, output=output))


@app.command()
def pull(
    table: Annotated[
        str | None, typer.Argument(help="Only cells of this table; without it, of all.")
    ] = None,
    budget: BudgetOption = "quick",
    source: SourceOption = SourceName.standin,
    results: ResultsOption = RESULTS,
    project: ProjectOption = "",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Take theirs where a finished cell here differs.")
    ] = False,
) -> None:
    """Write the cells of a project's runs here: 0 fine, 1 some are damaged or differ.

    With a table only those of --budget and --source.
    """
    from benchmarks import wandb_commands as work

    chosen = (
        None
        if table is None
        else choice_of(table, budget, source, None, None, results, needs_data=False)
    )
    raise typer.Exit(work.pull(chosen, results, project, overwrite=overwrite, out=Console()))


@app.command()
def sweep(
    table: TableArgument,
    row: RowArgument,
    budget: BudgetOption = "quick",
    source: SourceOption = SourceName.standin,
    data_root: RootOption = None,
    cache_dir: CacheOption = None,
    results: ResultsOption = RESULTS,
    over: Annotated[
        list[str] | None,
        typer.Option("--over", help="NAME=LOW..HIGH or NAME=VALUE,VALUE; again for more."),
    ] = None,
    metric: MetricOption = "val/loss",
    goal: Annotated[Goal, typer.Option("--goal", help="The direction of progress.")] = (
        Goal.minimize
    ),
    search: Annotated[
        Search | None, typer.Option("--search", help="How the next trial is chosen.")
    ] = None,
    runs: Annotated[int | None, typer.Option("--runs", min=1, help="Trials at most.")] = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="The YAML file.")] = Path(
        "sweep.yaml"
    ),
) -> None:
    """Write a W&B sweep over a row's arguments; its trials never see a test picture."""
    from benchmarks import wandb_commands as work

    raise typer.Exit(
        work.sweep(
            choice_of(table, budget, source, data_root, cache_dir, results),
            row,
            output,
            over=over or [],
            metric=metric,
            goal=goal.value,
            search=None if search is None else search.value,
            runs=runs,
        )
    )


@app.command()
def trial(
    table: TableArgument,
    row: RowArgument,
    changes: Annotated[
        list[str] | None, typer.Argument(help="Arguments of the method, NAME=VALUE.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    budget: BudgetOption = "quick",
    source: SourceOption = SourceName.standin,
    data_root: RootOption = None,
    cache_dir: CacheOption = None,
    results: ResultsOption = RESULTS,
    device: DeviceOption = "cpu",
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads.")] = None,
    metric: MetricOption = "val/loss",
    wandb: WandbOption = Wandb.online,
) -> None:
    """Train a row with other arguments and score nothing: what a sweep's agent runs."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    from benchmarks import wandb_commands as work

    raise typer.Exit(
        work.trial(
            choice_of(table, budget, source, data_root, cache_dir, results),
            row,
            changes or [],
            seed=seed,
            metric=metric,
            device=device,
            threads=threads,
            wandb=wandb.value,
        )
    )
