"""LPC component sheets: which pose lies where, and dressing characters in their pixels.

Sprites was made by Li and Mandt ("Disentangled Sequential Autoencoder", ICML 2018) of sheets of the
Liberated Pixel Cup. A sheet shows one skin, garment or hair in 178 poses, 13 x 21 cells of 64 x 64
pixels; a character is a sheet of each part, laid one over the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from datamodules.errors import DataError

Ints = NDArray[np.int64]

CELL: Final = 64
COLUMNS: Final = 13
ROWS: Final = 21
WIDTH, HEIGHT = COLUMNS * CELL, ROWS * CELL

ACTIONS: Final = ("walk", "spellcast", "slash", "thrust", "shoot", "hurt")
"""The first three in the order of Li and Mandt's labels."""
DIRECTIONS: Final = ("front", "left", "right", "back")
"""Where a character looks, seen by us; the first three in the order of Li and Mandt's labels."""
_BLOCKS: Final = {
    "spellcast": (0, 7),
    "thrust": (4, 8),
    "walk": (8, 9),
    "slash": (12, 6),
    "shoot": (16, 13),
    "hurt": (20, 6),
}
"""A block's first row and its filled columns, from the top of a sheet."""
POSES: Final = 178
_BLOCK_ROWS: Final = ("back", "left", "front", "right")
CLIP_ACTIONS, CLIP_DIRECTIONS, CLIP_FRAMES = ACTIONS[:3], DIRECTIONS[:3], 8
CLIP_COLUMNS: Final = {
    "walk": (8, 1, 2, 3, 4, 5, 6, 7),
    "spellcast": (0, 1, 2, 3, 4, 5, 4, 6),
    "slash": (0, 1, 2, 3, 4, 5, 4, 0),
}
"""The 8 frames of Li and Mandt's clips; a walk's column 0, standing, is not among them."""

ATTRIBUTES: Final = ("body", "bottomwear", "topwear", "hair")
"""What makes an identity, in the order of a code's digits and of the layers."""
KINDS: Final = 6
"""Sheets of each attribute: 0.png to 5.png."""
CHARACTERS: Final = KINDS ** len(ATTRIBUTES)
SHOES: Final = ("shoes", 1)
"""What everybody wears over all else."""


class Poses(NamedTuple):
    """The filled cells of a sheet, row by row: where each lies and what it shows, (178,) each.

    ``action`` and ``direction`` are indices into `ACTIONS` and `DIRECTIONS`.
    """

    row: Ints
    column: Ints
    action: Ints
    direction: Ints


def sheet_poses() -> Poses:
    """All 178 poses; a pose's number is its place here."""
    cells = []
    for action, (first, filled) in _BLOCKS.items():
        rows = ("front",) if action == "hurt" else _BLOCK_ROWS
        for down, direction in enumerate(rows):
            kind = ACTIONS.index(action), DIRECTIONS.index(direction)
            cells += [(first + down, column, *kind) for column in range(filled)]
    return Poses(*np.array(cells, np.int64).T)


def clip_poses() -> Ints:
    """Numbers of the poses of Li and Mandt's clips, (9, 8); clips by 3 action + direction."""
    poses = sheet_poses()
    number = {
        cell: k
        for k, cell in enumerate(
            zip(poses.action.tolist(), poses.direction.tolist(), poses.column.tolist(), strict=True)
        )
    }
    clips = [
        [number[action, direction, column] for column in CLIP_COLUMNS[name]]
        for action, name in enumerate(CLIP_ACTIONS)
        for direction in range(len(CLIP_DIRECTIONS))
    ]
    return np.array(clips, np.int64)


def attributes(code: int | Ints) -> Ints:
    """Body, bottomwear, topwear and hair (..., 4), each 0 to 5, of characters 0 to 1295."""
    places = KINDS ** np.arange(len(ATTRIBUTES))[::-1]
    found: Ints = np.asarray(code, np.int64)[..., None] // places % KINDS
    return found


