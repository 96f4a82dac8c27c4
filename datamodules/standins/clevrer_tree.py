"""A CLEVRER copy of stand-in scenes: videos and annotations as the genuine archives give.

Cubes, spheres and cylinders of metal or rubber on a grey plane, pushed about by a rigid-body engine
(`scene_physics`) and ray cast (`scene_render`). Videos have CLEVRER's 128 frames and its shape, 3
by 2, but are as small as the user of the stand-in wants. A file beside them knows what genuine
annotations do not: where each object is seen, and how much of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np

from datamodules.clevrer_files import COLOURS, FIRST, FRAMES, MATERIALS, MOST, SHAPES, TRUTH
from datamodules.copies import mark_standin
from datamodules.standins.scene_camera import Camera
from datamodules.standins.scene_physics import Motion, half_extents, simulate
from datamodules.standins.scene_render import Body, Look, Seen, Thing, render
from datamodules.standins.videos import write_video

__all__ = ["RECIPE_VERSION", "draw_scene", "write_clevrer_tree"]

#: Raised whenever a change moves any pixel or label.
RECIPE_VERSION = 1
SEED: Final = 7
THREADS: Final = 2
EYE: Final = (0.0, -9.2, 6.6)
TARGET: Final = (0.0, -0.15, 0.2)
ZOOM: Final = 1.2
GROUND: Final = (0.72, 0.72, 0.73)
RGB: Final = {
    "gray": (0.45, 0.45, 0.45),
    "red": (0.68, 0.14, 0.14),
    "blue": (0.16, 0.29, 0.84),
    "green": (0.11, 0.41, 0.08),
    "brown": (0.5, 0.29, 0.1),
    "cyan": (0.16, 0.82, 0.82),
    "purple": (0.5, 0.15, 0.75),
    "yellow": (1.0, 0.93, 0.2),
}
_AT_ONCE: Final = 8
_BODIES: Final[dict[str, Body]] = {"cube": "box", "sphere": "sphere", "cylinder": "cylinder"}


def draw_scene(number: int, width: int, frames: int = FRAMES) -> tuple[Motion, Seen]:
    """Scene ``number``, in pictures of ``width`` by two thirds of it."""
    motion = simulate(number, SEED, frames)
    things = []
    for thing, (shape, material, colour) in enumerate(
        zip(motion.shape, motion.material, motion.colour, strict=True)
    ):
        wide, tall = half_extents(SHAPES[shape])
        look = Look(RGB[COLOURS[colour]], MATERIALS[material] == "metal")
        body, half = _BODIES[SHAPES[shape]], (wide, wide, tall)
        things.append(Thing(body, half, look, motion.place[:, thing], motion.angle[:, thing]))
    return motion, render(things, Camera(EYE, TARGET, width, width * 2 // 3, ZOOM), GROUND)


def write_clevrer_tree(
    folder: Path, sizes: Mapping[str, int], width: int, progress: Callable[[int, int], None]
) -> None:
    """Write videos, annotations and the truth into an empty folder.

    Args:
        folder: to write into.
        sizes: videos of every split.
        width: of the videos, pixels, a multiple of 6.
        progress: told of (done, of).
    """
    numbers = [FIRST[split] + k for split, count in sizes.items() for k in range(count)]
    for number in numbers:
        for path in (video_path(folder, number), annotation_path(folder, number)):
            path.parent.mkdir(parents=True, exist_ok=True)
    truth: dict[str, list[Any]] = {"number": [], "visible": [], "centre": [], "box": []}
    with ThreadPoolExecutor(THREADS) as pool:
        for at in range(0, len(numbers), _AT_ONCE):
            some = numbers[at : at + _AT_ONCE]
            for number, seen in zip(
                some, pool.map(lambda number: _write(folder, number, width), some), strict=True
            ):
                truth["number"].append(number)
                for key in ("visible", "centre", "box"):
                    truth[key].append(_padded(getattr(seen, key), key))
            progress(at + len(some), len(numbers))
    arrays: dict[str, Any] = {key: np.array(values) for key, values in truth.items()}
    np.savez(folder / TRUTH, **arrays)
    mark_standin(folder, {"recipe": RECIPE_VERSION, "sizes": dict(sizes), "width": width})


def video_path(folder: Path, number: int) -> Path:
    """Where a video lies."""
    return folder / "video" / _thousand("video", number) / f"video_{number:05d}.mp4"


def annotation_path(folder: Path, number: int) -> Path:
    """Where its annotation lies."""
    name = f"annotation_{number:05d}.json"
    return folder / "annotation" / _thousand("annotation", number) / name


def _thousand(what: str, number: int) -> str:
    low = number // 1000 * 1000
    return f"{what}_{low:05d}-{low + 1000:05d}"


def _write(folder: Path, number: int, width: int) -> Seen:
    motion, seen = draw_scene(number, width)
    write_video(video_path(folder, number), seen.pictures, rate=25)
    said = json.dumps(_annotation(number, motion, seen))
    annotation_path(folder, number).write_text(said, encoding="ascii")
    return seen


def _padded(values: np.ndarray[Any, Any], key: str) -> np.ndarray[Any, Any]:
    """(T, N, ...) of a scene as (T, MOST, ...)."""
    empty = 0.0 if key == "visible" else np.nan
    full = np.full((len(values), MOST, *values.shape[2:]), empty, np.float32)
    full[:, : values.shape[1]] = values
    return full


def _annotation(number: int, motion: Motion, seen: Seen) -> dict[str, Any]:
    things = range(len(motion.shape))
    tall = [half_extents(SHAPES[shape])[1] for shape in motion.shape]
    return {
        "scene_index": number,
        "video_filename": f"video_{number:05d}.mp4",
        "object_property": [
            {
                "object_id": thing,
                "color": COLOURS[motion.colour[thing]],
                "material": MATERIALS[motion.material[thing]],
                "shape": SHAPES[motion.shape[thing]],
            }
            for thing in things
        ],
        "motion_trajectory": [
            {
                "frame_id": frame,
                "objects": [
                    {
                        "object_id": thing,
                        "location": [*motion.place[frame, thing].round(4).tolist(), tall[thing]],
                        "orientation": [0, 0, round(float(motion.angle[frame, thing]), 4)],
                        "velocity": [*motion.velocity[frame, thing].round(4).tolist(), 0],
                        "angular_velocity": [0, 0, round(float(motion.spin[frame, thing]), 4)],
                        "inside_camera_view": bool(seen.visible[frame, thing] > 0),
                    }
                    for thing in things
                ],
            }
            for frame in range(len(motion.place))
        ],
        "collision": [
            {
                "object_ids": [hit.first, hit.second],
                "frame_id": hit.frame,
                "location": [*np.round(hit.place, 4).tolist(), tall[hit.first]],
            }
            for hit in motion.collisions
        ],
    }
