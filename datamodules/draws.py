"""Frames of clips drawn at random for training: some of each clip's, others at every visit.

A method that learns from a few frames of a clip, in no order, need not read all of it. What is
drawn is a function of (seed, epoch, clip), and of nothing else, so that a resumed run is the run it
resumes, in any number of processes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from datamodules.arrays import Batch
from datamodules.clips import ClipDataset, Ints
from datamodules.standins.counter import uniforms


def distinct(places: NDArray[np.float64], length: Ints) -> Ints:
    """Different whole numbers below a length, every ordered choice as likely as any other.

    The k-th is a place among the numbers not chosen yet: counted up past every earlier choice that
    lies at or before it, from the least on.

    Args:
        places: (B, N) uniform in [0, 1].
        length: (B,) at least N.

    Returns:
        (B, N), in the order they were drawn in.
    """
    chosen = np.empty(places.shape, np.int64)
    for k in range(places.shape[1]):
        left = length - k
        # Rounded, a place can be 1.
        pick = np.minimum((places[:, k] * left).astype(np.int64), left - 1)
        for earlier in np.sort(chosen[:, :k], 1).T:
            pick += pick >= earlier
        chosen[:, k] = pick
    return chosen


class DrawnClips(Dataset[Batch]):
    """A few frames of every clip, in no order; asked for by visit.

    Visit ``epoch * len(self) + i`` is that of clip ``i`` in an epoch: `EpochSampler` counts so with
    ``visits``. An epoch told to this object would not reach the workers of a loader; numbers do.

    Args:
        clips: whose frames are drawn, also those that their window leaves out.
        draw: frames of a clip, all different.
        seed: of the draws.

    Raises:
        ValueError: a clip has fewer frames; the message names it.
    """

    def __init__(self, clips: ClipDataset, draw: int, seed: int = 0) -> None:
        if draw < 1:
            raise ValueError(f"at least one frame of a clip is drawn, got {draw}")
        short = np.flatnonzero(clips.length < draw)
        if len(short):
            raise ValueError(
                f"clip {clips.names[short[0]]} has {clips.length[short[0]]} frames, {draw} "
                f"different ones are to be drawn of it; ask for clips of frames={draw} or more"
            )
        self.clips, self.draw, self.seed = clips, draw, seed

    def __len__(self) -> int:
        return len(self.clips)

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        """A batch of visits: ``clip`` uint8 (B, draw, C, H, W), ``index`` int64 (B,), labels.

        ``index`` is the number of the clip, as in a batch of ``clips``.
        """
        visits = np.asarray(indices, np.int64)
        picked = visits % len(self)
        places = uniforms(self.seed, visits, [f"draw {k}" for k in range(self.draw)])
        along = distinct(places, self.clips.length[picked])
        return self.clips.batch(picked, self.clips.start[picked, None] + along)

    def __getitem__(self, index: int) -> Batch:
        """One visit, without the batch dimension."""
        return {key: value[0] for key, value in self.__getitems__([index]).items()}
