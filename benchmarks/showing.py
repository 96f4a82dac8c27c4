"""What the commands of `benchmarks.cli_results` do, on top of keeping and comparing."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Final

from rich.console import Console

from benchmarks import comparison_report
from benchmarks.bench import Choice, current_cells
from benchmarks.cell_files import SCHEMA_FILE
from benchmarks.comparing import compare_sides, read_side, unknown_tables
from benchmarks.excerpts import fill
from benchmarks.files import write_atomically
from benchmarks.gate_output import add_to_summary
from benchmarks.keeping import keep as keep_cells
from benchmarks.keeping import kept_tables, rendered
from benchmarks.leaderboard import page
from benchmarks.schema import Source
from benchmarks.specs import is_path, load_spec, table_ids
from benchmarks.store import Store
from benchmarks.tables import FORMATS

EXIT_INCOMPLETE = 1
EXIT_DIFFERS = 1
_SUFFIXES: Final = frozenset(f".{fmt}" for fmt in FORMATS)


def keep(choice: Choice, into: Path) -> int:
    """Keep a table's cells in git.

    Args:
        choice: the table, and the results folder its cells are in.
        into: the results folder that is in git.

    Returns:
        0, or 1 where some cells could not be kept or have failed.
    """
    spec = load_spec(choice.table)
    done = keep_cells(spec, current_cells(choice, spec), Store(into.resolve()))
    notes = [f"left out: {words}" for words in done.left_out]
    notes += [f"kept without numbers: {words}" for words in done.failed]
    notes += [f"no longer kept: {words}" for words in done.dropped]
    own = f" {choice.table}" if is_path(choice.table) else ""
    notes.append(f"`whatwhere leaderboard{own}` puts the table on the page of all tables")
    _say(choice.console, notes)
    kept = f"kept: {len(done.written)} cells of table {spec.table}"
    _say(choice.out, [kept, *map(str, done.tables.values())])
    return EXIT_INCOMPLETE if done.left_out or done.failed else 0


def leaderboard(
    tables: Sequence[str],
    results: Path,
    output: Path,
    *,
    check: bool,
    excerpts: Sequence[Path] = (),
) -> int:
    """Write every kept table, and the page of all of them; or look whether they are there.

    Args:
        tables: paths of YAML files of tables that are none of the suite's.
        results: the results folder that is in git.
        output: the page.
        check: write nothing; compare what stands there.
        excerpts: pages that show parts of tables, see `benchmarks.excerpts`.

    Returns:
        0, or 1 where something differs from what the kept cells say.
    """
    store = Store(results.resolve())
    found = kept_tables(store, tables)
    if not found:
        raise ValueError(f"{store.kept().root}: no kept cells; `whatwhere keep TABLE` makes some")
    measured = {data.group.table for data in found}
    unmeasured = [name for name in table_ids() if name not in measured]
    wanted = rendered(store, found)
    # A table in git that nothing stands behind is as wrong as one that says something else.
    there = {path for path in store.kept().tables_folder().glob("*") if path.suffix in _SUFFIXES}
    lonely = sorted(there - wanted.keys())
    wanted[output] = page(found, store, output, unmeasured)
    wanted |= {path: fill(path, {one.group.file_stem: one for one in found}) for path in excerpts}
    console = Console(stderr=True)
    if not check:
        for path, text in wanted.items():
            write_atomically(path, text)
        _say(console, [f"{path}: no kept cells stand behind it" for path in lonely])
        _say(Console(), [f"{output} ({len(found)} tables)"])
        return 0
    differing = [path for path, text in wanted.items() if _read(path) != text]
    _say(console, [_difference(path, wanted[path]) for path in differing])
    _say(console, [f"{path}: no kept cells stand behind it" for path in lonely])
    if differing or lonely:
        _say(
            console,
            ["`make tables` writes tables and pages, `git checkout` undoes your own run"],
        )
        return EXIT_DIFFERS
    _say(Console(), [f"{output} and {len(wanted) - 1} other files are what the kept cells say"])
    return 0


def compare(
    names: tuple[str, str],
    tables: Sequence[str],
    *,
    results: Path,
    budget: str | None = None,
    source: Source | None = None,
    json: Path | None = None,
    markdown: Path | None = None,
) -> int:
    """Compare two results folders, or two revisions, and print what changed.

    Args:
        names: of the two, the earlier first.
        tables: ids or paths of YAML files; none for all that both have.
        results: where revisions have their results folder.
        budget: only cells of this one.
        source: only cells of this one.
        json: where to write everything that was compared, if anywhere.
        markdown: where to write what is printed, if anywhere.

    Returns:
        0 nothing got worse, 1 something did, 2 not comparable.
    """
    before, after = (read_side(name, results) for name in names)
    if not tables:
        others = unknown_tables(before, after)
        _say(
            Console(stderr=True),
            [f"table '{name}' is none of the suite's: --table its YAML file" for name in others],
        )
    found = compare_sides(before, after, tables, budget=budget, source=source)
    words = comparison_report.to_markdown(before.words, after.words, found)
    if json is not None:
        write_atomically(json, comparison_report.to_json(before.words, after.words, found))
    if markdown is not None:
        write_atomically(markdown, words)
    add_to_summary(words)
    Console().print(words, markup=False, highlight=False, soft_wrap=True, end="")
    return comparison_report.exit_code(found)


def schema() -> int:
    """Print the JSON Schema of a cell's file."""
    Console().print(
        SCHEMA_FILE.read_text(encoding="utf-8"),
        markup=False,
        highlight=False,
        soft_wrap=True,
        end="",
    )
    return 0


def _difference(path: Path, wanted: str) -> str:
    """That a file says something else, and the first line where it does."""
    words = f"{path} is not what the kept cells say"
    there = (_read(path) or "").splitlines()
    for number, (old, new) in enumerate(zip_longest(there, wanted.splitlines(), fillvalue=""), 1):
        if old != new:
            signs = enumerate(zip_longest(old, new))
            first = next(place for place, (one, other) in signs if one != other)
            shown = slice(max(0, first - 20), first + 40)
            return f"{words}: line {number}, {old[shown]!r} in place of {new[shown]!r}"
    return words


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _say(console: Console, lines: Sequence[str]) -> None:
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
