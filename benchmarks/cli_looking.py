"""Commands of people who would rather look: what a method can be made to show."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from benchmarks.cli_options import (
    RESULTS,
    CacheOption,
    CheckpointArgument,
    DatasetOption,
    DeviceOption,
    IndexOption,
    RootOption,
    SourceName,
    SourceOption,
)

EDIT_HELP: Final = """Move, recolour, copy, remove the particles of a picture, and paint it again.

Without --edit, the picture is drawn with its particles' numbers. Edits are done in their order.
PARTICLE is a number, of recolour, shift and paste also background; PICTURE is this or other. A
copy takes the next free number, and what is removed keeps its own. Coordinates are in [-1, 1],
y down.

\b
move PARTICLE DX DY
place PARTICLE X Y
recolour PARTICLE DIMENSION VALUE
shift PARTICLE DIMENSION BY
paste PARTICLE SOURCE [PICTURE]
copy PARTICLE DX DY
remove PARTICLE
presence PARTICLE VALUE
scale PARTICLE FACTOR
depth PARTICLE VALUE
interpolate [SHARE]
"""
"""Of the command; after the sign \\b, lines stay as they are."""


def edit(
    checkpoint: CheckpointArgument,
    change: Annotated[
        list[str] | None,
        typer.Option("--edit", help='E.g. "move 3 0.2 -0.1" (listed above); again for more.'),
    ] = None,
    script: Annotated[
        Path | None, typer.Option(help="A JSON file of edits, done before those of --edit.")
    ] = None,
    image: Annotated[
        Path | None,
        typer.Option("--image", "--images", help="Your picture, cut as in training."),
    ] = None,
    dataset: DatasetOption = None,
    index: IndexOption = 0,
    other: Annotated[
        Path | None, typer.Option(help="Another picture, for paste and interpolate.")
    ] = None,
    other_index: Annotated[
        int | None, typer.Option(min=0, help="Or another test picture, by number.")
    ] = None,
    source: SourceOption = SourceName.standin,
    data_root: RootOption = None,
    cache_dir: CacheOption = None,
    device: DeviceOption = "cpu",
    output: Annotated[
        list[Path] | None,
        typer.Option(
            "-o",
            "--output",
            help="A strip .png, a film .gif or .mp4, the edits .json; again for more (edit.png).",
        ),
    ] = None,
) -> None:
    """Move, recolour, copy, remove the particles of a picture, and paint it again."""
    from benchmarks.chosen_pictures import Pictures
    from benchmarks.editing import edit as work

    wanted = Pictures(
        image=image,
        other=other,
        dataset=dataset,
        index=index,
        other_index=other_index,
        source=source.value,
        root=data_root,
        cache_dir=cache_dir,
    )
    raise typer.Exit(
        work(
            checkpoint,
            output or [Path("edit.png")],
            wanted=wanted,
            sentences=change or [],
            script=script,
            device=device,
        )
    )


def studio(
    checkpoint: CheckpointArgument,
    image: Annotated[
        Path | None, typer.Option("--image", help="Your picture, cut as in training.")
    ] = None,
    dataset: DatasetOption = None,
    index: IndexOption = 0,
    source: SourceOption = SourceName.standin,
    data_root: RootOption = None,
    cache_dir: CacheOption = None,
    device: DeviceOption = "cpu",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for a free one.")] = 0,
    browser: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    picture: Annotated[
        Path | None,
        typer.Option("--picture", help="Only write a picture of the page (.png); by Playwright."),
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option("--export", help="Only write the page as one file that needs no server."),
    ] = None,
    pictures: Annotated[
        int,
        typer.Option(
            "--pictures", min=0, max=64, help="Test pictures in that file, from the first on."
        ),
    ] = 8,
    runtime: Annotated[
        Path | None,
        typer.Option(
            "--runtime", help="The package of ONNX Runtime Web for that file; npm fetches it else."
        ),
    ] = None,
) -> None:
    """Take hold of what a method has learned: drag particles, slide codes, in a page."""
    from benchmarks.chosen_pictures import Pictures
    from benchmarks.studio import launch as work

    wanted = Pictures(
        image=image,
        dataset=dataset,
        index=index,
        source=source.value,
        root=data_root,
        cache_dir=cache_dir,
    )
    shown = work.Shown(
        port=port,
        browser=browser,
        picture=picture,
        export=export,
        pictures=pictures,
        runtime=runtime,
    )
    raise typer.Exit(work.studio(checkpoint, wanted=wanted, device=device, shown=shown))


def report(
    tables: Annotated[
        list[str] | None, typer.Argument(help="Tables' ids or YAML files; none for all there are.")
    ] = None,
    results: Annotated[
        list[Path] | None,
        typer.Option("--results", help="The results folder; a second one to compare (results)."),
    ] = None,
    budget: Annotated[
        str | None, typer.Option("--budget", help="Only cells of this budget.")
    ] = None,
    source: Annotated[
        SourceName | None, typer.Option("--source", help="Only cells of this source.")
    ] = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="The page.")] = Path("report.html"),
    picture: Annotated[
        Path | None,
        typer.Option("--picture", help="Also write a picture of the page (.png); by Playwright."),
    ] = None,
) -> None:
    """Write tables, plots, curves and pictures of results as one page that needs no network."""
    from benchmarks.reporting import report as work

    raise typer.Exit(
        work(
            tables or [],
            output,
            results=results or [RESULTS],
            budget=budget,
            source=None if source is None else source.value,
            picture=picture,
        )
    )
