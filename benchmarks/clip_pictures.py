"""Every picture and film of clips that a method can give, into a cell's folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import torch

from benchmarks.canvas import Sheet
from benchmarks.clip_samples import Clips
from benchmarks.clip_scenes import canonical, encode, grids, reconstructions, samples, shapes, swaps
from benchmarks.films import Scene
from benchmarks.manifold_pictures import draw_manifold
from benchmarks.mixed_pictures import draw_given, draw_swap_matrix
from benchmarks.trace_pictures import draw_trace
from lightning_modules.interface import HasClipCodes, HasClipDecoder, Method

FRAMES: Final = 16
"""Of clips drawn from a prior where none are shown."""
_OF_CLIPS: Final = {
    "clip-reconstructions": reconstructions,
    "clip-swaps": swaps,
    "clip-shapes": shapes,
    "clip-canonical": canonical,
    "clip-grids": grids,
}
_OF_FRAMES: Final = {
    "clip-manifold": draw_manifold,
    "clip-trace": draw_trace,
    "clip-swap-matrix": draw_swap_matrix,
    "clip-given": draw_given,
}


@torch.no_grad()
def draw_clips(method: Method | None, shown: Clips | None, folder: Path, title: str) -> list[Path]:
    """Draw what is there to draw, as PNG, and what moves as MP4 and GIF too.

    Args:
        method: that paints clips; of others there is nothing.
        shown: clips; None leaves what is drawn from a prior.
        folder: where ``clip-reconstructions``, ``clip-swaps``, ``clip-shapes``,
            ``clip-canonical``, ``clip-grids`` and ``clip-samples`` go, and the sheets
            ``clip-manifold``, ``clip-trace``, ``clip-swap-matrix`` and ``clip-given``.
        title: says which cell it is.

    Returns:
        The files written.
    """
    if not isinstance(method, HasClipDecoder):
        return []
    was_training = method.training
    method.eval()
    try:
        written: list[Path] = []
        for name, drawn in _drawings(method, shown, title):
            if isinstance(drawn, Sheet):
                written.append(drawn.save(folder / f"{name}.png"))
            else:
                written += drawn.save(folder, name, title)
        return written
    finally:
        method.train(was_training)


def _drawings(
    method: Method, shown: Clips | None, title: str
) -> Iterator[tuple[str, Scene | Sheet]]:
    frames = FRAMES
    if shown is not None and isinstance(method, HasClipCodes):
        frames = shown.clips.shape[1]
        found = encode(method, shown)
        for name, made in _OF_CLIPS.items():
            scene = made(found)
            if scene is not None:
                yield name, scene
        for name, draw in _OF_FRAMES.items():
            sheet = draw(found, title)
            if sheet is not None:
                yield name, sheet
    drawn = samples(method, frames)
    if drawn is not None:
        yield "clip-samples", drawn
