"""Where a long video of a face is cut into clips.

The third paper's data are 252 sequences of 20 to 450 frames (Helminger et al. 2018, Appendix A),
one for each training video of Aff-Wild; how they were chosen it does not say.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Cutter:
    """Cuts the frames of a video that show a face, and have labels, into clips.

    A face that is lost for a few frames comes back much as it was: such a gap is skipped, and the
    clip goes on. A longer one ends it, for who comes back may have moved or be somebody else.

    Args:
        longest: frames of a clip, at most.
        shortest: and at least; what is shorter is left out.
        every: every so many frames of the video is kept.
        max_gap: frames of the video without a face that a clip may skip at once.
        most: clips of a video, evenly over it; None for all.

    Raises:
        ValueError: an argument is out of range.
    """

    longest: int = 450
    shortest: int = 20
    every: int = 1
    max_gap: int = 5
    most: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.shortest <= self.longest:
            raise ValueError(
                f"shortest must be 1 to clip_frames, got {self.shortest} and {self.longest}"
            )
        if self.every < 1 or self.max_gap < 0 or (self.most is not None and self.most < 1):
            raise ValueError(
                "every must be at least 1, max_gap 0 and clips_per_video 1 (or None), got "
                f"{self.every}, {self.max_gap}, {self.most}"
            )

    def cut(self, numbers: Ints) -> list[Ints]:
        """The clips of a video, each the places in ``numbers`` of its frames.

        A long stretch is cut into pieces of nearly one length, so that no scrap is left.

        Args:
            numbers: (N,) of the frames that can be shown, from 1, rising.
        """
        clips: list[Ints] = []
        for stretch in np.split(np.arange(len(numbers)), self._ends(numbers)):
            kept = stretch[(numbers[stretch] - 1) % self.every == 0]
            pieces = -(-len(kept) // self.longest)
            clips += np.array_split(kept, max(1, pieces))
        clips = [clip for clip in clips if len(clip) >= self.shortest]
        if self.most is None or len(clips) <= self.most:
            return clips
        return [clips[(2 * k + 1) * len(clips) // (2 * self.most)] for k in range(self.most)]

    def gaps(self, numbers: Ints) -> tuple[int, int]:
        """How many gaps between the frames of a video are skipped, and how many end a clip."""
        gaps, longer = int((np.diff(numbers) > 1).sum()), len(self._ends(numbers))
        return gaps - longer, longer

    def _ends(self, numbers: Ints) -> Ints:
        """Places that begin a new stretch."""
        return np.flatnonzero(np.diff(numbers) - 1 > self.max_gap) + 1
