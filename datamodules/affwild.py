"""Aff-Wild: videos of faces in the wild, with valence and arousal of every frame.

The real data of Disentangled Dynamic Representations (Helminger et al. 2018, Section 4): faces
cropped to 64 px, 252 sequences of 20 to 450 frames. Both editions are read, see `affwild_files`.
The stand-in is videos of stand-in faces in the files of the first.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from datamodules.affwild_clips import Cutter
from datamodules.affwild_crops import from_crops, from_videos
from datamodules.affwild_files import AffWildFiles, Edition, Frames, Track, find_files
from datamodules.affwild_splits import FEWEST, SPLITS, split_tracks
from datamodules.affwild_tracks import Shown, cut_tracks, label_tracks
from datamodules.affwild_verify import OBTAIN, TWO_EDITIONS, verify_affwild
from datamodules.cache_writer import ClipPlan, SplitPlan
from datamodules.clip_module import FRAMES, ClipModule
from datamodules.copies import Show, listing_hash
from datamodules.errors import DataError
from datamodules.images import BadImages
from datamodules.report import Report

log = logging.getLogger(__name__)

RECIPE: Final = 1
"""Raised whenever the same settings come to mean other pixels, labels or splits."""
STANDIN_SIZES: Final = {"videos": 252, "frames": 450}
SAMPLED: Final = 8
"""Boxes or crops of a track whose bytes count in the fingerprint."""
SEQUENCES: Final = 10_000
REMEDY: Final = "Unpack them again, or raise max_bad_images."


class AffWild(ClipModule):
    """Clips of faces with valence and arousal.

    Splits are of videos, see `affwild_splits`: of Aff-Wild and the stand-in, a fifth of the
    training videos is ``test``, by hash, for the labels of the genuine test videos are not given
    out; of Aff-Wild2 it is the validation set. A tenth of the rest is ``val``. ``all`` has every
    clip.

    Args:
        frames: T of the clips handed out; by default no clip is too short.
        clip_frames: frames of a cached clip, at most; a longer video is cut into several.
        shortest: and at least; shorter stretches are left out.
        every: every so many frames of a video is kept.
        max_gap: frames without a face, or without a label, that a clip skips; a longer gap ends it.
        clips_per_video: how many at most, evenly over the video; 1 gives as many sequences as the
            paper has. None for all.
        standin_sizes: videos of the stand-in (3 or more), and frames of the longest (20 or more;
            the shortest has 20). What is left out is as usual.
        max_bad_images: how many videos may be damaged, wholly or in part, or lack their file or
            their boxes or crops, and how many crops may not decode. What is left out is named.
        settings: those of `ClipModule` and `DataModule`. ``root`` holds the unpacked archives.

    Labels are ``valence_arousal`` (B, 2), of clips (B, T, 2), float32 in [-1, 1]; ``identity``
    (B,), the number of the video, for nobody is told who is in it: people who share a video of
    Aff-Wild2 have numbers of their own, somebody in two videos has two; ``sequence`` (B,), 10,000 x
    identity + number of the clip; int64.

    Raises:
        ValueError: an argument is out of range.
    """

    name: str = "affwild"
    title: ClassVar[str] = "Aff-Wild"
    obtain: ClassVar[str] = OBTAIN
    splits: ClassVar[tuple[str, ...]] = SPLITS
    training_split: ClassVar[str] = "train"
    validation_split: ClassVar[str] = "val"
    labels: ClassVar[frozenset[str]] = frozenset({"identity", "sequence", "valence_arousal"})
    standin_bytes: ClassVar[int] = 512 << 20

    def __init__(
        self,
        *,
        frames: int = 20,
        clip_frames: int = 450,
        shortest: int = 20,
        every: int = 1,
        max_gap: int = 5,
        clips_per_video: int | None = None,
        standin_sizes: dict[str, int] | None = None,
        max_bad_images: int = 10,
        **settings: Any,
    ) -> None:
        super().__init__(frames=frames, **settings)
        self.cutter = Cutter(clip_frames, shortest, every, max_gap, clips_per_video)
        self.standin_sizes = _sizes(standin_sizes)
        self.max_bad_images = max_bad_images
        self._found: tuple[Edition, list[tuple[Track, Frames]], list[Track]] | None = None

    def recipe(self) -> dict[str, Any]:
        """Settings that decide pixels, labels and splits."""
        recipe: dict[str, Any] = {
            "recipe": RECIPE,
            "source": self.source,
            "image_size": self.image_size,
            "clip_frames": self.cutter.longest,
            "shortest": self.cutter.shortest,
            "every": self.cutter.every,
            "max_gap": self.cutter.max_gap,
            "clips_per_video": self.cutter.most,
        }
        return recipe | ({"standin": self.standin_recipe()} if self.source == "standin" else {})

    def standin_recipe(self) -> dict[str, Any]:
        """What decides the stand-in's files."""
        from datamodules.standins.affwild_tree import RECIPE_VERSION

        return {"recipe": RECIPE_VERSION, "sizes": self.standin_sizes}

    def write_standin(self, folder: Path, show: Show) -> None:
        """Draw videos, and write them as Aff-Wild's files."""
        from datamodules.standins.affwild_tree import write_affwild_tree

        write_affwild_tree(folder, **self.standin_sizes, progress=show)

    def content_hash(self) -> str:
        """Over labels, videos' names and sizes, and names of all boxes or crops and some bytes."""
        if self.source == "standin":
            return "standin"
        _, tracks, _ = self._tracks()
        digest = hashlib.sha256()
        for track, frames in tracks:
            names = hashlib.sha256("\n".join(frames.names).encode()).hexdigest()
            spread = range(0, len(frames.names), max(1, len(frames.names) // SAMPLED))
            some = [frames.folder / frames.names[k] for k in spread]
            listed = listing_hash([track.video] if track.video else [], [*track.labels, *some])
            digest.update(f"{track.name} {track.identity} {names} {listed}\n".encode())
        return digest.hexdigest()

    def plan(self) -> Mapping[str, SplitPlan]:
        """All frames that are shown, once, and the clips of every split."""
        edition, tracks, lacking = self._tracks()
        bad = BadImages(self.max_bad_images, REMEDY)
        skipped = [track.name for track in lacking]
        for track in lacking:
            bad.add(track.labels[0], FRAMES, f"there is no {track.lacks(edition)} for these labels")
        shown = cut_tracks(label_tracks(edition, tracks), self.cutter)
        if not shown:
            raise DataError(
                f"affwild: no video has a stretch of {self.cutter.shortest} frames with face and "
                "label; lower shortest or every, or raise max_gap"
            )
        names = [
            f"{item.of.track.name}/{number:05d}"
            for item in shown
            for number in item.of.frames.numbers[item.picks].tolist()
        ]

        def read() -> Iterator[tuple[int, NDArray[np.uint8]]]:
            rows = from_videos if edition == "Aff-Wild" else from_crops

            def damaged(path: Path, reason: str) -> None:
                bad.add(path, FRAMES, reason)

            return rows(shown, self.image_size, damaged, skipped)

        values = np.concatenate([item.of.values[item.picks] for item in shown])
        return {
            FRAMES: SplitPlan(
                count=len(names),
                shape=(self.image_size, self.image_size, 3),
                labels={"valence_arousal": values.astype(np.float32)},
                names=names,
                images=read,
                skipped=skipped,
                clips=_clip_plan(shown, [track for track, _ in tracks]),
            )
        }

    @classmethod
    def verify(cls, root: str | Path) -> Report:
        """What a copy at ``root`` holds, against what users have."""
        return verify_affwild(Path(root).expanduser(), cls().cutter)

    def _tracks(self) -> tuple[Edition, list[tuple[Track, Frames]], list[Track]]:
        """The edition, its tracks with their boxes or crops, and those that lack something.

        Raises:
            DatasetNotFoundError: there are none, or too few for the splits.
            DataError: the copy is a stand-in, or of both editions.
        """
        if self._found is not None:
            return self._found
        root = self.folder()
        files = find_files(root)
        if files.marker is not None:
            self.refuse_standin(files.marker.parent)
        edition = self._edition(root, files)
        whole = [track for track in files.tracks[edition] if not track.lacks(edition)]
        lacking = [track for track in files.tracks[edition] if track.lacks(edition)]
        if not whole:
            raise self.not_found(root, [f"a {lacking[0].lacks(edition)} for any labels"])
        splits = split_tracks(whole)
        if not all(splits.values()):
            raise self.not_found(
                root,
                [
                    f"more videos: there are {len(whole)} with all their files, and train, val and "
                    f"test need one each (of Aff-Wild2, labels of Validation_Set are the last)"
                ],
            )
        found = [(track, Frames.of(track.folder, edition)) for track in whole if track.folder]
        self._found = edition, found, lacking
        return self._found

    def _edition(self, root: Path, files: AffWildFiles) -> Edition:
        if not files.tracks:
            raise self.not_found(
                root,
                [
                    "labels like annotations/train/valence/105.txt with arousal/105.txt, or "
                    "VA_Set/Train_Set/105.txt"
                ],
            )
        if len(files.tracks) > 1:
            raise DataError(f"{root} holds both Aff-Wild and Aff-Wild2. {TWO_EDITIONS}.")
        (edition,) = files.tracks
        return edition


def _clip_plan(shown: Sequence[Shown], tracks: Sequence[Track]) -> ClipPlan:
    clips = [(item.of.track, k, len(clip)) for item in shown for k, clip in enumerate(item.clips)]
    place = {track.name: number for number, track in enumerate(tracks)}
    of = np.array([place[track.name] for track, *_ in clips])
    identity = np.array([track.identity for track, *_ in clips], np.int64)
    number = np.array([k + 1 for _, k, _ in clips], np.int64)
    return ClipPlan(
        lengths=np.array([length for *_, length in clips], np.int64),
        names=[f"{track.name}/{k + 1:03d}" for track, k, _ in clips],
        labels={"identity": identity, "sequence": SEQUENCES * identity + number},
        splits={
            split: np.flatnonzero(np.isin(of, places))
            for split, places in split_tracks(tracks).items()
        },
    )


def _sizes(given: Mapping[str, int] | None) -> dict[str, int]:
    sizes = dict(STANDIN_SIZES) | dict(given or {})
    if set(sizes) != set(STANDIN_SIZES) or sizes["videos"] < FEWEST or sizes["frames"] < 20:
        raise ValueError(
            "standin_sizes may give videos (3 or more) and frames (20 or more), got "
            f"{dict(given or {})}"
        )
    return sizes
