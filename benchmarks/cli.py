"""The command line: ``whatwhere`` or ``python -m benchmarks``. It parses; others work."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks import cli_looking, cli_results, cli_wandb
from benchmarks.cli_options import (
    RESULTS,
    AddressOption,
    BaselinesOption,
    BudgetOption,
    CacheOption,
    ChannelsLastOption,
    CheckpointArgument,
    CompileOption,
    CpusOption,
    DeviceOption,
    DevicesOption,
    EngineNames,
    EngineOption,
    JsonOption,
    JunitOption,
    MarkdownOption,
    NodesOption,
    ResultsOption,
    RootOption,
    SbatchOption,
    SourceName,
    SourceOption,
    TableArgument,
    TablesArgument,
    WaitOption,
    Wandb,
    WandbOption,
    choice_of,
)

app = typer.Typer(
    help="Methods that learn, without labels, to tell where things are from what they look like: "
    "run their tables, and check them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
data_app = typer.Typer(help="The user's own copies of datasets.", no_args_is_help=True)
app.add_typer(data_app, name="data")
app.add_typer(cli_wandb.app, name="wandb")
app.command(help=cli_looking.EDIT_HELP)(cli_looking.edit)
app.command()(cli_looking.studio)
app.command()(cli_looking.report)
for of_results in ("compare", "keep", "leaderboard", "schema"):
    app.command()(getattr(cli_results, of_results))

DEBUG_VARIABLE = "WHATWHERE_DEBUG"


@app.command()
def bench(
    tables: TablesArgument,
    budget: BudgetOption = "quick",
    source: SourceOption = SourceName.standin,
    data_root: RootOption = None,
    cache_dir: CacheOption = None,
    results: ResultsOption = RESULTS,
    rows: Annotated[str, typer.Option(help="Only these rows, e.g. dlp-k30,pca-60.")] = "",
    seeds: Annotated[str, typer.Option(help="How many (3), or which (0,1,2).")] = "",
    devices: Annotated[str, typer.Option(help="auto, cpu, cpu:2, GPUs: 2 or 0,1.")] = "auto",
    wandb: WandbOption = Wandb.off,
    engine: EngineOption = EngineNames.local,
    address: AddressOption = "",
    cpus: CpusOption = None,
    sbatch: SbatchOption = "",
    wait: WaitOption = True,
    cell_devices: Annotated[
        int, typer.Option(min=1, help="GPUs that train one cell together, on each machine.")
    ] = 1,
    cell_nodes: Annotated[
        int, typer.Option(min=1, help="Machines that train one cell together (slurm).")
    ] = 1,
    compile: CompileOption = False,
    channels_last: ChannelsLastOption = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print cells and commands only.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Forget the results of these cells, run them anew.")
    ] = False,
) -> None:
    """Run tables: only cells that have no result yet; failed ones are tried again."""
    from benchmarks import bench as work
    from benchmarks.acceleration import Acceleration
    from benchmarks.engines.choose import EngineChoice
    from benchmarks.specs import parse_rows, parse_seeds

    _exit(
        work.bench(
            [choice_of(one, budget, source, data_root, cache_dir, results) for one in tables],
            rows=parse_rows(rows),
            seeds=parse_seeds(seeds),
            devices=devices,
            wandb=wandb.value,
            engine=EngineChoice(
                engine.value, address, cpus, sbatch, wait, cell_devices, cell_nodes
            ),
            acceleration=Acceleration(compile, channels_last),
            dry_run=dry_run,
            again=again,
        )
    )


@app.command("table")
def table_command(
    table: TableArgument,
    budget: BudgetOption = "quick",
    source: SourceOption = SourceName.standin,
    data_root: RootOption = None,
    cache_dir: CacheOption = None,
    results: ResultsOption = RESULTS,
) -> None:
    """Make a table again from the cells that are there, and print it."""
    from benchmarks import bench as work

    _exit(work.table(choice_of(table, budget, source, data_root, cache_dir, results)))


@app.command()
def check(
    tables: TablesArgument,
    budget: BudgetOption = "quick",
    source: SourceOption = SourceName.standin,
    data_root: RootOption = None,
    cache_dir: CacheOption = None,
    results: ResultsOption = RESULTS,
    baselines: BaselinesOption = None,
    junit: JunitOption = None,
    json: JsonOption = None,
    markdown: MarkdownOption = None,
) -> None:
    """Compare with the accepted numbers: exit 0 fine, 1 worse, 2 not comparable."""
    from benchmarks import checking as work
    from benchmarks.gate_output import Outputs

    choices = [choice_of(table, budget, source, data_root, cache_dir, results) for table in tables]
    _exit(work.check(choices, baselines, Outputs(junit, json, markdown)))


@app.command()
def accept(
    table: TableArgument,
    reason: Annotated[str, typer.Option(help="Why the numbers may change.")],
    budget: BudgetOption = "quick",
    source: SourceOption = SourceName.standin,
    data_root: RootOption = None,
    cache_dir: CacheOption = None,
    results: ResultsOption = RESULTS,
    baselines: BaselinesOption = None,
) -> None:
    """Make the present numbers the accepted ones."""
    from benchmarks import checking as work

    choice = choice_of(table, budget, source, data_root, cache_dir, results)
    _exit(work.accept(choice, baselines, reason))


@app.command()
def cell(
    table: TableArgument,
    row: Annotated[str, typer.Argument(help="A row's id.")],
    seed: Annotated[int, typer.Option(min=0)] = 0,
    budget: BudgetOption = "quick",
    source: SourceOption = SourceName.standin,
    data_root: RootOption = None,
    cache_dir: CacheOption = None,
    results: ResultsOption = RESULTS,
    device: DeviceOption = "cpu",
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads.")] = None,
    wandb: WandbOption = Wandb.off,
    devices: DevicesOption = 1,
    nodes: NodesOption = 1,
    compile: CompileOption = False,
    channels_last: ChannelsLastOption = False,
    save_seconds: Annotated[
        float,
        typer.Option(
            min=0, envvar="WHATWHERE_SAVE_SECONDS", help="Least time between two checkpoints."
        ),
    ] = 20.0,
) -> None:
    """Measure one cell in this process: exit 0 measured, 1 failed, 75 stopped (run it again)."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    from benchmarks import bench as work
    from benchmarks.acceleration import Acceleration

    choice = choice_of(table, budget, source, data_root, cache_dir, results)
    _exit(
        work.cell(
            choice,
            row,
            seed=seed,
            device=device,
            threads=threads,
            wandb=wandb.value,
            save_every_seconds=save_seconds,
            devices=devices,
            nodes=nodes,
            acceleration=Acceleration(compile, channels_last),
        )
    )


