"""What can be known to go wrong before anything is trained, from classes and empty networks."""

from __future__ import annotations

import io
from collections.abc import Sequence

import torch

from benchmarks.arguments import ArgumentsError
from benchmarks.build import build_method
from benchmarks.matrix import NEEDS, trainable
from benchmarks.schema import CellSpec
from datamodules import registry as datasets
from lightning_modules import registry as methods
from lightning_modules.interface import Method


class PreflightError(ValueError):
    """A cell could never be finished; the message names table and row."""


def check(cells: Sequence[CellSpec]) -> None:
    """Look at cells, each row of a table once: seeds change nothing here.

    Raises:
        PreflightError: the dataset has not what the protocol scores by or the method learns from,
            or the method cannot be built, or no checkpoint could hold its hyperparameters.
    """
    for cell in {(cell.table, cell.row): cell for cell in cells}.values():
        if cell.base_cell is not None:
            check([cell.base_cell])
        _check_data(cell)
        _check_method(cell)


def _check_data(cell: CellSpec) -> None:
    # One that says nothing of its labels is not judged by them: the protocol will find out.
    every = {name: datasets.load(name) for name, _ in cell.datasets}
    held = {name: dataset for name, dataset in every.items() if dataset.labels}
    needs, method = NEEDS.get(cell.protocol), methods.load(cell.method)
    if needs and cell.dataset in held and not needs.met_by_dataset(held[cell.dataset]):
        raise PreflightError(
            f"table '{cell.table}': protocol '{cell.protocol}' cannot score on dataset "
            f"'{cell.dataset}': it needs {needs.asked_of_data()}"
        )
    trained_on = [name for name in held if cell.fit and (name != cell.dataset or cell.trainer)]
    for name in trained_on:
        if not trainable(method, held[name]):
            wanted = [method.sees, *(f"label '{label}'" for label in sorted(method.learns_from))]
            raise PreflightError(
                f"{_place(cell)}: {method.__name__} learns from {', '.join(wanted)}; dataset "
                f"'{name}' has not all of it (`whatwhere list --matrix` shows which have)"
            )


def _check_method(cell: CellSpec) -> None:
    try:
        method = _built(cell)
    except OSError:  # a file of weights that this machine has not: another may
        return
    except Exception as error:
        raise PreflightError(
            f"{_place(cell)}: {methods.load(cell.method).__name__} cannot be built with "
            f"{cell.args}: {type(error).__name__}: {error}"
        ) from error
    for name, value in method.hparams.items():
        stored = io.BytesIO()
        try:
            torch.save(value, stored)
            stored.seek(0)
            torch.load(stored, weights_only=True)
        except Exception as error:
            raise PreflightError(
                f"{_place(cell)}: {type(method).__name__} keeps {value!r} as hyperparameter "
                f"'{name}', which its checkpoints could not be loaded with: keep numbers, words "
                f"and lists, or say `self.save_hyperparameters(ignore=['{name}'])`"
            ) from error


def _built(cell: CellSpec) -> Method:
    """The method, without numbers in its weights where it allows that."""
    try:
        with torch.device("meta"):
            return build_method(cell)
    except ArgumentsError:
        raise
    except Exception:  # perhaps it only wants numbers
        return build_method(cell)


def _place(cell: CellSpec) -> str:
    return f"table '{cell.table}', row '{cell.row}', budget '{cell.budget}'"
