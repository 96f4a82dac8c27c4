"""Making the datamodule and the method of a cell, with errors that say which argument is wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.arguments import check_arguments
from benchmarks.callbacks import seed_all
from benchmarks.files import digest
from benchmarks.matrix import NEEDS
from benchmarks.protocols.interface import NotApplicableError
from benchmarks.schema import CellSpec, Source
from benchmarks.trainings import built_on
from datamodules import registry as datasets
from datamodules.interface import DataModule
from lightning_modules import registry as methods
from lightning_modules.interface import Method


def build_data(
    dataset: str,
    arguments: Mapping[str, Any],
    *,
    source: Source,
    root: str | None = None,
    cache_dir: str | None = None,
    seed: int = 0,
) -> DataModule:
    """The datamodule of a cell.

    Args:
        dataset: its id.
        arguments: what the specification gives.
        source: the stand-in, or the user's copy.
        root: folder of the user's copy.
        cache_dir: where prepared data is kept; None for the user's cache folder.
        seed: of the cell.

    Raises:
        ValueError: the id is unknown, or an argument is wrong.
    """
    given = {"source": source, "root": root, "cache_dir": cache_dir, "seed": seed, **arguments}
    made = _construct(f"dataset '{dataset}'", datasets.load(dataset), given)
    assert isinstance(made, DataModule)
    return made


def build_modules(
    wanted: Sequence[tuple[str, Mapping[str, Any]]],
    *,
    source: Source,
    root: str | None = None,
    cache_dir: str | None = None,
    seed: int = 0,
) -> list[DataModule]:
    """The datamodules of a cell: its own, then that of its pretraining if it has one.

    Args:
        wanted: dataset ids and arguments, see `CellSpec.datasets`.
        source: the stand-ins, or the user's copies.
        root: folder of the user's copies, searched for each of them.
        cache_dir: where prepared data is kept; None for the user's cache folder.
        seed: of the cell.

    Raises:
        ValueError: an id is unknown, or an argument is wrong.
    """
    return [
        build_data(dataset, arguments, source=source, root=root, cache_dir=cache_dir, seed=seed)
        for dataset, arguments in wanted
    ]


def fingerprint(modules: Sequence[DataModule]) -> str:
    """16 hex digits for all data of a cell: the datamodule's own where there is one."""
    found = [module.fingerprint() for module in modules]
    return found[0] if len(found) == 1 else digest(found)


def build_method(cell: CellSpec) -> Method:
    """The method of a cell, its weights drawn from the cell's seed.

    Raises:
        ValueError: the id is unknown, or an argument is wrong.
    """
    seed_all(cell.seed, -1)
    made = _construct(
        f"table '{cell.table}', row '{cell.row}', method '{cell.method}'",
        methods.load(cell.method),
        cell.args,
    )
    assert isinstance(made, Method)
    return made


def build_scored_method(cell: CellSpec) -> Method:
    """As `build_method`, where the cell's protocol can score what the class says it can do.

    Raises:
        NotApplicableError: it cannot; so no training is spent on it.
    """
    needs = NEEDS.get(cell.protocol)
    if needs is not None and not needs.met_by_method(methods.load(cell.method)):
        raise NotApplicableError(
            f"{methods.load(cell.method).__name__} has no {needs.asked()}, which protocol "
            f"'{cell.protocol}' asks for; once it has, run the cell with `--again`"
        )
    return build_method(cell)


def settle(cell: CellSpec) -> CellSpec:
    """Let the method settle arguments that hang on the machine, before the id is taken.

    E.g. "the perceptual loss if its weights are here, else another": the cell's id must say which
    of them was run. A method does so in a class method ``resolve_arguments(arguments)``.
    """
    if cell.base_cell is not None:
        cell = built_on(cell, settle(cell.base_cell))
    return cell.model_copy(update={"args": _resolved(cell)})


def settle_as(measured: Mapping[str, Any]) -> Callable[[CellSpec], CellSpec]:
    """As `settle`, but what hangs on the machine is taken from a cell that was measured elsewhere.

    Whether such a cell is still the one a table would run must not hang on this machine's files.

    Args:
        measured: the `CellSpec.config` of that cell.
    """

    def settled(cell: CellSpec) -> CellSpec:
        if cell.base_cell is not None:
            base = settle_as(measured.get("base") or {})(cell.base_cell)
            cell = built_on(cell, base)
        theirs = measured.get("args", {})
        args = {
            name: theirs.get(name, value) if cell.args.get(name) != value else value
            for name, value in _resolved(cell).items()
        }
        return cell.model_copy(update={"args": args})

    return settled


def _resolved(cell: CellSpec) -> dict[str, Any]:
    resolve = getattr(methods.load(cell.method), "resolve_arguments", None)
    args: dict[str, Any] = cell.args if resolve is None else resolve(cell.args)
    return args


def _construct(place: str, cls: type, arguments: Mapping[str, Any]) -> Any:
    check_arguments(place, cls, arguments)
    return cls(**arguments)