@app.command()
def pictures(
    checkpoint: CheckpointArgument,
    images: Annotated[
        list[Path] | None,
        typer.Option(
            help="Your pictures, files or folders, cut as in training; else the cell's own."
        ),
    ] = None,
    driver: Annotated[
        list[Path] | None,
        typer.Option(help="Pictures of one person in a row, whose geometry the others take on."),
    ] = None,
    gamma: Annotated[
        float, typer.Option(min=0, help="How far basis functions go, in deviations of the prior.")
    ] = 10.0,
    points: Annotated[int, typer.Option(min=2, help="Pictures of a basis function.")] = 10,
    data_root: RootOption = None,
    cache_dir: CacheOption = None,
    device: DeviceOption = "cpu",
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the pictures.")] = Path(
        "pictures"
    ),
) -> None:
    """Draw what a trained method has learned, from its checkpoint."""
    from benchmarks.draw import draw

    _exit(
        draw(
            checkpoint,
            output,
            images=images or [],
            driver=driver or [],
            gamma=gamma,
            points=points,
            root=data_root,
            cache_dir=cache_dir,
            device=device,
        )
    )


@app.command("list")
def list_command(
    table: Annotated[str | None, typer.Argument(help="Only this table's rows.")] = None,
    matrix: Annotated[
        bool, typer.Option("--matrix", help="Which protocols score which method on which dataset.")
    ] = False,
) -> None:
    """Show methods, datasets, tables and rows; or what goes with what."""
    from benchmarks.specs import load_spec, table_ids

    out = Console()
    if matrix:
        from benchmarks.matrix import draw

        out.print(draw(), soft_wrap=True, highlight=False, markup=False)
        return
    if table is None:
        from datamodules import registry as datasets
        from lightning_modules import registry as methods

        out.print("methods: ", ", ".join(methods.ids()), highlight=False)
        out.print("datasets:", ", ".join(datasets.ids()), highlight=False)
    for name in [table] if table is not None else table_ids():
        spec = load_spec(name)
        shown = Table("row", "method", "label", title=f"{spec.table}: {spec.title}")
        for row in spec.rows:
            shown.add_row(row.id, row.method or "(published)", escape(row.label))
        out.print(shown)
        out.print(f"budgets: {', '.join(spec.budgets)}; dataset: {spec.dataset}", highlight=False)


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    add_help_option=False,
)
def fit(context: typer.Context) -> None:
    """Train one run from a config: whatwhere fit -c config.yaml (LightningCLI)."""
    from benchmarks.fit import main as fit_main

    fit_main(["fit", *context.args])


@app.command()
def perf(
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 2,
    rounds: Annotated[int, typer.Option(min=1, help="How often each section is timed.")] = 3,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write JSON here, too.")
    ] = None,
) -> None:
    """Measure speed and memory, beside the machine's matrix rate and a plain reference."""
    from benchmarks import bench as work

    _exit(work.perf(threads, rounds, output))


@data_app.command()
def verify(
    dataset: Annotated[str, typer.Argument(help="A dataset's id.")],
    data_root: Annotated[Path, typer.Option("--data-root", help="Folder of your copy.")],
) -> None:
    """Show what a copy holds against what it should, and what to do."""
    from benchmarks import datasets

    _exit(datasets.verify(dataset, data_root, Console()))


@data_app.command()
def prepare(
    dataset: Annotated[str, typer.Argument(help="A dataset's id.")],
    source: SourceOption = SourceName.standin,
    data_root: RootOption = None,
    cache_dir: CacheOption = None,
    image_size: Annotated[
        int | None, typer.Option(min=8, help="Pixels a side (64), without --budget.")
    ] = None,
    budget: Annotated[
        str | None, typer.Option("--budget", help="Exactly what a table's budget reads.")
    ] = None,
    table: Annotated[
        str | None, typer.Option("--table", help="Of this table; without it, of every one.")
    ] = None,
) -> None:
    """Write a dataset's cache, once."""
    from benchmarks import datasets

    wanted = datasets.arguments(dataset, image_size, budget, table)
    _exit(datasets.prepare(dataset, wanted, source.value, data_root, cache_dir, Console()))


def main() -> None:
    """Run the command line; errors of the user's making become one clear paragraph, exit 2."""
    try:
        app()
    except (ValueError, OSError) as error:
        if os.environ.get(DEBUG_VARIABLE):
            raise
        console = Console(stderr=True)
        console.print(f"[red]error:[/red] {escape(str(error))}", highlight=False, soft_wrap=True)
        console.print(f"({DEBUG_VARIABLE}=1 shows where it comes from)", style="dim")
        sys.exit(2)


def _exit(code: int) -> None:
    raise typer.Exit(code)
