"""Dataset id -> class, imported on first use; outside packages join by an entry point.

An outside package adds a dataset with, in its ``pyproject.toml``::

    [project.entry-points."whatwhere.datasets"]
    my_faces = "my_package.faces:MyFaces"
"""

from __future__ import annotations

import difflib
from importlib import import_module
from importlib.metadata import entry_points
from typing import Final

from datamodules.interface import DataModule

DATASETS: Final[dict[str, str]] = {
    "affwild": "datamodules.affwild:AffWild",
    "celeba": "datamodules.celeba:CelebA",
    "cifar10": "datamodules.cifar10:CIFAR10",
    "clevrer": "datamodules.clevrer:CLEVRER",
    "ckplus": "datamodules.ckplus:CKPlus",
    "ffhq": "datamodules.ffhq:FFHQ",
    "mnist": "datamodules.mnist:MNIST",
    "moving_mnist": "datamodules.moving_mnist:MovingMNIST",
    "mug": "datamodules.mug:MUG",
    "multipie": "datamodules.multipie:MultiPIE",
    "shapes": "datamodules.shapes:Shapes",
    "sprites": "datamodules.sprites:Sprites",
}


class UnknownDatasetError(ValueError):
    """No dataset has this id."""


def _targets() -> dict[str, str]:
    outside = {point.name: point.value for point in entry_points(group="whatwhere.datasets")}
    return outside | DATASETS


def ids() -> list[str]:
    """All dataset ids, sorted."""
    return sorted(_targets())


def load(dataset_id: str) -> type[DataModule]:
    """The class of a dataset.

    Raises:
        UnknownDatasetError: no dataset has this id; the message names the nearest ones.
        TypeError: the target is no subclass of `DataModule`.
    """
    targets = _targets()
    if dataset_id not in targets:
        near = difflib.get_close_matches(dataset_id, targets) or ids()
        raise UnknownDatasetError(
            f"unknown dataset '{dataset_id}'; did you mean {', '.join(near)}? "
            "`whatwhere list` shows all datasets"
        )
    module, _, name = targets[dataset_id].partition(":")
    found = getattr(import_module(module), name)
    if not (isinstance(found, type) and issubclass(found, DataModule)):
        raise TypeError(
            f"dataset '{dataset_id}': {targets[dataset_id]} is not a subclass of DataModule"
        )
    return found
