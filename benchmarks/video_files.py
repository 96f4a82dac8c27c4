"""Moving pictures as files: MP4 and GIF through PyAV, written whole or not at all.

The same frames give the same bytes with the same build of FFmpeg: one thread, and no date.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from av.codec.codec import UnknownCodecError
from numpy.typing import NDArray

from benchmarks.files import atomic_writer

Array = NDArray[Any]

log = logging.getLogger(__name__)

FPS: Final = 10
"""Frames a second; a GIF counts in hundredths, so that this is one it can hold exactly."""
ENCODERS: Final[dict[str, dict[str, str]]] = {
    # Its macroblock tree reads memory that nobody wrote, so that some films differ from run to run.
    "libx264": {"crf": "18", "preset": "veryfast", "mbtree": "0"},
    "libopenh264": {"b": "4M"},
    "mpeg4": {"b": "8M"},
}
"""Encoders and their options, the first that is there is taken; browsers do not play the last."""
_BT709: Final = 1
_LIMITED: Final = 1
_COLOURS: Final = 128


def write_mp4(path: Path, frames: Iterable[Array], fps: int = FPS) -> Path:
    """Write an MP4 file, H.264 where this build of FFmpeg can, in yuv420p.

    Args:
        path: of the file.
        frames: (H, W, 3) uint8, all of one size; odd sides are made even by a pixel of the edge.
        fps: frames a second.

    Raises:
        ValueError: there is no frame, or one of another size.
        OSError: the file cannot be written.
    """
    (height, width), shown = _sized(frames)
    encoder = _encoder()
    options = ENCODERS[encoder] | {"threads": "1"}
    with atomic_writer(path) as stream, av.open(stream, "w", format="mp4") as out:
        video = out.add_stream(encoder, rate=fps, options=options)
        assert isinstance(video, av.VideoStream)
        video.width, video.height, video.pix_fmt = width + width % 2, height + height % 2, "yuv420p"
        # Said in the file: players guess by the size otherwise, and skin turns green or red.
        context = video.codec_context
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED
        for frame in shown:
            even = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
            made = av.VideoFrame.from_ndarray(even, format="rgb24").reformat(
                format="yuv420p", dst_colorspace=_BT709, dst_color_range=_LIMITED
            )
            out.mux(video.encode(made))
        out.mux(video.encode())
    return path


def write_gif(path: Path, frames: Iterable[Array], fps: int = FPS) -> Path:
    """Write a GIF file that plays for ever, its colours chosen from all frames together.

    Args:
        path: of the file.
        frames: (H, W, 3) uint8, all of one size.
        fps: frames a second, a divisor of 100.

    Raises:
        ValueError: there is no frame, or one of another size.
        OSError: the file cannot be written.
    """
    (height, width), shown = _sized(frames)
    tick = Fraction(1, fps)
    graph = av.filter.Graph()
    graph.threads = 1
    source = graph.add_buffer(
        width=width, height=height, format=av.VideoFormat("rgb24"), time_base=tick
    )
    both = graph.add("split")
    palette = graph.add("palettegen", f"max_colors={_COLOURS}")
    # Dither would flicker, and be all that moves.
    use = graph.add("paletteuse", "dither=none:diff_mode=rectangle")
    source.link_to(both)
    both.link_to(palette, 0, 0)
    both.link_to(use, 1, 0)
    palette.link_to(use, 0, 1)
    use.link_to(graph.add("buffersink"))
    graph.configure()
    for place, frame in enumerate(shown):
        made = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        made.pts, made.time_base = place, tick
        graph.vpush(made)
    graph.vpush(None)
    with (
        atomic_writer(path) as stream,
        av.open(stream, "w", format="gif", options={"loop": "0"}) as out,
    ):
        video = out.add_stream("gif", rate=fps, options={"threads": "1"})
        assert isinstance(video, av.VideoStream)
        video.width, video.height, video.pix_fmt = width, height, "pal8"
        for coloured in _pulled(graph):
            out.mux(video.encode(coloured))
        out.mux(video.encode())
    return path


def _sized(frames: Iterable[Array]) -> tuple[tuple[int, int], Iterator[Array]]:
    """Height and width of the frames, and the frames, each checked as it comes."""
    coming = iter(frames)
    first = next(coming, None)
    if first is None:
        raise ValueError("a video needs at least one frame, got none")

    def checked() -> Iterator[Array]:
        for frame in chain([first], coming):
            if frame.shape != (*first.shape[:2], 3) or frame.dtype != np.uint8:
                raise ValueError(
                    f"frames are (H, W, 3) uint8, all as large as the first, {first.shape}; got "
                    f"{frame.shape} {frame.dtype}"
                )
            yield frame

    return first.shape[:2], checked()


def _encoder() -> str:
    for name in ENCODERS:
        try:
            av.Codec(name, "w")
        except UnknownCodecError:
            continue
        if name == "mpeg4":
            log.warning("this build of FFmpeg has no H.264: browsers will not play its MP4 files")
        return name
    raise OSError(f"this build of FFmpeg has none of the encoders {', '.join(ENCODERS)}")


def _pulled(graph: av.filter.Graph) -> Iterator[av.VideoFrame]:
    while True:
        try:
            yield graph.vpull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
