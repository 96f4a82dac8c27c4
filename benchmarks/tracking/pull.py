"""Cells from a project's runs, so that a group shares results without a file server.

A cell's run holds the whole cell as its file ``cell.json``. Whatever a run holds was written by
somebody else: it becomes a file here only if it is a cell (typed fields, an id that is the hash of
its configuration and the run's own id, finite numbers), under a name made of its table's id and its
own, which hold no path. A finished cell that stands here already is never replaced unasked.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import wandb
from filelock import FileLock, Timeout
from wandb.sdk.lib.service.service_connection import WandbApiFailedError

from benchmarks.cell_files import NewerVersionError, ResultError, decode
from benchmarks.schema import CellResult
from benchmarks.store import FINISHED, Store
from benchmarks.tracking.cells import CELL_FILE, CELL_JOB
from benchmarks.tracking.project import Project, runs_of
from benchmarks.tracking.tables import PAPER_JOB, TABLE_JOB
from benchmarks.tracking.trials import TRIAL_JOB

Outcome = Literal["new", "same", "replaced", "kept", "differs", "bad", "unfinished", "foreign"]

WORDS: Final[dict[Outcome, str]] = {
    "new": "written",
    "same": "here already",
    "replaced": "replaced",
    "kept": "kept as they are here",
    "differs": "finished here with other numbers, left alone",
    "bad": "not what they say they are, left out",
    "unfinished": "of cells that have no result yet",
    "foreign": "of something else than cells",
}
PROBLEMS: Final[frozenset[Outcome]] = frozenset({"differs", "bad"})

_OUTCOME: Final = ("status", "reason", "metrics", "intervals")
"""What has to be the same in two measurements of one cell; when and how fast need not."""

_LARGEST: Final = 2**20
"""Bytes; a cell has some thousands."""

_REMEDY: Final = "left out; whoever measured it can log it again with `whatwhere cell --wandb`"


@dataclass(frozen=True)
class Pulled:
    """What became of one run.

    Args:
        run: its id and name, for people.
        detail: why, where that is not plain.
    """

    run: str
    outcome: Outcome
    detail: str = ""


def pull(
    api: wandb.Api,
    project: Project,
    store: Store,
    *,
    conditions: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> Iterator[Pulled]:
    """Write the cells of a project's runs into a results folder, one after the other.

    Args:
        api: the client's.
        project: with its owner.
        store: the results folder.
        conditions: configuration key -> value; only runs that have them all.
        overwrite: a finished cell that differs from the one here takes its place.

    Raises:
        TrackingError: there is no such project.
    """
    for run in runs_of(api, project, conditions or {}):
        yield _pull_run(run, store, overwrite)


def problems(found: Sequence[Pulled]) -> list[str]:
    """What somebody has to look at, one line a run."""
    return [said(item) for item in found if item.outcome in PROBLEMS]


def said(item: Pulled) -> str:
    """A run in one line, without what would move a terminal's cursor: others have named it."""
    text = f"{item.run}: {item.detail}" if item.detail else item.run
    return "".join(sign if sign.isprintable() else "?" for sign in " ".join(text.split()))


def _pull_run(run: Any, store: Store, overwrite: bool) -> Pulled:
    name = f"{run.id} ({run.name})"
    if run.job_type != CELL_JOB:
        known = run.job_type in (PAPER_JOB, TABLE_JOB, TRIAL_JOB)
        return Pulled(name, "foreign", "" if known else f"job type {run.job_type or 'none'}")
    place = f"run {run.id} of {run.entity}/{run.project}, {CELL_FILE}"
    try:
        content = _content(run, place)
        if content is None:
            return Pulled(name, "unfinished", f"{run.state}, without {CELL_FILE}")
        cell = decode(content, place, run.id, _REMEDY)
        _check_numbers(cell, place)
    except ResultError as error:
        return Pulled(name, "bad", str(error))
    return _put(cell, name, store, overwrite)


def _content(run: Any, place: str) -> bytes | None:
    """The bytes of a run's cell, None if it has none."""
    found = list(run.files(names=[CELL_FILE]))
    if not found:
        return None
    if len(found) > 1 or found[0].name != CELL_FILE:
        names = ", ".join(repr(file.name) for file in found)
        raise ResultError(f"{place}: the server answers with {names}; {_REMEDY}")
    if found[0].size > _LARGEST:
        raise ResultError(f"{place}: {found[0].size} bytes are no cell; {_REMEDY}")
    with tempfile.TemporaryDirectory(prefix="whatwhere-pull-") as folder:
        try:
            found[0].download(root=folder).close()
        except (wandb.Error, WandbApiFailedError) as error:
            raise ResultError(f"{place}: {error}; {_REMEDY}") from error
        path = Path(folder) / CELL_FILE
        if path.stat().st_size > _LARGEST:
            raise ResultError(f"{place}: {path.stat().st_size} bytes are no cell; {_REMEDY}")
        return path.read_bytes()


def _check_numbers(cell: CellResult, place: str) -> None:
    ends = [(name, end) for name, interval in cell.intervals.items() for end in interval]
    for name, value in [*cell.metrics.items(), *ends]:
        if not math.isfinite(value):
            raise ResultError(f"{place}: metric '{name}' is {value}; {_REMEDY}")


def _put(cell: CellResult, name: str, store: Store, overwrite: bool) -> Pulled:
    """Write a cell, unless what stands there is as good."""
    folder = store.run_folder(cell.cell_id)
    if not folder.is_dir():
        return _put_alone(cell, name, store, overwrite)
    try:
        with FileLock(folder / "lock", timeout=0):
            return _put_alone(cell, name, store, overwrite)
    except Timeout:
        return Pulled(name, "kept", "is being measured here at this moment")


def _put_alone(cell: CellResult, name: str, store: Store, overwrite: bool) -> Pulled:
    try:
        here = store.read(cell.table, cell.cell_id)
    except NewerVersionError as error:
        return Pulled(name, "kept", str(error))
    if here == cell:
        return Pulled(name, "same")
    if here is not None and all(getattr(here, key) == getattr(cell, key) for key in _OUTCOME):
        return Pulled(name, "same", f"measured again, {here.started} here, {cell.started} there")
    if here is None:
        store.write(cell)
        return Pulled(name, "new")
    theirs_counts, ours_counts = cell.status in FINISHED, here.status in FINISHED
    if theirs_counts and ours_counts and not overwrite:
        return Pulled(name, "differs", f"{_difference(here, cell)}; --overwrite takes theirs")
    if not theirs_counts:
        return Pulled(name, "kept", f"theirs is '{cell.status}', this one '{here.status}'")
    store.write(cell)
    return Pulled(name, "replaced", f"'{here.status}' of {here.started} by '{cell.status}'")


def _difference(here: CellResult, there: CellResult) -> str:
    """The first thing in which two cells differ, metrics first."""
    for metric in here.metrics.keys() | there.metrics.keys():
        ours, theirs = here.metrics.get(metric), there.metrics.get(metric)
        if ours != theirs:
            return f"{metric} is {ours} here, {theirs} there"
    for field in type(here).model_fields:
        if getattr(here, field) != getattr(there, field):
            return f"{field} is {getattr(here, field)} here, {getattr(there, field)} there"
    return "nothing"
