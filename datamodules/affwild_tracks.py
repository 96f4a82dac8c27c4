"""What is shown of each face of an Aff-Wild copy: its labels, frame by frame, and its clips."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from datamodules.affwild_clips import Cutter
from datamodules.affwild_files import Edition, Frames, Track
from datamodules.affwild_labels import (
    FEW,
    THOUSANDTHS,
    counts_boxes,
    in_thousandths,
    of_frames,
    read_axis,
    read_pairs,
)

log = logging.getLogger(__name__)

NAMED: Final = 12
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Labelled:
    """A track with its labels.

    Args:
        track: the track.
        frames: all of its boxes or crops.
        values: (N, 2) valence and arousal of ``frames``, NaN where there are none.
        lines: labels that its files have.
        boxed: whether these count boxes, not frames.
    """

    track: Track
    frames: Frames
    values: Floats
    lines: int
    boxed: bool = False


@dataclass(frozen=True)
class Shown:
    """What is shown of a track.

    Args:
        of: the track and its labels.
        clips: of each, the places in ``of.frames``; there is one.
    """

    of: Labelled
    clips: Sequence[Ints]

    @property
    def picks(self) -> Ints:
        """Places in ``of.frames`` of all that is shown."""
        return np.concatenate(self.clips)


def label_tracks(edition: Edition, tracks: Sequence[tuple[Track, Frames]]) -> list[Labelled]:
    """Give every box or crop its label; what is not a matter of course is told in a warning.

    Raises:
        DataError: a file of labels is bad.
    """
    if edition == "Aff-Wild2":
        found = []
        for track, frames in tracks:
            pairs = read_pairs(track.labels[0])
            found.append(
                Labelled(track, frames, of_frames(pairs, frames.numbers), lines=len(pairs))
            )
        _tell_short(found)
        return found
    return _of_first_edition(tracks)


def _of_first_edition(tracks: Sequence[tuple[Track, Frames]]) -> list[Labelled]:
    axes = [[(path, read_axis(path)) for path in track.labels] for track, _ in tracks]
    scale = 1.0
    if in_thousandths(column for pair in axes for column in pair):
        scale = 1 / THOUSANDTHS
        log.warning(
            "affwild: valence and arousal go beyond 1 and are whole numbers: they are read as "
            "thousandths"
        )
    found, uneven = [], []
    for (track, frames), ((_, valence), (_, arousal)) in zip(tracks, axes, strict=True):
        lines = min(len(valence), len(arousal))
        if len(valence) != len(arousal):
            uneven.append(f"{track.name} ({len(valence):,} and {len(arousal):,})")
        pairs = scale * np.stack([valence[:lines], arousal[:lines]], axis=1)
        boxed = counts_boxes(lines, frames.numbers)
        values = pairs if boxed else of_frames(pairs, frames.numbers)
        found.append(Labelled(track, frames, values, lines, boxed))
    if uneven:
        log.warning(
            "affwild: valence and arousal of %d videos differ in length, and the shorter counts: "
            "%s",
            len(uneven),
            listed(uneven),
        )
    boxed_names = [item.track.name for item in found if item.boxed]
    if boxed_names:
        log.warning(
            "affwild: %d videos have as many labels as boxes, and fewer than frames: each label "
            "is taken for that of the next frame with a box: %s",
            len(boxed_names),
            listed(boxed_names),
        )
    _tell_short([item for item in found if not item.boxed])
    return found


def _tell_short(found: Sequence[Labelled]) -> None:
    """Warn where faces go on after the labels have ended."""
    short = [
        f"{item.track.name} ({item.lines:,} of {int(item.frames.numbers[-1]):,})"
        for item in found
        if len(item.frames.numbers) and item.lines < int(item.frames.numbers[-1]) - FEW
    ]
    if short:
        log.warning(
            "affwild: %d videos have fewer labels than frames: they are taken for those of the "
            "first frames, and the rest is left out: %s",
            len(short),
            listed(short),
        )


def tell_lengths(frames_of: Sequence[tuple[Labelled, int]]) -> None:
    """Warn where a decoded video and its labels differ in length.

    Args:
        frames_of: videos, and how many frames each turned out to have.
    """
    odd = [
        f"{item.track.name} ({item.lines:,} for {count:,})"
        for item, count in frames_of
        if not item.boxed and abs(item.lines - count) > FEW
    ]
    if odd:
        log.warning(
            "affwild: %d videos have neither as many labels as frames nor as many as boxes: label "
            "1 is taken for that of frame 1, and so on, and nothing is shown beyond the shorter: "
            "%s",
            len(odd),
            listed(odd),
        )


def cut_tracks(found: Sequence[Labelled], cutter: Cutter) -> list[Shown]:
    """The clips of all tracks that have any; what is left out is told in a warning."""
    shown, none, gaps, left_out = [], [], np.zeros(2, np.int64), 0
    for item in found:
        there = np.flatnonzero(np.isfinite(item.values).all(axis=1))
        numbers = item.frames.numbers[there]
        clips = [there[clip] for clip in cutter.cut(numbers)]
        gaps += cutter.gaps(numbers)
        if cutter.most is None:
            left_out += int(((numbers - 1) % cutter.every == 0).sum()) - sum(map(len, clips))
        if clips:
            shown.append(Shown(item, clips))
        else:
            none.append(item.track.name)
    if gaps.any() or left_out:
        log.warning(
            "affwild: the face, or its label, is missing for at most %d frames %s times, where "
            "the clip goes on, and for longer %s times, where it ends; %s frames lie in stretches "
            "under %d and are left out",
            cutter.max_gap,
            f"{gaps[0]:,}",
            f"{gaps[1]:,}",
            f"{left_out:,}",
            cutter.shortest,
        )
    if none:
        log.warning(
            "affwild: %d videos have no stretch of %d frames and are left out: %s",
            len(none),
            cutter.shortest,
            listed(none),
        )
    return shown


def listed(names: Sequence[str]) -> str:
    """The first few names."""
    return ", ".join(names[:NAMED]) + ", ..." * (len(names) > NAMED)
