"""CelebA in the wild: the pictures as they were found, before they were aligned.

The task of AutoLink, LatentKeypointGAN, GANSeg and others: whole pictures, squashed to a square,
without those whose face box covers less than 30 % of them. Splits and lists are those of `CelebA`.

Released code of AutoLink divides a landmark's x by the picture's height and its y by the width
(Pillow's size was unpacked the wrong way round), so landmarks of pictures that are no squares are
misplaced. ``landmarks`` here are the true ones; ``aspect`` is what a protocol needs for the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from datamodules.cache_writer import SplitPlan
from datamodules.celeba import CelebA
from datamodules.celeba_verify import verify_celeba
from datamodules.coordinates import Box, within_box
from datamodules.errors import DataError
from datamodules.images import BadImages
from datamodules.report import Report

LEAST_FACE: Final = 0.3
"""Share of a picture its face box must cover, in AutoLink's and StableKeypoints' released code."""
RECIPE: Final = 1
AMISS: Final = 0.01
"""Of pictures whose landmarks lie beyond them: a few are slips, more are of another copy."""
"""Raised whenever the same settings come to mean other pixels, labels or splits."""


class CelebAWild(CelebA):
    """CelebA/MAFL faces that are not aligned.

    Args:
        least_face: pictures whose face box covers less than this share of them are left out, of
            every split.
        settings: those of `CelebA`, but for ``crop``: whole pictures are shown. A copy needs
            ``img_celeba``, ``list_landmarks_celeba.txt`` and ``list_bbox_celeba.txt``.

    Batches hold ``landmarks`` (B, 5, 2) as `CelebA` does, and ``aspect`` (B,), the picture's width
    over its height before it was squashed.
    """

    name: str = "celeba_wild"
    wild: ClassVar[bool] = True
    labels: ClassVar[frozenset[str]] = CelebA.labels | {"aspect"}

    def __init__(self, *, least_face: float = LEAST_FACE, **settings: Any) -> None:
        if "crop" in settings:
            raise ValueError("celeba_wild shows whole pictures, it takes no crop")
        super().__init__(**settings)
        if not 0 <= least_face < 1:
            raise ValueError(f"least_face must be in [0, 1), got {least_face}")
        self.least_face = least_face

    @property
    def margin(self) -> int:
        """Nothing lies beyond a whole picture."""
        return 0

    def recipe(self) -> dict[str, Any]:
        """Settings that decide pixels, labels and splits."""
        inherited = super().recipe()
        shown = {key: inherited[key] for key in inherited if key not in _CROPS}
        return shown | {"recipe": RECIPE, "wild": True, "least_face": self.least_face}

    def standin_tree(self) -> tuple[int, Callable[..., Path]]:
        """Version of the stand-in, and what writes it."""
        from datamodules.standins.celeba_wild_tree import RECIPE_VERSION, write_wild_tree

        return RECIPE_VERSION, write_wild_tree

    def plan(self) -> Mapping[str, SplitPlan]:
        """The splits as they are to be cached; the one that must be whole comes first."""
        copy = self._copy()
        labels = copy.labels()
        bad = BadImages(
            self.max_bad_images,
            "Unpack img_celeba again, or replace these files.",
            never={"test": "all of MAFL's test pictures are scored, none may be left out"},
        )
        plans = {}
        for split in ("test", "train", "val", "unsupervised"):
            paths, given = copy.paths(split), labels[split]
            sizes = np.array([_size(path) for path in paths], np.int64).reshape(-1, 2)
            box = given.pop("box")
            faces = np.prod(box[:, 2:].clip(0), 1)  # a box of negative sides is none
            kept = np.flatnonzero((faces > 0) & (faces >= self.least_face * sizes.prod(1)))
            if split != "val" and not len(kept):
                raise DataError(
                    f"no picture of split '{split}' has a face box of {self.least_face:.0%} of it "
                    f"or more; are {copy.files.boxes} and {copy.files.images} of one copy?"
                )
            points = squashed(given["landmarks"][kept], sizes[kept])
            beyond = np.flatnonzero((np.abs(points.mean(1)) > 1).any(1))
            if len(beyond) > AMISS * len(kept):
                raise DataError(
                    f"the middle of the landmarks lies outside of {len(beyond):,} of {len(kept):,} "
                    f"pictures of split '{split}', first {paths[kept[beyond[0]]]}: are "
                    f"{copy.files.landmarks} and {copy.files.images} of one copy?"
                )
            kept_paths = [paths[row] for row in kept]
            skipped: list[str] = []
            plans[split] = SplitPlan(
                count=len(kept),
                shape=(self.image_size, self.image_size, 3),
                labels={key: values[kept] for key, values in given.items()}
                | {
                    "landmarks": points,
                    "aspect": (sizes[kept, 0] / sizes[kept, 1]).astype(np.float32),
                },
                names=[path.name for path in kept_paths],
                images=self._reader(split, kept_paths, bad, skipped),
                skipped=skipped,
            )
        return plans

    @property
    def _read_size(self) -> None:
        """Pictures are of any size."""
        return None

    def _resample(self, image: Image.Image) -> NDArray[np.uint8]:
        size = (self.image_size, self.image_size)
        return np.asarray(image.resize(size, Image.Resampling.BILINEAR))

    @classmethod
    def verify(cls, root: str | Path) -> Report:
        """Compare a copy with the official one; pictures are counted before small faces go."""
        return verify_celeba(Path(root).expanduser(), wild=True)


_CROPS: Final = ("frame", "resize", "crop_margin")


def squashed(xy_pixels: NDArray[np.float64], sizes: NDArray[np.int64]) -> NDArray[np.float32]:
    """Points (N, L, 2) in pixels of pictures of ``sizes`` (N, 2), width and height, in [-1, 1]."""
    points = [
        within_box(some, Box(0, 0, float(width), float(height)))
        for some, (width, height) in zip(xy_pixels, sizes.tolist(), strict=True)
    ]
    return np.array(points, np.float32).reshape(xy_pixels.shape)


def _size(path: Path) -> tuple[int, int]:
    """Width and height; (1, 1) where the file does not open: that is told when it is decoded."""
    try:
        with Image.open(path) as image:
            return image.width, image.height
    except OSError:
        return 1, 1
