"""Pictures that figures are drawn of: some test pictures, and a sequence that drives other faces.

They are chosen by labels alone, the same for every method: a figure is no place for a choice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from benchmarks.clip_samples import Clips, evenly, of_clips
from datamodules.clip_module import ClipModule
from datamodules.images import read_rgb
from datamodules.interface import DataModule
from lightning_modules.interface import HasClipDecoder, Method

Array = NDArray[Any]

SHOWN: Final = 8
STEPS: Final = 7
FACES: Final = 4
_PICTURES: Final = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff"}
_HELD: Final = {
    # A view may change while everything else of a recording stays; expressions are acted one
    # after the other, in other recordings and lights.
    "view": ("identity", "session", "expression", "illumination"),
    "expression": ("identity", "view"),
}


@dataclass(frozen=True)
class Driver:
    """A sequence of one person, and the faces that are to follow it.

    Args:
        kind: what changes along the sequence, e.g. ``expression``.
        images: (T, H, W, C) uint8.
        names: a word for each.
        faces: (n, H, W, C) uint8, other persons.
    """

    kind: str
    images: Array
    names: list[str]
    faces: Array


@dataclass(frozen=True)
class Samples:
    """What figures are drawn of: test pictures (n, H, W, C) uint8, drivers, and clips."""

    images: Array
    drivers: list[Driver] = field(default_factory=list)
    clips: Clips | None = None


def of_data(data: DataModule, method: Method | None = None) -> Samples | None:
    """Pictures of the test split, evenly over it and of different persons, and its sequences.

    Where there are identities, CK+'s sequences (``sequence``, ``position``) and Multi-PIE's
    recordings drive by expression, and Multi-PIE's views by view. None without test pictures.

    Args:
        data: a dataset that is set up.
        method: clips are read too if it paints them and the data has some.
    """
    if "test" not in data.splits or not len(data.dataset("test")):
        return None
    dataset = data.dataset("test")
    labels = {key: values.numpy() for key, values in dataset.labels.items()}

    def taken(rows: Sequence[int]) -> Array:
        pictures: Array = dataset.__getitems__(rows)["image"].permute(0, 2, 3, 1).numpy()
        return pictures

    found = {
        kind: rows
        for kind in ("expression", "view")
        if (rows := _sequence(labels, kind)) and len(rows) > 1
    }
    clips = None
    if isinstance(data, ClipModule) and isinstance(method, HasClipDecoder):
        clips = of_clips(data.clips("test"), data.label_names)
    return Samples(
        taken(_spread(labels.get("identity"), len(dataset))),
        [
            Driver(
                kind,
                taken(rows),
                _words(labels, kind, rows, data.label_names),
                taken(_others(labels, rows[0])),
            )
            for kind, rows in found.items()
        ],
        clips,
    )


def of_files(
    images: Sequence[Path], driver: Sequence[Path], *, size: int, channels: int
) -> Samples:
    """The user's own pictures: their middle squares, shrunk or enlarged.

    Args:
        images: files, or folders of files.
        driver: those of a sequence in the order of names, or none.
        size: side to give them, pixels.
        channels: 3, or 1 for grey.

    Raises:
        ValueError: a file is no picture, or a folder holds none.
    """
    faces = _read(images, size, channels)[0]
    if not driver:
        return Samples(faces[:SHOWN])
    frames, names = _read(driver, size, channels)
    steps = evenly(len(frames), STEPS)
    moving = Driver("sequence", frames[steps], [names[step] for step in steps], faces[:FACES])
    return Samples(faces[:SHOWN], [moving])


def _spread(identity: Array | None, count: int) -> list[int]:
    """Rows evenly over the split; the next one where a person was there before."""
    chosen: list[int] = []
    seen: set[int] = set()
    for row in evenly(count, SHOWN):
        if identity is not None:
            while row + 1 < count and int(identity[row]) in seen:
                row += 1
            seen.add(int(identity[row]))
        chosen.append(row)
    return chosen


def _sequence(labels: Mapping[str, Array], kind: str) -> list[int]:
    """Rows of one person along which ``kind`` changes, in its order; [] where there are none."""
    if "identity" not in labels or kind not in labels:
        return []
    if "position" in labels:  # of films, in which all changes at once
        return _acted(labels) if kind == "expression" and "sequence" in labels else []
    held = np.stack([labels[key] for key in _HELD[kind] if key in labels], 1)
    _, group = np.unique(held, axis=0, return_inverse=True)
    group = group.ravel()
    # Every value once in each group, in the light of the least number.
    light = labels.get("illumination", np.zeros(len(group)))
    order = np.lexsort((np.arange(len(group)), light, labels[kind], group))
    pairs = np.stack([group, np.unique(labels[kind], return_inverse=True)[1].ravel()], 1)[order]
    rows = order[np.r_[True, (np.diff(pairs, axis=0) != 0).any(1)]]
    turned = np.abs(labels["view"][rows]) if kind != "view" and "view" in labels else 0 * rows
    sizes = np.bincount(group[rows])[group[rows]]
    best = group[rows][np.lexsort((rows, turned, -sizes))[0]]
    longest: list[int] = rows[group[rows] == best].tolist()
    return longest


def _acted(labels: Mapping[str, Array]) -> list[int]:
    """The longest sequence whose expression is known, from neutral to apex."""
    known = np.flatnonzero(labels["expression"] >= 0)
    if not len(known):
        return []
    names, counts = np.unique(labels["sequence"][known], return_counts=True)
    rows = known[labels["sequence"][known] == names[counts.argmax()]]
    rows = rows[np.argsort(labels["position"][rows], kind="stable")]
    acted: list[int] = rows[evenly(len(rows), STEPS)].tolist()
    return acted


def _others(labels: Mapping[str, Array], driver: int) -> list[int]:
    """Four persons other than the driver's, as frontal and as neutral as they are there."""
    count = len(labels["identity"])
    keys = [np.arange(count)]
    keys += [np.abs(labels[key]) for key in ("expression", "view", "position") if key in labels]
    chosen: list[int] = []
    seen = {int(labels["identity"][driver])}
    for row in np.lexsort(keys).tolist():
        who = int(labels["identity"][row])
        if who not in seen:
            seen.add(who)
            chosen.append(row)
        if len(chosen) == FACES:
            break
    return chosen


