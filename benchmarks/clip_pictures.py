"""Every picture and film of clips that a method can give, into a cell's folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import torch

from benchmarks.clip_samples import Clips
from benchmarks.clip_scenes import canonical, encode, grids, reconstructions, samples, shapes, swaps
from benchmarks.films import Scene
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


@torch.no_grad()
def draw_clips(method: Method | None, shown: Clips | None, folder: Path, title: str) -> list[Path]:
    """Draw what is there to draw, each as PNG, MP4 and GIF.

    Args:
        method: that paints clips; of others there is nothing.
        shown: clips; None leaves what is drawn from a prior.
        folder: where ``clip-reconstructions``, ``clip-swaps``, ``clip-shapes``,
            ``clip-canonical``, ``clip-grids`` and ``clip-samples`` go.
        title: says which cell it is.

    Returns:
        The files written.
    """
    if not isinstance(method, HasClipDecoder):
        return []
    was_training = method.training
    method.eval()
    try:
        scenes = _scenes(method, shown)
        return [path for name, scene in scenes for path in scene.save(folder, name, title)]
    finally:
        method.train(was_training)


def _scenes(method: Method, shown: Clips | None) -> Iterator[tuple[str, Scene]]:
    frames = FRAMES
    if shown is not None and isinstance(method, HasClipCodes):
        frames = shown.clips.shape[1]
        found = encode(method, shown)
        for name, made in _OF_CLIPS.items():
            scene = made(found)
            if scene is not None:
                yield name, scene
    drawn = samples(method, frames)
    if drawn is not None:
        yield "clip-samples", drawn
