"""What results folders hold, parted into what may stand beside each other.

Cells of one group (table, source, budget, protocol, data) make one table; cells of two never share
one, so real and stand-in results, or two copies of the data, are sections of their own. Two folders
meet in a section where both have cells of that group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.build import settle
from benchmarks.cell_files import ResultError, read_cell
from benchmarks.schema import CellResult, Source, Spec
from benchmarks.specs import load_spec, table_ids
from benchmarks.store import Store, is_current
from benchmarks.summaries import Group, MixedCellsError, split
from benchmarks.table_data import TableData, build_table


@dataclass(frozen=True)
class Pane:
    """One folder's cells of one group.

    Args:
        name: of the folder, for people.
        store: the folder.
        data: the table.
        stale: how many cells another state of the specification has measured; they are left out.
    """

    name: str
    store: Store
    data: TableData
    stale: int = 0


@dataclass(frozen=True)
class Section:
    """One group of cells, of one folder or of two.

    Args:
        group: what all its cells have in common.
        spec: the table.
        panes: in the order of the folders.
    """

    group: Group
    spec: Spec
    panes: tuple[Pane, ...]


@dataclass
class Collected:
    """Everything a report shows.

    Args:
        sections: by table, real data first.
        problems: files and cells that could not be shown, and why.
    """

    sections: list[Section] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def collect(
    folders: Sequence[Path],
    tables: Sequence[str] = (),
    *,
    budget: str | None = None,
    source: Source | None = None,
) -> Collected:
    """Read results folders.

    Args:
        folders: results folders, one or two.
        tables: ids, or paths of YAML files; none for every table the folders have cells of.
        budget: cells of this one alone.
        source: cells of this one alone.

    Raises:
        ValueError: there is nothing to show; says what to run.
        UnknownNameError: there is no such table.
    """
    found = Collected()
    stores = [Store(folder.resolve()) for folder in folders]
    names = folder_names(folders)
    for spec in _specs(stores, tables, found):
        panes: dict[Group, list[Pane]] = {}
        for name, store in zip(names, stores, strict=True):
            cells = [
                cell
                for cell in _cells(store, spec, found)
                if budget in (None, cell.budget) and source in (None, cell.source)
            ]
            for group, those in split(cells).items():
                pane = _pane(name, store, spec, those, found)
                if pane is not None:
                    panes.setdefault(group, []).append(pane)
        order = sorted(panes, key=lambda group: (group.source != "real", *group))
        found.sections += [Section(group, spec, tuple(panes[group])) for group in order]
    if not found.sections:
        words = " and ".join(str(folder) for folder in folders)
        told = "; ".join(found.problems)
        raise ValueError(
            f"{words}: holds no cell to show{f' ({told})' if told else ''}; run `whatwhere bench "
            f"{tables[0] if tables else 'mafl'}` first, or say --results FOLDER"
        )
    return found


def folder_names(folders: Sequence[Path]) -> list[str]:
    """What folders are called in the page: as little of their paths as tells them apart."""
    parts = [folder.resolve().parts for folder in folders]
    for taken in range(1, max(map(len, parts)) + 1):
        names = ["/".join(part[-taken:]) for part in parts]
        if len(set(names)) == len(names):
            return names
    raise ValueError(f"{folders[0]}: the same results folder twice")


def _specs(stores: Sequence[Store], tables: Sequence[str], found: Collected) -> list[Spec]:
    if tables:
        return [load_spec(table) for table in dict.fromkeys(tables)]
    there = {folder.name for store in stores for folder in (store.root / "cells").glob("*/")}
    known = table_ids()
    found.problems += [
        f"table '{name}' is none of the suite's: give the path of its YAML file"
        for name in sorted(there - set(known))
    ]
    return [load_spec(name) for name in known if name in there]


def _cells(store: Store, spec: Spec, found: Collected) -> list[CellResult]:
    cells = []
    for path in sorted((store.root / "cells" / spec.table).glob("*.json")):
        try:
            cells.append(read_cell(path))
        except ResultError as error:
            found.problems.append(str(error))
    return cells


def _pane(
    name: str, store: Store, spec: Spec, cells: Sequence[CellResult], found: Collected
) -> Pane | None:
    current = [cell for cell in cells if is_current(spec, cell, settle=settle)]
    stale = len(cells) - len(current)
    if not current:
        found.problems.append(
            f"{name}: every cell of table '{spec.table}' ({cells[0].budget}, {cells[0].source}), "
            f"{stale} in all, was measured by another state of its specification; run it again"
        )
        return None
    try:
        return Pane(name, store, build_table(spec, current), stale)
    except MixedCellsError as error:
        found.problems.append(f"{name}: {error}")
        return None
