"""Traffic: a street seen by a fixed camera, any recording of the user's.

The frames of Deep Latent Particles (Daniel and Tamar 2022): every third, cropped from
(60, 0) to (480, 420), made square by bicubic resizing; the first nine tenths of the recording are
for training. Clips are stretches of 50 frames, as its successor has them (Daniel and Tamar 2024).
The authors' own recording was given out on request. The stand-in is a rendered junction, with cars
of several shapes that go straight, turn and wait.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from datamodules.cache_writer import ClipPlan, SplitPlan
from datamodules.clip_module import FRAMES, ClipModule
from datamodules.copies import Show, listing_hash
from datamodules.errors import DataError
from datamodules.images import BadImages, decode, read_rgb
from datamodules.report import Report
from datamodules.standins.traffic_cars import COLOURS, SHAPES
from datamodules.traffic_files import TRUTH, Recording, find_recording
from datamodules.traffic_truth import Cars, read_sightings
from datamodules.video import count_frames, read_video

log = logging.getLogger(__name__)

RECIPE: Final = 1
"""Raised whenever the same settings come to mean other pixels, labels or splits."""
CROP: Final = (60, 0, 480, 420)
SHARES: Final = {"train": 0.9, "val": 0.05, "test": 0.05}
STANDIN_FRAMES: Final = 4500
SAMPLED: Final = 8
REMEDY: Final = "Copy the recording again, or raise max_bad_images."


class Traffic(ClipModule):
    """Frames and clips of one recording, cut in order of time.

    differs from the paper: the last tenth is halved, its first half is ``val``, for nothing is
    chosen on ``test``.

    Args:
        image_size: side of the pictures handed out.
        crop: left, top, right and bottom of what is shown of the recording, pixels; None for all of
            it. The stand-in, a third as large, has a crop of its own.
        every: every so many frames of the recording is kept.
        length: frames of a clip; the last one of a split may be shorter.
        shares: of the recording, by split, in order of time.
        frames: T of the clips handed out; None for ``length``.
        standin_frames: of the stand-in's recording.
        max_bad_images: frames that do not decode and may be left out.
        settings: those of `ClipModule` and `DataModule`. ``root`` holds one video, or one folder of
            numbered frames.

    Labels: ``identity`` (B,) int64, the clip's number. Of the stand-in also, of the N cars that are
    seen in a clip (N is the fullest one's), ``object_shape`` and ``object_colour`` (B, N) int64, -1
    for none; ``object_box`` (B, N, 4), ``object_centre`` (B, N, 2) and ``object_visible`` (B, N)
    float32, of clips (B, T, N, ...); and ``object_collided`` uint8, all 0. A user's recording has
    no labels of cars.

    Raises:
        ValueError: an argument is out of range.
    """

    name: str = "traffic"
    title: ClassVar[str] = "Traffic"
    obtain: ClassVar[str] = (
        "Any recording of a street by a fixed camera will do: one video, or one folder of numbered "
        "frames, with crop for what is to be shown of it. That of Deep Latent Particles comes from "
        "its authors (github.com/taldatech/ddlp has a link)"
    )
    splits: ClassVar[tuple[str, ...]] = tuple(SHARES)
    training_split: ClassVar[str] = "train"
    validation_split: ClassVar[str] = "val"
    labels: ClassVar[frozenset[str]] = frozenset({"object_box", "object_centre", "object_visible"})
    label_names: ClassVar[Mapping[str, Sequence[str]]] = {
        "object_shape": SHAPES,
        "object_colour": COLOURS,
    }
    standin_bytes: ClassVar[int] = 128 << 20

    def __init__(
        self,
        *,
        image_size: int = 128,
        crop: Sequence[int] | None = CROP,
        every: int = 3,
        length: int = 50,
        shares: dict[str, float] | None = None,
        frames: int | None = None,
        standin_frames: int = STANDIN_FRAMES,
        max_bad_images: int = 10,
        **settings: Any,
    ) -> None:
        super().__init__(
            image_size=image_size, frames=length if frames is None else frames, **settings
        )
        if crop is not None and not (len(crop) == 4 and crop[0] < crop[2] and crop[1] < crop[3]):
            raise ValueError(f"crop must be left, top, right, bottom, or None, got {crop}")
        if every < 1 or length < 2 or standin_frames < 1:
            raise ValueError(
                "every and standin_frames must be at least 1 and length 2, got "
                f"{every}, {standin_frames}, {length}"
            )
        self.crop = None if crop is None else tuple(crop)
        self.every, self.length, self.shares = every, length, _shares(shares)
        self.standin_frames, self.max_bad_images = standin_frames, max_bad_images
        self._found: Recording | None = None

    def recipe(self) -> dict[str, Any]:
        """Settings that decide pixels, labels and splits."""
        recipe: dict[str, Any] = {
            "recipe": RECIPE,
            "source": self.source,
            "image_size": self.image_size,
            "every": self.every,
            "length": self.length,
            "shares": self.shares,
        }
        if self.source == "standin":
            return recipe | {"standin": self.standin_recipe()}
        return recipe | {"crop": self.crop}

    def standin_recipe(self) -> dict[str, Any]:
        """What decides the stand-in's files."""
        from datamodules.standins.traffic_tree import RECIPE_VERSION

        return {"recipe": RECIPE_VERSION, "frames": self.standin_frames}

    def write_standin(self, folder: Path, show: Show) -> None:
        """Render the recording of a junction."""
        from datamodules.standins.traffic_tree import write_traffic_tree

        write_traffic_tree(folder, self.standin_frames, show)

    def content_hash(self) -> str:
        """Over names and sizes of the video or all frames, and the bytes of some frames."""
        if self.source == "standin":
            return "standin"
        files = self._recording().files
        return listing_hash(files, files[:: max(1, len(files) // SAMPLED)])

    def plan(self) -> Mapping[str, SplitPlan]:
        """All frames that are kept, once, and the clips of every split."""
        recording = self._recording()
        bad = BadImages(self.max_bad_images, REMEDY)
        skipped: list[str] = []

        def left_out(number: int, reason: str) -> None:
            bad.add(recording.video or recording.frames[number], FRAMES, f"{number}: {reason}")
            skipped.append(f"frame_{number:06d}")

        video = recording.video
        total = (
            len(recording.frames)
            if video is None
            else count_frames(video, bad=lambda number, reason: None)
        )
        kept = np.arange(0, total, self.every)
        clips = self._clips_in(len(kept), recording)
        labels: dict[str, NDArray[Any]] = {}
        if self.source == "standin":
            cars = Cars.of(read_sightings(self.folder() / TRUTH), kept, clips.lengths)
            clips.labels.update(object_shape=cars.shape, object_colour=cars.colour)
            labels = {
                "object_box": cars.box,
                "object_centre": cars.centre,
                "object_visible": cars.visible,
                "object_collided": np.zeros(cars.visible.shape, np.uint8),
            }
        return {
            FRAMES: SplitPlan(
                count=len(kept),
                shape=(self.image_size, self.image_size, 3),
                labels=labels,
                names=[f"frame_{number:06d}" for number in kept],
                images=lambda: self._pictures(recording, kept, left_out),
                skipped=skipped,
                clips=clips,
            )
        }

    @classmethod
    def verify(cls, root: str | Path) -> Report:
        """What a recording at ``root`` is like; there is no published one to compare it with."""
        root = Path(root).expanduser()
        report = Report(cls.name, str(root))
        if not report.add_folder("a recording", cls.obtain):
            return report
        try:
            found = find_recording(root)
        except DataError as error:
            report.add("recording", "one", "several", "missing", str(error))
            return report
        report.add_marker(found.marker, "a stand-in's recording")
        if not found.files:
            report.add("recording", "a video or numbered frames", "neither", "missing", cls.obtain)
            return report
        what = found.video.name if found.video else f"{len(found.frames):,} frames"
        report.add("recording", "a video or numbered frames", what, "ok")
        sizes, wrong = _some_sizes(found)
        report.add(
            "some frames decoded",
            "all of one size",
            "; ".join(wrong) or ", ".join(f"{width} x {height}" for width, height in sizes),
            "ok" if len(sizes) == 1 and not wrong else "warn",
            "one recording has one size; copy it again",
        )
        if sizes:
            width, height = min(sizes)
            report.add(
                "the paper's crop",
                f"{CROP[2]} x {CROP[3]} or more",
                f"{width} x {height}",
                "ok" if width >= CROP[2] and height >= CROP[3] else "warn",
                "give a crop of your own, or crop=None for whole frames",
            )
        return report

    def _recording(self) -> Recording:
        """The recording.

        Raises:
            DatasetNotFoundError: there is none.
            DataError: there are several, or it is a stand-in's.
        """
        if self._found is None:
            root = self.folder()
            found = find_recording(root)
            if found.marker is not None:
                self.refuse_standin(found.marker.parent)
            if not found.files:
                raise self.not_found(root, ["a video, or a folder of numbered frames"])
            self._found = found
        return self._found

    def _clips_in(self, count: int, recording: Recording) -> ClipPlan:
        """The clips of ``count`` frames; none goes on from one split into the next."""
        ends = np.round(np.cumsum([self.shares[split] for split in self.splits]) * count)
        ends = ends.astype(np.int64)
        sizes = np.diff(ends, prepend=0)
        if min(sizes) < 2:
            raise DataError(
                f"{recording.files[0].parent}: every {self.every}. frame of the recording leaves "
                f"{count}, too few for {', '.join(self.splits)}; give a longer one"
            )
        lengths, splits, before = [], {}, 0
        for split, size in zip(self.splits, sizes.tolist(), strict=True):
            some = [self.length] * (size // self.length)
            some += [size % self.length] * (size % self.length > 0)
            splits[split] = np.arange(before, before + len(some))
            lengths += some
            before += len(some)
        return ClipPlan(
            lengths=np.array(lengths, np.int64),
            names=[f"clip_{k:05d}" for k in range(before)],
            labels={"identity": np.arange(before)},
            splits=splits,
        )

    def _pictures(
        self, recording: Recording, kept: NDArray[np.int64], left_out: Callable[[int, str], None]
    ) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        if recording.video is None:
            paths = [recording.frames[number] for number in kept]
            yield from decode(
                paths, None, self._square, lambda row, reason: left_out(int(kept[row]), reason)
            )
            return
        numbers = range(0, int(kept[-1]) + 1, self.every)

        def bad(number: int, reason: str) -> None:
            if number in numbers:
                left_out(number, reason)

        for number, frame in read_video(recording.video, numbers, bad=bad):
            picture = self._square(Image.fromarray(frame))
            if isinstance(picture, str):
                left_out(number, picture)
            else:
                yield number // self.every, picture

    def _square(self, image: Image.Image) -> NDArray[np.uint8] | str:
        """What is shown of a frame, or why that is not to be had."""
        crop = self.crop
        if self.source == "standin":
            from datamodules.standins.traffic_tree import CROP as STANDIN_CROP

            crop = STANDIN_CROP
        if crop is None:
            crop = (0, 0, *image.size)
        left, top, right, bottom = crop
        if left < 0 or top < 0 or right > image.width or bottom > image.height:
            return f"is {image.width} x {image.height}, the crop {crop} lies not within it"
        size = (self.image_size, self.image_size)
        shown = image.crop((left, top, right, bottom)).resize(size, Image.Resampling.BICUBIC)
        return np.asarray(shown)


def _some_sizes(found: Recording) -> tuple[set[tuple[int, int]], list[str]]:
    """Sizes (width, height) of some frames, and what does not decode."""
    if found.video is not None:
        try:
            _, frame = next(iter(read_video(found.video, threads=1)))
        except (DataError, StopIteration) as error:
            return set(), [str(error) or f"{found.video.name} has no frames"]
        return {(frame.shape[1], frame.shape[0])}, []
    sizes, wrong = set(), []
    for path in found.frames[:: max(1, len(found.frames) // SAMPLED)]:
        image = read_rgb(path, None)
        if isinstance(image, str):
            wrong.append(f"{path.name} {image}")
        else:
            sizes.add(image.size)
    return sizes, wrong


def _shares(given: Mapping[str, float] | None) -> dict[str, float]:
    shares = dict(SHARES if given is None else given)
    if set(shares) != set(SHARES) or min(shares.values()) <= 0:
        raise ValueError(f"shares must give {', '.join(SHARES)}, each above 0, got {shares}")
    if not np.isclose(sum(shares.values()), 1):
        raise ValueError(f"shares must add up to 1, got {shares}")
    return {split: shares[split] for split in SHARES}