def _words(
    labels: Mapping[str, Array], kind: str, rows: Sequence[int], words: Mapping[str, Sequence[str]]
) -> list[str]:
    if kind == "view":
        return [f"{labels[kind][row]:g}°" for row in rows]
    if "position" in labels:
        return [f"{100 * labels['position'][row]:.0f} %" for row in rows]
    values = [int(labels[kind][row]) for row in rows]
    return [words[kind][value] if kind in words else f"{kind} {value}" for value in values]


def _read(paths: Sequence[Path], size: int, channels: int) -> tuple[Array, list[str]]:
    files = [file for path in paths for file in _files(path)]
    pictures = []
    for file in files:
        image = read_rgb(file, None)
        if isinstance(image, str):
            raise ValueError(f"{file}: {image}")
        pictures.append(middle_square(image, size, channels))
    return np.stack(pictures), [file.stem for file in files]


def middle_square(image: Image.Image, size: int, channels: int) -> Array:
    """The middle of a picture in colours, (size, size, channels) uint8; grey for one channel.

    Photographs are turned as their camera says.
    """
    image = ImageOps.exif_transpose(image)
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.crop((left, top, left + side, top + side))
    shown = square.resize((size, size), Image.Resampling.BILINEAR)
    return np.atleast_3d(np.array(shown.convert("L" if channels == 1 else "RGB")))


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.iterdir() if file.suffix.lower() in _PICTURES)
    if not found:
        raise ValueError(f"{path}: holds no picture ({', '.join(sorted(_PICTURES))})")
    return found
