"""What the commands of `benchmarks.cli_results` do, on top of keeping and comparing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from benchmarks.bench import Choice, current_cells
from benchmarks.keeping import keep as keep_cells
from benchmarks.specs import load_spec
from benchmarks.store import Store

EXIT_INCOMPLETE = 1


def keep(choice: Choice, into: Path) -> int:
    """Keep a table's finished cells in git.

    Args:
        choice: the table, and the results folder its cells are in.
        into: the results folder that is in git.

    Returns:
        0, or 1 where some cells could not be kept.
    """
    spec = load_spec(choice.table)
    done = keep_cells(spec, current_cells(choice, spec), Store(into.resolve()))
    for words in done.left_out:
        choice.console.print(f"left out: {words}", markup=False, highlight=False, soft_wrap=True)
    for words in done.dropped:
        choice.console.print(
            f"no longer kept: {words}", markup=False, highlight=False, soft_wrap=True
        )
    lines = [
        f"kept: {len(done.written)} cells of table {spec.table}",
        *map(str, done.tables.values()),
    ]
    choice.out.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)
    return EXIT_INCOMPLETE if done.left_out else 0


def _say(console: Console, lines: Sequence[str]) -> None:
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
