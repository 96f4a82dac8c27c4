"""Pictures to show a trained method: the test split it was planned for, or the user's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks import samples
from benchmarks.build import build_modules, fingerprint
from benchmarks.trained import Trained
from datamodules.interface import DataModule


def own_pictures(
    trained: Trained, images: Sequence[Path], driver: Sequence[Path] = ()
) -> samples.Samples:
    """The user's pictures, cut as in training, see `samples.of_files`.

    Raises:
        ValueError: the method does not say how large its pictures are, or a file is none.
    """
    settings = trained.method.hparams
    if "image_size" not in settings:
        raise ValueError(
            f"{type(trained.method).__name__} does not say its image_size, so pictures cannot "
            "be cut for it"
        )
    return samples.of_files(
        images, driver, size=settings["image_size"], channels=settings.get("image_channels", 3)
    )


def cell_data(trained: Trained, root: Path | None, cache_dir: Path | None) -> DataModule:
    """The data of a cell, set up for its test split.

    Args:
        trained: of a cell.
        root: of the user's copy, for a cell of real data.
        cache_dir: where prepared data is kept; None for the user's cache folder.

    Raises:
        ValueError: it is not what the cell was planned for.
    """
    cell = trained.cell
    assert cell is not None
    if cell.source == "real" and root is None:
        raise ValueError(
            "the cell is of real data: --data-root FOLDER for its test pictures, or --images"
        )
    modules = build_modules(
        cell.datasets,
        source=cell.source,
        root=None if root is None else str(root),
        cache_dir=None if cache_dir is None else str(cache_dir),
        seed=cell.seed,
    )
    found = fingerprint(modules)
    if found != cell.data_fingerprint:
        raise ValueError(
            f"the data has fingerprint {found}, the cell was trained on {cell.data_fingerprint}: "
            "what is a test picture now may have been learned from. Give pictures by --images"
        )
    modules[0].prepare_data()
    modules[0].setup("test")
    return modules[0]
