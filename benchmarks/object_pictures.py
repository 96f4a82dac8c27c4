"""A cell's scenes: objects, reconstructions, particles by their certainty, boxes and masks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from benchmarks.canvas import (
    GREY,
    INK,
    ORANGE,
    SKY,
    VERMILION,
    Sheet,
    dots,
    tile_size,
)

Array = NDArray[Any]

_FOOT: Final = 44
_AREAS: Final = (8.0, 80.0)  # square points: the least certain and the most certain particle
_PALETTE: Final = "turbo"


def draw_objects(arrays: Mapping[str, Array], title: str) -> Sheet | None:
    """Scenes with what a method finds in them; rows it has nothing for are left out.

    True boxes on the picture; the reconstruction; particles, red where kept by their variance,
    the larger the more certain; boxes left after filter and suppression; every pixel in the colour
    of the particle that paints it; what is painted without particles.
    """
    if "object_true" not in arrays:
        return None
    images = arrays["test_images"]
    names = {"true": "true boxes", "rebuilt": "recon-\nstruction"}
    names |= {"points": "particles"} if "test_keypoints" in arrays else {}
    names |= {
        "boxed": "boxes after\nfilter and\nsuppression",
        "masks": "who paints\na pixel",
        "background": "without\nparticles",
    }
    wanted = {"points": "test_keypoints"}
    names = {k: v for k, v in names.items() if wanted.get(k, f"object_{k}") in arrays}
    sheet = Sheet(
        f"Objects of {len(images)} test scenes",
        title,
        rows=len(names),
        columns=len(images),
        tile=tile_size(images.shape[1:3], about=192),
        left=130,
        foot=_FOOT,
    )
    areas = _areas(arrays)
    for row, (name, words) in enumerate(names.items()):
        sheet.row_name(row, words)
        for column, image in enumerate(images):
            axes = sheet.photo(row, column, _shown(name, arrays, column, image))
            if name == "true":
                _frames(axes, arrays["object_true"][column], SKY)
            if name == "points":
                _particles(axes, arrays, column, areas)
            if name == "boxed":
                kept = arrays["object_boxed"][column]
                _frames(axes, arrays["object_boxes"][column, kept], ORANGE)
    strip = sheet.strip(_FOOT)
    words = "; ".join(
        ["blue: true boxes"]
        + (["the larger, the more certain a particle"] if areas is not None else [])
        + (["red: kept by variance, grey: not"] if "object_kept" in arrays else [])
    )
    strip.text(sheet.origin[0], 26, words, size=7, color=INK, va="center")
    return sheet


def _shown(name: str, arrays: Mapping[str, Array], column: int, image: Array) -> Array:
    if name in ("rebuilt", "background"):
        return np.asarray(arrays[f"object_{name}"][column])
    return coloured(arrays["object_masks"][column]) if name == "masks" else image


def coloured(masks: Array) -> Array:
    """Masks (K, H, W) as one picture (H, W, 3) uint8, a colour a particle, the rest dark grey."""
    colours = matplotlib.colormaps[_PALETTE](np.linspace(0.05, 0.95, max(len(masks), 2)))
    # Neighbours in index are often neighbours in the picture: spread their colours.
    colours = colours[np.argsort(np.arange(len(colours)) * 0.618 % 1, kind="stable")]
    painted = np.einsum("khw,kc->hwc", masks, colours[: len(masks), :3])
    left = 1 - masks.sum(0).clip(0, 1)
    return np.asarray(((painted + 0.15 * left[..., None]).clip(0, 1) * 255).round(), np.uint8)


def _areas(arrays: Mapping[str, Array]) -> Array | None:
    """Areas (n, K) of particles, linear in their log-variance between its outer 2 %."""
    if "test_log_variance" not in arrays:
        return None
    unsure = arrays["test_log_variance"].sum(-1)
    low, high = np.percentile(unsure, [2, 98])
    if high - low < 1e-6:
        return np.full(unsure.shape, sum(_AREAS) / 2)
    certainty = np.clip((high - unsure) / (high - low), 0, 1)
    return np.asarray(_AREAS[0] + certainty * (_AREAS[1] - _AREAS[0]))


def _particles(axes: Axes, arrays: Mapping[str, Array], column: int, areas: Array | None) -> None:
    points = arrays["test_keypoints"][column]
    area = np.full(len(points), 32.0) if areas is None else areas[column]
    kept = arrays["object_kept"][column] if "object_kept" in arrays else np.ones(len(area), bool)
    for some, colour in ((~kept, GREY), (kept, VERMILION)):
        if some.any():
            dots(axes, points[some], area=area[some], width=0.8, edge="white", c=colour)


def _frames(axes: Axes, boxes: Array, colour: str) -> None:
    for left, top, right, bottom in boxes[np.isfinite(boxes).all(-1)]:
        for width, ink in ((2.4, INK), (1.2, colour)):
            frame = Rectangle(
                (left, top), right - left, bottom - top, fill=False, linewidth=width, edgecolor=ink
            )
            axes.add_patch(frame)
