"""Which pictures a trained method is shown: the user's own, or test pictures by number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.build import build_data
from benchmarks.schema import Source
from benchmarks.trained import Trained
from benchmarks.trained_data import cell_data, own_pictures
from datamodules.interface import DataModule

Array = NDArray[Any]


@dataclass(frozen=True)
class Pictures:
    """Which pictures are edited.

    Args:
        image: the user's own; None for one of a dataset.
        other: another, to paste from and to go to; None for that of ``other_index``, if any.
        dataset: id of the dataset; None for the cell's own.
        index: number of the picture in the dataset's test split.
        other_index: of the other picture; None for none.
        source: of ``dataset``.
        root: of the user's copy.
        cache_dir: where prepared data is kept; None for the user's cache folder.
    """

    image: Path | None = None
    other: Path | None = None
    dataset: str | None = None
    index: int = 0
    other_index: int | None = None
    source: Source = "standin"
    root: Path | None = None
    cache_dir: Path | None = None

    @property
    def words(self) -> str:
        """Which picture it is, in words."""
        if self.image is not None:
            return self.image.name
        return test_picture(self.index, self.dataset)


def test_picture(index: int, dataset: str | None) -> str:
    """A test picture in words; of the cell's own data where ``dataset`` is None."""
    return f"test picture {index}{f' of {dataset}' if dataset else ''}"


class Shelf:
    """The test pictures of a dataset, as large and of as many channels as a method takes them.

    Args:
        trained: the method.
        wanted: says which dataset, and where it lies.

    Raises:
        ValueError: there is no such dataset, or it has no test pictures; says what to do.
    """

    def __init__(self, trained: Trained, wanted: Pictures) -> None:
        data = _data(trained, wanted)
        if "test" not in data.splits:
            raise ValueError(f"dataset '{data.name}' has no test pictures; give one by --image")
        self.name = data.name
        self._method = trained.method
        self._dataset = data.dataset("test")

    def __len__(self) -> int:
        return len(self._dataset)

    def take(self, rows: Sequence[int]) -> dict[int, Array]:
        """Pictures (H, W, C) uint8 by their numbers.

        Raises:
            ValueError: there is no such picture, or the method takes others.
        """
        for row in rows:
            if not 0 <= row < len(self):
                raise ValueError(
                    f"dataset '{self.name}' has no test picture {row}: they are 0 to "
                    f"{len(self) - 1}"
                )
        images = self._dataset.__getitems__(rows)["image"].permute(0, 2, 3, 1).numpy()
        channels = self._method.hparams.get("image_channels", 3)
        if images.shape[-1] != channels:
            raise ValueError(
                f"dataset '{self.name}' has pictures of {images.shape[-1]} channels, "
                f"{type(self._method).__name__} takes {channels}"
            )
        return dict(zip(rows, np.asarray(images), strict=True))


def chosen(trained: Trained, wanted: Pictures) -> tuple[Array, Array | None]:
    """The picture and the other one, (H, W, C) uint8.

    Raises:
        ValueError: a picture is named twice, is none, or is not there.
    """
    if wanted.image is not None and wanted.dataset is not None:
        raise ValueError("give --image, or --dataset with --index: not both")
    if wanted.other is not None and wanted.other_index is not None:
        raise ValueError("give --other, or --other-index: not both")
    places = [None if wanted.image is not None else wanted.index, wanted.other_index]
    rows = [place for place in places if place is not None]
    taken = Shelf(trained, wanted).take(rows) if rows else {}
    files = [file for file in (wanted.image, wanted.other) if file is not None]
    own = dict(zip(files, (own_picture(trained, file) for file in files), strict=True))
    image = own[wanted.image] if wanted.image is not None else taken[wanted.index]
    if wanted.other is not None:
        return image, own[wanted.other]
    return image, None if wanted.other_index is None else taken[wanted.other_index]


def own_picture(trained: Trained, file: Path) -> Array:
    """The user's picture (H, W, C) uint8, cut as in training.

    Raises:
        ValueError: it is a folder, or no picture.
    """
    if file.is_dir():
        raise ValueError(f"{file}: is a folder; give one picture")
    picture: Array = own_pictures(trained, [file]).images[0]
    return picture


def _data(trained: Trained, wanted: Pictures) -> DataModule:
    if wanted.dataset is None:
        if trained.cell is None:
            raise ValueError(
                "a checkpoint of `whatwhere fit` does not say what it was trained on: give a "
                "picture by --image FILE, or --dataset ID --index N"
            )
        return cell_data(trained, wanted.root, wanted.cache_dir)
    settings = trained.method.hparams
    data = build_data(
        wanted.dataset,
        {"image_size": settings["image_size"]} if "image_size" in settings else {},
        source=wanted.source,
        root=None if wanted.root is None else str(wanted.root),
        cache_dir=None if wanted.cache_dir is None else str(wanted.cache_dir),
    )
    data.prepare_data()
    data.setup("test")
    return data
