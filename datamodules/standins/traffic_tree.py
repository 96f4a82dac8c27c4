"""A recording of a street as a stand-in: a video of a junction, and a file of what is true.

A third as large as the paper's recordings, so the paper's crop box is a third too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from datamodules.copies import mark_standin
from datamodules.standins.scene_camera import Camera
from datamodules.standins.traffic_flow import RATE, drive
from datamodules.standins.traffic_render import render_traffic
from datamodules.standins.videos import write_video
from datamodules.traffic_files import TRUTH
from datamodules.traffic_truth import Sightings, write_sightings

__all__ = ["CROP", "RECIPE_VERSION", "write_traffic_tree"]

#: Raised whenever a change moves any pixel or label.
RECIPE_VERSION = 1
SEED: Final = 3
SIZE: Final = (160, 140)
CROP: Final = (20, 0, 160, 140)
"""What is shown of the pictures: left, top, right and bottom, pixels."""
# The junction is in the middle of the crop, which is right of the middle of the picture.
_CAMERA: Final = Camera((-1.7, -24.0, 24.0), (-1.7, 3.0, 0.0), *SIZE, 1.3)
_AT_ONCE: Final = 32


def write_traffic_tree(
    folder: Path, frames: int, progress: Callable[[int, int], None], seed: int = SEED
) -> None:
    """Write the video and the truth into an empty folder.

    Args:
        folder: to write into.
        frames: of the video.
        progress: told of (done, of).
        seed: of what drives there.
    """
    flow = drive(frames, seed)
    boxes: list[NDArray[np.floating]] = []
    middles: list[NDArray[np.floating]] = []
    visible: list[NDArray[np.floating]] = []

    def pictures() -> Iterator[NDArray[np.uint8]]:
        for at in range(0, frames, _AT_ONCE):
            seen = render_traffic(flow, range(at, min(at + _AT_ONCE, frames)), _CAMERA, CROP)
            boxes.append(seen.box)
            middles.append(seen.pixel)
            visible.append(seen.visible)
            yield from seen.pictures
            progress(min(at + _AT_ONCE, frames), frames)

    write_video(folder / "traffic.mp4", pictures(), rate=RATE)
    share = np.concatenate(visible).astype(np.float32)
    shown = share > 0
    write_sightings(
        folder / TRUTH,
        Sightings(
            flow.frame[shown],
            flow.car[shown],
            share[shown],
            _within_crop(np.concatenate(middles)[shown]),
            _within_crop(np.concatenate(boxes)[shown].reshape(-1, 2, 2)).reshape(-1, 4),
            flow.shape,
            flow.colour,
        ),
    )
    mark_standin(folder, {"recipe": RECIPE_VERSION, "frames": frames, "seed": seed})


def _within_crop(pixels: NDArray[np.floating]) -> NDArray[np.float32]:
    """Places (..., 2), pixels of the video, in [-1, 1] of what is shown of it."""
    left, top, right, bottom = CROP
    corner, size = np.array([left, top]), np.array([right - left, bottom - top])
    places: NDArray[np.float32] = (2 * (pixels - corner) / size - 1).astype(np.float32)
    return places
