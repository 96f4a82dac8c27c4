"""Commands of results that are shown to others: kept in git, put on one page, compared."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.cli_options import (
    RESULTS,
    BudgetOption,
    CacheOption,
    JsonOption,
    MarkdownOption,
    ResultsOption,
    RootOption,
    SourceName,
    SourceOption,
    TableArgument,
)

IntoOption = Annotated[
    Path, typer.Option("--into", help="The results folder that is in git, with kept/.")
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
    """Copy a table's cells to where git has them, and write the table of what is kept.

    Exit 1 where one has failed, which the table then says, or cannot be kept: uncommitted changes.
    """
    from benchmarks import showing as work
    from benchmarks.bench import Choice
    from benchmarks.plan import DataChoice

    data = DataChoice(source.value, data_root, cache_dir)
    raise typer.Exit(work.keep(Choice(table, budget, data, results), into))


def compare(
    before: Annotated[str, typer.Argument(help="A results folder, or a revision: main, v1.0.")],
    after: Annotated[str, typer.Argument(help="Another.")],
    tables: Annotated[
        list[str] | None,
        typer.Option("--table", help="Only this table, id or YAML file; again for more."),
    ] = None,
    budget: Annotated[
        str | None, typer.Option("--budget", help="Only cells of this budget.")
    ] = None,
    source: Annotated[
        SourceName | None, typer.Option("--source", help="Only cells of this source.")
    ] = None,
    results: Annotated[
        Path, typer.Option("--results", help="Where revisions have their results folder.")
    ] = RESULTS,
    json: JsonOption = None,
    markdown: MarkdownOption = None,
) -> None:
    """Compare two results folders or revisions: exit 0 nothing worse, 1 worse, 2 not comparable.

    Numbers and claims, by Welch's test over the seeds. A revision is compared by its kept cells.
    """
    from benchmarks import showing as work

    raise typer.Exit(
        work.compare(
            (before, after),
            tables or [],
            results=results,
            budget=budget,
            source=None if source is None else source.value,
            json=json,
            markdown=markdown,
        )
    )


def leaderboard(
    tables: Annotated[
        list[str] | None,
        typer.Argument(help="YAML files of kept tables that are none of the suite's."),
    ] = None,
    results: ResultsOption = RESULTS,
    output: Annotated[Path, typer.Option("-o", "--output", help="The page.")] = Path(
        "docs/leaderboard.md"
    ),
    excerpts: Annotated[
        list[Path] | None,
        typer.Option("--excerpts", help="A page that shows parts of tables; again for more."),
    ] = None,
    check: Annotated[
        bool,
        typer.Option("--check", help="Write nothing: exit 1 where files say something else."),
    ] = False,
) -> None:
    """Write the tables of all kept cells, one page of all tables, and excerpts in other pages."""
    from benchmarks import showing as work

    raise typer.Exit(
        work.leaderboard(tables or [], results, output, check=check, excerpts=excerpts or [])
    )


def schema() -> None:
    """Print the JSON Schema of a cell's file, for whoever reads them without this suite."""
    from benchmarks import showing as work

    raise typer.Exit(work.schema())
