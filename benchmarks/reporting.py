"""``whatwhere report``: results to look at, as one file."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from benchmarks.photographs import View, photograph
from benchmarks.report.collect import collect
from benchmarks.report.page import write_page
from benchmarks.schema import Source


def report(
    tables: Sequence[str],
    output: Path,
    *,
    results: Sequence[Path],
    budget: str | None = None,
    source: Source | None = None,
    picture: Path | None = None,
) -> int:
    """Write the page, and print where it is and what it could not show.

    Args:
        tables: ids or paths of YAML files; none for all there are cells of.
        output: the HTML file.
        results: one results folder, or two to compare.
        budget: only this one.
        source: only this one.
        picture: a PNG file of what the page shows first, too; None for none.

    Returns:
        The exit code, 0.

    Raises:
        ValueError: there is nothing to show, or more than two folders, or no browser to take the
            picture with.
    """
    if len(results) > 2:
        raise ValueError(f"--results names {len(results)} folders; a page compares two at most")
    if output.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"{output}: a report is a page; let its name end in .html")
    found = collect(results, tables, budget=budget, source=source)
    size = write_page(found, output)
    for problem in found.problems:
        Console(stderr=True).print(problem, markup=False, highlight=False, soft_wrap=True)
    Console().print(
        f"{output} ({size / 1e6:.2g} MB)", markup=False, highlight=False, soft_wrap=True
    )
    if picture is not None:
        asyncio.run(photograph(View(output.resolve().as_uri()), picture))
        Console().print(str(picture), markup=False, highlight=False, soft_wrap=True)
    return 0
