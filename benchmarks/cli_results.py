"""Commands of results that are shown to others: kept in git, put on one page, compared."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.cli_options import (
    RESULTS,
    BudgetOption,
    CacheOption,
    ResultsOption,
    RootOption,
    SourceName,
    SourceOption,
    TableArgument,
)

IntoOption = Annotated[
    Path, typer.Option("--into", help="The results folder that is in git, with kept/ and tables/.")
]


def keep(
    table: TableArgument,
    budget: BudgetOption = "quick",
    source: SourceOption = SourceName.standin,
    data_root: RootOption = None,
    cache_dir: CacheOption = None,
    results: ResultsOption = RESULTS,
    into: IntoOption = RESULTS,
) -> None:
    """Copy a table's finished cells to where git has them, and write the table of what is kept.

    Exit 1 where some could not be kept: failed ones, and those of uncommitted changes.
    """
    from benchmarks import showing as work
    from benchmarks.bench import Choice
    from benchmarks.plan import DataChoice

    data = DataChoice(source.value, data_root, cache_dir)
    raise typer.Exit(work.keep(Choice(table, budget, data, results), into))
