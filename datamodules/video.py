"""Videos, decoded frame by frame through PyAV, which brings its own FFmpeg.

Every frame comes, in the order it is shown in, upright: a frame's number is its place in that
order, from 0. Containers with frames of unequal duration are nothing special, for times are never
looked at, and a rate times a duration is no count of frames. One frame is in memory at a time,
and the few that the decoder holds back. Videos are decoded once, into a cache, never in training.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Container, Iterator
from pathlib import Path

import av
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from datamodules.errors import DataError

log = logging.getLogger(__name__)

Picture = NDArray[np.uint8]
"""(H, W, 3), red, green and blue."""
Bad = Callable[[int, str], None]
"""Is told the number of a frame that does not decode, and why; may raise to stop."""


def read_video(
    path: Path, wanted: Container[int] | None = None, *, bad: Bad | None = None, threads: int = 0
) -> Iterator[tuple[int, Picture]]:
    """Frames of a video as (number, picture), in order; sizes may differ from frame to frame.

    Args:
        path: the file.
        wanted: numbers of the frames to give; None for all. All are decoded, for each hangs on
            others, but only these become pictures.
        bad: see `decode_video`.
        threads: see `decode_video`.

    Raises:
        DataError: see `decode_video`.
    """
    for number, frame in decode_video(path, bad=bad, threads=threads):
        if wanted is None or number in wanted:
            yield number, upright(frame)


def count_frames(path: Path, *, bad: Bad | None = None, threads: int = 0) -> int:
    """How many frames a video has, those included that do not decode; found by decoding it.

    Raises:
        DataError: see `decode_video`.
    """
    count = 0

    def skip(number: int, reason: str) -> None:
        nonlocal count
        if bad is None:
            raise _damaged(path, number, reason)
        bad(number, reason)
        count = number + 1

    for number, _ in decode_video(path, bad=skip, threads=threads):
        count = number + 1
    return count


def decode_video(
    path: Path, *, bad: Bad | None = None, threads: int = 0
) -> Iterator[tuple[int, av.VideoFrame]]:
    """Decoded frames as (number, frame), in order; `upright` makes pictures of them.

    A frame that does not decode, or that the decoder had to patch up, is left out and keeps its
    number, so that those behind it still fit their labels: exactly where each packet of the file
    holds a frame, as in nearly all, and but for the few frames that a decoder holds back.

    Args:
        path: the file.
        bad: is told of each frame left out; None to stop at the first.
        threads: that decode; 0 for as many as there are cores, 1 in the workers of a loader.

    Raises:
        DataError: the file is missing or no video, or a frame does not decode and ``bad`` is None;
            the message names the file and what to do.
    """
    begun = 0
    if threads != 1:
        for number, frame in _decoded(path, threads):
            if isinstance(frame, str):
                break
            yield number, frame
            begun = number + 1
        else:
            return
    # How a damaged frame is patched up, and which of those behind it suffer, hangs on the number
    # of threads: from there on the video is decoded by one, the same on every machine.
    for number, frame in _decoded(path, 1):
        if number < begun:
            continue
        if not isinstance(frame, str):
            yield number, frame
        elif bad is None:
            raise _damaged(path, number, frame)
        else:
            bad(number, frame)


def upright(frame: av.VideoFrame) -> Picture:
    """A decoded frame as a picture, turned as its container says (telephones film sideways)."""
    pixels = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
    return np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90)))


def _decoded(path: Path, threads: int) -> Iterator[tuple[int, av.VideoFrame | str]]:
    """All frames in order, each with its number, or why it does not decode."""
    try:
        container = av.open(str(path))
    except (FFmpegError, OSError) as error:
        raise _unreadable(path, error) from error
    with container:
        stream = container.streams.best("video")
        if not isinstance(stream, av.VideoStream) or stream.codec_context is None:
            raise _unreadable(path, "it holds no video that FFmpeg has a decoder for")
        stream.thread_type = "AUTO" if threads != 1 else "NONE"
        stream.codec_context.thread_count = threads
        packets = container.demux(stream)
        number = 0
        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    break
                frames = packet.decode()
            except FFmpegError as error:
                yield number, f"packet of frame {number}: {error.strerror}"
                number += 1
                continue
            for frame in frames:
                yield number, "the frame is corrupt" if frame.is_corrupt else frame
                number += 1
        if number < stream.frames:
            log.warning(
                "%s says that it has %s frames, and has %s: copy or unpack it again if it should "
                "be whole",
                path,
                f"{stream.frames:,}",
                f"{number:,}",
            )


def _unreadable(path: Path, reason: object) -> DataError:
    why = reason.strerror if isinstance(reason, OSError | FFmpegError) else reason
    return DataError(f"{path} cannot be read as a video: {why}. Copy or unpack it again.")


def _damaged(path: Path, number: int, reason: str) -> DataError:
    return DataError(f"{path}: frame {number} does not decode: {reason}. Copy or unpack it again.")
