"""LPC component sheets of stand-in persons: the files that Li and Mandt's generator reads.

Genuine PNGs are of two kinds, with a palette and with four channels, and so are these. Unlike the
genuine ones, in which ``bottomwear/5`` and ``topwear/5`` have no cells for thrust and shoot, every
sheet shows all 178 poses, and no two poses are alike.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from datamodules.copies import mark_standin
from datamodules.sprites_sheets import CELL, COLUMNS, HEIGHT, ROWS, SHOES, WIDTH, sheet_poses
from datamodules.standins.sprite_clothes import BOTTOMS, TOPS
from datamodules.standins.sprite_figure import BODIES, EYES, Figure
from datamodules.standins.sprite_figure import SHOES as LEATHER
from datamodules.standins.sprite_hair import HAIRS
from datamodules.standins.sprite_paint import Canvas, palette
from datamodules.standins.sprite_skeleton import skeletons

__all__ = ["RECIPE_VERSION", "draw_sheets", "write_sprites_tree"]

#: Raised whenever a change moves any pixel.
RECIPE_VERSION = 1
#: Of the locks of hair.
SEED = 0

_RGBA: Final = (("body", 5), ("topwear", 5))
_NEVER_WORN: Final = ((90, 62, 48), (110, 84, 60))


def draw_sheets(seed: int = SEED) -> Iterator[tuple[tuple[str, int], NDArray[np.uint8]]]:
    """All sheets: ((part, number), cells (178, 64, 64, 4) uint8)."""
    figure = Figure(skeletons(sheet_poses()))
    bodies = {pointed: Canvas(figure.body(pointed)) for pointed in (False, True)}
    # Ears do not hide clothes: one body does for all.
    bare, middle = bodies[False], figure.middle
    for k, (skin, iris, pointed) in enumerate(BODIES):
        colours = palette((skin, EYES, iris))
        yield ("body", k), bodies[pointed].paint(colours, middle=middle)
    for part, garments in (("bottomwear", BOTTOMS), ("topwear", TOPS)):
        for k, (cut, inks) in enumerate(garments):
            yield (part, k), Canvas(cut(figure)).paint(palette(inks), bare, middle)
    for k, (dress, inks) in enumerate(HAIRS):
        yield ("hair", k), Canvas(dress(figure, seed)).paint(palette(inks), bare)
    for shoes, inks in ((SHOES, LEATHER), (("shoes", 0), _NEVER_WORN)):
        yield shoes, Canvas(figure.shoes()).paint(palette(inks), bare, middle)


def write_sprites_tree(
    out: Path, *, seed: int = SEED, progress: Callable[[int, int], None] | None = None
) -> Path:
    """Write the tree: six sheets each of body, bottomwear, topwear and hair, and shoes.

    Args:
        out: Folder to put ``Sprites`` in.
        seed: Of the locks of hair.
        progress: Called with sheets done and sheets in all.

    Returns:
        The folder of the parts' folders.
    """
    folder = out / "Sprites"
    folder.mkdir(parents=True)
    (folder / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    total = 4 * len(BODIES) + 2
    for done, ((part, number), cells) in enumerate(draw_sheets(seed), 1):
        path = folder / part / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        _save(path, cells, indexed=(part, number) not in _RGBA)
        if progress is not None:
            progress(done, total)
    mark_standin(folder, {"standin": "sprites", "recipe": RECIPE_VERSION, "seed": seed})
    return folder


def _save(path: Path, cells: NDArray[np.uint8], *, indexed: bool) -> None:
    poses = sheet_poses()
    sheet = np.zeros((ROWS, COLUMNS, CELL, CELL, 4), np.uint8)
    sheet[poses.row, poses.column] = cells
    pixels = sheet.transpose(0, 2, 1, 3, 4).reshape(HEIGHT, WIDTH, 4)
    if not indexed:
        Image.fromarray(pixels).save(path)
        return
    packed = np.ascontiguousarray(pixels).view("<u4")[..., 0]  # a colour as one number
    shown = packed > 0
    found = np.unique(packed[shown])
    index = np.zeros(packed.shape, np.uint8)  # 0 is clear
    index[shown] = 1 + np.searchsorted(found, packed[shown])
    colours = np.concatenate([[0], found]).astype("<u4").view(np.uint8).reshape(-1, 4)
    image = Image.fromarray(index)
    image.putpalette(colours[:, :3].tobytes())
    image.save(path, transparency=colours[:, 3].tobytes())
