"""``whatwhere compare``: the cells of two results folders, or of two revisions in git.

A revision's cells are those in its ``kept`` folder; one from before there was such a folder has
them in the JSON of its tables, which hold every cell whole.
"""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.build import settle_as
from benchmarks.cell_files import read_cell
from benchmarks.comparison import TableComparison, compare_tables
from benchmarks.files import write_json
from benchmarks.schema import CellResult, Source, Spec
from benchmarks.specs import load_spec, table_ids
from benchmarks.store import is_current
from benchmarks.summaries import Group, config_id, split


@dataclass(frozen=True)
class Side:
    """One of the two that are compared.

    Args:
        name: as it was given.
        cells: table id -> its cells.
        revision: the commit, 10 digits, where it is one.
    """

    name: str
    cells: dict[str, list[CellResult]]
    revision: str = ""

    @property
    def words(self) -> str:
        """What it is called in a report."""
        return f"{self.name} ({self.revision})" if self.revision else self.name


def read_side(name: str, results: Path) -> Side:
    """The cells of a results folder, or of a revision.

    Args:
        name: a folder that holds ``cells/``; else anything that git knows as a commit.
        results: where a revision has its results folder; the checkout is the one it lies in.

    Raises:
        ValueError: it is neither, or holds no cells; says what was looked for.
        ResultError: a cell's file is damaged.
    """
    folder = Path(name)
    if (folder / "cells").is_dir():
        return Side(name, _cells(folder))
    where = results.resolve()
    top = _git(where.parent, "rev-parse", "--show-toplevel")
    commit = top and _git(Path(top), "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
    if not commit:
        raise ValueError(
            f"'{name}' is neither a results folder (there is no {folder / 'cells'}) nor a commit "
            f"of the checkout that {results} lies in"
        )
    inside = where.relative_to(Path(top).resolve()).as_posix()
    with _extracted(Path(top), commit, inside) as there:
        cells = _cells(there / "kept") or _cells_of_tables(there)
    if not cells:
        raise ValueError(f"revision {name} holds no cells, neither in {inside}/kept nor in tables")
    return Side(name, cells, commit[:10])


def compare_sides(
    before: Side,
    after: Side,
    tables: Sequence[str] = (),
    *,
    budget: str | None = None,
    source: Source | None = None,
) -> list[TableComparison]:
    """Compare every table that both sides have cells of.

    Args:
        before: one side.
        after: the other.
        tables: ids or paths of YAML files; none for all of the suite's.
        budget: only cells of this one.
        source: only cells of this one.

    Raises:
        ValueError: the two have nothing in common.
        MixedCellsError: cells of one side do not compare with each other.
    """
    found: list[TableComparison] = []
    for spec in _specs(before, after, tables):
        sides = [_by_file(spec, side, budget, source) for side in (before, after)]
        for stem in sorted(sides[0].keys() & sides[1].keys()):
            found.append(_compare(spec, stem, sides[0][stem], sides[1][stem]))
    if not found:
        raise ValueError(
            f"{before.words} and {after.words} have no table, budget and source in common"
        )
    return found


Cells = dict[Group, list[CellResult]]


def unknown_tables(before: Side, after: Side) -> list[str]:
    """Ids that both sides have cells of and that are none of the suite's."""
    return sorted((before.cells.keys() & after.cells.keys()) - set(table_ids()))


def _compare(spec: Spec, stem: str, before: Cells, after: Cells) -> TableComparison:
    """One table; where a side has cells of several data, those of the data that both have."""
    rows = {row.id for row in spec.rows if row.method is not None}
    notes: list[str] = []
    parted: list[Cells] = []
    for side in (before, after):
        parted.append({})
        for group, cells in side.items():
            chosen = _chosen(spec, [cell for cell in cells if cell.row in rows])
            if chosen:
                parted[-1][group] = chosen
            notes += [
                f"{cell.row}, seed {cell.seed}, {cell.cell_id}: left out, "
                + ("of other settings" if cell.row in rows else "no longer a row of the table")
                for cell in cells
                if cell not in chosen
            ]
    found = _of_known_rows(spec, stem, *parted)
    return replace(found, notes=(*found.notes, *dict.fromkeys(notes)))


def _chosen(spec: Spec, cells: Sequence[CellResult]) -> list[CellResult]:
    """Of every row one setting's cells: of several, those that the table would run now."""
    found = []
    for row in dict.fromkeys(cell.row for cell in cells):
        those = [cell for cell in cells if cell.row == row]
        if len({config_id(cell) for cell in those}) > 1:
            now = [cell for cell in those if is_current(spec, cell, settle=settle_as(cell.config))]
            those = now or those  # none of them: what does not compare is refused later
        found += those
    return found


def _of_known_rows(spec: Spec, stem: str, before: Cells, after: Cells) -> TableComparison:
    if not before or not after:
        return TableComparison(stem, ("a side has no cell of a row that the table still has",))
    shared = [group for group in before if group in after]
    if len(shared) > 1 or (not shared and max(len(before), len(after)) > 1):
        return TableComparison(
            stem, ("a side has cells of several data or protocols; keep a results folder of each",)
        )
    old, new = shared * 2 if shared else (next(iter(before)), next(iter(after)))
    return compare_tables(spec, before[old], after[new])


def _by_file(spec: Spec, side: Side, budget: str | None, source: Source | None) -> dict[str, Cells]:
    """File stem of a table -> groups with their cells."""
    cells = [
        cell
        for cell in side.cells.get(spec.table, [])
        if budget in (None, cell.budget) and source in (None, cell.source)
    ]
    found: dict[str, Cells] = {}
    for group, those in split(cells).items():
        found.setdefault(group.file_stem, {})[group] = those
    return found


def _specs(before: Side, after: Side, tables: Sequence[str]) -> Iterator[Spec]:
    names = tables or [name for name in table_ids() if name in before.cells and name in after.cells]
    for name in names:
        yield load_spec(name)


def _cells(folder: Path) -> dict[str, list[CellResult]]:
    found: dict[str, list[CellResult]] = {}
    for path in sorted((folder / "cells").glob("*/*.json")):
        found.setdefault(path.parent.name, []).append(read_cell(path))
    return found


def _cells_of_tables(results: Path) -> dict[str, list[CellResult]]:
    for path in sorted((results / "tables").glob("*.json")):
        for content in json.loads(path.read_text(encoding="utf-8")).get("cells", []):
            write_json(results / "cells" / content["table"] / f"{content['cell_id']}.json", content)
    return _cells(results)


@contextmanager
def _extracted(top: Path, commit: str, inside: str) -> Iterator[Path]:
    """The results folder of a commit, in a temporary place; empty where it has none."""
    with tempfile.TemporaryDirectory(prefix="whatwhere-") as temporary:
        for part in ("kept/cells", "tables"):
            done = subprocess.run(
                ["git", "archive", "--format=tar", commit, "--", f"{inside}/{part}"],
                cwd=top,
                capture_output=True,
                check=False,
            )
            if done.returncode == 0:  # a revision may lack either
                with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
                    archive.extractall(temporary, filter="data")
        yield Path(temporary) / inside


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else ""
