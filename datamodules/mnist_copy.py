"""What datasets made of MNIST's digits share: the four files, their stand-in, what is held out."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from datamodules.copies import FolderModule, Show, held_out
from datamodules.mnist_files import PARTS, find_mnist, read_bytes

HELD_OUT_SHARE: Final = 0.1


class DigitsModule(FolderModule):
    """Base of datasets that read MNIST's four files; of the stand-in, scikit-learn's digits."""

    def standin_recipe(self) -> dict[str, Any]:
        """What decides the stand-in's files."""
        from datamodules.standins.digits_tree import RECIPE_VERSION

        return {"recipe": RECIPE_VERSION}

    def write_standin(self, folder: Path, show: Show) -> None:
        """Write the digits that come with scikit-learn as MNIST's files."""
        from datamodules.standins.digits_tree import write_digits_tree

        write_digits_tree(folder)

    def digit_files(self) -> tuple[dict[str, bytes], dict[str, Path]]:
        """The unpacked bytes of the four files, and where they lie.

        Raises:
            DatasetNotFoundError: one is absent.
            DataError: one does not unpack, or they are a stand-in's and the source is real.
        """
        root = self.folder()
        folder, files = find_mnist(root)
        missing = [f"{folder / name} (or with .gz)" for k, name in PARTS.items() if k not in files]
        if missing:
            raise self.not_found(root, missing)
        self.refuse_standin(folder)
        return {part: read_bytes(path) for part, path in files.items()}, files


def training_names(count: int) -> list[str]:
    """Names of the digits of the training file, by which some are held out."""
    return [f"train-{k:05d}" for k in range(count)]


def held_out_digits(count: int, size: int) -> NDArray[np.bool_]:
    """Which (count,) of the training file's digits are ``val``: ``size``, at most a tenth."""
    names = training_names(count)
    chosen = held_out(names, size, HELD_OUT_SHARE)
    return np.array([name in chosen for name in names], bool)
