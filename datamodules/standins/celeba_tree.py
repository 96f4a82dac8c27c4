"""A miniature CelebA tree of stand-in faces, in the genuine layout and file formats.

The tree is what the CelebA reader finds on the disk of somebody who has the real data: aligned
JPEG pictures of 178 by 218 pixels, the five-landmark file, identities, the partition file and the
two MAFL lists, scattered over the partitions as the genuine ones are.
"""

import json
import os
import shutil
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from datamodules.standins.counter import permutation, uniforms
from datamodules.standins.face_camera import ALIGNED_SIZE
from datamodules.standins.faces import RECIPE_VERSION as FACES_VERSION
from datamodules.standins.faces import face_landmarks, render_faces, sample_factors

__all__ = ["ALIGNED", "MARKER", "RECIPE_VERSION", "Drawn", "View", "write_celeba_tree"]

#: Raised whenever a change moves any pixel, landmark or list of the tree.
RECIPE_VERSION = 100 * FACES_VERSION + 1

#: File inside the tree that tells it from a genuine copy; holds recipe, seed and sizes as JSON.
MARKER = "standin.json"

_SPLITS = ("unsupervised", "train", "test")
_ELSEWHERE = 0.19  # share of MAFL outside CelebA's training partition, half in each other one
_PICTURES_PER_PERSON = 12
_QUALITY = 92
_BATCH = 64
_HEADER = (
    "lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y "
    "leftmouth_x leftmouth_y rightmouth_x rightmouth_y"
)


class Drawn(NamedTuple):
    """Pictures (H, W, 3) uint8, landmarks (B, 5, 2) in whole pixels, and boxes (B, 4) of faces."""

    pictures: list[NDArray[np.uint8]]
    landmarks: NDArray[np.int64]
    boxes: NDArray[np.int64] | None


class View(NamedTuple):
    """How a tree shows its faces: names of folder and landmark file, and what draws them.

    ``draw`` takes picture numbers (B,), a seed and persons (B,).
    """

    folder: str
    landmarks: str
    draw: Callable[[NDArray[np.int64], int, NDArray[np.int64]], Drawn]


def _aligned(index: NDArray[np.int64], seed: int, people: NDArray[np.int64]) -> Drawn:
    width, height = ALIGNED_SIZE
    factors = sample_factors(index, seed, identity=people)
    images = render_faces(factors, (height, width), crop="aligned", dtype=torch.uint8)
    marks = face_landmarks(factors, (height, width), crop="aligned", count=5)
    half = torch.tensor([width / 2, height / 2])
    pixels = ((marks + 1) * half - 0.5).round().long().numpy()
    return Drawn(list(images.permute(0, 2, 3, 1).contiguous().numpy()), pixels, None)


ALIGNED = View("img_align_celeba", "list_landmarks_align_celeba.txt", _aligned)


def write_celeba_tree(
    out: Path,
    sizes: Mapping[str, int],
    seed: int = 0,
    *,
    progress: Callable[[int, int], None] | None = None,
    threads: int = 2,
    view: View = ALIGNED,
) -> Path:
    """Write ``out/celeba`` whole or not at all.

    Args:
        out: Folder to put ``celeba`` in; made when missing.
        sizes: Numbers of pictures: ``unsupervised`` (training partition without any MAFL picture),
            ``train`` and ``test`` (the MAFL lists). A few pictures of the validation and test
            partitions come on top, as in the genuine tree.
        seed: Which faces; the same seed and sizes give the same tree.
        progress: Called with pictures done and pictures in all, after every batch.
        threads: Threads that encode JPEG files.
        view: How faces are shown.

    Returns:
        The path of ``out/celeba``.

    Raises:
        FileExistsError: ``out/celeba`` is there already; it is left alone.
        ValueError: ``sizes`` lacks a split, names another or holds a number below 1.
    """
    counts = _checked(sizes)
    target = Path(out) / "celeba"
    if target.exists():
        raise FileExistsError(f"{target} exists already; remove it to have it written anew")
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.parent / f".celeba-{os.getpid()}-{uuid.uuid4().hex[:8]}.partial"
    try:
        _write(part, counts, seed, progress, threads, view)
        part.replace(target)
    except BaseException:  # an interrupt, too, must leave nothing half-written
        shutil.rmtree(part, ignore_errors=True)
        raise
    return target


def _checked(sizes: Mapping[str, int]) -> dict[str, int]:
    if set(sizes) != set(_SPLITS):
        raise ValueError(f"sizes needs exactly the keys {_SPLITS}, got {tuple(sizes)}")
    for name, count in sizes.items():
        if count < 1:
            raise ValueError(f"sizes[{name!r}] must be at least 1, got {count}")
    return {name: int(sizes[name]) for name in _SPLITS}


