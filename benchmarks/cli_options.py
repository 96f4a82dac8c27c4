"""Options that several commands share; light to import, for ``--help`` must be quick."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from benchmarks.bench import Choice


class SourceName(StrEnum):
    """Where pictures come from."""

    standin = "standin"
    real = "real"


class Wandb(StrEnum):
    """Whether Weights & Biases records the runs."""

    off = "off"
    offline = "offline"
    online = "online"


class EngineNames(StrEnum):
    """What runs cells."""

    local = "local"
    ray = "ray"
    slurm = "slurm"


TableArgument = Annotated[str, typer.Argument(help="A table's id, or the path of its YAML.")]
TablesArgument = Annotated[
    list[str], typer.Argument(help="Tables' ids, or paths of their YAML; one or more.")
]
JunitOption = Annotated[Path | None, typer.Option("--junit", help="Write JUnit XML here, too.")]
JsonOption = Annotated[Path | None, typer.Option("--json", help="Write JSON here, too.")]
MarkdownOption = Annotated[
    Path | None, typer.Option("--markdown", help="Write Markdown here, too, to be a comment.")
]
BudgetOption = Annotated[
    str, typer.Option("--budget", help="smoke, quick or full; quick-bf16 in mixed precision.")
]
SourceOption = Annotated[SourceName, typer.Option("--source", help="Stand-in or real data.")]
RootOption = Annotated[
    Path | None, typer.Option("--data-root", help="Folder of your copy (source real).")
]
CacheOption = Annotated[
    Path | None, typer.Option("--cache-dir", help="Where prepared data is kept.")
]
ResultsOption = Annotated[Path, typer.Option("--results", help="The results folder.")]
WandbOption = Annotated[Wandb, typer.Option("--wandb", help="Record runs with W&B.")]
EngineOption = Annotated[
    EngineNames, typer.Option("--engine", help="This machine, a Ray cluster or a SLURM queue.")
]
AddressOption = Annotated[
    str, typer.Option("--address", help="Of a Ray cluster, HOST:PORT or auto; else one is started.")
]
CpusOption = Annotated[
    int | None, typer.Option("--cpus", min=1, help="CPUs of a cell (ray, slurm): 4 by a GPU, or 1.")
]
SbatchOption = Annotated[
    str, typer.Option("--sbatch", help='Options of sbatch: "--partition=gpu --time=24:00:00".')
]
WaitOption = Annotated[
    bool, typer.Option("--wait/--no-wait", help="Wait for the cells (slurm may do without).")
]
BaselinesOption = Annotated[
    Path | None, typer.Option("--baselines", help="Folder of accepted numbers.")
]
DeviceOption = Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:1 or mps.")]
CheckpointArgument = Annotated[
    Path, typer.Argument(help="A checkpoint, or a cell's folder RESULTS/runs/CELL.")
]
DatasetOption = Annotated[
    str | None, typer.Option("--dataset", help="A dataset's id; without it, the cell's own data.")
]
IndexOption = Annotated[int, typer.Option("--index", min=0, help="Number of the test picture.")]
DevicesOption = Annotated[
    int, typer.Option("--devices", min=1, help="Processes that train it together, a GPU each.")
]
NodesOption = Annotated[
    int, typer.Option("--nodes", min=1, help="Machines with so many devices each.")
]
CompileOption = Annotated[
    bool, typer.Option("--compile", help="Compile networks by torch.compile before they learn.")
]
ChannelsLastOption = Annotated[
    bool, typer.Option("--channels-last", help="Keep channels innermost in memory.")
]
RESULTS = Path("results")


def choice_of(
    table: str,
    budget: str,
    source: SourceName,
    data_root: Path | None,
    cache_dir: Path | None,
    results: Path,
    *,
    needs_data: bool = True,
) -> Choice:
    """What a command's options say; ``needs_data`` is for commands that read pictures.

    Raises:
        ValueError: real data, without its folder.
    """
    # Imported late, as in every command: torch takes seconds, `--help` must not.
    from benchmarks.bench import Choice
    from benchmarks.plan import DataChoice

    if needs_data and source is SourceName.real and data_root is None:
        raise ValueError("source real needs your copy of the data: --data-root FOLDER")
    return Choice(
        table=table,
        budget=budget,
        data=DataChoice(source.value, data_root, cache_dir),
        results=results,
    )
