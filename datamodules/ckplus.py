"""CK+: grey sequences of acted expressions, from the neutral face to the apex (Lucey et al. 2010).

Frames are handed out one by one, with who, which sequence and how far along. The 68 landmarks that
come with the set place the crop; one crop a sequence, for a crop a frame would take out the motion
of the head and add the jitter of its landmarks. The stand-in is sequences of stand-in faces in the
genuine files.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from datamodules.cache_writer import SplitPlan
from datamodules.ckplus_files import (
    IMAGES,
    UNLABELLED,
    CKPlusFiles,
    Take,
    find_files,
    positions,
    read_emotion,
    read_landmarks,
)
from datamodules.ckplus_verify import verify_ckplus
from datamodules.coordinates import to_normalised
from datamodules.copies import FolderModule, Show, listing_hash
from datamodules.errors import DataError
from datamodules.face_align import Anchors, alignment, move, warp
from datamodules.images import BadImages, Transform, decode
from datamodules.report import Report

log = logging.getLogger(__name__)

RECIPE: Final = 1
"""Raised whenever the same settings come to mean other pixels, labels or splits."""
SHARES: Final = {"test": 0.2, "val": 0.1}
"""Of the people; at least one each."""
STANDIN_SIZES: Final = {"people": 40, "sequences": 3}
OBTAIN: Final = (
    "CK+ is given to researchers who sign its agreement (jeffcohn.net/Resources): unpack "
    "extended-cohn-kanade-images, Landmarks and Emotion_labels into one folder"
)


class CKPlus(FolderModule):
    """CK+ frames with identity, sequence, position, expression and 68 landmarks.

    People are divided by a hash of their numbers: a fifth are ``test``, a tenth ``val``; nobody is
    in two splits.

    Args:
        image_size: side of the crops handed out, pixels.
        channels: 3 for the same grey thrice, or 1.
        anchors: landmarks that place the crop: "outer" eye corners and nose, which no expression
            moves, or "inner" eye corners and lower lip.
        zoom: 1 for OpenFace's crop, which ends at brows and chin; less shows more, so that a
            dropped jaw stays within.
        labelled: whether to leave out sequences without expression.
        standin_sizes: people of the stand-in, and sequences of each.
        max_bad_images: how many pictures that do not decode may be left out; none of ``test``.
        settings: those of `DataModule`. ``root`` holds the unpacked archives.

    Batches hold ``image`` (B, channels, S, S); ``identity`` (B,) int64, the subject's number;
    ``sequence`` (B,) int64, 1000 x subject + number; ``position`` (B,) float32, 0 neutral to 1
    apex; ``expression`` (B,) int64, the sequence's, an index into `EXPRESSIONS` or -1 (a frame at
    position 0 is neutral whatever it says); ``landmarks`` (B, 68, 2) in [-1, 1], beyond where they
    leave the crop.

    Raises:
        ValueError: an argument is out of range.
    """

    name: str = "ckplus"
    title: ClassVar[str] = "CK+"
    obtain: ClassVar[str] = OBTAIN
    splits: ClassVar[tuple[str, ...]] = ("train", "val", "test")
    training_split: ClassVar[str] = "train"
    validation_split: ClassVar[str] = "val"
    # Its landmarks do not begin with the eyes, as protocols of landmarks want it.
    labels: ClassVar[frozenset[str]] = frozenset({"identity", "sequence", "position", "expression"})
    standin_bytes: ClassVar[int] = 256 << 20

    def __init__(
        self,
        *,
        image_size: int = 64,
        channels: int = 3,
        anchors: Anchors = "outer",
        zoom: float = 0.8,
        labelled: bool = False,
        standin_sizes: dict[str, int] | tuple[int, int] | None = None,
        max_bad_images: int = 10,
        **settings: Any,
    ) -> None:
        super().__init__(image_size=image_size, **settings)
        if channels not in (1, 3) or anchors not in ("outer", "inner") or not 0.2 <= zoom <= 2:
            raise ValueError(
                "channels must be 1 or 3, anchors 'outer' or 'inner', zoom 0.2 to 2; got "
                f"{channels}, {anchors!r}, {zoom}"
            )
        self.channels, self.zoom, self.labelled = channels, zoom, labelled
        self.anchors: Anchors = anchors
        self.standin_sizes = _sizes(standin_sizes)
        self.max_bad_images = max_bad_images
        self._found: list[Take] | None = None

    def recipe(self) -> dict[str, Any]:
        """Settings that decide pixels, labels and splits."""
        recipe: dict[str, Any] = {
            "recipe": RECIPE,
            "source": self.source,
            "image_size": self.image_size,
            "channels": self.channels,
            "anchors": self.anchors,
            "zoom": self.zoom,
            "labelled": self.labelled,
        }
        return recipe | ({"standin": self.standin_recipe()} if self.source == "standin" else {})

    def standin_recipe(self) -> dict[str, Any]:
        """What decides the stand-in's files."""
        from datamodules.standins.ckplus_tree import RECIPE_VERSION

        return {"recipe": RECIPE_VERSION, "sizes": self.standin_sizes}

    def write_standin(self, folder: Path, show: Show) -> None:
        """Draw sequences, and write them as CK+'s files."""
        from datamodules.standins.ckplus_tree import write_ckplus_tree

        write_ckplus_tree(folder, **self.standin_sizes, progress=show)

    def content_hash(self) -> str:
        """Over names and sizes of the pictures, and all landmarks and labels."""
        if self.source == "standin":
            return "standin"
        takes = self._takes()
        pictures = (take.images[frame] for take in takes for frame in take.frames)
        texts = [take.landmarks[frame] for take in takes for frame in take.frames]
        labels = [path for take in takes for path in take.emotions.values()]
        return listing_hash(pictures, [*texts, *labels])

    def plan(self) -> Mapping[str, SplitPlan]:
        """The splits as they are to be cached; the one that must be whole comes first."""
        takes = self._takes()
        people = split_people(sorted({take.subject for take in takes}))
        bad = BadImages(
            self.max_bad_images,
            "Unpack extended-cohn-kanade-images again.",
            never={"test": "all frames of the test are scored, none may be left out"},
        )
        return {
            split: self._plan(split, [t for t in takes if t.subject in people[split]], bad)
            for split in ("test", "train", "val")
        }

    @classmethod
    def verify(cls, root: str | Path) -> Report:
        """What a copy at ``root`` holds, against the official one."""
        return verify_ckplus(Path(root).expanduser(), OBTAIN)

    def _takes(self) -> list[Take]:
        """Sequences to hand out.

        Raises:
            DatasetNotFoundError: pictures, landmarks, or labels that are asked for, are absent.
            DataError: a label is bad.
        """
        if self._found is not None:
            return self._found
        root = self.folder()
        files = find_files(root)
        self._check(root, files)
        takes = files.usable
        _tell_left_out(files)
        if self.labelled:
            takes = [take for take in takes if read_emotion(take) != UNLABELLED]
        if len({take.subject for take in takes}) < 3:
            raise self.not_found(
                root, [f"sequences of three people or more; {len(takes)} sequences are usable"]
            )
        self._found = takes
        return takes

    def _check(self, root: Path, files: CKPlusFiles) -> None:
        missing = []
        if not files.has("images"):
            small = f" ({files.cropped:,} cropped pictures are of another set)" * bool(
                files.cropped
            )
            missing.append(f"the folder {IMAGES} with S005/001/S005_001_00000001.png, ...{small}")
        if not files.has("landmarks"):
            missing.append("the folder Landmarks with S005/001/S005_001_00000001_landmarks.txt")
        if self.labelled and not files.has("emotions"):
            missing.append("the folder Emotion with the labels")
        if missing:
            raise self.not_found(root, missing)
        assert files.picture_folder is not None
        self.refuse_standin(files.picture_folder)
        frames = sum(len(take.images) for take in files.sequences)
        absent = frames - sum(len(take.frames) for take in files.sequences)
        if 2 * absent > frames:
            raise self.not_found(root, [f"landmarks of {absent:,} of {frames:,} pictures"])

    def _plan(self, split: str, takes: Sequence[Take], bad: BadImages) -> SplitPlan:
        paths, points, labels = [], [], []
        transforms: list[Transform] = []
        for take in takes:
            frames, expression = take.frames, read_emotion(take)
            marks = np.stack([read_landmarks(take.landmarks[frame]) for frame in frames])
            try:
                matrix = alignment(
                    np.median(marks, axis=0), self.image_size, anchors=self.anchors, zoom=self.zoom
                )
            except ValueError as error:
                raise DataError(
                    f"{take.landmarks[frames[0]].parent}: {error}. Unpack the landmarks again."
                ) from error
            size = (self.image_size, self.image_size)
            points.append(to_normalised(move(marks, matrix), size).astype(np.float32))
            paths += [take.images[frame] for frame in frames]
            transforms += [partial(self._crop, matrix)] * len(frames)
            labels += [
                (take.subject, 1000 * take.subject + take.number, along, expression)
                for along in positions(frames)
            ]
        identity, sequence, position, kinds = (np.array(c) for c in zip(*labels, strict=True))
        skipped: list[str] = []

        def leave_out(row: int, reason: str) -> None:
            bad.add(paths[row], split, reason)
            skipped.append(paths[row].name)

        def read() -> Iterator[tuple[int, NDArray[np.uint8]]]:
            return decode(paths, None, transforms, leave_out)

        return SplitPlan(
            count=len(paths),
            shape=(self.image_size, self.image_size, self.channels),
            labels={
                "identity": identity.astype(np.int64),
                "sequence": sequence.astype(np.int64),
                "position": position.astype(np.float32),
                "expression": kinds.astype(np.int64),
                "landmarks": np.concatenate(points),
            },
            names=[path.name for path in paths],
            images=read,
            skipped=skipped,
        )

    def _crop(self, matrix: NDArray[np.float64], image: Image.Image) -> NDArray[np.uint8] | str:
        # A few sequences were filmed in colour.
        crop = warp(image.convert("L"), matrix, self.image_size)
        return crop if isinstance(crop, str) else np.repeat(crop[:, :, None], self.channels, axis=2)