def _plan(
    counts: dict[str, int], seed: int
) -> tuple[NDArray[np.int64], dict[str, NDArray[np.int64]]]:
    """Partition (0, 1, 2) of every picture and picture numbers (from 0) of each MAFL list."""
    outside = {name: int(_ELSEWHERE * counts[name] / 2) for name in ("train", "test")}
    extra = max(1, counts["unsupervised"] // 50)
    held_out = extra + sum(outside.values())
    training = counts["unsupervised"] + sum(counts[k] - 2 * outside[k] for k in outside)
    partition = np.repeat(np.arange(3), [training, held_out, held_out])
    pools = [
        np.flatnonzero(partition == k)[permutation(seed, int((partition == k).sum()), f"pool{k}")]
        for k in range(3)
    ]
    lists: dict[str, NDArray[np.int64]] = {}
    for name in ("train", "test"):
        wanted = (counts[name] - 2 * outside[name], outside[name], outside[name])
        chosen = np.concatenate([pool[:w] for pool, w in zip(pools, wanted, strict=True)])
        pools = [pool[w:] for pool, w in zip(pools, wanted, strict=True)]
        lists[name] = chosen[permutation(seed, len(chosen), f"order/{name}")]
    return partition, lists


def _people(partition: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Who is on each picture, counted from 1; the partitions share nobody, as in CelebA."""
    who = np.zeros(len(partition), dtype=np.int64)
    first = 1
    for k in range(3):
        here = np.flatnonzero(partition == k)
        people = -(-len(here) // _PICTURES_PER_PERSON)
        who[here] = first + (uniforms(seed, here, ["person"])[:, 0] * people).astype(np.int64)
        first += people
    return who


def _write(
    root: Path,
    counts: dict[str, int],
    seed: int,
    progress: Callable[[int, int], None] | None,
    threads: int,
    view: View,
) -> None:
    partition, lists = _plan(counts, seed)
    people = _people(partition, seed)
    total = len(partition)
    names = [f"{number:06d}.jpg" for number in range(1, total + 1)]
    pictures = root / "Img" / view.folder
    for folder in (pictures, root / "Anno", root / "Eval", root / "MAFL"):
        folder.mkdir(parents=True)
    rows: list[str] = []
    boxes: list[str] = []
    with ThreadPoolExecutor(max_workers=max(1, threads)) as pool:
        for start in range(0, total, _BATCH):
            index = np.arange(start, min(start + _BATCH, total))
            drawn = view.draw(index, seed, people[index])
            here = names[start : start + len(index)]
            rows += [
                name + " " + " ".join(f"{value:4d}" for value in row)
                for name, row in zip(here, drawn.landmarks.reshape(-1, 10).tolist(), strict=True)
            ]
            if drawn.boxes is not None:
                boxes += [
                    name + " " + " ".join(f"{value:4d}" for value in row)
                    for name, row in zip(here, drawn.boxes.tolist(), strict=True)
                ]
            jobs = [
                pool.submit(_save, array, pictures / name)
                for array, name in zip(drawn.pictures, here, strict=True)
            ]
            for job in jobs:
                job.result()
            if progress is not None:
                progress(start + len(index), total)
    _text(root / "Anno" / view.landmarks, [str(total), _HEADER, *rows, ""])
    if boxes:
        header = "image_id x_1 y_1 width height"
        _text(root / "Anno" / "list_bbox_celeba.txt", [str(total), header, *boxes, ""])
    _text(
        root / "Anno" / "identity_CelebA.txt",
        [*(f"{name} {who}" for name, who in zip(names, people, strict=True)), ""],
    )
    _text(
        root / "Eval" / "list_eval_partition.txt",
        [*(f"{name} {k}" for name, k in zip(names, partition, strict=True)), ""],
    )
    # The genuine MAFL lists end without a newline.
    _text(root / "MAFL" / "training.txt", [names[i] for i in lists["train"]])
    _text(root / "MAFL" / "testing.txt", [names[i] for i in lists["test"]])
    facts = {"standin": "faces", "recipe": RECIPE_VERSION, "seed": seed, "sizes": counts}
    _text(root / MARKER, [json.dumps(facts), ""])


def _save(array: NDArray[np.uint8], path: Path) -> None:
    Image.fromarray(array).save(path, quality=_QUALITY)


def _text(path: Path, lines: list[str]) -> None:
    path.write_text("\n".join(lines), encoding="ascii", newline="\n")
