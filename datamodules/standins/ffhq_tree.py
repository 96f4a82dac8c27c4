"""An FFHQ tree of stand-in portraits under the genuine names, in folders of a thousand."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from datamodules.copies import mark_standin
from datamodules.ffhq_files import BLOCK, TRAINING
from datamodules.standins.faces import RECIPE_VERSION as FACES_VERSION
from datamodules.standins.faces import render_faces, sample_factors

__all__ = ["RECIPE_VERSION", "write_ffhq_tree"]

#: Raised whenever a change moves any pixel.
RECIPE_VERSION = 100 * FACES_VERSION + 1

_SEED = 0
_BATCH = 64
_ZOOM = 1.2  # FFHQ's crops show less of the shoulders than the portrait frame
_LOWER = 0.05  # and put the eyes a little above the middle


def write_ffhq_tree(
    out: Path,
    sizes: Mapping[str, int],
    side: int = 128,
    *,
    progress: Callable[[int, int], None] | None = None,
    threads: int = 2,
) -> Path:
    """Write ``out/thumbnails128x128``, or ``out/images1024x1024`` for pictures beyond 128 pixels.

    Pictures beyond are drawn at ``side`` pixels, not at 1,024, which would take a minute for every
    few hundred; the marker says so to the reader. As in FFHQ, every picture shows another person,
    and heads are upright.

    Args:
        out: Folder to put it in.
        sizes: Numbers of pictures: ``train`` (from 00000.png) and ``held_out`` (from 60000.png).
        side: Of the pictures, pixels.
        progress: Called with pictures done and pictures in all, after every batch.
        threads: Threads that encode PNG files.

    Returns:
        The folder of the pictures.
    """
    folder = out / ("thumbnails128x128" if side <= 128 else "images1024x1024")
    numbers = np.concatenate(
        [np.arange(sizes["train"]), TRAINING + np.arange(sizes["held_out"])]
    ).astype(np.int64)
    for start in np.unique(numbers // BLOCK * BLOCK):
        (folder / f"{start:05d}").mkdir(parents=True)
    with ThreadPoolExecutor(max_workers=max(1, threads)) as pool:
        for first in range(0, len(numbers), _BATCH):
            index = numbers[first : first + _BATCH]
            factors = sample_factors(index, _SEED)
            # FFHQ is aligned by eyes and mouth: hardly any roll, shift or scale is left, and
            # faces turned far away were not found at all.
            factors = factors.replace(
                yaw=0.8 * factors.yaw,
                roll=0.15 * factors.roll,
                shift=0.25 * factors.shift + torch.tensor([0.0, _LOWER]),
                scale=_ZOOM * factors.scale**0.3,
            )
            images = render_faces(factors, side, crop="portrait", dtype=torch.uint8)
            arrays = images.permute(0, 2, 3, 1).contiguous().numpy()
            paths = [folder / f"{n // BLOCK * BLOCK:05d}" / f"{n:05d}.png" for n in index]
            list(pool.map(_save, arrays, paths))
            if progress is not None:
                progress(first + len(index), len(numbers))
    facts = {"standin": "faces", "recipe": RECIPE_VERSION, "seed": _SEED, "side": side}
    mark_standin(folder, facts | {"sizes": dict(sizes)})
    return folder


def _save(array: NDArray[np.uint8], path: Path) -> None:
    Image.fromarray(array).save(path, compress_level=1)
