"""FFHQ: portraits from Flickr, aligned (Karras et al. 2019).

Licence: the dataset is CC BY-NC-SA 4.0; each picture has its photographer's own licence (CC BY, CC
BY-NC, public domain). No commercial use, and its authors forbid its use for face recognition; the
people on it did not ask to be there.

Training pictures are numbers 0 to 59,999, as FFHQ's authors have it; of the last 10,000, some
chosen by hash are ``val`` and the others ``test``. The stand-in is portraits of stand-in faces
under the genuine names, read by the same code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from datamodules.cache_writer import SplitPlan
from datamodules.copies import FolderModule, Show, held_out, listing_hash
from datamodules.ffhq_files import TOTAL, TRAINING, FFHQPictures, find_pictures, split
from datamodules.images import BadImages, decode, read_rgb
from datamodules.report import Report

RECIPE: Final = 1
"""Raised whenever the same settings come to mean other pixels or splits."""
HELD_OUT_SHARE: Final = 0.5
STANDIN_SIZES: Final = {"train": 2000, "held_out": 400}
THUMBNAIL: Final = 128
BYTES_PER_PIXEL: Final = 3
SAMPLED: Final = 32
REMEDY: Final = "Download these pictures again"


class FFHQ(FolderModule):
    """FFHQ portraits: pictures alone.

    Args:
        image_size: side of the pictures handed out: from the thumbnails of 128 pixels where the
            copy has them and they suffice, else from the pictures of 1,024. Made smaller by
            averaging whole blocks of pixels where the sizes allow it, as StyleGAN's pyramids are.
        limit: train on the first so many of the training pictures, and take what is there of the
            last 10,000; a part of the copy then suffices. None asks for all 70,000.
        val_size: pictures of ``val``, at most half of the last 10,000; the others are ``test``.
        standin_sizes: pictures of the stand-in: train, held_out.
        max_bad_images: how many pictures that do not decode may be left out; none of ``test``.
        settings: those of `DataModule`. ``root`` holds ``thumbnails128x128`` or
            ``images1024x1024``, in folders of a thousand or flat.

    Batches hold ``image`` (B, 3, S, S).

    Raises:
        ValueError: an argument is out of range.
    """

    name: str = "ffhq"
    title: ClassVar[str] = "FFHQ"
    obtain: ClassVar[str] = (
        "FFHQ comes from github.com/NVlabs/ffhq-dataset under CC BY-NC-SA 4.0 (not for face "
        "recognition): thumbnails128x128 (2 GB) for up to 128 pixels, images1024x1024 (89 GB) "
        "above; limit=N needs only the first N of training and some of 60000 to 69999"
    )
    splits: ClassVar[tuple[str, ...]] = ("train", "val", "test")
    training_split: ClassVar[str] = "train"
    validation_split: ClassVar[str] = "val"

    def __init__(
        self,
        *,
        image_size: int = 256,
        limit: int | None = None,
        val_size: int = 2000,
        standin_sizes: dict[str, int] | tuple[int, int] | None = None,
        max_bad_images: int = 10,
        **settings: Any,
    ) -> None:
        super().__init__(image_size=image_size, **settings)
        if image_size > 1024:
            raise ValueError(f"image_size of ffhq must be at most 1024, got {image_size}")
        if val_size < 0 or (limit is not None and not 1 <= limit <= TRAINING):
            raise ValueError(
                f"limit must be 1 to {TRAINING:,} or None, and val_size at least 0; got {limit}, "
                f"{val_size}"
            )
        self.limit, self.val_size = limit, val_size
        self.standin_sizes = _sizes(standin_sizes)
        self.max_bad_images = max_bad_images
        self._found: FFHQPictures | None = None

    @property
    def standin_side(self) -> int:
        """Side of the stand-in's pictures: of the thumbnails, or what is asked for beyond."""
        return max(THUMBNAIL, self.image_size)

    def recipe(self) -> dict[str, Any]:
        """Settings that decide pixels and splits."""
        recipe: dict[str, Any] = {
            "recipe": RECIPE,
            "source": self.source,
            "image_size": self.image_size,
            "limit": self.limit,
            "val_size": self.val_size,
        }
        return recipe | ({"standin": self.standin_recipe()} if self.source == "standin" else {})

    def standin_recipe(self) -> dict[str, Any]:
        """What decides the stand-in's files."""
        from datamodules.standins.ffhq_tree import RECIPE_VERSION

        return {
            "recipe": RECIPE_VERSION,
            "sizes": self.standin_sizes,
            "side": self.standin_side,
        }

    def write_standin(self, folder: Path, show: Show) -> None:
        """Draw portraits under the genuine names."""
        from datamodules.cache_writer import check_space
        from datamodules.standins.ffhq_tree import write_ffhq_tree

        pixels = sum(self.standin_sizes.values()) * self.standin_side**2
        check_space(folder, pixels * BYTES_PER_PIXEL)
        write_ffhq_tree(folder, self.standin_sizes, self.standin_side, progress=show)

    def content_hash(self) -> str:
        """Over the names and sizes of all pictures used; the stand-in is its recipe's."""
        if self.source == "standin":
            return "standin"
        pictures = self._pictures()
        used = (pictures.paths[n] for numbers in self._splits().values() for n in numbers)
        return f"{pictures.side}/{listing_hash(used)}"

    def plan(self) -> Mapping[str, SplitPlan]:
        """The splits as they are to be cached; the one that must be whole comes first."""
        pictures, splits = self._pictures(), self._splits()
        bad = BadImages(
            self.max_bad_images,
            f"{REMEDY}.",
            never={"test": "all pictures of the test are scored, none may be left out"},
        )
        plans = {}
        for name in ("test", "train", "val"):
            paths = [pictures.paths[number] for number in splits[name]]
            skipped: list[str] = []
            plans[name] = SplitPlan(
                count=len(paths),
                shape=(self.image_size, self.image_size, 3),
                labels={},
                names=[path.name for path in paths],
                images=self._reader(name, paths, pictures.side, bad, skipped),
                skipped=skipped,
            )
        return plans

    @classmethod
    def verify(cls, root: str | Path) -> Report:
        """What a copy at ``root`` holds, against the official one.

        There are no checksums: those of FFHQ stand in a file of 255 MB beside the pictures, one
        for each.
        """
        root = Path(root).expanduser()
        report = Report(cls.name, str(root))
        found = find_pictures(root) if root.is_dir() else {}
        if not found:
            expected = "thumbnails128x128 or images1024x1024"
            report.add("folder", expected, "neither with pictures", "missing", cls.obtain)
        for side, pictures in sorted(found.items()):
            name = pictures.folder.name
            report.add("folder", name, str(pictures.folder), "ok")
            count = len(pictures.paths)
            part = "fine with limit=N (limit=40000, say); otherwise download the rest"
            report.add(name, f"{TOTAL:,}", f"{count:,}", "ok" if count == TOTAL else "warn", part)
            later = sum(number >= TRAINING for number in pictures.paths)
            report.add(
                f"{name}, of the last 10,000",
                f"{TOTAL - TRAINING:,}",
                f"{later:,}",
                "ok" if later == TOTAL - TRAINING else "warn" if later else "missing",
                "val and test are made of them; download 60000 to 69999",
            )
            for start, absent in pictures.broken_blocks.items():
                what = f"{name}, {start:05d} to {start + 999:05d}"
                report.add(what, "1,000", f"{1000 - absent}", "warn", REMEDY)
            numbers = list(pictures.paths)
            picked = {numbers[k * (count - 1) // (SAMPLED - 1)] for k in range(SAMPLED)}
            read = {n: read_rgb(pictures.paths[n], (side, side)) for n in sorted(picked)}
            bad = [f"{n:05d}.png {why}" for n, why in read.items() if isinstance(why, str)]
            report.add(
                f"{name}, {len(picked)} decoded",
                f"{side} x {side}",
                "; ".join(bad) or f"{side} x {side}",
                "missing" if len(bad) > 1 else "warn" if bad else "ok",
                REMEDY,
            )
        return report

    def _pictures(self) -> FFHQPictures:
        if self._found is not None:
            return self._found
        root = self.folder()
        found = find_pictures(root)
        enough = [pictures for side, pictures in sorted(found.items()) if side >= self.image_size]
        if not enough:
            needed = "images1024x1024" if self.image_size > THUMBNAIL else "thumbnails128x128"
            smaller = "".join(f" (there are pictures of {side} px)" for side in sorted(found))
            raise self.not_found(root, [f"the folder {needed} with 00000.png, ...{smaller}"])
        self._check(root, enough[0])
        self._found = enough[0]
        return self._found

    def _check(self, root: Path, pictures: FFHQPictures) -> None:
        """See that the pictures asked for are there."""
        self.refuse_standin(pictures.folder)
        early = sum(number < TRAINING for number in pictures.paths)
        missing = []
        if not pictures.standin:
            wanted = TRAINING if self.limit is None else self.limit
            if early < wanted:
                missing.append(
                    f"{wanted - early:,} of {wanted:,} training pictures (numbers below {TRAINING})"
                )
            if self.limit is None and len(pictures.paths) - early < TOTAL - TRAINING:
                absent = TOTAL - TRAINING - (len(pictures.paths) - early)
                missing.append(f"{absent:,} of the 10,000 pictures 60000.png to 69999.png")
        if len(pictures.paths) == early:
            missing.append("all pictures from 60000.png on, of which val and test are made")
        if missing:
            missing[-1] += f" in {pictures.folder}"
            raise self.not_found(root, missing)

    def _splits(self) -> dict[str, list[int]]:
        numbers = list(self._pictures().paths)
        later = [f"{number:05d}" for number in numbers if number >= TRAINING]
        val = {int(name) for name in held_out(later, self.val_size, HELD_OUT_SHARE)}
        return split(numbers, self.limit, val)

    def _reader(
        self, name: str, paths: list[Path], side: int, bad: BadImages, skipped: list[str]
    ) -> Callable[[], Iterator[tuple[int, NDArray[np.uint8]]]]:
        def leave_out(row: int, reason: str) -> None:
            bad.add(paths[row], name, reason)
            skipped.append(paths[row].name)

        return partial(decode, paths, (side, side), partial(smaller, self.image_size), leave_out)


def smaller(size: int, image: Image.Image) -> NDArray[np.uint8]:
    """A square picture at ``size`` pixels a side, (size, size, 3) uint8."""
    if image.width == size:
        return np.asarray(image)
    if image.width % size == 0:
        return np.asarray(image.reduce(image.width // size))
    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR))


def _sizes(sizes: dict[str, int] | tuple[int, int] | None) -> dict[str, int]:
    if sizes is None:
        return dict(STANDIN_SIZES)
    if not isinstance(sizes, dict):
        sizes = dict(zip(STANDIN_SIZES, sizes, strict=True))
    most = {"train": TRAINING, "held_out": TOTAL - TRAINING}
    if set(sizes) != set(most) or not all(2 <= sizes[key] <= most[key] for key in most):
        raise ValueError(f"standin_sizes must give train and held_out, 2 to {most}, got {sizes}")
    return {key: sizes[key] for key in STANDIN_SIZES}
