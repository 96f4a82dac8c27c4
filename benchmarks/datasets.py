"""``whatwhere data``: what a copy holds, and writing its cache."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.build import build_data
from benchmarks.schema import Source
from datamodules import registry

STYLE = {"ok": "green", "warn": "yellow", "missing": "red"}


def verify(dataset: str, root: Path, out: Console) -> int:
    """Print what a copy holds against what it should, and what to do.

    Returns:
        0 if the copy can be used, 2 if not.
    """
    report = registry.load(dataset).verify(root)
    shown = Table(
        "", "item", "expected", "found", title=escape(f"{report.dataset} in {report.root}")
    )
    for check in report.checks:
        status = f"[{STYLE[check.status]}]{check.status}[/]"
        shown.add_row(status, escape(check.item), escape(check.expected), escape(check.found))
    out.print(shown)
    remedies: dict[str, list[str]] = {}
    for check in report.checks:
        if check.remedy:
            remedies.setdefault(check.remedy, []).append(check.item)
    for remedy, items in remedies.items():
        out.print(escape(f"{', '.join(items)}: {remedy}"), highlight=False, soft_wrap=True)
    return 0 if report.usable else 2


def prepare(
    dataset: str,
    source: Source,
    root: Path | None,
    cache_dir: Path | None,
    image_size: int,
    out: Console,
) -> int:
    """Write a dataset's cache where it is missing, and print what it holds.

    Raises:
        DatasetNotFoundError: the copy is absent or half unpacked.
    """
    data = build_data(
        dataset,
        {"image_size": image_size},
        source=source,
        root=None if root is None else str(root),
        cache_dir=None if cache_dir is None else str(cache_dir),
    )
    data.prepare_data()
    data.setup()
    for split, count in data.counts().items():
        out.print(f"{split}: {count:,}", highlight=False)
    out.print(escape(str(data.cache_path())), highlight=False, soft_wrap=True)
    return 0
