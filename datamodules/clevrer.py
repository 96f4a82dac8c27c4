"""CLEVRER: videos of simple things that enter, collide and leave (Yi et al. 2020).

The scenes of Deep Latent Particles (Daniel and Tamar 2022): of the 128 frames of a video
those after the 26th, when things have entered, every third: 34. Frames of 480 by 320 are squashed
to squares, bicubic. The stand-in is rendered scenes in the genuine files.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from datamodules.cache_writer import ClipPlan, SplitPlan
from datamodules.clevrer_files import (
    BROKEN,
    COLOURS,
    FRAMES,
    MATERIALS,
    SHAPES,
    SPLITS,
    TRUTH,
    CLEVRERFiles,
    Objects,
    Truth,
    find_files,
    read_annotation,
    unknown,
)
from datamodules.clevrer_verify import OBTAIN, verify_clevrer
from datamodules.clip_module import FRAMES as GROUP
from datamodules.clip_module import ClipModule
from datamodules.copies import Show, listing_hash
from datamodules.errors import DataError
from datamodules.images import BadImages
from datamodules.report import Report
from datamodules.video import decode_video, upright

log = logging.getLogger(__name__)

RECIPE: Final = 1
"""Raised whenever the same settings come to mean other pixels, labels or splits."""
STANDIN_SIZES: Final = {"train": 1000, "val": 50, "test": 200, "width": 240}
THREADS: Final = 2
_AT_ONCE: Final = 16
SAMPLED: Final = 8
"""Annotations whose bytes count in the fingerprint."""
REMEDY: Final = "Unpack them again, or raise max_bad_videos."


class CLEVRER(ClipModule):
    """Clips of scenes, with what is known of their objects.

    Splits are CLEVRER's own, by the numbers of the videos.

    Args:
        frames: T of the clips handed out; None for all that are kept.
        start: number of the first frame that is kept, from 0; the 27th by default.
        every: every so many frames is kept.
        videos: how many of each split, the first ones; None for all.
        standin_sizes: videos of the stand-in by split, and ``width`` of their pictures, pixels, a
            multiple of 6 (genuine ones have 480).
        max_bad_videos: how many may be damaged, have another length than 128 frames, or a broken
            annotation. What is left out is named.
        settings: those of `ClipModule` and `DataModule`. ``root`` holds the unpacked archives.

    Labels: ``identity`` (B,) int64, the video's number. Of its N = 6 objects, absent ones too,
    ``object_shape``, ``object_material`` and ``object_colour`` (B, N) int64, -1 for none;
    ``object_position`` (B, N, 3) float32, in the units of the plane, x to the right and y away from
    the camera, NaN out of view; ``object_collided`` (B, N) uint8; of the stand-in also
    ``object_box``, ``object_centre`` and ``object_visible``, which the genuine annotations do not
    say: there boxes and centres are NaN, ``object_visible`` NaN in view and 0 out of it. Of clips
    all but the first four are (B, T, N, ...). Genuine ``test`` videos have no annotation, so
    nothing is known of their objects.

    Raises:
        ValueError: an argument is out of range.
    """

    name: str = "clevrer"
    title: ClassVar[str] = "CLEVRER"
    obtain: ClassVar[str] = OBTAIN
    splits: ClassVar[tuple[str, ...]] = SPLITS
    training_split: ClassVar[str] = "train"
    validation_split: ClassVar[str] = "val"
    labels: ClassVar[frozenset[str]] = frozenset({"object_box", "object_centre", "object_visible"})
    label_names: ClassVar[Mapping[str, Sequence[str]]] = {
        "object_shape": SHAPES,
        "object_material": MATERIALS,
        "object_colour": COLOURS,
    }
    standin_bytes: ClassVar[int] = 512 << 20

    def __init__(
        self,
        *,
        frames: int | None = None,
        start: int = 26,
        every: int = 3,
        videos: dict[str, int] | None = None,
        standin_sizes: dict[str, int] | None = None,
        max_bad_videos: int = 10,
        **settings: Any,
    ) -> None:
        if not 0 <= start < FRAMES or every < 1:
            raise ValueError(
                f"start must be 0 to {FRAMES - 1} and every at least 1, got {start}, {every}"
            )
        self.kept = range(start, FRAMES, every)
        super().__init__(frames=len(self.kept) if frames is None else frames, **settings)
        if not set(videos or {}) <= set(SPLITS) or min((videos or {"": 1}).values()) < 1:
            raise ValueError(f"videos may say how many of {', '.join(SPLITS)}, got {videos}")
        self.videos = videos
        self.standin_sizes = _sizes(standin_sizes)
        self.max_bad_videos = max_bad_videos
        self._found: CLEVRERFiles | None = None
        self._truth: Truth | None = None

    def recipe(self) -> dict[str, Any]:
        """Settings that decide pixels, labels and splits."""
        recipe: dict[str, Any] = {
            "recipe": RECIPE,
            "source": self.source,
            "image_size": self.image_size,
            "start": self.kept.start,
            "every": self.kept.step,
            "videos": self.videos,
        }
        return recipe | ({"standin": self.standin_recipe()} if self.source == "standin" else {})

    def standin_recipe(self) -> dict[str, Any]:
        """What decides the stand-in's files."""
        from datamodules.standins.clevrer_tree import RECIPE_VERSION

        return {"recipe": RECIPE_VERSION, "sizes": self.standin_sizes}

    def write_standin(self, folder: Path, show: Show) -> None:
        """Render scenes, and write them as CLEVRER's files."""
        from datamodules.standins.clevrer_tree import write_clevrer_tree

        sizes = {split: self.standin_sizes[split] for split in SPLITS}
        write_clevrer_tree(folder, sizes, self.standin_sizes["width"], show)

    def content_hash(self) -> str:
        """Over names and sizes of all videos and annotations, and the bytes of some of these."""
        if self.source == "standin":
            return "standin"
        files = self._files()
        chosen = self._chosen(files)
        digest = hashlib.sha256()
        for split, numbers in chosen.items():
            said = [files.annotations[n] for n in numbers if n in files.annotations]
            some = said[:: max(1, len(said) // SAMPLED)]
            listed = listing_hash([files.videos[n] for n in numbers] + said, some)
            digest.update(f"{split} {listed}\n".encode())
        return digest.hexdigest()

    def plan(self) -> Mapping[str, SplitPlan]:
        """All frames that are shown, once, and the videos of every split."""
        files = self._files()
        bad = BadImages(self.max_bad_videos, REMEDY)
        skipped: list[str] = []

        def left_out(number: int, reason: str) -> None:
            bad.add(files.videos[number], GROUP, reason)
            skipped.append(f"video_{number:05d}")

        known: dict[int, Objects] = {}
        chosen = self._chosen(files)
        for number in [number for numbers in chosen.values() for number in numbers]:
            try:
                known[number] = self._objects(files, number)
            except DataError as error:
                left_out(number, str(error))
        numbers = list(known)
        length, kept = len(self.kept), np.array(self.kept)
        split_of = {number: split for split, some in chosen.items() for number in some}
        objects = [known[number] for number in numbers]

        def read() -> Iterator[tuple[int, NDArray[np.uint8]]]:
            for place, frames in self._frames([files.videos[n] for n in numbers]):
                if isinstance(frames, str):
                    left_out(numbers[place], frames)
                    continue
                for k, frame in enumerate(frames):
                    yield place * length + k, frame

        return {
            GROUP: SplitPlan(
                count=len(numbers) * length,
                shape=(self.image_size, self.image_size, 3),
                labels={
                    f"object_{key}": np.concatenate([getattr(o, key)[kept] for o in objects])
                    for key in ("position", "visible", "collided", "centre", "box")
                },
                names=[f"video_{n:05d}/{frame:03d}" for n in numbers for frame in self.kept],
                images=read,
                skipped=skipped,
                clips=ClipPlan(
                    lengths=np.full(len(numbers), length),
                    names=[f"video_{n:05d}" for n in numbers],
                    labels={"identity": np.array(numbers)}
                    | {
                        f"object_{key}": np.stack([getattr(o, key) for o in objects])
                        for key in ("shape", "material", "colour")
                    },
                    splits={
                        split: np.array(
                            [k for k, n in enumerate(numbers) if split_of[n] == split], np.int64
                        )
                        for split in SPLITS
                    },
                ),
            )
        }

    @classmethod
    def verify(cls, root: str | Path) -> Report:
        """What a copy at ``root`` holds, against the published one."""
        return verify_clevrer(Path(root).expanduser())

    def _files(self) -> CLEVRERFiles:
        """What the copy holds.

        Raises:
            DatasetNotFoundError: a split has no video.
            DataError: the copy is a stand-in.
        """
        if self._found is None:
            root = self.folder()
            files = find_files(root)
            if files.marker is not None:
                self.refuse_standin(files.marker.parent)
            empty = [split for split in SPLITS if not files.numbers(split)]
            if empty:
                raise self.not_found(
                    root, [f"videos like video_00000.mp4 for {', '.join(empty)} (see the numbers)"]
                )
            self._found = files
        return self._found

    def _chosen(self, files: CLEVRERFiles) -> dict[str, list[int]]:
        counts = self.videos or {}
        return {split: files.numbers(split)[: counts.get(split)] for split in SPLITS}

    def _objects(self, files: CLEVRERFiles, number: int) -> Objects:
        if number in BROKEN:
            raise DataError(BROKEN[number])
        if number not in files.annotations:
            return unknown()
        said = read_annotation(files.annotations[number])
        if self.source == "real":
            return said
        if self._truth is None:
            self._truth = Truth(self.folder() / TRUTH)
        return self._truth.of(number, said)

    def _frames(
        self, videos: Sequence[Path]
    ) -> Iterator[tuple[int, list[NDArray[np.uint8]] | str]]:
        """Of every video its place and its frames, or why it has none."""
        with ThreadPoolExecutor(THREADS) as pool:
            for at in range(0, len(videos), _AT_ONCE):
                some = videos[at : at + _AT_ONCE]
                yield from enumerate(pool.map(self._read, some), at)

    def _read(self, video: Path) -> list[NDArray[np.uint8]] | str:
        shown, count, size = [], 0, (self.image_size, self.image_size)
        try:
            for number, frame in decode_video(video, threads=1):
                count = number + 1
                if number in self.kept:
                    picture = Image.fromarray(upright(frame))
                    shown.append(np.asarray(picture.resize(size, Image.Resampling.BICUBIC)))
        except DataError as error:
            return str(error)
        return shown if count == FRAMES else f"it has {count} frames, not {FRAMES}"


def _sizes(given: Mapping[str, int] | None) -> dict[str, int]:
    sizes = dict(STANDIN_SIZES) | dict(given or {})
    if set(sizes) != set(STANDIN_SIZES) or min(sizes.values()) < 1 or sizes["width"] % 6:
        raise ValueError(
            "standin_sizes may give train, val, test (1 or more) and width (a multiple of 6), got "
            f"{dict(given or {})}"
        )
    return sizes
