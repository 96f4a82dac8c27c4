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
    "celeba_wild": "datamodules.celeba_wild:CelebAWild",
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
    "traffic": "datamodules.traffic:Traffic",
}


class UnknownDatasetError(ValueError):
    """No dataset has this id."""


def _targets() -> dict[str, str]:
    found = dict(DATASETS)
    for point in entry_points(group="whatwhere.datasets"):
        if found.setdefault(point.name, point.value) != point.value:
            raise ValueError(
                f"dataset '{point.name}' would be {point.value}, of an installed package, and is "
                f"{found[point.name]}: rename the package's entry point and install it again"
            )
    return found


def ids() -> list[str]:
    """All dataset ids, sorted."""
    return sorted(_targets())


def load(dataset_id: str) -> type[DataModule]:
    """The class of a dataset.

    Raises:
        UnknownDatasetError: no dataset has this id; the message names the nearest ones.
        TypeError: the target is no subclass of `DataModule`.
        ValueError: it cannot be imported, or an installed package gives an id that is taken.
    """
    targets = _targets()
    if dataset_id not in targets:
        near = difflib.get_close_matches(dataset_id, targets) or ids()
        raise UnknownDatasetError(
            f"unknown dataset '{dataset_id}'; did you mean {', '.join(near)}? "
            "`whatwhere list` shows all datasets"
        )
    target = targets[dataset_id]
    module, _, name = target.partition(":")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"dataset '{dataset_id}' cannot be imported from {target}: {error}; mend the package "
            "or its entry point, and install it again"
        ) from error
    if not (isinstance(found, type) and issubclass(found, DataModule)):
        raise TypeError(f"dataset '{dataset_id}': {target} is not a subclass of DataModule")
    return found
