"""``whatwhere data``: what a copy holds, and writing its cache."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.build import build_data
from benchmarks.schema import Source
from benchmarks.specs import load_spec, table_ids
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


def arguments(
    dataset: str, image_size: int | None, budget: str | None, table: str | None
) -> list[dict[str, Any]]:
    """The datamodule's arguments to prepare a cache for.

    Args:
        dataset: its id.
        image_size: pixels a side, for a cache of the dataset's own defaults; None for 64.
        budget: for what tables read at this budget; ``quick`` where only ``table`` is given.
        table: this one alone, an id or a YAML's path; None for every table of the suite on the
            dataset that has the budget.

    Returns:
        One mapping for each table, those that are the same only once.

    Raises:
        ValueError: size and budget were both given, or no such table reads this dataset.
    """
    if budget is None and table is None:
        return [{"image_size": image_size or 64}]
    if image_size is not None:
        raise ValueError("give --image-size, or --budget with or without --table: not both")
    name = budget or "quick"
    specs = [load_spec(wanted) for wanted in ([table] if table else table_ids())]
    if table:
        pretrained = {b.pretrain.dataset for b in specs[0].budgets.values() if b.pretrain}
        if dataset not in pretrained | {specs[0].dataset}:
            raise ValueError(
                f"table '{table}' is of dataset '{specs[0].dataset}', not of '{dataset}'"
            )
    found: list[dict[str, Any]] = []
    for spec in specs:
        if table or spec.has_budget(name):
            limits = spec.budget(name)
            pairs = [(spec.dataset, limits.data)]
            if limits.pretrain is not None:
                pairs.append((limits.pretrain.dataset, limits.pretrain.data))
            found += [given for of, given in pairs if of == dataset and given not in found]
    if not found:
        raise ValueError(f"no table on dataset '{dataset}' has a budget '{name}'; say --table")
    return found


def prepare(
    dataset: str,
    wanted: Sequence[Mapping[str, Any]],
    source: Source,
    root: Path | None,
    cache_dir: Path | None,
    out: Console,
) -> int:
    """Write a dataset's caches where they are missing, and print what they hold.

    Args:
        dataset: its id.
        wanted: arguments of its datamodule, see `arguments`; a cache for each.
        source: the stand-in, or the user's copy.
        root: folder of the user's copy.
        cache_dir: where prepared data is kept; None for the user's cache folder.
        out: where to print.

    Raises:
        DatasetNotFoundError: the copy is absent or half unpacked.
    """
    for given in wanted:
        data = build_data(
            dataset,
            given,
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