def _tell_left_out(files: CKPlusFiles) -> None:
    """Say what lacks landmarks: nothing else tells why the splits have other people."""
    frames = sum(len(take.images) for take in files.sequences)
    kept = sum(len(take.frames) for take in files.usable)
    if kept < frames:
        people, left = ({take.subject for take in of} for of in (files.sequences, files.usable))
        gone = ", ".join(f"S{who:03d}" for who in sorted(people - left)) or "none"
        log.warning(
            "ckplus: %d of %d pictures have no landmarks, or are alone in their sequence, and are "
            "left out; persons who are gone with all of theirs: %s",
            frames - kept,
            frames,
            gone,
        )


def split_people(people: Sequence[int]) -> dict[str, set[int]]:
    """Who belongs to which split, by a hash of their numbers; at least one person in each."""
    order = sorted(people, key=lambda who: hashlib.sha256(f"ckplus/{who}".encode()).digest())
    counts = {split: max(1, round(share * len(order))) for split, share in SHARES.items()}
    test, val = counts["test"], counts["test"] + counts["val"]
    return {"test": set(order[:test]), "val": set(order[test:val]), "train": set(order[val:])}


def _sizes(sizes: dict[str, int] | tuple[int, int] | None) -> dict[str, int]:
    if sizes is None:
        return dict(STANDIN_SIZES)
    if not isinstance(sizes, dict):
        sizes = dict(zip(STANDIN_SIZES, sizes, strict=True))
    if set(sizes) != set(STANDIN_SIZES) or sizes["people"] < 3 or sizes["sequences"] < 1:
        raise ValueError(f"standin_sizes must give people (3 or more), sequences, got {sizes}")
    return {key: sizes[key] for key in STANDIN_SIZES}
