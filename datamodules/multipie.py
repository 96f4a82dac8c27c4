"""CMU Multi-PIE: faces of many people under five views, twenty lights and six expressions.

The splits follow the Deformable Generator's experiment (Xing et al. 2019): learn from 1,000 frontal
faces, test on 1,000 faces of other people in each of five views. Original pictures are cropped by
OpenFace's convention (`face_align`), each by a map of its own; cropped copies are only resized.
The stand-in is a cropped copy in miniature, written to the cache folder and read by the same code.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Final, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from datamodules.cache_writer import SplitPlan
from datamodules.copies import FolderModule, Show
from datamodules.copies import standin_sizes as chosen_sizes
from datamodules.errors import DataError
from datamodules.face_align import Anchors, alignment, warp
from datamodules.face_finder import FaceFinder
from datamodules.images import BadImages, decode
from datamodules.multipie_copy import Crop, MultiPIECopy
from datamodules.multipie_files import OBTAIN, find_files
from datamodules.multipie_landmarks import no_landmarks, read_landmarks, suffices
from datamodules.multipie_names import (
    AMBIENT_AGAIN,
    EXPRESSIONS,
    ILLUMINATIONS,
    ORIGINAL_SIZE,
    YAW_CAMERA,
)
from datamodules.multipie_splits import SPLITS, Selection
from datamodules.multipie_verify import verify_multipie
from datamodules.report import Report

STANDIN_SIZES: Final = {"identities": 220, "sessions": 4, "shots": 12}
STANDIN_SEED: Final = 1
"""The stand-in is one dataset, of other people than CelebA's: a run's seed does not change it."""
RECIPE: Final = 1
"""Raised whenever the same settings come to mean other pixels, labels or splits."""
BAD_REMEDY: Final = (
    "Unpack the copy again or replace these files; where no face was found, add landmark files "
    "(*_lm.mat or *.pos), use a cropped copy, or raise max_bad_images."
)


class MultiPIE(FolderModule):
    """Multi-PIE faces with identity, view, expression, illumination and session.

    Args:
        train_views: views of ``train`` and ``val``, degrees (`multipie_names.CAMERA_YAW`).
        train_size: pictures of ``train``, at most.
        val_size: pictures of ``val``, at most.
        views: views of ``test``, degrees.
        test_per_view: pictures of ``test`` in each view, at most.
        test_from: the first identity of ``test``; those below it are for ``train`` and ``val``.
        illuminations: the lights used, 0 to 19; None for all but 19, a duplicate of 0.
        crop: "auto" crops pictures of 640 x 480 by landmarks and only resizes others, "landmarks"
            crops all, "none" none. What is only resized is the picture's middle square.
        anchors: which three landmarks a picture is cropped by (`face_align`); a ``.pos`` file has
            those of "inner" alone.
        standin_sizes: of the stand-in: identities (2 to 346), sessions (1 to 4), and shots of an
            identity (a recording in one light), each seen by all cameras that are asked for.
        max_bad_images: how many pictures may be left out that do not decode or show no face.
        settings: those of `DataModule`. ``root`` holds a copy, the original tree or a cropped one,
            however deep: only file names are read.

    Batches hold ``identity`` (B,), ``view`` (B,) float32 in degrees, positive where the nose points
    to the right of the picture, ``expression`` (B,), a place in `multipie_names.EXPRESSIONS`,
    ``illumination`` (B,), 0 to 19, and ``session`` (B,), 1 to 4; int64 but for the view.

    Raises:
        ValueError: an argument is out of range.
    """

    name: str = "multipie"
    title: ClassVar[str] = "Multi-PIE"
    obtain: ClassVar[str] = OBTAIN
    standin_bytes: ClassVar[int] = 256 << 20
    splits: ClassVar[tuple[str, ...]] = SPLITS
    training_split: ClassVar[str] = "train"
    validation_split: ClassVar[str] = "val"
    labels: ClassVar[frozenset[str]] = frozenset(
        {"identity", "view", "expression", "illumination", "session"}
    )
    label_names: ClassVar[Mapping[str, Sequence[str]]] = {"expression": EXPRESSIONS}

    def __init__(
        self,
        *,
        train_views: Sequence[int] = (0,),
        train_size: int = 1000,
        val_size: int = 200,
        views: Sequence[int] = (-30, -15, 0, 15, 30),
        test_per_view: int = 1000,
        test_from: int = 201,
        illuminations: Sequence[int] | None = None,
        crop: Crop = "auto",
        anchors: Anchors = "outer",
        standin_sizes: dict[str, int] | tuple[int, int, int] | None = None,
        max_bad_images: int = 50,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        if crop not in get_args(Crop) or anchors not in get_args(Anchors):
            raise ValueError(
                f"crop must be one of {', '.join(get_args(Crop))} and anchors one of "
                f"{', '.join(get_args(Anchors))}, got {crop!r}, {anchors!r}"
            )
        if train_size < 1 or test_per_view < 1 or val_size < 0:
            raise ValueError(
                "train_size and test_per_view must be at least 1 and val_size 0, got "
                f"{train_size}, {test_per_view}, {val_size}"
            )
        if illuminations is None:
            illuminations = [k for k in range(ILLUMINATIONS) if k != AMBIENT_AGAIN]
        self.selection = Selection(
            train_views=_chosen("train_views", train_views, YAW_CAMERA),
            train_size=train_size,
            val_size=val_size,
            views=_chosen("views", views, YAW_CAMERA),
            test_per_view=test_per_view,
            test_from=test_from,
            illuminations=_chosen("illuminations", illuminations, range(ILLUMINATIONS)),
        )
        self.crop: Crop = crop
        self.anchors: Anchors = anchors
        self.standin_sizes = _sizes(standin_sizes)
        self.max_bad_images = max_bad_images
        self._found: MultiPIECopy | None = None
        self._finder: FaceFinder | None = None
        self._finding = threading.Lock()

    def recipe(self) -> dict[str, Any]:
        """Settings that decide pixels, labels and splits."""
        recipe: dict[str, Any] = {
            "recipe": RECIPE,
            "source": self.source,
            "image_size": self.image_size,
            "crop": self.crop,
            "anchors": self.anchors,
            **self.selection.recipe(),
        }
        return recipe | ({"standin": self.standin_recipe()} if self.source == "standin" else {})

    def standin_recipe(self) -> dict[str, Any]:
        """What decides the stand-in's files: only cameras that are asked for are rendered."""
        from datamodules.standins.multipie_tree import RECIPE_VERSION

        return {
            "recipe": RECIPE_VERSION,
            "seed": STANDIN_SEED,
            "sizes": self.standin_sizes,
            "train_views": list(self.selection.train_views),
            "views": list(self.selection.views),
            "test_from": self.selection.test_from,
        }

    def write_standin(self, folder: Path, show: Show) -> None:
        """Render the stand-in as a cropped copy."""
        from datamodules.standins.multipie_tree import write_multipie_tree

        chosen = self.selection
        write_multipie_tree(
            folder,
            self.standin_sizes,
            STANDIN_SEED,
            train_views=chosen.train_views,
            views=chosen.views,
            test_from=chosen.test_from,
            progress=show,
        )

    def content_hash(self) -> str:
        """Over the names and sizes of all pictures used, and their landmark files.

        The stand-in is a function of its recipe, so it has no other content.
        """
        return "standin" if self.source == "standin" else self._copy().content_hash(self.crop)

    def plan(self) -> Mapping[str, SplitPlan]:
        """The splits as they are to be cached."""
        copy = self._copy()
        bad = BadImages(self.max_bad_images, BAD_REMEDY)
        return {split: self._plan(copy, split, bad) for split in SPLITS}

    @classmethod
    def verify(cls, root: str | Path) -> Report:
        """What a copy at ``root`` holds, against the whole of Multi-PIE."""
        return verify_multipie(Path(root).expanduser(), cls().selection)

    def _plan(self, copy: MultiPIECopy, split: str, bad: BadImages) -> SplitPlan:
        paths = copy.paths(split)
        skipped: list[str] = []

        def leave_out(row: int, reason: str) -> None:
            bad.add(paths[row], split, reason)
            skipped.append(paths[row].name)

        shown = [partial(self._shown, marks=marks) for marks in copy.landmark_paths(split)]
        return SplitPlan(
            count=len(paths),
            shape=(self.image_size, self.image_size, 3),
            labels=copy.labels(split),
            names=copy.names(split),
            images=partial(decode, paths, None, shown, leave_out),
            skipped=skipped,
        )

    def _shown(self, image: Image.Image, *, marks: Path | None) -> NDArray[np.uint8] | str:
        """A decoded picture as it is stored, or the reason why there is none."""
        size = self.image_size
        if self.crop == "none" or (self.crop == "auto" and image.size != ORIGINAL_SIZE):
            side = min(image.size)
            left, top = (image.width - side) // 2, (image.height - side) // 2
            square = image.crop((left, top, left + side, top + side))
            return np.asarray(square.resize((size, size), Image.Resampling.BILINEAR))
        points = no_landmarks() if marks is None else read_landmarks(marks)
        if not suffices(points, self.anchors):
            found = self._face_finder()(image)
            if found is None:
                return "the detector finds no face"
            points, marks = found, None
        try:
            matrix = alignment(points, size, anchors=self.anchors)
        except ValueError as error:
            if marks is None:
                return str(error)
            raise DataError(f"{marks}: {error}. Take the file from your copy again.") from error
        return warp(image, matrix, size)

    def _face_finder(self) -> FaceFinder:
        with self._finding:
            if self._finder is None:
                also = (
                    ", use anchors='inner' (enough for .pos files)"
                    if self.anchors == "outer"
                    else ""
                )
                self._finder = FaceFinder(
                    f", add landmark files (*_lm.mat or *.pos) to {self.root}, use a cropped copy"
                    f"{also}, or use crop='none'"
                )
            return self._finder

    def _copy(self) -> MultiPIECopy:
        if self._found is None:
            files = find_files(self.folder())
            if files.marker is not None:
                self.refuse_standin(files.marker.parent)
            if not files.pictures:
                raise self.not_found(files.root, ["pictures named like 001_01_01_051_07.png"])
            self._found = MultiPIECopy.of(files, self.crop, self.selection)
        return self._found


def _chosen(name: str, values: Sequence[int], known: Mapping[int, str] | range) -> tuple[int, ...]:
    wrong = [value for value in values if value not in known]
    if wrong or not values or len(set(values)) < len(values):
        raise ValueError(
            f"{name} must be different numbers of {', '.join(map(str, sorted(known)))}, "
            f"got {list(values)}"
        )
    return tuple(values)


def _sizes(sizes: dict[str, int] | tuple[int, int, int] | list[int] | None) -> dict[str, int]:
    chosen = chosen_sizes(sizes, STANDIN_SIZES)
    if not 2 <= chosen["identities"] <= 346 or chosen["sessions"] > 4:
        raise ValueError(
            f"standin_sizes must give 2 to 346 identities and 1 to 4 sessions, got {chosen}"
        )
    return chosen
