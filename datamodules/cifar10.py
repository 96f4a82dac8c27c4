"""CIFAR-10: photographs of ten kinds of things, 32 pixels (Krizhevsky 2009).

Methods that know one kind of thing are trained on one class at a time: ``classes=("automobile",)``.
The stand-in is ten kinds of drawn things (`datamodules.standins.objects32`), written in the genuine
format.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from datamodules.cache_writer import SplitPlan
from datamodules.cifar10_files import BATCHES, FOLDER, META, find_batches, read_batch, read_names
from datamodules.copies import FolderModule, Show, held_out
from datamodules.errors import DataError
from datamodules.report import Report, Status

RECIPE: Final = 1
"""Raised whenever the same settings come to mean other pixels, labels or splits."""
CLASSES: Final = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
HELD_OUT_SHARE: Final = 0.1
ROWS: Final = 10_000
STANDIN_SIZES: Final = {"train": 10_000, "test": 2_000}
MD5: Final = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
    "batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
}
OTHER_COPY: Final = "fine for a part or a copy saved again; otherwise unpack the archive again"


class CIFAR10(FolderModule):
    """CIFAR-10: pictures and ``label``.

    Args:
        image_size: 32, or 64 (enlarged bilinearly).
        classes: names of the classes to show; None for all ten. Labels stay those of all ten.
        val_size: pictures of ``val`` over all ten classes, taken out of the training batches by a
            hash of their numbers, whatever the classes; at most a tenth.
        standin_sizes: pictures of the stand-in: train, test.
        settings: those of `DataModule`. ``root`` holds ``cifar-10-batches-py`` or is it.

    Batches hold ``image`` (B, 3, S, S) and ``label`` (B,) int64, an index into `CLASSES`.

    Raises:
        ValueError: an argument is out of range, or a class has another name.
    """

    name: str = "cifar10"
    title: ClassVar[str] = "CIFAR-10"
    obtain: ClassVar[str] = (
        "CIFAR-10 is free for research: cifar-10-python.tar.gz of "
        f"www.cs.toronto.edu/~kriz/cifar.html, unpacked to {FOLDER}"
    )
    splits: ClassVar[tuple[str, ...]] = ("train", "val", "test")
    training_split: ClassVar[str] = "train"
    validation_split: ClassVar[str] = "val"
    labels: ClassVar[frozenset[str]] = frozenset({"label"})

    def __init__(
        self,
        *,
        image_size: int = 32,
        classes: tuple[str, ...] | None = None,
        val_size: int = 5000,
        standin_sizes: dict[str, int] | tuple[int, int] | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(image_size=image_size, **settings)
        if image_size not in (32, 64):
            raise ValueError(f"image_size of cifar10 must be 32 or 64, got {image_size}")
        if isinstance(classes, str):
            classes = (classes,)
        unknown = sorted(set(classes or ()) - set(CLASSES))
        if unknown or classes == ():
            raise ValueError(f"classes must be some of {', '.join(CLASSES)}, got {classes}")
        if val_size < 0:
            raise ValueError(f"val_size must be at least 0, got {val_size}")
        self.classes = CLASSES if classes is None else tuple(c for c in CLASSES if c in classes)
        self.val_size = val_size
        self.standin_sizes = _sizes(standin_sizes)

    def recipe(self) -> dict[str, Any]:
        """Settings that decide pixels, labels and splits."""
        recipe: dict[str, Any] = {
            "recipe": RECIPE,
            "source": self.source,
            "image_size": self.image_size,
            "classes": list(self.classes),
            "val_size": self.val_size,
        }
        return recipe | ({"standin": self.standin_recipe()} if self.source == "standin" else {})

    def standin_recipe(self) -> dict[str, Any]:
        """What decides the stand-in's files."""
        from datamodules.standins.cifar_tree import RECIPE_VERSION

        return {"recipe": RECIPE_VERSION, "sizes": self.standin_sizes}

    def write_standin(self, folder: Path, show: Show) -> None:
        """Draw things, and write them as CIFAR-10's batches."""
        from datamodules.standins.cifar_tree import write_cifar_tree

        write_cifar_tree(folder, self.standin_sizes, progress=show)

    def content_hash(self) -> str:
        """Over the batches' bytes; the stand-in is a function of its recipe."""
        if self.source == "standin":
            return "standin"
        folder = self._batches()
        digest = hashlib.sha256()
        for name in (*BATCHES["train"], *BATCHES["test"]):
            with (folder / name).open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()

    def plan(self) -> Mapping[str, SplitPlan]:
        """The splits as they are to be cached."""
        folder = self._batches()
        if (folder / META).is_file() and read_names(folder / META) != CLASSES:
            raise DataError(
                f"{folder / META} names {', '.join(read_names(folder / META))}, not CIFAR-10's "
                f"{', '.join(CLASSES)}. Give the folder of CIFAR-10 with --data-root."
            )
        shown = [CLASSES.index(name) for name in self.classes]
        plans: dict[str, SplitPlan] = {}
        for which, files in BATCHES.items():
            batches = [read_batch(folder / name) for name in files]
            images = np.concatenate([pictures for pictures, _ in batches])
            labels = np.concatenate([numbers for _, numbers in batches])
            names = [f"{which}-{k:05d}" for k in range(len(images))]
            chosen = held_out(names, self.val_size if which == "train" else 0, HELD_OUT_SHARE)
            in_val = np.array([name in chosen for name in names], bool)
            wanted = np.isin(labels, shown)
            plans[which] = self._plan(images, labels, names, np.flatnonzero(wanted & ~in_val))
            if which == "train":
                plans["val"] = self._plan(images, labels, names, np.flatnonzero(wanted & in_val))
        return plans

    @classmethod
    def verify(cls, root: str | Path) -> Report:
        """What a copy at ``root`` holds, against the official one."""
        root = Path(root).expanduser()
        report = Report(cls.name, str(root))
        folder = find_batches(root)
        if folder is None:
            report.add("folder", str(root / FOLDER), "no batch", "missing", cls.obtain)
            return report
        report.add("folder", FOLDER, str(folder), "ok")
        for name in (*BATCHES["train"], *BATCHES["test"], META):
            path = folder / name
            expected = "ten names" if name == META else f"{ROWS:,} pictures"
            if not path.is_file():
                needed: Status = "warn" if name == META else "missing"
                report.add(name, expected, "none", needed, cls.obtain)
                continue
            try:
                rows = ROWS if name == META else len(read_batch(path)[0])
                found = ", ".join(read_names(path)) if name == META else f"{rows:,} pictures"
            except DataError as error:
                report.add(name, expected, "unreadable", "missing", str(error))
                continue
            report.add(name, expected, found, "ok" if rows == ROWS else "warn", OTHER_COPY)
            with path.open("rb") as file:
                md5 = hashlib.file_digest(file, "md5").hexdigest()
            same: Status = "ok" if md5 == MD5[name] else "warn"
            report.add(f"{name}, md5", MD5[name], md5, same, OTHER_COPY)
        return report

    def _batches(self) -> Path:
        root = self.folder()
        folder = find_batches(root)
        if folder is None:
            raise self.not_found(root, [f"the folder {FOLDER} with data_batch_1, ..., test_batch"])
        names = [name for which in BATCHES.values() for name in which]
        missing = [str(folder / name) for name in names if not (folder / name).is_file()]
        if missing:
            raise self.not_found(root, missing)
        self.refuse_standin(folder)
        return folder

    def _plan(
        self,
        images: NDArray[np.uint8],
        labels: NDArray[np.int64],
        names: list[str],
        rows: NDArray[np.int64],
    ) -> SplitPlan:
        side = self.image_size

        def read() -> Iterable[NDArray[np.uint8]]:
            for row in rows:
                picture = images[row]
                if side != picture.shape[0]:
                    made = Image.fromarray(picture).resize((side, side), Image.Resampling.BILINEAR)
                    picture = np.asarray(made)
                yield picture

        return SplitPlan(
            count=len(rows),
            shape=(side, side, 3),
            labels={"label": labels[rows]},
            names=[names[row] for row in rows],
            images=lambda: iter(enumerate(read())),
        )


def _sizes(sizes: dict[str, int] | tuple[int, int] | None) -> dict[str, int]:
    if sizes is None:
        return dict(STANDIN_SIZES)
    if not isinstance(sizes, dict):
        sizes = dict(zip(STANDIN_SIZES, sizes, strict=True))
    if set(sizes) != set(STANDIN_SIZES) or min(sizes.values()) < 10:
        raise ValueError(f"standin_sizes must give train and test, 10 or more, got {sizes}")
    return {key: sizes[key] for key in STANDIN_SIZES}
