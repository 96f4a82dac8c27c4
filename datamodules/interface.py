"""What a dataset is: the batch contract and the base LightningDataModule.

A batch is a dict: ``image`` (B, C, H, W), or ``clip`` (B, T, C, H, W) where clips are handed out
(`clip_module`), float32 in [0, 1], ``index`` (B,) int64 (the sample's stable id in its split), and
where the dataset has them ``landmarks`` (B, L, 2) in [-1, 1] and ``identity`` (B,) int64. Training
batches of a module with ``pairs`` also hold ``pair`` (B, C, H, W), the same picture, warped more
strongly than ``image``, and ``pair_source`` (B, H, W, 2), where in ``image`` each of its pixels
comes from, (x, y) in [-1, 1].

Scenes of up to N objects say of each of them (of each of them in each frame: (B, T, N, ...))
``object_box`` (B, N, 4), left, top, right, bottom of the part in view, in [-1, 1], NaN where it is
out of view or there are fewer objects; ``object_centre`` (B, N, 2), where its centre is seen;
``object_visible`` (B, N), share of it in [0, 1] that neither another object nor the picture's edge
hides; ``object_collided`` (B, N) uint8, 1 where it has hit another by now; and of the whole scene
``object_shape``, ``object_colour`` and ``object_material`` (B, N) int64, -1 for no object, as far
as the dataset has them, with their words in ``label_names``.
"""

from __future__ import annotations

import logging
import os
import shlex
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

import platformdirs
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from datamodules.arrays import ArrayDataset, Batch, EpochSampler, already_batched
from datamodules.augment import Padding, PairWarp, centre_crop
from datamodules.cache import Cache, Header, short_hash
from datamodules.cache_writer import SplitPlan, ensure_cache
from datamodules.clips import ClipDataset
from datamodules.draws import DrawnClips
from datamodules.errors import DataError, DatasetNotFoundError, DiskSpaceError
from datamodules.report import Check, Report

__all__ = [
    "ArrayDataset",
    "Batch",
    "Check",
    "DataError",
    "DataModule",
    "DatasetNotFoundError",
    "DiskSpaceError",
    "EpochSampler",
    "Report",
    "Source",
    "default_cache_dir",
]

log = logging.getLogger(__name__)

Source = Literal["standin", "real"]
Unit = Literal["pictures", "clips"]
"""What loaders hand out of a dataset that has clips; of all others it is pictures."""
Handed = ArrayDataset | ClipDataset | DrawnClips
"""What a loader reads batches of."""
EVAL_BATCH: Final = 256
Watcher = Callable[[str, int, int], None]
"""Is told a split, how much of it is done, and how much there is (pictures or clips); may raise."""


def default_cache_dir() -> Path:
    """``$WHATWHERE_CACHE``, or the user's cache folder of the operating system."""
    given = os.environ.get("WHATWHERE_CACHE")
    return Path(given) if given else platformdirs.user_cache_path("whatwhere")


