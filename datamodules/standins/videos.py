"""Writing the videos of stand-ins: small files in the formats that genuine copies have.

One thread encodes, for the bytes of x264 hang on the number of threads, and without its macroblock
tree, which makes some files otherwise from run to run though they are given the same frames.
"""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

__all__ = ["write_video"]

#: What a file's ending makes of it: the codec, and how it is told to be quick and good.
_CODECS: dict[str, tuple[str, dict[str, str]]] = {
    ".mp4": (
        "libx264",
        {"preset": "veryfast", "crf": "18", "bf": "2", "sc_threshold": "0", "mbtree": "0"},
    ),
    ".avi": ("mpeg4", {"qmin": "2", "qmax": "3", "mbd": "rd"}),
}


def write_video(
    path: Path,
    pictures: Iterable[NDArray[np.uint8]],
    *,
    rate: int = 30,
    times: Sequence[int] | None = None,
    turn: int = 0,
) -> None:
    """Write an H.264 video to an ``.mp4`` file, or an MPEG-4 one to an ``.avi`` file.

    Args:
        path: The file.
        pictures: Its frames, (H, W, 3) uint8, all of one size, with even sides for ``.mp4``.
        rate: Frames a second.
        times: When each frame is shown, in milliseconds, rising; None for a steady rate. Only
            ``.mp4`` knows other ones.
        turn: Degrees counter-clockwise by which a player turns the frames, of ``.mp4``.
    """
    codec, options = _CODECS[path.suffix]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=options)
        assert isinstance(stream, av.VideoStream)
        stream.codec_context.thread_count = 1
        stream.pix_fmt = "yuv420p"
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        if turn:
            stream.set_display_rotation(turn)
        for number, pixels in enumerate(pictures):
            if number == 0:
                stream.height, stream.width = pixels.shape[:2]
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = times[number], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
