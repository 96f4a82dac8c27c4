"""Cells in git: what stands behind the tables in git, so that anybody can render them again.

``RESULTS/cells`` is everybody's own and in no repository. `keep` copies a table's cells
from there to ``RESULTS/kept/cells``, without what they say of a machine's folders, and writes the
table of what is kept to ``RESULTS/kept/tables``; ``RESULTS/tables`` is everybody's own too. A kept
cell is one file of a few kilobytes, numbers and settings; checkpoints, curves and pictures stay in
the run folder.

The tables in git are those of the kept cells, to the last byte: `rendered` gives both sides.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.build import settle_as
from benchmarks.cell_files import ResultError, encode, read_cell
from benchmarks.costs import unvouched
from benchmarks.schema import CellResult, Spec
from benchmarks.specs import load_spec, table_ids
from benchmarks.store import FINISHED, Store, is_current
from benchmarks.summaries import Group, group_of, one_group, split
from benchmarks.table_data import TableData, build_table
from benchmarks.tables import contents, write_tables

LARGEST: Final = 20_000
"""Bytes of a kept cell: it holds numbers, no arrays, and git keeps every version for ever."""

PATH: Final = re.compile(
    r"(?<![\w.:/\\~-])(?:~|[A-Za-z]:)?[/\\](?:[\w.+@~-]+[/\\])+(?P<last>[\w.+@~-]+)"
)
"""A whole path with a folder or more; its last part alone says nothing of the machine."""


@dataclass(frozen=True)
class Kept:
    """What `keep` has done.

    Args:
        written: cells that are kept now, by row and seed.
        dropped: cells that were kept and no longer are, and why.
        failed: those of them that have no numbers, and what to do.
        left_out: cells that were not kept, why, and what to do.
        tables: format -> file.
    """

    written: tuple[CellResult, ...]
    failed: tuple[str, ...]
    dropped: tuple[str, ...]
    left_out: tuple[str, ...]
    tables: dict[str, Path]


def keep(spec: Spec, cells: Sequence[CellResult], into: Store) -> Kept:
    """Copy a table's cells to where git has them, and write the table.

    Kept cells of other rows and seeds stay, so that a table may be kept piece by piece; those that
    the table would no longer run, or that were measured on other data, go. A cell that failed is
    kept too, for a table of survivors would flatter who fails, but in no finished one's place.

    Args:
        spec: the table.
        cells: of one group; what fits the specification now.
        into: the results folder that is in git.

    Raises:
        ResultError: none of the cells can be kept; nothing is written.
        MixedCellsError: the cells, or they and those that stay, do not compare.
    """
    group = one_group(cells)
    left_out: list[str] = []
    new: list[CellResult] = []
    there = into.kept()
    read = _read(there, spec)
    finished = {cell.cell_id for _, cell in read if cell.status in FINISHED}
    for cell in cells:
        cleaned = without_paths(cell)
        why = _unfit(cleaned)
        if cell.status not in FINISHED and cell.cell_id in finished:
            why = f"{cell.status}: {cleaned.reason}; the finished one that is kept stays"
        if why:
            left_out.append(f"{cell.row}, seed {cell.seed} {why}")
        else:
            new.append(cleaned)
    if not new:
        raise ResultError("none of these cells can be kept:\n" + "\n".join(left_out))
    taken = {(cell.row, cell.seed): cell.cell_id for cell in new}
    staying: list[CellResult] = []
    dropped: list[tuple[Path, str]] = []
    for path, old in read:
        if old.cell_id in taken.values() or not _same_file(group_of(old), group):
            continue
        why = _outdated(spec, old, group)
        if (old.row, old.seed) in taken:
            why = why or "was measured again with other settings"
        if why:
            dropped.append((path, f"{old.row}, seed {old.seed} {why}"))
        else:
            staying.append(old)
    everything = [*staying, *new]
    build_table(spec, everything)  # refuses what does not compare, before anything is written
    for cell in new:
        there.write(cell)
    for path, _ in dropped:
        path.unlink()
    return Kept(
        tuple(new),
        tuple(
            f"{cell.row}, seed {cell.seed} {cell.status}: {cell.reason}; run it again"
            for cell in new
            if cell.status not in FINISHED
        ),
        tuple(words for _, words in dropped),
        tuple(left_out),
        write_tables(spec, everything, into.kept().tables_folder()),
    )


def kept_tables(results: Store, tables: Sequence[str] = ()) -> list[TableData]:
    """Every table that has kept cells, by id, real data first.

    Args:
        results: the results folder that is in git.
        tables: paths of YAML files of tables that are none of the suite's.

    Raises:
        ResultError: a kept cell is damaged, of a table that is not known, or one that its table
            would no longer run.
        MixedCellsError: kept cells do not compare.
    """
    there = results.kept()
    specs = {spec.table: spec for spec in map(load_spec, tables)}
    known = set(table_ids())
    found: list[TableData] = []
    problems: list[str] = []
    for folder in sorted(path for path in (there.root / "cells").glob("*") if path.is_dir()):
        if folder.name not in specs and folder.name not in known:
            problems.append(f"{folder}: no table has this id; give the path of its YAML file")
            continue
        spec = specs.get(folder.name) or load_spec(folder.name)
        cells = []
        for path, cell in _read(there, spec):
            why = _outdated(spec, cell, group_of(cell))
            if why:
                problems.append(
                    f"{path}: {cell.row}, seed {cell.seed} {why}; measure it again and `whatwhere "
                    f"keep {spec.table} --budget {cell.budget}`, or `git rm` it"
                )
            cells.append(cell)
        if not problems:
            parted = split(cells)
            order = sorted(parted, key=lambda group: (group.source != "real", *group))
            found += [build_table(spec, parted[group]) for group in order]
    stems = [data.group.file_stem for data in found]
    problems += [
        f"{there.root}: {stem} has cells of different data; `whatwhere keep` drops the old ones"
        for stem in sorted({stem for stem in stems if stems.count(stem) > 1})
    ]
    if problems:
        raise ResultError("\n".join(problems))
    return found


def rendered(results: Store, found: Sequence[TableData]) -> dict[Path, str]:
    """What the files of the kept tables have to hold."""
    return {
        results.kept().tables_folder() / f"{data.group.file_stem}.{fmt}": text
        for data in found
        for fmt, text in contents(data).items()
    }


def without_paths(cell: CellResult) -> CellResult:
    """A cell whose reason names no folder of a machine: of whole paths, the last part stays."""
    if cell.reason is None:
        return cell
    return cell.model_copy(update={"reason": PATH.sub(r"\g<last>", cell.reason)})


def _unfit(cell: CellResult) -> str:
    """Why a cell cannot be kept, "" if it can."""
    if cell.dirty:
        return f"was measured with {unvouched(cell)}"
    for place, words in _strings(cell.model_dump(exclude={"reason"})):
        if PATH.search(words):
            return f"names a folder of this machine, {place}: {words}"
    size = len(encode(cell))
    return f"has {size} bytes, {LARGEST} are the most" if size > LARGEST else ""


def _strings(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _strings(item, f"{place}.{key}".lstrip("."))
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield from _strings(item, f"{place}.{number}")


def _read(there: Store, spec: Spec) -> list[tuple[Path, CellResult]]:
    paths = sorted((there.root / "cells" / spec.table).glob("*.json"))
    return [(path, read_cell(path)) for path in paths]


def _outdated(spec: Spec, cell: CellResult, group: Group) -> str:
    """Why a kept cell is none of the table any more, "" if it is."""
    if group_of(cell) != group:
        return "was measured on other data or by another protocol"
    if not is_current(spec, cell, settle=settle_as(cell.config)):
        return "has settings that its table no longer has"
    return ""


def _same_file(one: Group, other: Group) -> bool:
    return one.file_stem == other.file_stem
