"""Pictures held as uint8 arrays, read a batch at a time, and the order they are read in."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler

Batch = dict[str, Any]
"""A batch: ``image`` (B, C, H, W), ``index`` (B,) int64, and labels by name."""


class Rows(Protocol):
    """Pictures addressed by row: an array in memory, or a cache file read row by row."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, H, W, C)."""
        ...

    def take(self, rows: Sequence[int] | NDArray[np.int64]) -> NDArray[np.uint8]:
        """The pictures (B, H, W, C) of some rows, uint8."""
        ...


class MemoryRows:
    """Pictures of an array (N, H, W, C) uint8 in memory."""

    def __init__(self, images: NDArray[np.uint8]) -> None:
        if images.dtype != np.uint8 or images.ndim != 4:
            raise TypeError(f"images must be uint8 (N, H, W, C), got {images.dtype} {images.shape}")
        self.images = images

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, H, W, C)."""
        return self.images.shape

    def take(self, rows: Sequence[int] | NDArray[np.int64]) -> NDArray[np.uint8]:
        """The pictures (B, H, W, C) of some rows."""
        return self.images[np.asarray(rows, dtype=np.int64)]


class PickedRows:
    """Some pictures of others, in an order of their own; nothing is copied.

    Args:
        rows: all pictures.
        picks: (n,) which of them.
    """

    def __init__(self, rows: Rows, picks: NDArray[np.int64]) -> None:
        self.rows, self.picks = rows, picks

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, H, W, C)."""
        return len(self.picks), *self.rows.shape[1:]

    def take(self, rows: Sequence[int] | NDArray[np.int64]) -> NDArray[np.uint8]:
        """The pictures (B, H, W, C) of some rows of the picks."""
        return self.rows.take(self.picks[np.asarray(rows, dtype=np.int64)])


class ArrayDataset(Dataset[Batch]):
    """Pictures and labels of one split; a list of rows gives a batch at once.

    Nothing is collated sample by sample: ``DataLoader`` hands the whole list of indices to
    `__getitems__`, which takes them out of the arrays in one go.

    Args:
        images: (N, H, W, C) uint8, an array or `Rows`.
        labels: arrays whose first dimension is N, by batch key.
        margin: pixels to cut from every side of a picture as it is read.
        names: the pictures' file names, where they have any.

    Raises:
        ValueError: a label array is not N long, or the margin leaves nothing of a picture.
    """

    def __init__(
        self,
        images: Rows | NDArray[np.uint8],
        labels: Mapping[str, NDArray[Any]],
        *,
        margin: int = 0,
        names: Sequence[str] = (),
    ) -> None:
        self.rows: Rows = MemoryRows(images) if isinstance(images, np.ndarray) else images
        count, height, width, _ = self.rows.shape
        for key, values in labels.items():
            if len(values) != count:
                raise ValueError(f"label '{key}' has {len(values)} rows for {count} images")
        if names and len(names) != count:
            raise ValueError(f"{len(names)} names for {count} images")
        if margin < 0 or 2 * margin >= min(height, width):
            raise ValueError(f"a margin of {margin} px leaves nothing of {width} x {height} px")
        self.labels = {key: torch.from_numpy(np.array(values)) for key, values in labels.items()}
        self.margin = margin
        self.names = list(names)

    def __len__(self) -> int:
        return int(self.rows.shape[0])

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of a picture as it is handed out."""
        _, height, width, channels = self.rows.shape
        return channels, height - 2 * self.margin, width - 2 * self.margin

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        """A batch: ``image`` uint8 (B, C, H, W), ``index`` int64 (B,), labels."""
        index = torch.as_tensor(indices, dtype=torch.int64)
        image: Tensor = torch.from_numpy(self.rows.take(indices))
        if self.margin:
            image = image[:, self.margin : -self.margin, self.margin : -self.margin]
        batch: Batch = {"image": image.permute(0, 3, 1, 2).contiguous(), "index": index}
        return batch | {key: values[index] for key, values in self.labels.items()}

    def __getitem__(self, index: int) -> Batch:
        """One sample, without the batch dimension."""
        return {key: value[0] for key, value in self.__getitems__([index]).items()}


def already_batched(batch: Any) -> Any:
    """The collate function of an `ArrayDataset`: its batches need none."""
    return batch


class EpochSampler(Sampler[int]):
    """Indices in an order that is a pure function of (seed, epoch).

    A resumed run therefore repeats nothing and misses nothing, with no state to store. Lightning
    calls `set_epoch` at the beginning of every epoch.

    Args:
        length: number of samples.
        seed: any integer.
        shuffle: False gives 0, 1, 2, ... in every epoch.
        visits: number the visits of samples through all epochs, ``epoch * length + index``: for
            datasets that show a sample in another way each time.
        part: where several processes share every batch, which one this is and how many there are.
        batch: of all processes together; it needs to be known where there are several.

    Raises:
        ValueError: a batch cannot be shared evenly.
    """

    def __init__(
        self,
        length: int,
        seed: int = 0,
        shuffle: bool = True,
        visits: bool = False,
        part: tuple[int, int] = (0, 1),
        batch: int = 1,
    ) -> None:
        self.length, self.seed, self.shuffle, self.epoch = length, seed, shuffle, 0
        self.visits, self.part, self.batch = visits, part, batch
        if part[1] > 1 and batch % part[1]:
            raise ValueError(
                f"batches of {batch} cannot be shared by {part[1]} processes: give a number of "
                f"processes that divides {batch}"
            )

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order the next iteration follows."""
        self.epoch = epoch

    def __len__(self) -> int:
        _, processes = self.part
        return self.length if processes == 1 else self.length // self.batch * self._share

    @property
    def _share(self) -> int:
        return self.batch // self.part[1]

    def __iter__(self) -> Iterator[int]:
        order = self._order()
        rank, processes = self.part
        if processes == 1:
            return iter(order)
        # Of every batch that a single process would read, its own part; the last, short one is
        # nobody's.
        begins = range(rank * self._share, self.length // self.batch * self.batch, self.batch)
        return (sample for begin in begins for sample in order[begin : begin + self._share])

    def _order(self) -> list[int]:
        before = self.epoch * self.length if self.visits else 0
        if not self.shuffle:
            return list(range(before, before + self.length))
        # A hash, for seed + epoch would make seed 1's first epoch seed 0's second.
        digest = hashlib.sha256(f"order/{self.seed}/{self.epoch}".encode()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
        order: list[int] = (before + torch.randperm(self.length, generator=generator)).tolist()
        return order