class DataModule(pl.LightningDataModule):
    """Base of every dataset: a cache made once, splits read from it.

    A subclass names its splits and says what the cache holds (`recipe`, `content_hash`, `plan`).

    Args:
        source: "standin" for the procedural twin, "real" for the user's own copy.
        root: folder of the real copy; ignored for the stand-in.
        cache_dir: where caches go; None for `default_cache_dir`.
        image_size: side of the square pictures handed out, pixels.
        batch_size: of training and validation.
        num_workers: processes that read batches; 0 is fastest where the cache fits in memory.
        seed: of the order of training samples.
        pairs: whether training batches hold two warped views (see `PairWarp`).
        pair_padding: what lies outside a picture when a warp reaches there.
    """

    name: str
    splits: ClassVar[tuple[str, ...]]
    training_split: ClassVar[str]
    validation_split: ClassVar[str]
    labels: ClassVar[frozenset[str]] = frozenset()
    """Batch keys of labels that every copy has, and the stand-in, for all of its test pictures."""
    label_names: ClassVar[Mapping[str, Sequence[str]]] = {}
    """Words for the values of a label, by batch key, where it counts kinds of things."""
    unit: Unit = "pictures"
    """What loaders hand out, see `hand_out`."""
    part: tuple[int, int] = (0, 1)
    """See `divide`."""
    watcher: Watcher | None = None
    """Follows whoever goes through `eval_dataloader`, if anybody wants to know."""

    def __init__(
        self,
        *,
        source: Source = "standin",
        root: str | None = None,
        cache_dir: str | None = None,
        image_size: int = 64,
        batch_size: int = 32,
        num_workers: int = 0,
        seed: int = 0,
        pairs: bool = False,
        pair_padding: Padding = "zeros",
    ) -> None:
        super().__init__()
        if source not in ("standin", "real"):
            raise ValueError(f"source must be 'standin' or 'real', got {source!r}")
        if image_size < 8 or batch_size < 1:
            raise ValueError(
                f"image_size must be at least 8 and batch_size 1, got {image_size}, {batch_size}"
            )
        self.source: Source = source
        self.root = None if root is None else Path(root).expanduser()
        self.cache_dir = default_cache_dir() if cache_dir is None else Path(cache_dir).expanduser()
        self.image_size, self.batch_size, self.num_workers = image_size, batch_size, num_workers
        self.seed, self.pairs = seed, pairs
        self.pair_warp = PairWarp(image_size, padding=pair_padding)
        self._cache: Cache | None = None
        self._content: str | None = None
        self._trained: str | None = None

    # What a subclass says of itself.

    @property
    @abstractmethod
    def margin(self) -> int:
        """Pixels that the cache keeps beyond every side of what is shown, for warps."""

    @property
    def command(self) -> str:
        """What the user types to make this module's cache; a shell understands it."""
        options = {
            "--source": self.source,
            **({"--data-root": str(self.root)} if self.source == "real" else {}),
            "--image-size": str(self.image_size),
            "--cache-dir": str(self.cache_dir),
        }
        given = [word for option in options.items() for word in option]
        return shlex.join(["whatwhere", "data", "prepare", self.name, *given])

    @abstractmethod
    def recipe(self) -> dict[str, Any]:
        """JSON-able settings that decide pixels, labels and splits; no paths."""

    @abstractmethod
    def content_hash(self) -> str:
        """A hash over what the source holds, cheap: no picture is decoded."""

    @abstractmethod
    def plan(self) -> Mapping[str, SplitPlan]:
        """The splits as they are to be cached."""

    @classmethod
    @abstractmethod
    def verify(cls, root: str | Path) -> Report:
        """What a real copy at ``root`` holds, against what it should."""

    # The cache.

    def fingerprint(self) -> str:
        """16 hex digits that change with the recipe or the data, never with paths.

        Raises:
            DatasetNotFoundError: there is no usable real copy at the root.
            DataError: its lists are bad.
        """
        if self._content is None:
            self._content = self.content_hash()
        return short_hash({"recipe": self.recipe(), "content": self._content})

    def header(self) -> Header:
        """What the cache must have been made of."""
        return Header(self.name, self.recipe(), self.fingerprint(), self.command)

    def cache_path(self) -> Path:
        """The cache file; data or settings that differ have files of their own."""
        stem = f"{self.source}-{self.image_size}px-{self.fingerprint()}"
        return self.cache_dir / self.name / f"{stem}.h5"

    def prepare_data(self) -> None:
        """Make the cache where it is absent, stale or truncated.

        Raises:
            DatasetNotFoundError: the real copy is absent or half unpacked.
            DataError: its content is bad, or the cache cannot be written.
        """
        ensure_cache(self.cache_path(), self.header(), self.plan)

    def setup(self, stage: str | None = None) -> None:
        """Open the cache for reading.

        Raises:
            DataError: it is absent or unusable; the message names the command that makes it.
        """
        if self._cache is not None:
            return
        self._cache = Cache(self.cache_path(), self.header())
        for split, names in self._cache.skipped.items():
            if names:
                log.warning(
                    "%s: %s pictures were left out: %s; once they are mended, delete %s, and it is "
                    "made again with them",
                    split,
                    len(names),
                    names,
                    self.cache_path(),
                )

    @property
    def cache(self) -> Cache:
        """The open cache; opened on first use."""
        self.setup()
        assert self._cache is not None
        return self._cache

    def counts(self) -> dict[str, int]:
        """Pictures of every split, or clips where those are handed out."""
        return {split: self.cache.counts[split] for split in self.splits}

    def dataset(self, split: str, *, with_margin: bool = False) -> ArrayDataset:
        """A split, with pictures of the image size, or with the margin about them.

        Raises:
            ValueError: there is no such split.
            DataError: the cache is absent or unusable.
        """
        if split not in self.splits:
            raise ValueError(f"{self.name} has no split '{split}', but {', '.join(self.splits)}")
        return self.cache.dataset(split, margin=0 if with_margin else self.margin)

    # Loaders.

    def train_on(self, split: str | None) -> None:
        """Train on another split than ``training_split``; None goes back to that."""
        self._trained = split

    @property
    def trained_split(self) -> str:
        """The split that training reads, see `train_on`."""
        return self._trained or self.training_split

    def hand_out(self, unit: Unit, draw: int = 0) -> None:
        """Choose what every loader hands out from now on.

        Args:
            unit: pictures, or clips where the dataset has them.
            draw: so many frames of each clip, drawn at random, in training batches; 0 for clips as
                all other loaders hand them out.

        Raises:
            DataError: clips are asked of a dataset that has none.
        """
        if unit != "pictures":
            raise DataError(f"{self.name} has pictures, no clips: this method cannot learn on it")

    def handed_out(self, split: str, *, with_margin: bool = False) -> tuple[Handed, int]:
        """A split as loaders hand it out, and how much of it in a training batch."""
        return self.dataset(split, with_margin=with_margin), self.batch_size

    def trained_set(self) -> tuple[Handed, int]:
        """What training reads, and how much of it in a batch."""
        return self.handed_out(self.trained_split, with_margin=self.pairs)

    def divide(self, rank: int, processes: int) -> None:
        """Let several processes share every training batch; each is told its own number.

        ``batch_size`` stays that of all of them together, so that they make the same steps as one.
        """
        self.part = (rank, processes)
        self.pair_warp = replace(self.pair_warp, part=self.part)

    def train_dataloader(self) -> DataLoader[Batch]:
        """The training split in an order that is a function of (seed, epoch)."""
        split = self.trained_split
        dataset, batch_size = self.trained_set()
        if len(dataset) < batch_size:
            raise DataError(
                f"split '{split}' has {len(dataset)} {self.unit}, not one batch of "
                f"{batch_size}; choose a smaller batch size or more data"
            )
        visits = isinstance(dataset, DrawnClips)
        sampler = EpochSampler(
            len(dataset), self.seed, visits=visits, part=self.part, batch=batch_size
        )
        if self.trainer is not None:
            # Lightning tells a resumed run's first epoch when workers have been asked for batches.
            sampler.set_epoch(self.trainer.current_epoch)
        share = batch_size // self.part[1]
        return self._loader(dataset, share, sampler=sampler, drop_last=True)

    def val_dataloader(self) -> DataLoader[Batch]:
        """The validation split, in order; it may be empty."""
        return self._loader(*self.handed_out(self.validation_split))

    def eval_dataloader(self, split: str, batch_size: int | None = None) -> Iterable[Batch]:
        """A split in order, nothing dropped, nothing warped; for protocols.

        ``watcher`` is told before the first batch, and whenever the next one is asked for.

        Args:
            split: its name.
            batch_size: None for 256 pictures, or as many clips as a training batch has.
        """
        dataset, usual = self.handed_out(split)
        if batch_size is None:
            batch_size = EVAL_BATCH if self.unit == "pictures" else usual
        loader = self._loader(dataset, batch_size)
        if self.watcher is None:
            return loader
        return _watched(loader, split, len(dataset), self.watcher)

    def _loader(
        self,
        dataset: Handed,
        batch_size: int,
        *,
        sampler: EpochSampler | None = None,
        drop_last: bool = False,
    ) -> DataLoader[Batch]:
        return DataLoader(
            dataset,
            batch_size=batch_size,
            sampler=sampler or EpochSampler(len(dataset), shuffle=False),
            drop_last=drop_last,
            num_workers=self.num_workers,
            collate_fn=already_batched,
            pin_memory=torch.cuda.is_available(),
            persistent_workers=self.num_workers > 0,
        )

    # From bytes to numbers, on the device.

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Bytes to [0, 1]; in training with pairs, the two warped views."""
        if self.pairs and self.trainer is not None and self.trainer.training:
            return self.warp_batch(batch)
        return self._convert(batch)

    def to_batch(self, batch: Batch, device: torch.device | str) -> Batch:
        """A loader's batch on ``device``, converted, never warped; needs no trainer."""
        return self._convert({key: value.to(device) for key, value in batch.items()})

    def warp_batch(self, batch: Batch) -> Batch:
        """A training batch of bytes with margin to ``image`` (weak warp) and ``pair`` (strong).

        ``pair_source`` says how they belong together. Landmarks follow ``image``.
        """
        frame = _to_float(batch["image"])
        made = self.pair_warp(frame)
        batch = batch | {"image": made.view, "pair": made.other, "pair_source": made.source}
        if "landmarks" in batch:
            batch["landmarks"] = self.pair_warp.move_points(
                made.weak, batch["landmarks"], frame.shape[-1]
            )
        return batch

    def _convert(self, batch: Batch) -> Batch:
        shown = {key: batch[key] for key in ("image", "clip") if key in batch}
        return batch | {
            key: _to_float(centre_crop(value, self.image_size)) for key, value in shown.items()
        }


def _watched(loader: Iterable[Batch], split: str, total: int, watcher: Watcher) -> Iterator[Batch]:
    done = 0
    watcher(split, done, total)
    for batch in loader:
        yield batch
        done += len(batch["index"])
        watcher(split, done, total)


def _to_float(image: Tensor) -> Tensor:
    return image.contiguous().float().div_(255)
