"""CelebA with the MAFL lists: faces, unsupervised, and five landmarks to regress.

Splits, geometry and file formats follow the released code of Deep Latent Particles (Daniel & Tamar
2022), which took them from DVE (Thewlis et al. 2019). See `build_splits` for who belongs where,
`Geometry` for what is shown. The stand-in is a miniature CelebA copy, written to the cache folder
and read by the same code.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from PIL import Image

from datamodules.augment import Padding
from datamodules.cache_writer import SplitPlan, cannot_write, check_space
from datamodules.celeba_copy import CelebACopy
from datamodules.celeba_files import not_found
from datamodules.celeba_splits import SPLITS
from datamodules.celeba_verify import verify_celeba
from datamodules.copies import standin_sizes as chosen_sizes
from datamodules.geometry import HEIGHT, PRESETS, WIDTH, Crop, Geometry
from datamodules.images import BadImages, decode
from datamodules.interface import DataModule, Source
from datamodules.progress import progress_bar
from datamodules.report import Report

STANDIN_SIZES: Final = {"unsupervised": 6000, "train": 2000, "test": 500}
STANDIN_SEED: Final = 0
"""The stand-in is one dataset: the seed of a training run does not change it."""
STANDIN_BYTES: Final = 16 << 10
"""Room for one JPEG of the stand-in, with some to spare."""
RECIPE: Final = 1
"""Raised whenever the same settings come to mean other pixels, labels or splits."""


class CelebA(DataModule):
    """CelebA/MAFL faces: pictures, five landmarks, and identities where the copy has them.

    Args:
        source: "standin" or "real".
        root: folder that holds the copy, as the official or as torchvision's tree.
        cache_dir: where caches go; None for the user's cache folder.
        image_size: side of the pictures handed out, pixels; 128 in the paper.
        batch_size: of training and validation.
        num_workers: processes that read batches.
        seed: of the order of training samples.
        pairs: whether training batches hold two warped views.
        pair_padding: what lies outside a picture when a warp reaches there.
        crop: which paper's view of the picture (`PRESETS`).
        standin_sizes: pictures of the stand-in: unsupervised, train, test.
        val_size: pictures of ``val``, at most.
        limit_unsupervised: use no more than so many unsupervised pictures, chosen by hash.
        max_bad_images: how many pictures that do not decode may be left out; of MAFL's test
            pictures none may.

    Batches hold ``landmarks`` (B, 5, 2): left eye (the smaller x), right eye, nose, left and right
    corner of the mouth; and ``identity`` (B,).
    """

    name: str = "celeba"
    splits: ClassVar[tuple[str, ...]] = SPLITS
    training_split: ClassVar[str] = "unsupervised"
    validation_split: ClassVar[str] = "val"
    labels: ClassVar[frozenset[str]] = frozenset({"landmarks"})
    wild: ClassVar[bool] = False
    """Whether it reads the pictures that are not aligned."""

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
        crop: Crop = "dlp",
        standin_sizes: dict[str, int] | tuple[int, int, int] | None = None,
        val_size: int = 2000,
        limit_unsupervised: int | None = None,
        max_bad_images: int = 10,
    ) -> None:
        super().__init__(
            source=source,
            root=root,
            cache_dir=cache_dir,
            image_size=image_size,
            batch_size=batch_size,
            num_workers=num_workers,
            seed=seed,
            pairs=pairs,
            pair_padding=pair_padding,
        )
        if crop not in PRESETS:
            raise ValueError(f"crop must be one of {', '.join(PRESETS)}, got {crop!r}")
        self.crop = crop
        self.geometry = Geometry(PRESETS[crop], image_size)
        self.standin_sizes = chosen_sizes(standin_sizes, STANDIN_SIZES)
        self.val_size, self.limit_unsupervised = val_size, limit_unsupervised
        self.max_bad_images = max_bad_images
        self._found: CelebACopy | None = None

    @property
    def margin(self) -> int:
        """Pixels kept beyond every side of the view."""
        return self.geometry.margin

    def recipe(self) -> dict[str, Any]:
        """Settings that decide pixels, labels and splits."""
        recipe: dict[str, Any] = {
            "recipe": RECIPE,
            "source": self.source,
            "frame": list(self.geometry.preset.frame),
            "resize": self.geometry.preset.resize,
            "crop_margin": self.geometry.preset.margin,
            "image_size": self.image_size,
            "val_size": self.val_size,
            "limit_unsupervised": self.limit_unsupervised,
        }
        if self.source == "standin":
            recipe["standin"] = {
                "recipe": self.standin_tree()[0],
                "sizes": self.standin_sizes,
                "seed": STANDIN_SEED,
            }
        return recipe

    def standin_tree(self) -> tuple[int, Callable[..., Path]]:
        """Version of the stand-in, and what writes it; imported where it is needed."""
        from datamodules.standins.celeba_tree import RECIPE_VERSION, write_celeba_tree

        return RECIPE_VERSION, write_celeba_tree

    def content_hash(self) -> str:
        """Over the lists' bytes and the names and sizes of all pictures used.

        The stand-in is a function of its recipe, so it has no other content.
        """
        if self.source == "standin":
            return "standin"
        return self._copy().content_hash()

    def plan(self) -> Mapping[str, SplitPlan]:
        """The splits as they are to be cached; the one that must be whole comes first."""
        copy = self._copy()
        labels = copy.labels()
        bad = BadImages(
            self.max_bad_images,
            "Unpack img_align_celeba.zip again, or replace these files.",
            never={"test": "all of MAFL's test pictures are scored, none may be left out"},
        )
        plans = {}
        for split in ("test", "train", "val", "unsupervised"):
            paths = copy.paths(split)
            skipped: list[str] = []
            plans[split] = SplitPlan(
                count=len(paths),
                shape=(self.geometry.side, self.geometry.side, 3),
                labels=labels[split]
                | {"landmarks": self.geometry.landmarks(labels[split]["landmarks"])},
                names=[path.name for path in paths],
                images=self._reader(split, paths, bad, skipped),
                skipped=skipped,
            )
        return plans

    @classmethod
    def verify(cls, root: str | Path) -> Report:
        """What a copy at ``root`` holds, against the official one."""
        return verify_celeba(Path(root).expanduser())

    def _reader(
        self, split: str, paths: list[Path], bad: BadImages, skipped: list[str]
    ) -> Callable[[], Iterator[tuple[int, NDArray[np.uint8]]]]:
        def leave_out(row: int, reason: str) -> None:
            bad.add(paths[row], split, reason)
            skipped.append(paths[row].name)

        return partial(decode, paths, self._read_size, self._resample, leave_out)

    @property
    def _read_size(self) -> tuple[int, int] | None:
        """Width and height that every picture must have; None for any."""
        return WIDTH, HEIGHT

    def _resample(self, image: Image.Image) -> NDArray[np.uint8]:
        """A picture as it is stored, (side, side, 3)."""
        return self.geometry.resample(image)

    def _copy(self) -> CelebACopy:
        if self._found is None:
            self._found = CelebACopy.find(
                self._root(),
                standin=self.source == "standin",
                val_size=self.val_size,
                limit_unsupervised=self.limit_unsupervised,
                wild=self.wild,
            )
        return self._found

    def _root(self) -> Path:
        if self.source == "real":
            if self.root is None:
                missing = ["a folder to look in; give it with --data-root DIR"]
                raise not_found(None, missing, wild=self.wild)
            return self.root
        recipe_version, write = self.standin_tree()
        sizes = "-".join(str(size) for size in self.standin_sizes.values())
        folder = self.cache_dir / self.name / f"standin-tree-{recipe_version}-{sizes}"
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{folder}.lock"):
                for left_over in folder.glob(".*.partial"):  # of a killed process; we hold the lock
                    shutil.rmtree(left_over, ignore_errors=True)
                if not (folder / "celeba").exists():
                    check_space(folder, sum(self.standin_sizes.values()) * STANDIN_BYTES)
                    with progress_bar("rendering stand-in faces") as show:
                        write(folder, self.standin_sizes, STANDIN_SEED, progress=show)
        except OSError as error:
            raise cannot_write(folder, error) from error
        return folder
