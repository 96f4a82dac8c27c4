"""A dataset of clips: handed out clip by clip, or frame by frame for methods that see pictures.

All frames are cached once, in one group; splits are lists of clips over it, so a clip in two splits
costs nothing, and how many frames a clip shows is decided when it is read.
"""

from __future__ import annotations

import logging
from typing import Any, Final

import numpy as np

from datamodules.arrays import ArrayDataset, PickedRows
from datamodules.clips import ClipDataset, Ints, Window, WindowKind
from datamodules.copies import FolderModule
from datamodules.draws import DrawnClips
from datamodules.errors import DataError
from datamodules.interface import Handed, Unit

log = logging.getLogger(__name__)

FRAMES: Final = "all"
"""The cache's one group."""
NAMED: Final = 20
"""Clips that a message names at most."""


class ClipModule(FolderModule):
    """Base of datasets of clips.

    A subclass plans one group, `FRAMES`, with ``clips`` (`ClipPlan`) that list the clips of every
    split. What holds of a whole clip is a label of the clip, what changes along it one of its
    frames.

    With ``hand_out("pictures")``, the default, every frame is a picture, with the labels of its
    clip and its own. With ``hand_out("clips")`` batches hold ``clip`` (B, T, C, H, W), ``index``
    (B,), labels of clips (B, ...) and of frames (B, T, ...). Clips too short for ``frames`` are
    then left out, and named in a warning: no frame is shown twice, and one short recording is no
    reason to stop. As pictures, their frames are handed out like all others.

    With ``hand_out("clips", draw=N)`` training batches hold N different frames of each of the same
    clips instead, in random order and from all of the clip, others in every epoch.

    Args:
        frames: T, the same of every clip.
        window: "whole" for T frames evenly from a clip's first to its last, "start" for the first
            ones.
        stride: with "start", every so many frames.
        clip_batch_size: clips of a training batch; ``batch_size`` is of pictures.
        settings: those of `DataModule`.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(
        self,
        *,
        frames: int = 60,
        window: WindowKind = "whole",
        stride: int = 1,
        clip_batch_size: int = 8,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        if clip_batch_size < 1:
            raise ValueError(f"clip_batch_size must be at least 1, got {clip_batch_size}")
        self.window = Window(frames, window, stride)
        self.clip_batch_size = clip_batch_size
        self.draw = 0
        self._clips: dict[str, ClipDataset] = {}

    def hand_out(self, unit: Unit, draw: int = 0) -> None:
        """Choose what every loader hands out from now on.

        Args:
            unit: pictures or clips.
            draw: frames of each clip to draw at random for training; 0 for the window's.

        Raises:
            DataError: clips are asked of a module with ``pairs``.
            ValueError: there is no such unit, or the number is negative.
        """
        if unit not in ("pictures", "clips"):
            raise ValueError(f"unit must be 'pictures' or 'clips', got {unit!r}")
        if unit == "clips" and self.pairs:
            raise DataError(
                f"{self.name}: pairs are two warped views of a picture, and clips are asked for; "
                "leave pairs out"
            )
        if draw < 0:
            raise ValueError(f"draw must be 0 or more, got {draw}")
        self.unit, self.draw = unit, draw if unit == "clips" else 0

    def counts(self) -> dict[str, int]:
        """Pictures of every split, or clips where those are handed out."""
        if self.unit == "clips":
            return {split: len(self.clips(split)) for split in self.splits}
        table = self.cache.clips(FRAMES)
        return {split: int(table.length[table.splits[split]].sum()) for split in self.splits}

    def handed_out(self, split: str, *, with_margin: bool = False) -> tuple[Handed, int]:
        """A split as loaders hand it out, and how much of it in a training batch."""
        if self.unit == "clips":
            return self.clips(split), self.clip_batch_size
        return super().handed_out(split, with_margin=with_margin)

    def trained_set(self) -> tuple[Handed, int]:
        """What training reads, and how much of it in a batch.

        Raises:
            ValueError: more frames are to be drawn of a clip than it has.
        """
        if not self.draw:
            return super().trained_set()
        drawn = DrawnClips(self.clips(self.trained_split), self.draw, self.seed)
        return drawn, self.clip_batch_size

    def dataset(self, split: str, *, with_margin: bool = False) -> ArrayDataset:
        """The frames of a split as pictures, whatever is handed out.

        Raises:
            ValueError: there is no such split.
            DataError: the cache is absent or unusable.
        """
        table, clips = self.cache.clips(FRAMES), self._clips_of(split)
        rows, owners = table.frames_of(clips)
        frame_labels = self.cache.labels(FRAMES)
        return ArrayDataset(
            PickedRows(self.cache.rows(FRAMES), rows),
            {key: values[rows] for key, values in frame_labels.items()}
            | {key: values[owners] for key, values in table.labels.items()},
            margin=0 if with_margin else self.margin,
            names=self.cache.names(FRAMES)[rows].tolist(),
        )

    def clips(self, split: str) -> ClipDataset:
        """The clips of a split that are long enough, whatever is handed out.

        Raises:
            ValueError: there is no such split.
            DataError: none is long enough, or the cache is absent or unusable.
        """
        if split not in self._clips:
            table, clips = self.cache.clips(FRAMES), self._clips_of(split)
            enough = table.length[clips] >= self.window.shortest
            self._tell(split, [table.names[clip] for clip in clips[~enough]], len(clips))
            self._clips[split] = ClipDataset(
                self.cache.rows(FRAMES),
                table,
                clips[enough],
                self.window,
                self.cache.labels(FRAMES),
                margin=self.margin,
            )
        return self._clips[split]

    def _clips_of(self, split: str) -> Ints:
        if split not in self.splits:
            raise ValueError(f"{self.name} has no split '{split}', but {', '.join(self.splits)}")
        return np.asarray(self.cache.clips(FRAMES).splits[split], np.int64)

    def _tell(self, split: str, short: list[str], total: int) -> None:
        if not short:
            return
        named = ", ".join(short[:NAMED]) + ", ..." * (len(short) > NAMED)
        if len(short) == total:
            raise DataError(
                f"{self.name}: none of the {total:,} clips of '{split}' has "
                f"{self.window.shortest} frames ({named}); ask for fewer frames"
            )
        log.warning(
            "%s, %s: %d of %d clips have fewer than %d frames and are left out: %s",
            self.name,
            split,
            len(short),
            total,
            self.window.shortest,
            named,
        )
