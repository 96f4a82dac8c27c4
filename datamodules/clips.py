"""Clips as stretches of a flat array of frames: which frames of each are shown, a batch at a time.

Clips differ in length, so their frames lie one after the other in one array, and a table says
where each begins and how long it is. A `Window` picks equally many frames of every clip, by
arithmetic on those numbers alone, and one gather takes a whole batch out of the array.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from datamodules.arrays import Batch, Rows

Ints = NDArray[np.int64]
WindowKind = Literal["whole", "start"]


@dataclass(frozen=True)
class Window:
    """Which frames of a clip are shown.

    Args:
        frames: how many, at least 2; the same of every clip.
        kind: "whole" spreads them evenly from the first frame to the last, "start" takes them from
            the first on.
        stride: with "start", every so many frames of the clip; 1 for each.

    Raises:
        ValueError: an argument is out of range, or a stride is given to "whole".
    """

    frames: int
    kind: WindowKind = "whole"
    stride: int = 1

    def __post_init__(self) -> None:
        if self.kind not in get_args(WindowKind):
            raise ValueError(f"window must be 'whole' or 'start', got {self.kind!r}")
        if self.frames < 2 or self.stride < 1:
            raise ValueError(
                f"frames must be at least 2 and stride 1, got {self.frames}, {self.stride}"
            )
        if self.kind == "whole" and self.stride != 1:
            raise ValueError(
                f"stride {self.stride} needs window 'start': 'whole' spreads the frames itself"
            )

    @property
    def shortest(self) -> int:
        """Frames that a clip must have: none is shown twice."""
        return self.frames if self.kind == "whole" else 1 + self.stride * (self.frames - 1)

    def rows(self, start: Ints, length: Ints) -> Ints:
        """Rows (B, frames) of the flat array, rising along each clip.

        Args:
            start: (B,) row of each clip's first frame.
            length: (B,) its frames, at least `shortest`.
        """
        steps = np.arange(self.frames)
        if self.kind == "start":
            return start[:, None] + self.stride * steps
        # k (L - 1) / (T - 1), rounded half up: whole numbers, the same on every machine.
        gaps = self.frames - 1
        along: Ints = (2 * steps * (length[:, None] - 1) + gaps) // (2 * gaps)
        return start[:, None] + along


@dataclass(frozen=True)
class ClipTable:
    """The clips that lie in a flat array of N frames.

    Args:
        start: (M,) row of each clip's first frame.
        length: (M,) its frames.
        names: of the clips, M.
        labels: arrays of M rows, by batch key.
        splits: clips of every split, by number.
    """

    start: Ints
    length: Ints
    names: Sequence[str]
    labels: Mapping[str, NDArray[Any]]
    splits: Mapping[str, Ints]

    def frames_of(self, clips: Ints) -> tuple[Ints, Ints]:
        """All frames of some clips, clip after clip: their rows, and the clip of each."""
        length = self.length[clips]
        before = np.cumsum(length) - length
        rows = np.arange(length.sum()) + np.repeat(self.start[clips] - before, length)
        return rows, np.repeat(clips, length)


class ClipDataset(Dataset[Batch]):
    """Clips of one length with their labels; a list of numbers gives a batch at once.

    Args:
        rows: the flat array of N frames.
        table: where its clips lie.
        clips: (n,) which of them, none shorter than the window asks for.
        window: which frames of each.
        frame_labels: arrays of N rows, by batch key.
        margin: pixels to cut from every side of a frame as it is read.

    Raises:
        ValueError: a clip is too short; the message names it.
    """

    def __init__(
        self,
        rows: Rows,
        table: ClipTable,
        clips: Ints,
        window: Window,
        frame_labels: Mapping[str, NDArray[Any]],
        *,
        margin: int = 0,
    ) -> None:
        short = clips[table.length[clips] < window.shortest]
        if len(short):
            raise ValueError(
                f"clip {table.names[short[0]]} has {table.length[short[0]]} frames, "
                f"{window.shortest} are needed"
            )
        self.rows, self.window, self.margin = rows, window, margin
        self.start, self.length = table.start[clips], table.length[clips]
        self.names = [table.names[clip] for clip in clips]
        self.labels = {key: torch.from_numpy(values[clips]) for key, values in table.labels.items()}
        self.frame_labels = {
            key: torch.from_numpy(np.array(values)) for key, values in frame_labels.items()
        }

    def __len__(self) -> int:
        return len(self.start)

    @property
    def clip_shape(self) -> tuple[int, int, int, int]:
        """(T, C, H, W) of a clip as it is handed out."""
        _, height, width, channels = self.rows.shape
        cut = 2 * self.margin
        return self.window.frames, channels, height - cut, width - cut

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        """A batch: ``clip`` uint8 (B, T, C, H, W), ``index`` int64 (B,), labels.

        Labels of clips are (B, ...), those of frames (B, T, ...).
        """
        picked = np.asarray(indices, np.int64)
        return self.batch(picked, self.window.rows(self.start[picked], self.length[picked]))

    def batch(self, picked: Ints, rows: Ints) -> Batch:
        """The batch of some clips (B,) that shows certain rows (B, T) of the flat array."""
        index = torch.from_numpy(picked)
        clip: Tensor = torch.from_numpy(self.rows.take(rows.ravel()))
        if self.margin:
            clip = clip[:, self.margin : -self.margin, self.margin : -self.margin]
        clip = clip.permute(0, 3, 1, 2).contiguous().view(*rows.shape, *self.clip_shape[1:])
        at = torch.from_numpy(rows)
        return (
            {"clip": clip, "index": index}
            | {key: values[at] for key, values in self.frame_labels.items()}
            | {key: values[index] for key, values in self.labels.items()}
        )

    def __getitem__(self, index: int) -> Batch:
        """One clip, without the batch dimension."""
        return {key: value[0] for key, value in self.__getitems__([index]).items()}
