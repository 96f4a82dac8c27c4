"""A trained method from its checkpoint alone, for looking at it.

A cell's checkpoints stay in its run folder when it is finished (see `benchmarks.checkpoints`), and
say which cell they belong to; those of ``whatwhere fit`` hold the method's class and arguments.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from benchmarks.arguments import check_arguments
from benchmarks.build import build_method
from benchmarks.checkpoints import OWNER_KEY, AtomicCheckpointIO, newest_good, sidecar_of
from benchmarks.schema import CellSpec, describe
from lightning_modules.interface import Method

STAGES = ("resume.ckpt", "resume-pretrain.ckpt")
"""Checkpoints of a run folder, the last training's first."""


@dataclass(frozen=True)
class Trained:
    """A method with its weights, in evaluation mode.

    Args:
        method: on the CPU.
        file: the checkpoint.
        epochs: it was trained for, in the last of its trainings.
        cell: that trained it; None for one of ``whatwhere fit``.
    """

    method: Method
    file: Path
    epochs: int
    cell: CellSpec | None


def load_trained(path: Path) -> Trained:
    """Build the method that a checkpoint is of, and give it its weights.

    Args:
        path: a checkpoint, or a cell's run folder, of which the newest undamaged one is taken.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, or no checkpoint of a method; says what to do.
    """
    file = _newest(path) if path.is_dir() else path
    checkpoint = _read(file)
    method, cell = _built(file, checkpoint)
    try:
        # As Lightning does it: some methods keep more than weights.
        method.on_load_checkpoint(checkpoint)
        method.load_state_dict(checkpoint["state_dict"])
    except (KeyError, RuntimeError) as error:
        raise ValueError(
            f"{file}: does not fit {type(method).__name__} as it is now: {error}"
        ) from error
    method.eval().requires_grad_(False)
    return Trained(method, file, int(checkpoint.get("epoch", -1)) + 1, cell)


def _newest(folder: Path) -> Path:
    for name in STAGES:
        found = newest_good(folder / name)
        if found is not None:
            return found
    raise ValueError(
        f"{folder}: holds no undamaged checkpoint ({', '.join(STAGES)}); a cell that is not "
        "trained keeps none"
    )


def _read(file: Path) -> dict[str, Any]:
    if sidecar_of(file).is_file():
        return AtomicCheckpointIO().load_checkpoint(file)
    try:
        found = torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise ValueError(f"{file}: no checkpoint, or a damaged one") from error
    if not isinstance(found, dict) or "state_dict" not in found:
        raise ValueError(f"{file}: holds no 'state_dict', so it is no checkpoint of Lightning's")
    return found


def _built(file: Path, checkpoint: dict[str, Any]) -> tuple[Method, CellSpec | None]:
    owner = checkpoint.get(OWNER_KEY)
    if owner is not None:
        try:
            cell = CellSpec(**owner["config"])
        except ValidationError as error:
            raise ValueError(f"{file}: of another version: {describe(error)}") from error
        return build_method(cell), cell
    arguments = {
        name: value
        for name, value in checkpoint.get("hyper_parameters", {}).items()
        if not name.startswith("_")
    }
    path = checkpoint.get("hyper_parameters", {}).get("_class_path")
    if path is None:
        raise ValueError(
            f"{file}: does not say which method it is of; checkpoints of a table's cells and of "
            "`whatwhere fit` do"
        )
    package, _, name = path.rpartition(".")
    cls = getattr(import_module(package), name, None)
    if not (isinstance(cls, type) and issubclass(cls, Method)):
        raise ValueError(f"{file}: is of {path}, which is no method")
    check_arguments(str(file), cls, arguments)
    return cls(**arguments), None
