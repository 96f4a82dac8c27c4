"""MUG: videos of acted expressions, from neutral to apex and back (Aifantis et al. 2010).

The clips of the Deformable Generator's video experiment (Xing et al. 2022, Experiment 6): faces
cropped to 64 px, 60 frames. One crop a take, so that the motion of the head stays. The stand-in is
takes of stand-in faces in the genuine files.
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Final, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from datamodules.cache_writer import ClipPlan, SplitPlan
from datamodules.clip_module import FRAMES, ClipModule
from datamodules.copies import Show, listing_hash
from datamodules.face_align import Anchors, warp
from datamodules.face_finder import FaceFinder
from datamodules.images import BadImages, decode
from datamodules.mug_crops import Crop, Cropper, Way, read_boxes
from datamodules.mug_factors import LIGHTS, TakeFactors, frame_views, read_factors, take_lights
from datamodules.mug_files import EXPRESSIONS, PEOPLE, MUGFiles, Take, find_files, positions
from datamodules.mug_splits import SPLITS, split_people
from datamodules.mug_verify import OBTAIN, verify_mug
from datamodules.progress import progress_bar
from datamodules.report import Report

log = logging.getLogger(__name__)

RECIPE: Final = 1
"""Raised whenever the same settings come to mean other pixels, labels or splits."""
STANDIN_SIZES: Final = {"people": 52, "takes": 2, "frames": 60}
THREADS: Final = 4
REMEDY: Final = (
    "supply points (img_0012.pts beside a picture) or boxes.csv, use crop='centre', or raise "
    "max_bad_images"
)


class MUG(ClipModule):
    """MUG takes with identity, expression, sequence and session.

    Splits are of persons: ``train`` and ``test`` are the published halves (`mug_splits`), ``val``
    three persons out of ``train``; of the stand-in, halves by hash. ``all`` has every take: for
    generators that may see everything, unlabelled.

    Args:
        crop: "auto" crops each take by what there is: points (``img_0012.pts``, 68 of them, beside
            any frames), a box (``boxes.csv``, see `mug_crops.read_boxes`), the face that dlib finds
            in its middle frame, if that is installed, or else its middle; "detector" insists on
            dlib, "centre" on the middle.
        anchors: landmarks that place the crop: "outer" eye corners and nose, which no expression
            moves, or "inner" eye corners and lower lip.
        zoom: 1 for OpenFace's crop, which ends at brows and chin; less shows more, so that a
            dropped jaw and a moving head stay within.
        centre: side of the middle square, as a share of the picture's shorter side.
        standin_sizes: people of the stand-in (3 to 52), takes of each in every expression, and
            frames: a take has 2/3 to 5/3 of so many. What is left out is as usual.
        max_bad_images: how many frames that do not decode, and takes without a face, may be left
            out.
        settings: those of `ClipModule` and `DataModule`. ``root`` holds the unpacked archives.

    Labels are ``identity`` (B,), the person's number; ``expression`` (B,), an index into
    `mug_files.EXPRESSIONS`, all seven; ``sequence`` (B,), 1000 x person + number of the take;
    ``session`` (B,), 0 or 1 of persons who came twice, else -1; int64. ``position`` (B,), of clips
    (B, T), is float32, 0 at a take's first frame to 1 at its last. Of the stand-in its true factors
    are known too: ``view`` (B,), of clips (B, T), the head's turn in degrees, float32, positive
    where the nose points to the right; and ``illumination`` (B,), int64, an index into
    `mug_factors.LIGHTS`.

    Raises:
        ValueError: an argument is out of range.
    """

    name: str = "mug"
    title: ClassVar[str] = "MUG"
    obtain: ClassVar[str] = OBTAIN
    splits: ClassVar[tuple[str, ...]] = SPLITS
    training_split: ClassVar[str] = "train"
    validation_split: ClassVar[str] = "val"
    labels: ClassVar[frozenset[str]] = frozenset(
        {"identity", "expression", "sequence", "session", "position"}
    )
    label_names: ClassVar[Mapping[str, Sequence[str]]] = {
        "expression": EXPRESSIONS,
        "illumination": LIGHTS,
    }
    standin_bytes: ClassVar[int] = 512 << 20

    def __init__(
        self,
        *,
        crop: Crop = "auto",
        anchors: Anchors = "outer",
        zoom: float = 0.8,
        centre: float = 0.6,
        standin_sizes: dict[str, int] | None = None,
        max_bad_images: int = 50,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        if crop not in get_args(Crop) or anchors not in get_args(Anchors):
            raise ValueError(
                f"crop must be one of {', '.join(get_args(Crop))} and anchors one of "
                f"{', '.join(get_args(Anchors))}, got {crop!r}, {anchors!r}"
            )
        if not 0.2 <= zoom <= 2 or not 0.1 <= centre <= 1:
            raise ValueError(f"zoom must be 0.2 to 2 and centre 0.1 to 1, got {zoom}, {centre}")
        self.crop: Crop = crop
        self.anchors: Anchors = anchors
        self.zoom, self.centre = zoom, centre
        self.standin_sizes = _sizes(standin_sizes)
        self.max_bad_images = max_bad_images
        self._found: tuple[Cropper, list[tuple[Take, Way]]] | None = None
        self._factors: dict[str, TakeFactors] | None = None

    def recipe(self) -> dict[str, Any]:
        """Settings that decide pixels, labels and splits."""
        recipe: dict[str, Any] = {
            "recipe": RECIPE,
            "source": self.source,
            "image_size": self.image_size,
            "crop": self.crop,
            "anchors": self.anchors,
            "zoom": self.zoom,
            "centre": self.centre,
        }
        return recipe | ({"standin": self.standin_recipe()} if self.source == "standin" else {})

    def standin_recipe(self) -> dict[str, Any]:
        """What decides the stand-in's files."""
        from datamodules.standins.mug_tree import RECIPE_VERSION

        # Trees from before there were factors lack their file; no pixel of them has changed.
        return {"recipe": RECIPE_VERSION, "sizes": self.standin_sizes, "factors": 1}

    def write_standin(self, folder: Path, show: Show) -> None:
        """Draw takes, and write them as MUG's files."""
        from datamodules.standins.mug_tree import write_mug_tree

        write_mug_tree(folder, **self.standin_sizes, progress=show)

    def content_hash(self) -> str:
        """Over names and sizes of all frames, how each take is cropped, and points and boxes."""
        if self.source == "standin":
            return "standin"
        cropper, takes = self._takes()
        digest = hashlib.sha256()
        for take, way in takes:
            frames = [take.images[frame] for frame in take.frames]
            points = [take.landmarks[frame] for frame in sorted(take.landmarks)]
            listed = listing_hash(frames, points if way == "landmarks" else ())
            box = cropper.boxes[take.name] if way == "box" else ""
            digest.update(f"{take.name} {way} {box} {listed}\n".encode())
        return digest.hexdigest()

    def plan(self) -> Mapping[str, SplitPlan]:
        """All frames once, and the takes of every split."""
        cropper, takes = self._takes()
        bad = BadImages(self.max_bad_images, f"Unpack these archives again; {REMEDY}.")
        skipped: list[str] = []
        cropped = []
        for (take, _), matrix in zip(takes, self._matrices(cropper, takes), strict=True):
            if isinstance(matrix, str):
                bad.add(take.images[take.frames[0]].parent, FRAMES, matrix)
                skipped.append(take.name)
            else:
                cropped.append((take, matrix))
        shown = [
            (take, frame, partial(self._shown, matrix))
            for take, matrix in cropped
            for frame in take.frames
        ]
        paths = [take.images[frame] for take, frame, _ in shown]
        names = [f"{take.name}/{take.images[frame].name}" for take, frame, _ in shown]

        def leave_out(row: int, reason: str) -> None:
            bad.add(paths[row], FRAMES, reason)
            skipped.append(names[row])

        def read() -> Iterator[tuple[int, NDArray[np.uint8]]]:
            return decode(paths, None, [transform for *_, transform in shown], leave_out)

        kept = [take for take, _ in cropped]
        along = [positions(take.frames) for take in kept]
        labels: dict[str, NDArray[Any]] = {"position": np.concatenate(along)}
        if self._factors is not None:
            frames = [(take.name, take.frames) for take in kept]
            labels["view"] = frame_views(self._factors, frames)
        return {
            FRAMES: SplitPlan(
                count=len(paths),
                shape=(self.image_size, self.image_size, 3),
                labels=labels,
                names=names,
                images=read,
                skipped=skipped,
                clips=self._clip_plan(kept, sorted({take.subject for take, _ in takes})),
            )
        }

    @classmethod
    def verify(cls, root: str | Path) -> Report:
        """What a copy at ``root`` holds, against what users have."""
        return verify_mug(Path(root).expanduser(), cls().window.shortest)

    def _takes(self) -> tuple[Cropper, list[tuple[Take, Way]]]:
        """All takes, and how each is cropped.

        Raises:
            DatasetNotFoundError: there are none, or a half of the persons is absent.
            DataError: the copy is a stand-in, its boxes are bad, or the detector is not installed.
        """
        if self._found is not None:
            return self._found
        root = self.folder()
        files = find_files(root)
        if files.marker is not None:
            self.refuse_standin(files.marker.parent)
        self._check(root, files)
        if self.source == "standin" and files.marker is not None:
            self._factors = read_factors(files.marker.parent)
        boxes = read_boxes(files.boxes) if files.boxes is not None else {}
        cropper = Cropper(self.crop, boxes, self.anchors, self.zoom, self.centre)
        takes = [(take, cropper.way(take)) for take in files.takes]
        ways = Counter(way for _, way in takes)
        if self.crop == "auto" and ways["centre"]:
            log.warning(
                "mug: %d of %d takes have neither points nor a box, and dlib is not installed "
                "(pip install 'whatwhere[face]'): they are cropped to the middle %.0f %% of the "
                "picture, wherever the face is",
                ways["centre"],
                len(takes),
                100 * self.centre,
            )
        self._found = cropper, takes
        return self._found

    def _check(self, root: Path, files: MUGFiles) -> None:
        if not files.takes:
            raise self.not_found(root, ["pictures like 001/anger/take000/img_0012.jpg"])
        split = split_people(files.people, published=self.source == "real")
        there = ", ".join(f"{who:03d}" for who in files.people)
        for name in ("train", "test"):
            if not split[name]:
                raise self.not_found(root, [f"persons of the half '{name}'; there are {there}"])

    def _matrices(
        self, cropper: Cropper, takes: Sequence[tuple[Take, Way]]
    ) -> list[NDArray[np.float64] | str]:
        """The map of every take to its crop, or why there is none."""
        detects = any(way == "detector" for _, way in takes)
        finder = FaceFinder(f"; or {REMEDY}") if detects else None

        def find(item: tuple[Take, Way]) -> NDArray[np.float64] | str:
            return cropper.matrix(*item, self.image_size, finder)

        if not detects:
            return [find(item) for item in takes]
        with progress_bar("finding faces in mug", len(takes)) as show:
            maps = []
            with ThreadPoolExecutor(THREADS) as pool:
                for done, found in enumerate(pool.map(find, takes), 1):
                    maps.append(found)
                    show(done, len(takes))
        return maps

    def _clip_plan(self, takes: Sequence[Take], everybody: Sequence[int]) -> ClipPlan:
        people = split_people(everybody, published=self.source == "real")
        of = np.array([take.subject for take in takes], np.int64)
        labels = {
            "identity": of,
            "expression": np.array([take.expression for take in takes], np.int64),
            "sequence": 1000 * of + _numbered(takes),
            "session": np.array([take.session for take in takes], np.int64),
        }
        if self._factors is not None:
            labels["illumination"] = take_lights(self._factors, [take.name for take in takes])
        return ClipPlan(
            lengths=np.array([len(take.images) for take in takes], np.int64),
            names=[take.name for take in takes],
            labels=labels,
            splits={
                split: np.flatnonzero(np.isin(of, sorted(who))) for split, who in people.items()
            },
        )

    def _shown(self, matrix: NDArray[np.float64], image: Image.Image) -> NDArray[np.uint8] | str:
        return warp(image, matrix, self.image_size)


def _numbered(takes: Sequence[Take]) -> NDArray[np.int64]:
    """The number of each take among its person's, from 1 on."""
    seen: Counter[int] = Counter()
    numbers = []
    for take in takes:
        seen[take.subject] += 1
        numbers.append(seen[take.subject])
    return np.array(numbers, np.int64)


def _sizes(given: Mapping[str, int] | None) -> dict[str, int]:
    sizes = dict(STANDIN_SIZES) | dict(given or {})
    if (
        set(sizes) != set(STANDIN_SIZES)
        or not 3 <= sizes["people"] <= len(PEOPLE)
        or sizes["takes"] < 1
        or sizes["frames"] < 12
    ):
        raise ValueError(
            "standin_sizes may give people (3 to 52), takes (1 or more) and frames (12 or more), "
            f"got {dict(given or {})}"
        )
    return sizes