def needed_sheets() -> list[tuple[str, int]]:
    """The 25 sheets that characters are made of: (part, number)."""
    return [(part, kind) for part in ATTRIBUTES for kind in range(KINDS)] + [SHOES]


def read_sheet(path: Path) -> NDArray[np.uint8]:
    """The 178 poses of a sheet, (178, 64, 64, 4): red, green, blue, alpha.

    Raises:
        DataError: it does not decode, or has another size.
    """
    try:
        with Image.open(path) as image:
            if image.size != (WIDTH, HEIGHT):
                raise DataError(
                    f"{path} is {image.width} x {image.height} px, an LPC sheet of {COLUMNS} x "
                    f"{ROWS} cells is {WIDTH} x {HEIGHT}: take it again from "
                    "github.com/YingzhenLi/Sprites, unscaled"
                )
            pixels = np.asarray(image.convert("RGBA"))
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise DataError(
            f"{path} does not decode ({error}): take it again from github.com/YingzhenLi/Sprites"
        ) from error
    cells = pixels.reshape(ROWS, CELL, COLUMNS, CELL, 4).transpose(0, 2, 1, 3, 4)
    poses = sheet_poses()
    return cells[poses.row, poses.column]


class _Layer(NamedTuple):
    """The pixels that a sheet paints in F frames, by their places among all of them.

    Args:
        solid: (n,) where it hides what is below.
        colour: (n, 3) of those.
        thin: (m,) where it lets something through; hardly anywhere.
        ink: (m, 3) colour times alpha of those.
        clear: (m, 1) 255 less alpha.
    """

    solid: Ints
    colour: NDArray[np.uint8]
    thin: Ints
    ink: NDArray[np.int32]
    clear: NDArray[np.int32]


class Wardrobe:
    """Characters dressed from sheets.

    Args:
        sheets: the files of `needed_sheets`, by part and number.
        poses: (F,) numbers of the poses to show, in order.

    Raises:
        DataError: a sheet does not decode or has another size.
    """

    def __init__(self, sheets: Mapping[tuple[str, int], Path], poses: Ints) -> None:
        self.frames = len(poses)
        self._layers = {key: _layer(read_sheet(sheets[key])[poses]) for key in needed_sheets()}

    def dress(self, code: int) -> NDArray[np.uint8]:
        """All frames (F, 64, 64, 3) of a character, before black.

        The layers go over all poses at once, and only over the pixels they paint. Rounding is
        Pillow's, whose ``alpha_composite`` made the published data.
        """
        canvas = np.zeros((self.frames * CELL * CELL, 3), np.uint8)
        worn = [*zip(ATTRIBUTES, attributes(code).tolist(), strict=True), SHOES]
        for layer in (self._layers[key] for key in worn):
            canvas[layer.solid] = layer.colour
            canvas[layer.thin] = (layer.ink + canvas[layer.thin] * layer.clear + 127) // 255
        return canvas.reshape(self.frames, CELL, CELL, 3)


def _layer(cells: NDArray[np.uint8]) -> _Layer:
    pixels = cells.reshape(-1, 4)
    alpha = pixels[:, 3]
    solid, thin = np.flatnonzero(alpha == 255), np.flatnonzero((alpha > 0) & (alpha < 255))
    glaze = pixels[thin].astype(np.int32)
    return _Layer(solid, pixels[solid, :3], thin, glaze[:, :3] * glaze[:, 3:], 255 - glaze[:, 3:])


def shrink(frames: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Frames (F, 64, 64, 3) at a side that divides 64: means of areas, rounded."""
    step = CELL // size
    if step == 1:
        return frames
    blocks = frames.reshape(-1, size, step, size, step, 3)
    means: NDArray[np.uint8] = (
        (blocks.sum((2, 4), dtype=np.int32) + step * step // 2) // (step * step)
    ).astype(np.uint8)
    return means


def names(codes: Sequence[int]) -> list[str]:
    """Characters as the digits of their attributes, as in Li and Mandt's file names: 5100."""
    return ["".join(map(str, digits)) for digits in attributes(np.array(codes)).tolist()]
